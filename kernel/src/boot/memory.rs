//! The machine's memory in memblock: banks, what is reserved, and what was said on the way.

use core::slice;

use arch_arm::entry::BootRegisters;
use arrayvec::ArrayVec;
use board::Machine;
use board::dt::{Placement, RangeList};
use mm::addr::{MIB, PAGE_SIZE, PhysAddr, PhysRange};
use mm::boot::dynamic::Wanted;
use mm::boot::explain::Reservation;
use mm::boot::explain::class::Owner;
use mm::boot::initrd::{self, Refused};
use mm::boot::layout::{Layout, Settings};
use mm::boot::memblock::{Memblock, Region, RegionStorage};
use mm::boot::memory::{self, Given, phys_offset_of_bank};
use mm::boot::relocate::{self, Loaded};
use mm::boot::split::Split;
use mm::boot::warning::Warning;
use mm::param::params;
use mm::report::memblock::MemblockDump;

use super::early::EarlyTables;
use super::machine::Dtb;
use super::{LinearMap, place, stop_for};
use crate::console::print;
use crate::image;
use crate::stop::halt;
use crate::take_cell::TakeCell;

/// Regions of each list on an ordinary machine. Both lists can grow once the linear map is there.
const REGIONS: usize = 128;
/// Regions beside those that the tree names: what the kernel itself reserves before that.
const SPARE_REGIONS: usize = 64;
/// Lowmem whatever `vmalloc=` says, in bytes from `PHYS_OFFSET`.
const ALWAYS_LOWMEM: u64 = 32 * MIB;
/// Warnings that are kept for `layout --json`; more are printed only.
const KEPT_WARNINGS: usize = 64;
/// Reservations without a place in the tree whose names are kept for `explain`; further ones count
/// as boot allocations there.
const KEPT_PLACES: usize = 8;

static REGION_ARRAYS: TakeCell<[[Region; REGIONS]; 2]> =
    TakeCell::new([[Region::EMPTY; REGIONS]; 2]);

/// The lines of warning that were printed.
pub type Warnings = ArrayVec<Warning<'static>, KEPT_WARNINGS>;

/// All that is known of memory.
pub struct Memory {
    /// Every range.
    pub memblock: Memblock<'static>,
    /// The kernel command line.
    pub command_line: &'static str,
    /// Where the linear map begins.
    pub phys_offset: PhysAddr,
    /// What was warned of.
    pub warnings: Warnings,
    /// What the boot loader loaded, where it lies now.
    pub loaded: Loaded,
    /// The initial RAM disk, if it is kept: reserved for good.
    pub initrd: Option<PhysRange>,
    /// Why there is one that is not kept.
    pub refused_initrd: Option<Refused>,
    /// The children of `/reserved-memory` that boot found a place for.
    pub placed: ArrayVec<Reservation<'static>, KEPT_PLACES>,
    /// RAM that was taken out of memblock for want of HighMem.
    pub dropped: Option<PhysRange>,
}

/// Describes the machine's memory and reserves what is in use.
pub fn describe(
    machine: &Machine<'static>,
    registers: &BootRegisters,
    dtb: &Dtb,
    early: &mut EarlyTables,
) -> Memory {
    let command_line = machine.chosen.bootargs.unwrap_or("");
    log::info!("Kernel command line: {command_line}");
    let image = place::image_now(registers);
    // `place` made sure that there is such a bank.
    let bank = machine.banks().find(|bank| bank.contains_range(&image)).unwrap_or_default();
    let phys_offset = phys_offset_of_bank(bank.start());
    let named = place::initrd(machine, registers);
    let loaded = Loaded { image, dtb: dtb.range, initrd: named.ok().flatten() };
    // One that can not be kept is no obstacle.
    let can_be = |initrd: &PhysRange| {
        place::is_memory(machine, initrd)
            && !initrd.overlaps(&image)
            && !initrd.overlaps(&dtb.range)
    };
    let in_use = [image, dtb.range, loaded.initrd.filter(can_be).unwrap_or_default()];
    let (taken, memory, reserved) = region_arrays(machine, bank, phys_offset, in_use, early);
    let mut all = Memory {
        memblock: Memblock::new(memory, reserved),
        command_line,
        phys_offset,
        warnings: Warnings::new(),
        loaded,
        initrd: None,
        refused_initrd: None,
        placed: ArrayVec::new(),
        dropped: None,
    };
    let given = Given { command_line, phys_offset, image };
    let mut warn = |warning| all.warnings.note(warning);
    stop_for(
        memory::describe(&mut all.memblock, || machine.banks(), given, &mut warn),
        "can not describe memory",
    );
    if !taken.is_empty() {
        all.reserve(taken, "memblock's lists");
    }
    all.reserve(image, "the kernel");
    all.reserve(dtb.range, "the device tree");
    // Its place is known already; this is for what is to be said of the command line.
    let _ = initrd::named(None, command_line, &mut |warning| all.warnings.note(warning));
    match named {
        Ok(range) => all.reserve_initrd(range),
        Err(refused) => all.refuse_initrd(refused),
    }
    for range in machine.memreserve() {
        all.reserve(range, "/memreserve/");
    }
    all.reserve_fixed_regions(machine);
    for range in place::reserved(machine).filter(|range| range.overlaps(&image)) {
        log::warn!("{range} is reserved, and the kernel at {image} uses it");
    }
    all
}

/// The two lists' first arrays, and the memory that was taken for them: none, unless the tree names
/// more regions than the image has room for. Then they go to free memory that is lowmem in any
/// case, mapped by the early tables where the linear map will have it.
fn region_arrays(
    machine: &Machine<'_>,
    bank: PhysRange,
    phys_offset: PhysAddr,
    in_use: [PhysRange; 3],
    early: &mut EarlyTables,
) -> (PhysRange, &'static mut [Region], &'static mut [Region]) {
    // A no-map region takes up to three regions of the memory list where there was one.
    let named = machine.banks().count() + 2 * place::reserved(machine).count();
    let command_line = machine.chosen.bootargs.unwrap_or("");
    let typed = params(command_line).filter(|param| param.is("mem")).count();
    let needed = named + machine.reserved_regions().count() + typed + SPARE_REGIONS;
    if needed <= REGIONS {
        let Some([memory, reserved]) = REGION_ARRAYS.take() else {
            halt(format_args!("memory is described once"));
        };
        return (PhysRange::default(), memory, reserved);
    }
    // Each array in pages of its own.
    let array = (needed * size_of::<Region>()).next_multiple_of(PAGE_SIZE as usize) as u64;
    let bytes = 2 * array;
    let window = PhysRange::new(phys_offset, phys_offset.saturating_add(ALWAYS_LOWMEM));
    let low = bank.intersection(&window).unwrap_or_default();
    let obstacles = || place::reserved(machine).chain(in_use);
    let Some(start) = relocate::highest_room(low, bytes, PAGE_SIZE.into(), obstacles) else {
        halt(format_args!("no {bytes} free bytes in {low} for {needed} regions of memory"));
    };
    let taken = PhysRange::new(start, start.saturating_add(bytes));
    let linear = LinearMap::new(image::SPLIT.page_offset(), window);
    let Some(at) = linear.phys_to_virt(start).filter(|_| low.contains_range(&taken)) else {
        halt(format_args!("{taken} lies outside {low}"));
    };
    stop_for(early.map_memory(at, taken), "can not map memblock's lists");
    let mut storage = LinearStorage(Some(linear));
    let half = start.saturating_add(array);
    let arrays = [PhysRange::new(start, half), PhysRange::new(half, taken.end())]
        .map(|range| storage.array_at(range, needed));
    match arrays {
        [Some(memory), Some(reserved)] => (taken, memory, reserved),
        _ => halt(format_args!("no room for {needed} regions in {taken}")),
    }
}

/// Region arrays in lowmem, once there is a linear map.
struct LinearStorage(Option<LinearMap>);

static STORAGE: TakeCell<LinearStorage> = TakeCell::new(LinearStorage(None));

impl RegionStorage<'static> for LinearStorage {
    fn array_at(&mut self, range: PhysRange, len: usize) -> Option<&'static mut [Region]> {
        let at = self.0?.pointer(range)?.cast::<Region>();
        if range.len() < (len * size_of::<Region>()) as u64 || !at.is_aligned() {
            return None;
        }
        // SAFETY: memblock keeps `range` for this array alone (duties 1 and 2 of the trait, which
        // it answers for); it is mapped, large enough and aligned, and filled with valid regions
        // before it is a slice.
        unsafe {
            for index in 0..len {
                at.add(index).write(Region::EMPTY);
            }
            Some(slice::from_raw_parts_mut(at, len))
        }
    }
}

/// Prints warnings as they come and keeps them.
trait Note {
    fn note(&mut self, warning: Warning<'static>);
}

impl Note for Warnings {
    fn note(&mut self, warning: Warning<'static>) {
        log::warn!("{warning}");
        if self.try_push(warning).is_err() {
            log::warn!("(that line is one too many to be kept for layout --json)");
        }
    }
}

impl Memory {
    /// What decides the layout beside the memory.
    pub fn settings(&self, split: Split) -> Settings<'static> {
        let Self { phys_offset, command_line, .. } = *self;
        Settings { split, phys_offset, command_line, board_dma_zone: None }
    }

    /// Decides the layout, places the tree's dynamic reservations under it, and prints memblock
    /// if `memblock=debug` asks for it.
    pub fn decide(&mut self, split: Split, machine: &Machine<'static>) -> Layout {
        let settings = self.settings(split);
        let decide = |memory: &mut Self, loud: bool| {
            let Self { memblock, warnings, .. } = memory;
            let mut warn = |warning| {
                if loud {
                    warnings.note(warning);
                }
            };
            Layout::decide(memblock, settings, &mut warn).unwrap_or_else(|| {
                halt(format_args!("no memory below the lowmem limit"));
            })
        };
        // Twice, as in Linux: reservations that are not to be mapped may move the end of lowmem.
        let before = decide(self, false);
        self.memblock.set_current_limit(before.lowmem_end);
        self.place_dynamic_regions(machine);
        let layout = decide(self, true);
        self.memblock.set_current_limit(layout.lowmem_end);
        if let Some(lost) = layout.lost(&self.memblock) {
            stop_for(self.memblock.remove(lost), "can not drop HighMem");
            self.dropped = Some(lost);
            self.drop_lost_initrd(machine, layout.lowmem_end);
        }
        let debug =
            |param: &mm::param::Param<'_>| param.is("memblock") && param.value == Some("debug");
        if params(self.command_line).any(|param| debug(&param)) {
            print!("{}", MemblockDump(&self.memblock));
        }
        layout
    }

    /// Lets memblock's lists grow from now on: `linear` is the live linear map.
    pub fn allow_growth(&mut self, linear: LinearMap) {
        if let Some(storage) = STORAGE.take() {
            storage.0 = Some(linear);
            self.memblock.allow_growth(storage);
        }
    }

    fn reserve(&mut self, range: PhysRange, what: &str) {
        if let Err(error) = self.memblock.reserve(range) {
            halt(format_args!("can not reserve {what} at {range}: {error}"));
        }
    }

    /// Keeps the initial RAM disk, unless it lies outside memory or in someone's way.
    fn reserve_initrd(&mut self, range: Option<PhysRange>) {
        let Some(range) = range else { return };
        match initrd::check(&self.memblock, range) {
            Ok(()) => {
                self.reserve(range, "the initrd");
                self.initrd = Some(range);
            }
            Err(refused) => self.refuse_initrd(refused),
        }
    }

    fn refuse_initrd(&mut self, refused: Refused) {
        log::error!("{refused}");
        self.initrd = None;
        self.refused_initrd = Some(refused);
    }

    /// Gives up an initial RAM disk that lies in memory which has been dropped since.
    fn drop_lost_initrd(&mut self, machine: &Machine<'_>, lowmem_end: PhysAddr) {
        let Some(range) = self.initrd else { return };
        let Err(refused) = initrd::check_dropped(&self.memblock, range, lowmem_end) else { return };
        stop_for(self.memblock.free(range), "can not drop the initrd");
        // What the tree reserves stays reserved, if that is the same memory: U-Boot names an initrd twice.
        for held in place::reserved(machine).filter_map(|held| held.intersection(&range)) {
            self.reserve(held, "what the tree reserves");
        }
        self.refuse_initrd(refused);
    }

    /// Honours the children of `/reserved-memory` that have a fixed place.
    fn reserve_fixed_regions(&mut self, machine: &Machine<'_>) {
        for region in machine.reserved_regions() {
            let Placement::Fixed(ranges) = region.placement else { continue };
            for range in ranges.iter() {
                self.set_aside(range, region.no_map, region.name);
            }
        }
    }

    fn set_aside(&mut self, range: PhysRange, no_map: bool, name: &str) {
        match memory::set_aside(&mut self.memblock, range, no_map) {
            Ok(not_mapped) if not_mapped == no_map => {}
            Ok(_) => {
                let range = range.covering_pages();
                log::error!("OF: reserved mem: {name}: {range} is in use, so it stays mapped");
            }
            Err(error) => halt(format_args!("can not set aside {range} for {name}: {error}")),
        }
    }

    /// Finds room for the children of `/reserved-memory` that only give a size.
    fn place_dynamic_regions(&mut self, machine: &Machine<'static>) {
        for region in machine.reserved_regions() {
            let Placement::Dynamic { size, alignment, within } = region.placement else {
                continue;
            };
            let wanted = Wanted { size, alignment };
            let place = wanted.place(&self.memblock, within.as_ref().map(RangeList::iter));
            match place {
                Some(range) => {
                    self.set_aside(range, region.no_map, region.name);
                    let (owner, name) = (Owner::ReservedMemory, Some(region.name));
                    let no_map = region.no_map;
                    // One too many is a boot allocation in the account, and nothing worse.
                    let _ = self.placed.try_push(Reservation { range, owner, name, no_map });
                }
                None => {
                    log::error!("OF: reserved mem: no room for {size:#x} bytes of {}", region.name)
                }
            }
        }
    }
}
