//! A machine for the tests: 64 MiB of RAM at 1 GiB, of which the linear map has half, and a device.
#![allow(dead_code, reason = "each test uses some of it")]
#![expect(clippy::unwrap_used, reason = "tests")]

use mm::addr::{PhysAddr, PhysRange, VirtAddr, VirtRange};
use testkit::{Adversary, Cpu, Kind, Machine, OnViolation, Setup};

pub const ROOT: u32 = 0x4000_4000;
/// The second-level table for the MiB at [`AREA`], which is linked and empty.
pub const TABLE: u32 = 0x4001_0000;
/// Where small pages are mapped.
pub const AREA: u32 = 0xf000_0000;
/// The next MiB, for which there is no table.
pub const NEXT: u32 = 0xf010_0000;
/// A frame outside the linear map.
pub const HIGH: u32 = 0x4200_0000;
/// A device's registers.
pub const DEVICE: u32 = 0x0900_0000;
/// PAGE_OFFSET.
pub const LINEAR: u32 = 0xc000_0000;

/// Small pages, kernel, global: what Linux's words are.
pub const WB: u32 = 0x45f;
pub const WB_RO: u32 = 0x65f;
pub const NC: u32 = 0x417;
pub const DEV: u32 = 0x453;

pub fn setup(cpus: usize) -> Setup {
    Setup::new(cpus, phys(ROOT))
        .bank(phys_range(0x4000_0000, 0x4400_0000))
        .bank(phys_range(DEVICE, DEVICE + 0x10_0000))
        .linear_map(virt(LINEAR), phys_range(0x4000_0000, 0x4200_0000))
        .second_level(virt(AREA), phys(TABLE))
}

pub fn phys(value: u32) -> PhysAddr {
    PhysAddr::new(u64::from(value))
}

pub fn virt(value: u32) -> VirtAddr {
    VirtAddr::new(value)
}

pub fn phys_range(start: u32, end: u32) -> PhysRange {
    PhysRange::new(phys(start), phys(end))
}

pub fn page(start: u32) -> VirtRange {
    VirtRange::new(virt(start), virt(start + 0x1000))
}

/// Stores to a word of memory through the linear map.
#[track_caller]
pub fn write(cpu: Cpu<'_>, word: u32, value: u32) {
    cpu.store_u32(virt(word - 0x4000_0000 + LINEAR), value).unwrap();
}

/// The address of the first-level word for an address.
pub fn l1(virt: u32) -> u32 {
    ROOT + (virt >> 20) * 4
}

/// The address of the second-level word for a page of [`AREA`].
pub fn l2(virt: u32) -> u32 {
    TABLE + ((virt >> 12) & 255) * 4
}

/// Maps a page of [`AREA`] as one should.
#[track_caller]
pub fn map(cpu: Cpu<'_>, at: u32, frame: u32, bits: u32) {
    write(cpu, l2(at), frame | bits);
    cpu.dsb_ishst();
    cpu.isb();
}

/// Unmaps a page of [`AREA`] as one should.
#[track_caller]
pub fn unmap(cpu: Cpu<'_>, at: u32) {
    write(cpu, l2(at), 0);
    flush(cpu, at);
}

#[track_caller]
pub fn flush(cpu: Cpu<'_>, at: u32) {
    cpu.dsb_ishst();
    cpu.tlbi_mva_all_asids_is(virt(at));
    cpu.dsb_ish();
    cpu.isb();
}

/// Makes an empty second-level table at `table`.
#[track_caller]
pub fn clear_table(cpu: Cpu<'_>, table: u32) {
    for word in (table..table + 0x400).step_by(4) {
        write(cpu, word, 0);
    }
    cpu.dsb_ishst();
}

/// What rules a scenario breaks, under each adversary; it must break the same under each.
#[track_caller]
pub fn kinds(cpus: usize, scenario: impl Fn(&Machine)) -> Vec<Kind> {
    let mut all = Vec::new();
    for adversary in Adversary::ALL {
        let machine = setup(cpus).build(adversary);
        machine.on_violation(OnViolation::Collect);
        scenario(&machine);
        let mut kinds: Vec<Kind> = Vec::new();
        for violation in machine.violations() {
            if !kinds.contains(&violation.kind) {
                kinds.push(violation.kind);
            }
        }
        all.push(kinds);
    }
    assert!(all.iter().all(|kinds| *kinds == all[0]), "adversaries disagree: {all:?}");
    all.swap_remove(0)
}
