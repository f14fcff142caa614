//! PAR, Physical Address Register: the answer to an address translation operation.
//!
//! [`crate::translate`] asks and decodes it.

super::fields! {
    /// Fields of [`PAR`](const@PAR) in the short-descriptor format. Those beyond `F` and `FS` are
    /// meaningful only if the translation succeeded.
    PAR [
        /// Bits 31 to 12 of the physical address; of a supersection, bits 31 to 24 and 39 to 32.
        PA OFFSET(12) NUMBITS(20) [],
        /// Not outer shareable.
        NOS OFFSET(10) NUMBITS(1) [],
        /// The memory is non-secure.
        NS OFFSET(9) NUMBITS(1) [],
        /// Shareable.
        SH OFFSET(7) NUMBITS(1) [],
        /// Inner cacheability, or the kind of device memory.
        INNER OFFSET(4) NUMBITS(3) [],
        /// Outer cacheability.
        OUTER OFFSET(2) NUMBITS(2) [],
        /// A supersection.
        SS OFFSET(1) NUMBITS(1) [],
        /// The fault status, if `F`: bits 12, 10 and 3 to 0 of DFSR.
        FS OFFSET(1) NUMBITS(6) [],
        /// The translation failed.
        F OFFSET(0) NUMBITS(1) []
    ]
}

super::cp15_register! {
    /// Physical Address Register. Every exception overwrites it: read it with interrupts masked,
    /// after an `isb` behind the operation.
    PAR: PAR::Register, ro [p15 0 c7 c4 0]
}
