//! Suite `owner`: whoever took a block is named, with `page_owner=1`.

use core::hint::black_box;

use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, VirtAddr};
use mm::zone::Gfp;

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::pages::{self, Pages};
use crate::report;

/// Pages in one bulk request.
const BULK: usize = 3;
/// Pages in a row, fewer than a block has.
const RUN: u32 = 5;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let pages = kernel.pages;
    if !pages.tracks_owners() {
        return checks.skip("page_owner is off");
    }
    if report::call_site() == 0 {
        return checks.skip("no symbol table");
    }
    let ledger = Ledger::open(pages);
    for order in [0, 2, 6].into_iter().filter_map(Order::new) {
        if let Some(pfn) = one::takes(pages, order) {
            is_owned_by(checks, pages, pfn, one::MODULE);
            another::gives(pages, checks, pfn, order);
            is_owned_by(checks, pages, pfn, another::MODULE);
        }
    }
    for pfn in bulk::takes(pages) {
        is_owned_by(checks, pages, pfn, bulk::MODULE);
        another::gives(pages, checks, pfn, Order::ZERO);
    }
    row::takes(pages, |first| {
        for number in [0, RUN - 1] {
            is_owned_by(checks, pages, first.saturating_add(number), row::MODULE);
        }
    });
    ledger.check(checks, format_args!("with all pages back"));
}

/// A function of `module` took the block at `pfn`, or gave it back last.
fn is_owned_by(checks: &mut Checks, pages: &Pages, pfn: Pfn, module: &str) {
    let site = pages.owner(pfn).map(VirtAddr::new);
    let name = site.and_then(report::function_at);
    let is_theirs = name.as_ref().is_some_and(|name| name.is_in(module));
    checks.that(
        is_theirs,
        format_args!("pfn {pfn} is owned by {name:?} at {site:?}, expected {module}"),
    );
}

mod one {
    use super::*;

    pub const MODULE: &str = module_path!();

    #[inline(never)]
    pub fn takes(pages: &Pages, order: Order) -> Option<Pfn> {
        // What is done with the answer keeps the call from being the last thing, which leaves no frame.
        black_box(pages::alloc(pages, Gfp::GFP_KERNEL, order)).ok()
    }
}

mod another {
    use super::*;

    pub const MODULE: &str = module_path!();

    #[inline(never)]
    pub fn gives(pages: &Pages, checks: &mut Checks, pfn: Pfn, order: Order) {
        // SAFETY: 1. the suite took it; 2. and never looked at it.
        let freed = unsafe { pages::free(pages, pfn, order) };
        checks.that(freed.is_ok(), format_args!("free of pfn {pfn}: {freed:?}"));
    }
}

mod bulk {
    use super::*;

    pub const MODULE: &str = module_path!();

    #[inline(never)]
    pub fn takes(pages: &Pages) -> ArrayVec<Pfn, BULK> {
        let mut pfns = [Pfn::default(); BULK];
        let got = pages::alloc_bulk(pages, Gfp::GFP_HIGHUSER_MOVABLE, &mut pfns);
        pfns.into_iter().take(got).collect()
    }
}

mod row {
    use super::*;

    pub const MODULE: &str = module_path!();

    #[inline(never)]
    pub fn takes(pages: &Pages, look: impl FnOnce(Pfn)) {
        if let Ok(run) = pages.alloc_pages_exact(Gfp::GFP_KERNEL, RUN) {
            look(run.frames().start());
        }
    }
}
