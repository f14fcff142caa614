//! PMCEID0, Performance Monitors Common Event Identification 0: which of the events 0x00 to 0x1f
//! this processor counts, a bit for each.

super::cp15_register! {
    /// Performance Monitors Common Event Identification register 0.
    PMCEID0: (), ro [p15 0 c9 c12 6]
}
