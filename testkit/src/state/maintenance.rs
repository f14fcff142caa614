//! Barriers, TLB and cache operations: when what was asked for has happened.
//!
//! | | stores reach walkers | TLB operations are complete | cache operations are complete |
//! |---|---|---|---|
//! | `dsb ishst` | of all CPUs | | |
//! | `dsb ish` | of all CPUs | on all CPUs | |
//! | `dsb nsh` | of this CPU | on this CPU | |
//! | `dsb sy` | of all CPUs | on all CPUs | for devices too |

use super::{Space, State};
use crate::abort::{Abort, Status, Wanted};
use crate::cache::{LineOp, Reach, line_of};
use crate::calls::{Dsb, Op, Scope};
use crate::tables::{Place, ROOT_WORDS, TABLE_WORDS};
use crate::tlb::{CachedLeaf, CachedTable, Entries, Issued, KeepInPipeline};
use crate::walk::second;
use mm::addr::VirtAddr;

impl State {
    /// Counts a maintenance call of the current CPU. Is it to be done?
    fn counts(&mut self, cpu: usize, op: Op) -> bool {
        self.calls.count(op, cpu, self.at)
    }

    pub(crate) fn dsb(&mut self, cpu: usize, dsb: Dsb) {
        if !self.counts(cpu, Op::Dsb(dsb)) {
            return;
        }
        let own = 1 << cpu;
        let by = if dsb == Dsb::Local { own } else { self.everyone() };
        self.commit(cpu, by);
        if dsb != Dsb::InnerStores {
            self.complete_tlb_operations(cpu, by);
        }
        if dsb == Dsb::System {
            self.complete_cache_operations(cpu);
        }
    }

    fn complete_tlb_operations(&mut self, cpu: usize, by: u8) {
        let mut operations = std::mem::take(&mut self.issued[cpu]);
        for operation in &mut operations {
            for target in 0..self.cpus() {
                if operation.open & by & (1 << target) != 0 {
                    let own = target == cpu;
                    let keep = if own { KeepInPipeline::UntilIsb } else { KeepInPipeline::No };
                    let (entries, at) = (operation.entries, operation.at);
                    for table in self.tlbs[target].invalidate(entries, at, keep) {
                        self.keep_leaves(target, entries, at, &table);
                    }
                }
            }
            operation.open &= !by;
        }
        operations.retain(|operation| operation.open != 0);
        self.issued[cpu] = operations;
    }

    /// A pointer to a table has left the walk cache. What was found through it until then, and is not named by the
    /// operation, has not left the TLB.
    fn keep_leaves(&mut self, cpu: usize, entries: Entries, at: u64, table: &CachedTable) {
        for index in 0..TABLE_WORDS {
            let word = table.pointer.table.as_u64() + u64::from(index) * 4;
            for value in self.seen_by(word, cpu) {
                if let Some(leaf) = second(value, &table.pointer) {
                    let entry = CachedLeaf::new(table.virt | index << 12, table.asid, leaf, at);
                    if !entries.has_leaf(&entry) {
                        self.tlbs[cpu].add_leaf_if_absent(entry);
                    }
                }
            }
        }
    }

    fn complete_cache_operations(&mut self, cpu: usize) {
        // What speculation reaches is asked before the cache changes: it does not depend on it.
        let lines = self.cache.lines_in_flight(cpu);
        let reach: Vec<Reach> = lines.iter().map(|&line| self.reach(line)).collect();
        self.cache.complete(cpu, &mut self.memory, &mut self.will, &reach);
    }

    pub(crate) fn isb(&mut self, cpu: usize) {
        if self.counts(cpu, Op::Isb) {
            self.stores.synchronize(cpu);
            self.tlbs[cpu].empty_pipeline();
        }
    }

    pub(crate) fn tlbi(&mut self, cpu: usize, scope: Scope, entries: Entries) {
        if self.counts(cpu, Op::Tlbi(scope, entries)) {
            let open = match scope {
                Scope::Local => 1 << cpu,
                Scope::InnerShareable => self.everyone(),
            };
            self.issued[cpu].push(Issued { entries, at: self.time, open });
        }
    }

    pub(crate) fn line(&mut self, cpu: usize, op: LineOp, virt: u32) -> Result<(), Abort> {
        if !self.counts(cpu, Op::Line(op)) {
            return Ok(());
        }
        let (phys, _) = self.translate(cpu, virt, Wanted::Maintenance)?;
        if !self.memory.contains(phys, 1) {
            let (virt, wanted) = (VirtAddr::new(virt), Wanted::Maintenance);
            return Err(Abort { cpu, virt, wanted, status: Status::External });
        }
        self.cache.issue(cpu, op, line_of(phys), &mut self.memory, &mut self.will);
        Ok(())
    }

    /// TTBR0 and CONTEXTIDR get new values. All that the walker found in the old space may be in the TLB.
    pub(crate) fn switch_space(&mut self, cpu: usize, space: Space) {
        let old = self.spaces[cpu];
        self.add_root(space.root);
        self.tables.name_root(space.root, space.asid);
        self.enter_leftovers(space.root);
        if old == space {
            return;
        }
        for index in 0..ROOT_WORDS {
            for value in self.seen_by(old.root + u64::from(index) * 4, cpu) {
                self.remember(cpu, Place::First { root: old.root, index }, value);
            }
        }
        self.spaces[cpu] = space;
    }
}
