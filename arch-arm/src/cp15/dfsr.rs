//! DFSR, Data Fault Status Register: why the last data abort came.
//!
//! [`crate::trap::DataFault`] decodes it.

super::fields! {
    /// Fields of [`DFSR`](const@DFSR) in the short-descriptor format.
    DFSR [
        /// A cache maintenance operation faulted.
        CM OFFSET(13) NUMBITS(1) [],
        /// External abort type, implementation defined.
        EXT OFFSET(12) NUMBITS(1) [],
        /// Write, not read. Also 1 when a maintenance operation faulted.
        WNR OFFSET(11) NUMBITS(1) [],
        /// Bit 4 of the fault status.
        FS_HIGH OFFSET(10) NUMBITS(1) [],
        /// The long-descriptor format of this register.
        LPAE OFFSET(9) NUMBITS(1) [],
        /// Domain of the address, where the fault's kind makes it known.
        DOMAIN OFFSET(4) NUMBITS(4) [],
        /// Bits 3 to 0 of the fault status.
        FS_LOW OFFSET(0) NUMBITS(4) []
    ]
}

super::cp15_register! {
    /// Data Fault Status Register. Read it before anything else can abort.
    DFSR: DFSR::Register, ro [p15 0 c5 c0 0]
}
