//! A recorded row: what Linux said, or what is stated where it is wrong or died.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use mm::addr::{PhysAddr, PhysRange};
use tests::oracle::{Row, Zone};
use tests::predict::Machine;

use crate::facts::Way;
use crate::{DIED, REPAIRED};

/// The machine of a row.
pub fn machine(row: &Row) -> Machine<'_> {
    let mut machine = Machine::virt(row.mem_mb, &row.append);
    // The reservations of oracle/dts. Those without no-map move no boundary.
    let no_map = match row.note.as_str() {
        "dtb-nomap" => Some((0x5010_0000, 0x70_0000)),
        "dtb-nomaptop" => Some((0x6f00_0000, 0x100_0000)),
        _ => None,
    };
    machine.no_map.extend(no_map.map(|(start, len)| range(start, len)));
    machine
}

fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::from_len(PhysAddr::new(start), len).unwrap()
}

fn hex(text: Option<&String>) -> u64 {
    u64::from_str_radix(text.expect("a row that booted has figures"), 16).unwrap()
}

/// A recorded row's zones, with ZONE_MOVABLE put back into HighMem, which it was carved from:
/// `movablecore=` and `kernelcore=` mean nothing here.
fn zones_without_movable(row: &Row) -> BTreeMap<String, Zone> {
    let mut zones = row.zones.clone();
    if let Some(movable) = zones.remove("Movable") {
        let joined = match zones.get("HighMem") {
            Some(high) => Zone {
                start_pfn: high.start_pfn,
                end_pfn: movable.end_pfn,
                spanned: high.spanned + movable.spanned,
                present: high.present + movable.present,
            },
            None => movable,
        };
        zones.insert("HighMem".to_string(), joined);
    }
    zones
}

/// The row's figures are ours.
pub fn agrees(way: Way, row: &Row) -> Result<(), Failed> {
    let facts = way.ask(&machine(row));
    for (what, ours, linux) in [
        ("PAGE_OFFSET", facts.page_offset, &row.page_offset),
        ("high_memory", facts.high_memory, &row.high_memory),
        ("VMALLOC_START", facts.vmalloc.0, &row.vmalloc_start),
        ("VMALLOC_END", facts.vmalloc.1, &row.vmalloc_end),
        ("MODULES_VADDR", facts.modules.0, &row.modules_start),
        ("MODULES_END", facts.modules.1, &row.modules_end),
        ("PKMAP_BASE", facts.pkmap_base.expect("a kernel with HighMem"), &row.pkmap_base),
        ("TASK_SIZE", facts.task_size, &row.task_size),
        ("PHYS_OFFSET", facts.phys_offset, &row.phys_offset),
        ("end of lowmem", facts.lowmem_end, &row.lowmem_end_phys),
    ] {
        assert_eq!(ours, hex(linux.as_ref()), "{what}");
    }
    assert_eq!(facts.zones, zones_without_movable(row), "zones");
    let lines = &facts.lines;
    for warning in &row.warnings {
        assert!(lines.iter().any(|line| line.contains(warning)), "{warning} not in {lines:?}");
    }
    Ok(())
}

fn stated(way: Way, row: &Row, list: &[(&str, u64, u32, &str)]) {
    let name = row.name();
    let Some((_, lowmem_end, ram_end, line)) = list.iter().find(|entry| entry.0 == name) else {
        panic!("no result is stated for {name}");
    };
    let facts = way.ask(&machine(row));
    assert_eq!(facts.lowmem_end, *lowmem_end, "end of lowmem");
    assert_eq!(facts.ram_end(), *ram_end, "end of RAM");
    let lines = &facts.lines;
    assert!(line.is_empty() || lines.iter().any(|l| l.contains(line)), "{line} not in {lines:?}");
}

/// Linux is wrong; ours is what is stated.
pub fn repaired(way: Way, row: &Row) -> Result<(), Failed> {
    stated(way, row, &REPAIRED);
    Ok(())
}

/// Linux died; ours is what is stated.
pub fn survives(way: Way, row: &Row) -> Result<(), Failed> {
    stated(way, row, &DIED);
    Ok(())
}

/// Linux had RAM that only LPAE reaches; ours has an answer, and no frame above 4 GiB.
pub fn answers(way: Way, row: &Row) -> Result<(), Failed> {
    let facts = way.ask(&machine(row));
    assert_eq!(facts.ram_end(), 0x10_0000, "end of RAM");
    let lines = &facts.lines;
    assert!(lines.iter().any(|line| line.contains("0x100000000")), "{lines:?}");
    Ok(())
}
