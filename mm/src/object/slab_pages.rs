//! Slabs come and go: pages for the objects, a record for the books, and every page told which record is
//! its own.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::memory::{Books, record_size};
use super::records::Size;
use super::slab::Constants;
use crate::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp};

/// What says where a page comes from, and that it is to be zeroed: the cache's affair, or the object's.
const NOT_THE_SLAB_S: Gfp = Gfp::__GFP_DMA
    .union(Gfp::__GFP_DMA32)
    .union(Gfp::__GFP_HIGHMEM)
    .union(Gfp::__GFP_MOVABLE)
    .union(Gfp::__GFP_RECLAIMABLE)
    .union(Gfp::__GFP_ZERO);

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// A new slab of free objects, whose record nobody else knows yet. Interrupts as the caller has them.
    pub(super) fn new_slab(&self, cache: &KmemCache<CPUS>, gfp: Gfp) -> Result<u32, AllocError> {
        let gfp = gfp.difference(NOT_THE_SLAB_S) | self.early();
        let (pfn, order) = self.slab_pages(cache, gfp)?;
        let give_up = |error| {
            self.free_pages(pfn, order);
            error
        };
        let virt = self.address(pfn, order)?;
        let objects = cache.geometry.objects(order);
        let record = self.take_record(objects, gfp).map_err(give_up)?;
        let memory = self.memory();
        self.pages.make_slab(pfn, order);
        let slab = memory.make_record(
            record,
            Constants {
                origin: (virt.as_u32() + cache.geometry.left).wrapping_sub(cache.geometry.stride),
                reciprocal: cache.reciprocal,
                entries: objects + 1,
                cache: self.address_of(cache),
                start: virt,
                order,
            },
        );
        match self.options.random_seed {
            None => slab.free_all(),
            Some(seed) => slab.free_all_shuffled(seed ^ record.wrapping_mul(0x9e37_79b9)),
        }
        if let Some(constructor) = cache.constructor {
            for (number, _) in slab.objects() {
                memory.call(constructor, slab.object(number, cache.geometry.stride));
            }
        }
        self.mark_pages(virt, order, record);
        cache.slabs.fetch_add(1, Relaxed);
        cache.objects.fetch_add(objects, Relaxed);
        cache.pages.fetch_add(order.pages(), Relaxed);
        Ok(record)
    }

    /// Gives back a slab all of whose objects are free, and that is on no list.
    pub(super) fn release_slab(&self, cache: &KmemCache<CPUS>, record: u32) {
        let slab = self.memory().slab(record);
        let Constants { start, order, .. } = slab.header.is;
        let objects = slab.header.is.objects();
        if let Some(destructor) = cache.destructor {
            for (number, _) in slab.objects() {
                self.memory().call(destructor, slab.object(number, cache.geometry.stride));
            }
        }
        self.mark_pages(start, order, 0);
        cache.slabs.fetch_sub(1, Relaxed);
        cache.objects.fetch_sub(objects, Relaxed);
        cache.pages.fetch_sub(order.pages(), Relaxed);
        self.give_record(record, objects);
        self.free_slab_pages(self.pfn_of(start), order);
    }

    /// Pages for a slab: of the size that wastes least, if they are easy to have.
    fn slab_pages(&self, cache: &KmemCache<CPUS>, gfp: Gfp) -> Result<(Pfn, Order), AllocError> {
        let gfp = gfp.union(cache.flags.page_flags());
        let (order, min_order) = (cache.geometry.order, cache.geometry.min_order);
        if order > min_order {
            let no_effort =
                Gfp::__GFP_DIRECT_RECLAIM.union(Gfp::__GFP_NOFAIL).union(Gfp::__GFP_RETRY_MAYFAIL);
            let easily = gfp.difference(no_effort) | Gfp::__GFP_NOWARN | Gfp::__GFP_NORETRY;
            if let Ok(pfn) = self.pages.alloc_raw(easily, order) {
                return Ok((pfn, order));
            }
        }
        self.pages.alloc_raw(gfp, min_order).map(|pfn| (pfn, min_order))
    }

    fn mark_pages(&self, first: VirtAddr, order: Order, record: u32) {
        for number in 0..order.pages() {
            let virt = VirtAddr::new(first.as_u32() + number * PAGE_SIZE);
            if let Some(page) = self.page(virt) {
                page.set_own(record);
            }
        }
    }

    pub(super) fn take_record(&self, objects: u32, gfp: Gfp) -> Result<u32, AllocError> {
        let bytes = record_size(objects);
        let size = Size::for_bytes(bytes).ok_or(AllocError::too_large(bytes / PAGE_SIZE))?;
        loop {
            let taken = {
                let _masked = self.memory().mask();
                self.records.lock(|| self.memory().contended()).take(self.memory(), size)
            };
            if let Some(record) = taken {
                return Ok(record);
            }
            let pfn = self.pages.alloc_raw(gfp, Order::ZERO)?;
            let page = self.address(pfn, Order::ZERO)?;
            self.pages.make_slab(pfn, Order::ZERO);
            let _masked = self.memory().mask();
            let mut records = self.records.lock(|| self.memory().contended());
            records.add(self.memory(), size, page.as_u32());
        }
    }

    fn give_record(&self, record: u32, objects: u32) {
        let Some(size) = Size::for_bytes(record_size(objects)) else { return };
        let unused = {
            let _masked = self.memory().mask();
            let mut records = self.records.lock(|| self.memory().contended());
            records.give(self.memory(), size, record)
        };
        self.free_record_page(unused);
    }

    fn free_record_page(&self, page: Option<u32>) {
        let pfn = page.and_then(|page| self.linear.virt_to_page(VirtAddr::new(page)));
        if let Some(pfn) = pfn {
            self.free_slab_pages(pfn, Order::ZERO);
        }
    }

    fn free_slab_pages(&self, pfn: Pfn, order: Order) {
        // What can go wrong is somebody else's mistake, and the page allocator has reported it.
        let _ = self.pages.free_slab(pfn, order);
    }

    /// Gives back record pages that nobody needs, and says how many.
    pub(super) fn shrink_records(&self) -> u32 {
        let mut count = 0;
        loop {
            let unused = {
                let _masked = self.memory().mask();
                self.records.lock(|| self.memory().contended()).shrink(self.memory())
            };
            if unused.is_none() {
                return count;
            }
            self.free_record_page(unused);
            count += 1;
        }
    }
}
