//! CSSELR, Cache Size Selection Register: which cache CCSIDR describes.

super::fields! {
    /// Fields of [`CSSELR`](const@CSSELR).
    CSSELR [
        /// Cache level, less one.
        LEVEL OFFSET(1) NUMBITS(3) [],
        /// Data or unified cache, or instruction cache.
        IND OFFSET(0) NUMBITS(1) [DataOrUnified = 0, Instruction = 1]
    ]
}

super::cp15_register! {
    /// Cache Size Selection Register.
    ///
    /// A write needs an `isb` before CCSIDR is read, and interrupts masked until then.
    CSSELR: CSSELR::Register, rw [p15 2 c0 c0 0]
}
