//! QEMU's own trees, read in full.

use board::{
    Machine,
    dt::{Conduit, ConsoleChoice, Psci, Status, Tree},
};
use mm::addr::{GIB, PhysAddr, PhysRange};

const ONE_GIB: &[u8] = include_bytes!("../data/qemu-virt-1g.dtb");
const FOUR_GIB: &[u8] = include_bytes!("../data/qemu-virt-4g-smp4-hyp.dtb");

fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::from_len(PhysAddr::new(start), len).unwrap()
}

#[test]
fn one_gibibyte() {
    let mut blob = ONE_GIB.to_vec();
    let machine = Machine::from_tree(Tree::parse(&mut blob).unwrap()).unwrap();
    assert_eq!(machine.dtb_len() as usize, ONE_GIB.len());
    assert_eq!(machine.model, Some("linux,dummy-virt"));
    assert_eq!(machine.banks().collect::<Vec<_>>(), [range(0x4000_0000, GIB)]);
    assert_eq!(machine.memreserve().count(), 0);
    assert_eq!(machine.reserved_regions().count(), 0);
    assert_eq!(machine.chosen.bootargs, None);
    assert_eq!(machine.chosen.stdout_path, Some("/pl011@9000000"));
    assert_eq!(machine.chosen.initrd, None);

    let console = machine.console.unwrap();
    assert_eq!(console.choice, ConsoleChoice::StdoutPath);
    assert_eq!(console.uart.name, "pl011@9000000");
    assert_eq!(console.uart.registers, range(0x900_0000, 0x1000));
    assert_eq!(console.uart.interrupt.unwrap().id(), 33);

    let gic = machine.gic.unwrap();
    assert_eq!(gic.distributor, range(0x800_0000, 0x1_0000));
    assert_eq!(gic.cpu_interface, range(0x801_0000, 0x1_0000));

    let timer = machine.timer.unwrap();
    let timers = [timer.secure_phys, timer.phys, timer.virt, timer.hyp_phys];
    assert_eq!(timers.map(|interrupt| interrupt.unwrap().id()), [29, 30, 27, 26]);
    assert_eq!(timer.clock_frequency, None);

    let mut transports = Vec::new();
    machine.virtio(&mut |found| transports.push(found.unwrap()));
    assert_eq!(transports.len(), 32);
    assert_eq!(transports[31].registers, range(0xa00_3e00, 0x200));
    assert_eq!(transports[31].interrupt.unwrap().id(), 79);
    assert!(transports.iter().all(|found| found.dma.is_coherent && found.dma.device_start == 0));

    assert_eq!(machine.psci, Some(Psci::standard(Conduit::Hvc)));
    let cpus: Vec<_> = machine.cpus().collect();
    assert_eq!(cpus.len(), 1);
    assert_eq!((cpus[0].mpidr, cpus[0].enable_method, cpus[0].status), (0, None, Status::Okay));
}

#[test]
fn four_gibibytes_and_four_cpus_under_a_hypervisor() {
    let mut blob = FOUR_GIB.to_vec();
    let machine = Machine::from_tree(Tree::parse(&mut blob).unwrap()).unwrap();
    assert_eq!(machine.banks().collect::<Vec<_>>(), [range(0x4000_0000, 4 * GIB)]);
    assert_eq!(machine.psci, Some(Psci::standard(Conduit::Smc)));
    assert_eq!(machine.gic.unwrap().cpu_interface, range(0x801_0000, 0x1_0000));
    let cpus: Vec<_> = machine.cpus().map(|cpu| (cpu.mpidr, cpu.enable_method)).collect();
    assert_eq!(cpus, [0, 1, 2, 3].map(|mpidr| (mpidr, Some("psci"))));
}

/// The fallback is QEMU's console, so it has to be where QEMU's tree says it is.
#[cfg(feature = "fallback-console")]
#[test]
fn the_fallback_is_this_board() {
    let mut blob = ONE_GIB.to_vec();
    let machine = Machine::from_tree(Tree::parse(&mut blob).unwrap()).unwrap();
    assert_eq!(machine.console.unwrap().uart.registers, board::fallback::CONSOLE);
    assert_eq!(machine.psci, Some(board::fallback::PSCI));
}
