//! Stores that walkers may not see yet.
//!
//! The CPU that stores sees its value at once, and so do loads of others: data accesses are coherent here. A walker
//! may go on to see the value before until the CPU that stored has completed a DSB (*ARM DDI 0406C, B3.10.1*). So
//! a word has several values at the same time: those before, oldest first, and the current one.
//!
//! After that barrier the CPU's own accesses may still fault where the word was a fault, until its ISB.

use crate::hash::{Map, Set};

/// A value that was overwritten.
#[derive(Clone, Copy, Debug)]
struct Before {
    cpu: usize,
    value: u32,
    /// The CPUs whose walkers may see it.
    sight: u8,
    was: Was,
}

/// What a word was when it was overwritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Was {
    /// Part of a table that walkers knew.
    Live,
    /// Memory.
    Memory,
}

/// A value that some walkers have lost sight of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lost {
    pub(crate) value: u32,
    /// The CPUs whose walkers might see it until now.
    pub(crate) by: u8,
    /// Can no walker see it any more?
    pub(crate) everywhere: bool,
    /// What was stored over it; `None` for the current value.
    pub(crate) next: Option<u32>,
}

/// The store buffers of all CPUs.
#[derive(Debug)]
pub(crate) struct StoreBuffers {
    everyone: u8,
    words: Map<u64, Vec<Before>>,
    /// Words that each CPU stored to since its last barrier, in the order of the first store.
    stored: Vec<Vec<u64>>,
    /// Stores of others that each CPU has observed since its last barrier: whose, and the word.
    observed: Vec<Set<(usize, u64)>>,
    /// Words that were a fault before the CPU's store, complete but without an ISB since.
    unsynchronized: Vec<Set<u64>>,
}

impl StoreBuffers {
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            everyone: (u16::MAX >> (16 - cpus)) as u8,
            words: Map::default(),
            stored: vec![Vec::new(); cpus],
            observed: vec![Set::default(); cpus],
            unsynchronized: vec![Set::default(); cpus],
        }
    }

    /// `cpu` has stored to the word, which held `before`.
    pub(crate) fn push(&mut self, cpu: usize, word: u64, before: u32, was: Was) {
        let list = self.words.entry(word).or_default();
        if list.iter().all(|old| old.cpu != cpu) {
            self.stored[cpu].push(word);
        }
        if list.last().is_none_or(|old| (old.cpu, old.value) != (cpu, before)) {
            list.push(Before { cpu, value: before, sight: self.everyone, was });
        }
    }

    /// The words that `cpu` stored to and that are not seen everywhere, in the order of the stores. Each is to be
    /// [committed](Self::commit) before anything else happens.
    pub(crate) fn take_stored(&mut self, cpu: usize) -> Vec<u64> {
        std::mem::take(&mut self.stored[cpu])
    }

    /// `cpu` has observed the stores of `other` so far.
    pub(crate) fn observe(&mut self, cpu: usize, other: usize) {
        let words = self.stored[other].iter().map(|word| (other, *word));
        // What the other has observed goes along.
        let all: Vec<_> = words.chain(self.observed[other].iter().copied()).collect();
        self.observed[cpu].extend(all.into_iter().filter(|(storer, _)| *storer != cpu));
    }

    /// Stores of others that `cpu` has observed, in an order that is always the same. Each is to be
    /// [committed](Self::commit).
    pub(crate) fn take_observed(&mut self, cpu: usize) -> Vec<(usize, u64)> {
        let mut observed: Vec<_> = std::mem::take(&mut self.observed[cpu]).into_iter().collect();
        observed.sort_unstable();
        observed
    }

    /// The stores of `cpu` to a word are seen by the walkers of `by`. What they lose sight of, oldest first.
    ///
    /// Word by word: what a walker has found of one word depends on what it saw of others at that time.
    pub(crate) fn commit(&mut self, cpu: usize, word: u64, by: u8) -> Vec<Lost> {
        let mut lost = Vec::new();
        let Some(list) = self.words.get_mut(&word) else { return lost };
        // Coherence: who sees a store sees none of the values before it.
        let count = list.iter().rposition(|old| old.cpu == cpu).map_or(0, |last| last + 1);
        for at in 0..count {
            let next = list.get(at + 1).map(|newer| newer.value);
            let old = &mut list[at];
            let by = old.sight & by;
            old.sight &= !by;
            if by != 0 {
                lost.push(Lost { value: old.value, by, everywhere: old.sight == 0, next });
            }
        }
        list.retain(|old| old.sight != 0);
        if list.iter().any(|old| old.cpu == cpu) {
            self.stored[cpu].push(word);
        }
        if list.is_empty() {
            self.words.remove(&word);
        }
        lost
    }

    /// The word was a fault before a store of `cpu`, whose barrier is complete.
    pub(crate) fn await_isb(&mut self, cpu: usize, word: u64) {
        self.unsynchronized[cpu].insert(word);
    }

    /// An ISB of `cpu`.
    pub(crate) fn synchronize(&mut self, cpu: usize) {
        self.unsynchronized[cpu].clear();
    }

    /// Values before the current one that the walker of `cpu` may see, oldest first.
    pub(crate) fn before(&self, word: u64, cpu: usize) -> impl Iterator<Item = u32> {
        let fault = self.unsynchronized[cpu].contains(&word).then_some(0);
        let list = self.words.get(&word).map_or(&[][..], Vec::as_slice);
        let seen = move |old: &&Before| old.sight & (1 << cpu) != 0;
        fault.into_iter().chain(list.iter().filter(seen).map(|old| old.value))
    }

    /// Values from before the word was part of a table, which a walker may still take for descriptors.
    pub(crate) fn leftovers(&self, word: u64) -> impl Iterator<Item = u32> {
        let list = self.words.get(&word).map_or(&[][..], Vec::as_slice);
        list.iter().filter(|old| old.was == Was::Memory).map(|old| old.value)
    }

    /// Values that a table said before the current one, and that some walker may see.
    pub(crate) fn said_before(&self, word: u64) -> impl Iterator<Item = u32> {
        let list = self.words.get(&word).map_or(&[][..], Vec::as_slice);
        list.iter().filter(|old| old.was == Was::Live).map(|old| old.value)
    }

    /// Values before the current one that any walker may see, oldest first.
    pub(crate) fn before_for_any(&self, word: u64) -> impl Iterator<Item = u32> {
        let list = self.words.get(&word).map_or(&[][..], Vec::as_slice);
        list.iter().map(|old| old.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(buffers: &StoreBuffers, cpu: usize) -> Vec<u32> {
        buffers.before(8, cpu).collect()
    }

    fn commit(buffers: &mut StoreBuffers, cpu: usize, by: u8) -> Vec<Lost> {
        let words = buffers.take_stored(cpu);
        words.into_iter().flat_map(|word| buffers.commit(cpu, word, by)).collect()
    }

    #[test]
    fn a_barrier_is_the_storing_cpus_own() {
        let mut buffers = StoreBuffers::new(2);
        buffers.push(0, 8, 1, Was::Live);
        buffers.push(0, 8, 2, Was::Live);
        assert!(commit(&mut buffers, 1, 3).is_empty());
        assert_eq!(seen(&buffers, 1), [1, 2]);
        let lost = commit(&mut buffers, 0, 3);
        assert_eq!(lost.iter().map(|lost| lost.value).collect::<Vec<_>>(), [1, 2]);
        assert!(lost.iter().all(|lost| lost.by == 3 && lost.everywhere));
        assert!(seen(&buffers, 0).is_empty());
    }

    #[test]
    fn a_barrier_speaks_for_what_was_observed_and_nothing_later() {
        let mut buffers = StoreBuffers::new(3);
        buffers.push(0, 8, 1, Was::Live);
        buffers.observe(1, 0);
        buffers.observe(2, 1);
        buffers.push(0, 16, 1, Was::Live);
        assert_eq!(buffers.take_observed(2), [(0, 8)]);
        assert_eq!(buffers.commit(0, 8, 7).len(), 1);
        assert!(seen(&buffers, 1).is_empty());
        assert_eq!(buffers.before(16, 1).count(), 1);
        assert!(buffers.take_observed(2).is_empty());
        // It is another CPU's to complete as well, and there is nothing left to do.
        assert!(commit(&mut buffers, 0, 7).iter().all(|lost| lost.value == 1));
        assert_eq!(buffers.before(16, 1).count(), 0);
    }

    #[test]
    fn a_local_barrier_is_for_the_own_walker() {
        let mut buffers = StoreBuffers::new(2);
        buffers.push(0, 8, 1, Was::Live);
        let lost = |by, everywhere| Lost { value: 1, by, everywhere, next: None };
        assert_eq!(commit(&mut buffers, 0, 1), [lost(1, false)]);
        assert!(seen(&buffers, 0).is_empty());
        assert_eq!(seen(&buffers, 1), [1]);
        assert_eq!(commit(&mut buffers, 0, 3), [lost(2, true)]);
    }

    #[test]
    fn who_sees_a_store_sees_none_before_it() {
        let mut buffers = StoreBuffers::new(2);
        buffers.push(0, 8, 1, Was::Live);
        buffers.push(1, 8, 2, Was::Live);
        assert_eq!(commit(&mut buffers, 1, 3).len(), 2);
        assert!(seen(&buffers, 0).is_empty());
        assert!(commit(&mut buffers, 0, 3).is_empty());
    }

    #[test]
    fn leftovers_are_what_no_table_said() {
        let mut buffers = StoreBuffers::new(1);
        buffers.push(0, 8, 1, Was::Memory);
        buffers.push(0, 8, 2, Was::Live);
        assert_eq!(buffers.leftovers(8).collect::<Vec<_>>(), [1]);
        assert_eq!(buffers.said_before(8).collect::<Vec<_>>(), [2]);
        commit(&mut buffers, 0, 1);
        assert_eq!(buffers.leftovers(8).count(), 0);
    }

    #[test]
    fn a_fault_may_be_remembered_until_the_isb() {
        let mut buffers = StoreBuffers::new(2);
        buffers.await_isb(0, 8);
        assert_eq!((seen(&buffers, 0), seen(&buffers, 1)), (vec![0], vec![]));
        buffers.synchronize(0);
        assert!(seen(&buffers, 0).is_empty());
    }
}
