//! IFSR, Instruction Fault Status Register: why the last prefetch abort came.
//!
//! [`crate::trap::InstructionFault`] decodes it.

super::fields! {
    /// Fields of [`IFSR`](const@IFSR) in the short-descriptor format.
    IFSR [
        /// External abort type, implementation defined.
        EXT OFFSET(12) NUMBITS(1) [],
        /// Bit 4 of the fault status.
        FS_HIGH OFFSET(10) NUMBITS(1) [],
        /// The long-descriptor format of this register.
        LPAE OFFSET(9) NUMBITS(1) [],
        /// Bits 3 to 0 of the fault status.
        FS_LOW OFFSET(0) NUMBITS(4) []
    ]
}

super::cp15_register! {
    /// Instruction Fault Status Register. Read it before anything else can abort.
    IFSR: IFSR::Register, ro [p15 0 c5 c0 1]
}
