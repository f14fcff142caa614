//! The live tables by themselves: pages, tables, blocks, address spaces.

use arch_arm::mmu::descriptor::RootBase;
use mm::addr::Pfn;
use mm::map::{Mmu, Prot};
use mm::zone::Gfp;
use testkit::{Abort, Status};

use crate::bridge::On;
use crate::checks::{Redundant, live_needs_all, live_needs_all_but};
use crate::kit::Live;
use crate::place::*;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
/// Where things are mapped.
const AREA: u32 = 0xf000_0000;
const PAGE: u32 = 0x1000;
const MIB: u32 = 1 << 20;

/// What a load aborts with.
fn status(on: On<'_>, at: u32) -> Option<Status> {
    on.here().load_u32(virt(at)).err().map(|Abort { status, .. }| status)
}

/// Pages are mapped on one CPU, used by two, taken away on the other, and their frames are somebody else's.
fn pages_live(on: On<'_>, live: &Live<'_>, first: u32, [maker, user]: [usize; 2]) {
    let emulated = on.0.emulated;
    on.run_on(maker);
    live.publish(live.map_run(virt(AREA), frames(first, 2), Prot::KERNEL));
    on.store(AREA, first);
    on.store(AREA + PAGE, first);
    on.run_on(user);
    assert_eq!((on.load(AREA), on.load(AREA + PAGE)), (first, first));
    live.flush(live.retire(range(AREA, 2 * PAGE)));
    // The address, before anybody else makes something visible or is stopped.
    assert_eq!(status(on, AREA), Some(Status::PageTranslation));
    emulated.range_reused(range(AREA, 2 * PAGE));
    let mut dead = [Pfn::new(0); 3];
    assert_eq!(live.take_dead(range(AREA, 2 * PAGE), &mut dead), (2, virt(AREA + 2 * PAGE)));
    assert_eq!(dead[..2], [pfn(first), pfn(first + PAGE)]);
    emulated.frames_reused(memory(first, 2 * PAGE));
}

#[test]
fn pages_die_and_their_addresses_are_used_again() {
    live_needs_all(2, |on, live| {
        live.hold_tables(range(AREA, 2 * PAGE), KERNEL).unwrap();
        // Who finds the table made by another CPU waits for its own words only.
        on.run_on(1);
        live.hold_tables(range(AREA, 2 * PAGE), KERNEL).unwrap();
        pages_live(on, live, HIGH, [1, 0]);
        pages_live(on, live, HIGH + 2 * PAGE, [0, 1]);
    });
}

const NO_PAGES_LEFT: &str = "no instruction may use a page of a table that is empty and flushed";

#[test]
fn pages_are_cleared_and_their_table_goes() {
    let redundant = [("isb in sequence.rs", 2, NO_PAGES_LEFT)];
    live_needs_all_but(3, &redundant, |on, live| {
        let emulated = on.0.emulated;
        for (frame, cpu) in [(HIGH, 0), (HIGH + PAGE, 1)] {
            on.run_on(cpu);
            live.hold_tables(range(AREA, PAGE), KERNEL).unwrap();
            // Another CPU finds the table.
            on.run_on(2);
            live.hold_tables(range(AREA, PAGE), KERNEL).unwrap();
            live.publish(live.map_pages(virt(AREA), &[pfn(frame)], Prot::KERNEL));
            on.store(AREA, 7);
            on.run_on(cpu);
            assert_eq!(on.load(AREA), 7);
            on.run_on(2);
            live.flush(live.clear(range(AREA, PAGE)));
            emulated.frame_freed(phys(frame));
            emulated.range_reused(range(AREA, PAGE));
            // Not the last.
            live.drop_tables(range(AREA, PAGE));
            assert_eq!(on.tables(), 1);
            on.run_on(cpu);
            live.drop_tables(range(AREA, PAGE));
            assert_eq!((on.tables(), status(on, AREA)), (0, Some(Status::SectionTranslation)));
        }
    });
}

#[test]
fn sections_and_pages_come_and_go() {
    // Half a page more than two sections at either end, a section's worth of distance between virtual and physical.
    let (first, bytes) = (DEVICE + MIB - PAGE, 2 * MIB + 2 * PAGE);
    let at = AREA + MIB - PAGE;
    live_needs_all_but(2, REDUNDANT_BLOCKS, |on, live| {
        for cpu in [0, 1] {
            on.run_on(cpu);
            let phys = memory(first, bytes);
            live.publish(live.map_blocks(virt(at), phys, Prot::DEVICE, KERNEL).unwrap());
            for cpu in [0, 1] {
                on.run_on(cpu);
                for page in [at, at + PAGE, at + MIB + PAGE, at + bytes - PAGE] {
                    on.store(page, page);
                    assert_eq!(on.0.emulated.peek(crate::place::phys(page - at + first)), page);
                }
            }
            live.flush(live.unmap_blocks(range(at, bytes)));
            assert_eq!(status(on, at + PAGE), Some(Status::SectionTranslation));
            on.0.emulated.range_reused(range(at, bytes));
            assert_eq!(on.tables(), 0);
        }
    });
}

const LINK_THEN_PUBLISH: &str = "the CPU that links the table publishes the pages too";
const ALL_FOLLOWS: &str = "tables were flushed by themselves; a flush of everything follows";
/// Twice: from either CPU.
const REDUNDANT_BLOCKS: &[Redundant] = &[
    ("dsb InnerStores in tables.rs", 4, LINK_THEN_PUBLISH),
    ("isb in tables.rs", 4, LINK_THEN_PUBLISH),
    ("dsb InnerStores in tables.rs", 2, "both tables were cleared before the first was linked"),
    ("tlbi in sequence.rs", 4, ALL_FOLLOWS),
    ("isb in sequence.rs", 2, ALL_FOLLOWS),
    ("dsb InnerStores in sequence.rs", 2, ALL_FOLLOWS),
];

/// A supersection's worth of the device.
const SUPERSECTION: u32 = 0x0a00_0000;

#[test]
fn supersections_come_and_go() {
    live_needs_all(2, |on, live| {
        for cpu in [0, 1] {
            on.run_on(cpu);
            let phys = memory(SUPERSECTION, 16 * MIB);
            live.publish(live.map_blocks(virt(AREA), phys, Prot::DEVICE, KERNEL).unwrap());
            on.store(AREA + 3 * MIB, 5);
            on.run_on(1 - cpu);
            assert_eq!(on.load(AREA + 3 * MIB), 5);
            live.flush(live.unmap_blocks(range(AREA, 16 * MIB)));
            assert_eq!(status(on, AREA), Some(Status::SectionTranslation));
            on.0.emulated.range_reused(range(AREA, 16 * MIB));
        }
    });
}

/// One more address space, whose user space is empty.
pub fn add_root(on: On<'_>, live: &Live<'_>, root: u32) {
    // The rest is what memory held.
    on.store_bytes(linear(root), &vec![0; (KERNEL_START >> 20 << 2) as usize]);
    live.add_root(RootBase::new(phys(root)).unwrap()).unwrap();
}

#[test]
fn a_change_is_seen_in_all_address_spaces() {
    let [root, _] = ROOTS;
    let redundant = [("isb in sequence.rs", 2, NO_PAGES_LEFT)];
    live_needs_all_but(2, &redundant, |on, live| {
        let emulated = on.0.emulated;
        add_root(on, live, root);
        on.run_on(1);
        on.switch(root, 3);
        for (cpu, frame) in [(0, HIGH), (1, HIGH + PAGE)] {
            on.run_on(cpu);
            live.hold_tables(range(AREA, PAGE), KERNEL).unwrap();
            on.run_on(1 - cpu);
            live.hold_tables(range(AREA, PAGE), KERNEL).unwrap();
            live.publish(live.map_run(virt(AREA), frames(frame, 1), Prot::KERNEL));
            on.store(AREA, frame);
            on.run_on(cpu);
            assert_eq!(on.load(AREA), frame);
            live.flush(live.clear(range(AREA, PAGE)));
            emulated.frame_freed(phys(frame));
            live.drop_tables(range(AREA, PAGE));
            live.drop_tables(range(AREA, PAGE));
            assert_eq!((on.tables(), status(on, AREA)), (0, Some(Status::SectionTranslation)));
            emulated.range_reused(range(AREA, PAGE));
        }
        on.run_on(1);
        on.switch(ROOT, 0);
        live.remove_root(RootBase::new(phys(root)).unwrap()).unwrap();
    });
}

/// A section and a supersection, each written by itself, as `ioremap` does it.
#[test]
fn a_block_is_seen_in_all_address_spaces() {
    for bytes in [MIB, 16 * MIB] {
        live_needs_all(2, |on, live| {
            add_root(on, live, ROOTS[0]);
            on.run_on(1);
            on.switch(ROOTS[0], 3);
            let phys = memory(DEVICE, bytes);
            let words = [0, MIB / 2, bytes - 4];
            for cpu in [0, 1] {
                on.run_on(cpu);
                live.publish(live.map_block(virt(AREA), phys, Prot::DEVICE).unwrap());
                words.iter().for_each(|at| on.store(AREA + at, at + 1));
                on.run_on(1 - cpu);
                words.iter().for_each(|at| assert_eq!(on.load(AREA + at), at + 1));
                live.flush(live.unmap_block(range(AREA, bytes)).unwrap());
                for cpu in [0, 1] {
                    on.run_on(cpu);
                    assert_eq!(status(on, AREA), Some(Status::SectionTranslation));
                }
                on.0.emulated.range_reused(range(AREA, bytes));
            }
        });
    }
}

/// A whole mebibyte of lowmem that nobody uses.
const SECTION: u32 = RAM + 5 * MIB;

#[test]
fn sections_leave_the_linear_map_and_come_back() {
    let at = linear(SECTION).as_u32();
    live_needs_all(2, |on, live| {
        for cpu in [0, 1] {
            on.run_on(cpu);
            on.store(at + 64, 1);
            on.run_on(1 - cpu);
            assert_eq!(on.load(at + 64), 1);
            live.take_out(range(at, 2 * MIB)).unwrap();
            assert_eq!(status(on, at), Some(Status::SectionTranslation));
            assert_eq!(status(on, at + MIB), Some(Status::SectionTranslation));
            on.0.emulated.range_reused(range(at, 2 * MIB));
            live.put_back(range(at, 2 * MIB)).unwrap();
            on.store(at + MIB, 2);
            assert_eq!(on.load(at + 64), 1);
        }
    });
}

#[test]
fn sections_come_and_go_in_all_address_spaces() {
    let at = linear(SECTION).as_u32();
    live_needs_all(2, |on, live| {
        add_root(on, live, ROOTS[0]);
        on.run_on(1);
        on.switch(ROOTS[0], 3);
        for cpu in [0, 1] {
            let other = 1 - cpu;
            on.run_on(cpu);
            live.take_out(range(at, MIB)).unwrap();
            on.run_on(other);
            assert_eq!(status(on, at), Some(Status::SectionTranslation));
            on.0.emulated.range_reused(range(at, MIB));
            // Its memory, as what it could not be while it was in the linear map.
            let phys = memory(SECTION, MIB);
            live.publish(live.map_blocks(virt(AREA), phys, Prot::WRITE_COMBINE, KERNEL).unwrap());
            on.store(AREA, 7);
            on.run_on(cpu);
            assert_eq!(on.load(AREA), 7);
            live.flush(live.unmap_blocks(range(AREA, MIB)));
            assert_eq!(status(on, AREA), Some(Status::SectionTranslation));
            on.0.emulated.range_reused(range(AREA, MIB));
            on.run_on(other);
            live.put_back(range(at, MIB)).unwrap();
            on.store(at + 64, 8);
            on.run_on(cpu);
            assert_eq!(on.load(at + 64), 8);
        }
    });
}
