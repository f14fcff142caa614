//! CNTP_CTL, PL1 Physical Timer Control: its interrupt on or off.
//!
//! The Secure state has a physical timer of its own behind the same encodings. Where HYP mode exists,
//! PL1 reaches the Non-secure one only while CNTHCTL.PL1PCEN is set.

super::fields! {
    /// Fields of [`CNTP_CTL`](const@CNTP_CTL).
    CNTP_CTL [
        /// The counter has reached the compare value; whether masked or not.
        ISTATUS OFFSET(2) NUMBITS(1) [],
        /// No interrupt.
        IMASK OFFSET(1) NUMBITS(1) [],
        /// The timer compares.
        ENABLE OFFSET(0) NUMBITS(1) []
    ]
}

super::cp15_register! {
    /// PL1 Physical Timer Control register. A write needs an `isb` before the timer's interrupt is
    /// ended or let in.
    CNTP_CTL: CNTP_CTL::Register, rw [p15 0 c14 c2 1]
}
