//! The tick's part in the soak: its handler takes blocks with GFP_ATOMIC from every zone, holds some of
//! them over ticks, and gives them back, whatever it has interrupted.

use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::sync::IrqLock;
use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, PfnRange};
use mm::zone::Gfp;

use super::random::Random;
use super::stamp;
use crate::pages::{self, Pages};

/// Blocks that the handler holds at most.
const HELD: usize = 64;
/// Blocks that it takes or gives back at a tick, beside one larger than stacks have for each zone.
const BLOCKS: u32 = 8;
/// The smallest order that no stack has. One in so many blocks is as large as blocks get.
const WITHOUT_STACK: Order = match Order::new(Order::COSTLY.as_u8() + 1) {
    Some(order) => order,
    None => Order::MAX,
};
const LARGE: u32 = 4;
/// Ticks without an operation of what was interrupted, after which it hangs for good: a minute.
const PATIENCE: u32 = 15_000;

/// Where its blocks may come from.
const ZONES: [Gfp; 3] = [Gfp::GFP_DMA, Gfp::empty(), Gfp::__GFP_HIGHMEM];

/// What the handler has done.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Times that it came.
    pub ticks: u32,
    /// Blocks that it took.
    pub taken: u32,
    /// Requests that found no memory.
    pub refused: u32,
}

struct Handler {
    figures: Figures,
    random: Random,
    held: ArrayVec<(Pfn, Order, u32), HELD>,
    /// Operations of the interrupted code at the last tick, and ticks since there was another one.
    seen: u32,
    idle: u32,
}

static HANDLER: IrqLock<Option<Handler>> = IrqLock::new(None);
/// Operations of the code that it interrupts.
static OPERATIONS: AtomicU32 = AtomicU32::new(0);
/// Pages with another stamp than the handler's, blocks that it could not give back, and its own
/// state found locked.
static WRONG: AtomicU32 = AtomicU32::new(0);

/// Has the handler take part from the next tick on.
pub fn start(seed: u32) {
    WRONG.store(0, Ordering::Relaxed);
    let figures = Figures { ticks: 0, taken: 0, refused: 0 };
    let (random, held) = (Random::new(!seed), ArrayVec::new());
    *HANDLER.lock() = Some(Handler { figures, random, held, seen: 0, idle: 0 });
}

/// The interrupted code has begun its `number`-th operation.
pub fn note_operation(number: u32) {
    OPERATIONS.store(number, Ordering::Relaxed);
}

/// How much has gone wrong in the handler.
pub fn wrong() -> u32 {
    WRONG.load(Ordering::Relaxed)
}

/// Times that it came; 0 when it takes no part.
pub fn ticks() -> u32 {
    HANDLER.lock().as_ref().map_or(0, |handler| handler.figures.ticks)
}

/// The handler takes no part any more, and all that it held is back.
pub fn stop(pages: &Pages) -> Option<Figures> {
    let mut handler = HANDLER.lock().take()?;
    while !handler.held.is_empty() {
        handler.give(pages);
    }
    Some(handler.figures)
}

/// At every tick.
pub fn on_tick() {
    let Some(pages) = pages::get() else { return };
    // Whoever holds the lock keeps ticks out, or it is no lock.
    let Some(mut state) = HANDLER.try_lock() else {
        WRONG.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if let Some(handler) = &mut *state {
        handler.tick(pages);
    }
}

impl Handler {
    fn tick(&mut self, pages: &Pages) {
        self.figures.ticks += 1;
        self.look_for_progress();
        for _ in 0..BLOCKS {
            if self.held.is_full() || (!self.held.is_empty() && self.random.one_in(2)) {
                self.give(pages);
            } else {
                let order = self.random.small_order().min(Order::COSTLY);
                let zone = ZONES[self.random.below(ZONES.len() as u32) as usize];
                self.take(pages, zone, order);
            }
        }
        // These come from no stack: the zone's lock had better be free.
        for zone in ZONES {
            let is_large = self.random.one_in(LARGE) && !pages.poisons();
            self.take(pages, zone, if is_large { Order::MAX } else { WITHOUT_STACK });
            self.give(pages);
        }
    }

    fn look_for_progress(&mut self) {
        let now = OPERATIONS.load(Ordering::Relaxed);
        self.idle = if now == self.seen { self.idle + 1 } else { 0 };
        self.seen = now;
        assert!(self.idle < PATIENCE, "soak: operation {now} has not ended in {PATIENCE} ticks");
    }

    fn take(&mut self, pages: &Pages, zone: Gfp, order: Order) {
        if self.held.is_full() {
            self.give(pages);
        }
        let gfp = Gfp::GFP_ATOMIC | Gfp::__GFP_NOWARN | zone;
        let Ok(pfn) = pages::alloc(pages, gfp, order) else {
            self.figures.refused += 1;
            return;
        };
        self.figures.taken += 1;
        let stamp = self.random.next();
        stamp::write(block(pfn, order), stamp);
        self.held.push((pfn, order, stamp));
    }

    fn give(&mut self, pages: &Pages) {
        if self.held.is_empty() {
            return;
        }
        let index = self.random.below(self.held.len() as u32) as usize;
        let (pfn, order, stamp) = self.held.swap_remove(index);
        let is_ours = stamp::check(block(pfn, order), stamp).is_ok();
        // SAFETY: 1. `take` took it; 2. its stamps have been read for the last time.
        let freed = unsafe { pages::free(pages, pfn, order) };
        if !is_ours || freed.is_err() {
            WRONG.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn block(pfn: Pfn, order: Order) -> PfnRange {
    PfnRange::new(pfn, pfn.saturating_add(order.pages()))
}
