//! Objects in guarded pages: what Linux's `kfence_test` looks at, and what the allocator promises of every object.
#![expect(unsafe_code, reason = "objects are given back by their address")]

mod access;
mod free;
mod gate;
mod life;
mod random;

use super::super::test_machine::{Machine, SITE_OF_ACCESS, access, begin_sampling, with_pool};
use super::super::{KmemCache, NotGiven, SlabAllocator, SlabFlags};
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::kfence::{Access, AccessKind, KfenceReport, SampledObject, What};
use crate::zone::Gfp;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const PAGES: u32 = 512;
/// Objects of the pool.
const OBJECTS: u32 = 7;
/// Who takes, and who gives back.
const TAKER: u32 = 0xc020_1000;
const GIVER: u32 = 0xc020_2000;

type Slabs<'p, 'a> = SlabAllocator<'p, 'a, Machine>;

/// An end of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Left,
    Right,
}

fn plus(at: VirtAddr, bytes: i32) -> VirtAddr {
    VirtAddr::new(at.as_u32().wrapping_add_signed(bytes))
}

/// A cache of objects of so many bytes.
fn cache_of<'s>(slabs: &'s Slabs<'_, '_>, size: u32) -> &'s KmemCache<1> {
    slabs.create("sampled", size, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap()
}

/// An object of the pool.
fn take(slabs: &Slabs<'_, '_>, cache: &KmemCache<1>) -> VirtAddr {
    slabs.memory().set_site(TAKER);
    slabs.sample_next(cache);
    let object = slabs.take_object(cache, KERNEL).unwrap();
    assert!(slabs.kfence_pool().object_at(object).is_some(), "{object} is not of the pool");
    object
}

/// One at this end of its page. Others that come before go back.
fn take_at(slabs: &Slabs<'_, '_>, cache: &KmemCache<1>, end: End) -> VirtAddr {
    for _ in 0..100 {
        let object = take(slabs, cache);
        let is_left = object.is_aligned(PAGE_SIZE);
        if is_left == (end == End::Left) {
            return object;
        }
        give(slabs, cache, object).unwrap();
    }
    panic!("no object lies at the {end:?} end");
}

fn give(slabs: &Slabs<'_, '_>, cache: &KmemCache<1>, object: VirtAddr) -> Result<(), NotGiven> {
    slabs.memory().set_site(GIVER);
    // SAFETY: the test's object; what is given back wrongly is refused.
    unsafe { slabs.free_object(cache, object) }
}

/// All is accounted for, and nothing was said.
fn check(slabs: &Slabs<'_, '_>) {
    assert_eq!(slabs.validate(), Ok(()));
    assert_eq!(slabs.memory().told(), Vec::<String>::new());
}

/// An access that faults, and what is said of it: the object, if it is one.
fn faults(slabs: &Slabs<'_, '_>, at: VirtAddr, kind: AccessKind) -> KfenceReport {
    let bugs = slabs.kfence_figures().bugs;
    let report = access(slabs, at, kind).unwrap_or_else(|| panic!("{kind} of {at} does not fault"));
    assert_eq!(report.site(), SITE_OF_ACCESS);
    // The page is open now, so that the kernel goes on.
    assert_eq!(access(slabs, at, kind), None);
    assert_eq!(slabs.kfence_figures().bugs, bugs + 1);
    report
}

fn about(report: &KfenceReport) -> SampledObject {
    report.object.unwrap()
}
