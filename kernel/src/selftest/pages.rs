//! Suite `pages`: pages by their address, and many at once, by the functions that the benchmark counts.
//!
//! They are called by pointers of which the compiler knows nothing. If it knew every caller, it would
//! make them for the arguments that come, and the benchmark would count other code.

use core::hint::black_box;

use mm::addr::{Pfn, PhysRange, VirtAddr};
use mm::frame::FreeError;
use mm::zone::{Gfp, NotFreed};

use super::Checks;
use crate::boot::LinearMap;
use crate::monitor::Kernel;
use crate::pages::{self, Pages};

/// Pages of one bulk request.
const BULK: usize = 32;

/// Runs the suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    kernel.pages.drain();
    let before = kernel.pages.figures().free();
    by_address(kernel, checks);
    in_bulk(kernel, checks);
    kernel.pages.drain();
    let after = kernel.pages.figures().free();
    checks.equal(after, before, format_args!("free pages afterwards"));
}

/// A zeroed page can be written at its address, and is given back by it.
fn by_address(kernel: &Kernel, checks: &mut Checks) {
    type Get = fn(&Pages, &LinearMap, Gfp) -> Option<VirtAddr>;
    type Put = unsafe fn(&Pages, &LinearMap, VirtAddr) -> Result<(), FreeError>;
    let get_free_page = black_box(pages::get_free_page as Get);
    let linear = kernel.tables.linear();
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_ZERO;
    let Some(virt) = get_free_page(kernel.pages, &linear, gfp) else {
        return checks.that(false, format_args!("a page by its address: there is none"));
    };
    let word = virt.as_u32() as *mut u32;
    // SAFETY: the first word of a page that was taken just now; nobody else uses it.
    let (zeroed, written) = unsafe {
        let zeroed = word.read_volatile();
        word.write_volatile(virt.as_u32());
        (zeroed, word.read_volatile())
    };
    checks.equal(zeroed, 0, format_args!("what a zeroed page at {virt} holds"));
    checks.equal(written, virt.as_u32(), format_args!("what was written at {virt}"));
    let free_page = black_box(pages::free_page as Put);
    // SAFETY: 1. the page is this test's, and has been used for the last time; 2. it is the same map.
    let freed = unsafe { free_page(kernel.pages, &linear, virt) };
    checks.that(freed.is_ok(), format_args!("free of the page at {virt}: {freed:?}"));
}

/// No page comes twice, all are lowmem, and all go back.
fn in_bulk(kernel: &Kernel, checks: &mut Checks) {
    type Get = fn(&Pages, Gfp, &mut [Pfn]) -> usize;
    type Put = unsafe fn(&Pages, &[Pfn]) -> Result<(), NotFreed>;
    let (alloc_bulk, free_bulk) =
        (black_box(pages::alloc_bulk as Get), black_box(pages::free_bulk as Put));
    let linear = kernel.tables.linear();
    let mut pfns = [Pfn::default(); BULK];
    let got = alloc_bulk(kernel.pages, Gfp::GFP_KERNEL, &mut pfns);
    checks.equal(got, BULK, format_args!("pages of a bulk request"));
    let pfns = &mut pfns[..got];
    pfns.sort_unstable();
    for pair in pfns.windows(2) {
        checks.that(pair[0] != pair[1], format_args!("pfn {} came twice", pair[0]));
    }
    for pfn in &*pfns {
        let page = PhysRange::new(pfn.start(), pfn.saturating_add(1).start());
        let is_mapped = linear.pointer(page).is_some();
        checks.that(is_mapped, format_args!("pfn {pfn} has no address"));
    }
    // SAFETY: 1. they are this test's; 2. nobody looks at them.
    let freed = unsafe { free_bulk(kernel.pages, pfns) };
    checks.that(freed.is_ok(), format_args!("free of {got} pages in bulk: {freed:?}"));
}
