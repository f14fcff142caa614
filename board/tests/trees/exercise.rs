//! Using everything that a tree gives, and holding it to what the crates promise of it.

use std::fmt::{self, Write};

use board::{
    Machine,
    dt::{Placement, RangeList, Tree},
};
use mm::addr::PhysRange;

use super::boot::{Splits, boot};

/// Reads `blob` as the kernel would, and takes memory into use as far as the kernel does without an
/// allocator, under `splits`. Gives a digest of all that was read, or the fault: the name of its
/// variant first, then its fields and its text.
///
/// # Panics
///
/// When a promise is broken. A fuzz target wants just that.
pub fn exercise(blob: &mut [u8], splits: Splits) -> Result<u64, String> {
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

    let mut reserved: Vec<PhysRange> = machine.memreserve().collect();
    assert!(reserved.iter().all(|range| !range.is_empty()));
    let list = |list: RangeList<'_>| list.iter().collect::<Vec<_>>();
    let regions: Vec<_> = machine.reserved_regions().collect();
    for region in &regions {
        assert!(!(region.no_map && region.reusable));
        match region.placement {
            Placement::Fixed(at) => {
                let at = list(at);
                digest.add((region.name, &at));
                reserved.extend(at);
            }
            Placement::Dynamic { size, alignment, within } => {
                assert!(alignment.is_none_or(u64::is_power_of_two));
                digest.add((size, alignment, within.map(list)));
            }
        }
    }
    digest.add(&reserved);

    let cpus: Vec<_> = machine.cpus().collect();
    let mut numbers: Vec<u32> = cpus.iter().map(|cpu| cpu.mpidr).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.len() == cpus.len() && numbers.iter().all(|number| number >> 24 == 0));
    digest.add(cpus);

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
    machine.virtio(&mut |found| {
        if let Ok(found) = &found {
            assert!(!found.registers.is_empty());
        }
        digest.add(found);
    });

    // What follows from it is the same for the same machine, but for where the tree lies.
    let read = digest.sum();
    boot(&machine, &banks, &reserved, &regions, splits, &mut digest);
    Ok(read)
}

/// A sum over all that was read: proof that it was.
pub struct Digest(u64);

impl Digest {
    /// Adds a value by the text that `Debug` makes of it.
    pub fn add(&mut self, value: impl fmt::Debug) {
        // A digest takes any text.
        let _ = write!(self, "{value:?}");
    }

    /// The sum so far.
    pub fn sum(&self) -> u64 {
        self.0
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = self.0.wrapping_mul(31).wrapping_add(byte.into());
        }
        Ok(())
    }
}
