//! CNTFRQ, Counter Frequency: counts per second of the generic timer, as firmware wrote it down.

super::cp15_register! {
    /// Counter Frequency register. 0 where firmware forgot it; only the Secure state can write it.
    CNTFRQ: (), ro [p15 0 c14 c0 0]
}
