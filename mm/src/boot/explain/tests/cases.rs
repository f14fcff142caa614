//! Well-known machines, each with the figures that people ask about.

use super::{Machine, Tried, range, try_all};
use crate::addr::{GIB, KIB, MIB, PhysAddr};
use crate::boot::explain::account::Totals;
use crate::boot::explain::arithmetic::{Because, VmallocFrom};
use crate::boot::explain::class::{Class, Lost, Owner};
use crate::boot::explain::placement::Place;
use crate::boot::explain::what_if::{LargestVmalloc, TrialError};
use crate::boot::memblock::{ListKind, MemblockError};
use crate::boot::split::Split;
use crate::zone::ZoneKind;

const RAM: u64 = 0x4000_0000;

fn account(machine: &Machine) -> Totals {
    machine.boot(|booted, _| booted.account()).unwrap()
}

fn try_machine(machine: &Machine) -> Tried {
    machine.boot(|booted, scratch| try_all(booted, scratch).unwrap()).unwrap()
}

fn above(tree: &Totals) -> u64 {
    tree.usable[ZoneKind::HighMem.index()].bytes
}

#[test]
fn a_gigabyte_board_is_all_lowmem_under_another_split_only() {
    let machine = Machine::new(&[(RAM, RAM + GIB)], "");
    assert_eq!(above(&account(&machine)), 256 * MIB);
    let tried = try_machine(&machine);
    // 992 MiB of lowmem are the most: 32 MiB stay out, and 3g-opt was made for this board.
    assert_eq!(tried.all_lowmem, LargestVmalloc::Never);
    assert_eq!(tried.above_at_least, 32 * MIB);
    let lowmem = tried.splits.map(|split| split.unwrap().lowmem / MIB);
    assert_eq!(lowmem, [768, 1024, 1024, 1024]);
}

#[test]
fn the_largest_vmalloc_that_keeps_all_ram_lowmem_is_exact() {
    let machine = Machine::new(&[(RAM, RAM + 800 * MIB)], "");
    assert_eq!(try_machine(&machine).all_lowmem, LargestVmalloc::Bytes(208 << 20));
    // An odd page more of RAM takes a page off, which is a MiB in whole MiB.
    let machine = Machine::new(&[(RAM, RAM + 800 * MIB + 4 * KIB)], "");
    let largest = try_machine(&machine).all_lowmem;
    assert_eq!(largest, LargestVmalloc::Bytes((208 << 20) - 4096));
    assert_eq!(largest.mib(), Some(207));
}

#[test]
fn without_highmem_the_rest_is_lost_and_comes_back() {
    let machine = Machine::new(&[(RAM, RAM + GIB)], "nohighmem");
    for drops in [false, true] {
        let machine = Machine { drops, ..machine.clone() };
        let account = account(&machine);
        assert_eq!(account.lost(Lost::NoHighMem).bytes, 256 * MIB);
        assert_eq!(account.bytes(), GIB);
        let back = try_machine(&machine).other_highmem.unwrap();
        assert_eq!((back.highmem, back.lost), (256 * MIB, 0));
    }
}

#[test]
fn an_odd_vmalloc_without_highmem_loses_a_part_of_a_page() {
    let machine = Machine::new(&[(RAM, RAM + GIB)], "nohighmem vmalloc=268435457");
    let lost = account(&machine);
    assert_eq!(lost.lost(Lost::LimitPage).bytes, 4095);
    assert_eq!(lost.lost(Lost::NoHighMem).bytes, 272 * MIB + 1);
    let (bytes, outcome) = try_machine(&machine).whole_page.unwrap();
    assert_eq!((bytes, outcome.lowmem), (256 << 20, 752 * MIB));
}

#[test]
fn a_kernel_in_the_upper_bank_loses_the_lower() {
    let mut machine = Machine::new(&[(0x8000_0000, 0xa000_0000)], "");
    machine.banks.push(range(RAM, RAM + 256 * MIB));
    assert_eq!(account(&machine).lost(Lost::BelowPhysOffset).bytes, 256 * MIB);
    let other = try_machine(&machine).lower_bank.unwrap();
    assert_eq!(other.bank, range(RAM, RAM + 256 * MIB));
    // The hole between the banks takes all the addresses that the linear map had left.
    assert_eq!((other.outcome.lowmem, other.outcome.highmem), (256 * MIB, 512 * MIB));
    assert_eq!(other.below, 0);
    // A bank that can not hold the image is no help.
    machine.banks[1] = range(RAM, RAM + 3 * MIB);
    assert_eq!(try_machine(&machine).lower_bank, None);
}

#[test]
fn a_mem_with_a_typo_invents_ram_and_leaves_some_out() {
    let machine = Machine::new(&[(RAM, RAM + 512 * MIB)], "mem=256M@0x50000000");
    // 2 MiB are the kernel's own and stay.
    assert_eq!(account(&machine).lost(Lost::LeftOut).bytes, 254 * MIB);
    let beyond =
        |machine: &Machine| machine.boot(|booted, _| booted.account_beyond_tree()).unwrap();
    assert_eq!(beyond(&machine).bytes(), 0);
    let without = try_machine(&machine).without_mem.unwrap();
    assert_eq!(without.lowmem, 512 * MIB);

    let machine = Machine::new(&[(RAM, RAM + 512 * MIB)], "mem=1G");
    assert_eq!(account(&machine).lost_bytes(), 0);
    assert_eq!(beyond(&machine).bytes(), 512 * MIB);
    assert_eq!(beyond(&machine).usable[ZoneKind::HighMem.index()].bytes, 256 * MIB);
}

#[test]
fn the_first_holder_is_named_and_the_rest_of_a_page_too() {
    let mut machine = Machine::new(&[(RAM, RAM + 64 * MIB)], "");
    machine.hold(range(RAM + 8 * MIB, RAM + 8 * MIB + 0x1001), Owner::Initrd);
    machine.hold_for(range(RAM + 8 * MIB, RAM + 8 * MIB + 0x3000), "pool", false);
    machine.hold_for(range(RAM + 16 * MIB, RAM + 17 * MIB), "secure", true);
    machine.hold(range(RAM + 24 * MIB, RAM + 24 * MIB + 16), Owner::MemReserve);
    let tree = account(&machine);
    assert_eq!(tree.reserved(Owner::Initrd).bytes, 0x1001);
    assert_eq!(tree.reserved(Owner::ReservedMemory).bytes, 0x3000 - 0x1001);
    assert_eq!(tree.reserved(Owner::PageRest).bytes, 0x1000 - 16);
    assert_eq!(tree.no_map.bytes, MIB);
    machine
        .boot(|booted, _| {
            let find = |at| booted.find(PhysAddr::new(at)).map(|found| (found.range, found.class));
            let (start, end) = (RAM + 16 * MIB, RAM + 17 * MIB);
            let secure = Class::NoMap(Some("secure"));
            assert_eq!(find(start + 5), Some((range(start, end), secure)));
            assert_eq!(find(RAM - 1), None);
            assert_eq!(find(RAM + 64 * MIB), None);
        })
        .unwrap();
}

fn text(from: VmallocFrom<'_>) -> String {
    match from {
        VmallocFrom::Default => "default".to_string(),
        VmallocFrom::Given(text) => text.to_string(),
        VmallocFrom::Clamped(text) => format!("{text}, clamped"),
    }
}

#[test]
fn the_arithmetic_says_why() {
    let sum = |banks: &[(u64, u64)], line: &str| {
        let machine = Machine::new(banks, line);
        machine
            .boot(|booted, _| {
                let sum = booted.arithmetic();
                assert_eq!(
                    sum.kernel - sum.above_vmalloc - sum.gap - u64::from(sum.request.vmalloc_bytes),
                    sum.linear
                );
                assert_eq!(sum.limit.as_u64(), RAM + sum.linear);
                (sum.linear / MIB, text(sum.vmalloc_from), sum.because)
            })
            .unwrap()
    };
    let gib = [(RAM, RAM + GIB)];
    assert_eq!(sum(&gib, ""), (768, "default".into(), Because::Limit));
    assert_eq!(sum(&gib, "vmalloc=4G"), (32, "4G, clamped".into(), Because::Limit));
    assert_eq!(sum(&gib, "nohighmem vmalloc=256M"), (752, "256M".into(), Because::Limit));
    assert_eq!(sum(&[(RAM, RAM + 768 * MIB)], ""), (768, "default".into(), Because::RamEnds));
    let hole = [(RAM, 0x5000_0000), (0x8000_0000, 0xa000_0000)];
    let next = Because::Gap(PhysAddr::new(0x8000_0000));
    assert_eq!(sum(&hole, ""), (768, "default".into(), next));
    assert_eq!(sum(&hole, "nohighmem"), (768, "default".into(), next));
}

#[test]
fn places_follow_the_end_of_lowmem() {
    let machine = Machine::new(&[(RAM, RAM + GIB)], "vmalloc=960M");
    machine
        .boot(|booted, scratch| {
            let end = booted.layout.lowmem_end.as_u64();
            assert_eq!(end, RAM + 48 * MIB);
            assert_eq!(booted.place_of(range(end - 4096, end)), Place::Lowmem);
            assert_eq!(booted.place_of(range(end - 4096, end + 1)), Place::Across);
            assert_eq!(booted.place_of(range(0x4800_0000, 0x4810_0000)), Place::HighMem);
            assert_eq!(booted.place_of(range(RAM - 4096, RAM + 4096)), Place::OutsideRam);
            let dtb = range(0x4800_0000, 0x4810_0000);
            let largest = booted.trials(scratch).unwrap().largest_vmalloc_for(dtb);
            assert_eq!(largest, LargestVmalloc::Bytes((1008 - 129) << 20));
            assert_eq!(booted.safe_range(booted.lowmem()), Some(range(RAM + 4 * MIB, end)));
        })
        .unwrap();
    let machine = Machine::new(&[(RAM, RAM + GIB)], "nohighmem");
    let place = machine.boot(|booted, _| booted.place_of(range(RAM + 900 * MIB, RAM + 901 * MIB)));
    assert_eq!(place, Some(Place::Unused));
}

#[test]
fn too_little_scratch_is_an_error() {
    let machine = Machine::new(&[(RAM, RAM + MIB * 64), (0x8000_0000, 0x9000_0000)], "");
    let error = machine.boot(|booted, scratch| booted.trials(&mut scratch[..8]).err().unwrap());
    let full = MemblockError::Full { list: ListKind::Memory, capacity: 1 };
    assert_eq!(error, Some(TrialError::Memblock(full)));
}

#[test]
fn a_layout_of_other_settings_is_not_believed() {
    let machine = Machine::new(&[(RAM, RAM + GIB)], "vmalloc=300M");
    machine
        .boot(|booted, scratch| {
            let other = crate::boot::explain::Situation { command_line: "", ..*booted };
            assert_eq!(other.trials(scratch).err(), Some(TrialError::NotAsBooted));
        })
        .unwrap();
}

#[test]
fn dma_and_other_splits_are_tried_as_they_are() {
    let machine = Machine::new(&[(RAM, RAM + GIB)], "dma_zone=64M");
    let (bytes, outcome) = try_machine(&machine).all_dma.unwrap();
    assert_eq!((bytes, outcome.zone_bytes(ZoneKind::Dma)), (768 * MIB, 768 * MIB));
    assert_eq!(try_machine(&Machine::new(&[(RAM, RAM + GIB)], "")).all_dma, None);
    // The same `vmalloc=` may be too big for one split and not for another.
    let machine = Machine::new(&[(RAM, RAM + 2 * GIB)], "vmalloc=1000M");
    let splits = try_machine(&machine).splits.map(|split| split.unwrap());
    assert_eq!(splits[0].request.vmalloc_bytes, 976 << 20);
    assert_eq!(splits[1].request.vmalloc_bytes, 1000 << 20);
    assert_eq!(splits[3].request.split, Split::OneG);
}
