//! A machine for tests of objects: an arena that is mapped as lowmem, and a current CPU that the test
//! sets.
//!
//! All CPUs are one thread, as in [`zone::test_machine`](crate::zone), whose rules about masks and locks
//! are held here as well.
#![expect(unsafe_code, reason = "the arena is memory")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::mem::{MaybeUninit, transmute};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use super::guarded::LiveObject;
use super::{SlabAllocator, SlabOptions};
use crate::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr, VirtAddr};
use crate::frame::{FrameTable, Page, PageBlocks};
use crate::kfence::{Access, AccessKind, KfenceReport, PageGuard, Pool};
use crate::map::linear::LinearMap;
use crate::platform::{Answer, Lowmem, Platform, Report, Shortage};
use crate::sync::{AtomicU8, watch};
use crate::zone::{Gfp, PageAllocator, ZoneKind, ZoneSpan};

/// The first frame of memory.
pub(crate) const FIRST: u32 = 0x40000;
const PAGE_OFFSET: u32 = 0xc000_0000;

/// Memory, and what the page allocator keeps its books in.
pub(crate) struct Arena {
    bytes: NonNull<u8>,
    frames: PfnRange,
    pages: Vec<Page>,
    blocks: Vec<AtomicU8>,
}

impl Arena {
    fn layout(pages: u32) -> Layout {
        Layout::from_size_align((pages * PAGE_SIZE) as usize, PAGE_SIZE as usize).unwrap()
    }

    pub(crate) fn new(pages: u32) -> Self {
        let frames = PfnRange::new(Pfn::new(FIRST), Pfn::new(FIRST + pages));
        // SAFETY: the size is not 0.
        let bytes = unsafe { alloc_zeroed(Self::layout(pages)) };
        let arena = Self {
            bytes: NonNull::new(bytes).unwrap(),
            frames,
            pages: frames.iter().map(|_| Page::RESERVED).collect(),
            blocks: (0..PageBlocks::bytes_for(frames)).map(|_| AtomicU8::new(0)).collect(),
        };
        // What nobody wrote is not zero.
        // SAFETY: it is ours.
        unsafe { arena.bytes.write_bytes(0x5b, (pages * PAGE_SIZE) as usize) };
        arena
    }

    /// The page allocator over it.
    pub(crate) fn pages<const CPUS: usize>(&self) -> PageAllocator<'_, Machine, CPUS> {
        let table = FrameTable::new(self.frames.start(), &self.pages, &self.blocks).unwrap();
        // A quarter of it is for devices.
        let (first, len) = (self.frames.start(), self.frames.len());
        let border = first.saturating_add(len / 4);
        let span = |kind, start, end| {
            let range = PfnRange::new(start, end);
            ZoneSpan { kind, range, present: range.len() }
        };
        let spans = [
            span(ZoneKind::Dma, first, border),
            span(ZoneKind::Normal, border, self.frames.end()),
            ZoneSpan::empty(ZoneKind::HighMem),
        ];
        let pages = PageAllocator::new(table, &spans, Machine::new(self.bytes)).unwrap();
        // The first page is not memory: address 0 of the linear map stays free.
        let first = self.frames.start().saturating_add(1);
        pages.release(PfnRange::new(first, self.frames.end())).unwrap();
        pages.start();
        pages
    }

    pub(crate) fn linear(&self) -> LinearMap {
        LinearMap::new(VirtAddr::new(PAGE_OFFSET), self.frames.as_phys())
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: it was allocated like this.
        unsafe { dealloc(self.bytes.as_ptr(), Self::layout(self.frames.len())) };
    }
}

/// Runs a test with an allocator over so many pages.
pub(crate) fn with_slabs<const CPUS: usize>(
    pages: u32,
    test: impl FnOnce(&SlabAllocator<'_, '_, Machine, CPUS>),
) {
    with_options(pages, SlabOptions::default(), test);
}

/// As [`with_slabs`], with these options.
pub(crate) fn with_options<const CPUS: usize>(
    pages: u32,
    options: SlabOptions<'static>,
    test: impl FnOnce(&SlabAllocator<'_, '_, Machine, CPUS>),
) {
    let arena = Arena::new(pages);
    let pages = arena.pages::<CPUS>();
    let mut place = Box::new(MaybeUninit::uninit());
    test(SlabAllocator::new_in(&mut place, &pages, arena.linear(), options).unwrap());
}

/// As [`with_slabs`], with a pool of guarded pages whose gate never opens by itself.
pub(super) fn with_pool<const CPUS: usize>(
    pages: u32,
    objects: u32,
    test: impl FnOnce(&SlabAllocator<'_, '_, Machine, CPUS>),
) {
    with_options(pages, SlabOptions::default(), |slabs| {
        begin_sampling(slabs, objects, 0);
        test(slabs);
    });
}

/// Has requests sampled.
pub(super) fn begin_sampling<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    objects: u32,
    interval: u32,
) {
    let order = Order::for_pages(Pool::pages_for(objects)).unwrap();
    let pfn = slabs.pages.alloc_raw(Gfp::GFP_KERNEL, order).unwrap();
    let pool = Pool::new(slabs.address(pfn, order).unwrap(), objects);
    // SAFETY: 1. the block was just taken; 2. the machine has single pages fault.
    unsafe { slabs.begin_sampling(pool, interval, 1) }.unwrap();
}

/// The pages that fault.
#[derive(Default)]
pub(super) struct Guard(Mutex<BTreeSet<u32>>);

impl Guard {
    fn is_protected(&self, virt: VirtAddr) -> bool {
        self.0.lock().unwrap().contains(&(virt.as_u32() / PAGE_SIZE))
    }
}

impl PageGuard for Guard {
    fn protect(&self, page: VirtAddr) {
        assert!(page.is_aligned(PAGE_SIZE));
        assert_eq!(watch::held(), 0, "a page is protected with a lock held");
        self.0.lock().unwrap().insert(page.as_u32() / PAGE_SIZE);
    }

    fn unprotect(&self, page: VirtAddr) {
        assert!(page.is_aligned(PAGE_SIZE));
        assert_eq!(watch::held(), 0, "a page is opened with a lock held");
        self.0.lock().unwrap().remove(&(page.as_u32() / PAGE_SIZE));
    }
}

/// An access to a byte, as the CPU makes it: if its page faults, the handler is asked, and it is made again.
pub(super) fn access<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    at: VirtAddr,
    kind: AccessKind,
) -> Option<KfenceReport> {
    let memory = slabs.memory();
    let mut report = None;
    if memory.is_protected(at) {
        report = slabs.on_fault(Access { at, kind, site: SITE_OF_ACCESS });
        assert!(report.is_some(), "nobody takes the fault at {at}");
    }
    let pointer = memory.pointer(at);
    match kind {
        // SAFETY: the arena's.
        AccessKind::Read => _ = unsafe { pointer.read_volatile() },
        // SAFETY: the arena's.
        AccessKind::Write => unsafe { pointer.write_volatile(0x42) },
    }
    report
}

/// Where tests make their accesses.
pub(super) const SITE_OF_ACCESS: u32 = 0xc020_4000;

/// Something that happens while a request waits.
type OnWait<'w> = Rc<dyn Fn(&Shortage) -> Answer + 'w>;

/// The machine. Answers each wait that nobody can help, unless the test says something else.
pub(crate) struct Machine {
    bytes: NonNull<u8>,
    cpu: AtomicUsize,
    told: Mutex<Vec<String>>,
    listed: Mutex<Vec<LiveObject>>,
    mistakes: Mutex<Vec<KfenceReport>>,
    guard: Guard,
    now: AtomicU32,
    site: AtomicU32,
    shortages: Mutex<Vec<Shortage>>,
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static ON_WAIT: RefCell<Option<OnWait<'static>>> = const { RefCell::new(None) };
}

/// Are interrupts masked on this thread's machine?
pub(crate) fn are_masked() -> bool {
    DEPTH.get() > 0
}

/// Interrupts are masked.
pub(crate) struct Masked {
    outer: u32,
    held: u32,
}

impl Drop for Masked {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(DEPTH.get(), self.outer + 1, "masks end in the reverse order of their making");
        assert_eq!(watch::held(), self.held, "a lock outlives the mask that it needs");
        DEPTH.set(self.outer);
        watch::forbid(self.outer == 0);
    }
}

impl Machine {
    fn new(bytes: NonNull<u8>) -> Self {
        DEPTH.set(0);
        watch::forbid(true);
        Self {
            bytes,
            cpu: AtomicUsize::new(0),
            told: Mutex::default(),
            listed: Mutex::default(),
            mistakes: Mutex::default(),
            guard: Guard::default(),
            now: AtomicU32::new(0),
            site: AtomicU32::new(0xc020_0000),
            shortages: Mutex::default(),
        }
    }

    /// Time passes.
    pub(super) fn set_now(&self, now: u32) {
        self.now.store(now, Relaxed);
    }

    /// Whoever calls the allocator from now on calls it from here.
    pub(super) fn set_site(&self, site: u32) {
        self.site.store(site, Relaxed);
    }

    /// The mistakes that the pool of guarded pages found since it was asked last, when something came back.
    pub(super) fn mistakes(&self) -> Vec<KfenceReport> {
        std::mem::take(&mut self.mistakes.lock().unwrap())
    }

    /// Does the page at an address fault?
    pub(super) fn is_protected(&self, virt: VirtAddr) -> bool {
        self.guard.is_protected(virt)
    }

    /// Goes on as this CPU.
    pub(crate) fn set_cpu(&self, cpu: usize) {
        self.cpu.store(cpu, Relaxed);
    }

    /// The reports since it was asked last.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// The objects that the last report of a busy cache listed.
    pub(crate) fn listed(&self) -> Vec<LiveObject> {
        std::mem::take(&mut self.listed.lock().unwrap())
    }

    /// Runs `run`, while each wait is what `act` does. Others may wait meanwhile.
    pub(crate) fn with_waits<'w, T>(
        &self,
        act: impl Fn(&Shortage) -> Answer + 'w,
        run: impl FnOnce() -> T,
    ) -> T {
        struct Ends;
        impl Drop for Ends {
            fn drop(&mut self) {
                ON_WAIT.set(None);
            }
        }
        let act: OnWait<'w> = Rc::new(act);
        // SAFETY: it is called as long as `run` runs, and forgotten then.
        ON_WAIT.set(Some(unsafe { transmute::<OnWait<'w>, OnWait<'static>>(act) }));
        let _ends = Ends;
        run()
    }

    /// The waits since it was asked last.
    pub(crate) fn shortages(&self) -> Vec<Shortage> {
        std::mem::take(&mut self.shortages.lock().unwrap())
    }

    fn offset(&self, offset: u32) -> NonNull<u8> {
        // SAFETY: the callers stay inside the arena.
        unsafe { self.bytes.add(offset as usize) }
    }

    fn at(&self, pfn: Pfn) -> NonNull<u8> {
        self.offset((pfn.as_u32() - FIRST) * PAGE_SIZE)
    }

    /// Fills an object.
    pub(crate) fn fill_object(&self, object: VirtAddr, bytes: u32, byte: u8) {
        // SAFETY: the test's object.
        unsafe { self.pointer(object).write_bytes(byte, bytes as usize) };
    }

    /// Does an object hold this byte and no other?
    pub(crate) fn is_filled(&self, object: VirtAddr, bytes: u32, byte: u8) -> bool {
        // SAFETY: the test's object.
        let found =
            unsafe { std::slice::from_raw_parts(self.pointer(object).as_ptr(), bytes as usize) };
        found.iter().all(|found| *found == byte)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        watch::forbid(false);
    }
}

impl Platform for Machine {
    type Masked = Masked;

    fn mask(&self) -> Masked {
        let outer = DEPTH.get();
        DEPTH.set(outer + 1);
        watch::forbid(false);
        Masked { outer, held: watch::held() }
    }

    fn cpu(&self, _: &Masked) -> usize {
        assert!(DEPTH.get() > 0);
        self.cpu.load(Relaxed)
    }

    fn contended(&self) {
        panic!("who has this lock will never run");
    }

    fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
        // SAFETY: a block that the allocator says is ours.
        unsafe { self.at(pfn).write_bytes(byte, order.bytes() as usize) };
    }

    fn first_other_than(&self, pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
        (0..order.bytes()).find_map(|offset| {
            // SAFETY: as in `fill`.
            let found = unsafe { self.at(pfn).add(offset as usize).read() };
            (found != byte).then_some((pfn.start().saturating_add(offset.into()), found))
        })
    }

    fn call_site(&self) -> u32 {
        self.site.load(Relaxed)
    }

    fn wait(&self, shortage: &Shortage) -> Answer {
        assert_eq!((DEPTH.get(), watch::held()), (0, 0), "a request sleeps where it must not");
        self.shortages.lock().unwrap().push(*shortage);
        let act = ON_WAIT.with_borrow(Clone::clone);
        act.map_or(Answer::NobodyCanHelp, |act| act(shortage))
    }

    fn report(&self, report: &Report<'_>) {
        assert_eq!(watch::held(), 0, "a report with a lock held");
        self.told.lock().unwrap().push(report.to_string());
        if let Report::Sampled { report } = report {
            self.mistakes.lock().unwrap().push((*report).clone());
        }
        if let Report::CacheBusy { live, .. } = report {
            *self.listed.lock().unwrap() = live.to_vec();
        }
    }
}

impl Lowmem for Machine {
    fn pointer(&self, virt: VirtAddr) -> NonNull<u8> {
        assert!(!self.is_protected(virt), "an access to {virt} faults");
        self.offset(virt.as_u32() - PAGE_OFFSET)
    }

    fn address(&self, pointer: *const u8) -> VirtAddr {
        let offset = pointer.addr() - self.bytes.addr().get();
        VirtAddr::new(PAGE_OFFSET + offset as u32)
    }

    fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }

    fn page_guard(&self) -> Option<&dyn PageGuard> {
        Some(&self.guard)
    }

    /// Whole words, as the kernel does.
    fn zero_bytes(&self, virt: VirtAddr, bytes: u32) {
        self.fill_object(virt, bytes.next_multiple_of(4), 0);
    }
}
