//! The words of the slots: second-level entries of tables that boot has made, which stay.
//!
//! A word is found by arithmetic, since a table has one for each page of its MiB: the address of a page, divided by
//! 1024, and a bias that depends on the table. So a frame is mapped by one store.
//!
//! What is written there is what the linear map has (T4 of `docs/model.md`). Data caches behave as physically
//! tagged (*ARM DDI 0406C, B3.11*), so none is cleaned: every other mapping finds the lines.

use core::ptr;
use core::slice;

use arch_arm::barrier;
use arch_arm::mmu::attributes::Attributes;
use arch_arm::{clear, copy, tlb};
use mm::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use mm::map::kmap::MappedBytes;
use mm::map::slots::page_at;
use mm::map::{Fresh, SlotTable, Stale};

use crate::boot::KernelTables;

/// What the second-level word of a mapped frame holds beside its address: as in the linear map.
const FRAME_BITS: u32 = Attributes::KERNEL_DATA.small_page_bits();
const FAULT: u32 = 0;

/// log2 of the bytes of addresses that one second-level table serves.
const TABLE_SHIFT: u32 = 20;
/// From the address of a page to that of its word, without what depends on the table.
const WORD_SHIFT: u32 = PAGE_SHIFT - 2;

/// The slots of a region of `TABLES` MiB, a power of two, or of a part of one.
pub struct Words<const TABLES: usize> {
    /// For each table, what is to be added to the shifted address of a page, to get that of its word.
    bias: [u32; TABLES],
}

impl<const TABLES: usize> Words<TABLES> {
    /// The words for the pages of `region`; `None` unless boot has made all of its tables, in lowmem.
    pub fn find(tables: &KernelTables, region: VirtRange) -> Option<Self> {
        const { assert!(TABLES.is_power_of_two()) };
        let mut bias = [0; TABLES];
        let first = region.start().as_u32() >> TABLE_SHIFT;
        let last = (region.end().as_u32() - 1) >> TABLE_SHIFT;
        if (last - first) as usize >= TABLES {
            return None;
        }
        for mib in first..=last {
            let page = VirtAddr::new((mib << TABLE_SHIFT).max(region.start().as_u32()));
            let entry = tables.walker().translate(page).second?.entry;
            let word = tables.linear().phys_to_virt(entry)?;
            bias[mib as usize % TABLES] = word.as_u32() - (page.as_u32() >> WORD_SHIFT);
        }
        Some(Self { bias })
    }

    /// Stores the word of the page at `virt`, which is one of the region's.
    #[inline(always)]
    fn write(&self, virt: VirtAddr, value: u32) {
        let bias = self.bias[(virt.as_u32() >> TABLE_SHIFT) as usize % TABLES];
        let word = bias.wrapping_add(virt.as_u32() >> WORD_SHIFT);
        // SAFETY: `find` found the words in live tables, which stay where they are, in the linear map; boot has left
        // these entries to their slots, and each slot has one owner.
        unsafe { ptr::write_volatile(word as *mut u32, value) };
    }
}

impl<const TABLES: usize> SlotTable for Words<TABLES> {
    #[inline(always)]
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> Fresh {
        self.write(virt, pfn.as_u32() << PAGE_SHIFT | FRAME_BITS);
        Fresh::owed()
    }

    #[inline(always)]
    fn publish(&self, fresh: Fresh) {
        // The walker sees the word before the first access is translated.
        barrier::dsb_ishst();
        barrier::isb();
        fresh.paid();
    }

    #[inline(always)]
    fn clear(&self, virt: VirtAddr) -> Stale {
        self.write(virt, FAULT);
        Stale::owed(page_at(virt))
    }

    #[inline(always)]
    fn flush(&self, stale: Stale) {
        let range = stale.paid();
        if range.len() == PAGE_SIZE {
            tlb::flush_kernel_page(range.start());
        } else {
            tlb::flush_kernel_range(range);
        }
    }
}

/// Bytes that are compared at once.
const CHUNK_BYTES: usize = size_of::<[u32; 8]>();
const _: () = assert!((PAGE_SIZE as usize).is_multiple_of(CHUNK_BYTES));

fn pointer(at: VirtAddr) -> *mut u8 {
    at.as_u32() as *mut u8
}

/// The duties of each `unsafe` below are those that the trait puts on its caller: the bytes are mapped, and nobody
/// else's. They come from a mapping of a frame, or of lowmem, that is held meanwhile.
impl<const TABLES: usize> MappedBytes for Words<TABLES> {
    #[inline(always)]
    fn fill(&self, at: VirtAddr, bytes: u32, word: u32) {
        // SAFETY: 1. mapped, and nobody else's; 2. whole words.
        unsafe { clear::fill(pointer(at), bytes as usize, word) };
    }

    #[inline(always)]
    fn copy_page(&self, to: VirtAddr, from: VirtAddr) {
        // SAFETY: 1, 2. two pages that are mapped, and nobody else's; 3. pages are aligned.
        unsafe { copy::copy_page(pointer(to), pointer(from)) };
    }

    fn read(&self, at: VirtAddr, into: &mut [u8]) {
        // SAFETY: as many bytes are mapped, and nobody writes them; `into` is no mapping of the same frame, or it would
        // be somebody else's.
        unsafe { ptr::copy_nonoverlapping(pointer(at), into.as_mut_ptr(), into.len()) };
    }

    fn write(&self, at: VirtAddr, from: &[u8]) {
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), pointer(at), from.len()) };
    }

    fn zero(&self, at: VirtAddr, bytes: u32) {
        // SAFETY: as many bytes are mapped, and nobody else's.
        unsafe { ptr::write_bytes(pointer(at), 0, bytes as usize) };
    }

    fn first_other_than(&self, at: VirtAddr, bytes: u32, byte: u8) -> Option<(u32, u8)> {
        // SAFETY: as many bytes are mapped, nobody writes them meanwhile, and any bytes are words.
        let chunks = unsafe {
            slice::from_raw_parts(
                pointer(at).cast::<[u32; CHUNK_BYTES / 4]>(),
                bytes as usize / CHUNK_BYTES,
            )
        };
        let word = u32::from_ne_bytes([byte; 4]);
        let differs =
            |chunk: &[u32; 8]| chunk.iter().fold(0, |bits, &read| bits | (read ^ word)) != 0;
        let chunk = chunks.iter().position(differs)?;
        let found = chunks.get(chunk)?.iter().flat_map(|word| word.to_ne_bytes()).zip(0..);
        let (other, offset) = { found }.find(|(other, _)| *other != byte)?;
        Some((chunk as u32 * CHUNK_BYTES as u32 + offset, other))
    }
}
