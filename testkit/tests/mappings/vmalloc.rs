//! `vmalloc`, `vmap` and `vrealloc`.

use mm::addr::{Pfn, VirtAddr};
use mm::map::Prot;
use mm::map::area::RegionName;
use mm::map::vmalloc::MappedRegion;
use mm::zone::{Gfp, ZoneKind};

use crate::checks::{LINKED, kit_needs_all_but};
use crate::kit::{Books, CPUS, Kit, Live};
use crate::place::*;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const HIGHMEM: Gfp = KERNEL.union(Gfp::__GFP_HIGHMEM);
const PAGE: u32 = 0x1000;

pub type Region<'s, 'w> = MappedRegion<'s, 'w, Books<'w>, Live<'w>, CPUS>;

/// The vmalloc region, with nothing in it.
pub fn region<'s, 'w>(kit: Kit<'s, 'w>) -> Region<'s, 'w> {
    MappedRegion::new(RegionName::Vmalloc, VMALLOC, kit.pages, kit.slabs, kit.live).unwrap()
}

/// Writes each page of an area on this CPU, and finds it on the other.
fn use_pages(kit: Kit<'_, '_>, at: VirtAddr, pages: u32, other: usize) {
    let words = || (0..pages).map(|page| at.as_u32() + page * PAGE);
    words().for_each(|word| kit.on.store(word, !word));
    kit.on.run_on(other);
    words().for_each(|word| assert_eq!(kit.on.load(word), !word));
}

#[test]
fn areas_wait_for_their_flush_and_are_used_again() {
    let guard = ("tlbi in sequence.rs", 1, "a guard page, which was never mapped");
    let redundant = [LINKED[0], LINKED[1], guard];
    kit_needs_all_but(2, &redundant, |kit| {
        let region = region(kit);
        let first = region.vmalloc(2 * PAGE, HIGHMEM, 0).unwrap();
        use_pages(kit, first, 2, 1);
        // The table is another CPU's.
        let second = region.vmalloc(PAGE, HIGHMEM, 0).unwrap();
        use_pages(kit, second, 1, 0);
        region.vfree(first).unwrap();
        region.vfree(second).unwrap();
        // Who flushes has taken the lock after them.
        kit.on.hand_over_to(1);
        assert_eq!(region.purge(), 3);
        assert!(kit.on.here().load_u32(first).is_err());
        kit.on.0.emulated.range_reused(range(first.as_u32(), 2 * PAGE));
        kit.on.0.emulated.range_reused(range(second.as_u32(), PAGE));
        // The same addresses, and other frames.
        let again = region.vmalloc(2 * PAGE, HIGHMEM, 0).unwrap();
        assert_eq!(again, first);
        use_pages(kit, again, 2, 0);
    });
}

/// As many areas as a batch has, given back by three CPUs: the last flushes everything, for all of them.
#[test]
fn a_full_batch_is_flushed_at_once() {
    kit_needs_all_but(3, &LINKED, |kit| {
        let region = region(kit);
        let mut areas = Vec::new();
        for turn in 0..64 {
            kit.on.hand_over_to(turn % 3);
            let at = region.vmalloc(PAGE, HIGHMEM, 0).unwrap();
            kit.on.store(at.as_u32(), 7);
            areas.push(at);
        }
        for (turn, at) in areas.iter().enumerate() {
            kit.on.hand_over_to(turn % 3);
            assert_eq!(kit.on.load(at.as_u32()), 7);
            region.vfree(*at).unwrap();
        }
        assert_eq!(region.figures().waiting, 0);
        for at in &areas {
            assert!(kit.on.here().load_u32(*at).is_err());
            kit.on.0.emulated.range_reused(range(at.as_u32(), PAGE));
        }
    });
}

#[test]
fn one_cpu_needs_as_much() {
    kit_needs_all_but(1, &LINKED, |kit| {
        let region = region(kit);
        for _ in 0..2 {
            let at = region.vmalloc(PAGE, HIGHMEM, 0).unwrap();
            kit.on.store(at.as_u32(), 7);
            region.vfree(at).unwrap();
            assert_eq!(region.purge(), 1);
            assert!(kit.on.here().load_u32(at).is_err());
            kit.on.0.emulated.range_reused(range(at.as_u32(), PAGE));
        }
    });
}

#[test]
fn a_region_that_is_short_gives_up_tables() {
    let redundant = [
        LINKED[0],
        LINKED[1],
        ("isb in sequence.rs", 1, "no page was left in the tables"),
        (
            "dsb InnerStores in mod.rs",
            2,
            "pages are published in three parts, and used after the last",
        ),
        ("isb in mod.rs", 2, "pages are published in three parts, and used after the last"),
    ];
    kit_needs_all_but(2, &redundant, |kit| {
        let region = region(kit);
        let at = region.vmalloc(70 * PAGE, KERNEL, 0).unwrap();
        use_pages(kit, at, 70, 1);
        region.vfree(at).unwrap();
        region.make_room();
        assert!(kit.on.here().load_u32(at).is_err());
        kit.on.0.emulated.range_reused(range(at.as_u32(), 70 * PAGE));
        assert_eq!(kit.on.tables(), 0);
    });
}

#[test]
fn pages_of_somebody_else_are_mapped_and_theirs_again() {
    kit_needs_all_but(2, &LINKED, |kit| {
        let region = region(kit);
        for cpu in [0, 1] {
            kit.on.run_on(cpu);
            let take = |kind| kit.pages.alloc_raw_in(kind, HIGHMEM, mm::addr::Order::ZERO).unwrap();
            let frames = [ZoneKind::HighMem, ZoneKind::Normal].map(take);
            let at = region.vmap(&frames, Prot::KERNEL, KERNEL, 0).unwrap();
            use_pages(kit, at, 2, 1 - cpu);
            // One of them is read by its other address.
            let low = linear(frames[1].as_u32() * PAGE).as_u32();
            assert_eq!(kit.on.load(low), !(at.as_u32() + PAGE));
            region.vunmap(at).unwrap();
            assert!(kit.on.here().load_u32(at).is_err());
            kit.on.0.emulated.range_reused(range(at.as_u32(), 2 * PAGE));
            give(kit, &frames);
        }
    });
}

#[test]
fn an_area_grows_and_shrinks() {
    kit_needs_all_but(2, &LINKED, |kit| {
        let region = region(kit);
        let at = region.vmalloc(PAGE, HIGHMEM, 0).unwrap();
        use_pages(kit, at, 1, 1);
        let larger = region.vrealloc(at, 3 * PAGE, HIGHMEM, 0).unwrap();
        assert_eq!(kit.on.load(larger.as_u32()), !at.as_u32());
        use_pages(kit, larger, 3, 0);
        let smaller = region.vrealloc(larger, PAGE, HIGHMEM, 0).unwrap();
        assert_eq!(kit.on.load(smaller.as_u32()), !larger.as_u32());
        region.vfree(smaller).unwrap();
        region.purge();
    });
}

/// Gives back frames, each by itself.
#[expect(unsafe_code, reason = "frames are given back by their numbers")]
pub fn give(kit: Kit<'_, '_>, frames: &[Pfn]) {
    // SAFETY: the test took each by itself, and nothing but the linear map has them.
    unsafe { kit.pages.free_bulk_raw(frames) }.unwrap();
}
