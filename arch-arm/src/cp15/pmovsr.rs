//! PMOVSR, Performance Monitors Overflow Flag Status: which counters have wrapped, a bit for each.

super::cp15_register! {
    /// Performance Monitors Overflow Flag Status Register. A written 1 clears the flag; the entry
    /// code writes it.
    PMOVSR: (), ro [p15 0 c9 c12 3]
}
