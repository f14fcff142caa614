//! A piece of memory for tests: one first-level table, and room for some second-level ones.
//!
//! It is strict where the machine would be silent: it panics when a word outside of it is touched,
//! and when [`TableMemory::write`] replaces a valid entry.

use mm::addr::PhysAddr;

use super::descriptor::{L1Entry, RootBase, TableBase};
use super::mapper::TableMemory;
use super::walk::{TableRead, Walker};

pub(super) struct Arena {
    l1: Vec<u32>,
    l2: Vec<u32>,
    tables_left: u32,
}

impl Arena {
    pub(super) const ROOT: u64 = 0x4000_4000;
    /// The first second-level table lies here, the others follow.
    pub(super) const TABLES: u64 = 0x4f00_0400;

    /// Memory for `tables` second-level tables.
    pub(super) fn new(tables: u32) -> Self {
        Self { l1: vec![0; 4096], l2: Vec::new(), tables_left: tables }
    }

    pub(super) fn root() -> RootBase {
        RootBase::new(PhysAddr::new(Self::ROOT)).unwrap()
    }

    pub(super) fn walker(&self) -> Walker<'_, Self> {
        Walker::new(Self::root(), self)
    }

    pub(super) fn tables_left(&self) -> u32 {
        self.tables_left
    }

    pub(super) fn peek_l1(&self, virt: u32) -> u32 {
        self.l1[(virt >> 20) as usize]
    }

    /// Sets a first-level word, whatever was there.
    pub(super) fn poke_l1(&mut self, virt: u32, word: u32) {
        self.l1[(virt >> 20) as usize] = word;
    }

    /// Sets a second-level word, whatever was there, in a table that is made if need be.
    pub(super) fn poke_page(&mut self, virt: u32, word: u32) {
        if self.peek_l1(virt) == 0 {
            let table = self.alloc_table().unwrap().address().as_u64();
            self.poke_l1(virt, table as u32 | 1);
        }
        let table = u64::from(self.peek_l1(virt) & !0x3ff);
        let entry = PhysAddr::new(table + u64::from(virt >> 12 & 0xff) * 4);
        *self.word(entry) = word;
    }

    fn word(&mut self, entry: PhysAddr) -> &mut u32 {
        let at = entry.as_u64();
        assert!(at.is_multiple_of(4), "{entry} is not a word");
        if at >= Self::TABLES {
            &mut self.l2[((at - Self::TABLES) / 4) as usize]
        } else {
            &mut self.l1[((at - Self::ROOT) / 4) as usize]
        }
    }
}

impl TableRead for Arena {
    fn read(&self, entry: PhysAddr) -> u32 {
        let at = entry.as_u64();
        assert!(at.is_multiple_of(4), "{entry} is not a word");
        if at >= Self::TABLES {
            self.l2[((at - Self::TABLES) / 4) as usize]
        } else {
            self.l1[((at - Self::ROOT) / 4) as usize]
        }
    }
}

impl TableMemory for Arena {
    fn write(&mut self, entry: PhysAddr, word: u32) {
        let old = std::mem::replace(self.word(entry), word);
        assert_eq!(L1Entry::decode(old), L1Entry::Fault, "{entry}: {old:#010x} was valid");
    }

    fn alloc_table(&mut self) -> Option<TableBase> {
        self.tables_left = self.tables_left.checked_sub(1)?;
        let table = Self::TABLES + self.l2.len() as u64 * 4;
        self.l2.resize(self.l2.len() + 256, 0);
        TableBase::new(PhysAddr::new(table))
    }
}
