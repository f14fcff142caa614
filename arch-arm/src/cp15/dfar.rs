//! DFAR, Data Fault Address Register: where the last synchronous data abort came.

super::cp15_register! {
    /// Data Fault Address Register: a virtual address, to the byte. Unknown after an asynchronous
    /// abort. Read it before anything else can abort.
    DFAR: (), ro [p15 0 c6 c0 0]
}
