//! Joins neighbouring mappings that mean the same into rows, as people want to read them.
//!
//! Physical addresses do not count: an area of scattered frames is one row, as in Linux's listing.
//!
//! Invariant: rows come in address order, do not overlap, and two that touch differ in level or
//! attributes.

use core::iter::Peekable;

use mm::addr::VirtAddr;

use super::attributes::Attributes;
use super::walk::{Level, Mapping};

/// Adjacent mappings of one kind and meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The first address.
    pub virt: VirtAddr,
    /// Bytes mapped. 64 bits, as one row may be the whole address space.
    pub len_bytes: u64,
    /// The kind of entry.
    pub level: Level,
    /// What the entries allow.
    pub attributes: Attributes,
    /// Privileged code may not execute.
    pub pxn: bool,
}

impl Row {
    /// The address after the last, up to 4 GiB.
    #[must_use]
    pub fn end(&self) -> u64 {
        u64::from(self.virt.as_u32()) + self.len_bytes
    }

    fn continues_with(&self, mapping: &Mapping) -> bool {
        self.end() == u64::from(mapping.virt.as_u32())
            && self.level == mapping.level
            && self.attributes == mapping.attributes
            && self.pxn == mapping.pxn
    }
}

/// The iterator of [`rows`].
pub struct Rows<I: Iterator<Item = Mapping>> {
    mappings: Peekable<I>,
}

/// Joins `mappings`, which must come in address order.
pub fn rows<I: Iterator<Item = Mapping>>(mappings: I) -> Rows<I> {
    Rows { mappings: mappings.peekable() }
}

impl<I: Iterator<Item = Mapping>> Iterator for Rows<I> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let Mapping { virt, len_bytes, level, attributes, pxn, .. } = self.mappings.next()?;
        let mut row = Row { virt, len_bytes: u64::from(len_bytes), level, attributes, pxn };
        while let Some(mapping) = self.mappings.next_if(|mapping| row.continues_with(mapping)) {
            row.len_bytes += u64::from(mapping.len_bytes);
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::Arena;
    use super::*;

    fn joined(arena: &Arena) -> Vec<(u32, u64)> {
        rows(arena.walker().mappings()).map(|row| (row.virt.as_u32(), row.len_bytes)).collect()
    }

    #[test]
    fn neighbours_join_only_if_nothing_differs() {
        let mut arena = Arena::new(2);
        arena.poke_l1(0xc000_0000, 0x4001_141e);
        arena.poke_l1(0xc010_0000, 0x7771_141e); // scattered, but the same meaning
        arena.poke_l1(0xc020_0000, 0x4021_941e); // read only
        arena.poke_l1(0xc030_0000, 0x4031_941f); // PXN
        arena.poke_l1(0xc040_0000, 0x4041_943f); // domain 1
        arena.poke_l1(0xc050_0000, 0x4051_141e);
        arena.poke_page(0xc060_0000, 0x4060_045f); // pages with the same attributes
        arena.poke_page(0xc060_1000, 0x4060_145f);
        arena.poke_page(0xc060_3000, 0x4060_345f); // behind a hole
        assert_eq!(
            joined(&arena),
            [
                (0xc000_0000, 2 << 20),
                (0xc020_0000, 1 << 20),
                (0xc030_0000, 1 << 20),
                (0xc040_0000, 1 << 20),
                (0xc050_0000, 1 << 20),
                (0xc060_0000, 2 << 12),
                (0xc060_3000, 1 << 12),
            ]
        );
    }

    #[test]
    fn the_whole_address_space_is_one_row() {
        let mut arena = Arena::new(0);
        for slot in 0..4096 {
            arena.poke_l1(slot << 20, slot << 20 | 0x1141e);
        }
        assert_eq!(joined(&arena), [(0, 1 << 32)]);
    }
}
