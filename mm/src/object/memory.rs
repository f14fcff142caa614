//! Lowmem as this module sees it: where addresses become references.
//!
//! The one file, beside [`cpu_slab`](super::cpu_slab), that looks at memory by its address: at records, the heads
//! of record pages, caches, the arrays of pools, and at what surrounds the objects of guarded caches. What a
//! user put into an object is only ever copied, for `krealloc` and its like.
#![expect(unsafe_code, reason = "records lie in memory that the page allocator gave")]

use core::mem::{align_of, size_of};
use core::ptr::NonNull;
use core::slice;

use super::allocator::SlabAllocator;
use super::cache::{Constructor, KmemCache};
use super::slab::{Constants, Header, Slab};
use crate::addr::VirtAddr;
use crate::platform::Lowmem;
use crate::sync::AtomicU32;

/// Bytes of a record for a slab of so many objects.
pub(super) const fn record_size(objects: u32) -> u32 {
    size_of::<Header>() as u32 + 4 * (objects + 1)
}

const _: () = assert!(size_of::<Header>() == 56 && align_of::<Header>() == 4);

/// Reaches books by address.
pub(super) trait Books: Lowmem {
    /// A word of a page that the pool of records has.
    ///
    /// `at` must be a multiple of 4 in such a page: the pool makes its addresses itself.
    fn word(&self, at: u32) -> &AtomicU32 {
        debug_assert!(at != 0 && at.is_multiple_of(4));
        // SAFETY: the pool's pages are allocated for as long as it has them, and nothing but atomics is
        // ever read or written in them.
        unsafe { self.pointer(VirtAddr::new(at)).cast().as_ref() }
    }

    /// Words of an array of addresses that a pool has.
    ///
    /// `at` must be a multiple of 4, and that of an array of so many words which was zeroed: the pool's
    /// stock has it from `kmalloc`, and forgets it before it is given back.
    fn words(&self, at: u32, words: u32) -> &[AtomicU32] {
        debug_assert!(at != 0 && at.is_multiple_of(4));
        let first = self.pointer(VirtAddr::new(at)).cast::<AtomicU32>();
        // SAFETY: the array is as large, and nothing but atomics is ever read or written in it.
        unsafe { slice::from_raw_parts(first.as_ptr(), words as usize) }
    }

    /// The books of a slab, by the address of its record.
    ///
    /// `at` must be the address of a record that has been written: it comes from a page descriptor, a list or a
    /// CPU's books, all of which forget it before the record is given back.
    fn slab(&self, at: u32) -> Slab<'_> {
        debug_assert!(at != 0 && at.is_multiple_of(4));
        let header = self.pointer(VirtAddr::new(at)).cast::<Header>();
        // SAFETY: records are made of atomics, and are as large as their header says.
        unsafe {
            let header_ref = header.as_ref();
            let entries = header_ref.is.entries as usize;
            let entries = slice::from_raw_parts(header.add(1).cast().as_ptr(), entries);
            Slab { header: header_ref, entries }
        }
    }

    /// Writes the header of a record, all of whose entries are zero then. `at` must be the address of a free
    /// piece of a record page that is large enough.
    fn make_record(&self, at: u32, is: Constants) -> Slab<'_> {
        let header = self.pointer(VirtAddr::new(at)).cast::<Header>();
        // SAFETY: the piece is nobody else's, and large enough.
        unsafe {
            header.write(Header::new(is));
            header.add(1).cast::<AtomicU32>().as_ptr().write_bytes(0, is.entries as usize);
        }
        self.slab(at)
    }

    /// Fills bytes of a guarded cache's slab.
    fn fill_bytes(&self, from: VirtAddr, bytes: u32, byte: u8) {
        if bytes > 0 {
            // SAFETY: the caller has the object, or holds the lock of its cache for what surrounds it.
            unsafe { self.pointer(from).write_bytes(byte, bytes as usize) };
        }
    }

    /// The first and the last of so many bytes of a guarded cache's slab that are not `byte`, and what the
    /// first is.
    fn overwritten(
        &self,
        from: VirtAddr,
        bytes: u32,
        byte: u8,
    ) -> Option<(VirtAddr, VirtAddr, u8)> {
        let at = |offset: u32| VirtAddr::new(from.as_u32() + offset);
        // SAFETY: as in `fill_bytes`. Volatile, since somebody writes where nobody should.
        let read = |offset: u32| unsafe { self.pointer(at(offset)).read_volatile() };
        let first = (0..bytes).find(|offset| read(*offset) != byte)?;
        let last = (first..bytes).rfind(|offset| read(*offset) != byte)?;
        Some((at(first), at(last), read(first)))
    }

    /// Writes four words of a guarded cache's slab, at a multiple of 4.
    fn write_words(&self, at: VirtAddr, words: [u32; 4]) {
        // SAFETY: as in `fill_bytes`.
        unsafe { self.pointer(at).cast::<[u32; 4]>().write(words) };
    }

    /// Reads four words of a guarded cache's slab, from a multiple of 4.
    fn read_words(&self, at: VirtAddr) -> [u32; 4] {
        // SAFETY: as in `fill_bytes`. Volatile, since somebody may write where nobody should.
        unsafe { self.pointer(at).cast::<[u32; 4]>().read_volatile() }
    }

    /// Copies bytes from one object to another, which are not the same; `bytes` must be no more than either
    /// has.
    fn copy(&self, from: VirtAddr, to: VirtAddr, bytes: u32) {
        if bytes > 0 {
            let (from, to) = (self.pointer(from), self.pointer(to));
            // SAFETY: both are the caller's.
            unsafe { from.copy_to_nonoverlapping(to, bytes as usize) };
        }
    }

    /// Copies bytes into an object that has as many.
    fn write(&self, to: VirtAddr, bytes: &[u8]) {
        if !bytes.is_empty() {
            let to = self.pointer(to);
            // SAFETY: the object was just allocated, so it is no part of `bytes`.
            unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        }
    }

    /// Has a constructor or a destructor see an object of a slab that nobody else knows yet, or any more.
    fn call(&self, function: Constructor, object: VirtAddr) {
        // SAFETY: the object's bytes are nobody else's, and as many as the cache's maker said.
        unsafe { function(self.pointer(object)) };
    }

    /// Writes a cache to memory that is nobody else's, large enough and aligned for it: an object of the
    /// cache of caches, or a block of pages.
    fn write_cache<const CPUS: usize>(&self, at: u32, cache: KmemCache<CPUS>) {
        let place = self.pointer(VirtAddr::new(at)).cast::<KmemCache<CPUS>>();
        debug_assert!(place.is_aligned());
        // SAFETY: see above.
        unsafe { place.write(cache) };
    }

    /// A cache by its address.
    ///
    /// `at` must be the address of a cache that is alive: it comes from the record of a slab of that cache, or
    /// from the list of caches.
    fn cache<const CPUS: usize>(&self, at: u32) -> &KmemCache<CPUS> {
        debug_assert!(at != 0 && at.is_multiple_of(align_of::<KmemCache<CPUS>>() as u32));
        // SAFETY: a cache is destroyed only when it has no slab and is on no list.
        unsafe { self.pointer(VirtAddr::new(at)).cast().as_ref() }
    }
}

impl<P: Lowmem> Books for P {}

impl<'p, 'a, P: Lowmem, const CPUS: usize> SlabAllocator<'p, 'a, P, CPUS> {
    /// The allocator that a cache belongs to, which is one of this type. So the quick paths need not keep a
    /// register for it.
    #[inline(always)]
    pub(super) fn of(cache: &KmemCache<CPUS>) -> &Self {
        let home = cache.home.load(crate::sync::Ordering::Relaxed).cast::<Self>();
        // SAFETY: who makes a cache writes its own address there, and stays where it is; a cache is reached
        // only through its allocator.
        unsafe { &*home }
    }
}
