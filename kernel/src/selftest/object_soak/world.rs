//! The caches and pools that the soak and the tick's handler both take from, at the same time.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arrayvec::ArrayVec;
use mm::addr::{Order, VirtAddr};
use mm::object::mempool::{Counted, KmallocElements, PageElements, SlabElements};
use mm::object::{Mempool, SlabFlags};
use mm::zone::Gfp;

use super::super::Checks;
use super::super::soak::random::Random;
use super::held::{Held, Source};
use crate::platform::Hardware;
use crate::slabs::{self, Cache, Slabs};

/// The caches' objects, and what else is said of them. None shares its slabs.
const CACHES: [(u32, SlabFlags); 7] = [
    (8, SlabFlags::empty()),
    (40, SlabFlags::empty()),
    (192, SlabFlags::SLAB_HWCACHE_ALIGN),
    (1000, SlabFlags::SLAB_RECLAIM_ACCOUNT),
    (5000, SlabFlags::SLAB_CACHE_DMA),
    // Guarded.
    (77, SlabFlags::DEBUG_DEFAULT),
    // These are constructed.
    (READY, SlabFlags::empty()),
];
/// Bytes of a constructed object, and what is in each.
const READY: u32 = 72;
const CONSTRUCTED: u8 = 0xc7;
/// Bytes of the pools' elements.
const POOLED: u32 = 300;
const LARGE: u32 = 9000;
const BLOCK: Order = match Order::new(1) {
    Some(order) => order,
    None => Order::ZERO,
};
/// Elements that each pool sets aside at first, and at most.
const FEW: u32 = 4;
const MANY: u32 = 24;

type Pool<E> = Mempool<'static, 'static, 'static, Hardware, Counted<E>>;

/// What all take from.
pub struct World {
    pub slabs: &'static Slabs,
    pub caches: [&'static Cache; CACHES.len()],
    slab_pool: Pool<SlabElements<'static, 'static, 'static, Hardware>>,
    kmalloc_pool: Pool<KmallocElements<'static, 'static, 'static, Hardware>>,
    large_pool: Pool<KmallocElements<'static, 'static, 'static, Hardware>>,
    page_pool: Pool<PageElements<'static, 'static, 'static, Hardware>>,
    /// No page is free: only pools have something for sure.
    pub is_drought: AtomicBool,
    /// Elements that came while a pool was not full.
    pub drawn: AtomicU32,
    /// What was wrong with objects: how often, and the first time of each kind.
    faults: AtomicU32,
    first: [AtomicU32; Fault::ALL.len()],
}

/// What can be wrong with an object.
#[derive(Clone, Copy)]
pub enum Fault {
    /// It does not hold what its owner wrote.
    Spoilt,
    /// It should hold zeroes.
    NotZero,
    /// It should be as its constructor left it.
    NotReady,
    /// It was refused when its owner gave it back.
    NotGiven,
}

impl Fault {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Spoilt, "does not hold what its owner wrote"),
        (Self::NotZero, "is not zeroed"),
        (Self::NotReady, "is not as its constructor left it"),
        (Self::NotGiven, "can not be given back"),
    ];
}

unsafe extern "C" fn construct(object: NonNull<u8>) {
    // SAFETY: the cache's objects have so many bytes.
    unsafe { object.write_bytes(CONSTRUCTED, READY as usize) };
}

impl World {
    /// Makes caches and pools; whatever there is no memory for, none of it stays.
    pub fn new(slabs: &'static Slabs) -> Option<Self> {
        let mut caches = ArrayVec::<_, { CACHES.len() }>::new();
        for (size, flags) in CACHES {
            let constructor = (size == READY).then_some(construct as _);
            let flags = flags | SlabFlags::SLAB_NO_MERGE;
            caches.extend(slabs.create("soak", size, 0, flags, constructor).ok());
        }
        let pools = Self::pools(slabs, caches.get(1).copied());
        match (caches.into_inner(), pools) {
            (Ok(caches), Some((slab_pool, kmalloc_pool, large_pool, page_pool))) => Some(Self {
                slabs,
                caches,
                slab_pool,
                kmalloc_pool,
                large_pool,
                page_pool,
                is_drought: AtomicBool::new(false),
                drawn: AtomicU32::new(0),
                faults: AtomicU32::new(0),
                first: Default::default(),
            }),
            (caches, pools) => {
                drop(pools);
                let caches = caches.map_or_else(|some| some, ArrayVec::from);
                for cache in caches {
                    // SAFETY: 1. created above; 2. nobody used it.
                    let _ = unsafe { slabs.destroy(cache) };
                }
                None
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the types of the fields above")]
    fn pools(
        slabs: &'static Slabs,
        cache: Option<&'static Cache>,
    ) -> Option<(
        Pool<SlabElements<'static, 'static, 'static, Hardware>>,
        Pool<KmallocElements<'static, 'static, 'static, Hardware>>,
        Pool<KmallocElements<'static, 'static, 'static, Hardware>>,
        Pool<PageElements<'static, 'static, 'static, Hardware>>,
    )> {
        let by_size = |size| Counted::new(KmallocElements::new(slabs, size, Gfp::empty()));
        let objects = Counted::new(SlabElements::new(slabs, cache?));
        let blocks = Counted::new(PageElements::new(slabs, BLOCK, Gfp::empty()));
        Some((
            Mempool::new(slabs, FEW, objects).ok()?,
            Mempool::new(slabs, FEW, by_size(POOLED)).ok()?,
            Mempool::new(slabs, FEW, by_size(LARGE)).ok()?,
            Mempool::new(slabs, FEW, blocks).ok()?,
        ))
    }

    /// Takes an object of any kind but of the caches that come and go; stamped.
    pub fn take(&self, random: &mut Random, gfp: Gfp) -> Option<Held> {
        match random.below(32) {
            0..12 => {
                let cache = self.caches[random.below(CACHES.len() as u32) as usize];
                self.take_of(cache, random, gfp)
            }
            12..20 => self.kmalloc(random, gfp),
            20..24 => self.take_of_heap(random, gfp),
            _ => self.take_of_pool(random, gfp),
        }
    }

    /// Takes an object of a cache.
    pub fn take_of(&self, cache: &'static Cache, random: &mut Random, gfp: Gfp) -> Option<Held> {
        let source = self.source(cache);
        let may_zero = matches!(source, Source::Cache(_));
        let zero = if may_zero { any_zero(random) } else { Gfp::empty() };
        let object = slabs::take(self.slabs, cache, gfp | zero).result().ok()?;
        Some(self.hold(object, cache.object_size(), source, random, zero))
    }

    fn kmalloc(&self, random: &mut Random, gfp: Gfp) -> Option<Held> {
        let bytes = any_size(random);
        let zero = any_zero(random);
        let place = match random.below(16) {
            0 => Gfp::__GFP_DMA,
            1 => Gfp::__GFP_RECLAIMABLE,
            _ => Gfp::empty(),
        };
        let object = slabs::kmalloc(self.slabs, bytes, gfp | zero | place).result().ok()?;
        Some(self.hold(object, bytes, Source::Kmalloc, random, zero))
    }

    fn take_of_heap(&self, random: &mut Random, gfp: Gfp) -> Option<Held> {
        if self.is_drought.load(Ordering::Relaxed) {
            // It would be reported: the heap's users do not say that they do without.
            return self.kmalloc(random, gfp);
        }
        let bytes = any_size(random);
        let align = 1 << random.below(8);
        let layout = Layout::from_size_align(bytes as usize, align).ok()?;
        let zero = any_zero(random);
        // SAFETY: the layout has bytes.
        let taken = unsafe {
            if zero.is_empty() {
                alloc::alloc::alloc(layout)
            } else {
                alloc::alloc::alloc_zeroed(layout)
            }
        };
        let object = VirtAddr::new(NonNull::new(taken)?.as_ptr() as u32);
        Some(self.hold(object, bytes, Source::Heap(layout), random, zero))
    }

    fn take_of_pool(&self, random: &mut Random, gfp: Gfp) -> Option<Held> {
        let (element, bytes, source, is_drawn) = match random.below(4) {
            0 => {
                let pool = &self.slab_pool;
                let is_drawn = pool.curr_nr() < pool.min_nr();
                (pool.alloc(gfp), CACHES[1].0, Source::SlabPool, is_drawn)
            }
            1 => {
                let pool = &self.kmalloc_pool;
                let is_drawn = pool.curr_nr() < pool.min_nr();
                (pool.alloc(gfp), POOLED, Source::KmallocPool, is_drawn)
            }
            2 => {
                let pool = &self.large_pool;
                let is_drawn = pool.curr_nr() < pool.min_nr();
                (pool.alloc(gfp), LARGE, Source::LargePool, is_drawn)
            }
            _ => {
                let pool = &self.page_pool;
                let is_drawn = pool.curr_nr() < pool.min_nr();
                (pool.alloc(gfp), BLOCK.bytes(), Source::PagePool, is_drawn)
            }
        };
        self.drawn.fetch_add(is_drawn.into(), Ordering::Relaxed);
        Some(self.hold(element.ok()?, bytes, source, random, Gfp::empty()))
    }

    /// An object that was just taken: is it as was asked for?
    pub fn hold(
        &self,
        object: VirtAddr,
        bytes: u32,
        source: Source,
        random: &mut Random,
        zero: Gfp,
    ) -> Held {
        let held = Held { object, bytes, source, stamp: random.next() };
        if !zero.is_empty() && !held.is_filled(0) {
            self.note(Fault::NotZero, &held);
        }
        if matches!(source, Source::Ready(_)) && !held.is_filled(CONSTRUCTED) {
            self.note(Fault::NotReady, &held);
        }
        held.stamp();
        held
    }

    /// How objects of a cache are treated.
    pub fn source(&self, cache: &'static Cache) -> Source {
        let is_ready = self.caches.last().is_some_and(|ready| core::ptr::eq(*ready, cache));
        if is_ready { Source::Ready(cache) } else { Source::Cache(cache) }
    }

    /// Is it as its owner left it? Makes it ready for the next one, if that is its kind.
    pub fn finish(&self, held: &Held) {
        if !held.is_stamped() {
            self.note(Fault::Spoilt, held);
        }
        if matches!(held.source, Source::Ready(_)) {
            held.fill(CONSTRUCTED);
        }
    }

    /// Gives an object back to where it came from.
    pub fn give(&self, held: Held) {
        self.finish(&held);
        let Held { object, source, .. } = held;
        // SAFETY: 1. it came from there, and its one `Held` ends here; 2. nobody looks at it any more; 3. it
        // is as its constructor left it.
        let given = unsafe {
            match source {
                Source::Cache(cache) | Source::Ready(cache) => {
                    slabs::give(self.slabs, cache, object)
                }
                Source::Kmalloc => slabs::kfree(self.slabs, object),
                Source::Heap(layout) => {
                    alloc::alloc::dealloc(object.as_u32() as *mut u8, layout);
                    Ok(())
                }
                Source::SlabPool => self.slab_pool.free(object),
                Source::KmallocPool => self.kmalloc_pool.free(object),
                Source::LargePool => self.large_pool.free(object),
                Source::PagePool => self.page_pool.free(object),
            }
        };
        if given.is_err() {
            self.note(Fault::NotGiven, &held);
        }
    }

    /// Gives a pool another size. Without memory it stays as it was.
    pub fn resize_a_pool(&self, random: &mut Random) {
        let min_nr = 1 + random.below(MANY);
        let _ = match random.below(4) {
            0 => self.slab_pool.resize(min_nr),
            1 => self.kmalloc_pool.resize(min_nr),
            2 => self.large_pool.resize(min_nr),
            _ => self.page_pool.resize(min_nr),
        };
    }

    /// Something is wrong with an object.
    pub fn note(&self, fault: Fault, held: &Held) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        let first = &self.first[fault as usize];
        let object = held.object.as_u32();
        let _ = first.compare_exchange(0, object, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// How much was wrong.
    pub fn faults(&self) -> u32 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Ends the pools, then the caches, when all that was taken is back: nothing of either is left.
    pub fn end(self, checks: &mut Checks) {
        for (first, (_, what)) in self.first.iter().zip(Fault::ALL) {
            let object = VirtAddr::new(first.load(Ordering::Relaxed));
            checks.that(object.as_u32() == 0, format_args!("the object at {object} {what}"));
        }
        let Self { slabs, caches, slab_pool, kmalloc_pool, large_pool, page_pool, .. } = self;
        let ends = [
            slab_pool.destroy(),
            kmalloc_pool.destroy(),
            large_pool.destroy(),
            page_pool.destroy(),
        ];
        for end in ends {
            checks.that(end.is_ok(), format_args!("{end:?}"));
        }
        for cache in caches {
            slabs.shrink(cache);
            let figures = slabs.cache_figures(cache);
            let left = (figures.active, figures.objects, figures.slabs);
            checks.equal(left, (0, 0, 0), format_args!("{}: active, num, slabs", figures.stride));
            // SAFETY: 1. created in `new`; 2. the pools and all users are done with it.
            let destroyed = unsafe { slabs.destroy(cache) };
            checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
        }
    }
}

/// Zeroed, once in a while.
pub fn any_zero(random: &mut Random) -> Gfp {
    if random.one_in(8) { Gfp::__GFP_ZERO } else { Gfp::empty() }
}

/// A size: small ones are frequent.
pub fn any_size(random: &mut Random) -> u32 {
    let most = match random.below(64) {
        0 => 60_000,
        1..6 => 9_000,
        _ => 600,
    };
    1 + random.below(most)
}
