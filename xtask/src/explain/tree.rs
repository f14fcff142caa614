//! From the bytes of a device tree to a machine, by the kernel's own reader.
//!
//! The reader trusts no byte; what it refuses the kernel refuses, and its text is the error. What is borrowed from the
//! tree there is owned here, since an experiment outlives the bytes.

use anyhow::{Context as _, Result, anyhow};
use board::dt::{Placement, Tree};
use experiment::address::Range;
use experiment::machine::{Held, Machine, Place, Want};
use mm::addr::{PHYS_LIMIT_32, PhysRange};

/// What the tree says.
#[derive(Clone, Debug)]
pub struct Described {
    /// Banks, reservations, and the initrd of `/chosen`.
    pub machine: Machine,
    /// The command line of `/chosen`.
    pub bootargs: Option<String>,
    /// What the first CPU is.
    pub cpu: Option<String>,
    /// Bytes of the tree.
    pub bytes: u64,
    /// Where devices answer that no mapping reaches.
    pub far: Vec<Far>,
}

/// A device's addresses above 4 GiB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Far {
    /// The node.
    pub node: String,
    /// `reg` or `ranges`.
    pub property: &'static str,
    /// The addresses.
    pub range: PhysRange,
}

/// Reads `bytes`.
///
/// # Errors
///
/// What the kernel would stop at.
pub fn read(mut bytes: Vec<u8>) -> Result<Described> {
    let tree = Tree::parse(&mut bytes).context("bad device tree")?;
    let machine =
        board::Machine::from_tree(tree).map_err(|error| anyhow!("bad device tree: {error}"))?;
    let block =
        machine.memreserve().map(|range| Held { range: range.into(), name: None, no_map: false });
    let mut reservations: Vec<Held> = block.collect();
    let mut wanted = Vec::new();
    for region in machine.reserved_regions() {
        let (name, no_map) = (region.name.to_owned(), region.no_map);
        match region.placement {
            Placement::Fixed(ranges) => reservations.extend(
                ranges.iter().filter(|range| !range.is_empty()).map(|range| Held {
                    range: range.into(),
                    name: Some(name.clone()),
                    no_map,
                }),
            ),
            Placement::Dynamic { size, alignment, within } => {
                let ranges = within.map(|list| list.iter().map(Range::from).collect());
                let within = ranges.map_or(Place::Anywhere, Place::Within);
                wanted.push(Want { name, size, alignment, within, no_map });
            }
        }
    }
    let mut far = Vec::new();
    machine.windows(&mut |window| {
        if window.range.end() > PHYS_LIMIT_32 {
            let node = window.node.to_owned();
            far.push(Far { node, property: window.property, range: window.range });
        }
    });
    let described = Machine {
        model: machine.model.map(str::to_owned),
        banks: machine.banks().map(Range::from).collect(),
        reservations,
        wanted,
        initrd: machine.chosen.initrd.filter(|range| !range.is_empty()).map(Range::from),
        ..Machine::default()
    };
    Ok(Described {
        machine: described,
        bootargs: machine.chosen.bootargs.map(str::to_owned),
        cpu: machine.cpu_compatible().map(str::to_owned),
        bytes: u64::from(machine.dtb_len()),
        far,
    })
}
