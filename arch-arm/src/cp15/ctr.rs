//! CTR, Cache Type Register: the line sizes that maintenance by address steps through.

use core::fmt;

super::fields! {
    /// Fields of [`CTR`](const@CTR). Sizes are log2 of a number of 4-byte words.
    CTR [
        /// Register format; 4 is ARMv7.
        FORMAT OFFSET(29) NUMBITS(3) [Armv7 = 4],
        /// Cache write-back granule.
        CWG OFFSET(24) NUMBITS(4) [],
        /// Exclusives reservation granule.
        ERG OFFSET(20) NUMBITS(4) [],
        /// Smallest line of all data and unified caches.
        DMINLINE OFFSET(16) NUMBITS(4) [],
        /// How the level 1 instruction cache is indexed and tagged.
        L1IP OFFSET(14) NUMBITS(2) [Aivivt = 1, Vipt = 2, Pipt = 3],
        /// Smallest line of all instruction caches.
        IMINLINE OFFSET(0) NUMBITS(4) []
    ]
}

super::cp15_register! {
    /// Cache Type Register.
    CTR: CTR::Register, ro [p15 0 c0 c0 1]
}

/// log2 of the bytes in the smallest line of all data and unified caches, from a value of CTR.
#[must_use]
pub fn data_line_shift(ctr: u32) -> u32 {
    CTR::DMINLINE.read(ctr) + LOG2_WORD_BYTES
}

/// log2 of the bytes in the smallest line of all instruction caches, from a value of CTR.
#[must_use]
pub fn instruction_line_shift(ctr: u32) -> u32 {
    CTR::IMINLINE.read(ctr) + LOG2_WORD_BYTES
}

/// CTR counts in words of four bytes.
const LOG2_WORD_BYTES: u32 = 2;

/// A value of CTR, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ctr(pub u32);

impl fmt::Display for Ctr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (data, instruction) = (data_line_shift(self.0), instruction_line_shift(self.0));
        write!(f, "lines of {} bytes, of instructions {}; ", 1 << data, 1 << instruction)?;
        f.write_str(match CTR::L1IP.read(self.0) {
            1 => "AIVIVT",
            2 => "VIPT",
            3 => "PIPT",
            _ => "unknown indexing",
        })?;
        f.write_str(" instruction cache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_sizes_of_known_processors() {
        // Cortex-A15: 64 bytes both. Cortex-A7: 64 data, 32 instruction.
        assert_eq!((data_line_shift(0x8444_c004), instruction_line_shift(0x8444_c004)), (6, 6));
        assert_eq!((data_line_shift(0x8444_8003), instruction_line_shift(0x8444_8003)), (6, 5));
        // The fields' neighbours do not leak in.
        assert_eq!((data_line_shift(0xfff0_ffff), instruction_line_shift(0xffff_fff0)), (2, 2));
    }

    #[test]
    fn lines_and_indexing_are_told() {
        let text = "lines of 64 bytes, of instructions 32; VIPT instruction cache";
        assert_eq!(Ctr(0x8444_8003).to_string(), text);
        let text = "lines of 64 bytes, of instructions 64; PIPT instruction cache";
        assert_eq!(Ctr(0x8444_c004).to_string(), text);
    }
}
