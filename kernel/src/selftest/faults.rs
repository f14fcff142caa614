//! Suite `faults`: whichever request for pages fails, whoever made it copes, and nothing is lost.
//!
//! Workloads of every operation are run again and again; each time the next of its requests fails, until
//! there is none left that could. Every time the zones are as before afterwards.

use core::fmt;

use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn};
use mm::fault::FailConfig;
use mm::zone::error::Why;
use mm::zone::{AllocError, Gfp, ZoneKind};

use super::Checks;
use super::ledger::Ledger;
use crate::boot::user_page;
use crate::explain::{self, Subject};
use crate::monitor::Kernel;
use crate::pages;

/// More requests than any of the workloads makes.
const PATIENCE: u32 = 1000;
/// Single pages in one bulk request.
const BULK: usize = 12;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let pages = kernel.pages;
    if pages.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    let ledger = Ledger::open(pages);
    let walks: [fn(&mut Kernel, &mut Checks) -> u32; 4] = [blocks, runs, bulk, users];
    let mut requests = 0;
    for walk in walks {
        // A small machine does not have what the largest ones ask for.
        let usual = walk(kernel, checks);
        for n in 1.. {
            pages.inject_failures(FailConfig::nth(n));
            let failed = walk(kernel, checks);
            let injected = pages.injected_failures();
            pages.inject_failures(FailConfig::OFF);
            // One failure of the allocator may be none for the caller, who has another way.
            checks.that(
                failed <= usual + injected,
                format_args!("{failed} operations fail, not {usual}, for {injected} requests"),
            );
            ledger.check(checks, format_args!("after a failure of request {n}"));
            if injected == 0 || n == PATIENCE {
                checks.that(injected == 0, format_args!("request {n} is not the last"));
                break;
            }
            requests += 1;
        }
    }
    checks.that(requests >= 25, format_args!("only {requests} requests were made"));
}

/// Counts operations that want of memory kept from working.
struct Failures<'c> {
    checks: &'c mut Checks,
    count: u32,
}

impl Failures<'_> {
    /// What came of an operation; `None` when it failed, which is counted.
    fn note<T>(&mut self, result: Result<T, AllocError>) -> Option<T> {
        if let Err(error) = &result {
            let is_want = matches!(error.why(), Why::NoMemory { .. });
            self.checks.that(is_want, format_args!("a failure on purpose became: {error}"));
            self.count += 1;
        }
        result.ok()
    }
}

/// Blocks of all sizes, shared and split. Says how many could not be had, here as below.
fn blocks(kernel: &mut Kernel, checks: &mut Checks) -> u32 {
    let pages = kernel.pages;
    let mut failures = Failures { checks, count: 0 };
    for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_ATOMIC, Gfp::GFP_HIGHUSER_MOVABLE | Gfp::__GFP_ZERO] {
        for order in [0, 1, 3, 5, 9].into_iter().filter_map(Order::new) {
            let taken = pages.alloc_pages(gfp | Gfp::__GFP_NOWARN, order);
            let Some(block) = failures.note(taken) else { continue };
            let other = block.share();
            failures.checks.that(other.is_ok(), format_args!("{block:?} can not be shared"));
            if order == Order::ZERO {
                continue;
            }
            drop(other);
            let parts = block.split();
            failures.checks.that(parts.is_ok(), format_args!("{parts:?} can not be split"));
        }
    }
    failures.note(pages.get_zeroed_page(Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN));
    for zone in ZoneKind::ALL.into_iter().filter(|kind| pages.zone(*kind).managed() > 0) {
        let taken = pages.alloc_raw_in(zone, Gfp::GFP_KERNEL, Order::ZERO);
        // SAFETY: 1. it was taken just now.
        let own = |pfn| unsafe { pages.own_raw(pfn, Order::ZERO) };
        drop(failures.note(taken).map(own));
    }
    // A promise.
    let must = pages.alloc_page(Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL);
    failures.checks.that(must.is_ok(), format_args!("__GFP_NOFAIL: {must:?}"));
    failures.count
}

/// Pages in rows.
fn runs(kernel: &mut Kernel, checks: &mut Checks) -> u32 {
    let pages = kernel.pages;
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN;
    let mut failures = Failures { checks, count: 0 };
    for count in [1, 3, 37, 100] {
        if let Some(run) = failures.note(pages.alloc_pages_exact(gfp, count)) {
            failures.checks.equal(run.frames().len(), count, format_args!("exact pages"));
        }
    }
    for count in [5, 300, 2500] {
        if let Some(run) = failures.note(pages.alloc_contig(gfp, count)) {
            failures.checks.equal(run.frames().len(), count, format_args!("pages in a row"));
        }
    }
    failures.count
}

/// Many pages at once, owned and by number.
fn bulk(kernel: &mut Kernel, checks: &mut Checks) -> u32 {
    let pages = kernel.pages;
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN;
    let mut owned = ArrayVec::<_, BULK>::new();
    let got = pages.alloc_pages_bulk(gfp, &mut owned).unwrap_or(0);
    checks.equal(owned.len(), got, format_args!("pages in bulk"));
    let mut pfns = [Pfn::default(); BULK];
    let raw = pages::alloc_bulk(pages, gfp, &mut pfns);
    // SAFETY: 1. they were taken just now; 2. nobody has looked at them.
    let freed = unsafe { pages::free_bulk(pages, &pfns[..raw]) };
    checks.that(freed.is_ok(), format_args!("{raw} pages in bulk: {freed:?}"));
    u32::from(got < BULK) + u32::from(raw < BULK)
}

/// Others, who take pages for what they do.
fn users(kernel: &mut Kernel, checks: &mut Checks) -> u32 {
    let mut failures = Failures { checks, count: 0 };
    let used = user_page::with(kernel, |_, pages| {
        pages.set_word(0, 1);
        pages.word(0)
    });
    match used {
        Ok(word) => failures.checks.equal(word, 1, format_args!("a word of a user page")),
        Err(user_page::UserPagesError::NoPages(error)) => _ = failures.note(Err::<(), _>(error)),
        Err(error) => failures.checks.that(false, format_args!("user pages: {error}")),
    }
    // It does without the pages.
    let explained = explain::write(kernel, Subject::All, &mut Nowhere);
    failures.checks.that(explained.is_ok(), format_args!("explain fails"));
    failures.count
}

/// Takes text, and no place.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}
