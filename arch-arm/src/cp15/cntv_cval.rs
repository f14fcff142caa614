//! CNTV_CVAL, Virtual Timer Compare Value: the count that the virtual timer waits for.

super::cp15_register! {
    /// Virtual Timer CompareValue register. A write needs an `isb` before the timer's interrupt is
    /// ended or let in.
    CNTV_CVAL: (), rw64 [p15 3 c14]
}
