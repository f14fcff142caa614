//! Where devices answer, as the CPU addresses it: registers (`reg`), and what a bus lets through (`ranges`).
//!
//! The kernel maps a device when its driver asks, and needs no such list. It is for whoever wants to know which devices lie
//! where no mapping of this kernel reaches: above 4 GiB, where QEMU's board has its PCI configuration space.
//!
//! A PCI bus has addresses of three cells, whose first says of which kind they are; the other two are a number. What can
//! not be read is left out: nobody relies on it.

use mm::addr::{PhysAddr, PhysRange};

use super::{Tree, node::Node, place::Place, validate::be32};

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

/// Calls `visit` with the windows of every enabled node, in the order of the tree. Memory is none.
pub(crate) fn windows<'t>(tree: &Tree<'t>, visit: &mut dyn FnMut(Window<'t>)) {
    let _: Option<()> = tree.search(&mut |place| {
        let node = place.node();
        let is_memory = node.says("device_type", "memory") || node.base_name() == "memory";
        let is_set_aside = place.upwards().any(|place| place.node().name() == "reserved-memory");
        if !is_memory && !is_set_aside {
            let mut show = |property, range: PhysRange| {
                if !range.is_empty() {
                    visit(Window { node: node.name(), property, range });
                }
            };
            registers(place, &mut |range| show("reg", range));
            passed(place, &mut |range| show("ranges", range));
        }
        None
    });
}

/// The entries of `reg` that come up to the CPU.
fn registers(place: &Place<'_, '_>, visit: &mut dyn FnMut(PhysRange)) {
    let Some(bus) = place.parent() else { return };
    let (Some(reg), Ok(cells)) = (place.node().value("reg"), bus.node().cells()) else { return };
    let Ok(list) = place.node().range_list("reg", reg, cells) else { return };
    // Each is carried up by itself, so a list of many behind buses of many costs their product.
    for range in list.iter().take(MOST) {
        if let Ok(range) = place.translate(range) {
            visit(range);
        }
    }
}

/// Entries of one property that are looked at. No device has as many.
const MOST: usize = 64;

/// What `ranges` of a bus lets through, as it comes up to the CPU.
fn passed(bus: &Place<'_, '_>, visit: &mut dyn FnMut(PhysRange)) {
    let Some(above) = bus.parent() else { return };
    let Some(value) = bus.node().value("ranges") else { return };
    let counts = [cells(bus.node(), "#address-cells", 2), cells(bus.node(), "#size-cells", 1)];
    let (Some([child, size]), Ok(parent)) = (both(counts), above.node().address_width()) else {
        return;
    };
    let entry_bytes = 4 * (child + size) + parent.bytes();
    for entry in value.chunks_exact(entry_bytes).take(MOST) {
        let (_, entry) = entry.split_at(4 * child);
        let (to, len) = entry.split_at(parent.bytes());
        let start = PhysAddr::new(parent.read(to));
        let Some(range) = PhysRange::from_len(start, number(len)) else { continue };
        if let Ok(range) = bus.translate(range) {
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

    #[test]
    fn what_the_tree_sets_aside_is_no_device() {
        let mut blob = root();
        blob.begin("reserved-memory").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
        blob.bytes("ranges", &[]).begin("x@200000000").cells("reg", &[2, 0, 0, 1]).end().end();
        blob.end();
        assert_eq!(seen(blob), []);
    }
}
