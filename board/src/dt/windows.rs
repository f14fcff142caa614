//! Where devices answer, as the CPU addresses it: registers (`reg`), and what a bus lets through (`ranges`).
//!
//! The kernel maps a device when its driver asks, and needs no such list. It is for whoever wants to know which devices lie
//! where no mapping of this kernel reaches: above 4 GiB, where QEMU's board has its PCI configuration space.
//!
//! A PCI bus has addresses of three cells, whose first says of which kind they are; the other two are a number. What can
//! not be read is left out: nobody relies on it.

use mm::addr::{PhysAddr, PhysRange};

use super::cells::{Cells, Width};
use super::{Tree, node::Node, validate::be32};

/// Addresses that devices answer at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window<'t> {
    /// The node that says so, with its unit address.
    pub node: &'t str,
    /// The property that does: `reg` or `ranges`.
    pub property: &'static str,
    /// The addresses.
    pub range: PhysRange,
}

/// Entries of one property that are looked at. No device has as many.
const MOST: usize = 64;

/// Calls `visit` with the windows of every enabled node, in the order of the tree. Memory is none.
///
/// Linear in the size of the tree: what the nodes on a bus share is read once.
pub(crate) fn windows<'t>(tree: &Tree<'t>, visit: &mut dyn FnMut(Window<'t>)) {
    let Some(root) = tree.root() else { return };
    let bus = Bus { cells: root.cells().ok(), width: root.address_width().ok(), up: None };
    for node in root.children().filter(Node::is_okay) {
        let is_memory = node.says("device_type", "memory") || node.base_name() == "memory";
        if !is_memory && node.base_name() != "reserved-memory" {
            walk(&node, &bus, visit);
        }
    }
}

/// A node that others hang on.
struct Bus<'b, 't> {
    /// How a range of its children is written; `None` where that is no range of numbers.
    cells: Option<Cells>,
    /// How wide their addresses are.
    width: Option<Width>,
    /// The way to the bus above; `None` at the root, whose addresses are the CPU's.
    up: Option<(Passes<'t>, &'b Bus<'b, 't>)>,
}

/// What a bus passes on to the one above.
enum Passes<'t> {
    Nothing,
    /// Everything, at the same addresses.
    Same,
    /// What the entries of `ranges` say.
    Entries(&'t [u8], Cells, Width),
}

impl<'t> Passes<'t> {
    fn of(node: &Node<'_, 't>, cells: Option<Cells>, above: &Bus<'_, 't>) -> Self {
        match (node.value("ranges"), cells, above.width) {
            (Some([]), ..) => Self::Same,
            (Some(value), Some(cells), Some(width)) => Self::Entries(value, cells, width),
            _ => Self::Nothing,
        }
    }

    fn carry(&self, range: PhysRange) -> Option<PhysRange> {
        match *self {
            Self::Nothing => None,
            Self::Same => Some(range),
            Self::Entries(value, cells, width) => {
                let (child, parent) = (cells.address.bytes(), width.bytes());
                let entries = value.chunks_exact(child + parent + cells.size.bytes());
                entries.take(MOST).find_map(|entry| {
                    let (from, entry) = entry.split_at(child);
                    let (to, len) = entry.split_at(parent);
                    let from = PhysAddr::new(cells.address.read(from));
                    let from = PhysRange::from_len(from, cells.size.read(len))?;
                    if !from.contains_range(&range) {
                        return None;
                    }
                    let into = range.start().as_u64() - from.start().as_u64();
                    let start = width.read(to).checked_add(into)?;
                    PhysRange::from_len(PhysAddr::new(start), range.len())
                })
            }
        }
    }
}

impl Bus<'_, '_> {
    /// A range of addresses on this bus, as the CPU has it.
    fn carry(&self, range: PhysRange) -> Option<PhysRange> {
        match &self.up {
            None => Some(range),
            Some((passes, above)) => above.carry(passes.carry(range)?),
        }
    }
}

fn walk<'t>(node: &Node<'_, 't>, bus: &Bus<'_, 't>, visit: &mut dyn FnMut(Window<'t>)) {
    let mut show = |property, range: Option<PhysRange>| {
        if let Some(range) = range.filter(|range| !range.is_empty()) {
            visit(Window { node: node.name(), property, range });
        }
    };
    let reg = node.value("reg").zip(bus.cells);
    if let Some(Ok(list)) = reg.map(|(reg, cells)| node.range_list("reg", reg, cells)) {
        list.iter().take(MOST).for_each(|range| show("reg", bus.carry(range)));
    }
    passed(node, bus, &mut |range| show("ranges", bus.carry(range)));
    let cells = node.cells().ok();
    let up = Some((Passes::of(node, cells, bus), bus));
    let this = Bus { cells, width: node.address_width().ok(), up };
    for child in node.children().filter(Node::is_okay) {
        walk(&child, &this, visit);
    }
}

/// What the `ranges` of a bus let through to the one `above`.
fn passed(bus: &Node<'_, '_>, above: &Bus<'_, '_>, visit: &mut dyn FnMut(PhysRange)) {
    let Some(value) = bus.value("ranges") else { return };
    let counts = [cells(bus, "#address-cells", 2), cells(bus, "#size-cells", 1)];
    let (Some([child, size]), Some(parent)) = (both(counts), above.width) else { return };
    let entry_bytes = 4 * (child + size) + parent.bytes();
    for entry in value.chunks_exact(entry_bytes).take(MOST) {
        let (_, entry) = entry.split_at(4 * child);
        let (to, len) = entry.split_at(parent.bytes());
        let start = PhysAddr::new(parent.read(to));
        if let Some(range) = PhysRange::from_len(start, number(len)) {
            visit(range);
        }
    }
}

/// A count of cells, of a bus whose addresses may have three.
fn cells(node: &Node<'_, '_>, property: &'static str, default: u32) -> Option<usize> {
    let count = node.u32(property).ok()?.unwrap_or(default);
    (1..=3).contains(&count).then_some(count as usize)
}

fn both([a, b]: [Option<usize>; 2]) -> Option<[usize; 2]> {
    Some([a?, b?])
}

/// The number in one cell, or in the last two of more.
fn number(cells: &[u8]) -> u64 {
    let cell = |at: Option<usize>| at.and_then(|at| be32(cells, at)).map_or(0, u64::from);
    cell(cells.len().checked_sub(8)) << 32 | cell(cells.len().checked_sub(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    fn seen(blob: Blob) -> Vec<(String, &'static str, u64, u64)> {
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let mut seen = Vec::new();
        windows(&tree, &mut |Window { node, property, range }| {
            seen.push((node.to_string(), property, range.start().as_u64(), range.len()));
        });
        seen
    }

    fn root() -> Blob {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
        blob.begin("memory@40000000").cells("reg", &[1, 0, 0, 0x1000]).end();
        blob
    }

    #[test]
    fn a_pci_bus_has_registers_and_windows() {
        let mut blob = root();
        blob.begin("pcie@10000000").cells("#address-cells", &[3]).cells("#size-cells", &[2]);
        blob.cells("reg", &[0x40, 0x1000_0000, 0, 0x1000_0000]);
        let io = [0x100_0000, 0, 0, 0, 0x3eff_0000, 0, 0x1_0000];
        let far = [0x300_0000, 0x80, 0, 0x80, 0, 0x80, 0];
        blob.cells("ranges", &[io, far].concat());
        // A function of the bus: an address of configuration space, not of the CPU.
        blob.begin("nic@1").cells("reg", &[0x800, 0, 0, 0, 0]).end().end().end();
        let pcie = || "pcie@10000000".to_string();
        assert_eq!(
            seen(blob),
            [
                (pcie(), "reg", 0x40_1000_0000, 0x1000_0000),
                (pcie(), "ranges", 0x3eff_0000, 0x1_0000),
                (pcie(), "ranges", 0x80_0000_0000, 0x80_0000_0000),
            ]
        );
    }

    #[test]
    fn every_bus_on_the_way_is_passed_and_disabled_ones_hide_theirs() {
        let mut blob = root();
        blob.begin("soc").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        blob.cells("ranges", &[0x7e00_0000, 1, 0xfe00_0000, 0x100_0000]);
        blob.begin("uart").cells("reg", &[0x7e20_1000, 0x200, 0x7e20_2000, 0x100]).end();
        blob.begin("lost").cells("reg", &[0x1000, 0x200]).end().end();
        blob.begin("off").text("status", "disabled").cells("reg", &[2, 0, 0, 1]).end();
        blob.begin("odd").cells("reg", &[1, 2, 3]).end().end();
        let uart = || "uart".to_string();
        assert_eq!(
            seen(blob),
            [
                ("soc".to_string(), "ranges", 0x1_fe00_0000, 0x100_0000),
                (uart(), "reg", 0x1_fe20_1000, 0x200),
                (uart(), "reg", 0x1_fe20_2000, 0x100),
            ]
        );
    }

    /// A bus with many properties and many devices: neither is read once for each of the other.
    #[test]
    fn what_devices_on_a_bus_share_is_read_once() {
        let mut blob = root();
        blob.begin("bus");
        let name_offset = blob.strings.len();
        blob.bytes("x", b"");
        (0..100_000).for_each(|_| _ = blob.property_at(name_offset, b""));
        blob.bytes("ranges", b"").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        (0..50_000).for_each(|at| _ = blob.begin("d").cells("reg", &[at, 1]).end());
        blob.end().end();
        assert_eq!(seen(blob).len(), 50_000);
    }

    #[test]
    fn what_the_tree_sets_aside_is_no_device() {
        let mut blob = root();
        blob.begin("reserved-memory").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
        blob.bytes("ranges", &[]).begin("x@200000000").cells("reg", &[2, 0, 0, 1]).end().end();
        blob.end();
        assert_eq!(seen(blob), []);
    }
}
