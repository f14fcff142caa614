//! Half-open ranges: of physical addresses, of frames, of virtual addresses.
//!
//! Invariant: a range never ends before it starts.

use core::fmt;

use super::{Pfn, PhysAddr, VirtAddr};

/// What all three have in common.
macro_rules! half_open {
    ($range:ident of $point:ident, length $len:ty, $unit:literal) => {
        impl $range {
            /// The range `start..end`; empty at `start` when `end` lies below it.
            #[must_use]
            pub const fn new(start: $point, end: $point) -> Self {
                Self { start, end: if end.0 < start.0 { start } else { end } }
            }

            #[doc = concat!("The first ", $unit, ".")]
            #[must_use]
            pub const fn start(&self) -> $point {
                self.start
            }

            #[doc = concat!("The ", $unit, " after the last.")]
            #[must_use]
            pub const fn end(&self) -> $point {
                self.end
            }

            #[doc = concat!("How many ", $unit, "s.")]
            #[must_use]
            pub const fn len(&self) -> $len {
                self.end.0 - self.start.0
            }

            #[doc = concat!("Is there no ", $unit, " in the range?")]
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.start.0 == self.end.0
            }

            #[doc = concat!("Does the range hold this ", $unit, "?")]
            #[must_use]
            pub const fn contains(&self, point: $point) -> bool {
                self.start.0 <= point.0 && point.0 < self.end.0
            }

            #[doc = concat!("Do the two ranges share a ", $unit, "? Ranges that only touch do not.")]
            #[must_use]
            pub const fn overlaps(&self, other: &Self) -> bool {
                self.start.0 < other.end.0 && other.start.0 < self.end.0
            }
        }
    };
}

half_open!(PhysRange of PhysAddr, length u64, "byte");
half_open!(PfnRange of Pfn, length u32, "frame");
half_open!(VirtRange of VirtAddr, length u32, "byte");

/// A half-open range of physical addresses, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PhysRange {
    start: PhysAddr,
    end: PhysAddr,
}

impl PhysRange {
    /// The `len` bytes from `start`; `None` when they run past the end of 64 bits.
    #[must_use]
    pub const fn from_len(start: PhysAddr, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// Does the range hold all of `other`?
    #[must_use]
    pub const fn contains_range(&self, other: &Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// What both ranges hold; `None` when they share no byte.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// The range and what it shares its first and last page with.
    #[must_use]
    pub const fn covering_pages(&self) -> Self {
        let page = super::PAGE_SIZE as u64;
        Self { start: self.start.align_down(page), end: self.end.align_up(page) }
    }

    /// The whole frames in the range: the first frame that starts in it, and the frame after the
    /// last that ends in it.
    #[must_use]
    pub fn whole_frames(&self) -> PfnRange {
        PfnRange::new(self.start.pfn_up(), self.end.pfn_down())
    }
}

/// Prints as Linux prints a memory range: the last byte is inside.
impl fmt::Display for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            write!(f, "[empty at {}]", self.start)
        } else {
            write!(f, "[{}-{}]", self.start, PhysAddr(self.end.0 - 1))
        }
    }
}

impl fmt::Debug for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A half-open range of page frames, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct PfnRange {
    start: Pfn,
    end: Pfn,
}

impl PfnRange {
    /// What both ranges hold, which may be nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The same frames as physical addresses.
    #[must_use]
    pub const fn as_phys(&self) -> PhysRange {
        PhysRange::new(self.start.start(), self.end.start())
    }

    /// The frames one by one, upwards.
    pub fn iter(&self) -> impl Iterator<Item = Pfn> + use<> {
        (self.start.0..self.end.0).map(Pfn)
    }
}

/// A half-open range of virtual addresses, `start..end`.
///
/// The end is an address too, so no range can hold the last byte of the address space. None needs
/// to: the kernel uses nothing above the exception stubs at `0xffff1000`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VirtRange {
    start: VirtAddr,
    end: VirtAddr,
}

/// Prints with an exclusive end, as the *Virtual kernel memory layout* table does.
impl fmt::Display for VirtRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.start, self.end)
    }
}

impl fmt::Debug for VirtRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PHYS_LIMIT_32;

    #[test]
    fn frames_round_towards_the_whole_frames_inside() {
        let range = PhysRange::new(PhysAddr::new(0x1001), PhysAddr::new(0x3fff));
        assert_eq!(range.whole_frames(), PfnRange::new(Pfn::new(2), Pfn::new(3)));
        let tiny = PhysRange::new(PhysAddr::new(0x1001), PhysAddr::new(0x1fff));
        assert!(tiny.whole_frames().is_empty());
    }

    #[test]
    fn ranges_print_as_linux_prints_them() {
        let range = PhysRange::new(PhysAddr::new(0x4000_0000), PhysAddr::new(0x8000_0000));
        assert_eq!(range.to_string(), "[0x40000000-0x7fffffff]");
        let high = PhysRange::new(PHYS_LIMIT_32, PhysAddr::new(0x1_4000_0000));
        assert_eq!(high.to_string(), "[0x100000000-0x13fffffff]");
        assert_eq!(
            VirtRange::new(VirtAddr::new(0xc000_0000), VirtAddr::new(0xf000_0000)).to_string(),
            "0xc0000000 - 0xf0000000"
        );
    }

    #[test]
    fn touching_ranges_do_not_overlap() {
        let a = PhysRange::new(PhysAddr::new(0), PhysAddr::new(4));
        let b = PhysRange::new(PhysAddr::new(4), PhysAddr::new(8));
        assert!(!a.overlaps(&b) && a.intersection(&b).is_none());
    }
}
