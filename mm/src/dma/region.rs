//! The DMA region: 3 MiB of addresses through which CPUs look at coherent memory, uncached.
//!
//! The region is small, and its tables are held for good, so its addresses are a row of bits. A buffer's address is
//! aligned to its size, up to 1 MiB. No guard page follows a buffer: there would be room for half as many.
//!
//! For each page of the region there is a record, a word: 0, or of the page at which a buffer begins its frame, its
//! length, and where its pages came from.
//!
//! ```text
//! 31          12 11      2 1    0
//! │ frame       │ pages   │ from │
//! ```
//!
//! So a free compares one word with what its caller says, handle and length at once, and who clears the word is the
//! one who frees: of two frees of one buffer one finds nothing.

use core::array;

use super::bits::AtomicBits;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use crate::sync::{AtomicU32, Ordering::Relaxed};

/// Pages that a region has at most: those of 0xffc00000 to 0xffefffff.
pub const MAX_PAGES: u32 = 768;
const WORDS: usize = (MAX_PAGES / 32) as usize;

/// Where the pages of a buffer came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum From {
    /// A run of HighMem, from the page allocator.
    HighMem = 1,
    /// A block that was taken out of the linear map.
    Section = 2,
    /// The atomic pool.
    Pool = 3,
}

const FROM: u32 = 3;
const PAGES_SHIFT: u32 = 2;
const PAGES: u32 = 0x3ff;

const _: () = assert!(MAX_PAGES <= PAGES && PAGES << PAGES_SHIFT | FROM == PAGE_SIZE - 1);

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record(u32);

impl Record {
    /// No buffer begins here.
    pub(super) const NONE: Self = Self(0);

    /// A buffer of `pages` pages, of which there is one at least, at the physical address `phys` of a page.
    #[inline(always)]
    pub(super) const fn new(phys: u32, pages: u32, from: From) -> Self {
        Self(phys | pages << PAGES_SHIFT | from as u32)
    }

    /// What of a place and a length no record holds, as bits that are set: of the one it would be taken for the other.
    #[inline(always)]
    pub(super) const fn misfit(phys: u32, pages: u32) -> u32 {
        (phys % PAGE_SIZE) | (pages >> PAGES.count_ones())
    }

    /// Where its pages came from; `None` if there is no buffer.
    pub(super) const fn from(self) -> Option<From> {
        match self.0 & FROM {
            1 => Some(From::HighMem),
            2 => Some(From::Section),
            3 => Some(From::Pool),
            _ => None,
        }
    }

    pub(super) const fn phys(self) -> u32 {
        self.0 & !(PAGE_SIZE - 1)
    }

    pub(super) const fn pfn(self) -> Pfn {
        Pfn::new(self.0 >> PAGE_SHIFT)
    }

    pub(super) const fn pages(self) -> u32 {
        self.0 >> PAGES_SHIFT & PAGES
    }
}

/// The addresses, and what is there.
pub(super) struct Region {
    start: u32,
    pages: u32,
    bits: AtomicBits<WORDS>,
    records: [AtomicU32; MAX_PAGES as usize],
}

impl Region {
    /// The pages of `range`, which begins at a page, or the first 768 of them. All are free.
    pub(super) fn new(range: VirtRange) -> Self {
        let pages = (range.len() >> PAGE_SHIFT).min(MAX_PAGES);
        Self {
            start: range.start().as_u32(),
            pages,
            bits: AtomicBits::new(pages),
            records: array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// The addresses.
    pub(super) const fn range(&self) -> VirtRange {
        self.part(0, self.pages)
    }

    pub(super) const fn pages(&self) -> u32 {
        self.pages
    }

    /// Addresses for so many pages: the number of the first.
    pub(super) fn claim(&self, pages: u32) -> Option<u32> {
        self.bits.claim(pages)
    }

    /// The last `pages` pages; `None` if they are not free.
    pub(super) fn claim_top(&self, pages: u32) -> Option<u32> {
        let first = self.pages.checked_sub(pages)?;
        self.bits.claim_at(first, pages).then_some(first)
    }

    /// Gives back addresses, which nothing is mapped at, and no TLB knows.
    pub(super) fn release(&self, first: u32, pages: u32) {
        self.bits.release(first, pages);
    }

    /// The addresses of pages of the region.
    #[inline(always)]
    pub(super) const fn part(&self, first: u32, pages: u32) -> VirtRange {
        let start = self.start + first * PAGE_SIZE;
        VirtRange::new(VirtAddr::new(start), VirtAddr::new(start + pages * PAGE_SIZE))
    }

    /// The number of the page that begins at an address; one that there is not, if none does.
    #[inline(always)]
    pub(super) const fn page_at(&self, virt: VirtAddr) -> u32 {
        // The remainder of an address inside a page ends up at the top.
        virt.as_u32().wrapping_sub(self.start).rotate_right(PAGE_SHIFT)
    }

    /// What the record of a page says.
    #[inline(always)]
    pub(super) fn record(&self, page: u32) -> Record {
        self.records.get(page as usize).map_or(Record::NONE, |word| Record(word.load(Relaxed)))
    }

    /// A buffer begins at a claimed page now.
    #[inline(always)]
    pub(super) fn set_record(&self, page: u32, record: Record) {
        if let Some(word) = self.records.get(page as usize) {
            word.store(record.0, Relaxed);
        }
    }

    /// Clears the record of a page, if it is still this one. Who does that has the buffer to himself.
    #[inline(always)]
    pub(super) fn take_record(&self, page: u32, record: Record) -> bool {
        self.records.get(page as usize).is_some_and(|word| {
            word.compare_exchange(record.0, Record::NONE.0, Relaxed, Relaxed).is_ok()
        })
    }

    /// Pages that are free, all of them and in one piece.
    pub(super) fn free(&self) -> (u32, u32) {
        (self.bits.free(self.pages), self.bits.largest_free())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::boot::layout::DMA;

    #[test]
    fn only_the_first_address_of_a_page_has_a_number() {
        let region = Region::new(DMA);
        assert_eq!((region.pages(), region.range()), (MAX_PAGES, DMA));
        let page = |virt: u32| region.page_at(VirtAddr::new(virt));
        assert_eq!([0xffc0_0000, 0xffc0_1000, 0xffef_f000].map(page), [0, 1, 767]);
        for virt in [0xffbf_f000, 0xffc0_0001, 0xffc0_1800, 0xfff0_0000, 0, u32::MAX] {
            assert!(page(virt) >= MAX_PAGES, "{virt:#x}");
            assert_eq!(region.record(page(virt)), Record::NONE);
        }
    }

    #[test]
    fn a_record_says_what_was_put_in() {
        for from in [From::HighMem, From::Section, From::Pool] {
            for (phys, pages) in [(0, 1), (0xffff_f000, MAX_PAGES), (0x4000_0000, 17)] {
                let record = Record::new(phys, pages, from);
                assert_eq!(
                    (record.phys(), record.pages(), record.from()),
                    (phys, pages, Some(from))
                );
                assert_eq!(record.pfn().as_u32(), phys >> 12);
            }
        }
        assert_eq!(Record::NONE.from(), None);
    }

    #[test]
    fn of_two_who_clear_a_record_one_finds_it() {
        let region = Region::new(DMA);
        let record = Record::new(0x5000_0000, 2, From::Section);
        region.set_record(7, record);
        assert!(!region.take_record(7, Record::new(0x5000_0000, 1, From::Section)));
        assert!(region.take_record(7, record) && !region.take_record(7, record));
    }

    #[test]
    fn a_range_that_is_too_large_or_too_small() {
        let range = |pages: u32| {
            VirtRange::new(
                VirtAddr::new(0xf000_0000),
                VirtAddr::new(0xf000_0000 + pages * PAGE_SIZE),
            )
        };
        assert_eq!(Region::new(range(1000)).pages(), MAX_PAGES);
        let small = Region::new(range(3));
        assert_eq!(small.claim_top(2), Some(1));
        assert_eq!((small.claim(1), small.claim(1), small.claim_top(4)), (Some(0), None, None));
        small.release(1, 2);
        assert_eq!(small.free(), (2, 2));
    }
}
