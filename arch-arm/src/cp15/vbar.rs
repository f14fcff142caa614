//! VBAR, Vector Base Address Register: the exception vectors while SCTLR.V is 0.

super::fields! {
    /// Fields of [`VBAR`](const@VBAR).
    VBAR [
        /// Virtual address of the vectors, a multiple of 32, shifted down by 5.
        BASE OFFSET(5) NUMBITS(27) []
    ]
}

super::cp15_register! {
    /// Vector Base Address Register. Exists with the Security Extensions. QEMU's ID_PFR1 denies
    /// those while QEMU itself plays the Secure world, but the register is there.
    ///
    /// A write needs an `isb` before the next exception.
    VBAR: VBAR::Register, rw [p15 0 c12 c0 0]
}
