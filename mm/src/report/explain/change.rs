//! What other settings would do, and where a boot loader may put things.
//!
//! A line is printed for what would change something here; each figure is of a trial.

use core::fmt::{Display, Formatter, Result, Write};

use super::{Count, Size};
use crate::addr::{MIB, PhysRange};
use crate::boot::explain::account::Account;
use crate::boot::explain::class::Lost;
use crate::boot::explain::placement::Place;
use crate::boot::explain::what_if::{LargestVmalloc, Outcome, WhatIf};
use crate::boot::explain::{Inventory, Situation};
use crate::boot::memblock::Region;
use crate::boot::split::PKMAP_SIZE;
use crate::boot::vmalloc_size::max_bytes;
use crate::zone::ZoneKind;

/// Writes what was tried, and what came of it.
pub(super) fn write<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    account: &Account,
    scratch: &mut [Region],
) -> Result {
    let what_if = match situation.what_if(scratch) {
        Ok(what_if) => what_if,
        Err(error) => return writeln!(out, "\nWhat would change it could not be tried: {error}"),
    };
    writeln!(out, "\nWhat would change it, by this kernel's own rules:")?;
    write_vmalloc(out, &what_if)?;
    write_highmem(out, &what_if)?;
    write_zone(out, &what_if)?;
    write_lost(out, account, &what_if)?;
    write_splits(out, &what_if)
}

fn write_vmalloc(out: &mut dyn Write, what_if: &WhatIf) -> Result {
    let now = &what_if.now;
    match what_if.all_lowmem {
        LargestVmalloc::Never => {
            let left = Size(what_if.above_at_least);
            writeln!(
                out,
                "  no vmalloc= makes all RAM lowmem: the least, 16M, leaves {left} above"
            )?;
        }
        LargestVmalloc::Bytes(bytes) if now.above_lowmem() > 0 => {
            let mib = bytes >> 20;
            writeln!(
                out,
                "  vmalloc={mib}M, or less, makes all RAM lowmem (to the byte: vmalloc={bytes})"
            )?;
        }
        LargestVmalloc::Bytes(bytes) if bytes < max_bytes(now.request.split) => {
            writeln!(out, "  up to vmalloc={}M all RAM stays lowmem", bytes >> 20)?;
        }
        LargestVmalloc::Bytes(_) => {
            writeln!(out, "  all RAM stays lowmem whatever vmalloc= says")?;
        }
    }
    if let Some((bytes, _)) = &what_if.whole_page {
        writeln!(out, "  vmalloc={bytes} does not end lowmem inside a page")?;
    }
    Ok(())
}

fn write_highmem(out: &mut dyn Write, what_if: &WhatIf) -> Result {
    let above = Size(what_if.now.above_lowmem());
    let pkmap = Size(u64::from(PKMAP_SIZE));
    match (what_if.now.layout.highmem, what_if.now.above_lowmem()) {
        (true, 0) => writeln!(out, "  nohighmem loses nothing, and gives modules {pkmap}"),
        (true, _) => writeln!(out, "  nohighmem loses {above}, and gives modules {pkmap}"),
        (false, 0) => writeln!(out, "  without nohighmem nothing is gained: there is no more RAM"),
        (false, _) => writeln!(out, "  without nohighmem {above} come back, as HighMem"),
    }
}

fn write_zone(out: &mut dyn Write, what_if: &WhatIf) -> Result {
    let Some((bytes, _)) = &what_if.all_dma else { return Ok(()) };
    let normal = Size(what_if.now.zone_bytes(ZoneKind::Normal));
    let mib = bytes / MIB;
    writeln!(out, "  dma_zone={mib}M makes all lowmem DMA, the {normal} of zone Normal too")
}

fn write_lost(out: &mut dyn Write, account: &Account, what_if: &WhatIf) -> Result {
    let lost = |reason| account.tree.lost(reason).bytes;
    if let Some(without) = &what_if.without_mem {
        let (then, now) = (Size(without.used()), Size(what_if.now.used()));
        writeln!(out, "  without mem= {then} of RAM are used, {now} now")?;
    }
    if account.invented.bytes() > 0 {
        let invented = Size(account.invented.bytes());
        writeln!(out, "  mem= names {invented} that the tree does not: if it is a typo, mend it")?;
    }
    match &what_if.lower_bank {
        Some(other) => {
            let (bank, outcome) = (other.bank, &other.outcome);
            writeln!(out, "  a kernel loaded into bank {bank} has")?;
            writeln!(out, "    {}", Gives(outcome))?;
            if other.below > 0 {
                writeln!(out, "    and {} still lie below PHYS_OFFSET", Size(other.below))?;
            }
        }
        None if lost(Lost::BelowPhysOffset) > 0 => {
            writeln!(out, "  no lower bank has room for the kernel and makes more RAM usable")?;
        }
        None => {}
    }
    if lost(Lost::Above4G) > 0 {
        writeln!(out, "  no setting reaches RAM above 4 GiB: the machine must have it lower")?;
    }
    if lost(Lost::PartialPage) > 0 {
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
fn write_splits(out: &mut dyn Write, what_if: &WhatIf) -> Result {
    let highmem = if what_if.now.layout.highmem { "HighMem" } else { "lost" };
    writeln!(
        out,
        "  another split needs a kernel, and modules, built for it. With this command line, in MiB:"
    )?;
    writeln!(out, "    split     lowmem {highmem:>8}  vmalloc     user")?;
    let user_now = what_if.now.layout.user().len();
    for outcome in what_if.splits.iter().flatten() {
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
        if layout.split == what_if.now.layout.split {
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
    if let Some(bank) = situation.kernel_bank() {
        let place = situation.image_place().start();
        writeln!(out, "  the kernel may be loaded at any page of {bank}, and moves to {place}")?;
    }
    match situation.safe_range(situation.lowmem()) {
        Some(safe) => writeln!(out, "  safe for device tree and initrd: {safe}")?,
        None => writeln!(out, "  nothing of lowmem is left for a device tree or an initrd")?,
    }
    match situation.safe_range(situation.always_lowmem()) {
        Some(always) => writeln!(out, "  and with any vmalloc=, any split: {always}"),
        None => Ok(()),
    }
}

fn write_place<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    range: PhysRange,
    scratch: &mut [Region],
) -> Result {
    match situation.place_of(range) {
        Place::OutsideRam => return writeln!(out, "not RAM of the tree"),
        Place::Unused => return writeln!(out, "RAM that is not used"),
        Place::Lowmem => {}
        Place::HighMem => write!(out, "HighMem, out of the linear map; ")?,
        Place::Across => write!(out, "across the end of lowmem; ")?,
    }
    let most = max_bytes(situation.layout.split);
    match situation.largest_vmalloc_for(range, scratch) {
        Ok(LargestVmalloc::Bytes(bytes)) if bytes == most => {
            writeln!(out, "lowmem whatever vmalloc= says")
        }
        Ok(LargestVmalloc::Bytes(bytes)) => {
            writeln!(out, "lowmem up to vmalloc={}M", bytes >> 20)
        }
        Ok(LargestVmalloc::Never) => writeln!(out, "lowmem with no vmalloc="),
        Err(_) => writeln!(out),
    }
}

/// What would change the place of `range`, which is RAM in use, as one line.
pub(super) fn write_place_of<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    range: PhysRange,
    scratch: &mut [Region],
) -> Result {
    let split = situation.layout.split;
    match situation.largest_vmalloc_for(range, scratch) {
        Ok(LargestVmalloc::Bytes(bytes)) if bytes == max_bytes(split) => {
            writeln!(out, "  it is lowmem whatever vmalloc= says")?;
        }
        Ok(LargestVmalloc::Bytes(bytes)) => {
            let mib = bytes >> 20;
            let then = if situation.layout.highmem { "HighMem" } else { "lost" };
            writeln!(out, "  it is lowmem up to vmalloc={mib}M, and {then} above that")?;
        }
        Ok(LargestVmalloc::Never) => writeln!(out, "  no vmalloc= makes it lowmem")?,
        Err(error) => return writeln!(out, "  what would change it could not be tried: {error}"),
    }
    let Ok(what_if) = situation.what_if(scratch) else { return Ok(()) };
    let lowmem = |outcome: &&Outcome| range.end() <= outcome.layout.lowmem_end;
    let splits = || what_if.splits.iter().flatten().filter(lowmem).map(|one| one.layout.split);
    let count = splits().count();
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    write!(out, "  with this command line it is lowmem under {}", Count(count, "split"))?;
    for (index, split) in splits().enumerate() {
        write!(out, "{}{}", if index == 0 { ": " } else { ", " }, split.name())?;
    }
    writeln!(out)
}
