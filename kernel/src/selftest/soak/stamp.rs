//! Who holds a page is written into it.
//!
//! A stamp is a number that no other block has, and each page of a block holds it mixed with the page's
//! own number. If a page has two owners, the one who stamped it first finds the other's stamp.
//!
//! Of a large block only some pages are stamped, the first and the last among them. HighMem has no
//! address, so of its blocks only some are stamped at all.

use core::fmt;

use mm::addr::{PAGE_SIZE, Pfn, PfnRange};

use crate::kmap;

/// Pages of a block that are stamped, about.
const PAGES: u32 = 32;
/// One of so many blocks of HighMem is stamped.
const HIGHMEM_BLOCKS: u32 = 8;
/// The last word of a page.
const LAST_WORD: usize = PAGE_SIZE as usize / 4 - 1;

/// A page that does not hold what it should.
pub struct Wrong {
    /// The page.
    pub pfn: Pfn,
    /// What it holds.
    pub found: u32,
    /// What it should hold.
    pub expected: u32,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pfn, found, expected } = self;
        write!(f, "pfn {pfn} holds {found:#010x}, expected {expected:#010x}")
    }
}

/// Stamps a block, which is the caller's.
pub fn write(block: PfnRange, stamp: u32) {
    for pfn in stamped(block, stamp) {
        with_words(pfn, |words| {
            // SAFETY: the first word of a page that is mapped meanwhile and the caller's.
            unsafe { words.write_volatile(stamp ^ pfn.as_u32()) };
        });
    }
}

/// The first page that does not hold its stamp any more.
pub fn check(block: PfnRange, stamp: u32) -> Result<(), Wrong> {
    stamped(block, stamp).try_for_each(|pfn| {
        // SAFETY: the first word of a page that is mapped meanwhile.
        let found = with_words(pfn, |words| unsafe { words.read_volatile() });
        is(pfn, found, stamp ^ pfn.as_u32())
    })
}

/// The first page, of those that `stamp` would be written to, that is not zeroed.
pub fn check_zeroed(block: PfnRange, stamp: u32) -> Result<(), Wrong> {
    stamped(block, stamp).try_for_each(|pfn| {
        let found = with_words(pfn, |words| {
            // SAFETY: the first and the last word of a page that is mapped meanwhile.
            unsafe { words.read_volatile() | words.add(LAST_WORD).read_volatile() }
        });
        is(pfn, found, 0)
    })
}

fn is(pfn: Pfn, found: u32, expected: u32) -> Result<(), Wrong> {
    if found == expected { Ok(()) } else { Err(Wrong { pfn, found, expected }) }
}

/// The pages of a block that hold its stamp.
fn stamped(block: PfnRange, stamp: u32) -> impl Iterator<Item = Pfn> {
    let is_lowmem = kmap::in_linear_map(block.as_phys()).is_some();
    let is_stamped = is_lowmem || stamp.is_multiple_of(HIGHMEM_BLOCKS);
    let step = block.len().div_ceil(PAGES).max(1);
    let last = block.len().saturating_sub(1);
    let some = block.iter().step_by(step as usize);
    let end = (!last.is_multiple_of(step)).then(|| block.start().saturating_add(last));
    some.chain(end).filter(move |_| is_stamped)
}

fn with_words<R>(pfn: Pfn, f: impl FnOnce(*mut u32) -> R) -> R {
    // SAFETY: 1. blocks come from the page allocator; 2. the closures of this file read or write
    // words of the page and do no more.
    unsafe { kmap::with_page(pfn, |page| f(page.cast())) }
}
