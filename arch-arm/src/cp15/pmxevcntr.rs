//! PMXEVCNTR, Performance Monitors Event Count: the selected counter, which wraps at 32 bits.

super::cp15_register! {
    /// Performance Monitors Event Count Register.
    ///
    /// Reads may be made early: an `isb` before one puts it behind the instructions before it.
    PMXEVCNTR: (), ro [p15 0 c9 c13 2]
}
