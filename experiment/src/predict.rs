//! A prediction: the kernel's own rules on a machine that is only described.
//!
//! What boot takes for itself by the page (tables, the page array) is not known before a boot and counts as usable
//! here; the image and what a boot loader loads are where the machine says.

use alloc::string::String;
use alloc::vec;
use core::fmt;

use mm::addr::{PhysAddr, PhysRange};
use mm::boot::explain::class::Owner;
use mm::boot::explain::{Inventory, Reservation, Situation};
use mm::boot::memblock::{INIT_REGIONS, Memblock, Region};
use mm::boot::memory::phys_offset_of_bank;
use mm::boot::predict::{self, PredictError, Question};
use mm::boot::relocate::{IMAGE_OFFSET, Loaded};
use mm::report::explain::{self, Live};
use mm::report::layout::{self, Observed};

use crate::address::Range;
use crate::answer::Answer;
use crate::configuration::Configuration;
use crate::machine::Machine;

/// Bytes of the image where nobody knows them: one that is not optimised.
pub const IMAGE_BYTES: u64 = 2 * predict::IMAGE_BYTES;

/// The most memory banks and reservations together: many times what a device tree has. The work grows with the square
/// of it.
pub const MAX_RANGES: usize = 512;

/// The longest command line, in bytes, that is read: four times what Linux keeps on ARM.
pub const MAX_COMMAND_LINE: usize = 4096;

/// Why there is no prediction.
#[derive(Debug)]
pub enum Error {
    /// The rules give none.
    NoLayout(PredictError),
    /// The kernel is said to lie outside all banks.
    KernelOutsideRam(Range),
    /// A bank or a kernel that ends before it starts, or holds nothing.
    Empty(&'static str, Range),
    /// Something else that ends before it starts. It may hold nothing.
    Backwards(&'static str, Range),
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
            Self::Empty(what, Range { start, end }) => {
                write!(f, "the {what} {start}-{end} is empty")
            }
            Self::Backwards(what, Range { start, end }) => {
                write!(f, "the {what} {start}-{end} ends before it starts")
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

/// What the kernel would decide on `machine` with the settings of `configuration`.
///
/// # Errors
///
/// See [`Error`].
pub fn predict(machine: &Machine, configuration: &Configuration) -> Result<Answer, Error> {
    judge(machine, configuration)?;
    let banks: vec::Vec<PhysRange> = machine.banks.iter().map(|bank| (*bank).into()).collect();
    let phys_offset = phys_offset(machine, &banks)?;
    let no_map: vec::Vec<PhysRange> = machine
        .reservations
        .iter()
        .filter(|held| held.no_map)
        .map(|held| held.range.into())
        .collect();
    let image_bytes = machine.kernel.map_or(IMAGE_BYTES, |kernel| kernel.len());
    let room = INIT_REGIONS.max(2 * banks.len() + 3 * machine.reservations.len() + 64);
    let room = room + configuration.command_line.matches("mem").count();
    let regions = || vec![Region::EMPTY; room];
    let (mut memory, mut reserved, mut scratch) = (regions(), regions(), regions());
    let mut memblock = Memblock::new(&mut memory, &mut reserved);
    let question = Question {
        banks: &banks,
        no_map: &no_map,
        split: configuration.split,
        phys_offset: Some(phys_offset),
        command_line: &configuration.command_line,
        image_bytes,
    };
    let mut warnings = vec::Vec::new();
    let decided = predict::predict(&mut memblock, &question, &mut |warning| warnings.push(warning));
    let decided = decided.map_err(Error::NoLayout)?;

    let start = phys_offset.saturating_add(IMAGE_OFFSET);
    let image = PhysRange::new(start, start.saturating_add(image_bytes));
    let known = Known { machine, banks: &banks, image };
    let situation = Situation {
        inventory: &known,
        memblock: &memblock,
        layout: &decided,
        command_line: &configuration.command_line,
        board_dma_zone: None,
        loaded: Loaded {
            image,
            dtb: machine.device_tree.map(PhysRange::from).unwrap_or_default(),
            initrd: machine.initrd.map(PhysRange::from),
        },
        dropped: decided.lost(&memblock),
    };
    let (mut facts, mut account) = (String::new(), String::new());
    // A `String` takes all that is written to it.
    let _ = layout::write_json(&mut facts, &Observed::predicted(&decided), warnings.iter());
    let _ = explain::write_json(&mut account, &situation, Live::default(), &mut scratch);
    read(&facts, &account).map_err(Error::Unread)
}

/// Refuses what the rules are not made for.
fn judge(machine: &Machine, configuration: &Configuration) -> Result<(), Error> {
    let Machine { banks, reservations, kernel, device_tree, initrd, .. } = machine;
    let count = banks.len() + reservations.len();
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

/// An answer, of the lines of `layout --json` and `explain --json`.
///
/// # Errors
///
/// What is not of that form.
pub fn read(layout: &str, account: &str) -> Result<Answer, serde_json::Error> {
    Ok(Answer { layout: serde_json::from_str(layout)?, account: serde_json::from_str(account)? })
}

/// Where the linear map begins: the start of the kernel's bank, rounded down.
fn phys_offset(machine: &Machine, banks: &[PhysRange]) -> Result<PhysAddr, Error> {
    let bank = match machine.kernel {
        Some(kernel) => {
            let holds = |bank: &&PhysRange| bank.contains_range(&kernel.into());
            banks.iter().find(holds).ok_or(Error::KernelOutsideRam(kernel))?
        }
        None => banks.first().ok_or(Error::NoLayout(PredictError::NoBanks))?,
    };
    Ok(phys_offset_of_bank(bank.start()))
}

/// What is known before a boot of who holds what.
struct Known<'m> {
    machine: &'m Machine,
    banks: &'m [PhysRange],
    image: PhysRange,
}

impl Inventory for Known<'_> {
    fn banks(&self) -> impl Iterator<Item = PhysRange> {
        self.banks.iter().copied()
    }

    fn reservations(&self) -> impl Iterator<Item = Reservation<'_>> {
        let held =
            |range: PhysRange, owner| Reservation { range, owner, name: None, no_map: false };
        let machine = self.machine;
        let image = [held(self.image, Owner::KernelPadding)];
        let loaded = [(machine.device_tree, Owner::DeviceTree), (machine.initrd, Owner::Initrd)];
        let loaded =
            loaded.into_iter().filter_map(move |(range, owner)| Some(held(range?.into(), owner)));
        let of_tree = machine.reservations.iter().map(|one| {
            let range = PhysRange::from(one.range);
            Reservation {
                range: if one.no_map { range.covering_pages() } else { range },
                owner: if one.name.is_some() { Owner::ReservedMemory } else { Owner::MemReserve },
                name: one.name.as_deref(),
                no_map: one.no_map,
            }
        });
        image.into_iter().chain(loaded).chain(of_tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Shorthands;
    use mm::boot::split::Split;

    fn configuration(append: &str) -> Configuration {
        Configuration::new(Split::ThreeG, append, Shorthands::default())
    }

    #[test]
    fn a_gibibyte_of_ram() {
        let answer = predict(&Machine::virt(1 << 30), &configuration("vmalloc=1M")).unwrap();
        assert_eq!(answer.layout.high_memory.0, 0xfe00_0000);
        assert_eq!(answer.layout.warnings, ["vmalloc area is too small, limiting to 16MiB"]);
        assert_eq!(answer.layout.regions.len(), 10);
        let sums = &answer.account.tree;
        let all = sums.usable.values().chain(sums.reserved.values()).chain(sums.lost.values());
        assert_eq!(all.sum::<u64>() + sums.no_map, 1 << 30);
        assert!(answer.account.what_if.is_some());
    }

    #[test]
    fn what_can_not_be_is_named() {
        let error =
            |machine: &Machine| predict(machine, &configuration("")).unwrap_err().to_string();
        assert_eq!(error(&Machine::default()), "there is no memory bank");
        assert_eq!(error(&Machine::virt(0)), "the memory bank 0x40000000-0x40000000 is empty");
        let mut machine = Machine::virt(1 << 30);
        machine.kernel = Some(Range::from(PhysRange::new(PhysAddr::new(0), PhysAddr::new(0x1000))));
        assert!(error(&machine).contains("in no memory bank"));
    }
}
