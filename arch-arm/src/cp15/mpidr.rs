//! MPIDR, Multiprocessor Affinity Register: which CPU of the cluster this is.
//!
//! Its value differs from CPU to CPU, so it must be read where it is used and never kept in a
//! place that several CPUs share.

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
