//! TTBR1, Translation Table Base Register 1: not walked while TTBCR.N is 0.
//!
//! It holds the kernel's own table, as Linux has it: a place to find that table from any context.

super::cp15_register! {
    /// Translation Table Base Register 1. Its fields are those of [`TTBR0`](mod@super::TTBR0).
    ///
    /// A write needs an `isb` before a change of TTBCR that makes it matter.
    TTBR1: super::TTBR0::Register, rw [p15 0 c2 c0 1]
}
