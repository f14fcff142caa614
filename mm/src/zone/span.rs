//! Zone kinds, and the span of frames that each covers.
//!
//! Invariant of a set of spans, checked where it is used: they ascend in the order of
//! [`ZoneKind::ALL`], do not overlap, and hold at least as many frames as are present.

use core::fmt;

use crate::addr::{Pfn, PfnRange, PhysRange};
use crate::frame::ZoneId;

/// The kinds of zone, lowest first. A request that may use one kind may use all below it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ZoneKind {
    /// Lowmem that every DMA device reaches.
    Dma,
    /// The rest of lowmem: mapped at all times.
    Normal,
    /// Memory above the lowmem limit: mapped only while someone looks at it.
    HighMem,
}

impl ZoneKind {
    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All kinds, lowest first.
    pub const ALL: [Self; 3] = [Self::Dma, Self::Normal, Self::HighMem];

    /// The kind as an array index, below [`ZoneKind::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name that Linux prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dma => "DMA",
            Self::Normal => "Normal",
            Self::HighMem => "HighMem",
        }
    }

    /// The kind as a page descriptor holds it.
    #[must_use]
    pub(crate) fn id(self) -> ZoneId {
        IDS[self.index()]
    }
}

const IDS: [ZoneId; ZoneKind::COUNT] = {
    let [Some(a), Some(b), Some(c)] = [ZoneId::new(0), ZoneId::new(1), ZoneId::new(2)] else {
        panic!("a descriptor tells at least three zones apart");
    };
    [a, b, c]
};

impl fmt::Display for ZoneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` and not `write_str`: the forms ask for a width.
        f.pad(self.name())
    }
}

/// Which frames a zone covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneSpan {
    /// Which zone.
    pub kind: ZoneKind,
    /// From the first frame to the last, holes included. Empty when there is no such zone.
    pub range: PfnRange,
    /// How many frames in `range` are memory, reserved and no-map memory included. In pages.
    pub present: u32,
}

impl ZoneSpan {
    /// The zone from frame `start` to frame `end` (exclusive), with those frames present that lie
    /// wholly in one of the `memory` ranges, which must not overlap.
    #[must_use]
    pub fn of_memory(
        kind: ZoneKind,
        start: Pfn,
        end: Pfn,
        memory: impl Iterator<Item = PhysRange>,
    ) -> Self {
        let range = PfnRange::new(start, end);
        let present = memory.map(|block| block.whole_frames().intersection(&range).len()).sum();
        Self { kind, range, present }
    }

    /// No zone of this kind.
    #[must_use]
    pub fn empty(kind: ZoneKind) -> Self {
        Self { kind, range: PfnRange::default(), present: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PhysAddr;

    #[test]
    fn present_counts_whole_frames_inside_the_zone_only() {
        let block = |start, end| PhysRange::new(PhysAddr::new(start), PhysAddr::new(end));
        // Half a page at the front, a hole of two pages, and a page beyond the zone's end.
        let memory = [block(0x800, 0x3000), block(0x5000, 0x9000)];
        let span =
            ZoneSpan::of_memory(ZoneKind::Normal, Pfn::new(0), Pfn::new(8), memory.into_iter());
        assert_eq!((span.range.len(), span.present), (8, 2 + 3));
    }

    #[test]
    fn names_take_a_width() {
        assert_eq!(format!("[{:>8}]", ZoneKind::Dma), "[     DMA]");
        assert_eq!(format!("[{:8}]", ZoneKind::HighMem), "[HighMem ]");
    }

    #[test]
    fn each_kind_has_its_own_id() {
        assert_eq!(ZoneKind::ALL.map(|kind| kind.id().index()), [0, 1, 2]);
    }
}
