//! PMXEVTYPER, Performance Monitors Event Type Select: what the selected counter counts.

super::fields! {
    /// Fields of [`PMXEVTYPER`](const@PMXEVTYPER).
    PMXEVTYPER [
        /// Not in PL1.
        P OFFSET(31) NUMBITS(1) [],
        /// Not in PL0.
        U OFFSET(30) NUMBITS(1) [],
        /// In HYP mode as well.
        NSH OFFSET(27) NUMBITS(1) [],
        /// The event's number.
        EVENT OFFSET(0) NUMBITS(8) [InstructionsExecuted = 0x08]
    ]
}

super::cp15_register! {
    /// Performance Monitors Event Type Select Register. The entry code writes it.
    PMXEVTYPER: PMXEVTYPER::Register, ro [p15 0 c9 c13 1]
}
