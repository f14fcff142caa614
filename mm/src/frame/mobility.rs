//! Mobility: what can be done with the pages of a pageblock, so that like pages lie together.
//!
//! A page that cannot be moved keeps the block around it from ever growing whole again. So free
//! pages are listed by what was asked of them, whole pageblocks at a time, and a request goes to
//! another kind's pages only when its own kind has none. The numbers and the names are Linux's.

use core::fmt;

/// What the pages of a pageblock are for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Mobility {
    /// Pages that stay where they are: the kernel's own. What a request gets that says nothing.
    Unmovable = 0,
    /// Pages whose contents can be copied elsewhere, since all who use them can be told.
    Movable = 1,
    /// Pages that cannot be moved but can be given up: caches that can be filled again.
    Reclaimable = 2,
    /// Kept for large requests that can neither sleep nor wait.
    HighAtomic = 3,
    /// Kept for large contiguous requests of devices; movable pages may stay there meanwhile. The
    /// kind is in the numbering so that the numbers are Linux's: nothing makes such blocks yet.
    Cma = 4,
    /// Taken off all lists for a while: nothing is allocated from there.
    Isolate = 5,
}

impl Mobility {
    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();
    /// How many kinds have per-CPU lists: the first ones, which are those that a request can name.
    pub const PCP_COUNT: usize = 3;
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Unmovable,
        Self::Movable,
        Self::Reclaimable,
        Self::HighAtomic,
        Self::Cma,
        Self::Isolate,
    ];

    /// The kind with this number; `None` from [`Mobility::COUNT`] up.
    #[must_use]
    pub const fn from_index(index: u8) -> Option<Self> {
        // Numbers and names agree, so this is a comparison.
        Some(match index {
            0 => Self::Unmovable,
            1 => Self::Movable,
            2 => Self::Reclaimable,
            3 => Self::HighAtomic,
            4 => Self::Cma,
            5 => Self::Isolate,
            _ => return None,
        })
    }

    /// The kind as an array index, below [`Mobility::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Can a request name it? The others are kept for somebody.
    #[must_use]
    pub const fn is_ordinary(self) -> bool {
        self.index() < Self::PCP_COUNT
    }

    /// The name in Linux's `/proc/pagetypeinfo`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unmovable => "Unmovable",
            Self::Movable => "Movable",
            Self::Reclaimable => "Reclaimable",
            Self::HighAtomic => "HighAtomic",
            Self::Cma => "CMA",
            Self::Isolate => "Isolate",
        }
    }

    /// The letter in the memory state that Linux prints when an allocation fails. Reclaimable
    /// pages have the `E`.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Unmovable => 'U',
            Self::Movable => 'M',
            Self::Reclaimable => 'E',
            Self::HighAtomic => 'H',
            Self::Cma => 'C',
            Self::Isolate => 'I',
        }
    }

    /// Whose pages a request of this kind takes when its own kind has none, nearest first. Empty
    /// for the kinds that no request names.
    #[must_use]
    pub const fn fallbacks(self) -> &'static [Self] {
        match self {
            Self::Unmovable => &[Self::Reclaimable, Self::Movable],
            Self::Movable => &[Self::Reclaimable, Self::Unmovable],
            Self::Reclaimable => &[Self::Unmovable, Self::Movable],
            Self::HighAtomic | Self::Cma | Self::Isolate => &[],
        }
    }
}

// A page descriptor has three bits for it.
const _: () = assert!(Mobility::COUNT <= 1 << 3);

impl fmt::Display for Mobility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` and not `write_str`: `/proc/pagetypeinfo` asks for a width.
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_places_in_all() {
        for (number, kind) in (0..).zip(Mobility::ALL) {
            assert_eq!(kind.index(), usize::from(number));
            assert_eq!(Mobility::from_index(number), Some(kind));
        }
        assert_eq!(Mobility::from_index(6), None);
        assert_eq!(Mobility::from_index(u8::MAX), None);
    }

    #[test]
    fn names_and_letters_are_those_of_linux() {
        let names = Mobility::ALL.map(Mobility::name);
        assert_eq!(names, ["Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate"]);
        assert_eq!(String::from_iter(Mobility::ALL.map(Mobility::letter)), "UMEHCI");
        assert_eq!(format!("[{:>12}]", Mobility::Cma), "[         CMA]");
    }

    #[test]
    fn a_request_falls_back_to_each_other_kind_that_requests_name_once() {
        for kind in Mobility::ALL {
            let mut seen = kind.fallbacks().to_vec();
            if kind.index() < Mobility::PCP_COUNT {
                seen.push(kind);
                seen.sort();
                assert_eq!(seen, Mobility::ALL[..Mobility::PCP_COUNT]);
            } else {
                assert_eq!(seen, []);
            }
        }
        use Mobility::{Movable, Reclaimable, Unmovable};
        assert_eq!(Unmovable.fallbacks(), [Reclaimable, Movable]);
        assert_eq!(Movable.fallbacks(), [Reclaimable, Unmovable]);
        assert_eq!(Reclaimable.fallbacks(), [Unmovable, Movable]);
    }
}
