//! What a store to a live table means: new translations, links, and what stays in TLBs of the old.
//!
//! Invariant: each translation that a walker of a CPU can find is in the tables, and each that it could find before
//! is in the TLB of that CPU until an invalidation, issued later, is complete.

use super::State;
use crate::store_buffer::{Lost, Was};
use crate::tables::{Link, LiveLeaf, Place, ROOT_WORDS, TABLE_WORDS};
use crate::tlb::{CachedLeaf, CachedTable};
use crate::violation::Kind;
use crate::walk::{First, TablePointer, first, is_valid, second};
use mm::addr::PhysAddr;

/// A pointer for what does not depend on one.
pub(super) fn any_pointer(table: u64) -> TablePointer {
    TablePointer { table: PhysAddr::new(table), domain: 0, privileged_execute_never: false }
}

impl State {
    /// `cpu` has stored `value` where `before` was.
    pub(crate) fn note_store(&mut self, cpu: usize, word: u64, before: u32, value: u32) {
        if before == value {
            return;
        }
        let was = if self.place(word).is_some() { Was::Live } else { Was::Memory };
        self.stores.push(cpu, word, before, was);
        if let Some(place) = self.tables.place(word) {
            self.check_change(place, word, value);
            self.enter(place, word, value);
        }
    }

    /// From now on `root` is a first-level table that a CPU may use.
    pub(crate) fn add_root(&mut self, root: u64) {
        if self.tables.add_root(root) {
            return;
        }
        for index in 0..ROOT_WORDS {
            let word = root + u64::from(index) * 4;
            self.enter(Place::First { root, index }, word, self.word(word));
        }
    }

    /// A walker comes to a word for the first time: what it may take for a descriptor was meant as one.
    pub(crate) fn check_visible(&mut self, word: u64) {
        let leftover = self.stores.leftovers(word).find(|&value| is_valid(value));
        if let Some(value) = leftover {
            self.violate(Kind::TableNotVisible { word: PhysAddr::new(word), value });
        }
    }

    /// It is one no longer.
    pub(crate) fn remove_root(&mut self, root: u64) {
        self.tables.remove_root(root);
        for index in 0..ROOT_WORDS {
            let word = root + u64::from(index) * 4;
            for value in self.seen_by_any(word) {
                self.forget(Place::First { root, index }, word, value);
            }
        }
    }

    /// A CPU begins to walk `root`, and may see there what was there before it was one.
    pub(crate) fn enter_leftovers(&mut self, root: u64) {
        for index in 0..ROOT_WORDS {
            let word = root + u64::from(index) * 4;
            self.check_visible(word);
            let leftovers: Vec<u32> = self.stores.leftovers(word).collect();
            for value in leftovers {
                self.enter(Place::First { root, index }, word, value);
            }
        }
    }

    /// A walker may see `value` in a word of a live table.
    fn enter(&mut self, place: Place, word: u64, value: u32) {
        if !is_valid(value) {
            return;
        }
        match place {
            Place::First { root, index } => match first(value) {
                First::Fault => {}
                First::Leaf(leaf) => {
                    self.check_rights(word, value, &leaf.attributes);
                    self.add_live(LiveLeaf::new(word, value, &leaf));
                }
                First::Table(pointer) => self.link(&pointer, Link { root, index }),
            },
            Place::Second { table, .. } => {
                for pointer in self.pointers(table) {
                    if let Some(leaf) = second(value, &pointer) {
                        self.check_rights(word, value, &leaf.attributes);
                    }
                }
                if let Some(leaf) = second(value, &any_pointer(table)) {
                    self.add_live(LiveLeaf::new(word, value, &leaf));
                }
            }
        }
    }

    fn link(&mut self, pointer: &TablePointer, link: Link) {
        let table = pointer.table.as_u64();
        let is_first = self.tables.link(table, link);
        for index in 0..TABLE_WORDS {
            let word = table + u64::from(index) * 4;
            self.check_visible(word);
            for value in self.seen_by_any(word) {
                let Some(leaf) = second(value, pointer) else { continue };
                self.check_rights(word, value, &leaf.attributes);
                if is_first && let Some(leaf) = second(value, &any_pointer(table)) {
                    self.add_live(LiveLeaf::new(word, value, &leaf));
                }
            }
        }
    }

    fn add_live(&mut self, leaf: LiveLeaf) {
        self.check_type(&leaf);
        self.tables.add(leaf);
    }

    /// All pointers to a table that a walker may see.
    pub(super) fn pointers(&self, table: u64) -> Vec<TablePointer> {
        let mut pointers = Vec::new();
        for link in self.tables.links(table) {
            for value in self.seen_by_any(link.root + u64::from(link.index) * 4) {
                if let First::Table(pointer) = first(value)
                    && pointer.table.as_u64() == table
                    && !pointers.contains(&pointer)
                {
                    pointers.push(pointer);
                }
            }
        }
        pointers
    }

    /// A DSB of `cpu`: the walkers of `by` see its stores.
    pub(crate) fn commit(&mut self, cpu: usize, by: u8) {
        for word in self.stores.take_stored(cpu) {
            self.commit_word(cpu, cpu, word, by);
        }
        for (other, word) in self.stores.take_observed(cpu) {
            self.commit_word(cpu, other, word, by);
        }
    }

    /// The stores of `storer` to a word are seen, by a barrier of `cpu`.
    fn commit_word(&mut self, cpu: usize, storer: usize, word: u64, by: u8) {
        for lost in self.stores.commit(storer, word, by) {
            if let Some(place) = self.place(word) {
                self.lose(place, word, lost);
                let next = lost.next.unwrap_or_else(|| self.word(word));
                if !is_valid(lost.value) && is_valid(next) {
                    for maker in [cpu, storer].into_iter().filter(|maker| by & (1 << maker) != 0) {
                        self.stores.await_isb(maker, word);
                    }
                }
            }
        }
    }

    /// Walkers have lost sight of a value.
    fn lose(&mut self, place: Place, word: u64, lost: Lost) {
        let Lost { value, by, everywhere, .. } = lost;
        for other in (0..self.cpus()).filter(|other| by & (1 << other) != 0) {
            self.remember(other, place, value);
        }
        if everywhere && !self.seen_by_any(word).contains(&value) {
            self.forget(place, word, value);
        }
    }

    /// The walker of `cpu` loses sight of `value`: its TLB may have what it said.
    pub(crate) fn remember(&mut self, cpu: usize, place: Place, value: u32) {
        if !is_valid(value) {
            return;
        }
        let (space, seen) = (self.spaces[cpu], self.time);
        match place {
            Place::First { root, .. } if root != space.root => {}
            Place::First { index, .. } => match first(value) {
                First::Fault => {}
                First::Leaf(leaf) => {
                    let entry = CachedLeaf::new(index << 20, space.asid, leaf, seen);
                    self.tlbs[cpu].add_leaf(entry);
                }
                First::Table(pointer) => {
                    let (virt, asid) = (index << 20, space.asid);
                    self.tlbs[cpu].add_table(CachedTable { virt, asid, pointer, seen });
                    for page in 0..TABLE_WORDS {
                        let word = pointer.table.as_u64() + u64::from(page) * 4;
                        for value in self.seen_by(word, cpu) {
                            if let Some(leaf) = second(value, &pointer) {
                                let entry = CachedLeaf::new(virt | page << 12, asid, leaf, seen);
                                self.tlbs[cpu].add_leaf(entry);
                            }
                        }
                    }
                }
            },
            Place::Second { table, index } => {
                let mut found = Vec::new();
                for link in self.tables.links(table) {
                    if link.root == space.root {
                        for value in self.seen_by(link.root + u64::from(link.index) * 4, cpu) {
                            if let First::Table(pointer) = first(value) {
                                found.push((link.index << 20, space.asid, pointer));
                            }
                        }
                    }
                }
                let cached = self.tlbs[cpu].tables().iter();
                found.extend(cached.map(|entry| (entry.virt, entry.asid, entry.pointer)));
                for (virt, asid, pointer) in found {
                    if pointer.table.as_u64() == table
                        && let Some(leaf) = second(value, &pointer)
                    {
                        let entry = CachedLeaf::new(virt | index << 12, asid, leaf, seen);
                        self.tlbs[cpu].add_leaf(entry);
                    }
                }
            }
        }
    }

    /// No walker may see `value` any more.
    fn forget(&mut self, place: Place, word: u64, value: u32) {
        match place {
            Place::First { root, index } => match first(value) {
                First::Fault => {}
                First::Leaf(leaf) => self.remove_live(LiveLeaf::new(word, value, &leaf)),
                First::Table(pointer) => self.unlink(pointer.table.as_u64(), Link { root, index }),
            },
            Place::Second { table, .. } => {
                if let Some(leaf) = second(value, &any_pointer(table)) {
                    self.remove_live(LiveLeaf::new(word, value, &leaf));
                }
            }
        }
    }

    fn unlink(&mut self, table: u64, link: Link) {
        let word = link.root + u64::from(link.index) * 4;
        let leads = |value| matches!(first(value), First::Table(p) if p.table.as_u64() == table);
        let still = self.tables.is_root(link.root) && self.stores_lead(word, leads);
        if still || !self.tables.unlink(table, link) {
            return;
        }
        for index in 0..TABLE_WORDS {
            let word = table + u64::from(index) * 4;
            for value in self.seen_by_any(word) {
                if let Some(leaf) = second(value, &any_pointer(table)) {
                    self.remove_live(LiveLeaf::new(word, value, &leaf));
                }
            }
        }
    }

    fn stores_lead(&self, word: u64, leads: impl Fn(u32) -> bool) -> bool {
        self.seen_by_any(word).into_iter().any(leads)
    }

    fn remove_live(&mut self, leaf: LiveLeaf) {
        self.tables.remove(&leaf);
        if leaf.attributes.memory.is_cacheable() {
            for phys in (leaf.phys..leaf.phys + u64::from(leaf.bytes)).step_by(0x1000) {
                self.cache.leave((phys >> 12) as u32);
            }
        }
    }
}
