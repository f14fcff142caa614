//! A node together with the nodes above it: what paths, bus addresses and interrupts need.
//!
//! The chain of parents lives on the stack of the recursion that found the node, one link for each
//! level, and the validated tree has at most [`MAX_DEPTH`](super::MAX_DEPTH) levels.
//!
//! A `reg` below a bus is an address *on that bus*. `ranges` of the bus says where it appears one
//! level up, and so on to the root, whose addresses are the CPU's (Devicetree Specification v0.4,
//! 2.3.8): empty means the same address, a bus without `ranges` passes nothing on.

use mm::addr::PhysRange;

use super::{Error, node::Node};

/// A node and its ancestors.
pub(super) struct Place<'n, 't> {
    node: Node<'n, 't>,
    parent: Option<&'n Place<'n, 't>>,
}

impl<'n, 't> Place<'n, 't> {
    pub fn root(node: Node<'n, 't>) -> Self {
        Self { node, parent: None }
    }

    pub fn node(&self) -> &Node<'n, 't> {
        &self.node
    }

    /// The node above this one; `None` above the root.
    pub fn parent(&self) -> Option<&'n Place<'n, 't>> {
        self.parent
    }

    /// This node, then the one above it, up to the root.
    pub fn upwards(&self) -> impl Iterator<Item = &Place<'n, 't>> {
        core::iter::successors(Some(self), |place| place.parent)
    }

    /// May the device be used: do this node and all above it say so?
    pub fn is_okay(&self) -> bool {
        self.upwards().all(|place| place.node.is_okay())
    }

    /// See [`Tree::search`](super::Tree).
    pub fn search<R>(&self, visit: &mut dyn FnMut(&Place<'_, 't>) -> Option<R>) -> Option<R> {
        if !self.node.is_okay() {
            return None;
        }
        visit(self).or_else(|| {
            self.node.children().find_map(|node| Place { node, parent: Some(self) }.search(visit))
        })
    }

    /// Calls `visit` with the node that the components of a path lead to from here. Each is the
    /// name of a child, its unit address perhaps left out.
    pub fn descend<R>(
        &self,
        path: &mut dyn Iterator<Item = &str>,
        visit: &mut dyn FnMut(&Place<'_, 't>) -> R,
    ) -> Option<R> {
        let Some(component) = path.next() else {
            return Some(visit(self));
        };
        let node = self.node.children().find(|node| node.answers_to(component))?;
        Place { node, parent: Some(self) }.descend(path, visit)
    }

    /// Entry `index` of the node's `reg`, as the CPU addresses it. Not empty.
    pub fn registers(&self, index: usize) -> Result<PhysRange, Error<'t>> {
        let missing = Error::Missing { node: self.node.name(), property: "reg" };
        // The root is on no bus, so it cannot have registers.
        let bus = self.parent.ok_or(missing)?;
        let reg = self.node.required("reg")?;
        let mut list = self.node.range_list("reg", reg, bus.node.cells()?)?.iter();
        let range = list.nth(index).ok_or(self.node.too_short("reg", reg))?;
        if range.is_empty() {
            return Err(self.node.bad_value("reg", range.len()));
        }
        self.translate(range)
    }

    /// Carries a range from the bus that this node is on up to the root.
    fn translate(&self, mut range: PhysRange) -> Result<PhysRange, Error<'t>> {
        // The root and what hangs on it speak the CPU's addresses.
        for bus in self.upwards().skip(1) {
            let Some(above) = bus.parent else { break };
            range = bus.pass_up(&above.node, range)?.ok_or(Error::Untranslated {
                node: self.node.name(),
                bus: bus.node.name(),
                range,
            })?;
        }
        Ok(range)
    }

    /// One step of it: through the `ranges` of the bus that this is, into the addresses of the node
    /// `above` it.
    fn pass_up(
        &self,
        above: &Node<'_, 't>,
        range: PhysRange,
    ) -> Result<Option<PhysRange>, Error<'t>> {
        const RANGES: &str = "ranges";
        let bus = &self.node;
        let Some(value) = bus.value(RANGES) else {
            return Ok(None);
        };
        if value.is_empty() {
            return Ok(Some(range));
        }
        let (child, parent) = (bus.cells()?, above.address_width()?);
        let (child_bytes, parent_bytes) = (child.address.bytes(), parent.bytes());
        let entry_bytes = child_bytes + parent_bytes + child.size.bytes();
        if !value.len().is_multiple_of(entry_bytes) {
            return Err(bus.bad_entries(RANGES, value, entry_bytes));
        }
        for entry in value.chunks_exact(entry_bytes) {
            let (from, entry) = entry.split_at(child_bytes);
            let (to, len) = entry.split_at(parent_bytes);
            let len = child.size.read(len);
            let from = bus.range(RANGES, child.address.read(from), len)?;
            let to = bus.range(RANGES, parent.read(to), len)?;
            if from.contains_range(&range) {
                let into = range.start().as_u64() - from.start().as_u64();
                let start = to.start().saturating_add(into);
                return Ok(PhysRange::from_len(start, range.len()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use mm::addr::PhysAddr;

    use super::*;
    use crate::dt::{Tree, blob::Blob};

    fn uart_below(bus: impl FnOnce(&mut Blob), reg: &[u32]) -> Result<PhysRange, String> {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
        blob.begin("soc").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        bus(&mut blob);
        blob.begin("uart").text("compatible", "x").cells("reg", reg).end().end().end();
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let found = tree
            .search(&mut |place| place.node().is_compatible(&["x"]).then(|| place.registers(0)));
        found.unwrap().map_err(|error| error.to_string())
    }

    fn range(start: u64, len: u64) -> PhysRange {
        PhysRange::from_len(PhysAddr::new(start), len).unwrap()
    }

    #[test]
    fn empty_ranges_change_nothing() {
        let got = uart_below(|bus| _ = bus.cells("ranges", &[]), &[0x900_0000, 0x1000]);
        assert_eq!(got, Ok(range(0x900_0000, 0x1000)));
    }

    #[test]
    fn ranges_move_a_device_above_four_gibibytes() {
        let ranges = [0, 0, 0x100, 0x10, 0x7e00_0000, 1, 0xfe00_0000, 0x0100_0000];
        let got = uart_below(|bus| _ = bus.cells("ranges", &ranges), &[0x7e20_1000, 0x200]);
        assert_eq!(got, Ok(range(0x1_fe20_1000, 0x200)));
    }

    #[test]
    fn every_bus_on_the_way_translates() {
        let got = uart_below(
            |bus| {
                bus.cells("ranges", &[0x1000, 0, 0x5000, 0x1000]);
                bus.begin("inner").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
                bus.cells("ranges", &[0, 0x1100, 0x100]);
                bus.begin("uart").text("compatible", "x").cells("reg", &[0x20, 4]).end().end();
            },
            &[0, 0],
        );
        assert_eq!(got, Ok(range(0x5120, 4)));
    }

    #[test]
    fn what_no_entry_holds_whole_is_refused() {
        let ranges = [0x1000, 0, 0x5000, 0x1000];
        let got = uart_below(|bus| _ = bus.cells("ranges", &ranges), &[0x1f00, 0x200]);
        assert_eq!(
            got.unwrap_err(),
            "uart: [0x00001f00-0x000020ff] does not pass through the ranges of soc"
        );
    }

    #[test]
    fn a_bus_without_ranges_passes_nothing() {
        let got = uart_below(|_| (), &[0x1000, 0x1000]);
        assert!(got.unwrap_err().ends_with("does not pass through the ranges of soc"));
    }

    #[test]
    fn broken_ranges_are_named() {
        let got = uart_below(|bus| _ = bus.cells("ranges", &[0; 5]), &[0, 4]);
        assert_eq!(got.unwrap_err(), "soc: ranges has 20 bytes, which are no whole entries of 16");
        let ranges = [0, u32::MAX, u32::MAX, 2];
        let got = uart_below(|bus| _ = bus.cells("ranges", &ranges), &[0, 1]);
        assert!(got.unwrap_err().starts_with("soc: ranges: 0x2 bytes at 0xffffffffffffffff wrap"));
    }

    #[test]
    fn a_disabled_bus_hides_its_devices() {
        let mut blob = Blob::new();
        blob.begin("").begin("soc").text("status", "disabled");
        blob.begin("uart").text("compatible", "x").end().end().end();
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let found = tree.search(&mut |p| p.node().is_compatible(&["x"]).then_some(()));
        assert_eq!(found, None);
        let okay = Place::root(tree.root().unwrap())
            .descend(&mut ["soc", "uart"].into_iter(), &mut |place| place.is_okay());
        assert_eq!(okay, Some(false));
    }
}
