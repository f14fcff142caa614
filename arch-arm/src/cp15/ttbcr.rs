//! TTBCR, Translation Table Base Control Register: format, and who translates what.

super::fields! {
    /// Fields of [`TTBCR`](const@TTBCR) in the short-descriptor format. This kernel writes 0: short
    /// descriptors, every address through TTBR0, as Linux does without LPAE.
    TTBCR [
        /// Long descriptors.
        EAE OFFSET(31) NUMBITS(1) [],
        /// A TLB miss on an address of TTBR1 faults.
        PD1 OFFSET(5) NUMBITS(1) [],
        /// A TLB miss on an address of TTBR0 faults.
        PD0 OFFSET(4) NUMBITS(1) [],
        /// An address with any of its top `N` bits set is translated by TTBR1.
        N OFFSET(0) NUMBITS(3) []
    ]
}

super::cp15_register! {
    /// Translation Table Base Control Register.
    ///
    /// A write needs an `isb`, and a flush of the TLB when it changes how an address that is in use
    /// is translated.
    TTBCR: TTBCR::Register, rw [p15 0 c2 c0 2]
}
