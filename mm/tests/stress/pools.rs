//! Pools, by as many threads as there are CPUs: no two have an element at once, and nobody waits
//! for ever.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use mm::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr, VirtAddr};
use mm::frame::{FrameTable, Page, PageBlocks};
use mm::map::linear::LinearMap;
use mm::object::mempool::{Counted, Elements, Mempool, PageElements, SlabElements};
use mm::object::{NotGiven, SlabAllocator, SlabFlags, SlabOptions};
use mm::platform::{Answer, Lowmem, Platform, Report, Shortage};
use mm::sync::AtomicU8;
use mm::zone::{AllocError, Gfp, PageAllocator, ZoneKind, ZoneSpan};

use crate::machine::{become_cpu, this_cpu};
use crate::pages::Random;

const START: u32 = 0x4_0000;
const PAGES: u32 = 1024;
const PAGE_OFFSET: u32 = 0xc000_0000;
const CPUS: usize = 4;
const ROUNDS: usize = 10_000;

type Slabs<'p, 'a> = SlabAllocator<'p, 'a, Mapped, CPUS>;

/// A machine with lowmem that is mapped.
struct Mapped {
    bytes: NonNull<u8>,
    faults: Mutex<Vec<String>>,
    waits: AtomicU32,
}

// SAFETY: what is in its memory is the allocators' and their users' affair.
unsafe impl Sync for Mapped {}

impl Mapped {
    fn layout() -> Layout {
        Layout::from_size_align((PAGES * PAGE_SIZE) as usize, PAGE_SIZE as usize).unwrap()
    }

    fn new() -> Self {
        // SAFETY: the size is not 0.
        let bytes = NonNull::new(unsafe { alloc_zeroed(Self::layout()) }).unwrap();
        Self { bytes, faults: Mutex::default(), waits: AtomicU32::new(0) }
    }

    /// The first word of an element.
    fn word(&self, element: VirtAddr) -> &AtomicU32 {
        // SAFETY: elements are as large, and this test looks at them by this word alone.
        unsafe { self.pointer(element).cast().as_ref() }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: it was allocated like this.
        unsafe { dealloc(self.bytes.as_ptr(), Self::layout()) };
    }
}

impl Platform for Mapped {
    type Masked = ();

    fn mask(&self) {}

    fn cpu(&self, (): &()) -> usize {
        this_cpu()
    }

    fn contended(&self) {
        thread::yield_now();
    }

    fn fill(&self, _: Pfn, _: Order, _: u8) {}

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        None
    }

    fn call_site(&self) -> u32 {
        0
    }

    fn wait(&self, shortage: &Shortage) -> Answer {
        self.waits.fetch_add(1, Relaxed);
        thread::yield_now();
        // Far more than any thread can need.
        if shortage.round < 1 << 22 { Answer::Retry } else { Answer::NobodyCanHelp }
    }

    fn report(&self, report: &Report<'_>) {
        if !matches!(report, Report::AllocationFailed { .. }) {
            self.faults.lock().unwrap().push(report.to_string());
        }
    }
}

impl Lowmem for Mapped {
    fn now(&self) -> u32 {
        0
    }

    fn pointer(&self, virt: VirtAddr) -> NonNull<u8> {
        // SAFETY: the callers stay inside lowmem.
        unsafe { self.bytes.add((virt.as_u32() - PAGE_OFFSET) as usize) }
    }

    fn address(&self, pointer: *const u8) -> VirtAddr {
        VirtAddr::new(PAGE_OFFSET + (pointer.addr() - self.bytes.addr().get()) as u32)
    }

    fn zero_bytes(&self, virt: VirtAddr, bytes: u32) {
        // SAFETY: nobody else uses them.
        unsafe { self.pointer(virt).write_bytes(0, bytes as usize) };
    }
}

fn with_slabs(test: impl FnOnce(&Slabs<'_, '_>, &PageAllocator<'_, Mapped, CPUS>)) {
    become_cpu(0);
    let range = PfnRange::new(Pfn::new(START), Pfn::new(START + PAGES));
    let pages: Vec<Page> = range.iter().map(|_| Page::RESERVED).collect();
    let blocks: Vec<AtomicU8> =
        (0..PageBlocks::bytes_for(range)).map(|_| AtomicU8::new(0)).collect();
    let table = FrameTable::new(range.start(), &pages, &blocks).unwrap();
    let mut spans = ZoneKind::ALL.map(ZoneSpan::empty);
    let kind = ZoneKind::Normal;
    spans[kind.index()] = ZoneSpan { kind, range, present: range.len() };
    let pages = PageAllocator::new(table, &spans, Mapped::new()).unwrap();
    pages.release(PfnRange::new(Pfn::new(START + 1), range.end())).unwrap();
    pages.start();
    let linear = LinearMap::new(VirtAddr::new(PAGE_OFFSET), range.as_phys());
    let mut place = Box::new(MaybeUninit::uninit());
    test(
        SlabAllocator::new_in(&mut place, &pages, linear, SlabOptions::default()).unwrap(),
        &pages,
    );
    assert_eq!(*pages.platform().faults.lock().unwrap(), [""; 0]);
}

/// Takes an element now and then, and never two at once when it waits.
fn use_pool<E: Elements>(
    cpu: usize,
    slabs: &Slabs<'_, '_>,
    machine: &Mapped,
    pool: &Mempool<'_, '_, '_, Mapped, E, CPUS>,
) {
    become_cpu(cpu);
    let stamp = cpu as u32 + 1;
    let mut random = Random(0x9001 + cpu as u64);
    for _ in 0..ROUNDS {
        let first = pool.alloc_owned(Gfp::GFP_KERNEL).unwrap();
        let second = pool.alloc_owned(Gfp::GFP_NOWAIT).ok();
        let all = || [Some(&first), second.as_ref()].into_iter().flatten();
        for element in all() {
            assert_eq!(machine.word(element.address()).swap(stamp, Relaxed), 0, "somebody has it");
        }
        if random.below(4) == 0 {
            thread::yield_now();
        }
        for element in all() {
            assert_eq!(machine.word(element.address()).swap(0, Relaxed), stamp);
        }
        drop((first, second));
        slabs.tick();
    }
}

/// Elements of an allocator that has none more often than not.
struct Scarce<E> {
    inner: E,
    turns: AtomicU32,
}

impl<E: Elements> Elements for Scarce<E> {
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        // Who fills the pool is served.
        if gfp != Gfp::GFP_KERNEL && !self.turns.fetch_add(1, Relaxed).is_multiple_of(5) {
            return Err(AllocError::no_memory(Order::ZERO, ZoneKind::Normal));
        }
        self.inner.take(gfp)
    }

    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        // SAFETY: 1. to 3. are the caller's.
        unsafe { self.inner.give(element) }
    }

    fn parks(&self) -> bool {
        self.inner.parks()
    }

    fn park(&self, element: VirtAddr) -> bool {
        self.inner.park(element)
    }

    fn unpark(&self, element: VirtAddr) {
        self.inner.unpark(element);
    }
}

/// What nobody wrote is zero here, and everybody leaves it so.
fn resized_while_used<E: Elements + Sync>(slabs: &Slabs<'_, '_>, machine: &Mapped, elements: E) {
    let elements = Counted::new(Scarce { inner: elements, turns: AtomicU32::new(0) });
    let pool = &Mempool::new(slabs, 1, elements).unwrap();
    thread::scope(|scope| {
        let users = (1..CPUS).map(|cpu| scope.spawn(move || use_pool(cpu, slabs, machine, pool)));
        let users: Vec<_> = users.collect();
        let mut random = Random(0x512e);
        while users.iter().any(|user| !user.is_finished()) {
            pool.resize(random.below(6) as u32 + 1).unwrap();
            slabs.tick();
            thread::sleep(Duration::from_micros(20));
        }
    });
    assert_eq!((pool.outstanding(), pool.curr_nr()), (0, pool.min_nr()));
}

/// No page is free, and there are fewer elements than threads.
#[test]
fn who_waits_for_an_element_gets_one() {
    with_slabs(|slabs, pages| {
        let cache = slabs.create("pool", 8192, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let pool = &slabs.slab_pool(2, cache).unwrap();
        let take = || pages.alloc_raw_in(ZoneKind::Normal, Gfp::GFP_KERNEL, Order::ZERO).ok();
        let all: Vec<Pfn> = std::iter::from_fn(take).collect();
        // What was left of slabs.
        let rest: Vec<VirtAddr> = std::iter::from_fn(|| {
            slabs.take_object(cache, Gfp::GFP_NOWAIT | Gfp::__GFP_NOWARN).ok()
        })
        .collect();
        let held: Vec<VirtAddr> = (0..2).map(|_| pool.alloc(Gfp::GFP_NOWAIT).unwrap()).collect();
        for element in held {
            pages.platform().word(element).store(0, Relaxed);
            // SAFETY: 1. it was taken above; 2. nobody looks at it; 3. there is no constructor.
            unsafe { pool.free(element) }.unwrap();
        }
        thread::scope(|scope| {
            for cpu in 0..CPUS {
                scope.spawn(move || use_pool(cpu, slabs, pages.platform(), pool));
            }
        });
        become_cpu(0);
        assert!(pages.platform().waits.load(Relaxed) > 0, "there was enough for all");
        assert_eq!((pool.curr_nr(), pool.outstanding()), (2, 0));
        for object in rest {
            // SAFETY: as above.
            unsafe { slabs.free_object(cache, object) }.unwrap();
        }
        for pfn in all {
            // SAFETY: 1. it was taken above; 2. nobody looks at it.
            unsafe { pages.free_raw(pfn, Order::ZERO) }.unwrap();
        }
        assert_eq!(slabs.validate(), Ok(()));
    });
}

#[test]
fn a_pool_may_be_resized_while_it_is_used() {
    with_slabs(|slabs, pages| {
        let machine = pages.platform();
        let cache = slabs.create("pool", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        resized_while_used(slabs, machine, SlabElements::new(slabs, cache));
        assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
    });
}

/// Pages hold the books of slabs at other times, so this allocator has no others.
#[test]
fn a_pool_of_pages_may_be_resized_while_it_is_used() {
    with_slabs(|slabs, pages| {
        let machine = pages.platform();
        // Arrays come from a slab that is there before.
        drop(slabs.page_pool(6, Order::ZERO).unwrap());
        resized_while_used(slabs, machine, PageElements::new(slabs, Order::ZERO, Gfp::empty()));
        assert_eq!((slabs.validate(), pages.validate()), (Ok(()), Ok(())));
    });
}
