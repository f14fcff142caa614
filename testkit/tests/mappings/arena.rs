//! Real memory behind the emulated lowmem: for the books of the allocators, which they reach by pointers.
//!
//! Slab objects that are records of `mm` itself lie here. What users of memory write goes through the emulated
//! machine, and never meets these bytes.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use mm::addr::{PAGE_SIZE, VirtAddr};

use crate::place::{LINEAR, LOW_BYTES};

/// As many bytes as there is lowmem.
#[derive(Debug)]
pub struct Arena {
    /// Owns them. Not looked at: the pointer below is the only way to them.
    _words: Vec<u64>,
    start: AtomicPtr<u8>,
}

impl Arena {
    /// Zeroes, which take room when they are written.
    pub fn new() -> Self {
        let mut words = vec![0_u64; ((LOW_BYTES + PAGE_SIZE) / 8) as usize];
        let bytes = words.as_mut_ptr().cast::<u8>();
        let start = bytes.wrapping_add(bytes.align_offset(PAGE_SIZE as usize));
        Self { _words: words, start: AtomicPtr::new(start) }
    }

    fn at(&self, offset: u32) -> NonNull<u8> {
        assert!(offset < LOW_BYTES, "offset {offset:#x} is not in lowmem");
        NonNull::new(self.start.load(Relaxed).wrapping_add(offset as usize)).unwrap()
    }

    /// The byte that stands for the one at `virt`.
    pub fn pointer(&self, virt: VirtAddr) -> NonNull<u8> {
        self.at(virt.as_u32().wrapping_sub(LINEAR))
    }

    /// The reverse.
    pub fn address(&self, pointer: *const u8) -> VirtAddr {
        let offset = pointer.addr() - self.start.load(Relaxed).addr();
        VirtAddr::new(LINEAR + u32::try_from(offset).unwrap())
    }

    /// Sets bytes that nobody else uses.
    #[expect(unsafe_code, reason = "memory is filled by its address")]
    pub fn fill(&self, offset: u32, bytes: u32, byte: u8) {
        assert!(bytes <= LOW_BYTES && offset <= LOW_BYTES - bytes, "{bytes} bytes at {offset:#x}");
        if bytes > 0 {
            // SAFETY: all of them lie in `_words`, to which no reference is ever made; the allocator that asks says
            // that nobody else uses them.
            unsafe { self.at(offset).write_bytes(byte, bytes as usize) };
        }
    }
}
