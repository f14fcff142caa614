//! What the TLB of one CPU may hold that its tables no longer say.
//!
//! A real TLB holds some of what it may hold, and nobody knows what. This one holds all of it: an entry goes in when
//! the last word that says so disappears from the walker's sight, and stays until an invalidation that was *issued
//! after that* has been completed. What the tables still say may be in any TLB too, and needs no record.
//!
//! Beside leaves there are pointers to second-level tables (the walk cache), and the *pipeline*: entries that the
//! CPU's own operations have invalidated, which instructions before its next ISB may still use.

use mm::addr::VirtAddr;

use crate::hash::Map;
use crate::walk::{Leaf, TablePointer};

/// A leaf that may be cached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CachedLeaf {
    /// The first address of its block.
    pub(crate) virt: u32,
    /// The address space in which it was found; of no account if it is global.
    pub(crate) asid: u8,
    pub(crate) leaf: Leaf,
    /// When a walker last might have found it.
    pub(crate) seen: u64,
}

impl CachedLeaf {
    pub(crate) fn new(virt: u32, asid: u8, leaf: Leaf, seen: u64) -> Self {
        Self { virt: virt & !(leaf.size.bytes() - 1), asid, leaf, seen }
    }

    /// Does the block share an address with `bytes` from `virt` on?
    pub(crate) fn overlaps(&self, virt: u32, bytes: u64) -> bool {
        let (start, end) = (u64::from(self.virt), u64::from(self.virt) + self.bytes());
        start < u64::from(virt) + bytes && u64::from(virt) < end
    }

    pub(crate) fn is_of(&self, asid: u8) -> bool {
        self.leaf.attributes.global || self.asid == asid
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.leaf.size.bytes())
    }
}

/// A pointer to a second-level table that may be cached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CachedTable {
    /// The first address of its MiB.
    pub(crate) virt: u32,
    /// The address space: a first-level word does not say whether its leaves are global.
    pub(crate) asid: u8,
    pub(crate) pointer: TablePointer,
    pub(crate) seen: u64,
}

/// Which entries are to go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Entries {
    /// All of them.
    All,
    /// Those of an address space that are not global.
    Asid(u8),
    /// Those for an address, in whatever address space.
    Address(VirtAddr),
    /// Those for an address, global or of this address space.
    AddressOfAsid(VirtAddr, u8),
}

impl Entries {
    pub(crate) fn has_leaf(self, entry: &CachedLeaf) -> bool {
        match self {
            Self::All => true,
            Self::Asid(asid) => !entry.leaf.attributes.global && entry.asid == asid,
            Self::Address(virt) => entry.overlaps(virt.as_u32(), 1),
            Self::AddressOfAsid(virt, asid) => {
                entry.overlaps(virt.as_u32(), 1) && entry.is_of(asid)
            }
        }
    }

    pub(crate) fn has_table(self, entry: &CachedTable) -> bool {
        match self {
            Self::All => true,
            Self::Asid(asid) => entry.asid == asid,
            Self::Address(virt) => entry.virt >> 20 == virt.as_u32() >> 20,
            Self::AddressOfAsid(virt, asid) => {
                entry.virt >> 20 == virt.as_u32() >> 20 && entry.asid == asid
            }
        }
    }
}

/// An operation that has been issued and not yet completed everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issued {
    pub(crate) entries: Entries,
    pub(crate) at: u64,
    /// The CPUs where it is still to be completed.
    pub(crate) open: u8,
}

/// The TLB of one CPU.
#[derive(Default, Debug)]
pub(crate) struct Tlb {
    /// By the MiB that a block starts in.
    leaves: Map<u32, Vec<CachedLeaf>>,
    tables: Vec<CachedTable>,
    pipeline: Vec<CachedLeaf>,
}

impl Tlb {
    pub(crate) fn add_leaf(&mut self, entry: CachedLeaf) {
        let list = self.leaves.entry(entry.virt >> 20).or_default();
        let same = |old: &&mut CachedLeaf| {
            (old.virt, old.asid, old.leaf) == (entry.virt, entry.asid, entry.leaf)
        };
        match list.iter_mut().find(same) {
            Some(old) => old.seen = entry.seen,
            None => list.push(entry),
        }
    }

    pub(crate) fn add_table(&mut self, entry: CachedTable) {
        let same = |old: &&mut CachedTable| {
            (old.virt, old.asid, old.pointer) == (entry.virt, entry.asid, entry.pointer)
        };
        match self.tables.iter_mut().find(same) {
            Some(old) => old.seen = entry.seen,
            None => self.tables.push(entry),
        }
    }

    /// As [`add_leaf`](Self::add_leaf), but leaves an entry alone that is there already.
    pub(crate) fn add_leaf_if_absent(&mut self, entry: CachedLeaf) {
        let list = self.leaves.entry(entry.virt >> 20).or_default();
        let same = |old: &CachedLeaf| {
            (old.virt, old.asid, old.leaf) == (entry.virt, entry.asid, entry.leaf)
        };
        if !list.iter().any(same) {
            list.push(entry);
        }
    }

    /// Completes an invalidation that was issued at `at`, and returns the pointers that have gone. What a CPU does to
    /// itself it feels after its ISB.
    pub(crate) fn invalidate(
        &mut self,
        entries: Entries,
        at: u64,
        keep_in_pipeline: KeepInPipeline,
    ) -> Vec<CachedTable> {
        let pipeline = &mut self.pipeline;
        let mut clear = |list: &mut Vec<CachedLeaf>| {
            list.retain(|entry| {
                let goes = entry.seen <= at && entries.has_leaf(entry);
                if goes && keep_in_pipeline == KeepInPipeline::UntilIsb {
                    pipeline.push(*entry);
                }
                !goes
            });
            !list.is_empty()
        };
        match entries {
            Entries::Address(virt) | Entries::AddressOfAsid(virt, _) => {
                let mib = virt.as_u32() >> 20;
                for key in [mib, mib & !15] {
                    if self.leaves.get_mut(&key).is_some_and(|list| !clear(list)) {
                        self.leaves.remove(&key);
                    }
                }
            }
            Entries::All | Entries::Asid(_) => self.leaves.retain(|_, list| clear(list)),
        }
        let goes = |entry: &mut CachedTable| entry.seen <= at && entries.has_table(entry);
        self.tables.extract_if(.., goes).collect()
    }

    /// ISB: nothing that was invalidated is used any more.
    pub(crate) fn empty_pipeline(&mut self) {
        self.pipeline.clear();
    }

    /// Leaves of any address space that share an address with `bytes` from `virt` on, but not those in the pipeline.
    pub(crate) fn leaves_at(&self, virt: u32, bytes: u64) -> impl Iterator<Item = &CachedLeaf> {
        let last = ((u64::from(virt) + bytes - 1).min(u64::from(u32::MAX)) >> 20) as u32;
        // The largest block starts at most 15 MiB before what it covers.
        let first = (virt >> 20) & !15;
        // Most often there is nothing at all, and no address need be gone through.
        let end = if self.leaves.is_empty() { first } else { last + 1 };
        (first..end)
            .filter_map(|mib| self.leaves.get(&mib))
            .flatten()
            .filter(move |entry| entry.overlaps(virt, bytes))
    }

    pub(crate) fn all_leaves(&self) -> impl Iterator<Item = &CachedLeaf> {
        self.leaves.values().flatten()
    }

    pub(crate) fn tables(&self) -> &[CachedTable] {
        &self.tables
    }

    pub(crate) fn pipeline(&self) -> &[CachedLeaf] {
        &self.pipeline
    }

    /// Is there nothing but what the tables say?
    pub(crate) fn is_empty(&self) -> bool {
        self.leaves.is_empty() && self.tables.is_empty() && self.pipeline.is_empty()
    }
}

/// Whether entries that go are still used by instructions that were fetched before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeepInPipeline {
    /// The CPU invalidates for itself: until its ISB.
    UntilIsb,
    /// Another CPU's operation, whose DSB has waited for all uses.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::{First, first};

    fn section(virt: u32, asid: u8, word: u32, seen: u64) -> CachedLeaf {
        let First::Leaf(leaf) = first(word) else { panic!("{word:#x} is no leaf") };
        CachedLeaf::new(virt, asid, leaf, seen)
    }

    fn holds(tlb: &Tlb, virt: u32) -> usize {
        tlb.leaves_at(virt, 1).count()
    }

    const GLOBAL: u32 = 0x4000_0000 | 0x1141e;
    const OF_ASID: u32 = GLOBAL | 1 << 17;
    const SUPER: u32 = GLOBAL | 1 << 18;

    #[test]
    fn each_operation_takes_what_the_manual_says() {
        let virt = VirtAddr::new(0xc001_2345);
        for (entries, global, mine, other) in [
            (Entries::All, 0, 0, 0),
            (Entries::Asid(3), 1, 0, 1),
            (Entries::Address(virt), 0, 0, 0),
            (Entries::AddressOfAsid(virt, 3), 0, 0, 1),
            (Entries::Address(VirtAddr::new(0xc010_0000)), 1, 1, 1),
        ] {
            for (entry, left) in [
                (section(0xc000_0000, 3, GLOBAL, 5), global),
                (section(0xc000_0000, 3, OF_ASID, 5), mine),
                (section(0xc000_0000, 4, OF_ASID, 5), other),
            ] {
                let mut tlb = Tlb::default();
                tlb.add_leaf(entry);
                tlb.invalidate(entries, 5, KeepInPipeline::No);
                assert_eq!(holds(&tlb, 0xc000_0000), left, "{entries:?} {entry:?}");
            }
        }
    }

    #[test]
    fn an_operation_leaves_what_a_walker_found_after_it() {
        let mut tlb = Tlb::default();
        tlb.add_leaf(section(0xc000_0000, 0, GLOBAL, 6));
        tlb.invalidate(Entries::All, 5, KeepInPipeline::No);
        assert_eq!(holds(&tlb, 0xc000_0000), 1);
    }

    #[test]
    fn any_address_of_a_block_names_it() {
        let mut tlb = Tlb::default();
        tlb.add_leaf(section(0xc300_0000, 0, SUPER, 1));
        assert_eq!(holds(&tlb, 0xc3ff_ffff), 1);
        assert_eq!(tlb.leaves_at(0xc2ff_ffff, 1).count(), 0);
        assert_eq!(tlb.leaves_at(0xc000_0000, 0x1000_0000).count(), 1);
        let last = VirtAddr::new(0xc3ff_f000);
        tlb.invalidate(Entries::Address(last), 1, KeepInPipeline::UntilIsb);
        assert_eq!((holds(&tlb, 0xc300_0000), tlb.pipeline().len()), (0, 1));
        tlb.empty_pipeline();
        assert!(tlb.is_empty());
    }

    #[test]
    fn the_last_block_of_all_addresses_ends() {
        let mut tlb = Tlb::default();
        tlb.add_leaf(section(0xfff0_0000, 0, GLOBAL, 1));
        assert_eq!(holds(&tlb, 0xffff_ffff), 1);
        assert_eq!(tlb.leaves_at(0, 0x10_0000).count(), 0);
    }
}
