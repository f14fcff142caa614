//! What is refused, what is shared, when things come back, and how large the leaves are.

use super::*;
use crate::map::area::{AreaKind, AreaState};
use crate::map::mmio::{Mmio, Registers, TooFewRegisters};
use crate::map::vmalloc::{AreaFault, VmallocError};
use crate::sync::AtomicU32;
use MemoryType::{Device, WriteBack, WriteCombine};

const UART: PhysAddr = PhysAddr::new(0x900_0000);

fn at(phys: u64) -> PhysAddr {
    PhysAddr::new(phys)
}

#[test]
fn the_offset_in_the_page_stays_and_any_address_in_the_first_page_unmaps() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let virt = io.ioremap(at(0x900_0ffc), 8, 7).unwrap();
        assert_eq!(virt.as_u32() % PAGE_SIZE, 0xffc);
        assert_eq!(bench.phys(virt), Some(0x900_0ffc));
        assert_eq!(bench.phys(virt.checked_add(4).unwrap()), Some(0x900_1000));
        let info = bench.region.area_at(virt).unwrap();
        assert_eq!((info.kind, info.caller, info.phys), (AreaKind::Ioremap, 7, Some(UART)));
        io.iounmap(virt.align_down(PAGE_SIZE).checked_add(1).unwrap()).unwrap();
        assert_eq!(bench.phys(virt), None);
    });
}

#[test]
fn each_type_is_mapped_as_it_says() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let maps = [
            (io.ioremap(at(0x1000), 1, 0).unwrap(), Prot::DEVICE),
            (io.ioremap_wc(at(0x2000), 1, 0).unwrap(), Prot::WRITE_COMBINE),
            // Memory that the tree keeps from the kernel.
            (io.ioremap_cache(at(0x4c00_0000), 1, 0).unwrap(), Prot::KERNEL),
        ];
        for (virt, prot) in maps {
            assert_eq!(bench.mmu.lookup(virt).unwrap().prot, Some(prot));
            io.iounmap(virt).unwrap();
        }
    });
}

#[test]
fn what_is_refused_takes_nothing() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let refused = io.ioremap(at(0x43ff_f000), 0x2000, 0).unwrap_err();
        let range = bytes(0x43ff_f000, 0x4400_1000);
        let memory = bytes(0x43ff_f000, 0x4400_0000);
        assert_eq!(refused, IoremapError::Ram { range, memory });
        let text = "[0x43fff000-0x44000fff] is no device: [0x43fff000-0x43ffffff] is memory";
        assert_eq!(refused.to_string(), text);
        assert_eq!(io.ioremap(UART, 0, 0), Err(IoremapError::Empty { phys: UART }));
        let high = io.ioremap(at(0x1_0000_0000), 0x1000, 0);
        assert!(matches!(high, Err(IoremapError::OutOfReach { .. })));
        assert_eq!(bench.ranges(), []);
    });
}

#[test]
fn another_type_is_refused_and_the_owner_named() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let virt = io.ioremap(at(0x900_0000), 0x3000, 0xc010_1234).unwrap();
        for (phys, len) in [(0x900_1000, 1), (0x8ff_f000, 0x2000), (0x900_2fff, 0x10_0000)] {
            let refused = io.ioremap_wc(at(phys), len, 1).unwrap_err();
            let range = bytes(0x900_0000, 0x900_3000);
            let (wanted, has, caller) = (WriteCombine, Device, 0xc010_1234);
            assert_eq!(refused, IoremapError::Conflict { wanted, has, range, caller });
            let text = "[0x09000000-0x09002fff] is mapped as device by 0xc0101234, so it can not be \
                        write-combine";
            assert_eq!(refused.to_string(), text);
        }
        let beside = io.ioremap_wc(at(0x900_3000), 1, 0).unwrap();
        let refused = io.ioremap(at(0x900_3000), 1, 1).unwrap_err().to_string();
        assert!(refused.contains("is mapped as write-combine by boot"), "{refused}");
        io.iounmap(beside).unwrap();
        io.iounmap(virt).unwrap();
    });
}

#[test]
fn unmapped_is_not_flushed_so_another_type_flushes_first() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let virt = io.ioremap(UART, 0x1000, 0).unwrap();
        io.iounmap(virt).unwrap();
        assert_eq!(bench.ranges(), [(0x9000, 0x9001, Device, 0)]);
        // The same range and type need no flush, and come to the same place.
        let again = io.ioremap(UART, 0x1000, 0).unwrap();
        assert_eq!(again, virt);
        io.iounmap(again).unwrap();
        assert_eq!(bench.mmu.flushes(), 0);
        let wc = io.ioremap_wc(UART, 0x1000, 0).unwrap();
        assert_eq!(bench.mmu.flushes(), 1);
        assert_eq!(bench.ranges(), [(0x9000, 0x9001, WriteCombine, 1)]);
        io.iounmap(wc).unwrap();
        let cached = io.ioremap_cache(UART, 0x1000, 0).unwrap();
        assert_eq!(bench.mmu.flushes(), 1);
        // The batch comes by all of them, after their records have left the tree.
        bench.region.purge();
        assert_eq!(bench.ranges(), [(0x9000, 0x9001, WriteBack, 1)]);
        io.iounmap(cached).unwrap();
        bench.region.purge();
        assert_eq!(bench.ranges(), []);
    });
}

#[test]
fn an_old_batch_leaves_a_newer_range_of_the_same_memory_alone() {
    with_io(space(16), |bench| {
        let io = bench.io;
        io.iounmap(io.ioremap(UART, 1, 0).unwrap()).unwrap();
        io.iounmap(io.ioremap_wc(UART, 1, 0).unwrap()).unwrap();
        let device = io.ioremap(UART, 1, 0).unwrap();
        io.iounmap(device).unwrap();
        // Of three areas that wait, two have records that are out of the tree.
        assert_eq!(bench.region.figures().waiting_areas, 3);
        assert_eq!(bench.ranges(), [(0x9000, 0x9001, Device, 0)]);
        bench.region.purge();
        assert_eq!(bench.ranges(), []);
    });
}

#[test]
fn a_range_that_is_mapped_is_shared_and_the_last_user_ends_it() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let whole = io.ioremap(UART, 0x4000, 1).unwrap();
        let part = io.ioremap(at(0x900_1010), 0x1000, 2).unwrap();
        assert_eq!(part.as_u32() - whole.as_u32(), 0x1010);
        assert_eq!(bench.ranges(), [(0x9000, 0x9004, Device, 2)]);
        // A range that is mapped in part only gets a mapping of its own.
        let more = io.ioremap(at(0x900_3000), 0x2000, 3).unwrap();
        assert_eq!(bench.ranges().len(), 2);
        io.iounmap(whole).unwrap();
        assert_eq!(bench.phys(part), Some(0x900_1010));
        io.iounmap(part).unwrap();
        assert_eq!(bench.phys(part), None);
        io.iounmap(more).unwrap();
    });
}

#[test]
fn wrong_addresses_are_told_and_change_nothing() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let virt = io.ioremap(UART, 0x3000, 0).unwrap();
        let memory = bench.region.vmap(&[], Prot::KERNEL, Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, 0);
        assert_eq!(memory, Err(VmallocError::Empty));
        let live = AreaState::Waiting;
        let cases = [
            (VirtAddr::new(START - 1), AreaFault::OutsideRegion),
            (virt.checked_add(0x1000).unwrap(), AreaFault::Inside { start: virt }),
            (virt.checked_add(0x3000).unwrap(), AreaFault::NoArea),
        ];
        for (wrong, fault) in cases {
            assert_eq!(io.iounmap(wrong).unwrap_err().fault, fault);
        }
        assert_eq!(bench.phys(virt), Some(0x900_0000));
        io.iounmap(virt).unwrap();
        assert_eq!(io.iounmap(virt).unwrap_err().fault, AreaFault::NotLive { state: live });
        let told = bench.told();
        assert_eq!(told.len(), 4);
        assert!(told.iter().all(|line| line.starts_with("BUG: bad free in vmalloc: ")), "{told:?}");
    });
}

#[test]
fn leaves_are_as_large_as_both_sides_let_them() {
    with_io(space(128), |bench| {
        let io = bench.io;
        let mapped = |phys: u64, len: u32| {
            let virt = io.ioremap(at(phys), len, 0).unwrap();
            for offset in [0, len / 3, len - 1] {
                let there = virt.checked_add(offset).unwrap();
                assert_eq!(bench.phys(there), Some(phys + u64::from(offset)));
            }
            let leaves = (bench.mmu.leaves(SUPER), bench.mmu.leaves(SECTION));
            io.iounmap(virt).unwrap();
            leaves
        };
        assert_eq!(mapped(0x1000_0000, 1 << 20), (0, 1));
        assert_eq!(mapped(0x1000_0000, 16 << 20), (1, 0));
        assert_eq!(mapped(0x1010_0000, 16 << 20), (0, 16));
        assert_eq!(mapped(0x1000_1000, 1 << 20), (0, 0));
        assert_eq!(mapped(0x1008_0000, 3 << 20), (0, 2));
        assert_eq!(mapped(0x10f0_0000, 34 << 20), (2, 2));
        assert_eq!(mapped(0x10f0_0000, 28 << 20), (0, 28), "the lead is more than half");
        assert_eq!(mapped(0x1_1000_0000, 16 << 20), (1, 0));
    });
}

#[test]
fn the_lead_is_not_mapped_and_no_way_in() {
    with_io(space(32), |bench| {
        let virt = bench.io.ioremap(at(0x1004_0000), 2 << 20, 0).unwrap();
        let area = bench.region.area_at(virt).unwrap();
        assert_eq!(virt.as_u32() - area.range.start().as_u32(), 0x4_0000);
        assert_eq!(area.phys, Some(at(0x1000_0000)));
        assert_eq!(bench.phys(area.range.start()), None);
        assert!(bench.io.iounmap(area.range.start()).is_err());
        assert_eq!(bench.told().len(), 1);
        bench.io.iounmap(virt).unwrap();
    });
}

#[test]
fn without_an_aligned_hole_smaller_leaves_do_but_not_above_4_gib() {
    // 16 MiB and a guard page fit, but at no multiple of 16 MiB.
    with_io(space(22), |bench| {
        let virt = bench.io.ioremap(at(0x1000_0000), 16 << 20, 0).unwrap();
        assert_eq!((bench.mmu.leaves(SUPER), bench.mmu.leaves(SECTION)), (0, 16));
        bench.io.iounmap(virt).unwrap();
        let refused = bench.io.ioremap(at(0x1_0000_0000), 16 << 20, 0).unwrap_err();
        assert!(matches!(refused, IoremapError::Region(VmallocError::NoHole(_))), "{refused}");
        let told = bench.told();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("vmalloc: no room for 16777216 bytes at a multiple of 2^24"));
    });
    // Nor at a MiB.
    with_io(space(18), |bench| {
        let first = bench.io.ioremap(UART, 1, 0).unwrap();
        let start = bench.io.ioremap(at(0x1000_0000), 17 << 20, 0).unwrap();
        assert_eq!((bench.mmu.leaves(SUPER), bench.mmu.leaves(SECTION)), (0, 0));
        bench.io.iounmap(start).unwrap();
        bench.io.iounmap(first).unwrap();
    });
}

#[test]
fn pairs_of_a_small_range_need_no_memory_and_change_two_words() {
    with_io(space(64), |bench| {
        let io = bench.io;
        let pair = |phys: u64| io.iounmap(io.ioremap(at(phys), 0x1000, 0).unwrap()).unwrap();
        const BATCH: u32 = 64;
        (0..2 * BATCH).for_each(|_| pair(0x900_0000));
        assert_eq!((bench.mmu.flushes(), bench.ranges().len()), (0, 1), "revived again and again");
        assert_eq!(bench.region.figures().waiting_areas, 1);
        (1..BATCH).for_each(|turn| pair(0x900_0000 + u64::from(turn) * 0x1000));
        assert_eq!((bench.mmu.flushes(), bench.ranges().len()), (1, 0));
        let asked = bench.mmu.asked.get();
        for turn in 0..600 {
            pair(0x900_0000);
            // Others, so that records come and go.
            pair(0x1000 * (turn % 300));
        }
        assert_eq!(bench.mmu.asked.get(), asked, "a table was asked for");
        assert!(bench.mmu.flushes() <= 2 + 1200 / BATCH);
        bench.io.validate().unwrap();
    });
}

#[test]
fn what_waits_is_revived_only_as_what_it_was() {
    with_io(space(128), |bench| {
        let io = bench.io;
        for (phys, len) in [(0x900_0000, 0x2000), (0x1008_0000, 3 << 20), (0x2000_0000, 16 << 20)] {
            let start = at(phys);
            let virt = io.ioremap(start, len, 1).unwrap();
            io.iounmap(virt).unwrap();
            let waiting = bench.region.figures();
            // Any bytes of the same pages.
            let again = io.ioremap(at(phys + 4), len - 8, 2).unwrap();
            assert_eq!(again.as_u32(), virt.as_u32() + 4);
            assert_eq!(bench.region.area_at(again).unwrap().caller, 2);
            assert_eq!(bench.region.figures().waiting_areas, waiting.waiting_areas - 1);
            io.iounmap(again).unwrap();
            assert_eq!(bench.region.figures(), waiting);
            // A page more or less is another range, and goes elsewhere.
            let less = io.ioremap(start, len - PAGE_SIZE, 3).unwrap();
            assert_ne!(less, virt);
            // It meets the one that waits, which is found all the same.
            let whole = io.ioremap(start, len, 4).unwrap();
            assert_eq!(whole, virt);
            assert_eq!(bench.mmu.flushes(), 0);
            io.iounmap(less).unwrap();
            // Now it is a part of what is live.
            assert_eq!(io.ioremap(start, len - PAGE_SIZE, 5), Ok(virt));
            io.iounmap(virt).unwrap();
            io.iounmap(whole).unwrap();
            io.validate().unwrap();
            bench.region.purge();
            // After the flush it is anybody's.
            assert_eq!(bench.region.figures().waiting_areas, 0);
            bench.mmu.flushes();
        }
    });
}

#[test]
fn any_of_those_that_wait_is_revived() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let devices = [0x10_0000, 0x11_0000, 0x12_0000, 0x13_0000].map(at);
        let mapped = devices.map(|phys| io.ioremap(phys, 0x1000, 0).unwrap());
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            for virt in mapped {
                io.iounmap(virt).unwrap();
            }
            for (number, index) in (0..4).rev().zip(order) {
                assert_eq!(io.ioremap(devices[index], 0x1000, 0), Ok(mapped[index]));
                assert_eq!(bench.region.figures().waiting_areas, number);
                io.validate().unwrap();
            }
        }
        mapped.into_iter().for_each(|virt| io.iounmap(virt).unwrap());
        assert_eq!(bench.mmu.flushes(), 0);
    });
}

#[test]
fn blocks_keep_their_place_until_room_is_needed() {
    with_io(space(128), |bench| {
        let io = bench.io;
        let pair = |phys: u64, len: u32| {
            let virt = io.ioremap(at(phys), len, 0).unwrap();
            io.iounmap(virt).unwrap();
            bench.region.purge();
            virt
        };
        for (phys, len) in [(0x1000_0000, 1 << 20), (0x2000_0000, 16 << 20)] {
            let first = pair(phys, len);
            assert_eq!(pair(phys, len), first);
            assert_eq!(pair(phys + u64::from(len), len), first, "other memory, the same place");
        }
        let spare = (17 << 20) + 2 * PAGE_SIZE;
        assert_eq!(bench.region.figures().spare, spare);
        // A supersection's memory that is not aligned to one does not take its place.
        assert_eq!(bench.mmu.leaves(SUPER), 0);
        let virt = io.ioremap(at(0x2010_0000), 16 << 20, 0).unwrap();
        assert_eq!(bench.region.figures().spare, spare);
        io.iounmap(virt).unwrap();
        // Who finds no room gets theirs.
        let large = io.ioremap(at(0x3000_0000), 105 << 20, 0).unwrap();
        assert_eq!(bench.region.figures().spare, 0);
        io.iounmap(large).unwrap();
    });
}

#[repr(C)]
struct Two([AtomicU32; 2]);

// SAFETY: atomics are cells, and any word is one.
#[expect(unsafe_code, reason = "a promise about a type")]
unsafe impl Registers for Two {}

#[test]
#[expect(unsafe_code, reason = "nothing is read through the registers")]
fn guards_unmap_and_registers_stay() {
    with_io(space(16), |bench| {
        let io = bench.io;
        let mapping = io.map(bytes(0x900_0ff0, 0x900_1010), Device, 0).unwrap();
        assert_eq!(bench.phys(mapping.range().start()), Some(0x900_0ff0));
        assert_eq!(mapping.range().len(), 0x20);
        drop(mapping);
        assert_eq!(bench.ranges(), [(0x9000, 0x9002, Device, 0)]);
        let few = bytes(0x900_0000, 0x900_0004);
        // SAFETY: nothing is mapped.
        let refused = unsafe { io.map_registers::<Two>(few, 0) }.unwrap_err();
        let expected = TooFewRegisters { registers: few, wanted: 8 };
        assert_eq!(refused, IoremapError::TooFew(expected));
        let odd = bytes(0x900_0002, 0x900_1000);
        // SAFETY: they are not used.
        let refused = unsafe { io.map_registers::<Two>(odd, 0) }.unwrap_err();
        assert_eq!(refused, IoremapError::Misaligned { phys: odd.start() });
        bench.region.purge();
        assert_eq!(bench.ranges(), []);
        // SAFETY: they are not used.
        let registers: Mmio<Two> =
            unsafe { io.map_registers(bytes(0x900_0008, 0x900_1000), 0) }.unwrap();
        assert_eq!(bench.phys(registers.address()), Some(0x900_0008));
        assert_eq!(bench.ranges(), [(0x9000, 0x9001, Device, 1)]);
        // For good: no address ends it.
        assert_eq!(io.iounmap(registers.address()).unwrap_err().fault, AreaFault::Owned);
        assert_eq!(bench.told().len(), 1);
        assert_eq!(bench.phys(registers.address()), Some(0x900_0008));
        io.unmap_owned(registers.address());
    });
}
