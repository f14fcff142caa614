//! NMRR, Normal Memory Remap Register: the cache policy behind each index that is Normal memory.

use core::fmt;

super::fields! {
    /// Fields of [`NMRR`](const@NMRR). `OR`*n* outer, `IR`*n* inner: 0 non-cacheable, 1 write-back
    /// write-allocate, 2 write-through, 3 write-back without write-allocate.
    NMRR [
        /// Outer policy of index 7.
        OR7 OFFSET(30) NUMBITS(2) [],
        /// Outer policy of index 6.
        OR6 OFFSET(28) NUMBITS(2) [],
        /// Outer policy of index 5.
        OR5 OFFSET(26) NUMBITS(2) [],
        /// Outer policy of index 4.
        OR4 OFFSET(24) NUMBITS(2) [],
        /// Outer policy of index 3.
        OR3 OFFSET(22) NUMBITS(2) [],
        /// Outer policy of index 2.
        OR2 OFFSET(20) NUMBITS(2) [],
        /// Outer policy of index 1.
        OR1 OFFSET(18) NUMBITS(2) [],
        /// Outer policy of index 0.
        OR0 OFFSET(16) NUMBITS(2) [],
        /// Inner policy of index 7.
        IR7 OFFSET(14) NUMBITS(2) [],
        /// Inner policy of index 6.
        IR6 OFFSET(12) NUMBITS(2) [],
        /// Inner policy of index 5.
        IR5 OFFSET(10) NUMBITS(2) [],
        /// Inner policy of index 4.
        IR4 OFFSET(8) NUMBITS(2) [],
        /// Inner policy of index 3.
        IR3 OFFSET(6) NUMBITS(2) [],
        /// Inner policy of index 2.
        IR2 OFFSET(4) NUMBITS(2) [],
        /// Inner policy of index 1.
        IR1 OFFSET(2) NUMBITS(2) [],
        /// Inner policy of index 0.
        IR0 OFFSET(0) NUMBITS(2) []
    ]
}

super::cp15_register! {
    /// Normal Memory Remap Register; in use when SCTLR.TRE is 1.
    ///
    /// A write needs an `isb`, and a flush of the TLB when the MMU is on.
    NMRR: NMRR::Register, rw [p15 0 c10 c2 1]
}

/// A value of NMRR, in words: the cache policy of each index, inside and outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nmrr(pub u32);

impl fmt::Display for Nmrr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = |bits| match bits & 0b11 {
            0 => "NC",
            1 => "WBWA",
            2 => "WT",
            _ => "WB",
        };
        for index in 0..8 {
            let (inner, outer) = (self.0 >> (2 * index), self.0 >> (2 * index + 16));
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{index} {}/{}", policy(inner), policy(outer))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linuxs_word_has_the_policies_of_its_table() {
        let word = 0x40e0_40e0;
        for (inner, outer, policy) in [
            (NMRR::IR1, NMRR::OR1, 0),
            (NMRR::IR2, NMRR::OR2, 2),
            (NMRR::IR3, NMRR::OR3, 3),
            (NMRR::IR7, NMRR::OR7, 1),
        ] {
            assert_eq!((inner.read(word), outer.read(word)), (policy, policy));
        }
    }

    #[test]
    fn policies_are_told_inner_first() {
        let text = "0 NC/NC, 1 NC/NC, 2 WT/WT, 3 WB/WB, 4 NC/NC, 5 NC/NC, 6 NC/NC, 7 WBWA/WBWA";
        assert_eq!(Nmrr(0x40e0_40e0).to_string(), text);
        assert!(Nmrr(0x0001_0002).to_string().starts_with("0 WT/WBWA, "));
    }
}
