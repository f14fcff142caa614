//! Suite `object-soak`, and the monitor's `object-soak`: caches, `kmalloc`, the heap and pools at work, from
//! two sides.
//!
//! Random operations in a tide: few objects are held, then many, then for a while no page is left, and
//! requests live on slabs and pools. Meanwhile the handler of the tick takes and gives back objects of the
//! same caches and pools ([`handler`]), caches come and go, slabs are given back, pools change their size.
//! Every object is stamped from end to end ([`held`]). At the end all objects are back, every slab is given
//! back, caches and pools end without a word, and free memory is what it was, block by block.
//!
//! It is the same sequence for the same seed, but for when ticks come.

mod handler;
mod held;
mod world;

use core::sync::atomic::Ordering::Relaxed;

use arch_arm::interrupt;
use arrayvec::ArrayVec;
use mm::addr::{Order, VirtAddr};
use mm::object::SlabFlags;
use mm::zone::Gfp;

use self::handler::{GUESTS, WORLD};
use self::held::{Held, Source};
use self::world::{Fault, World, any_size};
use super::Checks;
use super::hoard::Hoard;
use super::ledger::Ledger;
use super::pace::Pace;
use super::soak::random::Random;
use crate::console::println;
use crate::interrupts::tick;
use crate::monitor::Kernel;
use crate::pages::{self, Pages};
use crate::slabs::Cache;

pub use handler::on_tick;

/// Operations of the suite: each tide is there.
const OPERATIONS: u32 = 60_000;
/// Operations of one tide, and those of a drought at most.
const TIDE: u32 = 8192;
const DROUGHT: u32 = 1024;
/// Objects held at most, tide by tide.
const TIDES: [usize; 4] = [24, 160, HELD, 160];
const HELD: usize = 384;
/// Objects in one bulk request at most.
const BULK: usize = 32;
/// Tries to make the caches and pools, where requests fail on purpose.
const TRIES: u32 = 256;
const KERNEL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN);
/// The largest objects of a cache that comes and goes.
const GUEST: u32 = 2000;
/// What is said of caches that come and go.
const GUEST_FLAGS: [SlabFlags; 8] = [
    SlabFlags::empty(),
    SlabFlags::empty(),
    SlabFlags::SLAB_NO_MERGE,
    SlabFlags::SLAB_HWCACHE_ALIGN,
    SlabFlags::SLAB_RECLAIM_ACCOUNT,
    SlabFlags::SLAB_CACHE_DMA,
    SlabFlags::SLAB_CONSISTENCY_CHECKS.union(SlabFlags::SLAB_RED_ZONE),
    SlabFlags::SLAB_CONSISTENCY_CHECKS.union(SlabFlags::SLAB_POISON),
];

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    run_for(kernel, OPERATIONS, 1, checks);
}

/// So many operations.
pub fn run_for(kernel: &mut Kernel, operations: u32, seed: u32, checks: &mut Checks) {
    let (pages, slabs) = (kernel.pages, kernel.slabs);
    slabs.shrink_all();
    let ledger = Ledger::open(pages);
    let Some(world) = (0..TRIES).find_map(|_| World::new(slabs)) else {
        if pages.injects_failures() || slabs.injects_failures() {
            return checks.skip("too many requests fail on purpose for caches and pools");
        }
        return checks.that(false, format_args!("no caches and pools in {TRIES} tries"));
    };
    *WORLD.write() = Some(world);
    tick::watch(super::on_tick);
    if let Some(world) = WORLD.read().as_ref() {
        handler::start(seed);
        soak(pages, world, operations, seed, checks);
    }
    let world = WORLD.write().take();
    if let Some(world) = world {
        world.end(checks);
    }
    slabs.shrink_all();
    let valid = slabs.validate();
    checks.that(valid.is_ok(), format_args!("{valid:?}"));
    ledger.check(checks, format_args!("with all objects back"));
}

fn soak(pages: &'static Pages, world: &World, operations: u32, seed: u32, checks: &mut Checks) {
    let mut soak = Soak::new(pages, world, seed);
    let mut pace = Pace::new("object-soak", operations);
    while soak.wrong.is_none() && world.faults() == 0 && pace.goes_on(handler::ticks) {
        soak.operate(pace.done());
        pace.advance();
    }
    soak.end();
    let handler::Figures { ticks, taken: by_handler, refused: from_handler } = handler::stop(world);
    let Tally { taken, refused, caches, droughts } = soak.tally;
    checks.that(soak.wrong.is_none(), format_args!("{}", soak.wrong.unwrap_or_default()));
    checks.that(taken > 0, format_args!("no object was taken"));
    let drawn = world.drawn.load(Relaxed);
    checks.that(droughts == 0 || drawn > 0, format_args!("no pool was drawn on"));
    pace.check(ticks, checks);
    println!(
        "object-soak: {} operations, seed {seed}: {taken} objects taken, {refused} refused; \
         {caches} caches came and went; {droughts} droughts, pools drawn on {drawn} times",
        pace.done()
    );
    println!(
        "object-soak: {ticks} ticks, whose handler took {by_handler} objects, and found \
         {from_handler} none"
    );
}

/// What came of requests.
#[derive(Default)]
struct Tally {
    taken: u32,
    refused: u32,
    caches: u32,
    droughts: u32,
}

struct Soak<'w> {
    pages: &'static Pages,
    world: &'w World,
    random: Random,
    held: ArrayVec<Held, HELD>,
    /// Caches that come and go. Two of them may be one, under two names.
    guests: ArrayVec<&'static Cache, GUESTS>,
    /// All free pages, during a drought.
    hoard: Hoard,
    tally: Tally,
    /// Gives back what there is, since there was too much.
    ebbs: bool,
    /// What is wrong that no object is to blame for.
    wrong: Option<&'static str>,
}

impl<'w> Soak<'w> {
    fn new(pages: &'static Pages, world: &'w World, seed: u32) -> Self {
        Self {
            pages,
            world,
            random: Random::new(seed),
            held: ArrayVec::new(),
            guests: ArrayVec::new(),
            hoard: Hoard::new(),
            tally: Tally::default(),
            ebbs: false,
            wrong: None,
        }
    }

    /// The operation of this number.
    fn operate(&mut self, number: u32) {
        let tide = (number / TIDE) as usize % TIDES.len();
        if tide == TIDES.len() - 1 {
            match number % TIDE {
                0 => self.begin_drought(),
                DROUGHT => self.end_drought(),
                _ => {}
            }
        }
        let most = TIDES[tide];
        self.ebbs = self.held.len() >= most || (self.ebbs && self.held.len() > most / 4);
        if self.ebbs {
            return self.give();
        }
        let is_drought = self.is_drought();
        match self.random.below(64) {
            0..26 => self.take(),
            26..28 => self.take_of_guest(),
            28..30 => self.take_bulk(),
            30..32 => self.give_bulk(),
            32..34 => self.resize(),
            34..37 => self.swap(),
            37 if !is_drought => self.come_or_go(),
            38 if !is_drought => self.world.resize_a_pool(&mut self.random),
            39 => self.rarely(),
            _ => self.give(),
        }
    }

    fn is_drought(&self) -> bool {
        self.world.is_drought.load(Relaxed)
    }

    /// Who may wait does, and who may not lives on the reserve.
    fn gfp(&mut self) -> Gfp {
        let gfp = if self.random.one_in(4) { Gfp::GFP_ATOMIC } else { Gfp::GFP_KERNEL };
        gfp | Gfp::__GFP_NOWARN
    }

    fn take(&mut self) {
        let gfp = self.gfp();
        let taken = self.world.take(&mut self.random, gfp);
        self.keep(taken);
    }

    fn take_of_guest(&mut self) {
        let guest = self.random.below(GUESTS as u32) as usize;
        if let Some(cache) = self.guests.get(guest).copied() {
            let gfp = self.gfp();
            let taken = self.world.take_of(cache, &mut self.random, gfp);
            self.keep(taken);
        }
    }

    fn keep(&mut self, taken: Option<Held>) {
        match taken {
            Some(held) => {
                self.tally.taken += 1;
                if let Err(over) = self.held.try_push(held) {
                    self.world.give(over.element());
                }
            }
            None => self.tally.refused += 1,
        }
    }

    /// Many of one cache: all or none.
    fn take_bulk(&mut self) {
        let caches = &self.world.caches;
        let cache = caches[self.random.below(caches.len() as u32) as usize];
        let mut objects = [VirtAddr::new(0); BULK];
        let wanted = self.random.below(BULK as u32 + 1) as usize;
        let objects = &mut objects[..wanted];
        let gfp = self.gfp();
        if self.world.slabs.take_objects(cache, gfp, objects).is_err() {
            self.tally.refused += 1;
            return;
        }
        let (bytes, source) = (cache.object_size(), self.world.source(cache));
        for object in objects {
            let held = self.world.hold(*object, bytes, source, &mut self.random, Gfp::empty());
            self.keep(Some(held));
        }
    }

    /// All that is held of one cache, in one call.
    fn give_bulk(&mut self) {
        let caches = &self.world.caches;
        let cache = caches[self.random.below(caches.len() as u32) as usize];
        let mut objects = ArrayVec::<VirtAddr, BULK>::new();
        let mut index = 0;
        while index < self.held.len() && !objects.is_full() {
            match self.held[index].source {
                Source::Cache(from) | Source::Ready(from) if core::ptr::eq(from, cache) => {
                    let held = self.held.swap_remove(index);
                    self.world.finish(&held);
                    objects.push(held.object);
                }
                _ => index += 1,
            }
        }
        // SAFETY: 1. they came from there, and their owners ended above; 2. nobody looks at them; 3. they
        // are as their constructor left them.
        let given = unsafe { self.world.slabs.free_objects(cache, &objects) };
        if given.is_err() {
            self.wrong = Some("objects of one cache were not given back in one call");
        }
    }

    /// Another size for memory of `kmalloc`, which keeps what it holds.
    fn resize(&mut self) {
        let is_kmalloc = |held: &Held| matches!(held.source, Source::Kmalloc);
        let Some(index) = self.held.iter().position(is_kmalloc) else { return };
        let bytes = any_size(&mut self.random);
        let old = &self.held[index];
        let slabs = self.world.slabs;
        if !old.is_stamped() {
            return self.world.note(Fault::Spoilt, old);
        }
        // SAFETY: 1. it is ours, and forgotten below; nobody else writes to it.
        let Ok(object) = (unsafe { slabs.krealloc(old.object, bytes, KERNEL) }) else {
            self.tally.refused += 1;
            return;
        };
        let moved = Held { object, ..*old };
        let kept = moved.is_stamped_to(old.bytes.min(bytes));
        let has_room = slabs.ksize(object).is_some_and(|usable| usable >= bytes);
        if !kept || !has_room {
            self.world.note(Fault::Spoilt, &moved);
        }
        let resized = Held { bytes, ..moved };
        resized.stamp();
        self.held[index] = resized;
    }

    /// The handler gives back one of ours, and we one of its.
    fn swap(&mut self) {
        if let Some(index) = self.any() {
            handler::swap(&mut self.held[index]);
        }
    }

    /// A cache comes, or one goes.
    fn come_or_go(&mut self) {
        if !self.guests.is_full() && self.random.one_in(2) {
            let size = 1 + self.random.below(GUEST);
            let align = if self.random.one_in(4) { 1 << self.random.below(10) } else { 0 };
            let flags = GUEST_FLAGS[self.random.below(GUEST_FLAGS.len() as u32) as usize];
            if let Ok(cache) = self.world.slabs.create("guest", size, align, flags, None) {
                self.guests.push(cache);
                handler::invite(cache);
            }
        } else if !self.guests.is_empty() {
            let index = self.random.below(self.guests.len() as u32) as usize;
            self.go(index);
        }
    }

    /// A cache ends with all its objects, whoever has them.
    fn go(&mut self, index: usize) {
        let cache = self.guests.swap_remove(index);
        handler::take_leave(cache).into_iter().for_each(|held| self.world.give(held));
        let mut index = 0;
        while index < self.held.len() {
            if self.held[index].is_of(cache) {
                self.world.give(self.held.swap_remove(index));
            } else {
                index += 1;
            }
        }
        // SAFETY: 1. created once under this name; 2. neither side uses the name any more.
        let destroyed = unsafe { self.world.slabs.destroy(cache) };
        if destroyed.is_err() {
            self.wrong = Some("a cache without objects was not destroyed");
        }
        self.tally.caches += 1;
    }

    fn rarely(&mut self) {
        let slabs = self.world.slabs;
        match self.random.below(64) {
            0..8 => {
                let caches = &self.world.caches;
                slabs.shrink(caches[self.random.below(caches.len() as u32) as usize]);
            }
            8..10 => {
                slabs.shrink_all();
            }
            10 => {
                // The handler must not change what is counted.
                let _alone = interrupt::mask();
                if slabs.validate().is_err() {
                    self.wrong = Some("the books of the slabs do not add up");
                }
            }
            _ => self.give(),
        }
    }

    /// From now on no page is free.
    fn begin_drought(&mut self) {
        // To poison all memory takes minutes.
        if self.pages.poisons() {
            return;
        }
        self.world.is_drought.store(true, Relaxed);
        self.tally.droughts += 1;
        let gfp = Gfp::GFP_HIGHUSER | Gfp::__GFP_MEMALLOC | Gfp::__GFP_NOWARN;
        for order in (0..=Order::MAX.as_u8()).rev().filter_map(Order::new) {
            while let Ok(pfn) = pages::alloc(self.pages, gfp, order) {
                self.hoard.keep(pfn, order);
            }
        }
    }

    fn end_drought(&mut self) {
        if !self.hoard.give_all(self.pages) {
            self.wrong = Some("pages of a drought are lost");
        }
        self.world.is_drought.store(false, Relaxed);
    }

    /// Gives back whatever there is.
    fn end(&mut self) {
        self.end_drought();
        while !self.guests.is_empty() {
            self.go(0);
        }
        while !self.held.is_empty() {
            self.give();
        }
    }

    fn give(&mut self) {
        if let Some(index) = self.any() {
            let held = self.held.swap_remove(index);
            self.world.give(held);
        }
    }

    /// A held one.
    fn any(&mut self) -> Option<usize> {
        let held = self.held.len() as u32;
        (held > 0).then(|| self.random.below(held) as usize)
    }
}
