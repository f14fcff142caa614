//! The TLB that may hold much, against one that holds what it happens to.
//!
//! Random stores to two levels of tables, barriers, TLB operations and switches of the address space, of two CPUs.
//! Beside them runs a TLB as hardware has it: it walks at random moments, sees of each word some value that it may,
//! keeps first-level pointers, and obeys an operation at some moment between its issue and its completion. Whatever
//! it holds at any moment the model must know of: so a check that asks the model misses nothing.

use mm::addr::VirtAddr;
use proptest::prelude::*;

use super::*;
use crate::adversary::Adversary;
use crate::calls::{Dsb, Scope};
use crate::setup::Setup;
use crate::tlb::{CachedLeaf, CachedTable, Entries};
use crate::walk::{First, first, second};
use crate::{Machine, OnViolation};
use mm::addr::PhysAddr;

const ROOTS: [u32; 2] = [0x4000_4000, 0x4000_8000];
const TABLES: [u32; 2] = [0x4001_0000, 0x4001_0400];
/// Where the words are that change: two MiB, two pages in each.
const MIBS: [u32; 2] = [0xf00, 0xf01];
const PAGES: [u32; 2] = [0, 17];
/// Small pages: global and not.
const LEAVES: [u32; 4] = [0, 0x4200_045f, 0x4200_1c5f, 0x4200_2c5f];

#[derive(Clone, Copy, Debug)]
enum Step {
    First { root: usize, mib: usize, value: usize },
    Second { table: usize, page: usize, value: usize },
    Dsb(Dsb),
    Isb,
    Tlbi(Scope, Entries),
    Switch { root: usize, asid: u8 },
}

/// What a first-level word becomes.
fn first_values() -> [u32; 5] {
    [0, TABLES[0] | 1, TABLES[1] | 1, 0x4230_0000 | 0x1141e, 0x4240_0000 | 0x3141e]
}

fn step() -> impl Strategy<Value = Step> {
    let virt = (0..2_usize, 0..2_usize)
        .prop_map(|(mib, page)| VirtAddr::new(MIBS[mib] << 20 | PAGES[page] << 12));
    let entries = prop_oneof![
        1 => Just(Entries::All),
        2 => (1..3_u8).prop_map(Entries::Asid),
        4 => virt.clone().prop_map(Entries::Address),
        2 => (virt, 1..3_u8).prop_map(|(virt, asid)| Entries::AddressOfAsid(virt, asid)),
    ];
    let scope = prop_oneof![Just(Scope::Local), Just(Scope::InnerShareable)];
    let dsb = prop_oneof![
        Just(Dsb::InnerStores),
        Just(Dsb::Inner),
        Just(Dsb::Inner),
        Just(Dsb::Local),
        Just(Dsb::System)
    ];
    prop_oneof![
        3 => (0..2_usize, 0..2_usize, 0..5_usize)
            .prop_map(|(root, mib, value)| Step::First { root, mib, value }),
        4 => (0..2_usize, 0..2_usize, 0..4_usize)
            .prop_map(|(table, page, value)| Step::Second { table, page, value }),
        4 => dsb.prop_map(Step::Dsb),
        1 => Just(Step::Isb),
        4 => (scope, entries).prop_map(|(scope, entries)| Step::Tlbi(scope, entries)),
        1 => (0..2_usize, 1..3_u8).prop_map(|(root, asid)| Step::Switch { root, asid }),
    ]
}

/// The TLB of one CPU, as hardware has it.
#[derive(Default)]
struct Real {
    leaves: Vec<CachedLeaf>,
    tables: Vec<CachedTable>,
}

impl Real {
    /// A walk, through the walk cache or not, that sees what it may.
    fn fill(
        &mut self,
        state: &State,
        cpu: usize,
        virt: u32,
        choose: &mut impl FnMut(usize) -> usize,
    ) {
        let space = state.spaces[cpu];
        let (asid, mib) = (space.asid, virt & 0xfff0_0000);
        let cached: Vec<_> = self
            .tables
            .iter()
            .filter(|entry| entry.virt == mib && entry.asid == asid)
            .map(|entry| entry.pointer)
            .collect();
        let pointer = if !cached.is_empty() && choose(2) == 0 {
            cached[choose(cached.len())]
        } else {
            let values = state.seen_by(space.root + u64::from(virt >> 20) * 4, cpu);
            match first(values[choose(values.len())]) {
                First::Fault => return,
                First::Leaf(leaf) => return self.leaves.push(CachedLeaf::new(virt, asid, leaf, 0)),
                First::Table(pointer) => pointer,
            }
        };
        self.tables.push(CachedTable { virt: mib, asid, pointer, seen: 0 });
        let word = pointer.table.as_u64() + u64::from((virt >> 12) & 255) * 4;
        let values = state.seen_by(word, cpu);
        if let Some(leaf) = second(values[choose(values.len())], &pointer) {
            self.leaves.push(CachedLeaf::new(virt, asid, leaf, 0));
        }
    }

    fn invalidate(&mut self, entries: Entries) {
        self.leaves.retain(|entry| !entries.has_leaf(entry));
        self.tables.retain(|entry| !entries.has_table(entry));
    }

    /// Does the model know of all that is held?
    fn is_known(&self, state: &State, cpu: usize) -> Result<(), String> {
        let (tlb, space) = (&state.tlbs[cpu], state.spaces[cpu]);
        for table in &self.tables {
            let same = |other: &CachedTable| {
                (other.virt, other.asid, other.pointer) == (table.virt, table.asid, table.pointer)
            };
            let values = state.seen_by(space.root + u64::from(table.virt >> 20) * 4, cpu);
            let walked = table.asid == space.asid
                && values.iter().any(|&value| first(value) == First::Table(table.pointer));
            if !walked && !tlb.tables().iter().any(same) {
                return Err(format!("CPU {cpu} has {table:x?}"));
            }
        }
        for leaf in &self.leaves {
            let kept = tlb.leaves_at(leaf.virt, 1).any(|other| {
                (other.virt, other.leaf) == (leaf.virt, leaf.leaf) && other.is_of(leaf.asid)
            });
            let found = || {
                let pointers = tlb.tables().iter().filter_map(|entry| {
                    let here = entry.virt >> 20 == leaf.virt >> 20 && entry.asid == leaf.asid;
                    here.then_some(First::Table(entry.pointer))
                });
                let values = state.seen_by(space.root + u64::from(leaf.virt >> 20) * 4, cpu);
                let walked = values.into_iter().map(first).filter(|_| leaf.is_of(space.asid));
                pointers.chain(walked).any(|level| match level {
                    First::Fault => false,
                    First::Leaf(other) => other == leaf.leaf,
                    First::Table(pointer) => {
                        let word = pointer.table.as_u64() + u64::from((leaf.virt >> 12) & 255) * 4;
                        let values = state.seen_by(word, cpu);
                        values.iter().any(|&value| second(value, &pointer) == Some(leaf.leaf))
                    }
                })
            };
            if !kept && !found() {
                return Err(format!("CPU {cpu} has {leaf:x?}"));
            }
        }
        Ok(())
    }
}

fn machine() -> Machine {
    let bank = PhysRange::new(PhysAddr::new(0x4000_0000), PhysAddr::new(0x4400_0000));
    let mut setup = Setup::new(2, PhysAddr::new(u64::from(ROOTS[0]))).bank(bank);
    for (start, words) in [(ROOTS[1], 4096), (TABLES[0], 256), (TABLES[1], 256)] {
        for index in 0..words {
            setup = setup.word(PhysAddr::new(u64::from(start + index * 4)), 0);
        }
    }
    let machine = setup.build(Adversary::Lazy);
    machine.on_violation(OnViolation::Collect);
    machine
}

/// A store to a table that no mapping leads to: what the cache makes of it is not the question.
fn store(state: &mut State, cpu: usize, word: u32, value: u32) {
    let word = u64::from(word);
    let before = state.word(word);
    state.memory.write(word, value);
    state.note_store(cpu, word, before, value);
}

fn run(steps: &[(usize, Step)], seed: u64) -> Result<(), String> {
    let machine = machine();
    let mut will = Will::new(Adversary::Random(seed));
    let mut choose = |count| will.pick(count);
    let mut real = [Real::default(), Real::default()];
    // Operations that a TLB has not obeyed yet: issuer, target, entries.
    let mut open: Vec<(usize, usize, Entries)> = Vec::new();
    for &(cpu, step) in steps {
        machine.step(Some(cpu), |state| {
            match step {
                Step::First { root, mib, value } => {
                    let word = ROOTS[root] + MIBS[mib] * 4;
                    store(state, cpu, word, first_values()[value]);
                }
                Step::Second { table, page, value } => {
                    let word = TABLES[table] + PAGES[page] * 4;
                    store(state, cpu, word, LEAVES[value]);
                }
                Step::Dsb(dsb) => {
                    state.dsb(cpu, dsb);
                    if dsb != Dsb::InnerStores {
                        open.retain(|&(issuer, target, entries)| {
                            let obeys = issuer == cpu && (dsb != Dsb::Local || target == cpu);
                            if obeys {
                                real[target].invalidate(entries);
                            }
                            !obeys
                        });
                    }
                }
                Step::Isb => state.isb(cpu),
                Step::Tlbi(scope, entries) => {
                    state.tlbi(cpu, scope, entries);
                    let all = scope == Scope::InnerShareable;
                    open.extend((0..2).filter(|&to| all || to == cpu).map(|to| (cpu, to, entries)));
                }
                Step::Switch { root, asid } => {
                    state.switch_space(cpu, Space { root: u64::from(ROOTS[root]), asid });
                }
            }
            // Some operations are obeyed early, before or after some walks.
            for early in [true, false] {
                if early {
                    open.retain(|&(_, target, entries)| {
                        let now = choose(4) == 0;
                        if now {
                            real[target].invalidate(entries);
                        }
                        !now
                    });
                }
                for (cpu, real) in real.iter_mut().enumerate() {
                    let virt = MIBS[choose(2)] << 20 | PAGES[choose(2)] << 12;
                    real.fill(state, cpu, virt, &mut choose);
                    real.is_known(state, cpu)?;
                }
            }
            Ok::<(), String>(())
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_model_knows_of_all_that_a_real_tlb_holds(
        steps in prop::collection::vec((0..2_usize, step()), 1..60),
        seed: u64,
    ) {
        if let Err(unknown) = run(&steps, seed) {
            return Err(TestCaseError::fail(unknown));
        }
    }
}

/// A model that knew of everything always would pass too: after a flush of all it knows of nothing but the tables.
#[test]
fn the_model_forgets() {
    let machine = machine();
    machine.step(Some(0), |state| {
        store(state, 0, ROOTS[0] + MIBS[0] * 4, TABLES[0] | 1);
        store(state, 0, TABLES[0], LEAVES[1]);
        state.dsb(0, Dsb::Inner);
        store(state, 0, ROOTS[0] + MIBS[0] * 4, 0);
        state.dsb(0, Dsb::Inner);
    });
    let counts = |state: &mut State| {
        let tlbs = state.tlbs.iter();
        tlbs.map(|tlb| (tlb.all_leaves().count(), tlb.tables().len())).collect::<Vec<_>>()
    };
    assert_eq!(machine.step(None, counts), [(1, 1), (1, 1)]);
    machine.step(Some(0), |state| state.tlbi(0, Scope::InnerShareable, Entries::All));
    machine.step(Some(0), |state| state.dsb(0, Dsb::Inner));
    assert_eq!(machine.step(None, counts), [(0, 0), (0, 0)]);
}
