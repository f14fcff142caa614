//! A machine whose CPUs are threads, and whose memory knows whose each page is.
//!
//! Each page is one word. It holds the stamp of its owner, or nothing; who takes a page says so with an
//! exchange, so two who have the same page find out, in whichever order they come.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use mm::addr::{Order, Pfn, PfnRange, PhysAddr};
use mm::frame::{FrameTable, Page, PageBlocks};
use mm::platform::{Answer, Platform, Report, Shortage};
use mm::sync::{AtomicU8, AtomicU32 as Word};
use mm::zone::{PageAllocator, ZoneKind, ZoneSpan};

/// What a page of nobody holds: what was never written, or poison.
const NOBODY: [u32; 2] = [0, 0xaaaa_aaaa];

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
    static STAMPS: Cell<u32> = const { Cell::new(0) };
}

/// Goes on as this CPU.
pub fn become_cpu(cpu: usize) {
    CPU.set(cpu);
}

/// The CPU that this thread is.
pub fn this_cpu() -> usize {
    CPU.get()
}

/// A stamp that no other owner has or had.
fn new_stamp() -> u32 {
    STAMPS.set(STAMPS.get() + 1);
    (this_cpu() as u32 + 1) << 27 | STAMPS.get()
}

/// The arrays beneath an allocator.
pub struct Memory {
    range: PfnRange,
    pages: Vec<Page>,
    blocks: Vec<AtomicU8>,
    pub owners: Vec<Word>,
}

impl Memory {
    pub fn new(start: u32, end: u32) -> Self {
        let range = PfnRange::new(Pfn::new(start), Pfn::new(end));
        Self {
            range,
            pages: range.iter().map(|_| Page::RESERVED).collect(),
            blocks: (0..PageBlocks::bytes_for(range)).map(|_| AtomicU8::new(0)).collect(),
            owners: range.iter().map(|_| Word::new(0)).collect(),
        }
    }

    /// An allocator for zones that reach from one border to the next. It has no page yet.
    pub fn allocator<const CPUS: usize>(
        &self,
        borders: [u32; 4],
    ) -> PageAllocator<'_, Machine, CPUS> {
        let table = FrameTable::new(self.range.start(), &self.pages, &self.blocks).unwrap();
        let spans = ZoneKind::ALL.map(|kind| {
            let [start, end] = [borders[kind.index()], borders[kind.index() + 1]];
            let range = PfnRange::new(Pfn::new(start), Pfn::new(end));
            ZoneSpan { kind, range, present: range.len() }
        });
        PageAllocator::new(table, &spans, Machine::new(self.range)).unwrap()
    }
}

/// Who could free memory, for those that wait.
#[derive(Default)]
struct Helpers {
    /// Threads that have not ended.
    running: usize,
    /// How often one of them has given something back.
    turns: u64,
}

pub struct Machine {
    range: PfnRange,
    words: Vec<AtomicU32>,
    faults: Mutex<VecDeque<String>>,
    helpers: Mutex<Helpers>,
    helped: Condvar,
    waits: AtomicU32,
}

impl Machine {
    fn new(range: PfnRange) -> Self {
        Self {
            range,
            words: range.iter().map(|_| AtomicU32::new(0)).collect(),
            faults: Mutex::default(),
            helpers: Mutex::default(),
            helped: Condvar::new(),
            waits: AtomicU32::new(0),
        }
    }

    fn words(&self, frames: PfnRange) -> impl Iterator<Item = (Pfn, &AtomicU32)> {
        let first = (frames.start().as_u32() - self.range.start().as_u32()) as usize;
        frames.iter().zip(&self.words[first..])
    }

    /// Something that must not be.
    fn fault(&self, what: String) {
        self.faults.lock().unwrap().push_back(what);
    }

    /// Has something happened that must not?
    pub fn is_faulty(&self) -> bool {
        !self.faults.lock().unwrap().is_empty()
    }

    pub fn first_fault(&self) -> Option<String> {
        self.faults.lock().unwrap().front().cloned()
    }

    /// How often a request has waited.
    pub fn waits(&self) -> u32 {
        self.waits.load(Relaxed)
    }

    /// So many threads run, each of which ends with [`end`](Self::end).
    pub fn begin(&self, threads: usize) {
        self.helpers.lock().unwrap().running = threads;
    }

    /// A thread has given something back.
    pub fn help(&self) {
        self.helpers.lock().unwrap().turns += 1;
        self.helped.notify_all();
    }

    /// A thread gives back nothing any more.
    pub fn end(&self) {
        self.helpers.lock().unwrap().running -= 1;
        self.helped.notify_all();
    }
}

/// Frames that somebody has, and that hold his stamp.
pub struct Stamped<'p> {
    machine: &'p Machine,
    frames: PfnRange,
    stamp: u32,
}

impl<'p> Stamped<'p> {
    /// Whoever has taken frames from the allocator says that they are his.
    pub fn new(machine: &'p Machine, frames: PfnRange) -> Arc<Self> {
        let stamp = new_stamp();
        for (pfn, word) in machine.words(frames) {
            let before = word.swap(stamp, Relaxed);
            if !NOBODY.contains(&before) {
                machine.fault(format!("pfn {pfn} of {stamp:#x} is {before:#x}'s"));
            }
        }
        Arc::new(Self { machine, frames, stamp })
    }
}

/// Before the frames are given back.
impl Drop for Stamped<'_> {
    fn drop(&mut self) {
        let Self { machine, frames, stamp } = *self;
        for (pfn, word) in machine.words(frames) {
            let found = word.swap(0, Relaxed);
            if found != stamp {
                machine.fault(format!("pfn {pfn} of {stamp:#x} has become {found:#x}'s"));
            }
        }
    }
}

impl Platform for Machine {
    type Masked = ();

    fn mask(&self) {}

    fn cpu(&self, (): &()) -> usize {
        this_cpu()
    }

    fn contended(&self) {
        // The holder may be a thread that does not run.
        thread::yield_now();
    }

    fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
        let frames = PfnRange::new(pfn, pfn.saturating_add(order.pages()));
        for (pfn, word) in self.words(frames) {
            let before = word.swap(u32::from_ne_bytes([byte; 4]), Relaxed);
            if !NOBODY.contains(&before) {
                self.fault(format!("pfn {pfn} is filled, and {before:#x}'s"));
            }
        }
    }

    fn first_other_than(&self, pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
        let frames = PfnRange::new(pfn, pfn.saturating_add(order.pages()));
        self.words(frames).find_map(|(pfn, word)| {
            let bytes = word.load(Relaxed).to_ne_bytes();
            let other = bytes.iter().position(|found| *found != byte)?;
            Some((pfn.start().saturating_add(other as u64), bytes[other]))
        })
    }

    fn call_site(&self) -> u32 {
        this_cpu() as u32 + 1
    }

    /// Waits until another thread has given something back, or a tick long: nobody may know that it has.
    fn wait(&self, _: &Shortage) -> Answer {
        self.waits.fetch_add(1, Relaxed);
        let helpers = self.helpers.lock().unwrap();
        // Whoever waits is one of those that run.
        if helpers.running <= 1 {
            return Answer::NobodyCanHelp;
        }
        let before = helpers.turns;
        let is_waiting = |helpers: &mut Helpers| helpers.turns == before && helpers.running > 1;
        let tick = Duration::from_millis(1);
        drop(self.helped.wait_timeout_while(helpers, tick, is_waiting).unwrap());
        Answer::Retry
    }

    fn report(&self, report: &Report<'_>) {
        if !matches!(report, Report::AllocationFailed { .. }) {
            self.fault(report.to_string());
        }
    }
}
