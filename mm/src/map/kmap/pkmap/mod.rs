//! `kmap`: frames that stay mapped for as long as somebody likes, and mostly a while longer.
//!
//! The pkmap has 512 slots. Each has a word, which is a sum: 4096 times the frame's number, and the users.
//!
//! ```text
//!  31                 12 11         0     frame  users
//! ┌─────────────────────┬────────────┐     0     -1     free: a fault, and no TLB holds it
//! │        frame        │   users    │     f      0     idle: mapped, without a user
//! └─────────────────────┴────────────┘     f      n     n users
//! ```
//!
//! Linux's counts are 0, 1 and n + 1. Bit 11 is set of a slot that nobody may map: it is free, has as many users as
//! can be counted, or has been unmapped once too often, which is about to be taken back.
//!
//! Who maps a frame that has a slot counts one user more, and who unmaps it one less, by one atomic operation each: no
//! lock, and nothing masked. Where the slot is says a hint, the address of its page; and if that is another frame's slot
//! by now, the books know, under the lock. A hint is always some slot's address, and the slot's word says whose it
//! is, so the way through it needs no second look.
//!
//! # Protocol
//!
//! | from | to | by | how |
//! |---|---|---|---|
//! | free | 1 user | who maps a frame that has no slot | lock; entry, barriers, then an exchange (release) |
//! | n users | n + 1 | anybody who maps the frame | an exchange (acquire), of this frame and number only |
//! | n users | n - 1 | a user | a subtraction (release) |
//! | idle | free | the flush | lock; an exchange (acquire), then the entry |
//!
//! - A slot leaves *free*, and comes back to it, under the lock only. So whoever holds the lock sees every mapping there
//!   is, and no frame has two slots.
//! - A slot with users is never unmapped: the flush exchanges the very word *idle*, and a user who comes first makes
//!   that fail.
//! - A slot is free only after the flush: the flusher holds the lock from the first entry to the TLBs' answer.
//! - Users' accesses come before their release, and that before the flusher's acquire, and so before the unmapping. With
//!   one CPU that is the order of its instructions, and only the compiler is told.
//! - A subtraction may turn out wrong when it has been made: there was no user. Whoever made it sees that in what is left,
//!   reports it, and has taken it back before. Until then the word is one that nobody exchanges: the slot is neither mapped
//!   by anybody, nor flushed, nor handed out, and nobody waits for it with the lock held. So a mistaken kunmap hurts no
//!   other caller, on any number of CPUs; but one that comes while there are users takes a use from one of them, as it
//!   does everywhere.
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
#[cfg(all(test, loom))]
mod loom_tests;
mod report;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use core::fmt;

use self::books::{Books, CHAINS, Flushed, GIVEN_UP_AT_ONCE, GROUP, Place, SLOTS, chain_of};
use super::error::{KmapError, NotUnmapped, WrongUnmap};
use crate::addr::{Order, PAGE_SHIFT, Pfn, VirtAddr, VirtRange};
use crate::map::duty::Stale;
use crate::map::linear::LinearMap;
use crate::map::lowmem::LowmemFrames;
use crate::map::slots::SlotTable;
use crate::platform::{Answer, Platform, Report, Shortage};
use crate::sync::{
    AtomicU32, Lock, LockGuard,
    Ordering::{Acquire, Relaxed, Release},
    compiler_fence,
};
use crate::zone::shrink::Shrinker;
use crate::zone::{Gfp, PageAllocator, ShareError};

pub use books::SLOTS as PKMAP_SLOTS;
pub use guard::Kmap;
pub use report::{PkmapFigures, SlotUse};

/// From a frame's number to what it is in a slot's word.
const FRAME_SHIFT: u32 = 12;
/// Set of a slot that nobody may map as it is.
const CLOSED: u32 = 1 << (FRAME_SHIFT - 1);
/// The word of a free slot: frame 0, and one user less than none. Frame 0 is lowmem, if anything.
const FREE: u32 = u32::MAX;
/// The most users of a slot.
pub const MAX_USERS: u32 = CLOSED;
/// Frames from here on no small page can map.
const END_OF_FRAMES: u32 = 1 << (u32::BITS - FRAME_SHIFT);

/// The bytes of all slots' pages, and the alignment of the first one: a page's address names its slot.
const REGION_BYTES: u32 = (SLOTS as u32) << PAGE_SHIFT;

/// The slots, over one page allocator and one table.
///
/// What atomic instructions reach, which have no room for an offset, comes first.
#[repr(C)]
pub struct Pkmap<'p, 'a, P: Platform, T: SlotTable, const CPUS: usize = 1> {
    words: [AtomicU32; SLOTS],
    /// For each chain, the page of the slot that was mapped last.
    hints: [AtomicU32; CHAINS],
    /// The region's, in regions of this size from address 0 on.
    number: u32,
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
    /// Nothing is mapped yet. `region` is 512 pages, aligned to their size, whose entries are faults, and in `table`.
    ///
    /// # Errors
    ///
    /// [`BadRegion`] when it has another size or alignment.
    pub fn new(
        pages: &'p PageAllocator<'a, P, CPUS>,
        linear: &LinearMap,
        region: VirtRange,
        table: T,
    ) -> Result<Self, BadRegion> {
        if region.len() != REGION_BYTES || !region.start().is_aligned(REGION_BYTES) {
            return Err(BadRegion { region });
        }
        Ok(Self {
            pages,
            lowmem: LowmemFrames::of(linear),
            number: region.start().as_u32() / REGION_BYTES,
            hints: core::array::from_fn(|_| AtomicU32::new(region.start().as_u32())),
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
        let page = VirtAddr::new(self.hints[chain_of(pfn)].load(Relaxed));
        let word = &self.words[Place::at_page(page).index()];
        let seen = word.load(Relaxed);
        if seen >> FRAME_SHIFT == pfn.as_u32() {
            if Self::add_user(word, seen) {
                return Ok(page);
            }
        } else if let Some(virt) = self.lowmem.address(pfn) {
            return Ok(virt);
        } else {
            return self.kmap_anew(pfn);
        }
        self.kmap_with_care(pfn)
    }

    /// Counts one user more of a slot with this word, if it has it still, and one more can be counted.
    #[inline(always)]
    fn add_user(word: &AtomicU32, seen: u32) -> bool {
        if seen & CLOSED != 0 {
            return false;
        }
        let order = if CPUS == 1 { Relaxed } else { Acquire };
        let is_added = word.compare_exchange_weak(seen, seen + 1, order, Relaxed).is_ok();
        compiler_fence(Acquire);
        is_added
    }

    /// Gives up one use of the frame that is mapped at `virt`, which may be any byte of it; nothing for an address of
    /// lowmem. Any context. Linux's `kunmap`.
    ///
    /// # Errors
    ///
    /// [`NotUnmapped`] when there is no such use. It has been reported, and nothing has changed.
    #[inline]
    pub fn kunmap_raw(&self, virt: VirtAddr) -> Result<(), NotUnmapped> {
        if self.has(virt) {
            let word = &self.words[Place::at_page(virt).index()];
            compiler_fence(Release);
            let order = if CPUS == 1 { Relaxed } else { Release };
            let left = word.fetch_sub(1, order).wrapping_sub(1);
            if left & CLOSED == 0 {
                return Ok(());
            }
        }
        self.kunmap_with_care(virt)
    }

    /// The frame that is mapped at `virt`, in lowmem or in a slot. Linux's `kmap_to_page`.
    #[must_use]
    pub fn kmap_to_pfn(&self, virt: VirtAddr) -> Option<Pfn> {
        if let Some(pfn) = self.lowmem.frame(virt) {
            return Some(pfn);
        }
        if !self.has(virt) {
            return None;
        }
        let seen = self.words[Place::at_page(virt).index()].load(Relaxed);
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
        VirtRange::new(self.start(), VirtAddr::new(self.start().as_u32() + REGION_BYTES))
    }

    /// The hint led to another frame's slot: most likely this one has none. It is not lowmem.
    #[inline(never)]
    fn kmap_anew(&self, pfn: Pfn) -> Result<VirtAddr, KmapError> {
        if pfn.as_u32() >= END_OF_FRAMES {
            return Err(KmapError::not_held(pfn, ShareError::NotAllocated { pfn }));
        }
        if let Err(error) = self.pages.hold_frame(pfn) {
            return Err(KmapError::not_held(pfn, error));
        }
        if let Some(virt) = self.map_next(pfn) {
            return Ok(virt);
        }
        let (found, flushed) = self.find(pfn);
        self.kmap_hard(pfn, found, flushed)
    }

    /// Maps the frame in the next slot, if that is free, and the frame has none.
    #[inline(always)]
    fn map_next(&self, pfn: Pfn) -> Option<VirtAddr> {
        let _masked = self.pages.platform().mask();
        let mut books = self.books();
        if self.place_of(&books, pfn).is_some() {
            return None;
        }
        let place = books.next_free()?;
        self.map_in(&mut books, place, pfn)
    }

    /// The hint led to the frame's slot, or to a free one, and somebody else came first, or there are too many users.
    #[cold]
    #[inline(never)]
    fn kmap_with_care(&self, pfn: Pfn) -> Result<VirtAddr, KmapError> {
        match self.lowmem.address(pfn) {
            Some(virt) => Ok(virt),
            None => self.kmap_anew(pfn),
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
        if let Some(place) = self.place_of(&books, pfn) {
            // It stays mapped: the lock is held.
            let word = &self.words[place.index()];
            loop {
                let seen = word.load(Relaxed);
                if seen & CLOSED != 0 {
                    // With fewer users than none it was unmapped by mistake, and that is about to be taken back.
                    let is_mistake = users_of(seen) < 0;
                    return (
                        if is_mistake { Found::Nothing } else { Found::Full },
                        Flushed::Nothing,
                    );
                }
                if Self::add_user(word, seen) {
                    let virt = self.address(place);
                    self.hints[chain_of(pfn)].store(virt.as_u32(), Relaxed);
                    return (Found::Mapped(virt), Flushed::Nothing);
                }
            }
        }
        let mut flushed = Flushed::Nothing;
        let mut place = books.next_free().or_else(|| {
            flushed = self.flush_idle(&mut books);
            books.next_free_from_first()
        });
        while let Some(free) = place {
            if let Some(virt) = self.map_in(&mut books, free, pfn) {
                return (Found::New(virt), flushed);
            }
            // Whoever unmapped it by mistake takes that back, but may be what this CPU has interrupted: who waits for
            // him here waits for ever. So another slot must do, or the machine says whether there is a point in waiting.
            place = books.free_after(free);
        }
        (Found::Nothing, flushed)
    }

    /// The frame's slot.
    #[inline(always)]
    fn place_of(&self, books: &Books, pfn: Pfn) -> Option<Place> {
        let is_its = |place: &Place| pfn_of(self.words[place.index()].load(Relaxed)) == pfn;
        books.chains.of(pfn).find(is_its)
    }

    /// Maps the frame, which has no slot, in this one, which is free. `None` if somebody has unmapped the free slot by
    /// mistake, and not taken that back yet.
    #[inline(always)]
    fn map_in(&self, books: &mut Books, place: Place, pfn: Pfn) -> Option<VirtAddr> {
        let virt = self.address(place);
        self.table.publish(self.table.map(virt, pfn));
        let word = &self.words[place.index()];
        // Whoever finds the slot by this word finds it mapped.
        compiler_fence(Release);
        let order = if CPUS == 1 { Relaxed } else { Release };
        if word.compare_exchange(FREE, word_of(pfn) + 1, order, Relaxed).is_err() {
            self.table.flush(self.table.clear(virt));
            return None;
        }
        books.take(place);
        books.chains.link(place, pfn);
        self.hints[chain_of(pfn)].store(virt.as_u32(), Relaxed);
        Some(virt)
    }

    /// Unmaps the idle slots, as many as there is room to note the frames of, and links the others anew. One flush.
    #[inline(never)]
    fn flush_idle(&self, books: &mut Books) -> Flushed {
        books.chains.unlink_all();
        let order = if CPUS == 1 { Relaxed } else { Acquire };
        let start = self.start().as_u32();
        let (mut first, mut end, mut all) = (None, start, Flushed::All);
        let mut waiting = books.waiting.count();
        for (group, words) in (0..).zip(self.words.chunks_exact(GROUP as usize)) {
            let mut freed = 0;
            for (bit, word) in (0..).zip(words) {
                let place = Place::at(group, bit);
                let seen = word.load(Relaxed);
                if is_idle(seen) {
                    match books.waiting.note(waiting) {
                        None => all = Flushed::NotAll,
                        Some(frame) => {
                            if word.compare_exchange(seen, FREE, order, Relaxed).is_ok() {
                                *frame = pfn_of_idle(seen);
                                waiting += 1;
                                freed |= 1 << bit;
                                continue;
                            }
                        }
                    }
                }
                if !is_free(seen) {
                    books.chains.link(place, pfn_of(seen));
                }
            }
            compiler_fence(Acquire);
            books.free(group, freed);
            while freed != 0 {
                let place = Place::at(group, freed.trailing_zeros());
                // The flush below is for all from the first to the last.
                let page = self.table.clear(self.address(place)).put_off();
                first = first.or(Some(page.start()));
                end = page.end().as_u32();
                freed &= freed - 1;
            }
        }
        books.waiting.set_count(waiting);
        if let Some(first) = first {
            self.table.flush(Stale::owed(VirtRange::new(first, VirtAddr::new(end))));
            books.count_flush();
        }
        all
    }

    /// Gives up the frames of slots that have been flushed, and says how many pages that has freed. No lock is held.
    fn give_up(&self) -> u32 {
        let mut freed = 0;
        loop {
            let (frames, count) = {
                let _masked = self.pages.platform().mask();
                self.books().waiting.take()
            };
            freed += self.pages.release_frames(frames.get(..count).unwrap_or_default());
            if count < GIVEN_UP_AT_ONCE {
                return freed;
            }
        }
    }

    /// The address is lowmem, or nobody's, or a slot's that has one user less now than none.
    #[inline(never)]
    fn kunmap_with_care(&self, virt: VirtAddr) -> Result<(), NotUnmapped> {
        if self.lowmem.frame(virt).is_some() {
            return Ok(());
        }
        let error = if self.has(virt) {
            match self.words[Place::at_page(virt).index()].fetch_add(1, Relaxed) {
                seen if is_free(seen) => WrongUnmap::NotMapped { virt },
                seen => WrongUnmap::NoUser { virt, pfn: pfn_of(seen) },
            }
        } else {
            WrongUnmap::NoSlot { virt }
        };
        self.pages.platform().report(&Report::WrongUnmap { error });
        Err(NotUnmapped { virt })
    }

    /// The books. Interrupts are masked.
    #[inline(always)]
    fn books(&self) -> LockGuard<'_, Books> {
        self.books.lock(|| self.pages.platform().contended())
    }

    #[inline(always)]
    const fn address(&self, place: Place) -> VirtAddr {
        VirtAddr::new(self.start().as_u32() + (place.number() << PAGE_SHIFT))
    }

    /// The page of slot 0.
    #[inline(always)]
    const fn start(&self) -> VirtAddr {
        VirtAddr::new(self.number * REGION_BYTES)
    }

    /// Is `virt` in a slot's page?
    #[inline(always)]
    const fn has(&self, virt: VirtAddr) -> bool {
        self.number == virt.as_u32() / REGION_BYTES
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

/// A region that is not 512 whole pages, aligned to their size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadRegion {
    /// The region.
    pub region: VirtRange,
}

impl fmt::Display for BadRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not {SLOTS} whole pages, aligned to their size", self.region)
    }
}

impl core::error::Error for BadRegion {}

/// The word of an idle slot of the frame.
#[inline(always)]
const fn word_of(pfn: Pfn) -> u32 {
    pfn.as_u32() << FRAME_SHIFT
}

/// The users in a slot's word: fewer than 0 of a free one, and of one that was unmapped by mistake just now.
#[inline(always)]
const fn users_of(word: u32) -> i32 {
    // From -2047 to 2048.
    (word.wrapping_add(CLOSED - 1) & (2 * CLOSED - 1)) as i32 - (CLOSED as i32 - 1)
}

/// The frame in a slot's word, whatever the users are.
#[inline(always)]
const fn pfn_of(word: u32) -> Pfn {
    Pfn::new(word.wrapping_add(CLOSED - 1) >> FRAME_SHIFT)
}

/// Is the slot mapped, and without a user?
#[inline(always)]
const fn is_idle(word: u32) -> bool {
    word.is_multiple_of(2 * CLOSED)
}

/// The frame in an idle slot's word.
#[inline(always)]
const fn pfn_of_idle(word: u32) -> Pfn {
    Pfn::new(word >> FRAME_SHIFT)
}

/// Is nothing mapped?
#[inline(always)]
const fn is_free(word: u32) -> bool {
    pfn_of(word).as_u32() == 0
}
