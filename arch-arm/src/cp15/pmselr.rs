//! PMSELR, Performance Monitors Event Counter Selection: which counter PMXEVTYPER and PMXEVCNTR are.

super::cp15_register! {
    /// Performance Monitors Event Counter Selection Register.
    ///
    /// A write needs an `isb` before either of the two is accessed, and interrupts masked until
    /// then.
    PMSELR: (), rw [p15 0 c9 c12 5]
}
