//! CNTVCT, Virtual Count: the system counter less CNTVOFF.

super::cp15_register! {
    /// Virtual Count register. Reads may be made early: an `isb` before one puts it behind the
    /// instructions before it.
    CNTVCT: (), ro64 [p15 1 c14]
}
