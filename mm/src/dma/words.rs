//! Books in `kmalloc` memory: arrays of words, reached by their addresses.
//!
//! The one place, beside [`raw`](super::raw), that is unsafe: entries of the list of mappings, and the pages of a
//! [`DmaPool`](super::pool::DmaPool), are arrays of atomics in zeroed objects, linked by addresses.
#![expect(unsafe_code, reason = "books lie in memory that the slab allocator gave")]

use super::machine::DmaMachine;
use super::memory::DmaMemory;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;
use crate::sync::AtomicU32;
use crate::zone::{AllocError, Gfp};

/// Bytes of an array of so many words.
const fn bytes(words: usize) -> u32 {
    (words * size_of::<AtomicU32>()) as u32
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'_, '_, P, M, CPUS> {
    /// A zeroed array of words: its address.
    pub(super) fn make_words<const N: usize>(&self, gfp: Gfp) -> Result<u32, AllocError> {
        Ok(self.slabs.kzalloc(bytes(N), gfp)?.as_u32())
    }

    /// The array at an address that [`make_words`](Self::make_words) gave with the same `N`, and that was not dropped
    /// since: lists forget it before.
    #[inline]
    pub(super) fn words<const N: usize>(&self, at: u32) -> &[AtomicU32; N] {
        debug_assert!(at != 0);
        let place = self.pages.platform().pointer(VirtAddr::new(at)).cast();
        // SAFETY: the object has as many words, which were zeroed, and nothing but atomics is ever read or written in
        // it.
        unsafe { place.as_ref() }
    }

    /// Gives back an array that no list names any more.
    pub(super) fn drop_words(&self, at: u32) {
        // SAFETY: 1. it came from `kzalloc`; 2. the list that had it has forgotten it.
        let given = unsafe { self.slabs.kfree(VirtAddr::new(at)) };
        // What can go wrong is somebody else's mistake, and the slab allocator has reported it.
        let _ = given;
    }
}
