//! Suite `objects`: what is given back wrongly is found, in every kind of memory, and changes nothing.
//!
//! Each wrong free is reported, which is no sign of a fault.

use mm::addr::VirtAddr;
use mm::object::SlabFlags;
use mm::zone::Gfp;

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::slabs::{self, Cache, Slabs};

/// Also while requests for objects fail on purpose.
const KERNEL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN).union(Gfp::__GFP_NOFAIL);
/// More than the caches of `kmalloc` have.
const LARGE: u32 = 20_000;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let slabs = kernel.slabs;
    if kernel.pages.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    slabs.shrink_all();
    let ledger = Ledger::open(kernel.pages);
    match slabs.create("selftest", 40, 0, SlabFlags::SLAB_NO_MERGE, None) {
        Ok(cache) => {
            of_a_cache(slabs, cache, checks);
            checks.equal(slabs.objects_out(cache), 0, format_args!("objects of {}", cache.name()));
            // SAFETY: 1. created above; 2. and 3. nobody uses it any more.
            let destroyed = unsafe { slabs.destroy(cache) };
            checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
        }
        Err(error) => checks.that(false, format_args!("{error}")),
    }
    of_kmalloc(slabs, checks);
    slabs.shrink_all();
    let valid = slabs.validate();
    checks.that(valid.is_ok(), format_args!("{valid:?}"));
    ledger.check(checks, format_args!("at the end"));
}

/// Any free object is found to be free, not only the last; and what is no object is found to be none.
fn of_a_cache(slabs: &Slabs, cache: &Cache, checks: &mut Checks) {
    let give = |object| {
        // SAFETY: 1. what is not taken below, or not any more, must be refused; 2. nobody looks at it; 3.
        // there is no constructor.
        unsafe { slabs::give(slabs, cache, object) }.is_ok()
    };
    let mut objects = [VirtAddr::new(0); 16];
    let taken = slabs.take_objects(cache, KERNEL, &mut objects);
    checks.that(taken.is_ok(), format_args!("{taken:?}"));
    if taken.is_err() {
        return;
    }
    for object in &objects[4..] {
        checks.that(give(*object), format_args!("{object} was not given back"));
    }
    for object in &objects[6..8] {
        checks.that(!give(*object), format_args!("{object} was given back twice"));
    }
    let inside = VirtAddr::new(objects[0].as_u32() + 4);
    checks.that(!give(inside), format_args!("{inside} was given back"));
    for object in &objects[..4] {
        checks.that(give(*object), format_args!("{object} was not given back"));
    }
}

/// The same of memory by size, in a slab and in pages.
fn of_kmalloc(slabs: &Slabs, checks: &mut Checks) {
    let kfree = |object| {
        // SAFETY: 1. as in `of_a_cache`; 2. nobody looks at it.
        unsafe { slabs::kfree(slabs, object) }.is_ok()
    };
    for bytes in [100, LARGE] {
        let Ok(object) = slabs::kmalloc(slabs, bytes, KERNEL).result() else {
            checks.that(false, format_args!("no memory of {bytes} bytes"));
            continue;
        };
        let inside = VirtAddr::new(object.as_u32() + 64);
        checks.that(!kfree(inside), format_args!("{inside} was given back"));
        checks.that(kfree(object), format_args!("{object} was not given back"));
        checks.that(!kfree(object), format_args!("{object} was given back twice"));
    }
}
