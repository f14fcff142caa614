//! What the pkmap's lock guards: which slots are free, which frames wait to be given up, which slots a frame may be in.
//!
//! Invariants, while the lock is free:
//!
//! - A slot's bit is set if its word says *free*, and only then.
//! - Each slot that is not free is in the chain of its frame, once. A chain ends.
//! - A frame that waits is mapped in no slot on its account: the flush is over.

use crate::addr::{PAGE_SHIFT, Pfn, VirtAddr};

/// Slots of the pkmap; a model has so few that a handful of calls fills them.
pub const SLOTS: usize = if cfg!(loom) { 2 } else { 512 };
/// Chains: frames that lie side by side have their own, as many as there are slots.
pub(super) const CHAINS: usize = SLOTS;
/// The end of a chain. No byte four times, so that chains are emptied by a few stores at a time and not by a call.
const END: u32 = SLOTS as u32;
/// Chains that are emptied by a few stores.
const EMPTIED_AT_ONCE: usize = if cfg!(loom) { 1 } else { 8 };

/// Frames that are given up at a time, between two looks at the books.
pub(super) const GIVEN_UP_AT_ONCE: usize = if cfg!(loom) { SLOTS } else { 16 };
const _: () = assert!(GIVEN_UP_AT_ONCE <= SLOTS);

/// Slots come in groups, with a bit for each in a word.
pub(super) const GROUP: u32 = if cfg!(loom) { SLOTS as u32 } else { u32::BITS };
/// The bits of a group whose slots are all free.
const ALL_FREE: u32 = u32::MAX >> (u32::BITS - GROUP);
const GROUPS: u32 = SLOTS as u32 / GROUP;
const WORDS: usize = GROUPS as usize;
const _: () = assert!(SLOTS.is_power_of_two() && CHAINS.is_power_of_two());

/// The number of the chain that the frame is in.
#[inline(always)]
pub(super) const fn chain_of(pfn: Pfn) -> usize {
    pfn.as_u32() as usize % CHAINS
}

/// A slot's number, below [`SLOTS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

impl Place {
    /// The slot of the page at `virt`, which is one of the region's.
    #[inline(always)]
    pub(super) const fn at_page(virt: VirtAddr) -> Self {
        Self((virt.as_u32() >> PAGE_SHIFT) % SLOTS as u32)
    }

    /// A slot of a group.
    #[inline(always)]
    pub(super) const fn at(group: u32, bit: u32) -> Self {
        Self(group * GROUP + bit)
    }

    /// The number.
    #[inline(always)]
    pub(super) const fn number(self) -> u32 {
        self.0
    }

    /// The number as an index, of which the compiler knows that it is below [`SLOTS`].
    #[inline(always)]
    pub(super) const fn index(self) -> usize {
        self.0 as usize % SLOTS
    }
}

/// What a flush has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flushed {
    /// There was none.
    Nothing,
    /// Every slot that was idle is free.
    All,
    /// There was no room to note more frames.
    NotAll,
}

/// The books.
pub(super) struct Books {
    /// The slot that was handed out last.
    last: Place,
    /// A bit for each slot: is it free?
    free: [u32; WORDS],
    flushes: u32,
    /// Which slots a frame may be in.
    pub(super) chains: Chains,
    /// Frames whose slots have been flushed, and that are held still.
    pub(super) waiting: Waiting,
}

impl Books {
    /// All slots are free, and the next one is 1.
    pub(super) const fn new() -> Self {
        Self {
            last: Place(0),
            free: [ALL_FREE; WORDS],
            flushes: 0,
            chains: Chains { first: [END; CHAINS], next: [END; SLOTS] },
            waiting: Waiting { count: 0, frames: [Pfn::new(0); SLOTS] },
        }
    }

    /// The first free slot after the one that was handed out last; `None` if there is none up to the end.
    #[inline(always)]
    pub(super) fn next_free(&self) -> Option<Place> {
        self.free_after(self.last)
    }

    /// The first free slot after this one; `None` if there is none up to the end.
    #[inline(always)]
    pub(super) fn free_after(&self, place: Place) -> Option<Place> {
        let first = place.index() / 32;
        // The bits above that of the place.
        let above = (u32::MAX << (place.0 % 32)) << 1;
        if let Some(place) = lowest(first, self.free[first] & above) {
            return Some(place);
        }
        self.free_from_word(first + 1)
    }

    /// The first free slot of all.
    pub(super) fn next_free_from_first(&self) -> Option<Place> {
        self.free_from_word(0)
    }

    fn free_from_word(&self, first: usize) -> Option<Place> {
        let mut words = self.free.iter().enumerate().skip(first);
        words.find_map(|(index, bits)| lowest(index, *bits))
    }

    /// Hands out a slot that is free.
    #[inline(always)]
    pub(super) fn take(&mut self, place: Place) {
        self.free[place.index() / 32] &= !(1 << (place.0 % 32));
        self.last = place;
    }

    /// These slots of the group are free.
    #[inline(always)]
    pub(super) fn free(&mut self, group: u32, bits: u32) {
        self.free[group as usize % WORDS] |= bits;
    }

    /// The slot that was handed out last.
    pub(super) const fn last(&self) -> Place {
        self.last
    }

    /// One flush more.
    pub(super) const fn count_flush(&mut self) {
        self.flushes = self.flushes.wrapping_add(1);
    }

    /// Flushes so far.
    pub(super) const fn flushes(&self) -> u32 {
        self.flushes
    }
}

/// The slots that are not free, by their frames.
pub(super) struct Chains {
    /// For each chain, the number of its first slot.
    first: [u32; CHAINS],
    /// For each slot that is in a chain, the number of the next one there.
    next: [u32; SLOTS],
}

impl Chains {
    /// Puts the slot at the beginning of the frame's chain.
    #[inline(always)]
    pub(super) const fn link(&mut self, place: Place, pfn: Pfn) {
        let first = &mut self.first[chain_of(pfn)];
        self.next[place.index()] = *first;
        *first = place.0;
    }

    /// The slots that the frame may be in.
    #[inline(always)]
    pub(super) fn of(&self, pfn: Pfn) -> impl Iterator<Item = Place> {
        let mut next = self.first[chain_of(pfn)];
        core::iter::from_fn(move || {
            let place = Place(next);
            if next == END {
                return None;
            }
            next = self.next[place.index()];
            Some(place)
        })
    }

    /// No slot is in a chain.
    #[inline(always)]
    pub(super) fn unlink_all(&mut self) {
        for first in self.first.chunks_exact_mut(EMPTIED_AT_ONCE) {
            first.fill(END);
        }
    }
}

/// Frames that are held, and are to be given up when no lock is held.
pub(super) struct Waiting {
    count: usize,
    frames: [Pfn; SLOTS],
}

impl Waiting {
    /// How many there are.
    #[inline(always)]
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// There are so many now.
    #[inline(always)]
    pub(super) const fn set_count(&mut self, count: usize) {
        self.count = count;
    }

    /// Where the frame with this number is noted; `None` if there is no room for so many.
    #[inline(always)]
    pub(super) fn note(&mut self, number: usize) -> Option<&mut Pfn> {
        self.frames.get_mut(number)
    }

    /// Takes some, at most [`GIVEN_UP_AT_ONCE`]: so many of the first in the array. Those behind them are somebody
    /// else's.
    #[inline(always)]
    pub(super) fn take(&mut self) -> ([Pfn; GIVEN_UP_AT_ONCE], usize) {
        let left = self.count.saturating_sub(GIVEN_UP_AT_ONCE);
        let count = self.count - left;
        self.count = left;
        // Always there: `count` is at most `SLOTS`.
        let frames = self.frames.get(left..).and_then(|frames| frames.first_chunk());
        frames.map_or(([Pfn::default(); GIVEN_UP_AT_ONCE], 0), |frames| (*frames, count))
    }
}

/// The slot of the lowest bit that is set in a word of the map.
#[inline(always)]
const fn lowest(index: usize, bits: u32) -> Option<Place> {
    match bits {
        0 => None,
        _ => Some(Place(index as u32 * 32 + bits.trailing_zeros())),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn slots_go_upwards_from_1_and_0_is_the_last() {
        let mut books = Books::new();
        for number in 1..SLOTS as u32 {
            let place = books.next_free().unwrap();
            assert_eq!(place.number(), number);
            books.take(place);
        }
        assert_eq!(books.next_free(), None);
        let place = books.next_free_from_first().unwrap();
        assert_eq!(place.number(), 0);
        books.take(place);
        assert_eq!((books.next_free(), books.next_free_from_first()), (None, None));
        for number in [511, 77, 32] {
            books.free(number / GROUP, 1 << (number % GROUP));
        }
        assert_eq!(books.next_free(), Some(Place(32)), "after slot 0");
        books.take(Place(32));
        assert_eq!(books.next_free(), Some(Place(77)));
        assert_eq!(
            (books.free_after(Place(32)), books.free_after(Place(77))),
            (Some(Place(77)), Some(Place(511)))
        );
        books.take(Place(511));
        assert_eq!(books.next_free(), None, "77 is below the last one");
    }

    #[test]
    fn frames_that_wait_come_out_once() {
        for frames in [0, 1, 15, 16, 17, 500, 512] {
            let mut waiting = Books::new().waiting;
            for number in 0..frames {
                *waiting.note(waiting.count()).unwrap() = Pfn::new(0x1000 + number);
                waiting.set_count(waiting.count() + 1);
            }
            assert_eq!(waiting.note(waiting.count()).is_none(), frames == SLOTS as u32);
            let mut seen = Vec::new();
            while let (taken, count @ 1..) = waiting.take() {
                seen.extend_from_slice(&taken[..count]);
            }
            seen.sort_unstable();
            assert!(seen.into_iter().eq((0x1000..0x1000 + frames).map(Pfn::new)));
        }
    }

    #[test]
    fn chains_have_the_slots_that_were_linked() {
        let mut chains = Books::new().chains;
        let frames = [0x1005, 0x1205, 0x1006].map(Pfn::new);
        for (pfn, slot) in frames.iter().zip([0, 511, 7]) {
            chains.link(Place(slot), *pfn);
        }
        let slots = |chains: &Chains, pfn| chains.of(pfn).map(Place::number).collect::<Vec<_>>();
        assert_eq!(slots(&chains, frames[0]), [511, 0]);
        assert_eq!(slots(&chains, frames[2]), [7]);
        assert_eq!(slots(&chains, Pfn::new(0x1007)), []);
        chains.unlink_all();
        assert_eq!(slots(&chains, frames[0]), []);
    }
}
