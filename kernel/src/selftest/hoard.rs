//! Any number of blocks, held without an array: each says in its first words which one was taken
//! before it.

use mm::addr::{Order, Pfn};

use crate::kmap;
use crate::pages::{self, Pages};

/// No block.
const NONE: [u32; 2] = [u32::MAX; 2];

/// Blocks in a chain, the last one taken first.
pub struct Hoard {
    top: [u32; 2],
    pages: u32,
}

impl Hoard {
    /// Nothing.
    pub const fn new() -> Self {
        Self { top: NONE, pages: 0 }
    }

    /// How many pages it holds.
    pub const fn pages(&self) -> u32 {
        self.pages
    }

    /// Keeps a block, which is the caller's until now.
    pub fn keep(&mut self, pfn: Pfn, order: Order) {
        let below = self.top;
        with_link(pfn, |link| {
            // SAFETY: two words of a page that is mapped meanwhile, and this hoard's.
            unsafe { link.write_volatile(below) };
        });
        self.top = [pfn.as_u32(), order.as_u8().into()];
        self.pages += order.pages();
    }

    /// Gives back the last block, and says how many pages it had; `None` when there is none, or when
    /// somebody else wrote into one or gave it back.
    pub fn give_one(&mut self, pages: &Pages) -> Option<u32> {
        let [number, order] = self.top;
        let (pfn, order) = (Pfn::new(number), Order::new(u8::try_from(order).ok()?)?);
        pages.frames().get(pfn)?;
        // SAFETY: as in `keep`.
        let below = with_link(pfn, |link| unsafe { link.read_volatile() });
        // SAFETY: 1. the block is this hoard's; 2. nobody looks at it any more.
        unsafe { pages::free(pages, pfn, order) }.ok()?;
        self.top = below;
        self.pages -= order.pages();
        Some(order.pages())
    }

    /// Gives back all of them. Says `false` when some are lost.
    pub fn give_all(&mut self, pages: &Pages) -> bool {
        while self.give_one(pages).is_some() {}
        self.top == NONE && self.pages == 0
    }
}

fn with_link<R>(pfn: Pfn, f: impl FnOnce(*mut [u32; 2]) -> R) -> R {
    // SAFETY: 1. blocks come from the page allocator; 2. the closures of this file read or write
    // the first words of the page and do no more.
    unsafe { kmap::with_page(pfn, |page| f(page.cast())) }
}
