//! Where an object goes.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::{NotGiven, ObjectError};
use super::hand_over;
use super::memory::Books;
use super::sampled::SAMPLED;
use super::slab::{Back, Is, Owner, Slab};
use crate::addr::VirtAddr;
use crate::frame::Page;
use crate::platform::{Lowmem, Report};
use crate::sync::Ordering::Relaxed;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Gives back an object of this cache.
    #[inline(always)]
    pub(super) fn give_object(
        &self,
        cache: &KmemCache<CPUS>,
        object: VirtAddr,
    ) -> Result<(), NotGiven> {
        let masked = self.memory().mask();
        if self.cpu_slab(cache, &masked).give(object) {
            return Ok(());
        }
        let cpu = self.memory().cpu(&masked);
        if self.give_hinted(Some(cache), object, cpu) {
            return Ok(());
        }
        drop(masked);
        self.give_with_care(Some(cache), object)
    }

    /// Gives an object to the slab that this CPU's hint for its page names, if it is one of that, and of this
    /// cache if one is named. Says `false`, and has changed nothing, if not. Interrupts are masked.
    #[inline(always)]
    pub(super) fn give_hinted(
        &self,
        named: Option<&KmemCache<CPUS>>,
        object: VirtAddr,
        cpu: usize,
    ) -> bool {
        let record = self.slab_hints[cpu & (CPUS - 1)].of(object).load(Relaxed);
        let slab = self.memory().slab(record);
        let is_other = |named| slab.header.is.cache != self.address_of(named);
        if named.is_some_and(is_other) || !slab.give(object) {
            return false;
        }
        if slab.one_came_back() {
            // Who names no cache has no register left for the allocator.
            let this = named.map_or_else(|| Self::of(self.cache(slab.header.is.cache)), |_| self);
            this.attend(cpu & (CPUS - 1), record);
        }
        true
    }

    /// As `give_hinted`, to the slab that the page names. The hint had another one, and is changed.
    #[inline]
    pub(super) fn give_own(
        &self,
        page: &Page,
        named: Option<&KmemCache<CPUS>>,
        object: VirtAddr,
    ) -> bool {
        let masked = self.memory().mask();
        let record = page.own();
        if record <= SAMPLED {
            return false;
        }
        let slab = self.memory().slab(record);
        let cpu = self.memory().cpu(&masked) & (CPUS - 1);
        if !slab.is_of(cpu) {
            return false;
        }
        self.slab_hints[cpu].of(object).store(record, Relaxed);
        self.give_hinted(named, object, cpu)
    }

    /// A slab of this CPU needs a look: its first object came back, or its last. Interrupts are masked.
    #[inline(never)]
    pub(super) fn attend(&self, cpu: usize, record: u32) {
        let header = self.memory().slab(record).header;
        let cache = self.cache(header.is.cache);
        let here = &cache.cpu[cpu];
        let pages = header.is.order.pages();
        if header.listed.load(Relaxed) == 0 {
            let out = header.is.objects() - 1;
            header.left.store(out, Relaxed);
            self.keep(cache, cpu, record);
            if out > 0 {
                return;
            }
        } else {
            self.spare_pages.fetch_add(pages, Relaxed);
        }
        // All its objects are free.
        let many = here.partial_slabs.load(Relaxed) > cache.min_partial;
        if many && self.spare_pages.load(Relaxed) > self.most_spare {
            self.drop_own(cache, cpu, record);
        }
    }

    /// An object of which nothing is known but its address, and perhaps its cache.
    #[inline(never)]
    pub(super) fn give_with_care(
        &self,
        named: Option<&KmemCache<CPUS>>,
        object: VirtAddr,
    ) -> Result<(), NotGiven> {
        let Some(page) = self.page(object) else {
            return self.refuse(object, ObjectError::NotLinear { object });
        };
        if self.give_own(page, named, object) {
            return Ok(());
        }
        self.give_elsewhere(page, named, object)
    }

    /// An object in this page that is of no slab of this CPU but perhaps its current one.
    pub(super) fn give_elsewhere(
        &self,
        page: &Page,
        named: Option<&KmemCache<CPUS>>,
        object: VirtAddr,
    ) -> Result<(), NotGiven> {
        let masked = self.memory().mask();
        let record = page.own();
        if record <= SAMPLED {
            drop(masked);
            if record == SAMPLED {
                return self.give_sampled(named, object);
            }
            let pfn = self.linear.virt_to_page(object).unwrap_or_default();
            let state = page.state();
            return self.refuse(object, ObjectError::NoSlab { object, pfn, state });
        }
        let slab = self.memory().slab(record);
        let cache = self.cache(slab.header.is.cache);
        if slab.owner() == Owner::GUARDED {
            drop(masked);
            self.give_guarded(cache, record, object)?;
        } else {
            let cpu = self.memory().cpu(&masked) & (CPUS - 1);
            self.learn(cache, &slab, object, cpu);
            let is_given =
                hand_over::give_to(&self.of_cache(cache), cpu, record, Back::Allocated(object));
            drop(masked);
            if !is_given {
                return self.refuse(object, self.why_not(cache, &slab, object));
            }
        }
        if let Some(named) = named.filter(|named| !core::ptr::eq(*named, cache)) {
            self.report_wrong_cache(named, cache, object);
        }
        Ok(())
    }

    #[cold]
    pub(super) fn report_wrong_cache(
        &self,
        named: &KmemCache<CPUS>,
        cache: &KmemCache<CPUS>,
        object: VirtAddr,
    ) {
        let error = ObjectError::WrongCache { object, cache: &cache.name, named: &named.name };
        self.memory().report(&Report::WrongObject { error });
    }

    /// Takes back what other CPUs gave to slabs of this one. Interrupts are masked.
    #[inline]
    pub(super) fn empty_mailbox(&self, cache: &KmemCache<CPUS>, cpu: usize) {
        if CPUS > 1 && cache.cpu[cpu].mailbox.load(Relaxed) != 0 {
            self.read_mail(cache, cpu);
        }
    }

    #[cold]
    fn read_mail(&self, cache: &KmemCache<CPUS>, cpu: usize) {
        hand_over::read_mail(&self.of_cache(cache), cpu);
    }

    /// Why there was nothing to give.
    pub(super) fn why_not<'c>(
        &self,
        cache: &'c KmemCache<CPUS>,
        slab: &Slab<'_>,
        object: VirtAddr,
    ) -> ObjectError<'c> {
        let name = &cache.name;
        match slab.what(object, cache.geometry.stride) {
            Is::NoObject => {
                let nearest = cache.nearest(slab, object);
                ObjectError::NotAnObject { object, cache: name, nearest }
            }
            Is::InPool => ObjectError::InPool { object },
            Is::Free | Is::Allocated => ObjectError::DoubleFree { object, cache: name },
        }
    }

    pub(super) fn refuse(&self, object: VirtAddr, error: ObjectError<'_>) -> Result<(), NotGiven> {
        self.memory().report(&Report::WrongObject { error });
        Err(NotGiven { object })
    }
}
