//! Where every byte of RAM went, as text: short at the top, then why, then what would change it.
//!
//! | file | what |
//! |---|---|
//! | this | the account, the sum that ends lowmem, who has what, the page allocator |
//! | `change` | what other settings would do, and where a boot loader may put things |
//! | `address` | one physical address |
//! | `json` | all of it for programs |
//!
//! Everything is printed from a [`Situation`]: on the host a prediction, in the kernel what booted.
//! No line is longer than 99 columns: what a tree or a command line names is cut short for that.

mod address;
mod change;
mod json;
#[cfg(test)]
mod tests;

use core::fmt::{self, Display, Write};

use crate::addr::{KIB, MIB, PAGE_SIZE, VirtRange};
use crate::boot::explain::account::{Sum, Totals};
use crate::boot::explain::arithmetic::{Arithmetic, Because, VmallocFrom};
use crate::boot::explain::class::{Class, Lost, Owner};
use crate::boot::explain::{Inventory, Situation};
use crate::boot::layout::VMALLOC_END;
use crate::boot::memblock::Region;
use crate::zone::ZoneKind;

pub use address::write_address;
use change::Unused;
pub use json::write_json;

/// What only a running kernel knows.
#[derive(Clone, Copy, Default, Debug)]
pub struct Live {
    /// What the vmalloc region has left.
    pub vmalloc: Option<VmallocRoom>,
    /// The page allocator's zones, lowest first.
    pub zones: Option<[ZonePages; ZoneKind::COUNT]>,
}

/// What the vmalloc region has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VmallocRoom {
    /// Bytes that areas and their guard pages have.
    pub taken: u32,
    /// The largest area, in bytes, that fits at a multiple of 2 to each of [`ALIGN_SHIFTS`].
    pub largest: [u32; ALIGN_SHIFTS.len()],
}

impl VmallocRoom {
    /// What `region` has before anybody has taken of it. An area ends a guard page before the next.
    #[must_use]
    pub fn empty(region: VirtRange) -> Self {
        Self::after(region, 0)
    }

    /// What `region` has left whose first bytes are taken.
    fn after(region: VirtRange, taken: u32) -> Self {
        let (start, end) = (region.start().as_u32(), region.end().as_u32());
        let (first, end) = (start.saturating_add(taken), end.saturating_sub(PAGE_SIZE));
        let largest = ALIGN_SHIFTS.map(|shift| {
            first.checked_next_multiple_of(1 << shift).map_or(0, |start| end.saturating_sub(start))
        });
        Self { taken, largest }
    }
}

/// Alignments for which the largest room in the vmalloc region is printed, as powers of two.
pub const ALIGN_SHIFTS: [u32; 3] = [20, 22, 24];

/// The pages of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ZonePages {
    /// Pages that the allocator got.
    pub managed: u32,
    /// Pages that are free.
    pub free: u32,
}

/// Ranges with a name of the tree that are listed one by one; of more, only the number is said.
const LISTED: u32 = 16;

/// Writes the whole report. `scratch` is for [`Situation::trials`].
///
/// # Errors
///
/// Only those of `out`. What could not be tried is said in the report.
pub fn write<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    live: Live,
    scratch: &mut [Region],
) -> fmt::Result {
    // Each part has the account for as long as it needs it: a kernel's stack is small.
    let unused = write_sums(out, situation)?;
    change::write(out, situation, &unused, scratch)?;
    change::write_places(out, situation, scratch)?;
    write_vmalloc(out, situation, live)?;
    write_zones(out, situation, live)
}

/// The account, and why it is so.
#[inline(never)]
fn write_sums<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
) -> Result<Unused, fmt::Error> {
    let (tree, arithmetic) = (situation.account(), situation.arithmetic());
    write_account(out, situation, &tree, &arithmetic)?;
    let beyond = write_beyond_tree(out, situation)?;
    write_arithmetic(out, situation, &arithmetic)?;
    write_reserved(out, situation, &tree)?;
    write_lost(out, situation, &tree)?;
    Ok(Unused::of(&tree, beyond, situation.mem_given()))
}

/// The last row of the first table. Returns its bytes.
#[inline(never)]
fn write_beyond_tree<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
) -> Result<u64, fmt::Error> {
    let beyond = situation.account_beyond_tree();
    if beyond.bytes() > 0 {
        let usable = Size(beyond.usable_bytes());
        let why = format_args!("named by mem= only; usable {usable}");
        row(out, &"RAM beyond the tree", beyond.bytes(), &why)?;
    }
    Ok(beyond.bytes())
}

/// One row of a table of bytes.
fn row(out: &mut dyn Write, what: &dyn Display, bytes: u64, text: &dyn Display) -> fmt::Result {
    let thousandths = (bytes % MIB) * 1000 / MIB;
    let what = Padded(what);
    writeln!(out, "  {what:<25}{bytes:>12}{:>7}.{thousandths:03}  {text}", bytes / MIB)
}

/// Obeys a width, which what is put together of several parts does not. At most 40 bytes.
struct Padded<'r>(&'r dyn Display);

impl Display for Padded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = arrayvec::ArrayString::<40>::new();
        // What does not fit is cut off.
        let _ = write!(text, "{}", self.0);
        f.pad(&text)
    }
}

fn write_account<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    tree: &Totals,
    arithmetic: &Arithmetic<'_>,
) -> fmt::Result {
    writeln!(out, "  {:<25}{:>12}{:>11}  why", "RAM", "bytes", "MiB")?;
    for kind in ZoneKind::ALL {
        let bytes = tree.usable[kind.index()].bytes;
        if bytes > 0 {
            let why = WhyZone { kind, situation, dma_bytes: arithmetic.request.dma_bytes };
            row(out, &format_args!("usable, zone {kind}"), bytes, &why)?;
        }
    }
    row(out, &"reserved", tree.reserved_bytes(), &"in use since boot, see below")?;
    if tree.no_map.bytes > 0 {
        row(out, &"no-map", tree.no_map.bytes, &"the device tree forbids to map it")?;
    }
    for reason in Lost::ALL {
        let bytes = tree.lost(reason).bytes;
        if bytes > 0 {
            row(out, &reason.name(), bytes, &WhyLost { reason, situation })?;
        }
    }
    let banks = Count(situation.bank_count(), "bank");
    row(out, &"all RAM in the tree", situation.ram_bytes(), &format_args!("in {banks}"))
}

/// Why memory is in its zone.
struct WhyZone<'r, 'a, 's, I> {
    kind: ZoneKind,
    situation: &'r Situation<'a, 's, I>,
    dma_bytes: Option<u64>,
}

impl<I> Display for WhyZone<'_, '_, '_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = self.situation.layout;
        let dma_end = layout.zones[ZoneKind::Dma.index()].range.end().start();
        match (self.kind, self.dma_bytes) {
            (ZoneKind::Dma, None) => f.write_str("lowmem; without dma_zone= devices reach it all"),
            (ZoneKind::Dma, Some(_)) => write!(f, "lowmem below {dma_end}, the devices' limit"),
            (ZoneKind::Normal, _) => f.write_str("lowmem above the devices' limit"),
            (ZoneKind::HighMem, _) => {
                write!(f, "above lowmem, which ends at {}", layout.lowmem_end)
            }
        }
    }
}

/// Why RAM is not used.
struct WhyLost<'r, 'a, 's, I> {
    reason: Lost,
    situation: &'r Situation<'a, 's, I>,
}

impl<I> Display for WhyLost<'_, '_, '_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = self.situation.layout;
        match self.reason {
            Lost::BelowPhysOffset => {
                write!(f, "the linear map begins at {}", layout.phys_offset)
            }
            Lost::Above4G => f.write_str("short descriptors reach 4 GiB"),
            Lost::PartialPage => f.write_str("its bank ends or begins inside a page"),
            Lost::LeftOut => f.write_str("mem= does not name it"),
            Lost::NoHighMem => write!(f, "above {}, and nohighmem", layout.lowmem_end),
            Lost::LimitPage => write!(f, "lowmem ends inside the page, at {}", layout.lowmem_end),
        }
    }
}

fn write_arithmetic<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    sum: &Arithmetic<'_>,
) -> fmt::Result {
    let end = sum.lowmem_end;
    writeln!(out)?;
    match sum.because {
        Because::Limit => writeln!(
            out,
            "Lowmem ends at {end}: the linear map has no more addresses, and RAM goes on."
        )?,
        Because::RamEnds => {
            writeln!(out, "Lowmem ends at {end}, where the RAM to map ends: all of it is lowmem.")?;
        }
        Because::Gap(next) => writeln!(
            out,
            "Lowmem ends at {end}: the next RAM to map is at {next}, beyond the limit."
        )?,
    }
    let request = &sum.request;
    let line = |out: &mut dyn Write, sign: char, bytes: u64, what: fmt::Arguments<'_>| {
        writeln!(out, "  {sign} {:>16}  {what}", Size(bytes))
    };
    let (offset, split) = (request.split.page_offset(), request.split.name());
    line(
        out,
        ' ',
        sum.kernel,
        format_args!("of kernel addresses from PAGE_OFFSET {offset} on ({split} split)"),
    )?;
    line(
        out,
        '-',
        sum.above_vmalloc,
        format_args!("above VMALLOC_END {VMALLOC_END}: device tree, DMA, fixmap, vectors"),
    )?;
    let from = sum.vmalloc_from;
    line(out, '-', u64::from(request.vmalloc_bytes), format_args!("for vmalloc, {from}"))?;
    line(out, '-', sum.gap, format_args!("for the gap between lowmem and vmalloc"))?;
    let (start, limit) = (request.phys_offset, sum.limit);
    line(
        out,
        '=',
        sum.linear,
        format_args!("for the linear map of {start} to {limit}, the limit"),
    )?;
    let vmalloc = situation.layout.vmalloc();
    writeln!(out, "vmalloc has what is left: {vmalloc}, {}.", Size(u64::from(vmalloc.len())))
}

impl Display for VmallocFrom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::Given(value) => write!(f, "by vmalloc={value:.24}"),
            Self::Clamped(value) => write!(f, "the nearest there is to vmalloc={value:.24}"),
        }
    }
}

fn write_reserved<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    tree: &Totals,
) -> fmt::Result {
    writeln!(out, "\n  {:<25}{:>12}{:>11}  where", "Reserved", "bytes", "MiB")?;
    for owner in Owner::ALL {
        let sum = tree.reserved(owner);
        if sum.bytes > 0 {
            row(out, &owner.name(), sum.bytes, &Where(sum))?;
        }
        if owner == Owner::ReservedMemory {
            let class = |class| match class {
                Class::Reserved { owner: Owner::ReservedMemory, name } => name,
                _ => None,
            };
            write_named(out, situation, class)?;
        }
    }
    Ok(())
}

/// The ranges that have a name of the tree by `name_of`.
fn write_named<'a, I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'a, '_, I>,
    name_of: impl Fn(Class<'a>) -> Option<&'a str>,
) -> fmt::Result {
    let (mut count, mut result) = (0_u32, Ok(()));
    situation.for_each(|range, class| {
        let Some(name) = name_of(class).filter(|_| result.is_ok()) else { return };
        count += 1;
        if count <= LISTED {
            result = row(out, &format_args!("  {name:.22}"), range.len(), &range);
        }
    });
    result?;
    match count.checked_sub(LISTED) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(out, "    and {more} more; the JSON form has all"),
    }
}

fn write_lost<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    tree: &Totals,
) -> fmt::Result {
    if tree.lost_bytes() + tree.no_map.bytes == 0 {
        return Ok(());
    }
    writeln!(out, "\n  {:<25}{:>12}{:>11}  where", "Not used", "bytes", "MiB")?;
    if tree.no_map.bytes > 0 {
        row(out, &"no-map", tree.no_map.bytes, &Where(&tree.no_map))?;
        let class = |class| match class {
            Class::NoMap(name) => name,
            _ => None,
        };
        write_named(out, situation, class)?;
    }
    for reason in Lost::ALL {
        let sum = tree.lost(reason);
        if sum.bytes > 0 {
            row(out, &reason.name(), sum.bytes, &Where(sum))?;
        }
    }
    Ok(())
}

/// Where a sum lies.
struct Where<'r>(&'r Sum);

impl Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sum { ranges, first, .. } = self.0;
        match ranges {
            0 | 1 => first.fmt(f),
            more => write!(f, "{first} and {} more", more - 1),
        }
    }
}

fn write_vmalloc<I>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    live: Live,
) -> fmt::Result {
    let Some(room) = live.vmalloc else { return Ok(()) };
    let region = Size(u64::from(situation.layout.vmalloc().len()));
    let taken = Size(u64::from(room.taken));
    writeln!(out, "\nvmalloc: {region}, {taken} taken. The largest ioremap")?;
    for (shift, largest) in ALIGN_SHIFTS.into_iter().zip(room.largest) {
        let largest = Size(u64::from(largest));
        writeln!(out, "  at a multiple of {:<8}{largest:>12}", Size(1 << shift))?;
    }
    Ok(())
}

/// Usable bytes by zone, of the tree and beyond it.
fn usable_bytes<I: Inventory>(situation: &Situation<'_, '_, I>) -> [u64; ZoneKind::COUNT] {
    let tree = situation.account().usable.map(|sum| sum.bytes);
    let beyond = situation.account_beyond_tree().usable.map(|sum| sum.bytes);
    ZoneKind::ALL.map(|kind| tree[kind.index()] + beyond[kind.index()])
}

fn write_zones<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    live: Live,
) -> fmt::Result {
    let Some(zones) = live.zones else { return Ok(()) };
    let usable = usable_bytes(situation);
    writeln!(out, "\n  {:<14}{:>10}{:>12}{:>12}", "Pages now", "managed", "free", "allocated")?;
    for kind in ZoneKind::ALL {
        let index = kind.index();
        let ZonePages { managed, free } = zones[index];
        let usable = usable[index];
        if usable == 0 && managed == 0 {
            continue;
        }
        let allocated = managed.saturating_sub(free);
        write!(out, "  zone {kind:<9}{managed:>10}{free:>12}{allocated:>12}")?;
        let bytes = u64::from(managed) * u64::from(PAGE_SIZE);
        if bytes == usable {
            writeln!(out)?;
        } else {
            writeln!(out, "  but usable are {} pages", usable / u64::from(PAGE_SIZE))?;
        }
    }
    Ok(())
}

/// A size in the largest unit that it is a whole number of.
struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            bytes if bytes % MIB == 0 => (bytes / MIB, "MiB"),
            bytes if bytes % KIB == 0 => (bytes / KIB, "KiB"),
            bytes => (bytes, "bytes"),
        };
        Padded(&format_args!("{count} {unit}")).fmt(f)
    }
}

/// A number of things, in English.
struct Count(u32, &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}
