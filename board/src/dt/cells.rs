//! Addresses and sizes, as the tree writes them: one or two big-endian cells of 32 bits.
//!
//! How many is said by `#address-cells` and `#size-cells` of the node *above* the one with the
//! `reg` (Devicetree Specification v0.4, 2.3.5). Two cells make 64 bits, and stay 64 bits here
//! whatever the width of `usize`: `<0x0 0x40000000 0x1 0x0>` is 4 GiB, not nothing.
//!
//! Invariant: a [`RangeList`] holds whole entries, none of which wraps around the end of 64 bits,
//! so reading it cannot fail.

use mm::addr::{PhysAddr, PhysRange};

use super::{Error, node::Node, validate::be32};

/// How many cells an address or a size takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    One,
    Two,
}

impl Width {
    /// Bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::One => 4,
            Self::Two => 8,
        }
    }

    /// [`Width::bytes`] in words, for errors.
    pub fn expected(self) -> &'static str {
        match self {
            Self::One => "4",
            Self::Two => "8",
        }
    }

    /// The number in the first bytes of `cells`; zero where they are too few.
    pub fn read(self, cells: &[u8]) -> u64 {
        let cell = |at| u64::from(be32(cells, at).unwrap_or_default());
        match self {
            Self::One => cell(0),
            Self::Two => cell(0) << 32 | cell(4),
        }
    }
}

/// The widths of the address and the size of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cells {
    pub address: Width,
    pub size: Width,
}

impl Cells {
    fn bytes(self) -> usize {
        self.address.bytes() + self.size.bytes()
    }
}

impl<'t> Node<'_, 't> {
    /// How wide addresses below this node are. Two cells if it does not say.
    pub(super) fn address_width(&self) -> Result<Width, Error<'t>> {
        self.width("#address-cells", 2)
    }

    /// How wide sizes below this node are. One cell if it does not say.
    pub(super) fn size_width(&self) -> Result<Width, Error<'t>> {
        self.width("#size-cells", 1)
    }

    /// How ranges below this node are written.
    pub(super) fn cells(&self) -> Result<Cells, Error<'t>> {
        Ok(Cells { address: self.address_width()?, size: self.size_width()? })
    }

    fn width(&self, property: &'static str, default: u32) -> Result<Width, Error<'t>> {
        match self.u32(property)?.unwrap_or(default) {
            1 => Ok(Width::One),
            2 => Ok(Width::Two),
            value => Err(Error::Cells { node: self.name(), property, value }),
        }
    }

    /// The ranges in `value`, a property of this node, which are written with `cells`.
    pub(super) fn range_list(
        &self,
        property: &'static str,
        value: &'t [u8],
        cells: Cells,
    ) -> Result<RangeList<'t>, Error<'t>> {
        if !value.len().is_multiple_of(cells.bytes()) {
            return Err(self.bad_entries(property, value, cells.bytes()));
        }
        let list = RangeList { value, cells };
        for (start, len) in list.entries() {
            self.range(property, start, len)?;
        }
        Ok(list)
    }

    /// The `len` bytes from `start`, which `property` of this node states.
    pub(super) fn range(
        &self,
        property: &'static str,
        start: u64,
        len: u64,
    ) -> Result<PhysRange, Error<'t>> {
        let start = PhysAddr::new(start);
        let wraps = Error::Wraps { node: self.name(), property, start, len };
        PhysRange::from_len(start, len).ok_or(wraps)
    }
}

/// A property's list of address ranges, each of which has been checked.
#[derive(Clone, Copy, Debug)]
pub struct RangeList<'t> {
    value: &'t [u8],
    cells: Cells,
}

impl<'t> RangeList<'t> {
    /// The ranges in the order of the property, empty ones included.
    pub fn iter(&self) -> impl Iterator<Item = PhysRange> + use<'t> {
        self.entries().filter_map(|(start, len)| PhysRange::from_len(PhysAddr::new(start), len))
    }

    fn entries(&self) -> impl Iterator<Item = (u64, u64)> + use<'t> {
        let Cells { address, size } = self.cells;
        self.value.chunks_exact(self.cells.bytes()).map(move |entry| {
            let (start, len) = entry.split_at(address.bytes());
            (address.read(start), size.read(len))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::{Tree, blob::Blob};

    fn memory_of(root: &[(&str, u32)], reg: &[u32]) -> Result<Vec<PhysRange>, String> {
        let mut blob = Blob::new();
        blob.begin("");
        for (name, value) in root {
            blob.cells(name, &[*value]);
        }
        blob.begin("m").cells("reg", reg).end().end();
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let root = tree.root().unwrap();
        let node = root.children().next().unwrap();
        let list = root
            .cells()
            .and_then(|cells| node.range_list("reg", node.value("reg").unwrap(), cells));
        list.map(|list| list.iter().collect()).map_err(|error| error.to_string())
    }

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
    }

    #[test]
    fn one_and_two_cells_mix_freely() {
        let cells = |a, s| [("#address-cells", a), ("#size-cells", s)];
        assert_eq!(
            memory_of(&cells(1, 1), &[0x8000_0000, 0x1000]).unwrap(),
            [range(0x8000_0000, 0x8000_1000)]
        );
        assert_eq!(
            memory_of(&cells(2, 1), &[1, 2, 3]).unwrap(),
            [range(0x1_0000_0002, 0x1_0000_0005)]
        );
        assert_eq!(memory_of(&cells(1, 2), &[2, 1, 3]).unwrap(), [range(2, 0x1_0000_0005)]);
        assert_eq!(
            memory_of(&cells(2, 2), &[1, 2, 1, 3]).unwrap(),
            [range(0x1_0000_0002, 0x2_0000_0005)]
        );
    }

    #[test]
    fn four_gibibytes_do_not_become_nothing() {
        let list = memory_of(&[("#size-cells", 2)], &[0, 0x4000_0000, 1, 0]).unwrap();
        assert_eq!(list, [range(0x4000_0000, 0x1_4000_0000)]);
        assert_eq!(list[0].len(), 1 << 32);
    }

    #[test]
    fn a_32_bit_sum_may_pass_four_gibibytes() {
        let list = memory_of(&[("#address-cells", 1)], &[0xc000_0000, 0x8000_0000]).unwrap();
        assert_eq!(list, [range(0xc000_0000, 0x1_4000_0000)]);
    }

    #[test]
    fn without_a_word_addresses_have_two_cells_and_sizes_one() {
        assert_eq!(memory_of(&[], &[0, 0x1000, 0x2000]).unwrap(), [range(0x1000, 0x3000)]);
    }

    #[test]
    fn other_cell_counts_are_named() {
        for value in [0, 3, u32::MAX] {
            for property in ["#address-cells", "#size-cells"] {
                let error = memory_of(&[(property, value)], &[0; 12]).unwrap_err();
                assert_eq!(error, format!("/: {property} is {value}, which no range can have"));
            }
        }
    }

    #[test]
    fn a_cut_entry_is_refused() {
        let error = memory_of(&[], &[0, 0x1000, 0x2000, 0]).unwrap_err();
        assert_eq!(error, "m: reg has 16 bytes, which are no whole entries of 12");
    }

    #[test]
    fn ranges_that_wrap_are_refused() {
        let all_but_one = [u32::MAX, u32::MAX, 1];
        let error = memory_of(&[], &all_but_one).unwrap_err();
        assert_eq!(error, "m: reg: 0x1 bytes at 0xffffffffffffffff wrap around the end of 64 bits");
    }
}
