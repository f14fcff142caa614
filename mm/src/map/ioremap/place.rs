//! Where in the region a range of device memory goes, so that large leaves map it.
//!
//! A section maps a mebibyte if the addresses and the memory are both aligned to one, and a supersection 16. So an
//! area starts at the block's alignment, and the memory begins as far in as it does in its own block:
//!
//! ```text
//!  memory  │        ░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓░░░│      ▓ blocks   ░ small pages
//!  area    │        ░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓░░░│guard
//!           └─lead─┘ never mapped
//! ```
//!
//! Alignment has a price: holes are larger than what is in them. So nobody asks for it whose memory holds no
//! whole block, nor where the lead would be more than half of what is mapped. And it is a wish: when the
//! region has no such hole, the next smaller blocks will do, and in the end small pages at any page. Linux fails there.

use crate::addr::{PAGE_SHIFT, PfnRange};

/// log2 of the frames of a section and of a supersection.
const BLOCK_SHIFTS: [u32; 2] = [24 - PAGE_SHIFT, 20 - PAGE_SHIFT];

/// A way to place a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// log2 of the area's alignment, in bytes.
    pub align_shift: u32,
    /// Pages of the area before the range.
    pub lead: u32,
}

impl Place {
    /// At any page.
    pub(super) const ANYWHERE: Self = Self { align_shift: PAGE_SHIFT, lead: 0 };

    /// Are there blocks, which [`map_blocks`](crate::map::Mmu::map_blocks) maps?
    pub(super) const fn has_blocks(self) -> bool {
        self.align_shift > PAGE_SHIFT
    }
}

/// The ways to place `frames`, the best first.
pub(super) fn places(frames: PfnRange) -> impl Iterator<Item = Place> {
    let in_blocks = BLOCK_SHIFTS.into_iter().filter_map(move |shift| {
        let (start, end) = (frames.start().as_u32(), frames.end().as_u32());
        let mask = (1 << shift) - 1;
        let lead = start & mask;
        let first = start.checked_add(mask)? & !mask;
        let has_block = first.checked_add(mask).is_some_and(|last| last < end);
        let place = Place { align_shift: shift + PAGE_SHIFT, lead };
        (has_block && lead <= frames.len() / 2).then_some(place)
    });
    in_blocks.chain([Place::ANYWHERE])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Pfn;

    fn shifts(start: u32, pages: u32) -> Vec<(u32, u32)> {
        let frames = PfnRange::new(Pfn::new(start), Pfn::new(start + pages));
        places(frames).map(|place| (place.align_shift, place.lead)).collect()
    }

    #[test]
    fn alignment_only_where_a_block_gains_by_it() {
        assert_eq!(shifts(0x9000, 1), [(12, 0)]);
        // 1 MiB, aligned; and a page off, where no whole MiB is.
        assert_eq!(shifts(0x9000, 0x100), [(20, 0), (12, 0)]);
        assert_eq!(shifts(0x9001, 0x100), [(12, 0)]);
        // A whole MiB, and what is around it.
        assert_eq!(shifts(0x90c0, 0x180), [(20, 0xc0), (12, 0)]);
        assert_eq!(shifts(0x90ff, 0x101), [(12, 0)], "the lead is more than half");
        // 16 MiB.
        assert_eq!(shifts(0x9000, 0x1000), [(24, 0), (20, 0), (12, 0)]);
        assert_eq!(shifts(0x9100, 0x1000), [(20, 0), (12, 0)]);
        assert_eq!(shifts(0x9400, 0x2000), [(24, 0x400), (20, 0), (12, 0)]);
        // The end of 32 bits, and of what a frame number says.
        assert_eq!(shifts(0xf_f000, 0x1000), [(24, 0), (20, 0), (12, 0)]);
        assert_eq!(shifts(u32::MAX - 0x10, 0x10), [(12, 0)]);
    }
}
