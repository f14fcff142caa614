//! CCSIDR, Cache Size ID Register: the geometry of the cache that CSSELR selects.

super::fields! {
    /// Fields of [`CCSIDR`](const@CCSIDR).
    CCSIDR [
        /// Supports write-through.
        WT OFFSET(31) NUMBITS(1) [],
        /// Supports write-back.
        WB OFFSET(30) NUMBITS(1) [],
        /// Supports read-allocation.
        RA OFFSET(29) NUMBITS(1) [],
        /// Supports write-allocation.
        WA OFFSET(28) NUMBITS(1) [],
        /// Sets, less one.
        NUMSETS OFFSET(13) NUMBITS(15) [],
        /// Ways, less one.
        ASSOCIATIVITY OFFSET(3) NUMBITS(10) [],
        /// log2 of the line's length in bytes, less four.
        LINESIZE OFFSET(0) NUMBITS(3) []
    ]
}

super::cp15_register! {
    /// Cache Size ID Register.
    CCSIDR: CCSIDR::Register, ro [p15 1 c0 c0 0]
}
