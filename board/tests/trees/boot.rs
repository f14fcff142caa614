//! What a kernel does with a machine before it has page tables of its own: the way of the image to
//! its place, memory in memblock, and the layout.
//!
//! The steps and their order are those of `kernel/src/boot/{place,memory}.rs`, which compile for
//! the target only. Where that halts with a message, this stops without one: the machine can not
//! be booted, which is an answer. Where it can not fail, this panics.

use board::{
    Machine,
    dt::{Placement, ReservedRegion},
};
use mm::{
    addr::{KIB, MIB, PAGE_SIZE, PHYS_LIMIT_32, PhysAddr, PhysRange, align_up},
    boot::{
        initrd,
        layout::{Layout, Settings},
        memblock::{Limit, Memblock, MemblockError, Region},
        memory::{self, Given, phys_offset_of_bank},
        relocate::{self, IMAGE_OFFSET, Loaded, Plan},
        split::Split,
    },
    param::params,
    report::{
        layout::{Observed, write_json, write_table},
        memblock::MemblockDump,
        zone_ranges,
    },
};

use super::{check::check_layout, exercise::Digest};

/// Bytes of an image, `.bss` included.
const IMAGE: u64 = 700 * KIB;
/// Regions that the kernel reserves beside those that the tree names.
const SPARE_REGIONS: usize = 64;

/// Which splits a machine is booted under.
#[derive(Clone, Copy, Debug)]
pub enum Splits {
    /// One that follows from what the tree says, so that many trees go through all of them.
    One,
    /// All four.
    All,
}

/// The machine, and what has been read from it.
struct Boot<'m, 't> {
    machine: &'m Machine<'t>,
    banks: &'m [PhysRange],
    reserved: &'m [PhysRange],
    regions: &'m [ReservedRegion<'t>],
    command_line: &'t str,
    bank: PhysRange,
}

/// Boots `machine` as far as its layout. `reserved` are the fixed ranges of both kinds.
pub fn boot<'t>(
    machine: &Machine<'t>,
    banks: &[PhysRange],
    reserved: &[PhysRange],
    regions: &[ReservedRegion<'t>],
    splits: Splits,
    digest: &mut Digest,
) {
    // A boot loader puts the image into the first bank that has room for it and what it unpacks.
    let Some(bank) = banks.iter().find(|bank| bank.len() >= 16 * MIB).copied() else { return };
    let command_line = machine.chosen.bootargs.unwrap_or("");
    let boot = Boot { machine, banks, reserved, regions, command_line, bank };
    let place = phys_offset_of_bank(bank.start()).saturating_add(IMAGE_OFFSET);
    let dtb_len = u64::from(machine.dtb_len());
    let mut at = boot.loaded(place, bank.start().saturating_add(12 * MIB), dtb_len);
    // In its place, then as a raw image with the tree in the image's way.
    for (image, dtb) in [(place, at.dtb.start()), (bank.start().saturating_add(32 * KIB), place)] {
        let loaded = boot.loaded(image, dtb, dtb_len);
        if loaded.image.overlaps(&loaded.dtb) || !bank.contains_range(&loaded.image) {
            continue;
        }
        match relocate::plan(bank, loaded, || reserved.iter().copied(), &[]) {
            Ok(plan) => {
                boot.check_plan(loaded, &plan);
                at = Loaded { image: plan.image, dtb: plan.dtb, initrd: plan.initrd };
                digest.add(plan);
            }
            Err(error) => digest.add(error.to_string()),
        }
    }
    let told = Split::ALL[digest.sum() as usize % Split::ALL.len()];
    for split in Split::ALL {
        if split == told || matches!(splits, Splits::All) {
            boot.memory(at, split, split == told, digest);
        }
    }
}

fn len_from(start: PhysAddr, len: u64) -> PhysRange {
    PhysRange::new(start, start.saturating_add(len))
}

impl Boot<'_, '_> {
    fn loaded(&self, image: PhysAddr, dtb: PhysAddr, dtb_len: u64) -> Loaded {
        let (image, dtb) = (len_from(image, IMAGE), len_from(dtb, dtb_len));
        let initrd = initrd::named(self.machine.chosen.initrd, self.command_line, &mut |_| ());
        Loaded { image, dtb, initrd }
    }

    /// No copy writes on what is still needed or taken, and everything ends where the plan says.
    fn check_plan(&self, loaded: Loaded, plan: &Plan) {
        let mut needed = vec![loaded.image, loaded.dtb];
        // Nobody loads an initrd onto the other two.
        let initrd = loaded.initrd.filter(|at| needed.iter().all(|other| !at.overlaps(other)));
        needed.extend(initrd);
        let stub = len_from(plan.stub, PAGE_SIZE.into());
        for step in &plan.copies {
            let to = len_from(step.to, step.from.len());
            assert!(self.bank.contains_range(&to), "{to} outside {}", self.bank);
            assert!(!stub.overlaps(&to) && !stub.overlaps(&step.from), "the stub is overwritten");
            assert!(!self.reserved.iter().any(|range| range.overlaps(&stub)), "a reserved stub");
            needed.retain(|range| *range != step.from);
            assert!(needed.iter().all(|range| !range.overlaps(&to)), "{to} overwrites {needed:?}");
            needed.push(to);
        }
        let after = [Some(plan.image), Some(plan.dtb), initrd.and(plan.initrd)];
        assert!(after.iter().flatten().all(|range| needed.contains(range)), "{after:?}");
    }

    /// Memory under one split, and with `reports` all that can be printed of it.
    fn memory(&self, at: Loaded, split: Split, reports: bool, digest: &mut Digest) {
        let phys_offset = phys_offset_of_bank(self.bank.start());
        let typed = params(self.command_line).filter(|param| param.is("mem")).count();
        let named = self.banks.len() + 2 * self.reserved.len() + self.regions.len();
        let needed = named + typed + SPARE_REGIONS;
        let mut arrays = [vec![Region::EMPTY; needed], vec![Region::EMPTY; needed]];
        let [memory, reserved] = &mut arrays;
        let mut memblock = Memblock::new(memory, reserved);
        let given = Given { command_line: self.command_line, phys_offset, image: at.image };
        let banks = || self.banks.iter().copied();
        let mut warnings = Vec::new();
        let mut warn = |warning| warnings.push(warning);
        fits(memory::describe(&mut memblock, banks, given, &mut warn));
        let page = u64::from(PAGE_SIZE);
        for range in memblock.memory().regions().iter().map(|region| region.range) {
            assert!(range.start().is_aligned(page) && range.end().is_aligned(page), "{range}");
            assert!(phys_offset <= range.start() && range.end() <= PHYS_LIMIT_32, "{range}");
        }

        fits(memblock.reserve(at.image));
        fits(memblock.reserve(at.dtb));
        let kept = at.initrd.filter(|initrd| initrd::check(&memblock, *initrd).is_ok());
        if let Some(initrd) = kept {
            fits(memblock.reserve(initrd));
        }
        self.machine.memreserve().for_each(|range| fits(memblock.reserve(range)));
        for region in self.regions {
            if let Placement::Fixed(ranges) = region.placement {
                ranges.iter().for_each(|range| set_aside(&mut memblock, range, region.no_map));
            }
        }

        let settings =
            Settings { split, phys_offset, command_line: self.command_line, board_dma_zone: None };
        let Some(before) = Layout::decide(&memblock, settings, &mut |_| ()) else { return };
        memblock.set_current_limit(before.lowmem_end);
        self.place_dynamic(&mut memblock);
        let Some(layout) = Layout::decide(&memblock, settings, &mut warn) else { return };
        assert!(layout.lowmem_end <= before.lowmem_end, "more lowmem after reserving some");
        memblock.set_current_limit(layout.lowmem_end);
        if let Some(lost) = layout.lost(&memblock) {
            fits(memblock.remove(lost));
            if let Some(initrd) = kept
                && let Err(refused) = initrd::check_dropped(&memblock, initrd, layout.lowmem_end)
            {
                digest.add(refused.to_string());
                fits(memblock.free(initrd));
                for held in self.reserved.iter().filter_map(|held| held.intersection(&initrd)) {
                    fits(memblock.reserve(held));
                }
            }
        }
        assert_eq!(memblock.validate(), Ok(()));
        assert!(memblock.reserved().covers(at.image) && memblock.reserved().covers(at.dtb));
        check_layout(&layout, &memblock);
        digest.add((&layout.zones, layout.high_memory, memblock.reserved_size()));

        if reports {
            let seen = Observed::predicted(&layout);
            // A digest takes any text.
            let _ = write_table(digest, &seen);
            let _ = write_json(digest, &seen, warnings.iter());
            let _ = zone_ranges::write(digest, &layout.zones, &memblock);
            digest.add(format_args!("{}", MemblockDump(&memblock)));
        }
    }

    /// Finds room for the regions that only give a size.
    fn place_dynamic(&self, memblock: &mut Memblock<'_>) {
        for region in self.regions {
            let Placement::Dynamic { size, alignment, within } = region.placement else { continue };
            let page = u64::from(PAGE_SIZE);
            let align = alignment.unwrap_or(page).max(page);
            let size = align_up(size, page).unwrap_or(size);
            let limit = memblock.current_limit();
            let room = |range: PhysRange| {
                let max = Limit::At(range.end().min(limit));
                memblock.find_in_range(size, align, range.start(), max).ok()
            };
            let place = match within {
                Some(ranges) => ranges.iter().find_map(room),
                None => room(PhysRange::new(PhysAddr::new(0), limit)),
            };
            if let Some(place) = place {
                let fit = within
                    .is_none_or(|ranges| ranges.iter().any(|range| range.contains_range(&place)));
                assert!(fit && place.start().is_aligned(align) && place.end() <= limit, "{place}");
                assert!(!memblock.reserved().overlaps(place) && memblock.memory().covers(place));
                set_aside(memblock, place, region.no_map);
            }
        }
    }
}

fn set_aside(memblock: &mut Memblock<'_>, range: PhysRange, no_map: bool) {
    let range = if no_map { range.covering_pages() } else { range };
    if no_map && !memblock.reserved().overlaps(range) {
        fits(memblock.mark_nomap(range));
    } else {
        fits(memblock.reserve(range));
    }
}

/// The kernel makes its arrays as long as the tree needs, so that no change is refused.
fn fits(result: Result<(), MemblockError>) {
    result.unwrap();
}
