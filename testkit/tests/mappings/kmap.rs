//! `kmap` and `kmap_local`.

use mm::addr::{Order, Pfn};
use mm::map::MmuSlots;
use mm::map::kmap::Pkmap;
use mm::zone::{Gfp, ZoneKind};

use crate::checks::{kit_needs_all, kit_needs_all_but};
use crate::kit::{Books, CPUS, Kit, Live};
use crate::place::*;
use crate::vmalloc::give;

const PAGE: u32 = 0x1000;
/// Slots of the pkmap.
const SLOTS: usize = 512;

pub type Slots<'s, 'w> = Pkmap<'s, 'w, Books<'w>, MmuSlots<'w, Live<'w>>, CPUS>;

pub fn pkmap<'s, 'w>(kit: Kit<'s, 'w>) -> Slots<'s, 'w> {
    let region = range(PKMAP, 2 << 20);
    Pkmap::new(kit.pages, &linear_map(), region, MmuSlots(kit.live)).unwrap()
}

pub fn take_high(kit: Kit<'_, '_>) -> Pfn {
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_HIGHMEM;
    kit.pages.alloc_raw_in(ZoneKind::HighMem, gfp, Order::ZERO).unwrap()
}

#[test]
fn levels_of_one_cpu_nest_and_their_slots_are_used_again() {
    kit_needs_all(2, |kit| {
        let frames = [take_high(kit), take_high(kit)];
        for cpu in [0, 1] {
            kit.on.run_on(cpu);
            let outer = kit.local.kmap_local_raw(frames[0]).unwrap();
            kit.on.store(outer.as_u32(), 1 + cpu as u32);
            let inner = kit.local.kmap_local_raw(frames[1]).unwrap();
            kit.on.store(inner.as_u32(), 3);
            assert_eq!(kit.on.load(outer.as_u32()), 1 + cpu as u32);
            kit.local.kunmap_local_raw(inner).unwrap();
            assert!(kit.on.here().load_u32(inner).is_err());
            let inner = kit.local.kmap_local_raw(frames[0]).unwrap();
            assert_eq!(kit.on.load(inner.as_u32()), 1 + cpu as u32);
            kit.local.kunmap_local_raw(inner).unwrap();
            kit.on.0.emulated.range_reused(range(inner.as_u32(), PAGE));
            kit.local.kunmap_local_raw(outer).unwrap();
            assert!(kit.on.here().load_u32(outer).is_err());
        }
        give(kit, &frames);
    });
}

#[test]
fn pages_are_zeroed_by_way_of_slots() {
    let redundant = [("isb in sequence.rs", 3, "the next frame's mapping brings its own")];
    kit_needs_all_but(1, &redundant, |kit| {
        let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_HIGHMEM | Gfp::__GFP_ZERO;
        let take = || kit.pages.alloc_raw_in(ZoneKind::HighMem, gfp, Order::ZERO).unwrap();
        let pages = [take(), take()];
        for page in pages {
            let word = kit.local.with_page(page, |virt| kit.on.here().load_u32(virt));
            assert_eq!(word, Ok(0));
        }
        give(kit, &pages);
    });
}

#[test]
fn idle_slots_keep_their_frames_until_they_are_flushed() {
    kit_needs_all(2, |kit| {
        let pkmap = pkmap(kit);
        let frames = [take_high(kit), take_high(kit)];
        for cpu in [0, 1] {
            kit.on.hand_over_to(cpu);
            let at = frames.map(|pfn| {
                let at = pkmap.kmap_raw(pfn).unwrap();
                kit.on.store(at.as_u32(), at.as_u32());
                at
            });
            kit.on.run_on(1 - cpu);
            at.iter().for_each(|at| assert_eq!(kit.on.load(at.as_u32()), at.as_u32()));
            at.iter().for_each(|at| pkmap.kunmap_raw(*at).unwrap());
            // Mapped as before.
            assert_eq!(kit.on.load(at[0].as_u32()), at[0].as_u32());
            assert_eq!(pkmap.flush_unused(), 0);
            at.iter().for_each(|at| kit.on.0.emulated.range_reused(range(at.as_u32(), PAGE)));
            assert!(kit.on.here().load_u32(at[0]).is_err());
        }
        // The slots held references: only now are they free.
        let at = pkmap.kmap_raw(frames[0]).unwrap();
        assert_ne!(kit.on.load(at.as_u32()), 0);
        pkmap.kunmap_raw(at).unwrap();
        give(kit, &frames);
        assert_eq!(pkmap.flush_unused(), 1);
    });
}

#[test]
fn slots_are_flushed_when_they_have_been_gone_through_once() {
    let machine = setup(2).build(testkit::Adversary::Lazy);
    crate::kit::with_kit(&machine, |kit| {
        let pkmap = pkmap(kit);
        // Twice as many frames as there are slots, one after another; so each slot has two.
        for turn in 0..2 * SLOTS as u32 {
            kit.on.hand_over_to(turn as usize % 2);
            let pfn = take_high(kit);
            let at = pkmap.kmap_raw(pfn).unwrap();
            kit.on.store(at.as_u32(), turn);
            let other = kit.local.kmap_local_raw(pfn).unwrap();
            assert_eq!(kit.on.load(other.as_u32()), turn);
            kit.local.kunmap_local_raw(other).unwrap();
            pkmap.kunmap_raw(at).unwrap();
            // The slot has it still.
            give(kit, &[pfn]);
        }
    });
}
