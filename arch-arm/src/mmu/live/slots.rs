//! Slots: single pages at fixed addresses whose tables stay, so that an entry is written by arithmetic.
//!
//! A table has a word for each page of its MiB. So the place of a word is the address of its page, divided by 1024, and a
//! bias that depends on the table; and a frame is mapped by one store, without a look at the first level.
//!
//! Invariant: every table under a [`SlotWords`] is for good. [`LiveTables::slot_words`] asks for that; before there are
//! live tables, boot vouches for the tables that it has built ([`SlotWords::find`]), which
//! [`adopt`](LiveTables::adopt) keeps for good. So there are two ways to such a word at most: this one, and the live
//! tables', which write only where somebody holds the addresses. The slots' owner holds these.
//!
//! What is written is what the linear map has (T4 of `docs/model.md`). Data caches behave as physically tagged (*ARM
//! DDI 0406C, B3.11*), so none is cleaned: every other mapping finds the lines.

use mm::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, PhysAddr, VirtAddr, VirtRange};
use mm::map::slots::page_at;
use mm::map::{Fresh, Prot, SlotTable, Stale};

use super::super::descriptor::{L2_ENTRIES, SECTION_SHIFT};
use super::holders::Holders;
use super::words::{self, FAULT};
use super::{LiveTables, Machine, at, forget, mebibytes};
use crate::tlb::{Operations, sequence};

/// From the address of a page to that of its word, without what depends on the table.
const WORD_SHIFT: u32 = PAGE_SHIFT - 2;

/// Stores words of tables where a machine reaches them. Any context.
pub trait SlotStore: Operations {
    /// Puts `word` at `place`, where it reaches a word of a table, in one single-copy atomic store.
    fn store(&self, place: u32, word: u32);
}

/// The words of the pages of a region that touches at most `TABLES` MiB, a power of two.
pub struct SlotWords<S, const TABLES: usize> {
    store: S,
    /// For each table, what is to be added to the shifted address of a page, to get the place of its word.
    bias: [u32; TABLES],
}

impl<S: SlotStore, const TABLES: usize> SlotWords<S, TABLES> {
    /// The words for the pages of `region`. `place_of` tells where `store` reaches the word of a page; the next one of
    /// its table is 4 further up. `None` if it does not tell, or there are too many tables.
    ///
    /// The tables stay where they are for as long as this lives.
    pub fn find(
        store: S,
        region: VirtRange,
        place_of: impl Fn(VirtAddr) -> Option<u32>,
    ) -> Option<Self> {
        const { assert!(TABLES.is_power_of_two()) };
        let mut bias = [0; TABLES];
        if mebibytes(region).count() > TABLES {
            return None;
        }
        for piece in mebibytes(region) {
            let page = piece.start().align_down(PAGE_SIZE);
            let place = place_of(page)?;
            bias[table_of(page, TABLES)] = place.wrapping_sub(page.as_u32() >> WORD_SHIFT);
        }
        Some(Self { store, bias })
    }

    /// Stores the word of the page at `virt`, which is one of the region's.
    #[inline(always)]
    fn write(&self, virt: VirtAddr, word: u32) {
        let bias = self.bias[table_of(virt, TABLES)];
        self.store.store(bias.wrapping_add(virt.as_u32() >> WORD_SHIFT), word);
    }
}

/// The number of the table that serves `virt`, below `tables`.
#[inline(always)]
const fn table_of(virt: VirtAddr, tables: usize) -> usize {
    (virt.as_u32() >> SECTION_SHIFT) as usize % tables
}

impl<M: Machine + Copy> LiveTables<M> {
    /// The words for the pages of `region`, whose owner the caller is. `reach` tells where `store` reaches a table word.
    /// `None` unless it does, and all of the region's tables are for good. Any context.
    pub fn slot_words<S: SlotStore, const TABLES: usize>(
        &self,
        store: S,
        region: VirtRange,
        reach: impl Fn(PhysAddr) -> Option<u32>,
    ) -> Option<SlotWords<S, TABLES>> {
        SlotWords::find(store, region, |page| {
            let is_for_good = *self.shared.lock().holders(page) == Holders::FOR_GOOD;
            let first = self.first_level(page);
            let index = (page.as_u32() >> PAGE_SHIFT) % L2_ENTRIES;
            if !is_for_good || first & words::TYPE != words::TABLE {
                return None;
            }
            reach(at(words::table_of(first) + index * 4))
        })
    }
}

impl<S: SlotStore, const TABLES: usize> SlotTable for SlotWords<S, TABLES> {
    #[inline(always)]
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> Fresh {
        self.write(virt, pfn.as_u32() << PAGE_SHIFT | words::page_bits(Prot::KERNEL));
        Fresh::owed()
    }

    #[inline(always)]
    fn publish(&self, fresh: Fresh) {
        // The walker sees the word before the first access is translated.
        self.store.dsb_ishst();
        self.store.isb();
        fresh.paid();
    }

    #[inline(always)]
    fn clear(&self, virt: VirtAddr) -> Stale {
        self.write(virt, FAULT);
        Stale::owed(page_at(virt))
    }

    #[inline(always)]
    fn flush(&self, stale: Stale) {
        let range = stale.range();
        if range.len() == PAGE_SIZE {
            sequence::flush_page(&self.store, range.start());
        } else {
            forget(&self.store, range);
        }
        stale.paid();
    }
}
