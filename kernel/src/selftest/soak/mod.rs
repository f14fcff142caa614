//! Suite `soak`, and the monitor's `soak`: the page allocator at work, from two sides.
//!
//! Random operations of every kind, with random flags, on random zones, in a tide: few blocks are held,
//! then many, then so many and so large ones that nothing is left. Meanwhile the handler of the tick
//! takes and gives back blocks of the same zones ([`handler`]). Every block is stamped ([`stamp`]), so
//! that a page with two owners is noticed. At the end all blocks are back, and the zones must be as they
//! were, block by block.
//!
//! It is the same sequence for the same seed, but for when ticks come.

mod handler;
pub mod random;
mod stamp;

use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, PfnRange};
use mm::zone::error::Why;
use mm::zone::{AllocError, Gfp, GfpError, PageBlock, PageRun, ZoneKind};

use self::random::Random;
use super::Checks;
use super::ledger::Ledger;
use super::pace::Pace;
use crate::console::println;
use crate::interrupts::tick;
use crate::monitor::Kernel;
use crate::pages::{self, Pages};
use crate::platform::Hardware;

pub use handler::on_tick;

/// Operations of the suite.
const OPERATIONS: u32 = 50_000;
/// Operations of one tide.
const TIDE: u32 = 8192;
/// Blocks held at once, at low and mean tide, and at the most.
const FEW: usize = 24;
const SOME: usize = 200;
const HELD: usize = 512;
/// Single pages in one bulk request at most.
const BULK: usize = 32;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    run_for(kernel, OPERATIONS, 1, checks);
}

/// So many operations.
pub fn run_for(kernel: &mut Kernel, operations: u32, seed: u32, checks: &mut Checks) {
    let pages = kernel.pages;
    // The slabs that nobody has an object of go when memory is short.
    kernel.slabs.shrink_all();
    let ledger = Ledger::open(pages);
    tick::watch(super::on_tick);
    handler::start(seed);
    let mut soak = Soak::new(pages, seed, checks);
    let mut pace = Pace::new("soak", operations);
    while soak.is_well() && pace.goes_on(handler::ticks) {
        soak.operate(pace.done());
        pace.advance();
    }
    while !soak.held.is_empty() {
        soak.give();
    }
    let tally = soak.tally;
    let handlers = handler::stop(pages);
    checks.equal(handler::wrong(), 0, format_args!("blocks that the tick's handler found spoilt"));
    ledger.check(checks, format_args!("with all blocks back"));
    checks.that(tally.taken > 0, format_args!("no block was taken"));
    let Tally { taken, shared, no_memory, flags, too_large } = tally;
    println!(
        "soak: {} operations, seed {seed}: {taken} blocks taken, {shared} shared; refused: \
         {no_memory} for want of memory, {flags} for their flags, {too_large} for their size",
        pace.done()
    );
    if let Some(handler::Figures { ticks, taken, refused }) = handlers {
        println!(
            "soak: {ticks} ticks, whose handler took {taken} blocks, and found {refused} none"
        );
        pace.check(ticks, checks);
    }
}

/// What came of requests.
#[derive(Default)]
struct Tally {
    taken: u32,
    shared: u32,
    no_memory: u32,
    flags: u32,
    too_large: u32,
}

/// Something that is held.
enum What {
    Block(PageBlock<'static, 'static, Hardware>),
    Run(PageRun<'static, 'static, Hardware>),
}

impl What {
    fn frames(&self) -> PfnRange {
        match self {
            Self::Block(block) => block.frames(),
            Self::Run(run) => run.frames(),
        }
    }
}

struct Soak<'c> {
    pages: &'static Pages,
    checks: &'c mut Checks,
    random: Random,
    held: ArrayVec<(What, u32), HELD>,
    tally: Tally,
    /// Gives back what there is, since there was too much.
    ebbs: bool,
}

impl<'c> Soak<'c> {
    fn new(pages: &'static Pages, seed: u32, checks: &'c mut Checks) -> Self {
        let (random, held, tally) = (Random::new(seed), ArrayVec::new(), Tally::default());
        Self { pages, checks, random, held, tally, ebbs: false }
    }

    /// Has nothing gone wrong? What does is not made worse.
    fn is_well(&self) -> bool {
        self.checks.failed == 0 && handler::wrong() == 0
    }

    /// The operation of this number.
    fn operate(&mut self, number: u32) {
        handler::note_operation(number);
        let is_spring_tide = (number / TIDE) % 3 == 2;
        let most = [FEW, SOME, HELD][(number / TIDE) as usize % 3];
        self.ebbs = self.held.len() >= most || (self.ebbs && self.held.len() > most / 4);
        if self.ebbs {
            return self.give();
        }
        match self.random.below(64) {
            0..22 => self.take(is_spring_tide),
            22..26 => self.take_exact(),
            26..34 if is_spring_tide => self.take(true),
            26..29 => self.take_bulk(),
            29..31 => self.take_and_give_bulk(),
            31..34 => self.share(),
            34..36 => self.take_from_one_zone(is_spring_tide),
            36 => self.rarely(),
            _ => self.give(),
        }
    }

    fn take(&mut self, large: bool) {
        let order = self.order(large);
        let gfp = self.random.gfp(order);
        let (result, check) = match self.random.below(8) {
            0 => (self.pages.get_free_pages(gfp, order), gfp.check_addressable()),
            1 if order == Order::ZERO => (self.pages.alloc_page(gfp), gfp.check()),
            _ => (self.pages.alloc_pages(gfp, order), gfp.check()),
        };
        if let Some(block) = self.judge(result, check) {
            self.hold(What::Block(block), gfp);
        }
    }

    fn order(&mut self, large: bool) -> Order {
        let order = if large { self.random.large_order() } else { self.random.small_order() };
        // To poison a large block, and to look for other bytes in it, takes a million instructions each.
        if self.pages.poisons() { order.min(Order::COSTLY) } else { order }
    }

    fn take_exact(&mut self) {
        let order = self.random.small_order();
        let gfp = self.random.gfp(order);
        // From none to more than there are in any block.
        let pages = self.random.below(2 * order.pages() + 1);
        let result = self.pages.alloc_pages_exact(gfp, pages);
        if let Some(run) = self.judge(result, gfp.check_exact()) {
            self.checks_len(&run, pages);
            self.hold(What::Run(run), gfp);
        }
    }

    fn take_contiguous(&mut self) {
        let most = if self.pages.poisons() { Order::COSTLY } else { Order::MAX };
        let pages = self.random.below(4 * most.pages());
        let gfp = self.random.gfp(Order::MAX);
        let result = self.pages.alloc_contig(gfp, pages);
        if let Some(run) = self.judge(result, gfp.check()) {
            self.checks_len(&run, pages);
            self.hold(What::Run(run), gfp);
        }
    }

    fn checks_len(&mut self, run: &PageRun<'static, 'static, Hardware>, pages: u32) {
        if run.frames().len() != pages {
            self.checks.that(false, format_args!("{run:?} for {pages} pages"));
        }
    }

    fn take_bulk(&mut self) {
        let gfp = self.random.gfp(Order::ZERO);
        let mut blocks = ArrayVec::<_, BULK>::new();
        let got = self.pages.alloc_pages_bulk(gfp, &mut blocks).unwrap_or(0);
        if got != blocks.len() || (got > 0 && gfp.check().is_err()) {
            self.checks.that(false, format_args!("{got} pages for {gfp}, {} came", blocks.len()));
        }
        for block in blocks {
            self.tally.taken += 1;
            self.hold(What::Block(block), gfp);
        }
    }

    /// By number, to and fro.
    fn take_and_give_bulk(&mut self) {
        let gfp = self.random.gfp(Order::ZERO);
        let mut pfns = [Pfn::default(); BULK];
        let wanted = self.random.below(BULK as u32 + 1) as usize;
        let got = pages::alloc_bulk(self.pages, gfp, &mut pfns[..wanted]);
        let stamp = self.random.next();
        let pfns = &pfns[..got];
        for pfn in pfns {
            stamp::write(single(*pfn), stamp);
        }
        for pfn in pfns {
            self.check_stamp(single(*pfn), stamp);
        }
        // SAFETY: 1. they were taken just now; 2. and have been looked at for the last time.
        let freed = unsafe { pages::free_bulk(self.pages, pfns) };
        if let Err(error) = freed {
            self.checks.that(false, format_args!("{got} pages in bulk: {error}"));
        }
        self.tally.taken += got as u32;
    }

    /// Down to the zone's last page.
    fn take_from_one_zone(&mut self, large: bool) {
        let order = self.order(large);
        let zone = ZoneKind::ALL[self.random.below(ZoneKind::COUNT as u32) as usize];
        let gfp = self.random.gfp(order);
        let result = self.pages.alloc_raw_in(zone, gfp, order);
        let Some(pfn) = self.judge(result, gfp.check()) else { return };
        if self.zone_of(pfn) != Some(zone) {
            self.checks.that(false, format_args!("pfn {pfn} is not in zone {zone}"));
        }
        // SAFETY: 1. it was taken just now.
        let block = unsafe { self.pages.own_raw(pfn, order) };
        let zeroed = gfp & Gfp::__GFP_ZERO;
        self.hold(What::Block(block), Gfp::GFP_HIGHUSER | zeroed);
    }

    /// Another reference to a block that is held.
    fn share(&mut self) {
        let Some(index) = self.any() else { return };
        let (What::Block(block), stamp) = &self.held[index] else { return };
        match block.share() {
            Ok(other) => {
                let stamp = *stamp;
                self.held.push((What::Block(other), stamp));
                self.tally.shared += 1;
            }
            Err(error) => self.checks.that(false, format_args!("{error}")),
        }
    }

    fn rarely(&mut self) {
        match self.random.below(32) {
            0..4 => self.take_contiguous(),
            4 => self.pages.drain(),
            5..8 => self.pages.tick(),
            8..16 => self.split(),
            _ => self.give(),
        }
    }

    /// Makes a block single pages.
    fn split(&mut self) {
        let Some(index) = self.any() else { return };
        let (what, stamp) = self.held.swap_remove(index);
        let what = match what {
            What::Block(block) => block.split().map_or_else(What::Block, What::Run),
            run @ What::Run(_) => run,
        };
        self.held.push((what, stamp));
    }

    /// A held one.
    fn any(&mut self) -> Option<usize> {
        let held = self.held.len() as u32;
        (held > 0).then(|| self.random.below(held) as usize)
    }

    /// Counts what a request came to. Flags are refused exactly when `check` does.
    fn judge<T>(
        &mut self,
        result: Result<T, AllocError>,
        check: Result<(), GfpError>,
    ) -> Option<T> {
        let why = result.as_ref().err().map(|error| error.why());
        let count = match (why, check) {
            (None, Ok(())) => &mut self.tally.taken,
            (Some(Why::NoMemory { .. }), Ok(())) => &mut self.tally.no_memory,
            (Some(Why::TooLarge { .. }), Ok(())) => &mut self.tally.too_large,
            (Some(Why::Flags(error)), Err(expected)) if error == expected => &mut self.tally.flags,
            (why, check) => {
                self.checks.that(false, format_args!("flags {check:?}, refused for {why:?}"));
                return None;
            }
        };
        *count += 1;
        result.ok()
    }

    /// Looks at what was taken, stamps it, and keeps it if there is room.
    fn hold(&mut self, what: What, gfp: Gfp) {
        let frames = what.frames();
        let stamp = self.random.next();
        let size = frames.len().next_power_of_two().min(Order::MAX.pages());
        let is_aligned = frames.start().as_u32().is_multiple_of(size);
        let last = frames.start().saturating_add(frames.len() - 1);
        let zones = [frames.start(), last].map(|pfn| self.zone_of(pfn));
        let is_allowed = zones[0].is_some_and(|zone| zone <= gfp.highest_zone());
        if !is_aligned || !is_allowed || zones[0] != zones[1] {
            self.checks.that(false, format_args!("{frames:?} in {zones:?} for {gfp}"));
        }
        if gfp.contains(Gfp::__GFP_ZERO)
            && let Err(wrong) = stamp::check_zeroed(frames, stamp)
        {
            self.checks.that(false, format_args!("not zeroed: {wrong} in {frames:?}"));
        }
        stamp::write(frames, stamp);
        if let Err(over) = self.held.try_push((what, stamp)) {
            self.give_back(over.element());
        }
    }

    fn zone_of(&self, pfn: Pfn) -> Option<ZoneKind> {
        let zone = self.pages.zones().iter().find(|zone| zone.span().contains(pfn))?;
        Some(zone.kind())
    }

    /// Gives one back.
    fn give(&mut self) {
        if let Some(index) = self.any() {
            let held = self.held.swap_remove(index);
            self.give_back(held);
        }
    }

    fn give_back(&mut self, (what, stamp): (What, u32)) {
        self.check_stamp(what.frames(), stamp);
        let What::Block(block) = what else { return };
        let order = block.order();
        let pfn = block.into_raw();
        // SAFETY: 1. the reference was the block's; 2. its pages have been looked at for the last time,
        // or others hold it.
        let freed = unsafe { pages::free(self.pages, pfn, order) };
        if let Err(error) = freed {
            self.checks.that(false, format_args!("{error}"));
        }
    }

    fn check_stamp(&mut self, frames: PfnRange, stamp: u32) {
        if let Err(wrong) = stamp::check(frames, stamp) {
            self.checks.that(false, format_args!("two owners: {wrong} in {frames:?}"));
        }
    }
}

fn single(pfn: Pfn) -> PfnRange {
    PfnRange::new(pfn, pfn.saturating_add(1))
}
