//! Who decides what the architecture leaves open: which of the words a walker sees, which entry a TLB answers
//! with, when a line is filled or written back.
//!
//! Nothing that a correct program may observe depends on these choices. So a scenario runs under several
//! adversaries, and must do the same under each.

/// A way to choose.
///
/// | | [`Lazy`](Self::Lazy) | [`Eager`](Self::Eager) | [`Random`](Self::Random) |
/// |---|---|---|---|
/// | a store reaches the walkers | at the barrier | at once | either |
/// | a TLB answers with | the oldest entry | the newest | any |
/// | a dirty line is written back | at its clean, or over what a device wrote | at once | either |
/// | a clean line is filled | as early as it may | as early as it may | either |
/// | a cache operation is done | at the barrier | at the barrier | either |
///
/// [`Faulting`](Self::Faulting) is [`Lazy`](Self::Lazy), but a translation that may fault does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adversary {
    /// What may be late is late.
    Lazy,
    /// What may be early is early.
    Eager,
    /// What may fault faults, and what may be late is late.
    Faulting,
    /// The seed decides, anew each time.
    Random(u64),
}

impl Adversary {
    /// Those that a scenario should meet: the extremes, and some seeds.
    pub const ALL: [Self; 7] = [
        Self::Lazy,
        Self::Eager,
        Self::Faulting,
        Self::Random(1),
        Self::Random(2),
        Self::Random(3),
        Self::Random(4),
    ];
}

/// An adversary at work.
#[derive(Debug)]
pub(crate) struct Will {
    adversary: Adversary,
    state: u64,
}

impl Will {
    pub(crate) fn new(adversary: Adversary) -> Self {
        let state = if let Adversary::Random(seed) = adversary { seed } else { 0 };
        Self { adversary, state }
    }

    /// One of `count` outcomes, which come oldest first. There is at least one.
    pub(crate) fn pick(&mut self, count: usize) -> usize {
        match self.adversary {
            Adversary::Lazy | Adversary::Faulting => 0,
            Adversary::Eager => count - 1,
            Adversary::Random(_) => (self.next() % count as u64) as usize,
        }
    }

    /// One of the outcomes of a translation, which come oldest first. There is at least one.
    pub(crate) fn pick_outcome<T, E>(&mut self, outcomes: &[Result<T, E>]) -> usize {
        let fault = outcomes.iter().position(Result::is_err);
        match (self.adversary, fault) {
            (_, _) if outcomes.len() == 1 => 0,
            (Adversary::Faulting, Some(fault)) => fault,
            _ => self.pick(outcomes.len()),
        }
    }

    /// Is a line that was just made dirty written back at once?
    pub(crate) fn writes_back_at_once(&mut self) -> bool {
        match self.adversary {
            Adversary::Lazy | Adversary::Faulting => false,
            Adversary::Eager => true,
            Adversary::Random(_) => self.coin(),
        }
    }

    /// Is a dirty line written back just after memory under it has changed?
    pub(crate) fn writes_back_over(&mut self) -> bool {
        self.always_or_coin()
    }

    /// Was a line that may be cached filled before memory under it changes?
    pub(crate) fn has_filled(&mut self) -> bool {
        self.always_or_coin()
    }

    /// Is a cache operation done when it is issued?
    pub(crate) fn does_at_once(&mut self) -> bool {
        matches!(self.adversary, Adversary::Random(_)) && self.coin()
    }

    /// Does a cache evict something just now?
    pub(crate) fn evicts_now(&mut self) -> bool {
        matches!(self.adversary, Adversary::Random(_)) && self.next().is_multiple_of(8)
    }

    fn always_or_coin(&mut self) -> bool {
        !matches!(self.adversary, Adversary::Random(_)) || self.coin()
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 0
    }

    /// Steele, Lea and Flood's SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extremes_take_the_ends_and_a_seed_repeats_itself() {
        assert_eq!(Will::new(Adversary::Lazy).pick(5), 0);
        assert_eq!(Will::new(Adversary::Eager).pick(5), 4);
        let picks = |seed| {
            let mut will = Will::new(Adversary::Random(seed));
            (0..100).map(|_| will.pick(5)).collect::<Vec<_>>()
        };
        assert_eq!(picks(1), picks(1));
        assert_ne!(picks(1), picks(2));
        assert!((0..5).all(|outcome| picks(1).contains(&outcome)));
    }
}
