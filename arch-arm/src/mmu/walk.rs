//! Reads page tables back: one address, or every mapping in address order.
//!
//! What the layout and the permissions *are* is learned here, from the live words, never from what
//! was planned. A walk allocates nothing and changes nothing, so it may run at any time, also in a
//! panic; if somebody maps meanwhile, it sees each entry before or after that.
//!
//! Invariant: a walk ends, whatever the words say. There are two levels, each entry is looked at
//! once, and no address comes twice.
//!
//! A supersection or large page is reported as the CPU looks it up: each of its 16 entries is a
//! mapping of its own, of 1 MiB or 4 KiB. So tables in which the 16 words differ, which the
//! architecture calls UNPREDICTABLE, read back as the words stand.

use core::fmt;

use mm::addr::{PAGE_SIZE, PhysAddr, VirtAddr, VirtRange};

use super::attributes::{Attributes, Domain};
use super::descriptor::{L1Entry, L2Entry, RootBase, SECTION_SIZE, TableBase};

/// Bytes in the address space: 4 GiB, one more than a `u32` can count.
const ADDRESS_SPACE: u64 = 1 << 32;

/// Reads words of page tables.
pub trait TableRead {
    /// The table word at physical address `entry`, a multiple of 4.
    ///
    /// A corrupt table may send the walker anywhere: where no memory can be read, the answer is 0,
    /// a fault entry.
    fn read(&self, entry: PhysAddr) -> u32;
}

/// Which kind of descriptor maps an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Level {
    /// First level, 1 MiB.
    Section,
    /// First level, one sixteenth of 16 MiB.
    Supersection,
    /// Second level, one sixteenth of 64 KiB.
    LargePage,
    /// Second level, 4 KiB.
    SmallPage,
}

impl Level {
    /// Bytes that one entry of this kind maps.
    #[must_use]
    pub const fn entry_bytes(self) -> u32 {
        match self {
            Self::Section | Self::Supersection => SECTION_SIZE,
            Self::LargePage | Self::SmallPage => PAGE_SIZE,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Section => "section",
            Self::Supersection => "supersection",
            Self::LargePage => "large page",
            Self::SmallPage => "small page",
        })
    }
}

/// What one leaf entry maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The first address mapped, a multiple of `len_bytes`.
    pub virt: VirtAddr,
    /// Bytes mapped: 1 MiB or 4 KiB.
    pub len_bytes: u32,
    /// The memory that `virt` leads to.
    pub phys: PhysAddr,
    /// The kind of entry.
    pub level: Level,
    /// What the entry allows; for a page the domain is its table's.
    pub attributes: Attributes,
    /// Privileged code may not execute: PXN of the section, or of the page's table.
    pub pxn: bool,
}

/// One step of a translation: a word, and where it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The physical address of the entry.
    pub entry: PhysAddr,
    /// The word found there.
    pub word: u32,
}

/// How the CPU translates one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    /// The address asked for.
    pub virt: VirtAddr,
    /// The first-level step.
    pub first: Step,
    /// The second-level step, where the first leads to a table.
    pub second: Option<Step>,
    /// The leaf; `None` where an access is a translation fault.
    pub mapping: Option<Mapping>,
}

impl Translation {
    /// The physical address that `virt` leads to; `None` where it is not mapped.
    #[must_use]
    pub fn phys(&self) -> Option<PhysAddr> {
        let mapping = self.mapping?;
        let offset = self.virt.as_u32() & (mapping.len_bytes - 1);
        mapping.phys.checked_add(u64::from(offset))
    }
}

/// A first-level entry that points at a second-level table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableSlot {
    /// The first address of the mebibyte that the table maps.
    pub virt: VirtAddr,
    /// Where the table lies.
    pub table: TableBase,
    /// The domain of its pages.
    pub domain: Domain,
}

/// A reader of the tables under one first-level table.
pub struct Walker<'m, M> {
    root: RootBase,
    memory: &'m M,
}

// Not derived: a walker is two pointers, whatever `M` is.
impl<M> Clone for Walker<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Walker<'_, M> {}

impl<'m, M: TableRead> Walker<'m, M> {
    /// Walks the tables under the first-level table at `root`.
    #[must_use]
    pub const fn new(root: RootBase, memory: &'m M) -> Self {
        Self { root, memory }
    }

    fn step(&self, entry: PhysAddr) -> Step {
        Step { entry, word: self.memory.read(entry) }
    }

    /// How `virt` is translated.
    #[must_use]
    pub fn translate(&self, virt: VirtAddr) -> Translation {
        let first = self.step(self.root.entry(virt));
        let (second, mapping) = match section_or_table(virt, first.word) {
            Entry::Fault => (None, None),
            Entry::Section(mapping) => (None, Some(mapping)),
            Entry::Table(table) => {
                let second = self.step(table.base.entry(virt));
                (Some(second), table.page(virt, second.word))
            }
        };
        Translation { virt, first, second, mapping }
    }

    /// Every mapping, lowest address first.
    #[must_use]
    pub fn mappings(&self) -> Mappings<'m, M> {
        Mappings { walker: *self, next: 0, end: ADDRESS_SPACE, table: None }
    }

    /// Every mapping that holds a byte of `range`, lowest address first. The first and last may
    /// reach beyond it.
    #[must_use]
    pub fn mappings_in(&self, range: VirtRange) -> Mappings<'m, M> {
        Mappings {
            walker: *self,
            next: u64::from(range.start().as_u32()),
            end: u64::from(range.end().as_u32()),
            table: None,
        }
    }

    /// From the lowest mapped byte in `range` to the end of the highest, holes included; `None`
    /// where nothing is mapped.
    #[must_use]
    pub fn mapped_extent(&self, range: VirtRange) -> Option<VirtRange> {
        extent(range, self.mappings_in(range).map(|mapping| (mapping.virt, mapping.len_bytes)))
    }

    /// Every first-level entry that points at a second-level table, lowest address first. This is
    /// how regions whose tables were made beforehand are read back: they may map nothing yet.
    pub fn tables(&self) -> impl Iterator<Item = TableSlot> + use<'m, M> {
        let walker = *self;
        (0..ADDRESS_SPACE).step_by(SECTION_SIZE as usize).filter_map(move |start| {
            let virt = VirtAddr::new(start as u32);
            match L1Entry::decode(walker.memory.read(walker.root.entry(virt))) {
                L1Entry::Table { base, domain, .. } => {
                    Some(TableSlot { virt, table: base, domain })
                }
                _ => None,
            }
        })
    }

    /// From the lowest byte in `range` that has a second-level table to the end of the highest,
    /// holes included; `None` where there is no table.
    #[must_use]
    pub fn table_extent(&self, range: VirtRange) -> Option<VirtRange> {
        extent(range, self.tables().map(|slot| (slot.virt, SECTION_SIZE)))
    }
}

/// A first-level word, as far as a walk goes on from it.
enum Entry {
    Fault,
    Section(Mapping),
    Table(Table),
}

/// What the first-level word for `virt` says.
fn section_or_table(virt: VirtAddr, word: u32) -> Entry {
    let start = virt.align_down(SECTION_SIZE);
    let (level, phys, leaf, domain, pxn) = match L1Entry::decode(word) {
        L1Entry::Fault => return Entry::Fault,
        L1Entry::Table { base, domain, bits } => {
            return Entry::Table(Table { base, domain, pxn: bits.pxn });
        }
        L1Entry::Section { base, leaf, domain, bits, .. } => {
            (Level::Section, base.address(), leaf, domain, bits.pxn)
        }
        L1Entry::Supersection { base, leaf, bits, .. } => {
            let offset = u64::from(start.as_u32()) % (16 * u64::from(SECTION_SIZE));
            let phys = base.address().saturating_add(offset);
            (Level::Supersection, phys, leaf, Domain::KERNEL, bits.pxn)
        }
    };
    let attributes = Attributes { leaf, domain };
    Entry::Section(Mapping { virt: start, len_bytes: SECTION_SIZE, phys, level, attributes, pxn })
}

/// A second-level table, and what its first-level entry says of all its pages.
#[derive(Clone, Copy)]
struct Table {
    base: TableBase,
    domain: Domain,
    pxn: bool,
}

impl Table {
    /// What a word of the table maps, `virt` being any address in its page.
    fn page(&self, virt: VirtAddr, word: u32) -> Option<Mapping> {
        let virt = virt.align_down(PAGE_SIZE);
        let (level, phys, leaf) = match L2Entry::decode(word) {
            L2Entry::Fault => return None,
            L2Entry::LargePage { base, leaf, .. } => {
                let offset = u64::from(virt.as_u32()) % (16 * u64::from(PAGE_SIZE));
                (Level::LargePage, base.address().saturating_add(offset), leaf)
            }
            L2Entry::SmallPage { base, leaf, .. } => (Level::SmallPage, base.address(), leaf),
        };
        let attributes = Attributes { leaf, domain: self.domain };
        Some(Mapping { virt, len_bytes: PAGE_SIZE, phys, level, attributes, pxn: self.pxn })
    }
}

/// The part of `range` from the first to the last of `parts`, which come in address order.
fn extent(range: VirtRange, parts: impl Iterator<Item = (VirtAddr, u32)>) -> Option<VirtRange> {
    let clipped = parts.filter_map(|(start, len_bytes)| {
        // A part that ends at 4 GiB ends beyond any range.
        let end = start.checked_add(len_bytes).unwrap_or(range.end()).min(range.end());
        let part = VirtRange::new(start.max(range.start()), end);
        (!part.is_empty()).then_some(part)
    });
    clipped.reduce(|whole, part| VirtRange::new(whole.start(), part.end()))
}

/// The iterator of [`Walker::mappings`].
pub struct Mappings<'m, M> {
    walker: Walker<'m, M>,
    /// The next address to look at. 64 bits: the walk ends at 4 GiB.
    next: u64,
    end: u64,
    /// The table of the mebibyte that `next` lies in, where its first-level entry has been read.
    table: Option<Table>,
}

impl<M: TableRead> Mappings<'_, M> {
    /// Goes on behind the entry of `bytes` that `next` lies in, and out of its table at the end.
    fn step_over(&mut self, bytes: u32) {
        let mask = u64::from(bytes - 1);
        self.next = (self.next | mask) + 1;
        if self.next.is_multiple_of(u64::from(SECTION_SIZE)) {
            self.table = None;
        }
    }
}

impl<M: TableRead> Iterator for Mappings<'_, M> {
    type Item = Mapping;

    fn next(&mut self) -> Option<Mapping> {
        let Walker { root, memory } = self.walker;
        while self.next < self.end {
            let virt = VirtAddr::new(self.next as u32);
            if let Some(table) = self.table {
                let mapping = table.page(virt, memory.read(table.base.entry(virt)));
                self.step_over(PAGE_SIZE);
                if mapping.is_some() {
                    return mapping;
                }
                continue;
            }
            match section_or_table(virt, memory.read(root.entry(virt))) {
                Entry::Table(table) => self.table = Some(table),
                Entry::Fault => self.step_over(SECTION_SIZE),
                Entry::Section(mapping) => {
                    self.step_over(SECTION_SIZE);
                    return Some(mapping);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
