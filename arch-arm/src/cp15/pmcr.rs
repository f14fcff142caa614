//! PMCR, Performance Monitors Control Register: all counters on or off, and how many there are.

super::fields! {
    /// Fields of [`PMCR`](const@PMCR).
    PMCR [
        /// How many event counters there are.
        N OFFSET(11) NUMBITS(5) [],
        /// Written 1 zeroes the event counters; reads as 0.
        P OFFSET(1) NUMBITS(1) [],
        /// The counters count.
        E OFFSET(0) NUMBITS(1) []
    ]
}

super::cp15_register! {
    /// Performance Monitors Control Register. The entry code writes it.
    PMCR: PMCR::Register, ro [p15 0 c9 c12 0]
}
