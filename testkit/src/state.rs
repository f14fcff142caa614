//! The whole machine behind one lock, and what all its parts ask first: what may a walker see in a word?
//!
//! | file | what |
//! |---|---|
//! | `translate` | an address through TLB and tables |
//! | `access` | loads and stores, through the cache or past it |
//! | `table_store` | what a store to a live table means, and what a walker remembers of what it loses sight of |
//! | `rules` | what a new translation may not stand beside |
//! | `maintenance` | barriers, TLB and cache operations |
//! | `reuse` | frames, addresses and tables that become something else |

mod access;
mod maintenance;
mod reuse;
mod rules;
mod table_store;
#[cfg(test)]
mod tests;
mod translate;

use std::panic::Location;

use mm::addr::{PhysRange, VirtAddr};

use crate::adversary::Will;
use crate::cache::{DataCache, Reach};
use crate::calls::Calls;
use crate::memory::Memory;
use crate::store_buffer::StoreBuffers;
use crate::tables::{Place, TABLE_BYTES, Tables};
use crate::tlb::{Issued, Tlb};
use crate::violation::{Kind, OnViolation, Violation};

/// What TTBR0 and CONTEXTIDR of a CPU hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Space {
    pub(crate) root: u64,
    pub(crate) asid: u8,
}

/// A mapping that every frame of lowmem always has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub(crate) virt: VirtAddr,
    pub(crate) phys: PhysRange,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) memory: Memory,
    pub(crate) cache: DataCache,
    pub(crate) stores: StoreBuffers,
    pub(crate) tables: Tables,
    pub(crate) tlbs: Vec<Tlb>,
    /// TLB operations of each CPU that are not complete.
    pub(crate) issued: Vec<Vec<Issued>>,
    pub(crate) spaces: Vec<Space>,
    pub(crate) will: Will,
    /// Counts operations, so that what happened can be told from what had not yet.
    pub(crate) time: u64,
    pub(crate) linear: Vec<Linear>,
    /// Two bits for each domain: 0 no access, 1 client, 3 manager.
    pub(crate) dacr: u32,
    pub(crate) calls: Calls,
    pub(crate) violations: Vec<Violation>,
    pub(crate) on_violation: OnViolation,
    /// Who is doing what right now.
    pub(crate) cpu: Option<usize>,
    pub(crate) at: &'static Location<'static>,
}

impl State {
    pub(crate) fn cpus(&self) -> usize {
        self.tlbs.len()
    }

    pub(crate) fn everyone(&self) -> u8 {
        (u16::MAX >> (16 - self.cpus())) as u8
    }

    /// The word as CPUs and walkers see it: they are coherent.
    pub(crate) fn word(&self, phys: u64) -> u32 {
        self.cache.peek(phys).unwrap_or_else(|| self.memory.read(phys))
    }

    /// What the walker of `cpu` may see in a word, oldest first.
    pub(crate) fn seen_by(&self, word: u64, cpu: usize) -> Vec<u32> {
        self.stores.before(word, cpu).chain([self.word(word)]).collect()
    }

    /// What any walker may see in a word, oldest first.
    pub(crate) fn seen_by_any(&self, word: u64) -> Vec<u32> {
        self.stores.before_for_any(word).chain([self.word(word)]).collect()
    }

    /// Where a word stands in tables that are live, or that a walk cache still leads to.
    pub(crate) fn place(&self, word: u64) -> Option<Place> {
        self.tables.place(word).or_else(|| {
            let table = word & !(TABLE_BYTES - 1);
            let leads =
                |tlb: &Tlb| tlb.tables().iter().any(|entry| entry.pointer.table.as_u64() == table);
            let index = ((word - table) / 4) as u32;
            self.tlbs.iter().any(leads).then_some(Place::Second { table, index })
        })
    }

    /// May speculation fill lines of this physical address?
    pub(crate) fn reach(&self, phys: u64) -> Reach {
        let cacheable = |attributes: crate::Attributes| attributes.memory.is_cacheable();
        let in_tables = self.tables.mapping(phys, 1).any(|leaf| cacheable(leaf.attributes));
        let in_tlb = || {
            self.tlbs.iter().flat_map(Tlb::all_leaves).any(|entry| {
                let start = entry.leaf.phys.as_u64();
                cacheable(entry.leaf.attributes) && phys >= start && phys - start < entry.bytes()
            })
        };
        if in_tables || in_tlb() { Reach::Cacheable } else { Reach::None }
    }

    pub(crate) fn violate(&mut self, kind: Kind) {
        self.violations.push(Violation { kind, cpu: self.cpu, at: self.at });
    }
}
