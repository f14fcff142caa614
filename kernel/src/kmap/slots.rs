//! The slots of this kernel: words of the tables, by way of the linear map, and bytes behind the slots.
//!
//! Which word is a slot's, and what comes between a store and the next, is [`SlotWords`]'s; here is the store itself.

use core::ptr;
use core::slice;

use arch_arm::mmu::live::{SlotStore, SlotWords};
use arch_arm::operations_of_this_cpu;
use arch_arm::{clear, copy};
use mm::addr::{PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use mm::map::kmap::MappedBytes;
use mm::map::{Fresh, SlotTable, Stale};

use crate::boot::KernelTables;
use crate::maps::Maps;

/// Table words by their addresses in the linear map.
struct Stores;

/// The slots of a region that touches at most `TABLES` MiB, a power of two.
pub struct Words<const TABLES: usize>(SlotWords<Stores, TABLES>);

impl<const TABLES: usize> Words<TABLES> {
    /// The words for the pages of `region`, whose tables boot has made; `None` unless they lie in lowmem. For the time
    /// before there are live tables.
    pub fn of_boot(tables: &KernelTables, region: VirtRange) -> Option<Self> {
        let linear = tables.linear();
        let place_of = |page| {
            let entry = tables.walker().translate(page).second?.entry;
            Some(linear.phys_to_virt(entry)?.as_u32())
        };
        SlotWords::find(Stores, region, place_of).map(Self)
    }

    /// The words for the pages of `region`, whose tables are for good; `None` if one is not.
    pub fn of_live(maps: &Maps, tables: &KernelTables, region: VirtRange) -> Option<Self> {
        let linear = tables.linear();
        let reach = |entry| Some(linear.phys_to_virt(entry)?.as_u32());
        maps.slot_words(Stores, region, reach).map(Self)
    }
}

operations_of_this_cpu!(Stores);

impl SlotStore for Stores {
    #[inline(always)]
    fn store(&self, place: u32, word: u32) {
        // SAFETY: the caller is `SlotWords` alone, with a word of a live table in the linear map, which stays where it
        // is; boot has left these entries to their slots, and each slot has one owner.
        unsafe { ptr::write_volatile(place as *mut u32, word) };
    }
}

impl<const TABLES: usize> SlotTable for Words<TABLES> {
    #[inline(always)]
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> Fresh {
        self.0.map(virt, pfn)
    }

    #[inline(always)]
    fn publish(&self, fresh: Fresh) {
        self.0.publish(fresh);
    }

    #[inline(always)]
    fn clear(&self, virt: VirtAddr) -> Stale {
        self.0.clear(virt)
    }

    #[inline(always)]
    fn flush(&self, stale: Stale) {
        self.0.flush(stale);
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
