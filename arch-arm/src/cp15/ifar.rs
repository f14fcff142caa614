//! IFAR, Instruction Fault Address Register: where the last prefetch abort came.

super::cp15_register! {
    /// Instruction Fault Address Register: a virtual address. Read it before anything else can
    /// abort.
    IFAR: (), ro [p15 0 c6 c0 2]
}
