//! Suite `poison`: who writes into a page that is free is found out, with `page_poison=1`.
//!
//! In each zone a page is given back and then written to. When it would be handed out again, there is a
//! report, and the page is kept out for good: each run of this suite costs a page of each zone.

use mm::addr::{Order, Pfn};
use mm::frame::FreeError;
use mm::frame::PageState;
use mm::zone::debug::POISON;
use mm::zone::{Gfp, ZoneKind};

use super::Checks;
use super::hoard::Hoard;
use crate::kmap;
use crate::monitor::Kernel;
use crate::pages::{self, Pages};

/// Where in the page somebody writes, and what.
const AT: usize = 0x123;
const JUNK: u8 = 0x5a;
/// The gravest request: down to the zone's last page.
const ANY: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN);

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let pages = kernel.pages;
    if !pages.poisons() {
        return checks.skip("page_poison is off");
    }
    for zone in ZoneKind::ALL.into_iter().filter(|kind| pages.zone(*kind).managed() > 0) {
        in_zone(pages, zone, checks);
    }
    let valid = pages.validate();
    checks.that(valid.is_ok(), format_args!("with bad pages kept out: {valid:?}"));
}

fn in_zone(pages: &Pages, zone: ZoneKind, checks: &mut Checks) {
    let free = || {
        pages.drain();
        pages.zone(zone).free_pages()
    };
    let before = free();
    let Ok(pfn) = pages.alloc_raw_in(zone, ANY, Order::ZERO) else {
        return checks.that(false, format_args!("no page in zone {zone}"));
    };
    holds(checks, pfn, POISON, "taken");
    put(pfn);
    give(pages, checks, pfn);
    holds(checks, pfn, POISON, "given back");
    match pages.alloc_raw_in(zone, ANY | Gfp::__GFP_ZERO, Order::ZERO) {
        Ok(zeroed) => {
            holds(checks, zeroed, 0, "taken zeroed");
            give(pages, checks, zeroed);
        }
        Err(error) => checks.that(false, format_args!("{error}")),
    }
    checks.equal(free(), before, format_args!("free pages of zone {zone}"));

    // The mistake.
    put(pfn);
    let mut hoard = Hoard::new();
    let is_bad = || {
        let page = pages.frames().get(pfn);
        matches!(page.map(|page| page.state()), Some(PageState::Bad { .. }))
    };
    while !is_bad() {
        match pages.alloc_raw_in(zone, ANY, Order::ZERO) {
            Ok(other) if other == pfn => {
                checks.that(false, format_args!("pfn {pfn} was handed out, written to as it was"));
                hoard.keep(other, Order::ZERO);
                break;
            }
            Ok(other) => hoard.keep(other, Order::ZERO),
            Err(error) => {
                checks.that(false, format_args!("pfn {pfn} was not noticed: {error}"));
                break;
            }
        }
    }
    // SAFETY: 1. is broken on purpose; 2. nobody uses the page, and it stays out of use.
    let freed = unsafe { pages::free(pages, pfn, Order::ZERO) };
    let why = pages.why_not_free(pfn, Order::ZERO);
    checks.that(
        freed.is_err() && matches!(why, FreeError::Bad { .. }),
        format_args!("a bad page is given back: {freed:?}, {why:?}"),
    );
    checks.that(hoard.give_all(pages), format_args!("{} pages are lost", hoard.pages()));
    checks.equal(free(), before - 1, format_args!("free pages of zone {zone}, one kept out"));
}

/// Every byte of the page is `byte`.
fn holds(checks: &mut Checks, pfn: Pfn, byte: u8, when: &str) {
    // SAFETY: 1. the allocator gave the frame; 2. it is this suite's, or free, and no handler takes pages.
    let other = unsafe { kmap::first_difference(pfn, Order::ZERO, byte) };
    checks.equal(other, None, format_args!("bytes of pfn {pfn}, {when}"));
}

fn put(pfn: Pfn) {
    let write = |page: *mut u8| {
        // SAFETY: a byte of the page, which is mapped meanwhile. If the page is free, nobody else looks
        // at its memory, and the page allocator keeps nothing in it.
        unsafe { page.add(AT).write_volatile(JUNK) };
    };
    // SAFETY: 1. the allocator gave the frame; 2. the closure writes a byte of it.
    unsafe { kmap::with_page(pfn, write) };
}

fn give(pages: &Pages, checks: &mut Checks, pfn: Pfn) {
    // SAFETY: 1. it was taken by this suite; 2. whatever it does to the page afterwards is the test.
    let freed = unsafe { pages::free(pages, pfn, Order::ZERO) };
    checks.that(freed.is_ok(), format_args!("free of pfn {pfn}: {freed:?}"));
}
