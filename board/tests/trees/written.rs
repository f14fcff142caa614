//! The trees that were written for the tests, read as they are meant: what is broken later on is
//! sound at first.

use board::{
    Machine,
    dt::{Conduit, ConsoleChoice, MAX_DEPTH, Placement, Status, Tree},
};
use mm::addr::{PhysAddr, PhysRange};

use super::sound;

fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::from_len(PhysAddr::new(start), len).unwrap()
}

fn read(blob: &mut [u8]) -> Machine<'_> {
    Machine::from_tree(Tree::parse(blob).unwrap()).unwrap()
}

#[test]
fn every_kind_of_reservation() {
    let mut blob = *include_bytes!("../data/reserved.dtb");
    let machine = read(&mut blob);
    let banks = [
        range(0x4010_0000, 0xff0_0000),
        range(0x5000_0000, 0x1000_0000),
        range(0x8000_0000, 0x400_0000),
        range(0x9000_0100, 0x1e00),
    ];
    assert_eq!(machine.banks().collect::<Vec<_>>(), banks);
    assert_eq!(machine.memreserve().count(), 3);
    assert_eq!(machine.chosen.initrd, Some(range(0x4a00_0000, 0x34_5679)));
    let kinds = machine.reserved_regions().map(|region| {
        let fixed = matches!(region.placement, Placement::Fixed(_));
        (region.name, fixed, region.no_map, region.reusable)
    });
    let want = [
        ("fixed@41000000", true, false, false),
        ("secure@4ff00000", true, true, false),
        ("shared@42000000", true, false, true),
        ("anywhere", false, false, false),
        ("hidden", false, true, false),
        ("cma", false, false, true),
    ];
    assert_eq!(kinds.collect::<Vec<_>>(), want);
}

#[test]
fn devices_behind_two_buses_on_a_chip() {
    let mut blob = *include_bytes!("../data/soc.dtb");
    let machine = read(&mut blob);
    let console = machine.console.unwrap();
    assert_eq!(console.choice, ConsoleChoice::StdoutPath);
    assert_eq!(console.uart.registers, range(0x2020_1000, 0x1000));
    assert_eq!(console.uart.interrupt.map(|interrupt| interrupt.id()), Some(32 + 58));
    let gic = machine.gic.unwrap();
    assert_eq!(gic.distributor, range(0x2040_1000, 0x1000));
    assert_eq!(gic.cpu_interface, range(0x2040_2000, 0x2000));
    let psci = machine.psci.unwrap();
    assert_eq!((psci.conduit, psci.functions.cpu_on), (Conduit::Smc, Some(0x95c1_0002)));
    assert_eq!(psci.functions.system_off, None);
    assert_eq!(machine.timer.unwrap().clock_frequency, Some(8_000_000));
    let cpus: Vec<_> = machine.cpus().map(|cpu| (cpu.mpidr, cpu.status)).collect();
    assert_eq!(cpus, [(0xf00, Status::Okay), (0xf01, Status::Disabled)]);
}

#[test]
fn memory_on_both_sides_of_four_gibibytes() {
    let mut blob = *include_bytes!("../data/above-4g.dtb");
    let machine = read(&mut blob);
    let banks = [
        range(0x6000_0000, 0x1_2000_0000),
        range(0x8_8000_0000, 0x8000_0000),
        range(0xffff_ffff_f000_0000, 0x0fff_ffff),
    ];
    assert_eq!(machine.banks().collect::<Vec<_>>(), banks);
    assert_eq!(machine.chosen.initrd, Some(range(0x1_0000_0000, 0x40_0000)));
    assert_eq!(machine.console.unwrap().uart.registers, range(0x1_0003_0000, 0x1000));
    assert_eq!(machine.cpus().map(|cpu| cpu.mpidr).collect::<Vec<_>>(), [0x100, 0]);
}

#[test]
fn a_console_below_as_many_buses_as_there_may_be() {
    let mut blob = sound::deep().unwrap();
    let machine = read(&mut blob);
    let console = machine.console.unwrap();
    assert_eq!(console.choice, ConsoleChoice::StdoutPath);
    let moved = u64::from(MAX_DEPTH - 2) * 0x1_0000;
    assert_eq!(console.uart.registers, range(0x3000 + moved, 0x1000));
    assert_eq!(machine.gic.unwrap().distributor, range(0x1000 + moved, 0x1000));
    assert_eq!(console.uart.interrupt.map(|interrupt| interrupt.id()), Some(33));
}

#[test]
fn many_of_everything() {
    let mut blob = sound::wide().unwrap();
    let machine = read(&mut blob);
    assert_eq!(machine.banks().count(), 24 + 48);
    assert_eq!((machine.memreserve().count(), machine.reserved_regions().count()), (24, 24));
    assert_eq!(machine.cpus().count(), 24);
    assert_eq!(machine.console.unwrap().uart.name, "device@17");
}
