//! MPIDR, Multiprocessor Affinity Register: which CPU of the cluster this is.
//!
//! Its value differs from CPU to CPU, so it must be read where it is used and never kept in a
//! place that several CPUs share.

use core::fmt;

super::fields! {
    /// Fields of [`MPIDR`](const@MPIDR).
    MPIDR [
        /// The Multiprocessing Extensions' form of this register.
        MP OFFSET(31) NUMBITS(1) [],
        /// Uniprocessor system.
        U OFFSET(30) NUMBITS(1) [],
        /// Lowest affinity level is hardware threads.
        MT OFFSET(24) NUMBITS(1) [],
        /// Affinity level 2.
        AFF2 OFFSET(16) NUMBITS(8) [],
        /// Affinity level 1: the cluster.
        AFF1 OFFSET(8) NUMBITS(8) [],
        /// Affinity level 0: the CPU in its cluster.
        AFF0 OFFSET(0) NUMBITS(8) []
    ]
}

super::cp15_register! {
    /// Multiprocessor Affinity Register.
    MPIDR: MPIDR::Register, ro [p15 0 c0 c0 5]
}

/// A value of MPIDR, in words: `CPU 0 of cluster 0`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mpidr(pub u32);

impl fmt::Display for Mpidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [cpu, cluster, above] =
            [MPIDR::AFF0, MPIDR::AFF1, MPIDR::AFF2].map(|level| level.read(self.0));
        let thread = if MPIDR::MT.is_set(self.0) { "thread" } else { "CPU" };
        write!(f, "{thread} {cpu} of cluster {cluster}")?;
        if above != 0 {
            write!(f, " of group {above}")?;
        }
        f.write_str(if MPIDR::U.is_set(self.0) { ", alone" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinities_are_told() {
        assert_eq!(Mpidr(0x8000_0000).to_string(), "CPU 0 of cluster 0");
        assert_eq!(Mpidr(0xc000_0103).to_string(), "CPU 3 of cluster 1, alone");
        assert_eq!(Mpidr(0x8102_0103).to_string(), "thread 3 of cluster 1 of group 2");
    }
}
