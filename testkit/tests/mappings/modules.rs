//! Memory for modules: filled, sealed, used by all CPUs, given back and used again.

use mm::addr::{Order, VirtAddr, VirtRange};
use mm::map::Prot;
use mm::map::area::RegionName;
use mm::map::module_area::ModuleArea;
use mm::map::vmalloc::MappedRegion;
use mm::zone::Gfp;
use testkit::{Abort, Status};

use crate::bridge::On;
use crate::checks::{LINKED, kit_needs_all_but};
use crate::kit::{Books, CPUS, Kit, Live};
use crate::place::*;
use crate::vmalloc::{Region, give, region};

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const PAGE: u32 = 0x1000;
/// Pages of the modules region.
const PAGES: u32 = 256;

type Area<'r, 's, 'w> = ModuleArea<'r, 's, 'w, Books<'w>, Live<'w>, CPUS>;

fn modules<'s, 'w>(kit: Kit<'s, 'w>) -> Region<'s, 'w> {
    let space = range(KERNEL_START, PAGES * PAGE);
    MappedRegion::new(RegionName::Modules, space, kit.pages, kit.slabs, kit.live).unwrap()
}

fn store_status(on: On<'_>, at: VirtAddr) -> Option<Status> {
    on.here().store_u32(at, 0).err().map(|Abort { status, .. }| status)
}

fn fetch_status(on: On<'_>, at: VirtAddr) -> Option<Status> {
    on.here().fetch(at).err().map(|Abort { status, .. }| status)
}

/// A page of each: where text, read-only data and data begin.
fn pages(area: VirtRange) -> [VirtAddr; 3] {
    assert_eq!(area.len(), 3 * PAGE);
    [0, PAGE, 2 * PAGE].map(|offset| virt(area.start().as_u32() + offset))
}

/// Fills a module's area on one CPU, and seals it, as the kernel does.
fn load(kit: Kit<'_, '_>, area: &Area<'_, '_, '_>) -> VirtRange {
    let got = area.alloc(3 * PAGE, KERNEL, 0).unwrap();
    let [text, rodata, data] = pages(got);
    for at in [text, rodata, data] {
        kit.on.store(at.as_u32(), !at.as_u32());
        assert_eq!(fetch_status(kit.on, at), Some(Status::PagePermission), "{at} while filled");
    }
    // Instructions are not cached here: K20.
    kit.live.seal(range(text.as_u32(), PAGE), range(rodata.as_u32(), PAGE), KERNEL).unwrap();
    got
}

/// It has the rights that it should, on this CPU.
fn is_sealed(kit: Kit<'_, '_>, got: VirtRange) {
    let [text, rodata, data] = pages(got);
    let on = kit.on;
    assert!(on.here().fetch(text).is_ok());
    for at in [text, rodata] {
        assert_eq!(on.load(at.as_u32()), !at.as_u32());
        assert_eq!(store_status(on, at), Some(Status::PagePermission));
    }
    for at in [rodata, data] {
        assert_eq!(fetch_status(on, at), Some(Status::PagePermission));
    }
    on.store(data.as_u32(), !data.as_u32());
}

fn is_gone(kit: Kit<'_, '_>, got: VirtRange) {
    for at in pages(got) {
        assert!(kit.on.here().load_u32(at).is_err() && kit.on.here().fetch(at).is_err());
    }
}

/// The flush after text became read-only, and before it becomes executable: the next flush forgets the same, and nobody
/// writes text in between. It stays: with it no CPU writes what another one may execute already.
const BEFORE_IT_RUNS: &str =
    "text is flushed again when it becomes executable, and nobody writes it in between";

#[test]
fn text_runs_and_data_does_not_on_all_cpus_until_it_is_gone() {
    let redundant = [
        LINKED[0],
        LINKED[1],
        ("tlbi in sequence.rs", 2, BEFORE_IT_RUNS),
        ("dsb Inner in sequence.rs", 2, BEFORE_IT_RUNS),
        ("isb in sequence.rs", 2, BEFORE_IT_RUNS),
    ];
    kit_needs_all_but(2, &redundant, |kit| {
        let (near, far) = (modules(kit), region(kit));
        let area = ModuleArea::new(&near, &far);
        for cpu in [0, 1] {
            kit.on.hand_over_to(cpu);
            let got = load(kit, &area);
            is_sealed(kit, got);
            kit.on.run_on(1 - cpu);
            is_sealed(kit, got);
            kit.on.hand_over_to(cpu);
            area.free(got.start()).unwrap();
            for cpu in [1 - cpu, cpu] {
                kit.on.run_on(cpu);
                is_gone(kit, got);
            }
            kit.on.0.emulated.range_reused(got);
        }
    });
}

/// The second module does not fit: it lies where branches do not reach, with the same rights.
#[test]
fn a_module_far_away_is_no_other() {
    let redundant = [
        ("dsb InnerStores in tables.rs", 2, "who links a table publishes the pages too"),
        ("isb in tables.rs", 2, "who links a table publishes the pages too"),
        ("tlbi in sequence.rs", 3, BEFORE_IT_RUNS),
        ("dsb Inner in sequence.rs", 3, BEFORE_IT_RUNS),
        ("isb in sequence.rs", 3, BEFORE_IT_RUNS),
    ];
    kit_needs_all_but(1, &redundant, |kit| {
        let (near, far) = (modules(kit), region(kit));
        let area = ModuleArea::new(&near, &far);
        // Addresses that somebody else has, all with the same page.
        let frame = kit.pages.alloc_raw(KERNEL, Order::ZERO).unwrap();
        let others = near.vmap(&[frame; PAGES as usize - 10], Prot::KERNEL, KERNEL, 0).unwrap();
        kit.on.store(others.as_u32(), 1);
        let [first, second, third] = [(); 3].map(|()| {
            let got = load(kit, &area);
            is_sealed(kit, got);
            got
        });
        assert!(near.region().contains(second.start()) && VMALLOC.contains(third.start()));
        for got in [first, third, second] {
            is_sealed(kit, got);
            area.free(got.start()).unwrap();
            is_gone(kit, got);
            kit.on.0.emulated.range_reused(got);
        }
        near.vunmap(others).unwrap();
        assert!(kit.on.here().load_u32(others).is_err());
        give(kit, &[frame]);
    });
}
