//! A machine whose CPUs are threads, and whose lowmem is an arena: for what lies in it.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use mm::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr, VirtAddr};
use mm::frame::{FrameTable, Page, PageBlocks};
use mm::map::linear::LinearMap;
use mm::platform::{Answer, Lowmem, Platform, Report, Shortage};
use mm::sync::AtomicU8;
use mm::zone::{PageAllocator, ZoneKind, ZoneSpan};

use crate::machine::this_cpu;

/// The first frame.
const FIRST: u32 = 0x4_0000;
const PAGE_OFFSET: u32 = 0xc000_0000;

/// Memory, and what the page allocator keeps its books in.
pub struct Arena {
    bytes: NonNull<u8>,
    frames: PfnRange,
    pages: Vec<Page>,
    blocks: Vec<AtomicU8>,
}

impl Arena {
    fn layout(pages: u32) -> Layout {
        Layout::from_size_align((pages * PAGE_SIZE) as usize, PAGE_SIZE as usize).unwrap()
    }

    /// So many pages, the first of which stays unused.
    pub fn new(pages: u32) -> Self {
        let frames = PfnRange::new(Pfn::new(FIRST), Pfn::new(FIRST + pages));
        // SAFETY: 1. the size is not 0.
        let bytes = unsafe { alloc_zeroed(Self::layout(pages)) };
        Self {
            bytes: NonNull::new(bytes).unwrap(),
            frames,
            pages: frames.iter().map(|_| Page::RESERVED).collect(),
            blocks: (0..PageBlocks::bytes_for(frames)).map(|_| AtomicU8::new(0)).collect(),
        }
    }

    /// The page allocator over it, with two zones.
    pub fn pages<const CPUS: usize>(&self) -> PageAllocator<'_, ArenaMachine, CPUS> {
        let table = FrameTable::new(self.frames.start(), &self.pages, &self.blocks).unwrap();
        let (start, end) = (self.frames.start(), self.frames.end());
        let border = start.saturating_add(self.frames.len() / 4);
        let span = |kind, start, end| {
            let range = PfnRange::new(start, end);
            ZoneSpan { kind, range, present: range.len() }
        };
        let spans = [
            span(ZoneKind::Dma, start, border),
            span(ZoneKind::Normal, border, end),
            ZoneSpan::empty(ZoneKind::HighMem),
        ];
        let bytes = self.frames.len() * PAGE_SIZE;
        let machine = ArenaMachine {
            bytes: self.bytes,
            len: bytes,
            told: Mutex::default(),
            patience: AtomicU32::new(0),
            interrupts: AtomicU32::new(0),
        };
        let pages = PageAllocator::new(table, &spans, machine).unwrap();
        pages.release(PfnRange::new(start.saturating_add(1), end)).unwrap();
        pages.start();
        pages
    }

    /// Where it is mapped.
    pub fn linear(&self) -> LinearMap {
        LinearMap::new(VirtAddr::new(PAGE_OFFSET), self.frames.as_phys())
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: 1. it was allocated like this.
        unsafe { dealloc(self.bytes.as_ptr(), Self::layout(self.frames.len())) };
    }
}

/// The machine. Each thread is a CPU of its own, and nothing interrupts it: so masking is nothing.
pub struct ArenaMachine {
    bytes: NonNull<u8>,
    len: u32,
    told: Mutex<Vec<String>>,
    patience: AtomicU32,
    /// Of so many masks one comes late; 0 for none.
    interrupts: AtomicU32,
}

thread_local! {
    static MASKS: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: the bytes are reached by who has them, as the allocators say.
unsafe impl Send for ArenaMachine {}
// SAFETY: as above.
unsafe impl Sync for ArenaMachine {}

impl ArenaMachine {
    /// What was reported since it was asked last.
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// From now on who waits has so many rounds. None at first: nobody can help.
    pub fn set_patience(&self, rounds: u32) {
        self.patience.store(rounds, Relaxed);
    }

    /// From now on each CPU is held up before every so many-th time that it masks interrupts, as by a handler
    /// that runs there: others get far in this time.
    pub fn interrupt_every(&self, masks: u32) {
        self.interrupts.store(masks, Relaxed);
    }

    /// So many bytes at an offset.
    fn at(&self, offset: u32, bytes: u32) -> NonNull<u8> {
        assert!(offset <= self.len && bytes <= self.len - offset, "outside memory");
        // SAFETY: 1. it is inside the arena.
        unsafe { self.bytes.add(offset as usize) }
    }

    fn block(&self, pfn: Pfn, order: Order) -> NonNull<u8> {
        self.at((pfn.as_u32() - FIRST) * PAGE_SIZE, order.bytes())
    }

    /// The words of an object. Atomic, so that a test in which two have it fails, and does nothing worse.
    pub fn words(&self, object: VirtAddr, bytes: u32) -> &[AtomicU32] {
        assert!(object.is_aligned(4));
        let first = self.at(object.as_u32() - PAGE_OFFSET, bytes).cast();
        // SAFETY: 1. they are inside the arena, and any bytes are words.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), bytes as usize / 4) }
    }
}

impl Platform for ArenaMachine {
    type Masked = ();

    fn mask(&self) {
        let every = self.interrupts.load(Relaxed);
        if every > 0 {
            MASKS.set(MASKS.get() + 1);
            if MASKS.get().is_multiple_of(every) {
                thread::sleep(Duration::from_micros(500));
            }
        }
    }

    fn cpu(&self, (): &()) -> usize {
        this_cpu()
    }

    fn contended(&self) {
        // The holder may be a thread that does not run.
        thread::yield_now();
    }

    fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
        // SAFETY: 1. they are inside the arena; 2. nobody else uses the block.
        unsafe { self.block(pfn, order).write_bytes(byte, order.bytes() as usize) };
    }

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        panic!("free pages are not poisoned");
    }

    fn call_site(&self) -> u32 {
        0
    }

    fn wait(&self, shortage: &Shortage) -> Answer {
        if shortage.round >= self.patience.load(Relaxed) {
            return Answer::NobodyCanHelp;
        }
        thread::yield_now();
        Answer::Retry
    }

    fn report(&self, report: &Report<'_>) {
        self.told.lock().unwrap().push(report.to_string());
    }
}

impl Lowmem for ArenaMachine {
    fn now(&self) -> u32 {
        0
    }

    fn pointer(&self, virt: VirtAddr) -> NonNull<u8> {
        self.at(virt.as_u32() - PAGE_OFFSET, 1)
    }

    fn address(&self, pointer: *const u8) -> VirtAddr {
        VirtAddr::new(PAGE_OFFSET + (pointer.addr() - self.bytes.addr().get()) as u32)
    }

    fn zero_bytes(&self, virt: VirtAddr, bytes: u32) {
        self.words(virt, bytes).iter().for_each(|word| word.store(0, Relaxed));
    }
}
