//! `ioremap`: registers, and memory that a device has.

use mm::map::MemoryType;
use mm::map::ioremap::map::IoMap;

use crate::checks::{LINKED, Redundant, kit_needs_all_but};
use crate::kit::{Books, CPUS, Kit, Live};
use crate::place::*;
use crate::vmalloc::{Region, region};

const PAGE: u32 = 0x1000;
const MIB: u32 = 1 << 20;

pub type Io<'r, 's, 'w> = IoMap<'r, 's, 'w, Books<'w>, Live<'w>, CPUS>;

/// Runs with `ioremap` in a region of its own.
fn with_io(kit: Kit<'_, '_>, run: impl for<'r, 's, 'w> FnOnce(&Region<'s, 'w>, &Io<'r, 's, 'w>)) {
    let region = region(kit);
    let ram = [memory(RAM, RAM_END - RAM)];
    let io = IoMap::new(&region, &ram);
    run(&region, &io);
}

#[test]
fn registers_are_mapped_and_unmapped() {
    kit_needs_all_but(2, &LINKED, |kit| {
        with_io(kit, |region, io| {
            for (cpu, first) in [(0, DEVICE), (1, DEVICE + PAGE)] {
                kit.on.hand_over_to(cpu);
                let at = io.ioremap(phys(first + 0x10), 0x20, 0).unwrap().as_u32();
                kit.on.store(at, 5);
                kit.on.run_on(1 - cpu);
                assert_eq!(kit.on.load(at), 5);
                assert_eq!(kit.on.0.emulated.peek(phys(first + 0x10)), 5);
                io.iounmap(virt(at)).unwrap();
                region.purge();
                assert!(kit.on.here().load_u32(virt(at)).is_err());
                kit.on.0.emulated.range_reused(range(at & !(PAGE - 1), PAGE));
            }
        });
    });
}

/// Memory of a device is mapped as one type after another, with nothing in between but `iounmap`: the second mapping
/// flushes what waits.
fn types_change(types: [MemoryType; 3], redundant: &[Redundant]) {
    kit_needs_all_but(2, redundant, |kit| {
        with_io(kit, |_, io| {
            for (turn, memory) in (0_u32..).zip(types) {
                kit.on.hand_over_to(turn as usize % 2);
                let map = |caller| match memory {
                    MemoryType::WriteCombine => io.ioremap_wc(phys(DEVICE), PAGE, caller),
                    MemoryType::WriteBack => io.ioremap_cache(phys(DEVICE), PAGE, caller),
                    _ => io.ioremap(phys(DEVICE), PAGE, caller),
                };
                let at = map(1).unwrap();
                kit.on.store(at.as_u32(), turn);
                kit.on.run_on(1 - turn as usize % 2);
                assert_eq!(kit.on.load(at.as_u32()), turn);
                io.iounmap(at).unwrap();
            }
        });
    });
}

#[test]
fn another_type_flushes_first() {
    use MemoryType::{Device, WriteBack, WriteCombine};
    let isb = ("isb in sequence.rs", 2, "the new mapping brings its own");
    types_change([Device, WriteCombine, Device], &[LINKED[0], LINKED[1], isb]);
    types_change([WriteCombine, Device, WriteBack], &[LINKED[0], LINKED[1], isb]);
}

#[test]
fn large_ranges_are_blocks() {
    for bytes in [2 * MIB, 16 * MIB] {
        kit_needs_all_but(2, &[], |kit| {
            with_io(kit, |region, io| {
                for cpu in [0, 1] {
                    kit.on.hand_over_to(cpu);
                    let at = io.ioremap(phys(DEVICE), bytes, 0).unwrap();
                    kit.on.store(at.as_u32() + MIB, 7);
                    kit.on.run_on(1 - cpu);
                    assert_eq!(kit.on.load(at.as_u32() + MIB), 7);
                    assert_eq!(kit.on.tables(), 0);
                    io.iounmap(at).unwrap();
                    region.purge();
                    assert!(kit.on.here().load_u32(at).is_err());
                    kit.on.0.emulated.range_reused(range(at.as_u32(), bytes));
                }
            });
        });
    }
}
