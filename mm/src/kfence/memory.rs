//! Where addresses become references: records, and the bytes around an object.
#![expect(unsafe_code, reason = "the pool's pages and its records are memory, known by address")]

use core::slice;

use super::record::Record;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;

/// Reaches the pool's memory by address.
pub(super) trait PoolMemory: Lowmem {
    /// So many records from an address on.
    ///
    /// `at` must be that of an array of so many records which was zeroed and is kept for good: the sampler takes
    /// it when it begins.
    fn records(&self, at: VirtAddr, count: u32) -> &[Record] {
        if count == 0 {
            return &[];
        }
        let first = self.pointer(at).cast::<Record>();
        debug_assert!(first.is_aligned());
        // SAFETY: records are made of atomics, of which all zeroes are valid, and the array is as large.
        unsafe { slice::from_raw_parts(first.as_ptr(), count as usize) }
    }

    /// A byte of an object's page that is mapped, and outside the object.
    fn byte(&self, at: VirtAddr) -> u8 {
        // SAFETY: the page is the sampler's, and mapped while the object is allocated or leaving. Volatile, since
        // somebody writes where nobody should.
        unsafe { self.pointer(at).read_volatile() }
    }

    /// As [`byte`](Self::byte), a word at a multiple of 4.
    fn aligned_word(&self, at: VirtAddr) -> u32 {
        // SAFETY: as in `byte`.
        unsafe { self.pointer(at).cast::<u32>().read_volatile() }
    }

    /// Writes a byte of an object's page that is mapped, and outside the object.
    fn set_byte(&self, at: VirtAddr, byte: u8) {
        // SAFETY: as in `byte`; the object is not handed out yet.
        unsafe { self.pointer(at).write(byte) };
    }

    /// As [`set_byte`](Self::set_byte), a word at a multiple of 4.
    fn set_aligned_word(&self, at: VirtAddr, word: u32) {
        // SAFETY: as in `set_byte`.
        unsafe { self.pointer(at).cast::<u32>().write(word) };
    }
}

impl<P: Lowmem> PoolMemory for P {}
