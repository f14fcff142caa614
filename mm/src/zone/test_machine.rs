//! A machine for tests of the page allocator: memory in vectors, a current CPU that the test sets, and
//! an eye on the rules.
//!
//! All CPUs are one thread, which is the CPU that the test says. So a lock that is held when somebody
//! wants it will never be free: that is a panic. So are a lock that is taken with interrupts on, masks
//! that do not end in the reverse order of their making, a wait or a report with a lock held, and bytes
//! that are written where no block is allocated.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use super::figures::MemoryFigures;
use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use super::span::{ZoneKind, ZoneSpan};
use crate::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr};
use crate::frame::{FrameTable, FreeError, Page, PageBlocks, PageState};
use crate::map::kmap::WrongUnmap;
use crate::platform::{Answer, Platform, Report, Shortage};
use crate::sync::{AtomicU8, AtomicU32 as Word, watch};

/// What memory holds that nobody wrote.
const GARBAGE: u8 = 0x5b;

/// The frame table's arrays, and that of owners.
pub(crate) struct Memory {
    range: PfnRange,
    pages: Vec<Page>,
    blocks: Vec<AtomicU8>,
    pub(crate) owners: Vec<Word>,
}

impl Memory {
    /// Descriptors for frames `start..end`.
    pub(crate) fn new(start: u32, end: u32) -> Self {
        let range = PfnRange::new(Pfn::new(start), Pfn::new(end));
        Self {
            range,
            pages: range.iter().map(|_| Page::RESERVED).collect(),
            blocks: (0..PageBlocks::bytes_for(range)).map(|_| AtomicU8::new(0)).collect(),
            owners: range.iter().map(|_| Word::new(0)).collect(),
        }
    }

    pub(crate) fn table(&self) -> FrameTable<'_> {
        FrameTable::resume(self.range.start(), &self.pages, &self.blocks)
    }

    /// An allocator over zones that reach from one border to the next, without a page yet. Zones between
    /// equal borders do not exist.
    pub(crate) fn allocator<const CPUS: usize>(
        &self,
        borders: [u32; 4],
    ) -> PageAllocator<'_, TestMachine<'_>, CPUS> {
        PageAllocator::new(self.table(), &spans(borders), TestMachine::new(self.table())).unwrap()
    }
}

/// A machine with one zone, whose memory was handed over but for the first frame, and that has started.
pub(crate) fn with_one_zone(
    memory: &Memory,
    tracks_owners: bool,
) -> PageAllocator<'_, TestMachine<'_>> {
    let range = memory.range;
    let (first, end) = (range.start().as_u32(), range.end().as_u32());
    let mut allocator = memory.allocator([first, end, end, end]);
    if tracks_owners {
        allocator.track_owners(&memory.owners);
    }
    allocator.release(PfnRange::new(Pfn::new(first + 1), range.end())).unwrap();
    allocator.start();
    allocator
}

/// The spans of zones that reach from one border to the next.
pub(crate) fn spans(borders: [u32; 4]) -> [ZoneSpan; ZoneKind::COUNT] {
    ZoneKind::ALL.map(|kind| {
        let [start, end] = [borders[kind.index()], borders[kind.index() + 1]];
        if start == end {
            return ZoneSpan::empty(kind);
        }
        let range = PfnRange::new(Pfn::new(start), Pfn::new(end));
        ZoneSpan { kind, range, present: range.len() }
    })
}

/// What one page holds.
#[derive(Clone, PartialEq, Eq)]
enum Content {
    All(u8),
    Bytes(Box<[u8]>),
}

/// A [`Report`], to keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Failed { gfp: Gfp, order: Order, figures: Box<MemoryFigures> },
    WrongFree(FreeError),
    WrongUnmap(WrongUnmap),
    StackCut { pfn: Pfn, state: Option<PageState> },
    Written { pfn: Pfn, order: Order, at: PhysAddr, found: u8, freed_by: Option<u32> },
}

/// Something that the machine does when a request waits.
type OnWait<'a> = Box<dyn FnMut(&Shortage) -> Answer + Send + 'a>;

/// The machine. Answers each wait as the script says, and that nobody can help when it has ended.
pub(crate) struct TestMachine<'a> {
    frames: FrameTable<'a>,
    cpu: AtomicUsize,
    call_site: AtomicU32,
    memory: Mutex<BTreeMap<Pfn, Content>>,
    told: Mutex<Vec<Told>>,
    shortages: Mutex<Vec<Shortage>>,
    answers: Mutex<VecDeque<Answer>>,
    on_wait: Mutex<Option<OnWait<'a>>>,
}

thread_local! {
    /// Machines that are alive in this thread. A test that is over must not leave its rules behind.
    static MACHINES: Cell<u32> = const { Cell::new(0) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static HANDLER: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

fn set_depth(depth: u32) {
    DEPTH.set(depth);
    watch::forbid(depth == 0 && MACHINES.get() > 0);
}

/// Has `handler` called whenever interrupts come on again, as an interrupt would that was pending. It is
/// not interrupted itself.
pub(crate) fn set_handler(handler: Option<Box<dyn FnMut()>>) {
    HANDLER.set(handler);
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
        set_depth(self.outer);
        if self.outer == 0
            && let Some(mut handler) = HANDLER.take()
        {
            handler();
            HANDLER.set(Some(handler));
        }
    }
}

impl<'a> TestMachine<'a> {
    fn new(frames: FrameTable<'a>) -> Self {
        MACHINES.set(MACHINES.get() + 1);
        set_depth(0);
        Self {
            frames,
            cpu: AtomicUsize::new(0),
            call_site: AtomicU32::new(0),
            memory: Mutex::default(),
            told: Mutex::default(),
            shortages: Mutex::default(),
            answers: Mutex::default(),
            on_wait: Mutex::new(None),
        }
    }

    /// Goes on as this CPU.
    pub(crate) fn set_cpu(&self, cpu: usize) {
        self.cpu.store(cpu, Relaxed);
    }

    /// Who calls the allocator from now on.
    pub(crate) fn set_call_site(&self, site: u32) {
        self.call_site.store(site, Relaxed);
    }

    /// How the next waits are answered.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// What happens when a request waits, in place of the script.
    pub(crate) fn on_wait(&self, act: impl FnMut(&Shortage) -> Answer + Send + 'a) {
        *self.on_wait.lock().unwrap() = Some(Box::new(act));
    }

    /// The waits since it was asked last.
    pub(crate) fn shortages(&self) -> Vec<Shortage> {
        std::mem::take(&mut self.shortages.lock().unwrap())
    }

    /// The reports since it was asked last.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// A byte of memory.
    pub(crate) fn byte(&self, pfn: Pfn, offset: usize) -> u8 {
        match self.memory.lock().unwrap().get(&pfn) {
            None => GARBAGE,
            Some(Content::All(byte)) => *byte,
            Some(Content::Bytes(bytes)) => bytes[offset],
        }
    }

    /// Writes a byte, whosever it is.
    pub(crate) fn poke(&self, pfn: Pfn, offset: usize, byte: u8) {
        let mut memory = self.memory.lock().unwrap();
        let content = memory.entry(pfn).or_insert(Content::All(GARBAGE));
        if let Content::All(all) = content {
            *content = Content::Bytes(vec![*all; PAGE_SIZE as usize].into());
        }
        if let Content::Bytes(bytes) = content {
            bytes[offset] = byte;
        }
    }

    /// Does the whole page hold this byte?
    pub(crate) fn is_all(&self, pfn: Pfn, byte: u8) -> bool {
        match self.memory.lock().unwrap().get(&pfn) {
            None => byte == GARBAGE,
            Some(Content::All(all)) => byte == *all,
            Some(Content::Bytes(bytes)) => bytes.iter().all(|other| *other == byte),
        }
    }

    fn block(&self, pfn: Pfn, order: Order) -> PfnRange {
        let block = PfnRange::new(pfn, pfn.saturating_add(order.pages()));
        assert_eq!(self.frames.range().intersection(&block), block, "not memory");
        block
    }
}

impl Drop for TestMachine<'_> {
    fn drop(&mut self) {
        MACHINES.set(MACHINES.get() - 1);
        set_depth(DEPTH.get());
    }
}

impl Platform for TestMachine<'_> {
    type Masked = Masked;

    fn mask(&self) -> Masked {
        let outer = DEPTH.get();
        set_depth(outer + 1);
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
        for pfn in self.block(pfn, order).iter() {
            let state = self.frames.block_of(pfn).map(|block| block.state);
            let is_ours = matches!(state, None | Some(PageState::Allocated { .. }));
            assert!(is_ours, "pfn {pfn} is written to, and in a block that is {state:?}");
            self.memory.lock().unwrap().insert(pfn, Content::All(byte));
        }
    }

    fn first_other_than(&self, pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
        let memory = self.memory.lock().unwrap();
        self.block(pfn, order).iter().find_map(|pfn| {
            let (offset, found) = match memory.get(&pfn) {
                None => (0, GARBAGE),
                Some(Content::All(all)) => (0, *all),
                Some(Content::Bytes(bytes)) => {
                    let offset = bytes.iter().position(|other| *other != byte)?;
                    (offset, bytes[offset])
                }
            };
            (found != byte).then_some((pfn.start().saturating_add(offset as u64), found))
        })
    }

    fn call_site(&self) -> u32 {
        self.call_site.load(Relaxed)
    }

    fn wait(&self, shortage: &Shortage) -> Answer {
        assert_eq!((DEPTH.get(), watch::held()), (0, 0), "a request sleeps where it must not");
        self.shortages.lock().unwrap().push(*shortage);
        let act = self.on_wait.lock().unwrap().take();
        match act {
            Some(mut act) => {
                let answer = act(shortage);
                *self.on_wait.lock().unwrap() = Some(act);
                answer
            }
            None => self.answers.lock().unwrap().pop_front().unwrap_or(Answer::NobodyCanHelp),
        }
    }

    fn report(&self, report: &Report<'_>) {
        assert_eq!(watch::held(), 0, "a report with a lock held");
        let told = match *report {
            Report::AllocationFailed { gfp, order, figures } => {
                Told::Failed { gfp, order, figures: Box::new(*figures) }
            }
            Report::WrongFree { error } => Told::WrongFree(error),
            Report::WrongUnmap { error } => Told::WrongUnmap(error),
            Report::StackCut { pfn, state } => Told::StackCut { pfn, state },
            Report::WrongObject { .. }
            | Report::ObjectFault { .. }
            | Report::ObjectTrace { .. }
            | Report::Sampled { .. }
            | Report::CacheBusy { .. }
            | Report::NoArea { .. }
            | Report::NoModuleArea { .. }
            | Report::WrongArea { .. } => panic!("no objects and no areas here"),
            Report::Dma { .. } => panic!("no devices here"),
            Report::WrittenWhileFree { pfn, order, at, found, freed_by } => {
                Told::Written { pfn, order, at, found, freed_by }
            }
        };
        self.told.lock().unwrap().push(told);
    }
}
