//! What the pkmap's lock guards: which slots are free, which frames wait to be given up, how slots are found.
//!
//! Invariants, while the lock is free:
//!
//! - A slot's bit is set if its word is 0, and only then.
//! - Each slot that is not free is in the chain of its frame's hint, once.
//! - A frame that waits is mapped in no slot on its account: the flush is over.

use crate::addr::Pfn;

/// Slots of the pkmap.
pub const SLOTS: usize = 512;
/// Chains: frames that lie side by side have their own, as many as there are slots.
pub(super) const HINTS: usize = SLOTS;
/// A hint is the number of a slot above its frame, as users are above it in the slot's word.
pub(super) const USER_SHIFT: u32 = 20;
/// The end of a chain, and a hint that leads to none. The highest bit is clear in all others. Its frame may be a
/// real one, and then that has no hint yet, and is looked for in vain.
pub(super) const NO_SLOT: u32 = u32::MAX;
const _: () = assert!((SLOTS as u32) < 1 << (31 - USER_SHIFT));

/// Slots come in groups, with a bit for each in a word.
pub(super) const GROUP: u32 = u32::BITS;
pub(super) const GROUPS: u32 = SLOTS as u32 / GROUP;
const WORDS: usize = GROUPS as usize;
const _: () = assert!(SLOTS.is_power_of_two() && HINTS.is_power_of_two());

/// The number of the chain that the frame is in.
#[inline(always)]
pub(super) const fn hint_of(pfn: Pfn) -> usize {
    pfn.as_u32() as usize % HINTS
}

/// A slot's number, below [`SLOTS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u32);

impl Place {
    /// The slot that the hint leads to; some slot if it leads to none.
    #[inline(always)]
    pub(super) const fn of_hint(hint: u32) -> Self {
        Self((hint >> USER_SHIFT) % SLOTS as u32)
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
    /// For each slot that is not free, the hint to the next one of its chain.
    next: [u32; SLOTS],
    /// Frames whose slots have been flushed, and that are held still.
    frames: [Pfn; SLOTS],
    waiting: usize,
    flushes: u32,
}

impl Books {
    /// All slots are free, and the next one is 1.
    pub(super) const fn new() -> Self {
        Self {
            last: Place(0),
            free: [u32::MAX; WORDS],
            next: [NO_SLOT; SLOTS],
            frames: [Pfn::new(0); SLOTS],
            waiting: 0,
            flushes: 0,
        }
    }

    /// The first free slot after the one that was handed out last; `None` if there is none up to the end.
    #[inline(always)]
    pub(super) fn next_free(&self) -> Option<Place> {
        let first = self.last.index() / 32;
        // The bits above that of the last one.
        let above = (u32::MAX << (self.last.0 % 32)) << 1;
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

    /// Is there room for a frame that waits?
    #[inline(always)]
    pub(super) const fn has_room(&self) -> bool {
        self.waiting < SLOTS
    }

    /// The frame waits. There is room.
    #[inline(always)]
    pub(super) fn let_wait(&mut self, pfn: Pfn) {
        if let Some(frame) = self.frames.get_mut(self.waiting) {
            *frame = pfn;
            self.waiting += 1;
        }
    }

    /// These slots of the group are free.
    pub(super) fn free(&mut self, group: u32, bits: u32) {
        self.free[group as usize % WORDS] |= bits;
    }

    /// Takes frames that wait, as many as fit, and says how many.
    pub(super) fn take_frames(&mut self, into: &mut [Pfn]) -> usize {
        let count = self.waiting.min(into.len());
        let left = self.waiting - count;
        if let Some(frames) = self.frames.get(left..self.waiting) {
            into[..count].copy_from_slice(frames);
        }
        self.waiting = left;
        count
    }

    /// Frames that wait.
    pub(super) const fn waiting(&self) -> u32 {
        self.waiting as u32
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

    /// Puts the slot before the chain that begins with this hint.
    #[inline(always)]
    pub(super) const fn link(&mut self, place: Place, first: u32) {
        self.next[place.index()] = first;
    }

    /// The hints of the chain that begins with `first`.
    #[inline(always)]
    pub(super) fn chain(&self, first: u32) -> impl Iterator<Item = u32> {
        let mut next = first;
        core::iter::from_fn(move || {
            let hint = next;
            if hint == NO_SLOT {
                return None;
            }
            next = self.next[Place::of_hint(hint).index()];
            Some(hint)
        })
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
        books.take(Place(511));
        assert_eq!(books.next_free(), None, "77 is below the last one");
    }

    #[test]
    fn frames_that_wait_come_out_once() {
        let mut books = Books::new();
        for number in 0..20 {
            books.let_wait(Pfn::new(0x1000 + number));
        }
        let mut frames = [Pfn::default(); 16];
        assert_eq!((books.take_frames(&mut frames), books.waiting()), (16, 4));
        let mut seen: Vec<_> = frames.to_vec();
        assert_eq!((books.take_frames(&mut frames), books.waiting()), (4, 0));
        seen.extend_from_slice(&frames[..4]);
        seen.sort_unstable();
        assert!(seen.into_iter().eq((0x1000..0x1014).map(Pfn::new)));
        assert_eq!(books.take_frames(&mut frames), 0);
    }
}
