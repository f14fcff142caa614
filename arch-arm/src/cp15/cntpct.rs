//! CNTPCT, Physical Count: the system counter.

super::cp15_register! {
    /// Physical Count register. Reads may be made early: an `isb` before one puts it behind the
    /// instructions before it.
    CNTPCT: (), ro64 [p15 0 c14]
}
