//! Which words of memory are live descriptors, and which frames they lead to.
//!
//! A first-level table is known by its registration as a *root*. A second-level table is live while a first-level
//! word of a root, as any walker may see it, points to it. Invariant: `live` holds each valid value that a walker
//! may see of each word of those tables, once.

use crate::attributes::Attributes;
use crate::hash::Map;
use crate::walk::Leaf;

/// Bytes of a first-level table.
pub(crate) const ROOT_BYTES: u64 = 0x4000;
/// Words of a first-level table.
pub(crate) const ROOT_WORDS: u32 = 4096;
/// Bytes of a second-level table.
pub(crate) const TABLE_BYTES: u64 = 0x400;
/// Words of a second-level table.
pub(crate) const TABLE_WORDS: u32 = 256;

/// Where a word stands in the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Number `index` in the root at `root`.
    First { root: u64, index: u32 },
    /// Number `index` in the second-level table at `table`.
    Second { table: u64, index: u32 },
}

/// A first-level word that points to a second-level table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) root: u64,
    pub(crate) index: u32,
}

/// What one word maps: a 16th of a block where that takes 16 words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LiveLeaf {
    pub(crate) word: u64,
    pub(crate) value: u32,
    pub(crate) phys: u64,
    pub(crate) bytes: u32,
    pub(crate) attributes: Attributes,
}

impl LiveLeaf {
    /// The part of `leaf` that the word at `word` maps.
    pub(crate) fn new(word: u64, value: u32, leaf: &Leaf) -> Self {
        let unit = if leaf.size.is_page() { 0x1000 } else { 0x10_0000 };
        let index = (word / 4) as u32;
        let offset = index.wrapping_mul(unit) & (leaf.size.bytes() - 1);
        let phys = leaf.phys.as_u64() + u64::from(offset);
        Self { word, value, phys, bytes: unit, attributes: leaf.attributes }
    }

    pub(crate) fn overlaps(&self, phys: u64, bytes: u64) -> bool {
        self.phys < phys + bytes && phys < self.phys + u64::from(self.bytes)
    }
}

/// All tables.
#[derive(Default, Debug)]
pub(crate) struct Tables {
    /// Roots, each with its address space's number, if it was ever switched to.
    roots: Map<u64, Option<u8>>,
    links: Map<u64, Vec<Link>>,
    /// By the MiB of physical memory; none crosses one.
    live: Map<u64, Vec<LiveLeaf>>,
}

impl Tables {
    pub(crate) fn place(&self, word: u64) -> Option<Place> {
        let (root, table) = (word & !(ROOT_BYTES - 1), word & !(TABLE_BYTES - 1));
        if self.roots.contains_key(&root) {
            Some(Place::First { root, index: ((word - root) / 4) as u32 })
        } else if self.links.contains_key(&table) {
            Some(Place::Second { table, index: ((word - table) / 4) as u32 })
        } else {
            None
        }
    }

    /// Is it a root already? If not, it is one now.
    pub(crate) fn add_root(&mut self, root: u64) -> bool {
        let known = self.roots.contains_key(&root);
        self.roots.entry(root).or_insert(None);
        known
    }

    pub(crate) fn remove_root(&mut self, root: u64) {
        self.roots.remove(&root);
    }

    pub(crate) fn name_root(&mut self, root: u64, asid: u8) {
        self.roots.insert(root, Some(asid));
    }

    pub(crate) fn asid(&self, root: u64) -> Option<u8> {
        self.roots.get(&root).copied().flatten()
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = u64> {
        self.roots.keys().copied()
    }

    pub(crate) fn is_root(&self, root: u64) -> bool {
        self.roots.contains_key(&root)
    }

    pub(crate) fn links(&self, table: u64) -> &[Link] {
        self.links.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Adds a link. Is it the table's first?
    pub(crate) fn link(&mut self, table: u64, link: Link) -> bool {
        let links = self.links.entry(table).or_default();
        if !links.contains(&link) {
            links.push(link);
        }
        links.len() == 1
    }

    /// Takes a link away. Was it the table's last?
    pub(crate) fn unlink(&mut self, table: u64, link: Link) -> bool {
        let Some(links) = self.links.get_mut(&table) else { return false };
        links.retain(|other| *other != link);
        let last = links.is_empty();
        if last {
            self.links.remove(&table);
        }
        last
    }

    pub(crate) fn add(&mut self, leaf: LiveLeaf) {
        let list = self.live.entry(leaf.phys >> 20).or_default();
        if !list.contains(&leaf) {
            list.push(leaf);
        }
    }

    pub(crate) fn remove(&mut self, leaf: &LiveLeaf) {
        if let Some(list) = self.live.get_mut(&(leaf.phys >> 20))
            && let Some(at) = list.iter().position(|other| other == leaf)
        {
            list.swap_remove(at);
        }
    }

    /// Live leaves that map a byte of `bytes` from `phys` on.
    pub(crate) fn mapping(&self, phys: u64, bytes: u64) -> impl Iterator<Item = &LiveLeaf> {
        (phys >> 20..=(phys + bytes - 1) >> 20)
            .filter_map(|mib| self.live.get(&mib))
            .flatten()
            .filter(move |leaf| leaf.overlaps(phys, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::{First, first};

    #[test]
    fn a_word_of_a_supersection_maps_its_own_mib() {
        let word = 0x8000_0000 | 0x5141e;
        let First::Leaf(leaf) = first(word) else { panic!("a supersection") };
        let live = LiveLeaf::new(0x4000_4000 + 4 * 0xc23, word, &leaf);
        assert_eq!((live.phys, live.bytes), (0x8030_0000, 0x10_0000));
    }

    #[test]
    fn places_are_those_of_roots_and_linked_tables() {
        let mut tables = Tables::default();
        assert!(!tables.add_root(0x4000_4000));
        let link = Link { root: 0x4000_4000, index: 7 };
        assert!(tables.link(0x4100_0400, link));
        let first = Place::First { root: 0x4000_4000, index: 4095 };
        assert_eq!(tables.place(0x4000_7ffc), Some(first));
        let second = Place::Second { table: 0x4100_0400, index: 255 };
        assert_eq!(tables.place(0x4100_07fc), Some(second));
        assert_eq!(tables.place(0x4100_0800), None);
        assert!(tables.unlink(0x4100_0400, link));
        assert_eq!(tables.place(0x4100_07fc), None);
    }
}
