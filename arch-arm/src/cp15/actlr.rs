//! ACTLR, Auxiliary Control Register: implementation defined; one bit of it matters here.

super::fields! {
    /// Fields of [`ACTLR`](const@ACTLR) on Cortex-A7 and Cortex-A15.
    ACTLR [
        /// Take part in cache and TLB coherency. Must be set before the MMU and the caches are
        /// turned on, on a single CPU too (*Cortex-A15 TRM, 4.3.28*).
        SMP OFFSET(6) NUMBITS(1) []
    ]
}

super::cp15_register! {
    /// Auxiliary Control Register.
    ///
    /// From the Non-secure state the processor may ignore a write, so it is read back by whoever
    /// needs it. A write needs an `isb` before the caches are turned on.
    ACTLR: ACTLR::Register, rw [p15 0 c1 c0 1]
}
