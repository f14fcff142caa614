//! Suite `shortage`: memory runs out, and nothing worse happens.
//!
//! Everything is taken, larger blocks first, by requests of less and less modesty, until there is not a
//! page left. On the way requests fail as they should: with an error that says why, also those that must
//! not fail, since nobody can help; with a report only where one is asked for. Then a shrinker helps, and
//! at last all is back.
//!
//! One request's report is printed, which is no sign of a fault.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arch_arm::sync::IrqLock;
use mm::addr::Order;
use mm::zone::shrink::Shrinker;
use mm::zone::{AllocError, Gfp, ZoneKind};

use super::Checks;
use super::hoard::Hoard;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::pages::{self, Pages};

/// Pages that the shrinker keeps, one by one.
const CACHED: u32 = 256;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let pages = kernel.pages;
    if pages.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    if let Err(error) = register(pages) {
        return checks.that(false, format_args!("{error}"));
    }
    // The slabs that nobody has an object of go when memory is short.
    kernel.slabs.shrink_all();
    let ledger = Ledger::open(pages);
    let mut hoard = Hoard::new();
    take_all(pages, &mut hoard, Gfp::GFP_HIGHUSER_MOVABLE);
    take_all(pages, &mut hoard, Gfp::GFP_KERNEL);
    fails(pages, checks, Gfp::GFP_KERNEL, ZoneKind::Normal);
    fails(pages, checks, Gfp::GFP_NOWAIT, ZoneKind::Normal);
    fails(pages, checks, Gfp::GFP_HIGHUSER, ZoneKind::HighMem);

    // Below the min watermark there is something for those that can not wait.
    let usual = hoard.pages();
    take_all(pages, &mut hoard, Gfp::GFP_ATOMIC);
    let atomic = hoard.pages();
    checks.that(
        atomic > usual || free(pages) == 0,
        format_args!("no reserve for GFP_ATOMIC: {usual} pages taken, then {atomic}"),
    );
    fails(pages, checks, Gfp::GFP_ATOMIC, ZoneKind::Normal);

    // And what is left is for those that give back more than they take.
    take_all(pages, &mut hoard, Gfp::GFP_HIGHUSER | Gfp::__GFP_MEMALLOC);
    checks.equal(free(pages), 0, format_args!("free pages, with {} taken", hoard.pages()));
    fails(pages, checks, Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC, ZoneKind::Normal);
    // Nobody can help, so what must not fail is told, and does not hang.
    fails(pages, checks, Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL, ZoneKind::Normal);
    for zone in ZoneKind::ALL {
        let taken = pages.alloc_raw_in(zone, Gfp::GFP_KERNEL, Order::ZERO);
        checks.that(taken.is_err(), format_args!("zone {zone} is empty, yet gave {taken:?}"));
    }
    // The one that says so.
    let loud = pages::alloc(pages, Gfp::GFP_KERNEL, Order::ZERO);
    checks.equal(loud.is_err(), true, format_args!("a page where there is none"));
    let valid = pages.validate();
    checks.that(valid.is_ok(), format_args!("with all pages taken: {valid:?}"));

    help(pages, checks, &mut hoard);
    checks.that(hoard.give_all(pages), format_args!("{} pages are lost", hoard.pages()));
    ledger.check(checks, format_args!("with all pages back"));
}

/// Takes all that there is for requests with these flags, large blocks first.
fn take_all(pages: &Pages, hoard: &mut Hoard, gfp: Gfp) {
    for order in (0..=Order::MAX.as_u8()).rev().filter_map(Order::new) {
        while let Ok(pfn) = pages::alloc(pages, gfp | Gfp::__GFP_NOWARN, order) {
            hoard.keep(pfn, order);
        }
    }
}

/// A request for a page fails, for want of memory, and without a word.
fn fails(pages: &Pages, checks: &mut Checks, gfp: Gfp, highest: ZoneKind) {
    let taken = pages::alloc(pages, gfp | Gfp::__GFP_NOWARN, Order::ZERO);
    let expected = Err(AllocError::no_memory(Order::ZERO, highest));
    checks.equal(taken, expected, format_args!("{gfp}, with nothing left"));
}

/// Pages that are free anywhere.
fn free(pages: &Pages) -> u64 {
    pages.drain();
    pages.figures().free()
}

/// Somebody can help: who may sleep gets a page, who may not does not.
fn help(pages: &'static Pages, checks: &mut Checks, hoard: &mut Hoard) {
    // What the cache gives back must lift the zone above its watermark, so that comes back first.
    let marks = pages.figures().zones.iter().map(|zone| zone.watermarks.high).sum::<u32>();
    let mut given = 0;
    while given < marks + 2 * CACHED {
        match hoard.give_one(pages) {
            Some(pages) => given += pages,
            None => break,
        }
    }
    for _ in 0..CACHED {
        let Ok(pfn) = pages::alloc(pages, Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, Order::ZERO) else {
            break;
        };
        CACHE.hoard.lock().keep(pfn, Order::ZERO);
    }
    take_all(pages, hoard, Gfp::GFP_KERNEL | Gfp::__GFP_NORETRY);
    let cached = CACHE.count();
    let calls = CACHE.calls.load(Ordering::Relaxed);
    checks.that(cached > 0, format_args!("the cache is empty"));
    CACHE.helps.store(true, Ordering::Relaxed);
    fails(pages, checks, Gfp::GFP_NOWAIT, ZoneKind::Normal);
    checks.equal(CACHE.calls.load(Ordering::Relaxed), calls, format_args!("calls for GFP_NOWAIT"));
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL;
    match pages::alloc(pages, gfp, Order::ZERO) {
        Ok(pfn) => hoard.keep(pfn, Order::ZERO),
        Err(error) => checks.that(false, format_args!("the cache has {cached} pages, yet {error}")),
    }
    CACHE.helps.store(false, Ordering::Relaxed);
    let (calls, left) = (CACHE.calls.load(Ordering::Relaxed) - calls, CACHE.count());
    checks.that(calls > 0 && left < cached, format_args!("{calls} calls, {left} of {cached} left"));
    checks.that(CACHE.hoard.lock().give_all(pages), format_args!("cached pages are lost"));
}

/// Somebody who keeps pages that it could do without.
struct Cache {
    hoard: IrqLock<Hoard>,
    helps: AtomicBool,
    calls: AtomicU32,
}

static CACHE: Cache = Cache {
    hoard: IrqLock::new(Hoard::new()),
    helps: AtomicBool::new(false),
    calls: AtomicU32::new(0),
};

/// Registers the cache, the first time.
fn register(pages: &Pages) -> Result<(), mm::zone::shrink::TooManyShrinkers> {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if REGISTERED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    pages.register_shrinker(&CACHE)
}

impl Shrinker for Cache {
    fn name(&self) -> &'static str {
        "selftest"
    }

    fn count(&self) -> u32 {
        self.hoard.lock().pages()
    }

    fn shrink(&self, wanted: u32, _: Gfp) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let Some(pages) = pages::get().filter(|_| self.helps.load(Ordering::Relaxed)) else {
            return 0;
        };
        let mut freed = 0;
        while freed < wanted {
            match self.hoard.lock().give_one(pages) {
                Some(pages) => freed += pages,
                None => break,
            }
        }
        freed
    }
}
