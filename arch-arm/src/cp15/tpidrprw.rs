//! TPIDRPRW, PL1-only Thread ID Register: a word of the kernel's own for each CPU.
//!
//! Linux keeps the offset of the CPU's data in it. No user mode can see it.

super::cp15_register! {
    /// PL1 only Thread ID Register. A write needs no barrier: this CPU reads back what it wrote.
    TPIDRPRW: (), rw [p15 0 c13 c0 4]
}
