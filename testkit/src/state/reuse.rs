//! Frames, addresses and tables that become something else: nobody may reach them as what they were.

use super::State;
use crate::tables::{Link, Place, TABLE_WORDS};
use crate::tlb::CachedLeaf;
use crate::violation::{Holder, Kind};
use crate::walk::{First, first, second};
use mm::addr::{PhysAddr, VirtAddr, VirtRange};

impl State {
    /// The frame at `phys` is used anew. Only the linear map may lead there.
    pub(crate) fn frame_reused(&mut self, phys: u64) {
        let phys = phys & !0xfff;
        if let Some((virt, holder)) = self.frame_holder(phys) {
            let (phys, virt) = (PhysAddr::new(phys), VirtAddr::new(virt));
            self.violate(Kind::FrameInUse { phys, virt, holder });
        }
    }

    fn frame_holder(&self, phys: u64) -> Option<(u32, Holder)> {
        for leaf in self.tables.mapping(phys, 0x1000) {
            let offset = phys.saturating_sub(leaf.phys) as u32;
            let holder = Holder::Tables(PhysAddr::new(leaf.word));
            let virts = match self.tables.place(leaf.word) {
                Some(Place::First { index, .. }) => vec![index << 20],
                Some(Place::Second { table, index }) => {
                    let virt = |link: &Link| link.index << 20 | index << 12;
                    self.tables.links(table).iter().map(virt).collect()
                }
                None => Vec::new(),
            };
            let mut others = virts.iter().map(|virt| virt + offset);
            if let Some(virt) = others.find(|&virt| !self.is_linear(virt, phys)) {
                return Some((virt, holder));
            }
        }
        for (cpu, tlb) in self.tlbs.iter().enumerate() {
            let leads = |entry: &&CachedLeaf| {
                let start = entry.leaf.phys.as_u64();
                start < phys + 0x1000
                    && phys < start + entry.bytes()
                    && !self.is_linear(entry.virt + phys.saturating_sub(start) as u32, phys)
            };
            let holder = match tlb.all_leaves().find(leads) {
                Some(entry) => Some((entry.virt, Holder::Tlb(cpu))),
                None => {
                    let entry = tlb.pipeline().iter().find(leads);
                    entry.map(|entry| (entry.virt, Holder::Pipeline(cpu)))
                }
            };
            if holder.is_some() {
                return holder;
            }
        }
        None
    }

    fn is_linear(&self, virt: u32, phys: u64) -> bool {
        self.linear.iter().any(|linear| {
            linear.phys.contains(PhysAddr::new(phys))
                && u64::from(linear.virt.as_u32()) + (phys - linear.phys.start().as_u64())
                    == u64::from(virt)
        })
    }

    /// The addresses are used anew. None may lead anywhere.
    pub(crate) fn range_reused(&mut self, range: VirtRange) {
        if range.is_empty() {
            return;
        }
        if let Some((virt, holder)) = self.range_holder(range) {
            self.violate(Kind::AddressesInUse { range, virt: VirtAddr::new(virt), holder });
        }
    }

    fn range_holder(&self, range: VirtRange) -> Option<(u32, Holder)> {
        let (start, bytes) = (range.start().as_u32(), u64::from(range.len()));
        for (cpu, tlb) in self.tlbs.iter().enumerate() {
            if let Some(entry) = tlb.leaves_at(start, bytes).next() {
                return Some((entry.virt, Holder::Tlb(cpu)));
            }
            let mut pipeline = tlb.pipeline().iter();
            if let Some(entry) = pipeline.find(|entry| entry.overlaps(start, bytes)) {
                return Some((entry.virt, Holder::Pipeline(cpu)));
            }
            for entry in tlb.tables() {
                let table = entry.pointer.table.as_u64();
                if let Some((virt, _)) = self.in_table(table, entry.virt, range) {
                    return Some((virt, Holder::WalkCache(cpu)));
                }
            }
        }
        for root in self.tables.roots() {
            // One word of a supersection makes entries for all 16 MiB.
            for index in (start >> 20) & !15..=((range.end().as_u32() - 1) >> 20) | 15 {
                let word = root + u64::from(index) * 4;
                for value in self.seen_by_any(word) {
                    let found = match first(value) {
                        First::Fault => None,
                        First::Leaf(leaf) => CachedLeaf::new(index << 20, 0, leaf, 0)
                            .overlaps(start, bytes)
                            .then_some((index << 20, word)),
                        First::Table(pointer) => {
                            self.in_table(pointer.table.as_u64(), index << 20, range)
                        }
                    };
                    if let Some((virt, word)) = found {
                        return Some((virt, Holder::Tables(PhysAddr::new(word))));
                    }
                }
            }
        }
        None
    }

    /// A word of the table for the MiB at `mib` that maps some of the range, and its address.
    fn in_table(&self, table: u64, mib: u32, range: VirtRange) -> Option<(u32, u64)> {
        let (start, bytes) = (range.start().as_u32(), u64::from(range.len()));
        // One word of a large page makes entries for all 64 KiB.
        let first = u64::from(start & !0xffff).saturating_sub(u64::from(mib)) >> 12;
        let end = (u64::from(start) + bytes).div_ceil(0x1_0000) << 4;
        let end = end.saturating_sub(u64::from(mib >> 12)).min(u64::from(TABLE_WORDS));
        let pointer = super::table_store::any_pointer(table);
        (first as u32..end as u32).find_map(|index| {
            let word = table + u64::from(index) * 4;
            let virt = mib | index << 12;
            let maps = |value| {
                let leaf = second(value, &pointer);
                leaf.is_some_and(|leaf| CachedLeaf::new(virt, 0, leaf, 0).overlaps(start, bytes))
            };
            self.seen_by_any(word).into_iter().any(maps).then_some((virt, word))
        })
    }

    /// The second-level table at `table`, 1 KiB, is memory again.
    pub(crate) fn table_freed(&mut self, table: u64) {
        let linked = self
            .tables
            .links(table)
            .first()
            .map(|link| Holder::Tables(PhysAddr::new(link.root + u64::from(link.index) * 4)));
        let cached = || {
            self.tlbs.iter().position(|tlb| {
                tlb.tables().iter().any(|entry| entry.pointer.table.as_u64() == table)
            })
        };
        if let Some(holder) = linked.or_else(|| cached().map(Holder::WalkCache)) {
            self.violate(Kind::TableInUse { table: PhysAddr::new(table), holder });
        }
    }

    /// The first-level table at `root`, 16 KiB, is memory again.
    pub(crate) fn root_freed(&mut self, root: u64) {
        match self.spaces.iter().position(|space| space.root == root) {
            Some(cpu) => {
                let (table, holder) = (PhysAddr::new(root), Holder::Ttbr(cpu));
                self.violate(Kind::TableInUse { table, holder });
            }
            None if self.tables.is_root(root) => self.remove_root(root),
            None => {}
        }
    }
}
