//! TPIDRURO, User Read-Only Thread ID Register: the running thread's TLS pointer.
//!
//! User mode reads it and cannot write it; the `kuser` helper `get_tls` returns it.

super::cp15_register! {
    /// User Read-Only Thread ID Register. A write needs no barrier: this CPU reads back what it
    /// wrote.
    TPIDRURO: (), rw [p15 0 c13 c0 3]
}
