//! Checks that every slab and every object is accounted for.
//!
//! Looks at all descriptors of lowmem and all entries, and at other CPUs' lists: for tests, and for a machine
//! whose other CPUs stand still.

use core::fmt;

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::list;
use super::memory::Books;
use super::name::Name;
use super::sampled::SAMPLED;
use super::slab::{Constants, Owner, Slab};
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::frame::PageState;
use crate::platform::Lowmem;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// An invariant that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// A slab's list does not hold the objects that are not allocated.
    List {
        /// The cache.
        cache: Name,
        /// The slab's first object.
        base: VirtAddr,
        /// How many objects are on the list.
        listed: u32,
        /// How many are not allocated.
        free: u32,
    },
    /// A slab has another number of objects to wait for than are allocated.
    Left {
        /// The cache.
        cache: Name,
        /// The slab's first object.
        base: VirtAddr,
        /// The number.
        left: u32,
        /// How many are allocated.
        allocated: u32,
    },
    /// A page of a slab says that it is another's.
    Page {
        /// The cache.
        cache: Name,
        /// The page's address.
        page: VirtAddr,
    },
    /// A cache counts other slabs than there are.
    Slabs {
        /// The cache.
        cache: Name,
        /// The count.
        counted: u32,
        /// How many there are.
        found: u32,
    },
    /// A CPU looks for objects in a slab that is not its own, or in its current one.
    Hint {
        /// The CPU.
        cpu: usize,
        /// The address of a record, or what it takes for one.
        record: u32,
    },
    /// An object of the pool of guarded pages is in quarantine and not free, or free and not there.
    Sampled {
        /// Its number; none has it if too many or too few are there.
        number: u32,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List { cache, base, listed, free } => write!(
                f,
                "{cache}: the slab at {base} lists {listed} objects, and {free} are not allocated"
            ),
            Self::Left { cache, base, left, allocated } => write!(
                f,
                "{cache}: the slab at {base} waits for {left} objects, and {allocated} are allocated"
            ),
            Self::Page { cache, page } => {
                write!(f, "{cache}: the page at {page} is part of another slab")
            }
            Self::Slabs { cache, counted, found } => {
                write!(f, "{cache}: {counted} slabs are counted, and {found} found")
            }
            Self::Sampled { number } => {
                write!(f, "kfence: object {number} is in quarantine and not free, or the reverse")
            }
            Self::Hint { cpu, record } => {
                write!(
                    f,
                    "CPU {cpu} looks for objects in {record:#010x}, which is no slab to look in"
                )
            }
        }
    }
}

impl core::error::Error for Broken {}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Checks everything. Nothing else may run.
    ///
    /// # Errors
    ///
    /// The first [`Broken`] invariant.
    pub fn validate(&self) -> Result<(), Broken> {
        for cache in self.caches() {
            let mut found = 0;
            for (page, record) in self.slab_heads() {
                let slab = self.memory().slab(record);
                if slab.header.is.cache == self.address_of(cache) {
                    found += 1;
                    self.check_pages(cache, &slab, page, record)?;
                    self.check_slab(cache, &slab, record)?;
                }
            }
            let counted = cache.slabs.load(Relaxed);
            if counted != found {
                return Err(Broken::Slabs { cache: cache.name, counted, found });
            }
        }
        self.check_hints()?;
        self.sampler.validate(self.memory()).map_err(|number| Broken::Sampled { number })
    }

    fn check_hints(&self) -> Result<(), Broken> {
        for (cpu, hints) in self.slab_hints.iter().enumerate() {
            for record in hints.addresses().filter(|record| *record != self.nothing) {
                let is_slab = self.slab_heads().any(|(_, other)| other == record);
                if !is_slab || !self.memory().slab(record).is_of(cpu) {
                    return Err(Broken::Hint { cpu, record });
                }
            }
        }
        Ok(())
    }

    /// How many objects of a cache are allocated. While others use the cache, about so many.
    #[must_use]
    pub fn objects_out(&self, cache: &KmemCache<CPUS>) -> u32 {
        self.live_objects(cache).count() as u32
    }

    /// The first page of each slab, and the slab's record.
    fn slab_heads(&self) -> impl Iterator<Item = (VirtAddr, u32)> {
        self.lowmem_pages().filter_map(|(virt, page)| {
            let record = page.own();
            (record > SAMPLED && self.memory().slab(record).header.is.start == virt)
                .then_some((virt, record))
        })
    }

    /// How many objects of a slab are allocated.
    pub(super) fn allocated(&self, cache: &KmemCache<CPUS>, slab: &Slab<'_>) -> u32 {
        let is_allocated = |(number, entry): &(u32, &AtomicU32)| {
            let object = slab.object(*number, cache.geometry.stride);
            Slab::is_out(entry.load(Relaxed), object)
        };
        slab.objects().filter(is_allocated).count() as u32
    }

    fn check_pages(
        &self,
        cache: &KmemCache<CPUS>,
        slab: &Slab<'_>,
        first: VirtAddr,
        record: u32,
    ) -> Result<(), Broken> {
        let Constants { order, .. } = slab.header.is;
        let is_slab = |state| matches!(state, PageState::Slab { order: of, .. } if of == order);
        if !self.page(first).is_some_and(|page| is_slab(page.state())) {
            return Err(Broken::Page { cache: cache.name, page: first });
        }
        for number in 0..order.pages() {
            let virt = VirtAddr::new(first.as_u32() + number * PAGE_SIZE);
            if self.page(virt).is_none_or(|page| page.own() != record) {
                return Err(Broken::Page { cache: cache.name, page: virt });
            }
        }
        Ok(())
    }

    fn check_slab(
        &self,
        cache: &KmemCache<CPUS>,
        slab: &Slab<'_>,
        record: u32,
    ) -> Result<(), Broken> {
        let base = slab.object(1, cache.geometry.stride);
        let objects = slab.header.is.objects();
        let free = objects - self.allocated(cache, slab);
        let owner = slab.owner();
        let current = owner.of_cpu().filter(|_| owner.is_current());
        let head = current.map_or(slab.head(), |cpu| cache.cpu[cpu].head());
        let listed = slab.count(head);
        let elsewhere = slab.count_remote() + slab.count_isolated();
        if listed + elsewhere != free {
            return Err(Broken::List { cache: cache.name, base, listed, free });
        }
        if current.is_some() {
            return Ok(());
        }
        let left = slab.header.left.load(Relaxed);
        if owner == Owner::GUARDED && left > objects {
            // Isolated.
            return Ok(());
        }
        let is_listed = slab.header.listed.load(Relaxed) != 0;
        let allocated = objects - listed;
        let expected = if is_listed { allocated } else { 1 };
        let is_on_a_list = cache
            .cpu
            .iter()
            .any(|cpu| list::iter(self.memory(), &cpu.partial).any(|other| other == record))
            || {
                let _masked = self.memory().mask();
                let shared = cache.shared.lock(|| self.memory().contended());
                list::iter(self.memory(), &shared.partial).any(|other| other == record)
            };
        if left != expected || is_listed != is_on_a_list {
            return Err(Broken::Left { cache: cache.name, base, left, allocated });
        }
        Ok(())
    }
}
