//! A rehearsal: the steps of boot that decide about memory, in boot's order, on a machine that is only described.
//!
//! ```text
//! where the loader put things ─▶ relocate::plan ─▶ memory described ─▶ image, tree, initrd reserved
//!   ─▶ the tree's reservations ─▶ layout ─▶ reservations without a place ─▶ layout ─▶ what boot takes for itself
//! ```
//!
//! Each step is the function of [`mm`] that the kernel calls; only their order is written here a second time, and boots
//! hold it against the kernel's. What a kernel would stop at is an [`Error`], what it would say a line is in the
//! [`Rehearsal`].
//!
//! Invariant: the sums of the account are the RAM, whatever the machine.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use mm::addr::{PAGE_SIZE, PhysAddr, PhysRange};
use mm::boot::dynamic::Wanted;
use mm::boot::explain::class::Owner;
use mm::boot::explain::{Inventory, Reservation, Situation};
use mm::boot::initrd::{self, Reason, Refused};
use mm::boot::layout::{Layout, Settings};
use mm::boot::memblock::{INIT_REGIONS, Memblock, MemblockError, Region};
use mm::boot::memory::{self, phys_offset_of_bank};
use mm::boot::predict::{self, PredictError, Question};
use mm::boot::relocate::{self, IMAGE_OFFSET, Loaded, PlanError};
use mm::boot::taken;
use mm::boot::warning::Warning;

use crate::address::{Address, Range};
use crate::configuration::Configuration;
use crate::machine::{Machine, Place};

/// Bytes of the image where nobody knows them: one that is not optimised.
pub const IMAGE_BYTES: u64 = 2 * predict::IMAGE_BYTES;

/// The most memory banks and reservations together: many times what a device tree has. The work grows with the square
/// of it.
pub const MAX_RANGES: usize = 4096;

/// The longest command line, in bytes, that is read: four times what Linux keeps on ARM.
pub const MAX_COMMAND_LINE: usize = 4096;

/// Why there is nothing to show.
#[derive(Debug)]
pub enum Error {
    /// The rules give no layout.
    NoLayout(PredictError),
    /// The kernel is said to lie outside all banks.
    KernelOutsideRam(Range),
    /// The kernel is loaded at an address that no page table can map it from.
    KernelOffPage(Address),
    /// A bank or a kernel that ends before it starts, or holds nothing.
    Empty(&'static str, Range),
    /// Something else that ends before it starts. It may hold nothing.
    Backwards(&'static str, Range),
    /// The kernel can not be moved to its place.
    NotMoved(PlanError),
    /// There is no room for what boot needs.
    NoRoom(MemblockError),
    /// More banks and reservations than [`MAX_RANGES`].
    TooManyRanges(usize),
    /// More bytes of command line than [`MAX_COMMAND_LINE`].
    LongCommandLine(usize),
    /// The text of an answer could not be read: [`crate::answer`] lags behind [`mm::report`].
    Unread(serde_json::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLayout(error) => error.fmt(f),
            Self::KernelOutsideRam(range) => {
                let Range { start, end } = range;
                write!(f, "the kernel at {start}-{end} is in no memory bank")
            }
            Self::KernelOffPage(at) => {
                write!(f, "the kernel at {at} would stop: that is not a multiple of 4096")
            }
            Self::Empty(what, Range { start, end }) => {
                write!(f, "the {what} {start}-{end} is empty")
            }
            Self::Backwards(what, Range { start, end }) => {
                write!(f, "the {what} {start}-{end} ends before it starts")
            }
            Self::NotMoved(error) => write!(f, "the kernel would stop: {error}"),
            Self::NoRoom(error) => {
                write!(f, "the kernel would stop: no room for what boot takes: {error}")
            }
            Self::TooManyRanges(count) => {
                write!(f, "{count} memory banks and reservations; the most are {MAX_RANGES}")
            }
            Self::LongCommandLine(bytes) => {
                write!(f, "a command line of {bytes} bytes; the longest has {MAX_COMMAND_LINE}")
            }
            Self::Unread(error) => write!(f, "an answer of an unknown form: {error}"),
        }
    }
}

impl core::error::Error for Error {}

/// What boot would come to.
pub struct Rehearsal<'a, 's> {
    /// Memory and layout, of which the reports are written.
    pub situation: Situation<'a, 's, Known>,
    /// What boot would warn of, in its order.
    pub warnings: Vec<Warning<'a>>,
    /// Where things are that the kernel has to move first: from, and to.
    pub moved: Vec<(PhysRange, PhysAddr)>,
    /// The initrd that is not kept, and why.
    pub refused_initrd: Option<Refused>,
    /// Reservations without a place that there is no room for.
    pub unplaced: Vec<&'a str>,
    /// Memory that was not to be mapped, and is, since it is in use.
    pub mapped_all_the_same: Vec<PhysRange>,
}

/// Rehearses a boot of `machine` with the settings of `configuration`, and has `show` look at what came of it. The array
/// is scratch for [`Situation::trials`].
///
/// # Errors
///
/// See [`Error`].
pub fn rehearse<T>(
    machine: &Machine,
    configuration: &Configuration,
    show: impl FnOnce(&Rehearsal<'_, '_>, &mut [Region]) -> T,
) -> Result<T, Error> {
    judge(machine, configuration)?;
    let ranges = range_count(machine);
    let typed = configuration.command_line.matches("mem").count();
    let room = INIT_REGIONS.max(2 * machine.banks.len() + 3 * ranges + 64) + typed;
    let regions = || vec![Region::EMPTY; room];
    let (mut memory, mut reserved, mut scratch) = (regions(), regions(), regions());
    let memblock = Memblock::new(&mut memory, &mut reserved);
    let mut boot = Boot::start(machine, configuration, memblock)?;
    boot.reserve()?;
    let layout = boot.decide()?;
    let dropped = boot.drop_lost(&layout)?;
    boot.take(&layout)?;
    let Boot { mut held, of_tree, banks, memblock, .. } = boot;
    held.extend(of_tree);
    let known = Known { banks, held };
    let situation = Situation {
        inventory: &known,
        memblock: &memblock,
        layout: &layout,
        command_line: &configuration.command_line,
        board_dma_zone: None,
        loaded: boot.loaded,
        dropped,
    };
    let rehearsal = Rehearsal {
        situation,
        warnings: boot.warnings,
        moved: boot.moved,
        refused_initrd: boot.refused,
        unplaced: boot.unplaced,
        mapped_all_the_same: boot.mapped,
    };
    Ok(show(&rehearsal, &mut scratch))
}

fn range_count(machine: &Machine) -> usize {
    machine.banks.len() + machine.reservations.len() + machine.wanted.len()
}

/// Refuses what the rules are not made for.
fn judge(machine: &Machine, configuration: &Configuration) -> Result<(), Error> {
    let Machine { banks, reservations, kernel, device_tree, initrd, .. } = machine;
    let count = range_count(machine);
    if count > MAX_RANGES {
        return Err(Error::TooManyRanges(count));
    }
    if configuration.command_line.len() > MAX_COMMAND_LINE {
        return Err(Error::LongCommandLine(configuration.command_line.len()));
    }
    let filled = banks.iter().map(|bank| ("memory bank", bank));
    let mut filled = filled.chain(kernel.iter().map(|kernel| ("kernel", kernel)));
    if let Some((what, range)) = filled.find(|(_, range)| range.is_empty()) {
        return Err(Error::Empty(what, *range));
    }
    let held = reservations.iter().map(|held| ("reservation", &held.range));
    let loaded = [("device tree", device_tree), ("initrd", initrd)];
    let loaded = loaded.into_iter().filter_map(|(what, range)| Some((what, range.as_ref()?)));
    match held.chain(loaded).find(|(_, range)| range.end < range.start) {
        Some((what, range)) => Err(Error::Backwards(what, *range)),
        None => Ok(()),
    }
}

/// What is known of who holds what.
pub struct Known {
    banks: Vec<PhysRange>,
    held: Vec<Holder>,
}

/// A range, who holds it, and under which name of the tree.
struct Holder {
    range: PhysRange,
    owner: Owner,
    name: Option<String>,
    no_map: bool,
}

impl Inventory for Known {
    fn banks(&self) -> impl Iterator<Item = PhysRange> {
        self.banks.iter().copied()
    }

    fn reservations(&self) -> impl Iterator<Item = Reservation<'_>> {
        self.held.iter().map(|one| Reservation {
            // What is not to be mapped is set aside in whole pages.
            range: if one.no_map { one.range.covering_pages() } else { one.range },
            owner: one.owner,
            name: one.name.as_deref(),
            no_map: one.no_map,
        })
    }
}

/// A boot on its way.
struct Boot<'a, 's> {
    machine: &'a Machine,
    settings: Settings<'a>,
    memblock: Memblock<'s>,
    banks: Vec<PhysRange>,
    loaded: Loaded,
    warnings: Vec<Warning<'a>>,
    moved: Vec<(PhysRange, PhysAddr)>,
    refused: Option<Refused>,
    initrd: Option<PhysRange>,
    /// What boot and the loader hold.
    held: Vec<Holder>,
    /// What the tree does; where both hold a byte, it is the former's.
    of_tree: Vec<Holder>,
    unplaced: Vec<&'a str>,
    mapped: Vec<PhysRange>,
}

/// Neither is a question of the layout: the kernel stops.
fn no_room(error: MemblockError) -> Error {
    Error::NoRoom(error)
}

impl<'a, 's> Boot<'a, 's> {
    /// The image in its place, and memory described.
    fn start(
        machine: &'a Machine,
        configuration: &'a Configuration,
        mut memblock: Memblock<'s>,
    ) -> Result<Self, Error> {
        let banks: Vec<PhysRange> = machine.banks.iter().map(|bank| (*bank).into()).collect();
        let command_line = configuration.command_line.as_str();
        let first = predict::first_bank(&banks).map_err(Error::NoLayout)?;
        let (bank, image) = match machine.kernel {
            Some(kernel) => {
                let image = PhysRange::from(kernel);
                if !image.start().is_aligned(u64::from(PAGE_SIZE)) {
                    return Err(Error::KernelOffPage(kernel.start));
                }
                let bank = banks.iter().find(|bank| bank.contains_range(&image));
                (*bank.ok_or(Error::KernelOutsideRam(kernel))?, image)
            }
            None => {
                let start = phys_offset_of_bank(first.start()).saturating_add(IMAGE_OFFSET);
                (first, PhysRange::new(start, start.saturating_add(IMAGE_BYTES)))
            }
        };
        let phys_offset = phys_offset_of_bank(bank.start());
        let settings = Settings {
            split: configuration.split,
            phys_offset,
            command_line,
            board_dma_zone: None,
        };
        let named = initrd::named(machine.initrd.map(PhysRange::from), command_line, &mut |_| ());
        let is_memory = |range: &PhysRange| {
            let parts = banks.iter().filter_map(|bank| bank.intersection(range));
            parts.map(|part| part.len()).sum::<u64>() == range.len()
        };
        let loaded = Loaded {
            image,
            dtb: machine.device_tree.map(PhysRange::from).unwrap_or_default(),
            initrd: named.filter(is_memory),
        };
        let fixed = || machine.reservations.iter().map(|held| PhysRange::from(held.range));
        // An initrd that there is no other room for is better lost than the boot.
        let plan_within = |bank| relocate::plan(bank, loaded, fixed, &[]);
        let plan = plan_within(relocate::lasting_part(bank, settings))
            .or_else(|_| plan_within(bank))
            .map_err(Error::NotMoved)?;
        let initrd = if named == loaded.initrd { plan.initrd } else { named };
        let refused = match (named, plan.copies.is_empty()) {
            (Some(range), false) if initrd.is_none() => {
                Some(Refused { range, reason: Reason::Overwritten })
            }
            // Where nothing moves the plan leaves out what can be none; reserving says why.
            _ => None,
        };
        let initrd = if refused.is_none() { initrd.or(named) } else { None };
        let question = Question {
            banks: &banks,
            no_map: &[],
            split: configuration.split,
            phys_offset: Some(phys_offset),
            command_line,
            image_bytes: image.len(),
        };
        let mut warnings = Vec::new();
        predict::describe(&mut memblock, &question, &mut |warning| warnings.push(warning))
            .map_err(Error::NoLayout)?;
        let _ = initrd::named(None, command_line, &mut |warning| warnings.push(warning));
        Ok(Self {
            machine,
            settings,
            memblock,
            loaded: Loaded { image: plan.image, dtb: plan.dtb, initrd },
            warnings,
            moved: plan.copies.iter().map(|step| (step.from, step.to)).collect(),
            refused,
            initrd: None,
            held: Vec::new(),
            of_tree: Vec::new(),
            unplaced: Vec::new(),
            mapped: Vec::new(),
            banks,
        })
    }

    fn hold(&mut self, range: PhysRange, owner: Owner) {
        self.held.push(Holder { range, owner, name: None, no_map: false });
    }

    /// What is in use, then what the tree reserves.
    fn reserve(&mut self) -> Result<(), Error> {
        let Loaded { image, dtb, initrd } = self.loaded;
        for (range, owner) in [(image, Owner::KernelPadding), (dtb, Owner::DeviceTree)] {
            if !range.is_empty() {
                self.memblock.reserve(range).map_err(no_room)?;
                self.hold(range, owner);
            }
        }
        if let Some(range) = initrd {
            match initrd::check(&self.memblock, range) {
                Ok(()) => {
                    self.memblock.reserve(range).map_err(no_room)?;
                    self.initrd = Some(range);
                }
                Err(refused) => self.refused = Some(refused),
            }
        }
        let machine = self.machine;
        for one in &machine.reservations {
            self.set_aside(one.range.into(), one.no_map)?;
        }
        Ok(())
    }

    fn set_aside(&mut self, range: PhysRange, no_map: bool) -> Result<(), Error> {
        let unmapped = memory::set_aside(&mut self.memblock, range, no_map).map_err(no_room)?;
        if unmapped != no_map {
            self.mapped.push(range.covering_pages());
        }
        Ok(())
    }

    /// The layout, and under it the reservations that have no place of their own.
    fn decide(&mut self) -> Result<Layout, Error> {
        let none = Error::NoLayout(PredictError::NoLowmem);
        let before = Layout::decide(&self.memblock, self.settings, &mut |_| ()).ok_or(none)?;
        self.memblock.set_current_limit(before.lowmem_end);
        let mut placed = Vec::new();
        let machine = self.machine;
        for one in &machine.wanted {
            let wanted = Wanted { size: one.size, alignment: one.alignment };
            let within = match &one.within {
                Place::Anywhere => None,
                Place::Within(ranges) => Some(ranges.iter().map(|range| PhysRange::from(*range))),
            };
            let Some(range) = wanted.place(&self.memblock, within) else {
                self.unplaced.push(&one.name);
                continue;
            };
            self.set_aside(range, one.no_map)?;
            let (owner, name) = (Owner::ReservedMemory, Some(one.name.clone()));
            placed.push(Holder { range, owner, name, no_map: one.no_map });
        }
        let of_tree = machine.reservations.iter().map(|one| Holder {
            range: one.range.into(),
            owner: if one.name.is_some() { Owner::ReservedMemory } else { Owner::MemReserve },
            name: one.name.clone(),
            no_map: one.no_map,
        });
        self.of_tree = of_tree.chain(placed).collect();
        let Self { memblock, settings, warnings, .. } = self;
        let layout = Layout::decide(memblock, *settings, &mut |warning| warnings.push(warning))
            .ok_or(Error::NoLayout(PredictError::NoLowmem))?;
        self.memblock.set_current_limit(layout.lowmem_end);
        Ok(layout)
    }

    /// Takes out of memory what is lost without HighMem, and with it an initrd that lies there.
    fn drop_lost(&mut self, layout: &Layout) -> Result<Option<PhysRange>, Error> {
        let lost = layout.lost(&self.memblock);
        if let Some(lost) = lost {
            self.memblock.remove(lost).map_err(no_room)?;
        }
        let Some(range) = self.initrd else { return Ok(lost) };
        if let Err(refused) = initrd::check_dropped(&self.memblock, range, layout.lowmem_end) {
            self.memblock.free(range).map_err(no_room)?;
            let machine = self.machine;
            let of_tree = machine.reservations.iter().map(|one| PhysRange::from(one.range));
            for held in of_tree.filter_map(|held| held.intersection(&range)) {
                self.memblock.reserve(held).map_err(no_room)?;
            }
            self.initrd = None;
            self.refused = Some(refused);
        }
        Ok(lost)
    }

    /// What boot takes for itself.
    fn take(&mut self, layout: &Layout) -> Result<(), Error> {
        if let Some(range) = self.initrd {
            self.hold(range, Owner::Initrd);
        }
        let Self { memblock, held, loaded, settings, .. } = self;
        let mut note = |range, owner| held.push(Holder { range, owner, name: None, no_map: false });
        taken::take(memblock, layout, loaded.image, settings.command_line, &mut note)
            .map_err(no_room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Shorthands;
    use crate::machine::{Held, VIRT_RAM, Want};
    use mm::addr::MIB;
    use mm::boot::split::Split;

    fn configuration(append: &str) -> Configuration {
        Configuration::new(Split::ThreeG, append, Shorthands::default())
    }

    fn range(start: u64, len: u64) -> Range {
        PhysRange::from_len(PhysAddr::new(start), len).unwrap().into()
    }

    /// A GiB, QEMU's tree at its start.
    fn machine() -> Machine {
        Machine { device_tree: Some(range(VIRT_RAM.0, MIB)), ..Machine::virt(1 << 30) }
    }

    fn held(start: u64, len: u64, name: Option<&str>, no_map: bool) -> Held {
        Held { range: range(start, len), name: name.map(Into::into), no_map }
    }

    #[test]
    fn the_account_is_all_of_ram_and_boot_takes_some() {
        let found = rehearse(&machine(), &configuration("page_owner=1"), |boot, _| {
            let account = boot.situation.account();
            assert_eq!(account.bytes(), 1 << 30);
            [Owner::DeviceTree, Owner::PageArray, Owner::PageTables, Owner::Vectors]
                .map(|owner| account.reserved(owner).bytes)
        });
        let frames = 1 << 18;
        assert_eq!(found.unwrap(), [MIB, 16 * frames + 256 + 4 * frames, 40960, 8192]);
    }

    #[test]
    fn reservations_without_a_place_lie_below_the_end_of_lowmem() {
        let mut machine = machine();
        let want = |name: &str, within, size| Want {
            name: name.into(),
            size,
            alignment: Some(MIB),
            within,
            no_map: false,
        };
        machine.wanted = vec![
            want("pool", Place::Anywhere, 3 * MIB),
            want("low", Place::Within(vec![range(VIRT_RAM.0, 64 * MIB)]), MIB),
            want("huge", Place::Anywhere, 1 << 40),
        ];
        rehearse(&machine, &configuration(""), |boot, _| {
            let end = boot.situation.layout.lowmem_end.as_u64();
            let of_tree: Vec<_> = boot
                .situation
                .inventory
                .reservations()
                .filter(|one| one.owner.is_of_tree())
                .collect();
            let starts: Vec<_> = of_tree.iter().map(|one| one.range.start().as_u64()).collect();
            assert_eq!(starts, [end - 3 * MIB, VIRT_RAM.0 + 63 * MIB]);
            assert_eq!(boot.unplaced, ["huge"]);
        })
        .unwrap();
    }

    #[test]
    fn a_kernel_off_its_place_moves_and_what_lies_there_moves_before() {
        let mut machine = machine();
        machine.kernel = Some(range(VIRT_RAM.0 + 64 * MIB, 4 * MIB));
        machine.device_tree = Some(range(VIRT_RAM.0 + 2 * MIB, MIB));
        rehearse(&machine, &configuration(""), |boot, _| {
            let loaded = boot.situation.loaded;
            assert_eq!(loaded.image.start().as_u64(), VIRT_RAM.0 + 2 * MIB);
            assert!(!loaded.dtb.overlaps(&loaded.image));
            assert_eq!(boot.moved.len(), 2);
        })
        .unwrap();
        machine.reservations = vec![held(VIRT_RAM.0 + 3 * MIB, MIB, None, false)];
        let error = rehearse(&machine, &configuration(""), |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("where the tree reserves [0x40300000-0x403fffff]"), "{error}");
    }

    #[test]
    fn an_initrd_is_kept_or_refused_as_boot_does() {
        let refused = |start, append: &str| {
            let mut machine = machine();
            machine.initrd = Some(range(start, MIB));
            rehearse(&machine, &configuration(append), |boot, _| {
                let account = boot.situation.account();
                assert_eq!(account.bytes(), 1 << 30);
                let kept = account.reserved(Owner::Initrd).bytes;
                assert_eq!(kept == 0, boot.refused_initrd.is_some());
                boot.refused_initrd.map(|refused| refused.to_string()).unwrap_or_default()
            })
            .unwrap()
        };
        assert_eq!(refused(0x4800_0000, ""), "");
        assert_eq!(refused(0x7f00_0000, ""), "", "HighMem will do");
        assert!(refused(0x7f00_0000, "nohighmem").contains("lowmem ends at 0x70000000"));
        assert!(refused(0x9000_0000, "").contains("no usable memory at 0x90000000"));
        assert!(refused(0x4028_0000, "").contains("is in use"));
        assert_eq!(refused(0x9000_0000, "initrd=0x48000000,1M"), "");
    }

    #[test]
    fn memory_that_is_not_to_be_mapped_stays_mapped_where_it_is_in_use() {
        let mut machine = machine();
        machine.reservations = vec![
            held(0x5000_0000, 0x1001, Some("fw"), true),
            held(0x4020_0000, 0x1000, Some("on-kernel"), true),
        ];
        rehearse(&machine, &configuration(""), |boot, _| {
            assert_eq!(boot.situation.account().no_map.bytes, 0x2000);
            assert_eq!(boot.mapped_all_the_same.len(), 1);
        })
        .unwrap();
    }

    #[test]
    fn hopeless_machines_are_named() {
        let error = |machine: &Machine| {
            rehearse(machine, &configuration(""), |_, _| ()).unwrap_err().to_string()
        };
        assert_eq!(error(&Machine::default()), "there is no memory bank");
        assert_eq!(error(&Machine::virt(0)), "the memory bank 0x40000000-0x40000000 is empty");
        let mut many = machine();
        many.reservations = vec![held(0x5000_0000, 1, None, false); MAX_RANGES];
        assert!(error(&many).starts_with("4097 memory banks and reservations"));
        assert!(error(&Machine::virt(MIB / 32)).contains("no room for what boot takes"));
        let mut far = machine();
        far.kernel = Some(range(0x8000_0000, MIB));
        assert!(error(&far).contains("in no memory bank"));
        far.kernel = Some(range(0x4700_0004, MIB));
        assert!(error(&far).contains("0x47000004 would stop: that is not a multiple of 4096"));
    }
}
