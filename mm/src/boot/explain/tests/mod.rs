//! Tests of the account and of the trials.
//!
//! `Machine` boots, on the host, the way the kernel does. `model` says of one address, from flat
//! lists and the written rules, what became of it; `properties` holds the account and every
//! suggestion against it and against `predict`.

mod cases;
mod model;
pub(crate) mod properties;

use super::class::Owner;
use super::what_if::{LargestVmalloc, OtherBank, Outcome, TrialError};
use super::{Inventory, Reservation, Situation};
use crate::addr::{MIB, PhysAddr, PhysRange};
use crate::boot::layout::{Layout, Settings};
use crate::boot::memblock::{Memblock, Region};
use crate::boot::memory::{self, Given};
use crate::boot::relocate::{IMAGE_OFFSET, Loaded};
use crate::boot::split::Split;

/// Bytes of the image, which `predict` takes it to have as well.
pub(crate) const IMAGE_BYTES: u64 = 2 * MIB;

pub(crate) fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
}

/// A machine, its boot loader's doings, and a kernel for it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub banks: Vec<PhysRange>,
    pub split: Split,
    pub phys_offset: u64,
    pub command_line: String,
    pub board_dma_zone: Option<u64>,
    /// What the tree and the loader want kept, in the kernel's order: first the image and what was
    /// loaded, then the tree's reservations.
    pub held: Vec<Reservation<'static>>,
    pub initrd: Option<PhysRange>,
    /// Sizes of what boot allocates, and whether the owner is remembered.
    pub allocated: Vec<(u64, Option<Owner>)>,
    /// Does the kernel take what is lost without HighMem out of memblock?
    pub drops: bool,
}

impl Machine {
    /// The banks `start..end`, the kernel in the first, QEMU's device tree at the start of it.
    pub fn new(banks: &[(u64, u64)], command_line: &str) -> Self {
        let banks: Vec<_> = banks.iter().map(|&(start, end)| range(start, end)).collect();
        let phys_offset = memory::phys_offset_of_bank(banks[0].start()).as_u64();
        let mut machine = Self {
            banks,
            split: Split::ThreeG,
            phys_offset,
            command_line: command_line.to_string(),
            board_dma_zone: None,
            held: Vec::new(),
            initrd: None,
            allocated: vec![(0x8000, Some(Owner::PageTables)), (0x2000, Some(Owner::Vectors))],
            drops: true,
        };
        machine.hold_image();
        let tree = machine.banks[0].start().as_u64();
        machine.hold(range(tree, tree + MIB), Owner::DeviceTree);
        machine
    }

    pub fn image(&self) -> PhysRange {
        let start = self.phys_offset + IMAGE_OFFSET;
        range(start, start + IMAGE_BYTES)
    }

    pub fn hold_image(&mut self) {
        let start = self.image().start().as_u64();
        self.hold(range(start, start + MIB), Owner::KernelText);
        self.hold(self.image(), Owner::KernelPadding);
    }

    pub fn hold(&mut self, range: PhysRange, owner: Owner) {
        self.held.push(Reservation { range, owner, name: None, no_map: false });
    }

    pub fn hold_for(&mut self, range: PhysRange, name: &'static str, no_map: bool) {
        let owner = Owner::ReservedMemory;
        self.held.push(Reservation { range, owner, name: Some(name), no_map });
    }

    pub fn settings(&self) -> Settings<'_> {
        Settings {
            split: self.split,
            phys_offset: PhysAddr::new(self.phys_offset),
            command_line: &self.command_line,
            board_dma_zone: self.board_dma_zone,
        }
    }

    /// Boots, and shows what a kernel would know then; `None` when there is no lowmem.
    pub fn boot<T>(
        &self,
        show: impl FnOnce(&Situation<'_, '_, Known>, &mut [Region]) -> T,
    ) -> Option<T> {
        let mut arrays = [vec![Region::EMPTY; 512], vec![Region::EMPTY; 512]];
        let [memory, reserved] = &mut arrays;
        let mut memblock = Memblock::new(memory, reserved);
        let phys_offset = PhysAddr::new(self.phys_offset);
        let image = self.image();
        let given = Given { command_line: &self.command_line, phys_offset, image };
        memory::describe(&mut memblock, || self.banks.iter().copied(), given, &mut |_| ()).unwrap();
        let mut known = Known { banks: self.banks.clone(), held: Vec::new(), honoured: Vec::new() };
        for one in &self.held {
            if memory::set_aside(&mut memblock, one.range, one.no_map).unwrap() {
                known.honoured.push(one.range.covering_pages());
            }
            let range = if one.no_map { one.range.covering_pages() } else { one.range };
            known.held.push(Reservation { range, ..*one });
        }
        let layout = Layout::decide(&memblock, self.settings(), &mut |_| ())?;
        let dropped = layout.lost(&memblock);
        if let Some(dropped) = dropped.filter(|_| self.drops) {
            memblock.remove(dropped).unwrap();
        }
        memblock.set_current_limit(layout.lowmem_end.pfn_down().start());
        for &(bytes, owner) in &self.allocated {
            let Ok(range) = memblock.alloc(bytes, 0x1000) else { continue };
            known.held.extend(owner.map(|owner| Reservation {
                range,
                owner,
                name: None,
                no_map: false,
            }));
        }
        let tree = self.held.iter().find(|one| one.owner == Owner::DeviceTree);
        let dtb = tree.map(|one| one.range).unwrap_or_default();
        let situation = Situation {
            inventory: &known,
            memblock: &memblock,
            layout: &layout,
            command_line: &self.command_line,
            board_dma_zone: self.board_dma_zone,
            loaded: Loaded { image, dtb, initrd: self.initrd },
            dropped,
        };
        let mut scratch = vec![Region::EMPTY; 512];
        Some(show(&situation, &mut scratch))
    }
}

/// What the booted machine knows of its banks and of who holds what.
pub(crate) struct Known {
    banks: Vec<PhysRange>,
    pub held: Vec<Reservation<'static>>,
    /// The no-map ranges that were not reserved instead.
    pub honoured: Vec<PhysRange>,
}

impl Inventory for Known {
    fn banks(&self) -> impl Iterator<Item = PhysRange> {
        self.banks.iter().copied()
    }

    fn reservations(&self) -> impl Iterator<Item = Reservation<'_>> {
        self.held.iter().copied()
    }
}

/// All that can be tried.
pub(crate) struct Tried {
    pub now: Outcome,
    pub all_lowmem: LargestVmalloc,
    pub above_at_least: u64,
    pub splits: [Option<Outcome>; 4],
    pub other_highmem: Option<Outcome>,
    pub all_dma: Option<(u64, Outcome)>,
    pub whole_page: Option<(u32, Outcome)>,
    pub without_mem: Option<Outcome>,
    pub lower_bank: Option<OtherBank>,
}

pub(crate) fn try_all(
    booted: &Situation<'_, '_, Known>,
    scratch: &mut [Region],
) -> Result<Tried, TrialError> {
    let trials = booted.trials(scratch)?;
    let mut tried = Tried {
        now: trials.now().clone(),
        all_lowmem: trials.all_lowmem(),
        above_at_least: trials.above_at_least(),
        splits: Split::ALL.map(|split| trials.split(split, booted.command_line)),
        other_highmem: trials.other_highmem(),
        all_dma: trials.all_dma(),
        whole_page: trials.whole_page(),
        without_mem: None,
        lower_bank: None,
    };
    tried.without_mem = booted.without_mem(scratch)?;
    tried.lower_bank = booted.lower_bank(&tried.now, scratch)?;
    Ok(tried)
}
