//! ID_PFR1, Processor Feature Register 1: which extensions of the programmers' model there are.

use core::fmt;

super::fields! {
    /// Fields of [`ID_PFR1`](const@ID_PFR1). 0 means absent.
    ID_PFR1 [
        /// Generic Timer.
        GENTIMER OFFSET(16) NUMBITS(4) [],
        /// Virtualization Extensions, and with them HYP mode.
        VIRTUALIZATION OFFSET(12) NUMBITS(4) [],
        /// M-profile programmers' model.
        MPROFILE OFFSET(8) NUMBITS(4) [],
        /// Security Extensions, and with them VBAR.
        SECURITY OFFSET(4) NUMBITS(4) [],
        /// The standard programmers' model of ARMv4 and later.
        PROGMOD OFFSET(0) NUMBITS(4) []
    ]
}

super::cp15_register! {
    /// Processor Feature Register 1.
    ID_PFR1: ID_PFR1::Register, ro [p15 0 c0 c1 1]
}

/// A value of ID_PFR1, in words: the extensions that it admits to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdPfr1(pub u32);

impl fmt::Display for IdPfr1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extensions = [
            (ID_PFR1::GENTIMER, "Generic Timer"),
            (ID_PFR1::VIRTUALIZATION, "Virtualization"),
            (ID_PFR1::SECURITY, "Security"),
            (ID_PFR1::MPROFILE, "M profile"),
        ];
        let mut there = extensions.into_iter().filter(|(field, _)| field.read(self.0) != 0);
        match there.next() {
            Some((_, name)) => f.write_str(name)?,
            None => return f.write_str("no extension"),
        }
        there.try_for_each(|(_, name)| write!(f, ", {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_told() {
        assert_eq!(IdPfr1(0x0001_1011).to_string(), "Generic Timer, Virtualization, Security");
        assert_eq!(IdPfr1(0x0001_0001).to_string(), "Generic Timer");
        assert_eq!(IdPfr1(0x0000_0001).to_string(), "no extension");
    }
}
