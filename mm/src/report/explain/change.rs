//! What other settings would do, and where a boot loader may put things.
//!
//! A line is printed for what would change something here; each figure is of a trial.

use core::fmt::{Display, Formatter, Result, Write};

use super::{Count, Size};
use crate::addr::{MIB, PhysRange};
use crate::boot::explain::account::Totals;
use crate::boot::explain::class::Lost;
use crate::boot::explain::placement::Place;
use crate::boot::explain::what_if::{LargestVmalloc, OtherBank, Outcome, TrialError, Trials};
use crate::boot::explain::{Inventory, Situation};
use crate::boot::memblock::Region;
use crate::boot::split::{PKMAP_SIZE, Split};
use crate::boot::vmalloc_size::max_bytes;
use crate::zone::ZoneKind;

/// Writes what was tried, and what came of it.
pub(super) fn write<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    unused: &Unused,
    scratch: &mut [Region],
) -> Result {
    let now = match situation.trials(scratch) {
        Ok(trials) => {
            writeln!(out, "\nWhat would change it, by this kernel's own rules:")?;
            write_vmalloc(out, &trials, unused)?;
            write_highmem(out, trials.now())?;
            write_zone(out, &trials)?;
            trials.now().clone()
        }
        Err(error) => return untried(out, error),
    };
    match situation.without_mem(scratch) {
        Ok(without) => write_mem(out, &now, without.as_ref(), unused)?,
        Err(error) => untried(out, error)?,
    }
    match situation.lower_bank(&now, scratch) {
        Ok(other) => write_lower_bank(out, other.as_ref(), unused)?,
        Err(error) => untried(out, error)?,
    }
    write_lost(out, unused)?;
    match situation.trials(scratch) {
        Ok(trials) => write_splits(out, &trials, situation.command_line),
        Err(error) => untried(out, error),
    }
}

/// Says that trials failed.
pub(super) fn untried(out: &mut dyn Write, error: TrialError) -> Result {
    writeln!(out, "  what would change it could not be tried: {error}")
}

/// What is needed of an account here.
pub(super) struct Unused {
    /// What the RAM that may become lowmem is called.
    ram: &'static str,
    /// RAM that only `mem=` names, in bytes.
    invented: u64,
    /// Lost bytes, in the order of [`Lost::ALL`].
    lost: [u64; Lost::COUNT],
}

impl Unused {
    pub fn of(tree: &Totals, invented: u64, mem_given: bool) -> Self {
        let lost = tree.lost.each_ref().map(|sum| sum.bytes);
        let out_of_reach = [Lost::BelowPhysOffset, Lost::Above4G].map(|why| tree.lost(why).bytes);
        let ram = match (mem_given, out_of_reach) {
            (true, _) => "all RAM that mem= names",
            (false, [0, 0]) => "all RAM",
            (false, _) => "all RAM to map",
        };
        Self { ram, invented, lost }
    }

    fn lost(&self, reason: Lost) -> u64 {
        self.lost[reason as usize]
    }
}

fn write_vmalloc(out: &mut dyn Write, trials: &Trials<'_>, unused: &Unused) -> Result {
    let (now, ram) = (trials.now(), unused.ram);
    match trials.all_lowmem() {
        LargestVmalloc::Never => {
            let left = Size(trials.above_at_least());
            writeln!(
                out,
                "  no vmalloc= makes {ram} lowmem: the least, 16M, leaves {left} above it"
            )?;
        }
        LargestVmalloc::Bytes(bytes) if now.above_lowmem() > 0 => {
            let mib = bytes >> 20;
            writeln!(
                out,
                "  vmalloc={mib}M, or less, makes {ram} lowmem (to the byte: vmalloc={bytes})"
            )?;
        }
        LargestVmalloc::Bytes(bytes) if bytes < max_bytes(now.request.split) => {
            writeln!(out, "  up to vmalloc={}M {ram} stays lowmem", bytes >> 20)?;
        }
        LargestVmalloc::Bytes(_) => {
            writeln!(out, "  {ram} stays lowmem whatever vmalloc= says")?;
        }
    }
    if let Some((bytes, _)) = trials.whole_page() {
        writeln!(out, "  vmalloc={bytes} does not end lowmem inside a page")?;
    }
    Ok(())
}

fn write_highmem(out: &mut dyn Write, now: &Outcome) -> Result {
    let bytes = now.highmem_pages();
    let above = Size(bytes);
    let pkmap = Size(u64::from(PKMAP_SIZE));
    match (now.layout.highmem, bytes) {
        (true, 0) => writeln!(out, "  nohighmem loses nothing, and gives modules {pkmap}"),
        (true, _) => writeln!(out, "  nohighmem loses {above}, and gives modules {pkmap}"),
        (false, 0) => writeln!(out, "  without nohighmem nothing is gained: there is no more RAM"),
        (false, _) => writeln!(out, "  without nohighmem {above} come back, as HighMem"),
    }
}

fn write_zone(out: &mut dyn Write, trials: &Trials<'_>) -> Result {
    let Some((bytes, _)) = trials.all_dma() else { return Ok(()) };
    let normal = Size(trials.now().zone_bytes(ZoneKind::Normal));
    let mib = bytes / MIB;
    writeln!(out, "  dma_zone={mib}M makes all lowmem DMA, the {normal} of zone Normal too")
}

fn write_mem(
    out: &mut dyn Write,
    now: &Outcome,
    without: Option<&Outcome>,
    unused: &Unused,
) -> Result {
    if let Some(without) = without {
        let (then, now) = (Size(without.used()), Size(now.used()));
        writeln!(out, "  without mem= {then} of RAM are used, {now} now")?;
    }
    if unused.invented > 0 {
        let invented = Size(unused.invented);
        writeln!(out, "  mem= names {invented} that the tree does not: if it is a typo, mend it")?;
    }
    Ok(())
}

fn write_lower_bank(out: &mut dyn Write, other: Option<&OtherBank>, unused: &Unused) -> Result {
    match other {
        Some(OtherBank { bank, outcome, below }) => {
            writeln!(out, "  a kernel loaded into bank {bank} has")?;
            writeln!(out, "    {}", Gives(outcome))?;
            if *below > 0 {
                writeln!(out, "    and {} still lie below PHYS_OFFSET", Size(*below))?;
            }
            Ok(())
        }
        None if unused.lost(Lost::BelowPhysOffset) > 0 => {
            writeln!(out, "  no lower bank has room for the kernel and makes more RAM usable")
        }
        None => Ok(()),
    }
}

fn write_lost(out: &mut dyn Write, unused: &Unused) -> Result {
    if unused.lost(Lost::Above4G) > 0 {
        writeln!(out, "  no setting reaches RAM above 4 GiB: the machine must have it lower")?;
    }
    if unused.lost(Lost::PartialPage) > 0 {
        writeln!(out, "  banks that begin and end on multiples of 4096 lose no parts of pages")?;
    }
    Ok(())
}

/// What an outcome gives, in words.
struct Gives<'r>(&'r Outcome);

impl Display for Gives<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Outcome { lowmem, highmem, lost, .. } = self.0;
        write!(f, "{} lowmem, ", Size(*lowmem))?;
        if self.0.layout.highmem {
            write!(f, "{} HighMem", Size(*highmem))
        } else {
            write!(f, "{} lost above it", Size(*lost))
        }
    }
}

/// The table of splits, in whole MiB.
fn write_splits(out: &mut dyn Write, trials: &Trials<'_>, command_line: &str) -> Result {
    let now = &trials.now().layout;
    let highmem = if now.highmem { "HighMem" } else { "lost" };
    writeln!(
        out,
        "  another split needs a kernel, and modules, built for it. With this command line, in MiB:"
    )?;
    writeln!(out, "    split     lowmem {highmem:>8}  vmalloc     user")?;
    let user_now = now.user().len();
    for split in Split::ALL {
        let Some(outcome) = trials.split(split, command_line) else { continue };
        let layout = &outcome.layout;
        let mib = |bytes: u64| bytes / MIB;
        let (vmalloc, user) = (u64::from(layout.vmalloc().len()), u64::from(layout.user().len()));
        write!(
            out,
            "    {:<7}{:>9}{:>9}{:>9}{:>9}",
            layout.split.name(),
            mib(outcome.lowmem),
            mib(outcome.above_lowmem()),
            mib(vmalloc),
            mib(user),
        )?;
        if layout.split == now.split {
            writeln!(out, "  this kernel")?;
        } else {
            let more = if layout.user().len() > user_now { "more" } else { "less" };
            let cost = u64::from(layout.user().len().abs_diff(user_now));
            writeln!(out, "  {} {more} for programs", Size(cost))?;
        }
    }
    Ok(())
}

/// Writes where things were loaded and where they would be safe.
pub(super) fn write_places<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    scratch: &mut [Region],
) -> Result {
    let loaded = situation.loaded;
    let things = [
        ("kernel", Some(loaded.image)),
        ("device tree", Some(loaded.dtb)),
        ("initrd", loaded.initrd),
    ];
    writeln!(out, "\nLoaded:")?;
    for (what, range) in things {
        if let Some(range) = range.filter(|range| !range.is_empty()) {
            write!(out, "  {what:<12}{range}  ")?;
            write_place(out, situation, range, scratch)?;
        }
    }
    if let Some((first, last)) = situation.image_starts() {
        let place = situation.image_place().start();
        writeln!(
            out,
            "  the kernel may be loaded at any page from {first} to {last} where its memory is free,"
        )?;
        writeln!(out, "    and moves to {place}")?;
    }
    match situation.safe_range(situation.lowmem()) {
        Some(safe) => writeln!(out, "  the largest range safe for device tree and initrd: {safe}")?,
        None => writeln!(out, "  nothing of lowmem is left for a device tree or an initrd")?,
    }
    match situation.safe_range(situation.always_lowmem()) {
        Some(always) => {
            writeln!(out, "  the largest that is so with any vmalloc= and any split: {always}")
        }
        None => Ok(()),
    }
}

fn write_place<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    range: PhysRange,
    scratch: &mut [Region],
) -> Result {
    out.write_str(match situation.place_of(range) {
        Place::OutsideRam => return writeln!(out, "not RAM of the tree"),
        Place::Unused => "RAM that is not used",
        Place::Lowmem => "",
        Place::HighMem => "HighMem, out of the linear map",
        Place::Across => "across the end of lowmem",
    })?;
    let Ok(trials) = situation.trials(scratch) else { return writeln!(out) };
    if !trials.maps(range) {
        // It is not for want of HighMem that it is not used.
        return writeln!(out);
    }
    if situation.place_of(range) != Place::Lowmem {
        out.write_str("; ")?;
    }
    let most = max_bytes(situation.layout.split);
    match trials.largest_vmalloc_for(range) {
        LargestVmalloc::Bytes(bytes) if bytes == most => {
            writeln!(out, "lowmem whatever vmalloc= says")
        }
        LargestVmalloc::Bytes(bytes) => writeln!(out, "lowmem up to vmalloc={}M", bytes >> 20),
        LargestVmalloc::Never => writeln!(out, "lowmem with no vmalloc="),
    }
}

/// What would change the place of `range`, which is RAM in use, as one line.
pub(super) fn write_place_of<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    range: PhysRange,
    scratch: &mut [Region],
) -> Result {
    let trials = match situation.trials(scratch) {
        Ok(trials) => trials,
        Err(error) => return untried(out, error),
    };
    match trials.largest_vmalloc_for(range) {
        LargestVmalloc::Bytes(bytes) if bytes == max_bytes(situation.layout.split) => {
            writeln!(out, "  it is lowmem whatever vmalloc= says")?;
        }
        LargestVmalloc::Bytes(bytes) => {
            let mib = bytes >> 20;
            let then = if situation.layout.highmem { "HighMem" } else { "lost" };
            writeln!(out, "  it is lowmem up to vmalloc={mib}M, and {then} above that")?;
        }
        LargestVmalloc::Never => writeln!(out, "  no vmalloc= makes it lowmem")?,
    }
    let is_lowmem = |split: &Split| {
        let outcome = trials.split(*split, situation.command_line);
        outcome.is_some_and(|outcome| range.end() <= outcome.layout.lowmem_end)
    };
    let splits = || Split::ALL.into_iter().filter(is_lowmem);
    let count = u32::try_from(splits().count()).unwrap_or(u32::MAX);
    out.write_str("  with this command line it is lowmem under ")?;
    if count == 0 {
        return writeln!(out, "no split of this kernel");
    }
    write!(out, "{}", Count(count, "split"))?;
    for (index, split) in splits().enumerate() {
        write!(out, "{}{}", if index == 0 { ": " } else { ", " }, split.name())?;
    }
    writeln!(out)
}
