//! An area's record: sixteen words, a cache line.
//!
//! ```text
//!  0 start                 8 … 13 twelve largest sizes that fit aligned, in pages: 8 KiB, 16 KiB … 16 MiB
//!  1 end │ what it is
//!  2 gap before it, bytes
//!  3 left
//!  4 right
//!  5 parent               14 caller
//!  6 best gap │ mark │ height
//!  7 page of memory       15 next on a list, or a note of who has it
//! ```
//!
//! Addresses and gaps are whole pages, so the low twelve bits of two words hold something else. All words are
//! atomics, and are loaded and stored relaxed: the lock of the tree orders them. Word 1 of an area that is being made
//! is written without the lock by who makes it, and by nobody else.

use core::fmt;

use super::Words;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, PhysAddr, VirtAddr, VirtRange};
use crate::map::prot::MemoryType;
use crate::sync::Ordering::Relaxed;

/// Bytes of a record, which is aligned to as many.
pub const RECORD_BYTES: u32 = 64;

/// Byte offsets of the words.
pub(super) const START: u32 = 0;
pub(super) const END: u32 = 4;
pub(super) const GAP: u32 = 8;
pub(super) const LEFT: u32 = 12;
pub(super) const RIGHT: u32 = 16;
pub(super) const PARENT: u32 = 20;
pub(super) const SUMMARY: u32 = 24;
const PHYS: u32 = 28;
pub(super) const ALIGNED: u32 = 32;
pub(super) const ALIGNED_WORDS: u32 = 6;
const CALLER: u32 = 56;
const LINK: u32 = 60;

const _: () = assert!(ALIGNED + 4 * ALIGNED_WORDS == CALLER && LINK + 4 == RECORD_BYTES);

/// No record.
pub(super) const NONE: u32 = 0;
/// No memory that the record names.
const NO_PHYS: u32 = u32::MAX;

/// So many kinds own their pages, and come first; so many hold tables.
const OWNING_KINDS: u32 = AreaKind::Stack as u32 + 1;
const TABLE_KINDS: u32 = AreaKind::Ioremap as u32 + 1;

const LOW: u32 = PAGE_SIZE - 1;
const KIND: u32 = 0xf;
const STATE_SHIFT: u32 = 4;
const STATE: u32 = 0x3;
const MEMORY_SHIFT: u32 = 6;

/// An area, by the address of its record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct AreaId(u32);

impl AreaId {
    /// The area whose record is the 64 bytes at `record`, which is not 0.
    #[inline(always)]
    #[must_use]
    pub const fn new(record: VirtAddr) -> Self {
        debug_assert!(record.as_u32() != NONE && record.is_aligned(4));
        Self(record.as_u32())
    }

    /// Where its record lies.
    #[inline(always)]
    #[must_use]
    pub const fn record(self) -> VirtAddr {
        VirtAddr::new(self.0)
    }

    #[inline(always)]
    pub(super) const fn at(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub(super) const fn some(at: u32) -> Option<Self> {
        if at == NONE { None } else { Some(Self(at)) }
    }
}

impl fmt::Debug for AreaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "area with its record at {:#010x}", self.0)
    }
}

/// What an area is for. Linux tells them apart by `VM_` flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum AreaKind {
    /// `vmalloc` and its like: pages that belong to the area.
    Vmalloc,
    /// Code and data of a module.
    Module,
    /// A kernel stack, whose pages belong to the area.
    Stack,
    /// `vmap`: pages that belong to who mapped them.
    Vmap,
    /// `ioremap`: registers or memory of a device, by small pages.
    Ioremap,
    /// `ioremap`, by sections and supersections where they fit.
    IoBlocks,
}

impl AreaKind {
    const ALL: [Self; 6] =
        [Self::Vmalloc, Self::Module, Self::Stack, Self::Vmap, Self::Ioremap, Self::IoBlocks];

    const fn from_bits(bits: u32) -> Self {
        let index = bits & KIND;
        if index < Self::ALL.len() as u32 { Self::ALL[index as usize] } else { Self::Vmap }
    }

    /// Do the pages that are mapped there belong to the area, so that they go with it?
    #[inline(always)]
    #[must_use]
    pub const fn owns_pages(self) -> bool {
        (self as u32) < OWNING_KINDS
    }

    /// Is it mapped from its first page to its last, by pages that belong to it? A stack has a guard page of its
    /// own in front.
    #[inline(always)]
    #[must_use]
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::Vmalloc | Self::Module)
    }

    /// Is it mapped by small pages, through tables that the area holds? Others are mapped by
    /// [`map_blocks`](crate::map::Mmu::map_blocks).
    #[inline(always)]
    #[must_use]
    pub const fn holds_tables(self) -> bool {
        (self as u32) < TABLE_KINDS
    }

    /// Did `ioremap` map it? Then a record of its memory belongs to it: see
    /// [`ioremap`](crate::map::ioremap).
    #[inline(always)]
    #[must_use]
    pub const fn is_ioremap(self) -> bool {
        matches!(self, Self::Ioremap | Self::IoBlocks)
    }

    /// The word that `vmallocinfo` has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vmalloc | Self::Module | Self::Stack => "vmalloc",
            Self::Vmap => "vmap",
            Self::Ioremap | Self::IoBlocks => "ioremap",
        }
    }
}

impl fmt::Display for AreaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Module => "module",
            Self::Stack => "stack",
            other => other.as_str(),
        })
    }
}

/// Where an area is in its life. All of them are in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum AreaState {
    /// Its addresses are taken; whoever took them is mapping something there, or taking it away.
    Making,
    /// It is mapped, and known to its user.
    Live,
    /// It was unmapped, and waits for a flush.
    Waiting,
    /// It was flushed, and is kept for the next request of its size.
    Spare,
}

impl AreaState {
    #[inline(always)]
    const fn from_bits(bits: u32) -> Self {
        match bits >> STATE_SHIFT & STATE {
            0 => Self::Making,
            1 => Self::Live,
            2 => Self::Waiting,
            _ => Self::Spare,
        }
    }
}

/// What an area's record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AreaInfo {
    /// Its addresses, without the guard page.
    pub range: VirtRange,
    /// What it is for.
    pub kind: AreaKind,
    /// Where in its life it is.
    pub state: AreaState,
    /// The type of the memory that is mapped.
    pub memory: MemoryType,
    /// The return address in who asked for it; 0 if it is not known.
    pub caller: u32,
    /// What is mapped at its first address, if that is a device's or was said.
    pub phys: Option<PhysAddr>,
}

impl AreaInfo {
    /// How many pages belong to the area, and go with it.
    #[must_use]
    pub const fn own_pages(&self) -> u32 {
        let pages = self.range.len() >> PAGE_SHIFT;
        match self.kind {
            // The first page of addresses is a guard.
            AreaKind::Stack => pages.saturating_sub(1),
            kind if kind.owns_pages() => pages,
            _ => 0,
        }
    }
}

/// One word of a record, as it was read: where the area ends, what it is for, and where in its life it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndWord(u32);

impl EndWord {
    /// Is it for this, and there in its life?
    #[inline(always)]
    #[must_use]
    pub const fn is(self, kind: AreaKind, state: AreaState) -> bool {
        let bits = self.0 & (KIND | STATE << STATE_SHIFT);
        bits == kind as u32 | (state as u32) << STATE_SHIFT
    }

    /// The first address behind the area.
    #[inline(always)]
    #[must_use]
    pub const fn end(self) -> VirtAddr {
        VirtAddr::new(self.0 & !LOW)
    }

    /// As [`AreaKind::owns_pages`].
    #[inline(always)]
    #[must_use]
    pub const fn owns_pages(self) -> bool {
        self.0 & KIND < OWNING_KINDS
    }

    /// As [`AreaKind::holds_tables`].
    #[inline(always)]
    #[must_use]
    pub const fn holds_tables(self) -> bool {
        self.0 & KIND < TABLE_KINDS
    }
}

/// The words of records.
pub(super) trait Fields: Words {
    #[inline(always)]
    fn get(&self, at: u32, field: u32) -> u32 {
        self.word(at + field).load(Relaxed)
    }

    #[inline(always)]
    fn set(&self, at: u32, field: u32, value: u32) {
        self.word(at + field).store(value, Relaxed);
    }

    #[inline(always)]
    fn end(&self, at: u32) -> u32 {
        self.get(at, END) & !LOW
    }

    /// Moves the end, and leaves what the area is.
    fn set_end(&self, at: u32, end: u32) {
        self.set(at, END, end | self.get(at, END) & LOW);
    }

    /// Where the gap before an area begins.
    #[inline(always)]
    fn gap_start(&self, at: u32) -> u32 {
        self.get(at, START) - self.get(at, GAP)
    }
}

impl<W: Words + ?Sized> Fields for W {}

impl AreaId {
    /// Writes what a new record does not owe to the tree.
    ///
    /// The record is nobody else's. It becomes [`AreaState::Making`].
    pub fn describe(
        self,
        words: &impl Words,
        kind: AreaKind,
        memory: MemoryType,
        caller: u32,
        phys: Option<PhysAddr>,
    ) {
        let phys = phys.map_or(NO_PHYS, |phys| (phys.as_u64() >> PAGE_SHIFT) as u32);
        let end = words.get(self.0, END) & !LOW;
        words.set(self.0, END, end | kind as u32 | (memory as u32) << MEMORY_SHIFT);
        words.set(self.0, PHYS, phys);
        words.set(self.0, CALLER, caller);
        words.set(self.0, LINK, NONE);
    }

    /// The record's addresses, without the guard page.
    #[inline(always)]
    #[must_use]
    pub fn range(self, words: &impl Words) -> VirtRange {
        let [start, end] = [words.get(self.0, START), words.end(self.0)];
        VirtRange::new(VirtAddr::new(start), VirtAddr::new(end))
    }

    /// Its first address.
    #[inline(always)]
    #[must_use]
    pub fn start(self, words: &impl Words) -> VirtAddr {
        VirtAddr::new(words.get(self.0, START))
    }

    /// What the area is for.
    #[inline(always)]
    #[must_use]
    pub fn kind(self, words: &impl Words) -> AreaKind {
        AreaKind::from_bits(words.get(self.0, END))
    }

    /// Where in its life it is.
    #[inline(always)]
    #[must_use]
    pub fn state(self, words: &impl Words) -> AreaState {
        AreaState::from_bits(words.get(self.0, END))
    }

    /// Its end, its kind and its state, read at once.
    #[inline(always)]
    #[must_use]
    pub fn end_word(self, words: &impl Words) -> EndWord {
        EndWord(words.get(self.0, END))
    }

    /// Moves it on in its life, from what was read of it.
    #[inline(always)]
    pub fn move_on(self, words: &impl Words, read: EndWord, state: AreaState) {
        let others = read.0 & !(STATE << STATE_SHIFT);
        words.set(self.0, END, others | (state as u32) << STATE_SHIFT);
    }

    /// Moves it on in its life.
    #[inline(always)]
    pub fn set_state(self, words: &impl Words, state: AreaState) {
        let others = words.get(self.0, END) & !(STATE << STATE_SHIFT);
        words.set(self.0, END, others | (state as u32) << STATE_SHIFT);
    }

    /// Who has it, as [`set_caller`](Self::set_caller) says.
    #[inline(always)]
    #[must_use]
    pub fn caller(self, words: &impl Words) -> u32 {
        words.get(self.0, CALLER)
    }

    /// A word for whoever has the area, while that is on no list.
    #[inline(always)]
    #[must_use]
    pub fn note(self, words: &impl Words) -> u32 {
        words.get(self.0, LINK)
    }

    /// Writes that word.
    #[inline(always)]
    pub fn set_note(self, words: &impl Words, note: u32) {
        words.set(self.0, LINK, note);
    }

    /// Names who has it from now on.
    #[inline(always)]
    pub fn set_caller(self, words: &impl Words, caller: u32) {
        words.set(self.0, CALLER, caller);
    }

    /// The next area of the list that this one is on, which is its owner's.
    #[inline(always)]
    #[must_use]
    pub fn next(self, words: &impl Words) -> Option<Self> {
        Self::some(words.get(self.0, LINK))
    }

    /// Puts `next` behind this one on a list.
    #[inline(always)]
    pub fn set_next(self, words: &impl Words, next: Option<Self>) {
        words.set(self.0, LINK, next.map_or(NONE, Self::at));
    }

    /// All that the record says.
    #[must_use]
    pub fn info(self, words: &impl Words) -> AreaInfo {
        let bits = words.get(self.0, END);
        let phys = words.get(self.0, PHYS);
        AreaInfo {
            range: self.range(words),
            kind: AreaKind::from_bits(bits),
            state: AreaState::from_bits(bits),
            memory: MemoryType::from_bits(bits >> MEMORY_SHIFT),
            caller: words.get(self.0, CALLER),
            phys: (phys != NO_PHYS).then(|| PhysAddr::new(u64::from(phys) << PAGE_SHIFT)),
        }
    }
}

// `info` reads back what `describe` wrote.
const _: () = {
    let mut index = 0;
    while index < AreaKind::ALL.len() {
        assert!(AreaKind::ALL[index] as usize == index);
        index += 1;
    }
};
