//! The account for programs: one object on one line, keys that stay what they are.
//!
//! Bytes and counts are integers, addresses strings, as in `layout --json`. Ranges end before
//! `end`. What does not exist is `null`.

use core::fmt::{self, Write};

use super::{ALIGN_SHIFTS, Live, ZonePages};
use crate::addr::PhysRange;
use crate::boot::explain::account::{Sum, Totals};
use crate::boot::explain::arithmetic::Because;
use crate::boot::explain::class::{Class, Lost, Owner};
use crate::boot::explain::placement::Place;
use crate::boot::explain::what_if::{LargestVmalloc, Outcome, TrialError, Trials};
use crate::boot::explain::{Inventory, Situation};
use crate::boot::memblock::Region;
use crate::boot::split::Split;
use crate::report::layout::JsonText;
use crate::zone::ZoneKind;

/// Writes the object. `scratch` is for [`Situation::trials`]; what could not be tried is
/// `null`.
///
/// # Errors
///
/// Only those of `out`.
pub fn write_json<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    live: Live,
    scratch: &mut [Region],
) -> fmt::Result {
    write!(out, "{{\"ram\":{},\"banks\":{}", situation.ram_bytes(), situation.bank_count())?;
    write_sums(out, "tree", &situation.account())?;
    write_sums(out, "beyond_tree", &situation.account_beyond_tree())?;
    let (sum, layout) = (situation.arithmetic(), situation.layout);
    write!(out, ",\"split\":\"{}\"", layout.split.name())?;
    write!(out, ",\"phys_offset\":\"{}\"", layout.phys_offset)?;
    write!(out, ",\"lowmem_end\":\"{}\",\"limit\":\"{}\"", sum.lowmem_end, sum.limit)?;
    let because = match sum.because {
        Because::Limit => "limit",
        Because::RamEnds => "ram_ends",
        Because::Gap(_) => "gap",
    };
    write!(out, ",\"because\":\"{because}\"")?;
    write!(out, ",\"vmalloc\":{{\"kept\":{}", sum.request.vmalloc_bytes)?;
    let vmalloc = layout.vmalloc();
    write!(out, ",\"start\":\"{}\",\"end\":\"{}\"", vmalloc.start(), vmalloc.end())?;
    if let Some(room) = live.vmalloc {
        write!(out, ",\"taken\":{},\"largest\":{{", room.taken)?;
        for (index, (shift, largest)) in ALIGN_SHIFTS.into_iter().zip(room.largest).enumerate() {
            write!(out, "{}\"{}\":{largest}", comma(index), 1_u32 << shift)?;
        }
        out.write_char('}')?;
    }
    out.write_str("},\"what_if\":")?;
    write_what_if(out, situation, scratch)?;
    write_places(out, situation)?;
    if let Some(zones) = live.zones {
        out.write_str(",\"zones\":{")?;
        for (kind, ZonePages { managed, free }) in ZoneKind::ALL.into_iter().zip(zones) {
            let comma = comma(kind.index());
            write!(out, "{comma}\"{kind}\":{{\"managed\":{managed},\"free\":{free}}}")?;
        }
        out.write_char('}')?;
    }
    write_ranges(out, situation)?;
    out.write_str("}\n")
}

const fn comma(index: usize) -> &'static str {
    if index == 0 { "" } else { "," }
}

/// Bytes by class.
fn write_sums(out: &mut dyn Write, key: &str, totals: &Totals) -> fmt::Result {
    write!(out, ",\"{key}\":{{\"usable\":{{")?;
    write_bytes(out, ZoneKind::ALL.iter().map(|kind| kind.name()).zip(&totals.usable))?;
    out.write_str("},\"reserved\":{")?;
    write_bytes(out, Owner::ALL.iter().map(|owner| owner.key()).zip(&totals.reserved))?;
    write!(out, "}},\"no_map\":{},\"lost\":{{", totals.no_map.bytes)?;
    write_bytes(out, Lost::ALL.iter().map(|lost| lost.key()).zip(&totals.lost))?;
    out.write_str("}}")
}

fn write_bytes<'r>(
    out: &mut dyn Write,
    sums: impl Iterator<Item = (&'static str, &'r Sum)>,
) -> fmt::Result {
    for (index, (key, sum)) in sums.enumerate() {
        write!(out, "{}\"{key}\":{}", comma(index), sum.bytes)?;
    }
    Ok(())
}

fn write_what_if<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    scratch: &mut [Region],
) -> fmt::Result {
    let now = match situation.trials(scratch) {
        Ok(trials) => {
            write_trials(out, &trials, situation.command_line)?;
            trials.now().clone()
        }
        Err(_) => return out.write_str("null"),
    };
    let outcome = |out: &mut dyn Write, key, tried: Result<Option<Outcome>, TrialError>| {
        write_outcome(out, key, tried.ok().flatten().as_ref())
    };
    outcome(out, ",\"without_mem\":", situation.without_mem(scratch))?;
    let lower = situation.lower_bank(&now, scratch);
    outcome(out, ",\"lower_bank\":", lower.map(|other| other.map(|other| other.outcome)))?;
    out.write_char('}')
}

fn write_trials(out: &mut dyn Write, trials: &Trials<'_>, command_line: &str) -> fmt::Result {
    out.write_str("{\"vmalloc_all_lowmem\":")?;
    match trials.all_lowmem() {
        LargestVmalloc::Bytes(bytes) => write!(out, "{bytes}")?,
        LargestVmalloc::Never => out.write_str("null")?,
    }
    write!(out, ",\"above_lowmem_with_vmalloc_16m\":{}", trials.above_at_least())?;
    write_outcome(out, ",\"now\":", Some(trials.now()))?;
    write_outcome(out, ",\"other_highmem\":", trials.other_highmem().as_ref())?;
    write_outcome(out, ",\"all_dma\":", trials.all_dma().map(|(_, outcome)| outcome).as_ref())?;
    let whole_page = trials.whole_page().map(|(_, outcome)| outcome);
    write_outcome(out, ",\"whole_page\":", whole_page.as_ref())?;
    out.write_str(",\"splits\":[")?;
    for (index, split) in Split::ALL.into_iter().enumerate() {
        write_outcome(out, comma(index), trials.split(split, command_line).as_ref())?;
    }
    out.write_char(']')
}

fn write_outcome(out: &mut dyn Write, key: &str, outcome: Option<&Outcome>) -> fmt::Result {
    out.write_str(key)?;
    let Some(Outcome { request, layout, lowmem, highmem, lost, limit_page }) = outcome else {
        return out.write_str("null");
    };
    write!(out, "{{\"split\":\"{}\"", request.split.name())?;
    write!(out, ",\"phys_offset\":\"{}\"", request.phys_offset)?;
    write!(out, ",\"vmalloc_kept\":{}", request.vmalloc_bytes)?;
    match request.dma_bytes {
        Some(bytes) => write!(out, ",\"dma_zone\":{bytes}")?,
        None => out.write_str(",\"dma_zone\":null")?,
    }
    write!(out, ",\"highmem_used\":{}", request.highmem)?;
    write!(out, ",\"lowmem\":{lowmem},\"highmem\":{highmem},\"lost\":{lost}")?;
    write!(out, ",\"limit_page\":{limit_page}")?;
    let (vmalloc, user) = (layout.vmalloc().len(), layout.user().len());
    write!(out, ",\"vmalloc\":{vmalloc},\"user\":{user}}}")
}

fn write_places<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
) -> fmt::Result {
    out.write_str(",\"loaded\":{")?;
    let loaded = situation.loaded;
    let dtb = Some(loaded.dtb).filter(|dtb| !dtb.is_empty());
    let things = [("kernel", Some(loaded.image)), ("device_tree", dtb), ("initrd", loaded.initrd)];
    for (index, (key, range)) in things.into_iter().enumerate() {
        write!(out, "{}\"{key}\":", comma(index))?;
        let Some(range) = range else {
            out.write_str("null")?;
            continue;
        };
        let place = match situation.place_of(range) {
            Place::Lowmem => "lowmem",
            Place::HighMem => "highmem",
            Place::Across => "across",
            Place::Unused => "unused",
            Place::OutsideRam => "outside_ram",
        };
        out.write_char('{')?;
        write_range(out, range)?;
        write!(out, ",\"place\":\"{place}\"}}")?;
    }
    out.write_str("},\"safe\":")?;
    let Some(safe) = situation.safe_range(situation.lowmem()) else { return out.write_str("null") };
    out.write_char('{')?;
    write_range(out, safe)?;
    out.write_char('}')
}

fn write_range(out: &mut dyn Write, range: PhysRange) -> fmt::Result {
    write!(out, "\"start\":\"{}\",\"end\":\"{}\"", range.start(), range.end())
}

/// Every range of the tree's RAM, then of what only `mem=` names.
fn write_ranges<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
) -> fmt::Result {
    out.write_str(",\"ranges\":[")?;
    let (mut index, mut result) = (0_usize, Ok(()));
    let mut show = |range: PhysRange, class: Class<'_>, in_tree: bool| {
        if result.is_ok() {
            result =
                out.write_str(comma(index)).and_then(|()| write_class(out, range, class, in_tree));
            index += 1;
        }
    };
    situation.for_each(|range, class| show(range, class, true));
    situation.for_each_invented(|range, class| show(range, class, false));
    result?;
    out.write_char(']')
}

fn write_class(
    out: &mut dyn Write,
    range: PhysRange,
    class: Class<'_>,
    in_tree: bool,
) -> fmt::Result {
    out.write_char('{')?;
    write_range(out, range)?;
    write!(out, ",\"in_tree\":{in_tree}")?;
    let name = match class {
        Class::Usable(kind) => {
            write!(out, ",\"class\":\"usable\",\"zone\":\"{kind}\"")?;
            None
        }
        Class::Reserved { owner, name } => {
            write!(out, ",\"class\":\"reserved\",\"owner\":\"{}\"", owner.key())?;
            name
        }
        Class::NoMap(name) => {
            out.write_str(",\"class\":\"no_map\"")?;
            name
        }
        Class::Lost(reason) => {
            write!(out, ",\"class\":\"lost\",\"reason\":\"{}\"", reason.key())?;
            None
        }
    };
    if let Some(name) = name {
        out.write_str(",\"name\":\"")?;
        write!(JsonText(out), "{name}")?;
        out.write_char('"')?;
    }
    out.write_char('}')
}
