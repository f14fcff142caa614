//! PRRR, Primary Region Remap Register: the memory type behind each index TEX0:C:B.

use core::fmt;

super::fields! {
    /// Fields of [`PRRR`](const@PRRR). `TR`*n*: 0 Strongly-ordered, 1 Device, 2 Normal. `NOS`*n*:
    /// when shareable, inner shareable only.
    PRRR [
        /// Bit *n* is NOS*n*.
        NOS OFFSET(24) NUMBITS(8) [],
        /// Normal memory with S = 1 is shareable.
        NS1 OFFSET(19) NUMBITS(1) [],
        /// Normal memory with S = 0 is shareable.
        NS0 OFFSET(18) NUMBITS(1) [],
        /// Device memory with S = 1 is shareable.
        DS1 OFFSET(17) NUMBITS(1) [],
        /// Device memory with S = 0 is shareable.
        DS0 OFFSET(16) NUMBITS(1) [],
        /// Type of index 7.
        TR7 OFFSET(14) NUMBITS(2) [],
        /// Type of index 6.
        TR6 OFFSET(12) NUMBITS(2) [],
        /// Type of index 5.
        TR5 OFFSET(10) NUMBITS(2) [],
        /// Type of index 4.
        TR4 OFFSET(8) NUMBITS(2) [],
        /// Type of index 3.
        TR3 OFFSET(6) NUMBITS(2) [],
        /// Type of index 2.
        TR2 OFFSET(4) NUMBITS(2) [],
        /// Type of index 1.
        TR1 OFFSET(2) NUMBITS(2) [],
        /// Type of index 0.
        TR0 OFFSET(0) NUMBITS(2) []
    ]
}

super::cp15_register! {
    /// Primary Region Remap Register; in use when SCTLR.TRE is 1.
    ///
    /// A write needs an `isb`, and a flush of the TLB when the MMU is on.
    PRRR: PRRR::Register, rw [p15 0 c10 c2 0]
}

/// A value of PRRR, in words: the type of each index, and when it is shareable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prrr(pub u32);

impl fmt::Display for Prrr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for index in 0..8 {
            let kind = match self.0 >> (2 * index) & 0b11 {
                0 => "Strongly-ordered",
                1 => "Device",
                2 => "Normal",
                _ => "reserved",
            };
            write!(f, "{index} {kind}, ")?;
        }
        let when = |s1: bool, s0: bool| match (s1, s0) {
            (true, true) => "always",
            (true, false) => "if S",
            (false, true) => "unless S",
            (false, false) => "never",
        };
        let normal = when(PRRR::NS1.is_set(self.0), PRRR::NS0.is_set(self.0));
        let device = when(PRRR::DS1.is_set(self.0), PRRR::DS0.is_set(self.0));
        write!(f, "Normal shared {normal}, Device {device}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linuxs_word_has_the_types_of_its_table() {
        const STRONGLY_ORDERED: u32 = 0;
        const DEVICE: u32 = 1;
        const NORMAL: u32 = 2;
        let word = 0xff0a_81a8;
        assert_eq!(PRRR::TR0.read(word), STRONGLY_ORDERED);
        for normal in [PRRR::TR1, PRRR::TR2, PRRR::TR3, PRRR::TR7] {
            assert_eq!(normal.read(word), NORMAL);
        }
        assert_eq!(PRRR::TR4.read(word), DEVICE);
        assert_eq!(PRRR::NOS.read(word), 0xff);
        assert!(PRRR::NS1.is_set(word) && PRRR::DS1.is_set(word));
        assert!(!PRRR::NS0.is_set(word) && !PRRR::DS0.is_set(word));
    }

    #[test]
    fn types_and_shareability_are_told() {
        assert_eq!(
            Prrr(0xff0a_81a8).to_string(),
            "0 Strongly-ordered, 1 Normal, 2 Normal, 3 Normal, 4 Device, 5 Strongly-ordered, \
             6 Strongly-ordered, 7 Normal, Normal shared if S, Device if S"
        );
        assert!(Prrr(0x0005_0003).to_string().starts_with("0 reserved, "));
        assert!(Prrr(0x0007_0000).to_string().ends_with("Normal shared unless S, Device always"));
        assert!(Prrr(0).to_string().ends_with("Normal shared never, Device never"));
    }
}
