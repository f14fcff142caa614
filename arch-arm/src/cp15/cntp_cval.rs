//! CNTP_CVAL, PL1 Physical Timer Compare Value: the count that the physical timer waits for.

super::cp15_register! {
    /// PL1 Physical Timer CompareValue register. A write needs an `isb` before the timer's
    /// interrupt is ended or let in.
    CNTP_CVAL: (), rw64 [p15 2 c14]
}
