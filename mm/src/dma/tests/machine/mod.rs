//! A machine whose caches hold other bytes than memory, so that what is not maintained is seen.
//!
//! ```text
//!  CPU ──cacheable──▶ lines ─ evicted, or read ahead, whenever it likes ─▶ memory ◀── device
//!   └─────uncached────────────────────────────────────────────────────────▶
//! ```
//!
//! Lines are tagged by physical address. Before each access the machine does a few things that a CPU may do at any
//! time: it writes a dirty line out, drops a clean one, reads a line ahead that a live cacheable mapping reaches. What
//! breaks a rule is written down: an access to what is not mapped, an uncached access to what has a cacheable alias or
//! a line, a mapping over a live one, frames or sections that come back before a flush.
//!
//! One call of a maintenance operation can be left out, to see that its absence is seen.
#![expect(unsafe_code, reason = "the arena is memory")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod traits;

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::super::cache::DataCache;
use super::super::live::Watching;
use super::super::machine::{DmaMachine, HighPage, KernelMemory, LinearSections, NotTakenOut};
use super::super::memory::DmaMemory;
use crate::addr::{MIB, Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use crate::boot::layout::DMA;
use crate::frame::{FrameTable, Page, PageBlocks};
use crate::map::linear::LinearMap;
use crate::map::{Fresh, Mapped, MemoryType, Mmu, NoTable, Prot, Stale};
use crate::object::{SlabAllocator, SlabOptions};
use crate::platform::{Answer, Lowmem, Platform, Report, Shortage};
use crate::sync::{AtomicU8, watch};
use crate::zone::{Gfp, PageAllocator, ZoneKind, ZoneSpan};

pub(super) use traits::Machine;

pub(super) const LINE: u32 = 64;
pub(super) const FIRST: u32 = 0x40000;
pub(super) const PAGE_OFFSET: u32 = 0xc000_0000;
/// Where `kmap_local` maps.
const WINDOW: u32 = 0xfff0_0000;

/// The zones, in pages.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) dma: u32,
    pub(super) normal: u32,
    pub(super) high: u32,
}

/// 8, 16 and 4 MiB.
pub(super) const BOARD: Sizes = Sizes { dma: 2048, normal: 4096, high: 1024 };
/// The same without HighMem.
pub(super) const LOW: Sizes = Sizes { high: 0, ..BOARD };

impl Sizes {
    const fn lowmem(self) -> u32 {
        self.dma + self.normal
    }

    const fn all(self) -> u32 {
        self.lowmem() + self.high
    }

    /// The physical address behind the zone.
    pub(super) const fn end(self, kind: ZoneKind) -> u32 {
        let pages = match kind {
            ZoneKind::Dma => self.dma,
            ZoneKind::Normal => self.lowmem(),
            ZoneKind::HighMem => self.all(),
        };
        (FIRST + pages) * PAGE_SIZE
    }
}

/// What is maintained.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Op {
    Clean,
    Invalidate,
    Publish,
    Flush,
    TakeOut,
}

#[derive(Clone)]
struct Line {
    bytes: [u8; LINE as usize],
    is_dirty: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Live,
    Stale,
}

/// What changes.
struct Inner {
    lines: BTreeMap<u32, Line>,
    region: BTreeMap<u32, (Pfn, State)>,
    /// Sections that are out of the linear map, by number; does a TLB still know them?
    out: BTreeMap<u32, bool>,
    windows: Vec<Pfn>,
    /// Where it reads ahead.
    ahead: Vec<(u32, u32)>,
    random: u64,
    skip: Option<(Op, u32)>,
    done: BTreeMap<Op, u32>,
    wrong: Vec<String>,
    told: Vec<String>,
    tables: bool,
    fails_take_out: bool,
}

/// The machine, and what the allocators keep their books in.
pub(super) struct World {
    bytes: NonNull<u8>,
    sizes: Sizes,
    pages: Vec<Page>,
    blocks: Vec<AtomicU8>,
    inner: Mutex<Inner>,
}

// SAFETY: bytes of the arena are touched by one thread, or under the lock.
unsafe impl Sync for World {}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

pub(super) type Dma<'s, 'w> = DmaMemory<'s, 'w, Machine<'w>, Machine<'w>>;

impl World {
    fn layout(sizes: Sizes) -> Layout {
        Layout::from_size_align((sizes.all() * PAGE_SIZE) as usize, PAGE_SIZE as usize).unwrap()
    }

    pub(super) fn new(sizes: Sizes, seed: u64) -> Self {
        DEPTH.set(0);
        watch::forbid(true);
        let frames = PfnRange::new(Pfn::new(FIRST), Pfn::new(FIRST + sizes.all()));
        // SAFETY: the size is not 0.
        let bytes = NonNull::new(unsafe { alloc_zeroed(Self::layout(sizes)) }).unwrap();
        Self {
            bytes,
            sizes,
            pages: frames.iter().map(|_| Page::RESERVED).collect(),
            blocks: (0..PageBlocks::bytes_for(frames)).map(|_| AtomicU8::new(0)).collect(),
            inner: Mutex::new(Inner {
                lines: BTreeMap::new(),
                region: BTreeMap::new(),
                out: BTreeMap::new(),
                windows: Vec::new(),
                ahead: Vec::new(),
                random: seed | 1,
                skip: None,
                done: BTreeMap::new(),
                wrong: Vec::new(),
                told: Vec::new(),
                tables: false,
                fails_take_out: false,
            }),
        }
    }

    fn allocator(&self) -> PageAllocator<'_, Machine<'_>> {
        let Sizes { dma, normal, high } = self.sizes;
        let table = FrameTable::new(Pfn::new(FIRST), &self.pages, &self.blocks).unwrap();
        let mut next = FIRST;
        let mut span = |kind, pages: u32| {
            let range = PfnRange::new(Pfn::new(next), Pfn::new(next + pages));
            next += pages;
            if pages == 0 {
                ZoneSpan::empty(kind)
            } else {
                ZoneSpan { kind, range, present: pages }
            }
        };
        let spans = [
            span(ZoneKind::Dma, dma),
            span(ZoneKind::Normal, normal),
            span(ZoneKind::HighMem, high),
        ];
        let pages = PageAllocator::new(table, &spans, Machine(self)).unwrap();
        let first = Pfn::new(FIRST + 1);
        pages.release(PfnRange::new(first, Pfn::new(FIRST + self.sizes.all()))).unwrap();
        pages.start();
        pages
    }

    pub(super) fn linear(&self) -> LinearMap {
        let start = Pfn::new(FIRST).start();
        let end = PhysAddr::new(self.sizes.end(ZoneKind::Normal).into());
        LinearMap::new(VirtAddr::new(PAGE_OFFSET), PhysRange::new(start, end))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        act(&mut self.inner.lock().unwrap())
    }

    // The test's side.

    /// What broke a rule since it was asked last.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.with(|inner| std::mem::take(&mut inner.wrong))
    }

    /// The reports since it was asked last.
    pub(super) fn told(&self) -> Vec<String> {
        self.with(|inner| std::mem::take(&mut inner.told))
    }

    /// How often something was maintained.
    pub(super) fn done(&self, op: Op) -> u32 {
        self.with(|inner| inner.done.get(&op).copied().unwrap_or(0))
    }

    /// Leaves out the `nth` call of `op` from now on.
    pub(super) fn skip(&self, op: Op, nth: u32) {
        self.with(|inner| inner.skip = Some((op, nth)));
    }

    pub(super) fn fail_take_out(&self, fails: bool) {
        self.with(|inner| inner.fails_take_out = fails);
    }

    pub(super) fn sections_out(&self) -> usize {
        self.with(|inner| inner.out.len())
    }

    pub(super) fn mapped_pages(&self) -> usize {
        self.with(|inner| inner.region.len())
    }

    /// Keeps a frame mapped, as an idle slot of `kmap` would: so it can be read ahead.
    pub(super) fn pin(&self, pfn: Pfn) {
        self.with(|inner| inner.windows.push(pfn));
    }

    /// The machine reads ahead here, too.
    pub(super) fn read_ahead(&self, phys: u32, bytes: u32) {
        self.with(|inner| inner.ahead.push((phys, bytes)));
    }

    /// The device reads or writes memory.
    pub(super) fn device_write(&self, phys: u32, bytes: &[u8]) {
        // Quick, and then time goes by.
        for (at, byte) in (phys..).zip(bytes) {
            if at % 16 == 0 {
                self.chaos();
            }
            self.store(at, *byte);
        }
        for _ in 0..200 {
            self.chaos();
        }
    }

    pub(super) fn device_read(&self, phys: u32, bytes: u32) -> Vec<u8> {
        self.chaos();
        (phys..phys + bytes).map(|at| self.load(at)).collect()
    }

    /// The CPU writes at kernel addresses.
    pub(super) fn cpu_write(&self, virt: VirtAddr, bytes: &[u8]) {
        for (at, byte) in (virt.as_u32()..).zip(bytes) {
            self.cpu_store(at, *byte);
        }
    }

    pub(super) fn cpu_read(&self, virt: VirtAddr, bytes: u32) -> Vec<u8> {
        (virt.as_u32()..virt.as_u32() + bytes).map(|at| self.cpu_load(at)).collect()
    }

    /// The CPU writes to frames, which need not be mapped.
    pub(super) fn frame_write(&self, phys: u32, bytes: &[u8]) {
        for (at, byte) in (phys..).zip(bytes) {
            Machine(self).with_page(Pfn::new(at / PAGE_SIZE), |page| {
                self.cpu_store(page.as_u32() + at % PAGE_SIZE, *byte);
            });
        }
    }

    pub(super) fn frame_read(&self, phys: u32, bytes: u32) -> Vec<u8> {
        (phys..phys + bytes)
            .map(|at| {
                let load = |page: VirtAddr| self.cpu_load(page.as_u32() + at % PAGE_SIZE);
                Machine(self).with_page(Pfn::new(at / PAGE_SIZE), load)
            })
            .collect()
    }

    // Memory.

    fn pointer_to(&self, phys: u32) -> NonNull<u8> {
        let offset = phys.wrapping_sub(FIRST * PAGE_SIZE);
        assert!(offset < self.sizes.all() * PAGE_SIZE, "no memory at {phys:#x}");
        // SAFETY: it is inside the arena.
        unsafe { self.bytes.add(offset as usize) }
    }

    fn load(&self, phys: u32) -> u8 {
        // SAFETY: a byte of the arena.
        unsafe { self.pointer_to(phys).read() }
    }

    fn store(&self, phys: u32, byte: u8) {
        // SAFETY: as in `load`.
        unsafe { self.pointer_to(phys).write(byte) }
    }

    // The CPU.

    /// The physical address, and whether it is cacheable.
    fn translate(&self, inner: &mut Inner, virt: u32) -> Option<(u32, bool)> {
        let lowmem = self.sizes.lowmem() * PAGE_SIZE;
        if virt.wrapping_sub(PAGE_OFFSET) < lowmem {
            let phys = virt - PAGE_OFFSET + FIRST * PAGE_SIZE;
            if inner.out.contains_key(&(phys / MIB as u32)) {
                inner.wrong.push(format!("{virt:#x} is out of the linear map"));
                return None;
            }
            return Some((phys, true));
        }
        if virt >= WINDOW {
            let pfn = inner.windows.get(((virt - WINDOW) / PAGE_SIZE) as usize);
            let Some(pfn) = pfn else {
                inner.wrong.push(format!("no frame is mapped at {virt:#x}"));
                return None;
            };
            return Some((pfn.as_u32() * PAGE_SIZE + virt % PAGE_SIZE, true));
        }
        match inner.region.get(&(virt / PAGE_SIZE)) {
            Some((pfn, State::Live)) => Some((pfn.as_u32() * PAGE_SIZE + virt % PAGE_SIZE, false)),
            other => {
                let what = match other {
                    None => "not mapped",
                    Some((_, State::Fresh)) => "not published",
                    Some(_) => "not mapped any more",
                };
                inner.wrong.push(format!("{virt:#x} is {what}"));
                None
            }
        }
    }

    /// An uncached access: no cacheable mapping, no line.
    fn check_uncached(&self, inner: &mut Inner, phys: u32) {
        let pfn = Pfn::new(phys / PAGE_SIZE);
        if self.has_alias(inner, pfn) {
            inner.wrong.push(format!("{phys:#x} has a cacheable alias"));
        }
        if inner.lines.contains_key(&(phys / LINE)) {
            inner.wrong.push(format!("{phys:#x} is uncached, and has a line"));
        }
    }

    fn has_alias(&self, inner: &Inner, pfn: Pfn) -> bool {
        let section = pfn.as_u32() * PAGE_SIZE / MIB as u32;
        let is_low = pfn.as_u32() < FIRST + self.sizes.lowmem();
        let is_linear = is_low && inner.out.get(&section).is_none_or(|is_stale| *is_stale);
        is_linear || inner.windows.contains(&pfn)
    }

    fn cpu_load(&self, virt: u32) -> u8 {
        self.chaos();
        let mut inner = self.inner.lock().unwrap();
        match self.translate(&mut inner, virt) {
            Some((phys, true)) => self.line(&mut inner, phys).bytes[(phys % LINE) as usize],
            Some((phys, false)) => {
                self.check_uncached(&mut inner, phys);
                self.load(phys)
            }
            None => 0xee,
        }
    }

    fn cpu_store(&self, virt: u32, byte: u8) {
        self.chaos();
        let mut inner = self.inner.lock().unwrap();
        match self.translate(&mut inner, virt) {
            Some((phys, true)) => {
                let line = self.line(&mut inner, phys);
                line.bytes[(phys % LINE) as usize] = byte;
                line.is_dirty = true;
            }
            Some((phys, false)) => {
                self.check_uncached(&mut inner, phys);
                self.store(phys, byte);
            }
            None => {}
        }
    }

    // The cache.

    fn line<'i>(&self, inner: &'i mut Inner, phys: u32) -> &'i mut Line {
        let number = phys / LINE;
        inner.lines.entry(number).or_insert_with(|| Line {
            bytes: std::array::from_fn(|at| self.load(number * LINE + at as u32)),
            is_dirty: false,
        })
    }

    fn write_out(&self, inner: &mut Inner, number: u32) {
        let Some(line) = inner.lines.get_mut(&number).filter(|line| line.is_dirty) else { return };
        line.is_dirty = false;
        for (at, byte) in (number * LINE..).zip(line.bytes) {
            self.store(at, byte);
        }
    }

    /// What a CPU may do at any time.
    fn chaos(&self) {
        let mut inner = self.inner.lock().unwrap();
        let inner = &mut *inner;
        if inner.random(4) == 0
            && let Some((phys, bytes)) = inner.pick_ahead()
        {
            let at = phys + inner.random(bytes);
            if self.has_alias(inner, Pfn::new(at / PAGE_SIZE)) {
                self.line(inner, at);
            }
        }
        if inner.random(8) == 0 && !inner.lines.is_empty() {
            let (phys, bytes) =
                inner.pick_ahead().unwrap_or((FIRST * PAGE_SIZE, self.sizes.all() * PAGE_SIZE));
            let from = (phys + inner.random(bytes)) / LINE;
            let next = inner.lines.range(from..).next().or_else(|| inner.lines.iter().next());
            let number = *next.unwrap().0;
            self.write_out(inner, number);
            if inner.random(2) == 0 {
                inner.lines.remove(&number);
            }
        }
    }

    fn forget_lines(&self, phys: u32, bytes: u32) {
        self.with(|inner| {
            let (first, end) = (phys / LINE, (phys + bytes).div_ceil(LINE));
            for number in first..end {
                self.write_out(inner, number);
                inner.lines.remove(&number);
            }
        });
    }

    fn maintain(&self, op: Op, range: VirtRange, cleans: bool, drops: bool) {
        self.chaos();
        let mut inner = self.inner.lock().unwrap();
        let inner = &mut *inner;
        if inner.skips(op) {
            return;
        }
        let (start, end) = (range.start().as_u32(), range.end().as_u32());
        let mut at = start & !(LINE - 1);
        while at < end {
            let is_whole = start <= at && at + LINE <= end;
            if let Some((phys, _)) = self.translate(inner, at.max(start)) {
                if cleans || !is_whole {
                    self.write_out(inner, phys / LINE);
                }
                if drops {
                    inner.lines.remove(&(phys / LINE));
                }
            }
            at += LINE;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        watch::forbid(false);
        // SAFETY: it was allocated like this.
        unsafe { dealloc(self.bytes.as_ptr(), Self::layout(self.sizes)) };
    }
}

impl Inner {
    fn random(&mut self, below: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if below == 0 { 0 } else { (self.random >> 32) as u32 % below }
    }

    fn pick_ahead(&mut self) -> Option<(u32, u32)> {
        let which = self.random(self.ahead.len() as u32);
        self.ahead.get(which as usize).copied()
    }

    /// Counts a call, and says whether it is to be left out.
    fn skips(&mut self, op: Op) -> bool {
        *self.done.entry(op).or_default() += 1;
        match &mut self.skip {
            Some((what, nth)) if *what == op && *nth > 0 => {
                *nth -= 1;
                *nth == 0
            }
            _ => false,
        }
    }
}

/// Runs a test with DMA memory without pools.
pub(super) fn with_dma<R>(
    world: &World,
    watching: Watching,
    test: impl FnOnce(&mut Dma<'_, '_>) -> R,
) -> R {
    let pages = world.allocator();
    let mut place = Box::new(MaybeUninit::uninit());
    let slabs = SlabAllocator::new_in(&mut place, &pages, world.linear(), SlabOptions::default());
    let slabs = slabs.unwrap();
    let machine = Machine(world);
    let mut dma = DmaMemory::new(DMA, world.linear(), &pages, slabs, &machine, watching).unwrap();
    let result = test(&mut dma);
    assert_eq!(pages.validate(), Ok(()));
    assert!(slabs.validate().is_ok());
    result
}
