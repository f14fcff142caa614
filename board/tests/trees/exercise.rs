//! Using everything that a tree gives, and holding it to what the crate promises of it.

use board::{
    Machine,
    dt::{Placement, RangeList, Tree},
};
use mm::addr::PhysRange;

/// Reads `blob` as the kernel would. Gives a digest of all that was read, or the fault: the name of
/// its variant first, then its fields and its text.
///
/// # Panics
///
/// When a promise is broken. A fuzz target wants just that.
pub fn exercise(blob: &mut [u8]) -> Result<u64, String> {
    let len = blob.len();
    let tree = Tree::parse(blob).map_err(|error| format!("{error:?}: {error}"))?;
    let machine = Machine::from_tree(tree).map_err(|error| format!("{error:?}: {error}"))?;
    assert!(machine.dtb_len() as usize <= len);

    let mut digest = Digest(0);
    let banks: Vec<PhysRange> = machine.banks().collect();
    assert!(!banks.is_empty() && banks.iter().all(|bank| !bank.is_empty()));
    let mut sorted = banks.clone();
    sorted.sort_by_key(PhysRange::start);
    assert!(sorted.windows(2).all(|pair| !pair[0].overlaps(&pair[1])), "{banks:?}");
    digest.add(&banks);
    digest
        .add(machine.memreserve().inspect(|range| assert!(!range.is_empty())).collect::<Vec<_>>());

    let list = |list: RangeList<'_>| list.iter().collect::<Vec<_>>();
    for region in machine.reserved_regions() {
        assert!(!(region.no_map && region.reusable));
        match region.placement {
            Placement::Fixed(at) => digest.add((region.name, list(at))),
            Placement::Dynamic { size, alignment, within } => {
                assert!(alignment.is_none_or(u64::is_power_of_two));
                digest.add((size, alignment, within.map(list)));
            }
        }
    }

    let mut numbers: Vec<u32> = machine.cpus().map(|cpu| cpu.mpidr).collect();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.len() == count && numbers.iter().all(|number| number >> 24 == 0));
    digest.add(machine.cpus().collect::<Vec<_>>());

    assert!(machine.chosen.initrd.is_none_or(|initrd| !initrd.is_empty()));
    digest.add((machine.model, machine.chosen, machine.chosen.stdout_options()));
    if let Some(console) = machine.console {
        assert!(!console.uart.registers.is_empty());
        digest.add((console, console.uart.interrupt.map(|interrupt| interrupt.id())));
    }
    if let Some(gic) = machine.gic {
        assert!(!gic.distributor.is_empty() && !gic.cpu_interface.is_empty());
        digest.add(gic);
    }
    digest.add((machine.timer, machine.psci));
    Ok(digest.0)
}

/// The sum of the bytes of what was read: proof that it was.
struct Digest(u64);

impl Digest {
    fn add(&mut self, value: impl std::fmt::Debug) {
        for byte in format!("{value:?}").bytes() {
            self.0 = self.0.wrapping_mul(31).wrapping_add(byte.into());
        }
    }
}
