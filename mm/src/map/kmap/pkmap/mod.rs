//! `kmap`: frames that stay mapped for as long as somebody likes, and mostly a while longer.
//!
//! The pkmap has 512 slots. Each has a word:
//!
//! ```text
//!  31       20 19                 0     frame  users
//! ┌───────────┬────────────────────┐     0      0     free: a fault, and no TLB holds it
//! │   users   │       frame        │     f      0     idle: mapped, without a user
//! └───────────┴────────────────────┘     f      n     n users
//! ```
//!
//! Linux's counts are 0, 1 and n + 1.
//!
//! Who maps a frame that has a slot counts one user more, and who unmaps it one less, in one atomic addition each: no
//! lock, and nothing masked. The frame's slot is found by a hint, and if that leads nowhere, under the lock, through the
//! hint's chain. Since a hint names its frame, no frame is looked for in vain in another one's slot, and the question
//! whether a frame is lowmem comes second: it has no hint.
//!
//! # Protocol
//!
//! | from | to | by | how |
//! |---|---|---|---|
//! | free | 1 user | who maps a frame that has no slot | lock; entry, barriers, then an addition (release) |
//! | n users | n + 1 | anybody who maps the frame | an addition (acquire) |
//! | n users | n - 1 | a user | a subtraction (release) |
//! | idle | free | the flush | lock; exchange (acquire), then the entry |
//!
//! - A slot leaves *free*, and comes back to it, under the lock only. So whoever holds the lock sees every mapping there
//!   is, and no frame has two slots.
//! - A slot with users is never unmapped: the flush exchanges the very word *idle*, and a user who comes first makes
//!   that fail.
//! - A slot is free only after the flush: the flusher holds the lock from the first entry to the TLBs' answer.
//! - Users' accesses come before their release, and that before the flusher's acquire, and so before the unmapping.
//! - An addition may turn out wrong when it has been made: the hint was old, and the slot is another frame's by now, or
//!   free; there are too many users; or, of a subtraction, there was no user. Whoever made it sees that in what was there
//!   before, and takes it back at once. Meanwhile a slot may have a user too many: it stays mapped a little longer, and a
//!   free one is made another frame's by an addition too, so nothing is lost. Frames do not change: users are counted in
//!   the upper bits, and half of their range is never reached.
//!
//! Who unmaps what he has not mapped makes, for a few instructions, a slot without users look as if it had many, and
//! one that somebody maps in that very moment look idle. It is the one mistake of a caller that might, on a machine with
//! several CPUs, hit another caller; it is always reported.
//!
//! # Frames
//!
//! A slot that is not free holds one reference to its frame's block, whoever the users are. So a frame can not
//! become free, and then a device's or an uncached one, while an idle slot still maps it (T4 of `docs/model.md`): its
//! owner gives it up, and the flush frees it. The page allocator is never called under the lock (F10). So the reference
//! is taken *before* the lock, and given back if the frame turns out to have a slot. What the flush takes away is
//! noted, the frames of slots that are free again, and given up when the lock has been let go, by whoever comes first.
//!
//! # Order
//!
//! Slots are handed out upwards from the one after the last, first 1, and 0 only after a wrap. At a wrap all idle slots
//! are unmapped, with one flush (*Linux 6.1*'s order). That, [`Pkmap::flush_unused`] and the shrinker are the only ones
//! to unmap.
//!
//! Context: [`Pkmap::kmap`] may wait, so no handler calls it, nor code that masks interrupts, unless it takes
//! [`AllPinned`](super::WhyNotMapped::AllPinned) for an answer. Everything else in any context. The lock is held for a
//! few dozen instructions, and at a flush for some ten for each idle slot.

mod books;
mod guard;
mod report;
#[cfg(test)]
mod tests;

use core::fmt;

use self::books::{
    Books, Flushed, GROUP, GROUPS, HINTS, NO_SLOT, Place, SLOTS, USER_SHIFT, hint_of,
};
use super::error::{KmapError, NotUnmapped, WrongUnmap};
use crate::addr::{Order, PAGE_SHIFT, PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use crate::map::duty::Stale;
use crate::map::linear::LinearMap;
use crate::map::lowmem::LowmemFrames;
use crate::map::slots::SlotTable;
use crate::platform::{Answer, Platform, Report, Shortage};
use crate::sync::{
    AtomicU32, Lock, LockGuard,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::zone::shrink::Shrinker;
use crate::zone::{Gfp, PageAllocator, ShareError};

pub use books::SLOTS as PKMAP_SLOTS;
pub use guard::Kmap;
pub use report::{PkmapFigures, SlotUse};

/// One user.
const USER: u32 = 1 << USER_SHIFT;
/// Bits of a frame. A small page can map no others.
const PFN_MASK: u32 = USER - 1;
/// The word of a free slot.
const FREE: u32 = 0;
/// The most users of a slot: who finds the highest bit set is one too many, long before all bits are used up.
pub const MAX_USERS: u32 = 1 << (31 - USER_SHIFT);

/// Frames given up at a time, between two looks at the books.
const GIVEN_UP_AT_ONCE: usize = 16;

/// The slots, over one page allocator and one table.
///
/// What atomic instructions reach, which have no room for an offset, comes first.
#[repr(C)]
pub struct Pkmap<'p, 'a, P: Platform, T: SlotTable, const CPUS: usize = 1> {
    words: [AtomicU32; SLOTS],
    /// For some frames, the slot to look at first.
    hints: [AtomicU32; HINTS],
    start: VirtAddr,
    lowmem: LowmemFrames,
    pages: &'p PageAllocator<'a, P, CPUS>,
    table: T,
    books: Lock<Books>,
}

/// What a look under the lock found.
enum Found {
    /// A slot that is mapped now, and had not been.
    New(VirtAddr),
    /// Somebody's.
    Mapped(VirtAddr),
    /// A slot with as many users as can be counted.
    Full,
    /// No slot.
    Nothing,
}

impl<'p, 'a, P: Platform, T: SlotTable, const CPUS: usize> Pkmap<'p, 'a, P, T, CPUS> {
    /// Nothing is mapped yet. `region` is 512 pages, whose entries are faults, and in `table`.
    ///
    /// # Errors
    ///
    /// [`BadRegion`] when it has another size, or does not begin at a page.
    pub fn new(
        pages: &'p PageAllocator<'a, P, CPUS>,
        linear: &LinearMap,
        region: VirtRange,
        table: T,
    ) -> Result<Self, BadRegion> {
        if region.len() != (SLOTS as u32) << PAGE_SHIFT || !region.start().is_aligned(PAGE_SIZE) {
            return Err(BadRegion { region });
        }
        Ok(Self {
            pages,
            lowmem: LowmemFrames::of(linear),
            start: region.start(),
            hints: core::array::from_fn(|_| AtomicU32::new(NO_SLOT)),
            words: core::array::from_fn(|_| AtomicU32::new(FREE)),
            table,
            books: Lock::new(Books::new()),
        })
    }

    /// Maps the frame until the guard is dropped; for a frame of lowmem its address. Waits while all slots are in use,
    /// if somebody may help. Linux's `kmap`.
    ///
    /// The frame is the caller's, who keeps it from being freed, so that it is the one that he means.
    ///
    /// # Errors
    ///
    /// [`KmapError`]. Linux's waits for ever instead, and where all slots are the caller's own stands still.
    #[inline]
    pub fn kmap(&self, pfn: Pfn) -> Result<Kmap<'_, 'p, 'a, P, T, CPUS>, KmapError> {
        let virt = self.kmap_raw(pfn)?;
        Ok(Kmap::new(self, virt))
    }

    /// As [`kmap`](Self::kmap), for who keeps the address himself, until [`kunmap_raw`](Self::kunmap_raw).
    ///
    /// # Errors
    ///
    /// As of `kmap`.
    #[inline]
    pub fn kmap_raw(&self, pfn: Pfn) -> Result<VirtAddr, KmapError> {
        let hint = self.hints[hint_of(pfn)].load(Relaxed);
        if hint & PFN_MASK == pfn.as_u32() {
            let place = Place::of_hint(hint);
            let word = &self.words[place.index()];
            let seen = word.fetch_add(USER, Acquire);
            if is_good_addition(seen, hint) {
                return Ok(self.address(place));
            }
            // The slot has become another frame's, or has too many users.
            word.fetch_sub(USER, Release);
        } else if let Some(virt) = self.lowmem.address(pfn) {
            return Ok(virt);
        }
        self.kmap_with_care(pfn)
    }

    /// Gives up one use of the frame that is mapped at `virt`, which may be any byte of it; nothing for an address of
    /// lowmem. Any context. Linux's `kunmap`.
    ///
    /// # Errors
    ///
    /// [`NotUnmapped`] when there is no such use. It has been reported, and nothing has changed.
    #[inline]
    pub fn kunmap_raw(&self, virt: VirtAddr) -> Result<(), NotUnmapped> {
        if let Some(word) = self.words.get(self.number_of(virt)) {
            let seen = word.fetch_sub(USER, Release);
            if users_of(seen) > 0 {
                return Ok(());
            }
            word.fetch_add(USER, Relaxed);
        } else if self.lowmem.frame(virt).is_some() {
            return Ok(());
        }
        Err(self.wrong(virt))
    }

    /// The frame that is mapped at `virt`, in lowmem or in a slot. Linux's `kmap_to_page`.
    #[must_use]
    pub fn kmap_to_pfn(&self, virt: VirtAddr) -> Option<Pfn> {
        if let Some(pfn) = self.lowmem.frame(virt) {
            return Some(pfn);
        }
        let seen = self.words.get(self.number_of(virt))?.load(Relaxed);
        (!is_free(seen)).then_some(pfn_of(seen))
    }

    /// Unmaps all idle slots, with one flush, and says how many pages that has freed. Afterwards no frame is mapped
    /// here that had no user when this was called: a device may have it, or it may become uncached. Linux's
    /// `kmap_flush_unused`. Any context.
    pub fn flush_unused(&self) -> u32 {
        let mut freed = 0;
        loop {
            let flushed = {
                let _masked = self.pages.platform().mask();
                let mut books = self.books();
                self.flush_idle(&mut books)
            };
            freed += self.give_up();
            // Idle slots are left only if frames of an earlier flush had not been given up.
            if flushed != Flushed::NotAll {
                return freed;
            }
        }
    }

    /// The addresses of the slots.
    #[must_use]
    pub const fn region(&self) -> VirtRange {
        let end = self.start.as_u32() + ((SLOTS as u32) << PAGE_SHIFT);
        VirtRange::new(self.start, VirtAddr::new(end))
    }

    /// The hint did not lead to a slot of the frame that can have one user more.
    #[inline(never)]
    fn kmap_with_care(&self, pfn: Pfn) -> Result<VirtAddr, KmapError> {
        // What lies above 4 GiB no zone has, since nothing could map it; and if there is a frame 0, it is lowmem.
        let nowhere = Err(ShareError::NotAllocated { pfn });
        let held = if (1..=PFN_MASK).contains(&pfn.as_u32()) {
            self.pages.hold_frame(pfn)
        } else {
            nowhere
        };
        held.map_err(|error| KmapError::not_held(pfn, error))?;
        match self.find(pfn) {
            (Found::New(virt), Flushed::Nothing) => Ok(virt),
            (found, flushed) => self.kmap_hard(pfn, found, flushed),
        }
    }

    /// There was no slot for a new mapping, or none was needed, or there are frames to be given up. The frame is held,
    /// for the slot that it will have.
    #[inline(never)]
    fn kmap_hard(
        &self,
        pfn: Pfn,
        mut found: Found,
        mut flushed: Flushed,
    ) -> Result<VirtAddr, KmapError> {
        let mut round = 0;
        loop {
            self.give_up();
            let result = match found {
                Found::New(virt) => return Ok(virt),
                Found::Mapped(virt) => Ok(virt),
                Found::Full => Err(KmapError::too_many_users(pfn)),
                Found::Nothing if flushed != Flushed::NotAll && !self.wait(&mut round) => {
                    Err(KmapError::all_pinned(pfn))
                }
                Found::Nothing => {
                    // Perhaps somebody has mapped the same frame meanwhile.
                    (found, flushed) = self.find(pfn);
                    continue;
                }
            };
            self.pages.release_frame(pfn);
            return result;
        }
    }

    /// Waits for somebody to give up a slot; says `false` if nobody will.
    fn wait(&self, round: &mut u32) -> bool {
        // As for a request of one page, which no shrinker has helped.
        let (gfp, order) = (Gfp::GFP_KERNEL, Order::ZERO);
        let shortage = Shortage { gfp, order, round: *round, freed: 0 };
        *round = round.saturating_add(1);
        self.pages.platform().wait(&shortage) == Answer::Retry
    }

    /// Looks for the frame's slot, or maps it in a new one; says what a flush did, if there was one.
    #[inline]
    fn find(&self, pfn: Pfn) -> (Found, Flushed) {
        let _masked = self.pages.platform().mask();
        let mut books = self.books();
        let first = self.hints[hint_of(pfn)].load(Relaxed);
        if let Some(hint) = books.chain(first).find(|hint| hint & PFN_MASK == pfn.as_u32()) {
            // It stays mapped: the lock is held.
            let place = Place::of_hint(hint);
            let word = &self.words[place.index()];
            if is_good_addition(word.fetch_add(USER, Acquire), hint) {
                return (Found::Mapped(self.address(place)), Flushed::Nothing);
            }
            word.fetch_sub(USER, Release);
            return (Found::Full, Flushed::Nothing);
        }
        let mut flushed = Flushed::Nothing;
        let place = books.next_free().or_else(|| {
            flushed = self.flush_idle(&mut books);
            books.next_free_from_first()
        });
        let Some(place) = place else { return (Found::Nothing, flushed) };
        let virt = self.address(place);
        self.table.publish(self.table.map(virt, pfn));
        books.take(place);
        self.link(&mut books, place, pfn);
        // Whoever finds the slot by this word finds it mapped.
        self.words[place.index()].fetch_add(USER | pfn.as_u32(), Release);
        (Found::New(virt), flushed)
    }

    /// Unmaps the idle slots, as many as there is room to note the frames of, and links the others anew. One flush.
    #[inline(never)]
    fn flush_idle(&self, books: &mut Books) -> Flushed {
        self.hints.iter().for_each(|hint| hint.store(NO_SLOT, Relaxed));
        let (mut first, mut last, mut all) = (None, 0, Flushed::All);
        for group in 0..GROUPS {
            let mut freed = 0;
            for bit in 0..GROUP {
                let place = Place::at(group, bit);
                let word = &self.words[place.index()];
                let seen = word.load(Relaxed);
                if is_free(seen) {
                    continue;
                }
                if users_of(seen) == 0 {
                    if !books.has_room() {
                        all = Flushed::NotAll;
                    } else if word.compare_exchange(seen, FREE, Acquire, Relaxed).is_ok() {
                        // The flush below is for all from the first to the last.
                        let _ = self.table.clear(self.address(place)).put_off();
                        books.let_wait(pfn_of(seen));
                        freed |= 1 << bit;
                        continue;
                    }
                }
                self.link(books, place, pfn_of(seen));
            }
            if freed != 0 {
                books.free(group, freed);
                first = first.or(Some(Place::at(group, freed.trailing_zeros())));
                last = group * GROUP + freed.ilog2();
            }
        }
        if let Some(first) = first {
            let end = self.start.as_u32() + ((last + 1) << PAGE_SHIFT);
            self.table.flush(Stale::owed(VirtRange::new(self.address(first), VirtAddr::new(end))));
            books.count_flush();
        }
        all
    }

    /// Has the slot found by its frame.
    #[inline(always)]
    fn link(&self, books: &mut Books, place: Place, pfn: Pfn) {
        let hint = &self.hints[hint_of(pfn)];
        books.link(place, hint.load(Relaxed));
        hint.store(place.number() << USER_SHIFT | pfn.as_u32(), Relaxed);
    }

    /// Gives up the frames of slots that have been flushed, and says how many pages that has freed. No lock is held.
    fn give_up(&self) -> u32 {
        let mut freed = 0;
        loop {
            let mut frames = [Pfn::default(); GIVEN_UP_AT_ONCE];
            let count = {
                let _masked = self.pages.platform().mask();
                self.books().take_frames(&mut frames)
            };
            for pfn in frames.iter().take(count) {
                freed += self.pages.release_frame(*pfn);
            }
            if count < GIVEN_UP_AT_ONCE {
                return freed;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn wrong(&self, virt: VirtAddr) -> NotUnmapped {
        let error = match self.words.get(self.number_of(virt)).map(|word| word.load(Relaxed)) {
            None => WrongUnmap::NoSlot { virt },
            Some(seen) if is_free(seen) => WrongUnmap::NotMapped { virt },
            Some(seen) => WrongUnmap::NoUser { virt, pfn: pfn_of(seen) },
        };
        self.pages.platform().report(&Report::WrongUnmap { error });
        NotUnmapped { virt }
    }

    /// The books. Interrupts are masked.
    #[inline(always)]
    fn books(&self) -> LockGuard<'_, Books> {
        self.books.lock(|| self.pages.platform().contended())
    }

    #[inline(always)]
    const fn address(&self, place: Place) -> VirtAddr {
        VirtAddr::new(self.start.as_u32() + (place.number() << PAGE_SHIFT))
    }

    /// The number of the slot that holds `virt`; too large a one if none does.
    #[inline(always)]
    const fn number_of(&self, virt: VirtAddr) -> usize {
        (virt.as_u32().wrapping_sub(self.start.as_u32()) >> PAGE_SHIFT) as usize
    }
}

/// Idle slots are pages that could be free.
impl<P: Platform, T: SlotTable, const CPUS: usize> Shrinker for Pkmap<'_, '_, P, T, CPUS>
where
    Self: Sync,
{
    fn name(&self) -> &'static str {
        "pkmap"
    }

    fn count(&self) -> u32 {
        self.figures().idle
    }

    fn shrink(&self, _: u32, _: Gfp) -> u32 {
        self.flush_unused()
    }
}

/// A region that is not 512 whole pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadRegion {
    /// The region.
    pub region: VirtRange,
}

impl fmt::Display for BadRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not {SLOTS} whole pages", self.region)
    }
}

impl core::error::Error for BadRegion {}

#[inline(always)]
const fn users_of(word: u32) -> u32 {
    word >> USER_SHIFT
}

#[inline(always)]
const fn pfn_of(word: u32) -> Pfn {
    Pfn::new(word & PFN_MASK)
}

/// Is nothing mapped? There may be somebody who takes back an addition.
#[inline(always)]
const fn is_free(word: u32) -> bool {
    word & PFN_MASK == FREE
}

/// Was one user counted more, to a slot that had this word, for the frame of this hint, and not one too many? A hint
/// that leads to a slot has its highest bit clear, as a word has that is below the most users.
#[inline(always)]
const fn is_good_addition(seen: u32, hint: u32) -> bool {
    const MUST_AGREE: u32 = 1 << 31 | PFN_MASK;
    (seen ^ hint) & MUST_AGREE == 0
}
