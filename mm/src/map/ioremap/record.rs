//! What is known of a range of device memory that is mapped, or was, as far as TLBs may know: sixteen words.
//!
//! ```text
//!  0 first frame          6 area
//!  1 frame behind         7 references │ owned │ shared
//!  2 left                 8 batch that it waits with, 0 if it does not wait
//!  3 right                9 memory type │ in the tree │ met another range there
//!  4 parent              10 caller
//!  5 highest end below   11, 12 next and previous of those that wait
//!                        13 owners, if owned; 15 next spare record
//! ```
//!
//! Records are objects of the region's own cache, as those of its areas are, and are reached the same way. The
//! region's lock orders their words.

use crate::addr::{Pfn, PfnRange, VirtAddr};
use crate::map::area::{AreaId, RECORD_BYTES, Words};
use crate::map::prot::{MEMORY_BITS, MemoryType};
use crate::sync::Ordering::Relaxed;

const START: u32 = 0;
const END: u32 = 4;
pub(super) const LEFT: u32 = 8;
pub(super) const RIGHT: u32 = 12;
pub(super) const PARENT: u32 = 16;
pub(super) const MAX: u32 = 20;
const AREA: u32 = 24;
const REFERENCES: u32 = 28;
const BATCH: u32 = 32;
const FLAGS: u32 = 36;
const CALLER: u32 = 40;
pub(super) const NEXT: u32 = 44;
pub(super) const PREVIOUS: u32 = 48;
const OWNERS: u32 = 52;
const LINK: u32 = 60;

const _: () = assert!(LINK + 4 == RECORD_BYTES && LISTED > MEMORY_BITS);

/// No record.
pub(super) const NONE: u32 = 0;
/// More than one has had the mapping.
const SHARED: u32 = 1 << 31;
/// Of its users some are owners: [`OWNERS`] says how many. Otherwise that word means nothing.
const OWNED: u32 = 1 << 30;
/// What is not the number of users.
const FLAGS_OF_REFERENCES: u32 = SHARED | OWNED;
/// It is in the tree.
const LISTED: u32 = 1 << 2;
/// While it was in the tree, another range there has met it.
const MET: u32 = 1 << 3;
/// It waits with no batch.
const NO_BATCH: u32 = 0;

/// A range that is mapped or waits, by the address of its record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub(in crate::map) struct IoId(pub(super) u32);

impl IoId {
    /// The range whose record is the 64 bytes at `record`.
    #[inline(always)]
    pub(in crate::map) const fn new(record: VirtAddr) -> Self {
        Self(record.as_u32())
    }

    /// Where its record lies.
    #[inline(always)]
    pub(in crate::map) const fn record(self) -> VirtAddr {
        VirtAddr::new(self.0)
    }

    /// The range that a word names which [`record`](Self::record) gave.
    #[inline(always)]
    pub(in crate::map) const fn from_word(word: u32) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub(super) fn get(self, words: &impl Words, offset: u32) -> u32 {
        words.word(self.0 + offset).load(Relaxed)
    }

    #[inline(always)]
    pub(super) fn set(self, words: &impl Words, offset: u32, value: u32) {
        words.word(self.0 + offset).store(value, Relaxed);
    }

    /// Fills the record of a range that nothing maps yet, in no tree.
    #[inline(always)]
    pub(super) fn describe(self, words: &impl Words, frames: PfnRange, memory: MemoryType) {
        self.set(words, START, frames.start().as_u32());
        self.set(words, END, frames.end().as_u32());
        self.set(words, AREA, NONE);
        self.set(words, REFERENCES, 0);
        self.set(words, BATCH, NO_BATCH);
        self.set(words, FLAGS, memory as u32);
    }

    #[inline(always)]
    pub(super) fn start(self, words: &impl Words) -> u32 {
        self.get(words, START)
    }

    #[inline(always)]
    pub(super) fn end(self, words: &impl Words) -> u32 {
        self.get(words, END)
    }

    /// The range.
    pub(in crate::map) fn frames(self, words: &impl Words) -> PfnRange {
        PfnRange::new(Pfn::new(self.start(words)), Pfn::new(self.end(words)))
    }

    /// The type that it is mapped with.
    #[inline(always)]
    pub(super) fn memory(self, words: &impl Words) -> MemoryType {
        MemoryType::from_bits(self.get(words, FLAGS))
    }

    #[inline(always)]
    pub(super) fn is_memory(self, words: &impl Words, memory: MemoryType) -> bool {
        self.get(words, FLAGS) & MEMORY_BITS == memory as u32
    }

    #[inline(always)]
    pub(super) fn is_listed(self, words: &impl Words) -> bool {
        self.get(words, FLAGS) & LISTED != 0
    }

    /// Is it in the tree, of just these frames and this type, and has met no other range there?
    #[inline(always)]
    pub(super) fn is_alone_with(
        self,
        words: &impl Words,
        frames: PfnRange,
        memory: MemoryType,
    ) -> bool {
        self.start(words) == frames.start().as_u32()
            && self.end(words) == frames.end().as_u32()
            && self.get(words, FLAGS) == memory as u32 | LISTED
    }

    /// Another range of the tree meets it.
    pub(super) fn set_met(self, words: &impl Words) {
        self.set(words, FLAGS, self.get(words, FLAGS) | MET);
    }

    pub(super) fn set_listed(self, words: &impl Words) {
        self.set(words, FLAGS, self.get(words, FLAGS) | LISTED);
    }

    pub(super) fn set_unlisted(self, words: &impl Words) {
        self.set(words, FLAGS, self.get(words, FLAGS) & !(LISTED | MET));
    }

    /// The area that maps it, is about to, or has mapped it and waits; `None` for a record that stands for nothing.
    #[inline(always)]
    pub(super) fn area(self, words: &impl Words) -> Option<AreaId> {
        let record = self.get(words, AREA);
        (record != NONE).then(|| AreaId::new(VirtAddr::new(record)))
    }

    /// Who asked for the mapping.
    #[inline(always)]
    pub(super) fn caller(self, words: &impl Words) -> u32 {
        self.get(words, CALLER)
    }

    /// From now on `area` maps it, for one user.
    #[inline(always)]
    pub(super) fn set_area(self, words: &impl Words, area: AreaId, caller: u32) {
        self.set(words, AREA, area.record().as_u32());
        self.set_user(words, caller);
    }

    /// From now on its area maps it, for one user.
    #[inline(always)]
    pub(super) fn set_user(self, words: &impl Words, caller: u32) {
        self.set(words, REFERENCES, 1);
        self.set(words, CALLER, caller);
    }

    /// It stands for nothing any more.
    #[inline(always)]
    pub(super) fn set_no_area(self, words: &impl Words) {
        self.set(words, AREA, NONE);
    }

    /// One more user.
    pub(super) fn share(self, words: &impl Words) {
        self.set(words, REFERENCES, (self.get(words, REFERENCES) + 1) | SHARED);
    }

    /// Is there one user, who is no owner, and has never been another at the same time?
    #[inline(always)]
    pub(super) fn is_sole(self, words: &impl Words) -> bool {
        self.get(words, REFERENCES) == 1
    }

    /// One user less; returns how many are left.
    #[inline(always)]
    pub(super) fn let_go(self, words: &impl Words) -> u32 {
        let left = self.get(words, REFERENCES) - 1;
        self.set(words, REFERENCES, left);
        left & !FLAGS_OF_REFERENCES
    }

    /// How many use the mapping.
    #[inline(always)]
    pub(super) fn references(self, words: &impl Words) -> u32 {
        self.get(words, REFERENCES) & !FLAGS_OF_REFERENCES
    }

    /// How many of its users are owners: whose use ends by their own word and no other.
    pub(super) fn owners(self, words: &impl Words) -> u32 {
        let is_owned = self.get(words, REFERENCES) & OWNED != 0;
        if is_owned { self.get(words, OWNERS) } else { 0 }
    }

    /// So many of its users are owners.
    pub(super) fn set_owners(self, words: &impl Words, owners: u32) {
        let references = self.get(words, REFERENCES) & !OWNED;
        self.set(words, OWNERS, owners);
        self.set(words, REFERENCES, if owners == 0 { references } else { references | OWNED });
    }

    /// Has it ever had two users at once? Then somebody may know an address in the middle of it.
    #[inline(always)]
    pub(super) fn was_shared(self, words: &impl Words) -> bool {
        self.get(words, REFERENCES) & SHARED != 0
    }

    /// Does it wait with this batch?
    #[inline(always)]
    pub(super) fn waits_with(self, words: &impl Words, batch: u32) -> bool {
        self.get(words, BATCH) == batch
    }

    #[inline(always)]
    pub(super) fn set_batch(self, words: &impl Words, batch: u32) {
        self.set(words, BATCH, batch);
    }

    /// It does not wait any more.
    #[inline(always)]
    pub(super) fn set_no_batch(self, words: &impl Words) {
        self.set(words, BATCH, NO_BATCH);
    }

    /// The next record of the spare ones.
    pub(super) fn next(self, words: &impl Words) -> u32 {
        self.get(words, LINK)
    }

    pub(super) fn set_next(self, words: &impl Words, next: u32) {
        self.set(words, LINK, next);
    }
}
