//! Suite `zones`: each kind of request gets its page from the zone that it should.
//!
//! While nothing is short that is the highest zone that has memory, of those that the request may use.

use mm::addr::{Order, Pfn};
use mm::zone::error::Why;
use mm::zone::{AllocError, Gfp, ZoneKind};

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::pages::{self, Pages};

/// Requests, and the highest zone that each may use.
const REQUESTS: [(Gfp, ZoneKind); 14] = [
    (Gfp::GFP_DMA, ZoneKind::Dma),
    (Gfp::GFP_DMA.union(Gfp::GFP_KERNEL), ZoneKind::Dma),
    (Gfp::GFP_DMA.union(Gfp::GFP_ATOMIC), ZoneKind::Dma),
    (Gfp::GFP_KERNEL, ZoneKind::Normal),
    (Gfp::GFP_KERNEL.union(Gfp::__GFP_ZERO), ZoneKind::Normal),
    (Gfp::GFP_KERNEL.union(Gfp::__GFP_RECLAIMABLE), ZoneKind::Normal),
    (Gfp::GFP_ATOMIC, ZoneKind::Normal),
    (Gfp::GFP_NOWAIT, ZoneKind::Normal),
    (Gfp::GFP_NOIO, ZoneKind::Normal),
    (Gfp::GFP_NOFS, ZoneKind::Normal),
    (Gfp::GFP_USER, ZoneKind::Normal),
    (Gfp::GFP_DMA32, ZoneKind::Normal),
    (Gfp::GFP_HIGHUSER, ZoneKind::HighMem),
    (Gfp::GFP_HIGHUSER_MOVABLE, ZoneKind::HighMem),
];

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let pages = kernel.pages;
    if pages.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    let ledger = Ledger::open(pages);
    for (gfp, highest) in REQUESTS {
        let expected = ZoneKind::ALL
            .into_iter()
            .rev()
            .find(|kind| *kind <= highest && pages.zone(*kind).managed() > 0);
        for order in [0, 3, 4].into_iter().filter_map(Order::new) {
            let taken = pages::alloc(pages, gfp | Gfp::__GFP_NOWARN, order);
            let zone = taken.ok().and_then(|pfn| zone_of(pages, pfn));
            checks.equal(zone, expected, format_args!("{gfp}, order {order}: {taken:?}"));
            give(pages, checks, taken, order);
        }
    }
    for zone in ZoneKind::ALL {
        let taken = pages.alloc_raw_in(zone, Gfp::GFP_KERNEL, Order::ZERO);
        let has_memory = pages.zone(zone).managed() > 0;
        let found = taken.ok().and_then(|pfn| zone_of(pages, pfn));
        let expected = has_memory.then_some(zone);
        checks.equal(found, expected, format_args!("from zone {zone} alone"));
        give(pages, checks, taken, Order::ZERO);
        pieces(pages, checks, zone);
    }
    for gfp in [Gfp::GFP_DMA | Gfp::GFP_HIGHUSER, Gfp::GFP_KERNEL | Gfp::__GFP_ATOMIC] {
        let taken = pages::alloc(pages, gfp, Order::ZERO);
        let is_refused = taken.is_err_and(|error| matches!(error.why(), Why::Flags(_)));
        checks.that(is_refused, format_args!("{gfp} contradicts itself, yet {taken:?}"));
        give(pages, checks, taken, Order::ZERO);
    }
    ledger.check(checks, format_args!("with all pages back"));
}

/// Pages of a block from this zone alone, given back one by one, do not go to requests that may not have
/// any of the zone.
fn pieces(pages: &'static Pages, checks: &mut Checks, zone: ZoneKind) {
    let order = Order::within_pages(2 * Order::COSTLY.pages());
    let Ok(pfn) = pages.alloc_raw_in(zone, Gfp::GFP_KERNEL, order) else { return };
    // SAFETY: 1. it was taken just now.
    let block = unsafe { pages.own_raw(pfn, order) };
    checks.that(block.split().is_ok(), format_args!("a block of one reference is not split"));
    for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_KERNEL | Gfp::GFP_DMA] {
        let taken = pages::alloc(pages, gfp, Order::ZERO);
        let found = taken.ok().and_then(|pfn| zone_of(pages, pfn));
        checks.that(
            found.is_some_and(|zone| zone <= gfp.highest_zone()),
            format_args!("{gfp} after pages of {zone} came back: a page of {found:?}"),
        );
        give(pages, checks, taken, Order::ZERO);
    }
}

fn zone_of(pages: &Pages, pfn: Pfn) -> Option<ZoneKind> {
    let zone = pages.zones().iter().find(|zone| zone.span().contains(pfn))?;
    Some(zone.kind())
}

fn give(pages: &Pages, checks: &mut Checks, taken: Result<Pfn, AllocError>, order: Order) {
    let Ok(pfn) = taken else { return };
    // SAFETY: 1. it was taken just now; 2. nobody has looked at it.
    let freed = unsafe { pages::free(pages, pfn, order) };
    checks.that(freed.is_ok(), format_args!("free of pfn {pfn}: {freed:?}"));
}
