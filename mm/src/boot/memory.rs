//! Which of the memory that a device tree or `mem=` names is used at all.
//!
//! Linux's rules, with four repairs. The last page below 4 GiB is kept (Linux's 32-bit end address
//! loses it). So is the head of a first bank that does not start on a 2 MiB boundary. `mem=` that
//! names no memory is ignored with a warning (Linux throws all memory away and stops without a
//! word). And a `mem=` that leaves out the running kernel keeps the kernel's own memory.
//!
//! Invariant: every range added is made of whole frames between `PHYS_OFFSET` and 4 GiB.

use super::memblock::{Flags, Memblock, MemblockError};
use super::vmalloc_size::size_of_param;
use super::warning::{Sink, Unusable, Warning};
use crate::addr::{PAGE_SIZE, PHYS_LIMIT_32, PhysAddr, PhysRange};
use crate::param::{Param, params, read_size};

/// What `PHYS_OFFSET` is a multiple of: a pair of first-level entries, 2 MiB.
pub const PHYS_OFFSET_ALIGN: u64 = 2 << 20;

/// `PHYS_OFFSET`, the physical address that the linear map begins with: the start of the bank that
/// holds the kernel, rounded down to 2 MiB.
#[must_use]
pub const fn phys_offset_of_bank(bank_start: PhysAddr) -> PhysAddr {
    bank_start.align_down(PHYS_OFFSET_ALIGN)
}

/// What is known of the machine when memory is described.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The kernel command line; its `mem=` parameters count.
    pub command_line: &'a str,
    /// Where the linear map begins; a multiple of [`PHYS_OFFSET_ALIGN`].
    pub phys_offset: PhysAddr,
    /// The running image, from its first byte to the end of `.bss`.
    pub image: PhysRange,
}

/// Adds to `memblock` the memory that is used: the tree's `banks`, or what `mem=` says instead.
///
/// `banks` gives the tree's banks, which do not overlap, each time it is called. The first `mem=` that names memory replaces the banks, every further
/// one adds to it.
///
/// # Errors
///
/// Only those of [`Memblock::add`]: no room for one more region.
pub fn describe<'a, I: Iterator<Item = PhysRange>>(
    memblock: &mut Memblock<'_>,
    banks: impl Fn() -> I,
    given: Given<'a>,
    warn: Sink<'_, 'a>,
) -> Result<(), MemblockError> {
    // Judged before `mem=` is read, as in Linux, so that the lines come in the same order.
    let judge = |bank, warn: Sink<'_, 'a>| usable_part(bank, given.phys_offset, warn);
    let replaced = mem_ranges(given).next().is_some();
    for bank in banks() {
        let usable = judge(bank, warn);
        if let Some(range) = usable.filter(|_| !replaced) {
            memblock.add(range, Flags::empty())?;
        }
    }
    for param in mem_params(given) {
        let Some(range) = read_mem(&param, given, warn) else { continue };
        if let Some(range) = judge(range, warn) {
            if known_bytes(range, banks()) < range.len() {
                warn(Warning::NotInTree { range });
            }
            memblock.add(range, Flags::empty())?;
        }
    }
    if replaced { keep_image(memblock, banks(), given, warn) } else { Ok(()) }
}

/// Sets aside a range that the tree reserves. Is it not to be mapped from now on?
///
/// A no-map range is whole pages, since a mapping can not stop inside one. If any of it is taken
/// already it is mapped already, and is reserved instead; Linux refuses likewise.
///
/// # Errors
///
/// Those of [`Memblock::mark_nomap`] and [`Memblock::reserve`].
pub fn set_aside(
    memblock: &mut Memblock<'_>,
    range: PhysRange,
    no_map: bool,
) -> Result<bool, MemblockError> {
    let range = if no_map { range.covering_pages() } else { range };
    if no_map && !memblock.reserved().overlaps(range) {
        memblock.mark_nomap(range)?;
        return Ok(true);
    }
    memblock.reserve(range)?;
    Ok(false)
}

fn mem_params<'a>(given: Given<'a>) -> impl Iterator<Item = Param<'a>> {
    params(given.command_line).filter(|param| param.is("mem"))
}

/// What the `mem=` parameters name, in whole pages: nothing, or all the memory that is used.
pub(super) fn mem_ranges<'a>(given: Given<'a>) -> impl Iterator<Item = PhysRange> + use<'a> {
    mem_params(given).filter_map(move |param| read_mem(&param, given, &mut |_| ()))
}

/// The range that one `mem=SIZE[@START]` names, in whole pages; `None`, with a warning, when there
/// is none.
fn read_mem<'a>(param: &Param<'a>, given: Given<'a>, warn: Sink<'_, 'a>) -> Option<PhysRange> {
    let (name, value) = (param.name, param.value.unwrap_or(""));
    let (size, start) = match value.split_once('@') {
        Some((size, start)) => {
            let at = read_size(start);
            if !at.is_number {
                warn(Warning::NotASize { name, value: start });
            } else if !at.rest.is_empty() {
                warn(Warning::TrailingText { name, value: start, rest: at.rest });
            }
            (Param { value: Some(size), ..*param }, PhysAddr::new(at.bytes))
        }
        None => (*param, given.phys_offset),
    };
    let bytes = size_of_param(&size, warn)? & !u64::from(PAGE_SIZE - 1);
    if bytes == 0 {
        warn(Warning::NoMemory { value });
        return None;
    }
    let start = start.align_up(u64::from(PAGE_SIZE));
    Some(PhysRange::new(start, start.saturating_add(bytes)))
}

/// What of a memory block can be used: its whole pages from `PHYS_OFFSET` to 4 GiB.
fn usable_part(block: PhysRange, phys_offset: PhysAddr, warn: Sink<'_, '_>) -> Option<PhysRange> {
    let page = u64::from(PAGE_SIZE);
    let range = PhysRange::new(block.start().align_up(page), block.end().align_down(page));
    let block_ignored = |reason| Warning::BlockIgnored { range: block, reason };
    if range.is_empty() {
        warn(block_ignored(Unusable::NoWholePage));
        return None;
    }
    if range.start() >= PHYS_LIMIT_32 {
        warn(block_ignored(Unusable::Above4G));
        return None;
    }
    if range.end() <= phys_offset {
        warn(block_ignored(Unusable::BelowPhysOffset));
        return None;
    }
    let mut cut = |start, end, reason| {
        if start < end {
            warn(Warning::RangeIgnored { range: PhysRange::new(start, end), reason });
        }
    };
    cut(PHYS_LIMIT_32, range.end(), Unusable::Above4G);
    cut(range.start(), phys_offset, Unusable::BelowPhysOffset);
    Some(PhysRange::new(range.start().max(phys_offset), range.end().min(PHYS_LIMIT_32)))
}

fn known_bytes(range: PhysRange, banks: impl Iterator<Item = PhysRange>) -> u64 {
    banks.filter_map(|bank| bank.intersection(&range)).map(|part| part.len()).sum()
}

/// Keeps the memory under the running image, in units of 2 MiB, where `mem=` left it out.
fn keep_image<'a>(
    memblock: &mut Memblock<'_>,
    banks: impl Iterator<Item = PhysRange>,
    given: Given<'a>,
    warn: Sink<'_, 'a>,
) -> Result<(), MemblockError> {
    if memblock.memory().covers(given.image) {
        return Ok(());
    }
    let unit = PhysRange::new(
        given.image.start().align_down(PHYS_OFFSET_ALIGN),
        given.image.end().align_up(PHYS_OFFSET_ALIGN),
    );
    for bank in banks.filter_map(|bank| bank.intersection(&unit)) {
        let Some(range) = usable_part(bank, given.phys_offset, &mut |_| ()) else { continue };
        warn(Warning::ImageKept { range });
        memblock.add(range, Flags::empty())?;
    }
    Ok(())
}
