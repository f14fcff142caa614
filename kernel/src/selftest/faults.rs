//! Suite `faults`: whichever request for pages fails, whoever made it copes, and nothing is lost.
//!
//! A workload of every operation is run again and again; each time the next of its requests fails, until
//! there is none left that could. Every time the zones are as before afterwards.

use core::fmt;

use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn};
use mm::zone::error::Why;
use mm::zone::fault::FailConfig;
use mm::zone::{AllocError, Gfp, ZoneKind};

use super::Checks;
use super::ledger::Ledger;
use crate::boot::user_page;
use crate::explain::{self, Subject};
use crate::monitor::Kernel;
use crate::pages::{self, Pages};

/// More requests than the workload makes.
const PATIENCE: u32 = 1000;
/// Single pages in one bulk request, more than one stack holds.
const BULK: usize = 100;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let pages = kernel.pages;
    if pages.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    let ledger = Ledger::open(pages);
    let mut n = 0;
    loop {
        n += 1;
        pages.inject_failures(FailConfig::nth(n));
        let failed = workload(kernel, checks);
        let injected = pages.injected_failures();
        pages.inject_failures(FailConfig::OFF);
        // One failure of the allocator may be none for the caller, who has another way.
        checks.that(
            failed <= injected,
            format_args!("request {n} fails, and {failed} operations do for {injected} failures"),
        );
        ledger.check(checks, format_args!("after a failure of request {n}"));
        if injected == 0 || n == PATIENCE {
            break;
        }
    }
    checks
        .that((10..PATIENCE).contains(&n), format_args!("the workload made {n} requests, or more"));
}

/// Every operation that takes pages; all are back at the end. Says how many failed.
fn workload(kernel: &mut Kernel, checks: &mut Checks) -> u32 {
    let mut failed = 0;
    let mut note = |is_well: bool| failed += u32::from(!is_well);
    blocks(kernel.pages, checks, &mut note);
    runs(kernel.pages, checks, &mut note);
    note(bulk(kernel.pages, checks) == 2 * BULK);
    match user_page::with(kernel, |_, pages| {
        pages.set_word(0, 1);
        pages.word(0)
    }) {
        Ok(word) => checks.equal(word, 1, format_args!("a word of a user page")),
        Err(user_page::UserPagesError::NoPages(error)) => note(is_expected(checks, error)),
        Err(error) => checks.that(false, format_args!("user pages: {error}")),
    }
    // It does without the pages.
    let explained = explain::write(kernel, Subject::All, &mut Nowhere);
    checks.that(explained.is_ok(), format_args!("explain fails"));
    failed
}

fn blocks(pages: &'static Pages, checks: &mut Checks, note: &mut impl FnMut(bool)) {
    let quiet = Gfp::__GFP_NOWARN;
    for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_ATOMIC, Gfp::GFP_HIGHUSER_MOVABLE | Gfp::__GFP_ZERO] {
        for order in [0, 1, 3, 5, 9].into_iter().filter_map(Order::new) {
            match pages.alloc_pages(gfp | quiet, order) {
                Ok(block) => {
                    let other = block.share();
                    checks.that(other.is_ok(), format_args!("{block:?} can not be shared"));
                    if order == Order::ZERO {
                        continue;
                    }
                    drop(other);
                    let parts = block.split();
                    checks.that(parts.is_ok(), format_args!("{parts:?} can not be split"));
                }
                Err(error) => note(is_expected(checks, error)),
            }
        }
    }
    match pages.get_zeroed_page(Gfp::GFP_KERNEL | quiet) {
        Ok(_) => {}
        Err(error) => note(is_expected(checks, error)),
    }
    for zone in ZoneKind::ALL.into_iter().filter(|kind| pages.zone(*kind).managed() > 0) {
        match pages.alloc_raw_in(zone, Gfp::GFP_KERNEL | quiet, Order::ZERO) {
            // SAFETY: 1. it was taken just now.
            Ok(pfn) => drop(unsafe { pages.own_raw(pfn, Order::ZERO) }),
            Err(error) => note(is_expected(checks, error)),
        }
    }
    // A promise.
    let must = pages.alloc_page(Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL);
    checks.that(must.is_ok(), format_args!("__GFP_NOFAIL: {must:?}"));
}

fn runs(pages: &'static Pages, checks: &mut Checks, note: &mut impl FnMut(bool)) {
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN;
    for count in [1, 3, 37, 100] {
        match pages.alloc_pages_exact(gfp, count) {
            Ok(run) => checks.equal(run.frames().len(), count, format_args!("exact pages")),
            Err(error) => note(is_expected(checks, error)),
        }
    }
    // The largest may not be there at all on a small machine.
    for count in [5, 700, 2500] {
        match pages.alloc_contig(gfp, count) {
            Ok(run) => checks.equal(run.frames().len(), count, format_args!("pages in a row")),
            Err(error) if count > Order::MAX.pages() => _ = is_expected(checks, error),
            Err(error) => note(is_expected(checks, error)),
        }
    }
}

/// How many pages came in two ways.
fn bulk(pages: &'static Pages, checks: &mut Checks) -> usize {
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN;
    let mut owned = ArrayVec::<_, BULK>::new();
    let got = pages.alloc_pages_bulk(gfp, &mut owned).unwrap_or(0);
    let mut pfns = [Pfn::default(); BULK];
    let raw = pages::alloc_bulk(pages, gfp, &mut pfns);
    // SAFETY: 1. they were taken just now; 2. nobody has looked at them.
    let freed = unsafe { pages::free_bulk(pages, &pfns[..raw]) };
    checks.that(freed.is_ok(), format_args!("{raw} pages in bulk: {freed:?}"));
    got + raw
}

/// The error is want of memory. Says `false`: the operation has failed.
fn is_expected(checks: &mut Checks, error: AllocError) -> bool {
    let is_want = matches!(error.why(), Why::NoMemory { .. });
    checks.that(is_want, format_args!("a failure on purpose became: {error}"));
    false
}

/// Takes text, and no place.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}
