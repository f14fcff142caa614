//! Who holds what: one page with all that is known of it, and all allocated pages by the place in the code
//! that took them (`page_owner=1`).
//!
//! Both look at descriptors as they are, without a lock: what other CPUs and handlers do meanwhile may be
//! seen or not.

use core::cmp::Reverse;

use super::page_alloc::PageAllocator;
use super::span::ZoneKind;
use crate::addr::{Order, Pfn};
use crate::frame::PageState;
use crate::frame::{Block, Mobility};
use crate::platform::Platform;

/// What is known of one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageFigures {
    /// Its frame.
    pub pfn: Pfn,
    /// The zone that spans it, if any.
    pub zone: Option<ZoneKind>,
    /// The block that it is in; `None` when it never was the allocator's.
    pub block: Option<Block>,
    /// What its page block is for.
    pub page_block: Mobility,
    /// Who took the block, or gave it back last: a return address. `None` when that is not known.
    pub owner: Option<u32>,
}

/// What one place in the code has taken and not given back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Holding {
    /// A return address; `None` for everybody who is not known.
    pub site: Option<u32>,
    /// Blocks.
    pub blocks: u32,
    /// Pages in these blocks.
    pub pages: u32,
}

impl Holding {
    fn add(&mut self, order: Order) {
        self.blocks = self.blocks.saturating_add(1);
        self.pages = self.pages.saturating_add(order.pages());
    }
}

/// All allocated blocks, by who took them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holdings<'h> {
    /// Who took most pages comes first; equals by address.
    pub by_site: &'h [Holding],
    /// What those hold together for whom there was no place.
    pub others: Holding,
}

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// What is known of the page `pfn`.
    #[must_use]
    pub fn page(&self, pfn: Pfn) -> PageFigures {
        let block = self.frames.block_of(pfn);
        PageFigures {
            pfn,
            zone: self.zones.iter().find(|zone| zone.span().contains(pfn)).map(|zone| zone.kind()),
            block,
            page_block: self.frames.blocks().get(pfn),
            owner: block.and_then(|block| self.owner(block.head)),
        }
    }

    /// Adds up all allocated blocks, those that lie in pools among them, by who took them, in `table`;
    /// `None` when owners are not tracked. Who is found when the table is full counts among the others. Takes a look at every frame and, for
    /// each block, at the table.
    pub fn holdings<'h>(&self, table: &'h mut [Holding]) -> Option<Holdings<'h>> {
        if !self.tracks_owners() {
            return None;
        }
        let mut used = 0;
        let mut others = Holding::default();
        for (head, order) in self.allocated() {
            let site = self.owner(head);
            let place = table[..used].iter().position(|holding| holding.site == site);
            match place.unwrap_or(used) {
                index if index < table.len() => {
                    if index == used {
                        table[index] = Holding { site, ..Holding::default() };
                        used += 1;
                    }
                    table[index].add(order);
                }
                _ => others.add(order),
            }
        }
        let by_site = &mut table[..used];
        by_site.sort_unstable_by_key(|holding| (Reverse(holding.pages), holding.site));
        Some(Holdings { by_site, others })
    }

    /// The heads of all allocated blocks, upwards.
    fn allocated(&self) -> impl Iterator<Item = (Pfn, Order)> {
        let (frames, end) = (self.frames, self.frames.range().end());
        let mut next = frames.range().start();
        core::iter::from_fn(move || {
            while next < end {
                let pfn = next;
                let state = frames.get(pfn)?.state();
                let order = state.order().unwrap_or(Order::ZERO);
                next = pfn.saturating_add(order.pages());
                if let PageState::Allocated { .. }
                | PageState::Parked { .. }
                | PageState::Slab { .. } = state
                {
                    return Some((pfn, order));
                }
            }
            None
        })
    }
}

#[cfg(all(test, not(loom)))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::test_machine::{Memory, with_one_zone};
    use super::*;
    use crate::zone::Gfp;

    fn order(value: u8) -> Order {
        Order::new(value).unwrap()
    }

    fn memory() -> Memory {
        Memory::new(0x40000, 0x42000)
    }

    #[test]
    fn without_tracking_nobody_is_known() {
        let memory = memory();
        let pages = with_one_zone(&memory, false);
        let pfn = pages.alloc_raw(Gfp::GFP_KERNEL, order(2)).unwrap();
        assert_eq!(pages.holdings(&mut [Holding::default(); 4]), None);
        let page = pages.page(pfn.saturating_add(3));
        assert_eq!(page.block.unwrap().head, pfn);
        assert_eq!((page.zone, page.owner), (Some(ZoneKind::Dma), None));
        assert_eq!(page.page_block, Mobility::Unmovable, "the page block was claimed for it");
    }

    #[test]
    fn the_greediest_come_first_and_what_does_not_fit_is_with_the_others() {
        let memory = memory();
        let pages = with_one_zone(&memory, true);
        let take = |site, value| {
            pages.platform().set_call_site(site);
            pages.alloc_raw(Gfp::GFP_KERNEL, order(value)).unwrap()
        };
        let a = take(0x1000, 0);
        take(0x2000, 3);
        take(0x1000, 1);
        take(0x3000, 3);
        take(0, 4);
        let holding = |site, blocks, pages| Holding { site, blocks, pages };
        let mut table = [holding(Some(0xbad), 1, 1); 5];
        let all = [
            holding(None, 1, 16),
            holding(Some(0x2000), 1, 8),
            holding(Some(0x3000), 1, 8),
            holding(Some(0x1000), 2, 3),
        ];
        let none = Holding::default();
        assert_eq!(pages.holdings(&mut table), Some(Holdings { by_site: &all, others: none }));
        assert_eq!(pages.holdings(&mut table[..4]).unwrap().by_site, all);
        assert_eq!(pages.holdings(&mut []).unwrap().others, holding(None, 5, 35));
        // The table has places for whoever is found first, from the lowest frame up.
        let two = pages.holdings(&mut table[..2]).unwrap();
        let sum =
            |of: fn(&Holding) -> u32| two.by_site.iter().map(of).sum::<u32>() + of(&two.others);
        assert_eq!((two.by_site.len(), sum(|of| of.blocks), sum(|of| of.pages)), (2, 5, 35));

        assert_eq!(pages.page(a).owner, Some(0x1000));
        pages.platform().set_call_site(0x4000);
        // SAFETY: duties 1 and 2 of `free_raw`: the block is this test's, and has no memory.
        #[expect(unsafe_code, reason = "the block is this test's")]
        unsafe { pages.free_raw(a, Order::ZERO) }.unwrap();
        assert_eq!(pages.page(a).owner, Some(0x4000), "who gave it back");
        assert_eq!(pages.holdings(&mut table).unwrap().by_site[3], holding(Some(0x1000), 1, 2));
    }

    #[test]
    fn a_page_that_never_was_the_allocators() {
        let memory = memory();
        let pages = with_one_zone(&memory, false);
        let (reserved, above) = (Pfn::new(0x40000), Pfn::new(0x42000));
        for (pfn, zone) in [(Pfn::new(0), None), (reserved, Some(ZoneKind::Dma)), (above, None)] {
            let page = pages.page(pfn);
            let page_block = Mobility::Movable;
            assert_eq!(page, PageFigures { pfn, zone, block: None, page_block, owner: None });
        }
    }
}
