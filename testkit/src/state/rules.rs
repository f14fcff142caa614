//! What a new translation may not stand beside.
//!
//! Each rule is decided by what *may* be in use, and not by what happens to be: by all values that a walker may see
//! of a word, and by all that a TLB may hold.

use super::State;
use crate::attributes::Attributes;
use crate::tables::{LiveLeaf, Place, TABLE_WORDS};
use crate::tlb::Tlb;
use crate::violation::{Holder, Kind};
use crate::walk::{First, Leaf, first, is_valid, second};
use mm::addr::{PhysAddr, VirtAddr};

impl State {
    /// Break before make: `value` was stored over whatever a walker may still see of the word.
    pub(crate) fn check_change(&mut self, place: Place, word: u64, value: u32) {
        if !is_valid(value) {
            return;
        }
        // What no table said is a violation of its own: the table was not made visible before its use.
        let before: Vec<u32> = self.stores.said_before(word).collect();
        let found = match place {
            Place::First { root, index } => {
                let virt = index << 20;
                let elsewhere = |old: &u32| match (first(*old), first(value)) {
                    (First::Fault, _) => false,
                    (First::Table(old), First::Table(new)) => old.table != new.table,
                    (First::Leaf(old), First::Leaf(new)) => !new.may_follow(&old),
                    _ => true,
                };
                let in_tables = before.iter().any(elsewhere);
                let holder = in_tables.then_some(Holder::Tables(PhysAddr::new(word)));
                let asid = self.tables.asid(root);
                holder.map(|holder| (virt, holder)).or_else(|| self.first_beside(virt, asid, value))
            }
            Place::Second { table, index } => {
                let mut found = None;
                for link in self.tables.links(table) {
                    let virt = link.index << 20 | index << 12;
                    for pointer in self.pointers(table) {
                        let Some(new) = second(value, &pointer) else { continue };
                        let elsewhere = |old: &u32| {
                            second(*old, &pointer).is_some_and(|old| !new.may_follow(&old))
                        };
                        if before.iter().any(elsewhere) {
                            found = found.or(Some((virt, Holder::Tables(PhysAddr::new(word)))));
                        }
                        let asid = self.tables.asid(link.root);
                        found = found.or_else(|| self.leaf_beside(virt, 0x1000, asid, &new));
                    }
                }
                found
            }
        };
        if let Some((virt, holder)) = found {
            self.violate(Kind::BreakBeforeMake { virt: VirtAddr::new(virt), value, holder });
        }
    }

    /// Who may have something else for the MiB at `virt` than the first-level word `value` says.
    fn first_beside(&self, virt: u32, asid: Option<u8>, value: u32) -> Option<(u32, Holder)> {
        let new_table = match first(value) {
            First::Table(pointer) => Some(pointer.table),
            _ => None,
        };
        for (cpu, tlb) in self.tlbs.iter().enumerate() {
            let elsewhere = tlb.tables().iter().any(|entry| {
                entry.virt == virt
                    && asid.is_none_or(|asid| asid == entry.asid)
                    && new_table != Some(entry.pointer.table)
            });
            if elsewhere {
                return Some((virt, Holder::WalkCache(cpu)));
            }
        }
        match first(value) {
            First::Fault => None,
            First::Leaf(leaf) => self.leaf_beside(virt, 0x10_0000, asid, &leaf),
            First::Table(pointer) => {
                // Most often no TLB has anything there, and no word need be looked at.
                let beside = |tlb: &Tlb| tlb.leaves_at(virt, 0x10_0000).next().is_some();
                if !self.tlbs.iter().any(beside) {
                    return None;
                }
                (0..TABLE_WORDS).find_map(|index| {
                    let word = pointer.table.as_u64() + u64::from(index) * 4;
                    let values = self.seen_by_any(word);
                    values.iter().find_map(|&value| {
                        let leaf = second(value, &pointer)?;
                        self.leaf_beside(virt | index << 12, 0x1000, asid, &leaf)
                    })
                })
            }
        }
    }

    /// Whose TLB may have another leaf for some of the `bytes` from `virt` on.
    fn leaf_beside(
        &self,
        virt: u32,
        bytes: u64,
        asid: Option<u8>,
        new: &Leaf,
    ) -> Option<(u32, Holder)> {
        let start = virt & !(new.size.bytes() - 1);
        self.tlbs.iter().enumerate().find_map(|(cpu, tlb)| {
            let other = tlb.leaves_at(virt, bytes).find(|entry| {
                asid.is_none_or(|asid| entry.is_of(asid))
                    && !(entry.virt == start && new.may_follow(&entry.leaf))
            });
            other.map(|entry| (entry.virt.max(virt), Holder::Tlb(cpu)))
        })
    }

    /// No two types for one frame.
    pub(crate) fn check_type(&mut self, leaf: &LiveLeaf) {
        let (phys, bytes) = (leaf.phys, u64::from(leaf.bytes));
        let in_tables = self
            .tables
            .mapping(phys, bytes)
            .find(|other| other.word != leaf.word && !other.attributes.same_type(&leaf.attributes))
            .map(|other| (other.attributes, Holder::Tables(PhysAddr::new(other.word))));
        let in_tlbs = || {
            self.tlbs.iter().enumerate().find_map(|(cpu, tlb)| {
                let other = tlb.all_leaves().find(|entry| {
                    let start = entry.leaf.phys.as_u64();
                    leaf.overlaps(start, entry.bytes())
                        && !entry.leaf.attributes.same_type(&leaf.attributes)
                });
                other.map(|entry| (entry.leaf.attributes, Holder::Tlb(cpu)))
            })
        };
        if let Some((older, holder)) = in_tables.or_else(in_tlbs) {
            self.violate(Kind::MixedTypes {
                phys: PhysAddr::new(phys),
                newer: leaf.attributes.memory,
                older: older.memory,
                holder,
            });
        }
    }

    /// Devices are never executable, and nothing is that can be written.
    pub(crate) fn check_rights(&mut self, word: u64, value: u32, attributes: &Attributes) {
        let word = PhysAddr::new(word);
        let runs = attributes.privileged_execute || attributes.user_execute;
        if attributes.memory.is_device() && runs {
            self.violate(Kind::ExecutableDevice { word, value });
        } else if attributes.is_writable_and_executable() {
            self.violate(Kind::WritableExecutable { word, value });
        }
    }
}
