//! TPIDRURW, User Read/Write Thread ID Register: a word that user mode keeps to itself.
//!
//! The kernel has no use for it. Linux saves and restores it with each thread.

super::cp15_register! {
    /// User Read/Write Thread ID Register. A write needs no barrier: this CPU reads back what it
    /// wrote.
    TPIDRURW: (), rw [p15 0 c13 c0 2]
}
