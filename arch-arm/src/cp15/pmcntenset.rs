//! PMCNTENSET, Performance Monitors Count Enable Set: which counters are on, a bit for each.

super::cp15_register! {
    /// Performance Monitors Count Enable Set register. The entry code writes it.
    PMCNTENSET: (), ro [p15 0 c9 c12 1]
}
