//! CNTV_CTL, PL1 Virtual Timer Control: its interrupt on or off.

super::fields! {
    /// Fields of [`CNTV_CTL`](const@CNTV_CTL).
    CNTV_CTL [
        /// The counter has reached the compare value; whether masked or not.
        ISTATUS OFFSET(2) NUMBITS(1) [],
        /// No interrupt.
        IMASK OFFSET(1) NUMBITS(1) [],
        /// The timer compares.
        ENABLE OFFSET(0) NUMBITS(1) []
    ]
}

super::cp15_register! {
    /// PL1 Virtual Timer Control register. A write needs an `isb` before the timer's interrupt is
    /// ended or let in.
    CNTV_CTL: CNTV_CTL::Register, rw [p15 0 c14 c3 1]
}
