//! An address through TLB and tables, as the adversary likes it.

use super::State;
use crate::abort::{Abort, Status, Wanted};
use crate::attributes::Access;
use crate::tables::TABLE_WORDS;
use crate::walk::{First, Leaf, TablePointer, first, second};
use mm::addr::VirtAddr;

impl State {
    /// Where `virt` leads `cpu`, if it may do there what it wants.
    pub(crate) fn translate(
        &mut self,
        cpu: usize,
        virt: u32,
        wanted: Wanted,
    ) -> Result<(u64, Leaf), Abort> {
        let abort = |status| Abort { cpu, virt: VirtAddr::new(virt), wanted, status };
        let outcomes = self.outcomes(cpu, virt);
        let chosen = self.will.pick_outcome(&outcomes);
        let leaf = outcomes[chosen].map_err(abort)?;
        self.permit(&leaf, wanted).map_err(abort)?;
        Ok((leaf.translate(virt), leaf))
    }

    /// All that a translation of `virt` may come to, oldest first. There is at least one.
    fn outcomes(&self, cpu: usize, virt: u32) -> Vec<Result<Leaf, Status>> {
        let (tlb, space) = (&self.tlbs[cpu], self.spaces[cpu]);
        let mut outcomes = Vec::new();
        if !tlb.is_empty() {
            let pipeline = tlb.pipeline().iter().filter(|entry| entry.overlaps(virt, 1));
            let mut cached: Vec<_> = pipeline
                .chain(tlb.leaves_at(virt, 1))
                .filter(|entry| entry.is_of(space.asid))
                .collect();
            cached.sort_by_key(|entry| entry.seen);
            outcomes.extend(cached.iter().map(|entry| Ok(entry.leaf)));
            for entry in tlb.tables() {
                if entry.virt >> 20 == virt >> 20 && entry.asid == space.asid {
                    self.second_level(cpu, virt, &entry.pointer, &mut outcomes);
                }
            }
        }
        let word = space.root + u64::from(virt >> 20) * 4;
        if !self.memory.contains(word, 4) {
            outcomes.push(Err(Status::ExternalOnFirstWalk));
            return outcomes;
        }
        let mut one = |value| match first(value) {
            First::Fault => outcomes.push(Err(Status::SectionTranslation)),
            First::Leaf(leaf) => outcomes.push(Ok(leaf)),
            First::Table(pointer) => self.second_level(cpu, virt, &pointer, &mut outcomes),
        };
        self.stores.before(word, cpu).for_each(&mut one);
        one(self.word(word));
        outcomes
    }

    fn second_level(
        &self,
        cpu: usize,
        virt: u32,
        pointer: &TablePointer,
        outcomes: &mut Vec<Result<Leaf, Status>>,
    ) {
        let word = pointer.table.as_u64() + u64::from((virt >> 12) % TABLE_WORDS) * 4;
        if !self.memory.contains(word, 4) {
            return outcomes.push(Err(Status::ExternalOnSecondWalk));
        }
        let one = |value| second(value, pointer).ok_or(Status::PageTranslation);
        outcomes.extend(self.stores.before(word, cpu).map(one));
        outcomes.push(one(self.word(word)));
    }

    /// May privileged code do this? *ARM DDI 0406C, B3.7*.
    fn permit(&self, leaf: &Leaf, wanted: Wanted) -> Result<(), Status> {
        let is_page = leaf.size.is_page();
        match (self.dacr >> (2 * u32::from(leaf.attributes.domain))) & 0b11 {
            0b01 => {}
            // A manager is not asked for permissions.
            0b11 => return Ok(()),
            _ if is_page => return Err(Status::PageDomain),
            _ => return Err(Status::SectionDomain),
        }
        let may = match wanted {
            // An operation by address asks for what a load asks for.
            Wanted::Load | Wanted::Maintenance => leaf.attributes.privileged >= Access::Read,
            Wanted::Store => leaf.attributes.privileged == Access::ReadWrite,
            Wanted::Fetch => leaf.attributes.privileged_execute,
        };
        match may {
            true => Ok(()),
            false if is_page => Err(Status::PagePermission),
            false => Err(Status::SectionPermission),
        }
    }
}
