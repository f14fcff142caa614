//! A few random bits: at which end of its page an object lies.
//!
//! Whoever writes beyond an object may know where it lies, so this is no secret; it only must not be the same end
//! each time. Marsaglia's xorshift of 32 bits.

/// A sequence of numbers.
#[derive(Debug)]
pub(super) struct Random(u32);

impl Random {
    /// The sequence that a seed begins.
    pub(super) const fn new(seed: u32) -> Self {
        // At 0 it would stay.
        Self(if seed == 0 { 0x9e37_79b9 } else { seed })
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Heads or tails.
    pub(super) fn coin(&mut self) -> Side {
        // The upper bits are the better ones.
        if self.next() >> 31 == 0 { Side::Left } else { Side::Right }
    }
}

/// An end of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Its first byte.
    Left,
    /// Its last one.
    Right,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_end_comes_as_often() {
        for seed in [0, 1, 2, 0x8000_0000, u32::MAX] {
            let mut random = Random::new(seed);
            let right = (0..1000).filter(|_| random.coin() == Side::Right).count();
            assert!((430..570).contains(&right), "{seed:#x}: {right}");
        }
    }
}
