//! Numbers that look random and are the same on every run.

/// Marsaglia's xorshift, 32 bits (*Xorshift RNGs*, 2003).
#[derive(Clone, Debug)]
pub struct Random(u32);

impl Random {
    /// The sequence that every measurement uses.
    pub const SEED: u32 = 0x2545_f491;

    /// A sequence; `seed` 0, from which there is none, stands for [`Random::SEED`].
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        Self(if seed == 0 { Self::SEED } else { seed })
    }

    /// The next number below `limit`; 0 when `limit` is 0.
    pub const fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        // The upper half of the product is without bias that matters, and without a division.
        ((self.0 as u64 * limit as u64) >> 32) as u32
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new(Self::SEED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_limit_comes_and_no_other() {
        let mut random = Random::default();
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1200).contains(&count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(Random::new(0).below(1 << 31), Random::default().below(1 << 31));
    }
}
