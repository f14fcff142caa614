//! Reservations without a place: what the tree wants of memory, wherever there is room.
//!
//! Boot looks for it once lowmem is known, from the top of lowmem downwards, in the order of the tree. The kernel and
//! the host, which predicts where they will be, ask the same function.

use super::memblock::{Limit, Memblock};
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange, align_up};

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Bytes; whole pages are taken.
    pub size: u64,
    /// A power of two that the start must be a multiple of; never less than a page.
    pub alignment: Option<u64>,
}

impl Wanted {
    /// Free memory for it below memblock's current limit: in the first of `within` that has room, or anywhere if that is
    /// `None`. It is not reserved. `None` when there is no room.
    pub fn place(
        self,
        memblock: &Memblock<'_>,
        within: Option<impl Iterator<Item = PhysRange>>,
    ) -> Option<PhysRange> {
        let page = u64::from(PAGE_SIZE);
        let align = self.alignment.unwrap_or(page).max(page);
        let size = align_up(self.size, page).unwrap_or(self.size);
        let limit = memblock.current_limit();
        let room = |range: PhysRange| {
            let max = Limit::At(range.end().min(limit));
            memblock.find_in_range(size, align, range.start(), max).ok()
        };
        match within {
            Some(mut ranges) => ranges.find_map(room),
            None => room(PhysRange::new(PhysAddr::default(), limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::MIB;
    use crate::boot::memblock::{Flags, Region};

    fn range(start: u64, len: u64) -> PhysRange {
        PhysRange::from_len(PhysAddr::new(start), len).unwrap()
    }

    #[test]
    fn the_highest_room_below_the_limit_in_the_first_range_that_has_any() {
        let (mut memory, mut reserved) = ([Region::EMPTY; 8], [Region::EMPTY; 8]);
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        memblock.add(range(0x4000_0000, 64 * MIB), Flags::empty()).unwrap();
        memblock.set_current_limit(PhysAddr::new(0x4200_0000));
        memblock.reserve(range(0x41ff_0000, 0x1_0000)).unwrap();
        let wanted = |size, alignment| Wanted { size, alignment };
        let anywhere = None::<core::iter::Empty<PhysRange>>;
        let found = wanted(5, None).place(&memblock, anywhere.clone());
        assert_eq!(found, Some(range(0x41fe_f000, 0x1000)));
        let found = wanted(0x1001, Some(MIB)).place(&memblock, anywhere.clone());
        assert_eq!(found, Some(range(0x41f0_0000, 0x2000)));
        let low = [range(0x4300_0000, MIB), range(0x4010_0000, MIB), range(0x4000_0000, MIB)];
        let found = wanted(MIB, None).place(&memblock, Some(low.into_iter()));
        assert_eq!(found, Some(range(0x4010_0000, MIB)), "the first of them lies above the limit");
        for hopeless in [wanted(0, None), wanted(u64::MAX, None), wanted(64 * MIB, None)] {
            assert_eq!(hopeless.place(&memblock, anywhere.clone()), None, "{hopeless:?}");
        }
    }
}
