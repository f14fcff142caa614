//! ACTLR, Auxiliary Control Register: implementation defined; one bit of it matters here.

use core::fmt;

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

/// A value of ACTLR, in words: the one bit that matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Actlr(pub u32);

impl fmt::Display for Actlr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match ACTLR::SMP.is_set(self.0) {
            true => "takes part in coherency",
            false => "takes no part in coherency",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coherency_is_told() {
        assert_eq!(Actlr(1 << 6).to_string(), "takes part in coherency");
        assert_eq!(Actlr(!(1 << 6)).to_string(), "takes no part in coherency");
    }
}
