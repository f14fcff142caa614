//! CLIDR, Cache Level ID Register: which cache levels there are.

super::fields! {
    /// Fields of [`CLIDR`](const@CLIDR). `CTYPE`*n*: 0 none, 1 instruction, 2 data, 3 both, 4 unified.
    CLIDR [
        /// Level of unification, uniprocessor.
        LOUU OFFSET(27) NUMBITS(3) [],
        /// Level of coherency: maintenance must reach all levels below it.
        LOC OFFSET(24) NUMBITS(3) [],
        /// Level of unification, inner shareable.
        LOUIS OFFSET(21) NUMBITS(3) [],
        /// Cache type at level 7.
        CTYPE7 OFFSET(18) NUMBITS(3) [],
        /// Cache type at level 6.
        CTYPE6 OFFSET(15) NUMBITS(3) [],
        /// Cache type at level 5.
        CTYPE5 OFFSET(12) NUMBITS(3) [],
        /// Cache type at level 4.
        CTYPE4 OFFSET(9) NUMBITS(3) [],
        /// Cache type at level 3.
        CTYPE3 OFFSET(6) NUMBITS(3) [],
        /// Cache type at level 2.
        CTYPE2 OFFSET(3) NUMBITS(3) [],
        /// Cache type at level 1.
        CTYPE1 OFFSET(0) NUMBITS(3) []
    ]
}

super::cp15_register! {
    /// Cache Level ID Register.
    CLIDR: CLIDR::Register, ro [p15 1 c0 c0 1]
}
