//! Allocated blocks that nobody may free just so: those that are set aside in a pool, and those that the slab
//! allocator has cut into objects.
//!
//! The head of such a block is of another kind than *allocated*, so the one comparison that every free makes
//! finds it, at no cost. Who made it so makes it allocated again.

use super::error::NotFreed;
use super::page_alloc::PageAllocator;
use crate::addr::{Order, Pfn};
use crate::frame::PageState;
use crate::frame::head::Head;
use crate::platform::Platform;

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// Parks the allocated block of `order` at `pfn`, of which the caller has the only reference. Of
    /// two who try, one succeeds. Says `false`, and has changed nothing, if there is no such block,
    /// or if others have references to it. Any context.
    pub(crate) fn park(&self, pfn: Pfn, order: Order) -> bool {
        let Some(page) = self.frames.get(pfn) else { return false };
        let head = page.head_after_others();
        head.is_last(order) && page.exchange_head(head, Head::parked(order, head.class())).is_ok()
    }

    /// Makes the parked block of `order` at `pfn` allocated again, with one owner. Changes nothing if
    /// there is no such block. Any context.
    pub(crate) fn unpark(&self, pfn: Pfn, order: Order) {
        let Some(page) = self.frames.get(pfn) else { return };
        let head = page.head();
        if let PageState::Parked { order: real, class } = head.decode()
            && real == order
        {
            // If it is another head by now, somebody has overwritten it, and whoever frees the
            // block is told so.
            let _ = page.exchange_head(head, Head::allocated(order, class));
        }
    }

    /// Makes the block of `order` at `pfn`, which was just allocated, the slab allocator's. Any context.
    pub(crate) fn make_slab(&self, pfn: Pfn, order: Order) {
        if let Some(page) = self.frames.get(pfn) {
            page.set_head(Head::slab(order, page.head().class()));
        }
    }

    /// Gives back a block that was made the slab allocator's. Any context.
    ///
    /// # Errors
    ///
    /// [`NotFreed`] when there is no such block, as of [`free_block`](Self::free_block).
    pub(crate) fn free_slab(&self, pfn: Pfn, order: Order) -> Result<(), NotFreed> {
        if let Some(page) = self.frames.get(pfn)
            && let PageState::Slab { order: real, class } = page.state()
            && real == order
        {
            page.set_head(Head::allocated(order, class));
        }
        self.free_block(pfn, order)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::error::ShareError;
    use super::super::gfp::Gfp;
    use super::super::test_machine::{Memory, Told, with_one_zone};
    use super::*;
    use crate::frame::FreeError;

    #[test]
    fn a_parked_block_is_nobodys_to_free_or_to_share() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        // With a stack, and without one.
        for order in [0, 3, 5].map(|order| Order::new(order).unwrap()) {
            let pfn = pages.alloc_raw(Gfp::GFP_KERNEL, order).unwrap();
            let other_order = order.up().unwrap();
            assert!(!pages.park(pfn, other_order) && !pages.park(pfn.saturating_add(1), order));
            assert!(pages.park(pfn, order));
            assert!(!pages.park(pfn, order), "parked twice");
            assert!(matches!(pages.page(pfn).block.unwrap().state, PageState::Parked { .. }));
            let is_pool = |told: Vec<Told>| {
                let [Told::WrongFree(error @ FreeError::DoubleFree { .. })] = told[..] else {
                    panic!("{told:?}")
                };
                error.to_string().contains("in a pool")
            };
            for freed in [pages.free_block(pfn, order), pages.free_block(pfn, order)] {
                assert_eq!(freed, Err(NotFreed { pfn }));
            }
            let told = pages.platform().told();
            assert!(told.into_iter().all(|told| is_pool(vec![told])));
            if order == Order::ZERO {
                assert_eq!(pages.free_bulk(&[pfn]), Err(NotFreed { pfn }));
                assert!(is_pool(pages.platform().told()));
            }
            assert_eq!(pages.add_reference(pfn), Err(ShareError::NotAllocated { pfn }));
            assert_eq!(pages.validate(), Ok(()));
            pages.unpark(pfn, other_order);
            assert_eq!(pages.free_block(pfn, order), Err(NotFreed { pfn }), "of another order");
            assert!(is_pool(pages.platform().told()));
            pages.unpark(pfn, order);
            assert_eq!(pages.free_block(pfn, order), Ok(()));
            // What is free does not become allocated by it.
            pages.unpark(pfn, order);
            assert!(!pages.park(pfn, order));
            assert_eq!(pages.validate(), Ok(()));
        }
        assert!(!pages.park(Pfn::new(0), Order::ZERO));
        pages.unpark(Pfn::new(0), Order::ZERO);
    }

    #[test]
    fn a_block_of_several_owners_is_parked_by_the_last() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        let pfn = pages.alloc_raw(Gfp::GFP_KERNEL, Order::ZERO).unwrap();
        pages.add_reference(pfn).unwrap();
        assert!(!pages.park(pfn, Order::ZERO));
        assert_eq!(pages.free_block(pfn, Order::ZERO), Ok(()));
        assert!(pages.park(pfn, Order::ZERO));
        pages.unpark(pfn, Order::ZERO);
        assert_eq!(pages.free_block(pfn, Order::ZERO), Ok(()));
        assert_eq!(pages.validate(), Ok(()));
    }

    #[test]
    fn the_slab_allocator_alone_frees_its_blocks() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        for order in [0, 3, 5].map(|order| Order::new(order).unwrap()) {
            let pfn = pages.alloc_raw(Gfp::GFP_KERNEL, order).unwrap();
            pages.make_slab(pfn, order);
            assert_eq!(pages.free_block(pfn, order), Err(NotFreed { pfn }));
            let [Told::WrongFree(error @ FreeError::Slab { .. })] = pages.platform().told()[..]
            else {
                panic!()
            };
            assert!(error.to_string().contains("objects, order"), "{error}");
            assert!(!pages.park(pfn, order));
            assert_eq!(pages.add_reference(pfn), Err(ShareError::NotAllocated { pfn }));
            assert_eq!(pages.validate(), Ok(()));
            assert_eq!(pages.free_slab(pfn, order), Ok(()));
            assert_eq!(pages.free_slab(pfn, order), Err(NotFreed { pfn }));
            pages.platform().told();
            assert_eq!(pages.validate(), Ok(()));
        }
    }

    #[test]
    fn who_took_a_parked_block_holds_it() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, true);
        pages.platform().set_call_site(0x1000);
        let pfn = pages.alloc_raw(Gfp::GFP_KERNEL, Order::ZERO).unwrap();
        assert!(pages.park(pfn, Order::ZERO));
        let mut table = [Default::default(); 2];
        let by_site = pages.holdings(&mut table).unwrap().by_site;
        assert!(matches!(by_site, [of] if (of.site, of.blocks) == (Some(0x1000), 1)));
        assert_eq!(pages.free_block(pfn, Order::ZERO), Err(NotFreed { pfn }));
        pages.unpark(pfn, Order::ZERO);
        assert_eq!(pages.free_block(pfn, Order::ZERO), Ok(()));
    }
}
