//! ID_PFR1, Processor Feature Register 1: which extensions of the programmers' model there are.

super::fields! {
    /// Fields of [`ID_PFR1`](const@ID_PFR1). 0 means absent.
    ID_PFR1 [
        /// Generic Timer.
        GENTIMER OFFSET(16) NUMBITS(4) [],
        /// Virtualization Extensions, and with them HYP mode.
        VIRTUALIZATION OFFSET(12) NUMBITS(4) [],
        /// M-profile programmers' model.
        MPROFILE OFFSET(8) NUMBITS(4) [],
        /// Security Extensions, and with them VBAR.
        SECURITY OFFSET(4) NUMBITS(4) [],
        /// The standard programmers' model of ARMv4 and later.
        PROGMOD OFFSET(0) NUMBITS(4) []
    ]
}

super::cp15_register! {
    /// Processor Feature Register 1.
    ID_PFR1: ID_PFR1::Register, ro [p15 0 c0 c1 1]
}
