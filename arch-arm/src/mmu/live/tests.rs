//! Single operations, and the order of what they do.

use mm::addr::{Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::map::linear::LinearMap;
use mm::map::{MemoryType, Mmu, NoTable, Prot, Rights};
use mm::zone::Gfp;

use super::super::attributes::Access;
use super::super::descriptor::RootBase;
use super::emulated::{Emulated, pages};
use super::{ChangeError, LiveTables, MAX_ROOTS, RootError, TakeOutError};

pub(super) const START: u32 = 0xbf00_0000;
pub(super) const LINEAR: u32 = 0xc000_0000;
pub(super) const LINEAR_MIB: u32 = 8;
pub(super) const PHYS: u32 = 0x4000_0000;
const VMALLOC: u32 = 0xf080_0000;

pub(super) fn virt(address: u32) -> VirtAddr {
    VirtAddr::new(address)
}

pub(super) fn range(start: u32, pages: u32) -> VirtRange {
    VirtRange::new(virt(start), virt(start + pages * 4096))
}

pub(super) fn phys(start: u32, pages: u32) -> PhysRange {
    PhysRange::from_len(PhysAddr::new(u64::from(start)), u64::from(pages) * 4096).unwrap()
}

pub(super) fn root(at: u32) -> RootBase {
    RootBase::new(PhysAddr::new(u64::from(at))).unwrap()
}

/// A machine with a linear map of sections, and a table that boot made at 0xbf000000.
pub(super) fn machine() -> Emulated {
    let machine = Emulated::new();
    for mib in 0..LINEAR_MIB {
        let word = (PHYS + (mib << 20)) | 0x1141e;
        machine.poke(Emulated::ROOT + ((LINEAR >> 20) + mib) * 4, word);
    }
    machine.boot_table(START);
    machine
}

pub(super) fn live(machine: &Emulated) -> LiveTables<&Emulated> {
    let lowmem = phys(PHYS, LINEAR_MIB * 256);
    LiveTables::adopt(
        machine,
        root(Emulated::ROOT),
        virt(START),
        LinearMap::new(virt(LINEAR), lowmem),
    )
}

fn first_level(machine: &Emulated, address: u32) -> u32 {
    machine.peek(Emulated::ROOT + (address >> 20) * 4)
}

const GFP: Gfp = Gfp::GFP_KERNEL;

#[test]
fn pages_are_mapped_retired_and_taken_apart_in_order() {
    let machine = machine();
    let live = live(&machine);
    // Over the border of a mebibyte.
    let area = range(VMALLOC + 0xf_e000, 4);
    live.hold_tables(area, GFP).unwrap();
    assert_eq!(machine.tables(), 2);
    let frames = [7, 3, 0, 9].map(Pfn::new);
    let fresh = live.map_pages(area.start(), &frames, Prot::KERNEL);
    live.publish(fresh);
    for (n, pfn) in frames.into_iter().enumerate() {
        let mapped = live.lookup(virt(area.start().as_u32() + n as u32 * 4096 + 5)).unwrap();
        assert_eq!(mapped.phys.as_u64(), pfn.start().as_u64() + 5);
        assert_eq!(mapped.prot, Some(Prot::KERNEL));
    }
    let stale = live.retire(area);
    assert_eq!(live.lookup(area.start()), None);
    live.flush(stale);
    let mut found = [Pfn::new(99); 3];
    assert_eq!(live.take_dead(area, &mut found), (3, virt(VMALLOC + 0x10_1000)));
    assert_eq!(found, [7, 3, 0].map(Pfn::new), "frame 0 is a frame like any other");
    let rest = VirtRange::new(virt(VMALLOC + 0x10_1000), area.end());
    assert_eq!(live.take_dead(rest, &mut found), (1, area.end()));
    assert_eq!(found[0], Pfn::new(9));
    assert_eq!(live.take_dead(area, &mut found), (0, area.end()));
    live.drop_tables(area);
    assert_eq!((machine.tables(), first_level(&machine, VMALLOC)), (0, 0));
}

#[test]
fn a_clear_leaves_dead_entries_to_be_taken() {
    let machine = machine();
    let live = live(&machine);
    let area = range(VMALLOC, 2);
    live.hold_tables(area, GFP).unwrap();
    live.publish(live.map_run(
        area.start(),
        PfnRange::new(Pfn::new(5), Pfn::new(7)),
        Prot::KERNEL_RO,
    ));
    live.flush(live.retire(range(VMALLOC, 1)));
    live.flush(live.clear(area));
    let mut found = [Pfn::new(0); 8];
    assert_eq!(live.take_dead(area, &mut found), (1, area.end()));
    assert_eq!(found[0], Pfn::new(5));
    live.drop_tables(area);
}

#[test]
fn a_table_is_shared_by_those_who_hold_it() {
    let machine = machine();
    let live = live(&machine);
    live.hold_tables(range(VMALLOC, 1), GFP).unwrap();
    live.hold_tables(range(VMALLOC + 0x5000, 1), GFP).unwrap();
    assert_eq!(machine.tables(), 1);
    live.drop_tables(range(VMALLOC, 1));
    assert_eq!(machine.tables(), 1);
    live.drop_tables(range(VMALLOC + 0x5000, 1));
    assert_eq!(machine.tables(), 0);
}

#[test]
fn a_table_that_boot_made_stays() {
    let machine = machine();
    let live = live(&machine);
    let before = first_level(&machine, START);
    live.hold_tables(range(START, 3), GFP).unwrap();
    live.drop_tables(range(START, 3));
    live.drop_tables(range(START, 3));
    assert_eq!((machine.tables(), first_level(&machine, START)), (0, before));
}

#[test]
fn without_memory_the_first_address_that_has_no_table_is_named() {
    let machine = machine();
    let live = live(&machine);
    live.hold_tables(range(VMALLOC + 0x10_0000, 1), GFP).unwrap();
    // Three are wanted: for the first, the third and the fourth mebibyte.
    for (n, named) in [(0, VMALLOC + 0x1000), (1, VMALLOC + 0x20_0000), (2, VMALLOC + 0x30_0000)] {
        machine.fail_after.set(Some(n));
        let wanted = range(VMALLOC + 0x1000, 900);
        assert_eq!(live.hold_tables(wanted, GFP), Err(NoTable { virt: virt(named) }));
        assert_eq!(machine.tables(), 1);
    }
}

#[test]
fn an_unlinked_table_is_forgotten_before_it_is_given_back() {
    let machine = machine();
    let live = live(&machine);
    let area = range(VMALLOC, 1);
    live.hold_tables(area, GFP).unwrap();
    machine.log();
    live.drop_tables(area);
    let entry = Emulated::ROOT + (VMALLOC >> 20) * 4;
    let expected = [
        format!("{entry:#010x} = 0x00000000"),
        "0x50000000 = 0x00000000".into(), // Its link in the chain of one.
        "dsb ishst".into(),
        format!("tlbi {VMALLOC:#010x}"),
        "dsb ish".into(),
        "isb".into(),
        "0x50000000 = 0x00000000".into(),
    ];
    assert_eq!(machine.log(), expected);
}

#[test]
fn a_short_range_is_flushed_by_page_and_a_long_one_at_once() {
    let machine = machine();
    let live = live(&machine);
    let flushes = |pages| {
        live.hold_tables(range(VMALLOC, pages), GFP).unwrap();
        machine.log();
        live.flush(live.clear(range(VMALLOC, pages)));
        let log = machine.log();
        live.drop_tables(range(VMALLOC, pages));
        log.into_iter().filter(|line| line.starts_with("tlbi")).collect::<Vec<_>>()
    };
    assert_eq!(
        flushes(2),
        [format!("tlbi {VMALLOC:#010x}"), format!("tlbi {:#010x}", VMALLOC + 4096)]
    );
    assert_eq!(flushes(64).len(), 64);
    assert_eq!(flushes(65), ["tlbi all"]);
}

#[test]
fn blocks_are_the_largest_that_fit() {
    let machine = machine();
    let live = live(&machine);
    // One page, one section, a supersection, one section, two pages: in the way of a device at 0x10eff000.
    let (start, first) = (0xf0ef_f000, 0x10ef_f000);
    let pages_wanted = 1 + 16 * 256 + 256 + 2;
    let area = range(start, pages_wanted);
    live.publish(
        live.map_blocks(area.start(), phys(first, pages_wanted), Prot::DEVICE, GFP).unwrap(),
    );
    assert_eq!(machine.tables(), 2);
    assert_eq!(first_level(&machine, 0xf0f0_0000), 0x10f0_0000 | 0x1_1412);
    for n in 0..16 {
        let word = first_level(&machine, 0xf100_0000 + (n << 20));
        assert_eq!(word, first_level(&machine, 0xf100_0000), "all 16 are one word");
        assert_eq!((word >> 18 & 1, word >> 24), (1, 0x11));
    }
    for page in 0..pages_wanted {
        let mapped = live.lookup(virt(start + page * 4096 + 0x123)).unwrap();
        assert_eq!(mapped.phys.as_u64(), u64::from(first + page * 4096 + 0x123));
        assert_eq!(mapped.prot, Some(Prot::DEVICE));
    }
    assert_eq!((live.lookup(virt(start - 1)), live.lookup(area.end())), (None, None));
    live.flush(live.unmap_blocks(area));
    assert_eq!(machine.tables(), 0);
    assert!(pages(&machine, Emulated::ROOT, 0xf000_0000, 0xff00_0000).is_empty());
}

#[test]
fn memory_that_lies_otherwise_is_mapped_by_pages() {
    let machine = machine();
    let live = live(&machine);
    let area = range(0xf100_0000, 512);
    live.publish(
        live.map_blocks(area.start(), phys(0x1000_1000, 512), Prot::WRITE_COMBINE, GFP).unwrap(),
    );
    assert_eq!(machine.tables(), 2);
    live.flush(live.unmap_blocks(area));
    assert_eq!(machine.tables(), 0);
}

#[test]
fn blocks_that_fail_map_nothing() {
    let machine = machine();
    let live = live(&machine);
    // Pages at both ends of a section.
    for n in 0..2 {
        machine.fail_after.set(Some(n));
        let mapped = live.map_blocks(virt(0xf10f_f000), phys(0x100f_f000, 258), Prot::DEVICE, GFP);
        let named = [0xf10f_f000, 0xf120_0000][n as usize];
        assert_eq!(mapped.unwrap_err(), NoTable { virt: virt(named) });
        assert!(pages(&machine, Emulated::ROOT, 0xf100_0000, 0xf200_0000).is_empty());
        assert_eq!(machine.tables(), 0);
    }
}

#[test]
fn rights_change_by_pages_and_come_back_as_a_section() {
    let machine = machine();
    let live = live(&machine);
    let before = first_level(&machine, LINEAR);
    let page = range(LINEAR + 0x3000, 1);
    let prot = |at| live.lookup(virt(at)).unwrap().prot;
    live.set_memory_ro(page, GFP).unwrap();
    assert_eq!(prot(LINEAR + 0x3000), Some(Prot::KERNEL_RO));
    assert_eq!(prot(LINEAR + 0x2000), Some(Prot::KERNEL));
    live.set_memory_x(page, GFP).unwrap();
    assert_eq!(prot(LINEAR + 0x3000), Some(Prot::KERNEL_ROX));
    assert_eq!(live.join(range(LINEAR, 256)), 0, "one page differs");
    let refused = ChangeError::WriteAndExecute { virt: page.start() };
    assert_eq!(live.set_memory_rw(page, GFP), Err(refused));
    assert_eq!(live.set_memory_rw(range(LINEAR, 256), GFP), Err(refused), "the page is named");
    live.set_memory_nx(page, GFP).unwrap();
    live.set_memory_rw(page, GFP).unwrap();
    let other = ChangeError::WriteAndExecute { virt: virt(LINEAR) };
    assert_eq!(live.set_memory_x(range(LINEAR, 2), GFP), Err(other));
    assert_eq!(live.join(range(LINEAR, 255)), 0, "not all of the mebibyte");
    assert_eq!(live.join(range(LINEAR, 512)), 1);
    assert_eq!((first_level(&machine, LINEAR), machine.tables()), (before, 0));
}

#[test]
fn any_page_that_differs_keeps_the_pages_apart() {
    let machine = machine();
    let live = live(&machine);
    for n in [0, 1, 254, 255] {
        let page = range(LINEAR + n * 4096, 1);
        live.set_memory_ro(page, GFP).unwrap();
        assert_eq!(live.join(range(LINEAR, 256)), 0, "page {n}");
        live.set_memory_rw(page, GFP).unwrap();
        assert_eq!(live.join(range(LINEAR, 256)), 1, "page {n}");
    }
}

#[test]
fn whole_sections_stay_sections() {
    let machine = machine();
    let live = live(&machine);
    live.set_memory_ro(range(LINEAR + 0xf_f000, 258), GFP).unwrap();
    assert_eq!(machine.tables(), 2);
    assert_eq!(first_level(&machine, LINEAR + 0x10_0000), (PHYS + 0x10_0000) | 0x1_941e);
    assert!(!machine.is_stale(LINEAR, LINEAR + 0x80_0000), "the flush came before the return");
}

#[test]
fn what_can_not_be_changed_is_named_and_nothing_changes() {
    let machine = machine();
    let live = live(&machine);
    let before = pages(&machine, Emulated::ROOT, START, 0xfff0_0000);
    let end = LINEAR + (LINEAR_MIB << 20);
    let error = live.set_memory_ro(range(end - 4096, 2), GFP);
    assert_eq!(error, Err(ChangeError::NotMapped { virt: virt(end) }));
    let odd = VirtRange::new(virt(LINEAR), virt(LINEAR + 5));
    assert_eq!(live.set_memory_ro(odd, GFP), Err(ChangeError::NotPages { range: odd }));
    let user = range(0x1000, 1);
    assert_eq!(live.set_memory_ro(user, GFP), Err(ChangeError::NotPages { range: user }));
    for n in 0..2 {
        machine.fail_after.set(Some(n));
        let error = live.set_memory_ro(range(LINEAR + 0xf_f000, 258), GFP).unwrap_err();
        assert!(matches!(error, ChangeError::NoTable(_)), "{error}");
        assert_eq!(machine.tables(), 0);
    }
    assert_eq!(pages(&machine, Emulated::ROOT, START, 0xfff0_0000), before);
    machine.fail_after.set(None);

    let device = range(0xf100_0000, 4096);
    live.publish(
        live.map_blocks(device.start(), phys(0x1000_0000, 4096), Prot::DEVICE, GFP).unwrap(),
    );
    let error = live.set_memory_ro(device, GFP);
    assert_eq!(error, Err(ChangeError::Repeated { virt: device.start() }));
    live.flush(live.unmap_blocks(device));
    let device = range(0xf100_0000, 256);
    live.publish(
        live.map_blocks(device.start(), phys(0x1000_0000, 256), Prot::DEVICE, GFP).unwrap(),
    );
    let error = live.set_memory_x(device, GFP).unwrap_err();
    assert_eq!(error.to_string(), "0xf1000000 would be executable, and is Device");
    live.flush(live.unmap_blocks(device));
    machine.poke(Emulated::ROOT + (START >> 20) * 4, (0x4f00_0000 + (START >> 20) * 0x400) | 1);
    machine.poke(0x4f00_0000 + (START >> 20) * 0x400, 0x4000_0000 | 0x67e);
    let error = live.set_memory_ro(range(START, 1), GFP);
    assert_eq!(error, Err(ChangeError::NotKernel { virt: virt(START), access: Access::Read }));
}

#[test]
fn part_of_an_ioremap_section_may_be_read_only_and_is_unmapped_with_the_rest() {
    let machine = machine();
    let live = live(&machine);
    let area = range(0xf100_0000, 256);
    live.publish(live.map_blocks(area.start(), phys(0x1000_0000, 256), Prot::DEVICE, GFP).unwrap());
    live.set_memory_ro(range(0xf100_1000, 1), GFP).unwrap();
    let prot = live.lookup(virt(0xf100_1000)).unwrap().prot;
    assert_eq!(prot, Some(Prot { memory: MemoryType::Device, rights: Rights::Read }));
    live.flush(live.unmap_blocks(area));
    assert_eq!((machine.tables(), first_level(&machine, 0xf100_0000)), (0, 0));
}

#[test]
fn a_section_in_use_is_replaced_break_before_make_in_all_roots_at_once() {
    let machine = machine();
    let live = live(&machine);
    let second = 0x4001_0000;
    machine.add_root(second);
    live.add_root(root(second)).unwrap();
    machine.log();
    assert_eq!(live.split(range(LINEAR, 1), GFP), Ok(1));
    let log = machine.log();
    let words: Vec<_> = log
        .iter()
        .filter(|line| line.starts_with("0x4000") || line.starts_with("0x4001"))
        .collect();
    let (one, two) = (Emulated::ROOT + (LINEAR >> 20) * 4, second + (LINEAR >> 20) * 4);
    let expected = [
        format!("{one:#010x} = 0x00000000"),
        format!("{two:#010x} = 0x00000000"),
        format!("{two:#010x} = 0x50000001"),
        format!("{one:#010x} = 0x50000001"),
    ];
    assert_eq!(words, expected.iter().collect::<Vec<_>>());
    let place = |what: &str| log.iter().position(|line| line == what).unwrap();
    let flush = place(&format!("tlbi {LINEAR:#010x}"));
    assert!(place(&expected[1]) < flush && flush < place(&expected[2]));
    assert_eq!(live.split(range(LINEAR, 1), GFP), Ok(0), "it is pages already");
    assert_eq!(live.join(range(LINEAR, 256)), 1);
    live.remove_root(root(second)).unwrap();
}

#[test]
fn sections_leave_the_linear_map_and_come_back() {
    let machine = machine();
    let live = live(&machine);
    let before = pages(&machine, Emulated::ROOT, START, 0xfff0_0000);
    let two = range(LINEAR + 0x20_0000, 512);
    live.take_out(two).unwrap();
    assert_eq!(live.lookup(two.start()), None);
    assert!(!machine.is_stale(LINEAR, LINEAR + 0x80_0000));
    assert_eq!(live.take_out(two), Err(TakeOutError::NotSection { virt: two.start() }));
    let more = range(LINEAR + 0x30_0000, 512);
    let error = TakeOutError::NotTakenOut { virt: virt(LINEAR + 0x40_0000) };
    assert_eq!(live.put_back(more), Err(error));
    assert_eq!(live.lookup(more.start()), None, "nothing was put back");
    live.put_back(two).unwrap();
    assert_eq!(pages(&machine, Emulated::ROOT, START, 0xfff0_0000), before);

    live.split(range(LINEAR + 0x30_0000, 1), GFP).unwrap();
    let error = TakeOutError::NotSection { virt: virt(LINEAR + 0x30_0000) };
    assert_eq!(live.take_out(two), Err(error));
    assert!(live.lookup(two.start()).is_some(), "nothing was taken out");
    for wrong in [range(LINEAR, 255), range(VMALLOC, 256), range(LINEAR + 0x70_0000, 512)] {
        assert_eq!(live.take_out(wrong), Err(TakeOutError::NotMebibytes { range: wrong }));
    }
}

#[test]
fn address_spaces_come_and_go() {
    let machine = machine();
    let live = live(&machine);
    let first = 0x4001_0000;
    for n in 0..MAX_ROOTS as u32 - 1 {
        machine.add_root(first + n * 0x4000);
        live.add_root(root(first + n * 0x4000)).unwrap();
    }
    let known = RootError::Known { root: PhysAddr::new(u64::from(first)) };
    assert_eq!(live.add_root(root(first)), Err(known));
    machine.add_root(0x4200_0000);
    let full = live.add_root(root(0x4200_0000)).unwrap_err();
    assert_eq!(full.to_string(), "no place for the first-level table at 0x42000000: there are 64");
    live.hold_tables(range(VMALLOC, 1), GFP).unwrap();
    for n in 0..MAX_ROOTS as u32 - 1 {
        let entry = first + n * 0x4000 + (VMALLOC >> 20) * 4;
        assert_eq!(machine.peek(entry), first_level(&machine, VMALLOC));
        live.remove_root(root(first + n * 0x4000)).unwrap();
        machine.remove_root(first + n * 0x4000);
    }
    let own = RootError::Unknown { root: PhysAddr::new(u64::from(Emulated::ROOT)) };
    assert_eq!(live.remove_root(root(Emulated::ROOT)), Err(own));
    live.add_root(root(0x4200_0000)).unwrap();
    assert_eq!(machine.peek(0x4200_0000 + (VMALLOC >> 20) * 4), first_level(&machine, VMALLOC));
    live.drop_tables(range(VMALLOC, 1));
}

#[test]
#[should_panic(expected = "the page table of 0xf0800000 is written to, and nobody holds it")]
fn who_maps_without_a_table_is_stopped() {
    let machine = machine();
    let live = live(&machine);
    live.map_pages(virt(VMALLOC), &[Pfn::new(1)], Prot::KERNEL).not_used();
}

#[test]
fn a_page_of_the_linear_map_faults_and_comes_back_as_it_was() {
    let machine = machine();
    let live = live(&machine);
    let lowmem = range(LINEAR, 256);
    live.split(lowmem, GFP).unwrap();
    let page = virt(LINEAR + 7 * 4096);
    let before = live.lookup(page);
    assert!(before.is_some());
    live.unprotect(page);
    assert_eq!(live.lookup(page), before, "a page that does not fault stays");
    for _ in 0..2 {
        assert!(live.protect(page) && live.protect(page));
        assert_eq!(live.lookup(page), None);
        assert!(live.lookup(virt(LINEAR + 6 * 4096)).is_some());
        assert!(live.lookup(virt(LINEAR + 8 * 4096)).is_some());
        // As long as one of its pages faults, they are no section.
        assert_eq!(live.join(lowmem), 0);
        live.unprotect(page);
        assert_eq!(live.lookup(page), before);
    }
    // What may be executed would come back as something else.
    let text = VirtRange::new(page, virt(LINEAR + 8 * 4096));
    live.set_memory_ro(text, GFP).unwrap();
    live.set_memory_x(text, GFP).unwrap();
    assert!(!live.protect(page));
    assert!(live.lookup(page).is_some());
    live.set_memory_nx(text, GFP).unwrap();
    live.set_memory_rw(text, GFP).unwrap();
    assert_eq!(live.join(lowmem), 1);
}
