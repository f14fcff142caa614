//! CLIDR, Cache Level ID Register: which cache levels there are.

use core::fmt;

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

/// A value of CLIDR, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clidr(pub u32);

impl fmt::Display for Clidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = [
            CLIDR::CTYPE1,
            CLIDR::CTYPE2,
            CLIDR::CTYPE3,
            CLIDR::CTYPE4,
            CLIDR::CTYPE5,
            CLIDR::CTYPE6,
            CLIDR::CTYPE7,
        ];
        // Levels above one without a cache are to be ignored.
        let levels =
            types.into_iter().map(|field| field.read(self.0)).take_while(|&kind| kind != 0);
        for (level, kind) in (1..).zip(levels) {
            let kind = match kind {
                1 => "instructions",
                2 => "data",
                3 => "instructions and data",
                4 => "unified",
                _ => "reserved",
            };
            write!(f, "L{level} {kind}, ")?;
        }
        let [coherency, unification] = [CLIDR::LOC, CLIDR::LOUIS].map(|field| field.read(self.0));
        write!(f, "coherent from level {coherency}, unified from {unification}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_told_up_to_the_first_without_a_cache() {
        let cortex_a15 =
            "L1 instructions and data, L2 unified, coherent from level 2, unified from 1";
        assert_eq!(Clidr(0x0a20_0023).to_string(), cortex_a15);
        assert_eq!(Clidr(0x0a20_0023 | 4 << 9).to_string(), cortex_a15);
        assert_eq!(Clidr(0).to_string(), "coherent from level 0, unified from 0");
    }
}
