//! An object that somebody has, and what is written into it.
//!
//! Each object is stamped with a number of its own, from its first word to its last byte, so that one
//! with two owners is noticed, and one that somebody wrote to after giving it back. Of very large ones
//! only some words are.

use core::alloc::Layout;

use mm::addr::VirtAddr;

use crate::slabs::Cache;

/// Words of an object that are stamped, about.
const WORDS: u32 = 1024;

/// Where an object came from, and goes.
#[derive(Clone, Copy)]
pub enum Source {
    Cache(&'static Cache),
    /// Constructed when their slab was made: given back as they were taken.
    Ready(&'static Cache),
    Kmalloc,
    Heap(Layout),
    SlabPool,
    KmallocPool,
    LargePool,
    PagePool,
}

/// An object, of which there is one `Held`.
pub struct Held {
    pub object: VirtAddr,
    pub bytes: u32,
    pub source: Source,
    pub stamp: u32,
}

impl Held {
    /// Does it come from this cache?
    pub fn is_of(&self, cache: &Cache) -> bool {
        matches!(self.source, Source::Cache(from) if core::ptr::eq(from, cache))
    }

    /// Writes the stamp.
    pub fn stamp(&self) {
        for (word, value) in self.words() {
            // SAFETY: a word of the object, which is ours, in the linear map.
            unsafe { word.write_volatile(value) };
        }
        for byte in self.last_bytes() {
            // SAFETY: as above.
            unsafe { byte.write_volatile(self.stamp as u8) };
        }
    }

    /// Is all as [`stamp`](Self::stamp) left it?
    pub fn is_stamped(&self) -> bool {
        self.is_stamped_to(self.bytes)
    }

    /// Are the first `bytes` bytes, or all if there are fewer, as they were left?
    pub fn is_stamped_to(&self, bytes: u32) -> bool {
        let end = (self.object.as_u32() + bytes) as usize;
        // SAFETY: as in `stamp`.
        let mut words = self.words().take_while(|(word, _)| word.addr() + 4 <= end);
        let mut last = self.last_bytes().take_while(|byte| byte.addr() < end);
        // SAFETY: as in `stamp`.
        words.all(|(word, value)| unsafe { word.read_volatile() } == value)
            // SAFETY: as in `stamp`.
            && last.all(|byte| unsafe { byte.read_volatile() } == self.stamp as u8)
    }

    /// Makes each byte this one: as a constructor leaves it.
    pub fn fill(&self, byte: u8) {
        // SAFETY: the object is ours, in the linear map.
        unsafe { self.start().write_bytes(byte, self.bytes as usize) };
    }

    /// Is each byte this one?
    pub fn is_filled(&self, byte: u8) -> bool {
        let word = u32::from_ne_bytes([byte; 4]);
        // SAFETY: as in `stamp`.
        self.words().all(|(at, _)| unsafe { at.read_volatile() } == word)
            // SAFETY: as in `stamp`.
            && self.last_bytes().all(|at| unsafe { at.read_volatile() } == byte)
    }

    /// The words that are stamped, in order, and the value of each.
    fn words(&self) -> impl Iterator<Item = (*mut u32, u32)> + use<> {
        let Self { object, bytes, stamp, .. } = *self;
        let words = bytes / 4;
        let step = (words / WORDS).max(1);
        let last = (step > 1).then(|| words - 1);
        let some = (0..words).step_by(step as usize).chain(last);
        some.map(move |word| ((object.as_u32() + 4 * word) as *mut u32, stamp ^ word))
    }

    /// The bytes behind the last whole word.
    fn last_bytes(&self) -> impl Iterator<Item = *mut u8> + use<> {
        let at = self.object.as_u32();
        (self.bytes & !3..self.bytes).map(move |byte| (at + byte) as *mut u8)
    }

    fn start(&self) -> *mut u8 {
        self.object.as_u32() as *mut u8
    }
}
