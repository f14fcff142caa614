//! Rights of what is mapped, and sections that become pages and sections again, in use.

use arch_arm::mmu::descriptor::RootBase;
use arch_arm::mmu::live::{Machine, replace_step_by_step};
use mm::map::{Mmu, Prot};
use mm::zone::Gfp;
use testkit::{Abort, Adversary, Status};

use crate::bridge::On;
use crate::checks::{live_needs_all, live_needs_all_but};
use crate::kit::with_live;
use crate::place::*;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const PAGE: u32 = 0x1000;
const MIB: u32 = 1 << 20;
/// Where pages are mapped.
const AREA: u32 = 0xf000_0000;
/// A mebibyte of lowmem: a stack, and data.
const SECTION: u32 = RAM + 5 * MIB;

/// What a store aborts with.
fn store_status(on: On<'_>, at: u32) -> Option<Status> {
    on.here().store_u32(virt(at), 0).err().map(|Abort { status, .. }| status)
}

#[test]
fn rights_of_pages_change() {
    live_needs_all(2, |on, live| {
        let pages = range(AREA, 2 * PAGE);
        live.hold_tables(pages, KERNEL).unwrap();
        on.run_on(1);
        live.hold_tables(pages, KERNEL).unwrap();
        live.publish(live.map_run(virt(AREA), frames(HIGH, 2), Prot::KERNEL));
        for cpu in [1, 0] {
            on.run_on(cpu);
            on.store(AREA, 1);
            on.store(AREA + PAGE, 2);
            live.set_memory_ro(pages, KERNEL).unwrap();
            for (cpu, at) in [(0, AREA), (1, AREA), (0, AREA + PAGE), (1, AREA + PAGE)] {
                on.run_on(cpu);
                assert_eq!(store_status(on, at), Some(Status::PagePermission));
            }
            live.set_memory_x(pages, KERNEL).unwrap();
            for cpu in [1, 0] {
                on.run_on(cpu);
                assert_eq!(on.here().fetch(virt(AREA)), Ok(phys(HIGH)));
                assert_eq!(on.here().fetch(virt(AREA + PAGE)), Ok(phys(HIGH + PAGE)));
            }
            live.set_memory_nx(pages, KERNEL).unwrap();
            for cpu in [1, 0] {
                on.run_on(cpu);
                for at in [AREA, AREA + PAGE] {
                    assert!(on.here().fetch(virt(at)).is_err());
                }
            }
            live.set_memory_rw(pages, KERNEL).unwrap();
            for cpu in [0, 1] {
                on.run_on(cpu);
                on.store(AREA, 3);
                on.store(AREA + PAGE, 3);
            }
        }
    });
}

// What may be left out whenever a live word is replaced.
const BREAK: &str = "between break and make nothing is used that the word maps; one store of the flush's barrier \
                     speaks for all roots";
const MAKE: &str = "the flush of the alias follows, with the same barriers";
const ONE_ROOT: &str = "there is no other address space";
const AGAIN: &str = "after `replace_live` this CPU has had its isb";

#[test]
fn a_section_is_split_under_a_stack_and_joined() {
    let (stack, data) = (linear(SECTION + 0x8000).as_u32(), linear(SECTION + 0x4_0000).as_u32());
    let redundant = [
        ("isb in bridge.rs", 4, BREAK),
        ("dsb InnerStores in roots.rs", 4, BREAK),
        ("isb in roots.rs", 4, AGAIN),
        ("dsb InnerStores in bridge.rs", 4, MAKE),
        ("isb in bridge.rs", 4, MAKE),
        ("dsb InnerStores in roots.rs", 4, ONE_ROOT),
    ];
    live_needs_all_but(2, &redundant, |on, live| {
        let whole = range(linear(SECTION).as_u32(), MIB);
        for cpu in [0, 1] {
            on.run_on(cpu);
            on.store(stack, 1);
            on.store(data, 2);
            assert_eq!(live.split(whole, KERNEL), Ok(1));
            on.store(stack, 3);
            on.run_on(1 - cpu);
            assert_eq!((on.load(stack), on.load(data)), (3, 2));
            on.run_on(cpu);
            assert_eq!(live.join(whole), 1);
            on.store(stack, 4);
            on.run_on(1 - cpu);
            assert_eq!((on.load(stack), on.load(data), on.tables()), (4, 2, 0));
        }
    });
}

#[test]
fn the_section_of_the_tables_is_split_and_joined() {
    let redundant = [
        ("isb in bridge.rs", 4, BREAK),
        ("dsb InnerStores in roots.rs", 4, BREAK),
        ("isb in roots.rs", 4, AGAIN),
        ("dsb InnerStores in roots.rs", 4, ONE_ROOT),
    ];
    live_needs_all_but(2, &redundant, |on, live| {
        let whole = range(LINEAR, MIB);
        for cpu in [0, 1] {
            on.run_on(cpu);
            assert_eq!(live.split(whole, KERNEL), Ok(1));
            assert_eq!(on.tables(), 1);
            on.run_on(1 - cpu);
            assert_eq!(live.join(whole), 1);
            on.run_on(cpu);
            assert_eq!((on.load(LINEAR), on.tables()), (on.load(LINEAR), 0));
        }
    });
}

#[test]
fn part_of_a_section_is_read_only() {
    let at = linear(SECTION + 7 * PAGE).as_u32();
    let redundant = [
        ("isb in bridge.rs", 2, BREAK),
        ("dsb InnerStores in roots.rs", 2, BREAK),
        ("isb in roots.rs", 2, AGAIN),
        ("dsb InnerStores in bridge.rs", 2, MAKE),
        ("isb in bridge.rs", 2, MAKE),
        ("dsb InnerStores in roots.rs", 2, ONE_ROOT),
    ];
    live_needs_all_but(2, &redundant, |on, live| {
        on.store(at, 1);
        on.run_on(1);
        assert_eq!(on.load(at), 1);
        live.set_memory_ro(range(at, PAGE), KERNEL).unwrap();
        for cpu in [0, 1] {
            on.run_on(cpu);
            assert_eq!(store_status(on, at), Some(Status::PagePermission));
            on.store(at + PAGE, 5);
        }
        live.set_memory_rw(range(at, PAGE), KERNEL).unwrap();
        for cpu in [0, 1] {
            on.run_on(cpu);
            on.store(at, 6);
        }
        assert_eq!(live.join(range(linear(SECTION).as_u32(), MIB)), 1);
        on.store(at, 7);
        on.run_on(0);
        assert_eq!(on.load(at), 7);
    });
}

#[test]
fn sections_are_split_in_all_address_spaces() {
    let [root, _] = ROOTS;
    let at = linear(SECTION).as_u32();
    let redundant = [
        ("isb in bridge.rs", 4, BREAK),
        ("dsb InnerStores in roots.rs", 4, BREAK),
        ("isb in roots.rs", 4, AGAIN),
        ("dsb InnerStores in bridge.rs", 4, MAKE),
        ("isb in bridge.rs", 4, MAKE),
    ];
    live_needs_all_but(2, &redundant, |on, live| {
        on.store_bytes(linear(root), &vec![0; (KERNEL_START >> 20 << 2) as usize]);
        live.add_root(RootBase::new(phys(root)).unwrap()).unwrap();
        on.run_on(1);
        on.switch(root, 3);
        for cpu in [0, 1] {
            on.run_on(cpu);
            on.store(at, 1);
            assert_eq!(live.split(range(at, MIB), KERNEL), Ok(1));
            on.run_on(1 - cpu);
            assert_eq!(on.load(at), 1);
            assert_eq!(live.join(range(at, MIB)), 1);
            assert_eq!((on.load(at), on.tables()), (1, 0));
            on.run_on(cpu);
            assert_eq!(on.load(at), 1);
        }
    });
}

/// A page of the pool that watches objects: it faults for both CPUs, and comes back as it was.
#[test]
fn a_page_of_the_linear_map_is_closed_and_opened() {
    let at = linear(SECTION + 7 * PAGE).as_u32();
    let split = [
        ("isb in bridge.rs", 1, BREAK),
        ("dsb InnerStores in roots.rs", 1, BREAK),
        ("isb in roots.rs", 1, AGAIN),
        ("dsb InnerStores in bridge.rs", 1, MAKE),
        ("isb in bridge.rs", 1, MAKE),
        ("dsb InnerStores in roots.rs", 1, ONE_ROOT),
    ];
    live_needs_all_but(2, &split, |on, live| {
        assert_eq!(live.split(range(linear(SECTION).as_u32(), MIB), KERNEL), Ok(1));
        for cpu in [0, 1] {
            on.run_on(1 - cpu);
            on.store(at, 1);
            on.run_on(cpu);
            on.store(at, 2);
            assert!(live.protect(virt(at)));
            for cpu in [1 - cpu, cpu] {
                on.run_on(cpu);
                assert_eq!(store_status(on, at), Some(Status::PageTranslation));
                on.store(at + PAGE, 3);
            }
            live.unprotect(virt(at));
            assert_eq!(on.load(at), 2);
            on.store(at, 4);
            on.run_on(1 - cpu);
            assert_eq!(on.load(at), 4);
        }
    });
}

/// The machine can tell: through the linear map, the word that maps the tables can not be made again.
#[test]
#[should_panic(expected = "SectionTranslation")]
fn a_word_that_maps_itself_is_not_replaced_through_itself() {
    with_live(&setup(1).build(Adversary::Lazy), |on, _| {
        let entry = phys(ROOT + (LINEAR >> 20) * 4);
        let word = on.read(entry);
        replace_step_by_step(&on, entry, virt(LINEAR), word);
    });
}
