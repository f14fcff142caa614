//! The initial RAM disk: where it is said to lie, and whether it can be kept there.
//!
//! A boot loader writes it into memory and its place into the tree. `initrd=ADDRESS,SIZE` on the command line, or
//! `initrdmem=`, overrides the tree, as in Linux: the last that can be read counts, and a size of 0 means that there is
//! none. Where Linux ignores what it can not read without a word, ours is a warning.
//!
//! Linux reads an initrd through the linear map and oopses where one lies above lowmem. This kernel
//! reads it page by page, so HighMem is as good a place as any.
//!
//! Invariant: an initrd that is kept is memory from its first byte to its last, and no byte of it was reserved for
//! somebody else before it. One that is not kept is refused by a value that says why; boot goes on without it.

use core::fmt;

use super::memblock::Memblock;
use super::warning::{Sink, Warning};
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange};
use crate::param::{Param, params, read_size};

/// The initrd that boot is told of: the command line's, else the tree's. Never empty.
///
/// Calls `warn` for each `initrd=` or `initrdmem=` that can not be read, and is ignored.
#[must_use]
pub fn named<'a>(
    tree: Option<PhysRange>,
    command_line: &'a str,
    warn: Sink<'_, 'a>,
) -> Option<PhysRange> {
    params(command_line)
        .filter(|param| param.is("initrd") || param.is("initrdmem"))
        .fold(tree, |before, param| read(&param, warn).or(before))
        .filter(|range| !range.is_empty())
}

/// The range of one parameter, empty if its size is 0; `None`, with a warning, where there is none.
fn read<'a>(param: &Param<'a>, warn: Sink<'_, 'a>) -> Option<PhysRange> {
    let (name, value) = (param.name, param.value.unwrap_or(""));
    let range = value.split_once(',').and_then(|(start, size)| {
        let [start, size] = [start, size].map(read_size);
        let is_whole = [start, size].iter().all(|part| part.is_number && part.rest.is_empty());
        is_whole.then(|| PhysRange::from_len(PhysAddr::new(start.bytes), size.bytes))?
    });
    if range.is_none() {
        warn(Warning::NotARange { name, value });
    }
    range
}

/// Why an initrd is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Some of it is no memory, or none that this kernel can use: beyond 4 GiB, say, or left out by `mem=`.
    NotMemory {
        /// The first byte that is none.
        at: PhysAddr,
    },
    /// Some of it is in use.
    InUse {
        /// By what: a range of memblock's, which may be several that touch.
        by: PhysRange,
    },
    /// It was loaded onto the image or the tree, of which one has been moved since.
    Overwritten,
    /// Some of it is RAM that was dropped for want of HighMem.
    NoHighMem {
        /// Where lowmem ends.
        lowmem_end: PhysAddr,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMemory { at } => write!(f, "no usable memory at {at}"),
            Self::InUse { by } => write!(f, "{by} is in use"),
            Self::Overwritten => f.write_str("the kernel or its device tree was loaded there"),
            Self::NoHighMem { lowmem_end } => {
                write!(f, "lowmem ends at {lowmem_end}, and there is no HighMem")
            }
        }
    }
}

/// An initrd that is not kept. Its text is Linux's line, and what Linux does not say in brackets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Where it is said to lie.
    pub range: PhysRange,
    /// Why it is not kept.
    pub reason: Reason,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, len) = (self.range.start(), self.range.len());
        let what = match self.reason {
            Reason::NotMemory { .. } => "is not a memory region",
            Reason::InUse { .. } | Reason::Overwritten => "overlaps in-use memory region",
            Reason::NoHighMem { .. } => "lies above lowmem",
        };
        let why = self.reason;
        write!(f, "INITRD: {start}+{len:#010x} {what} - disabling initrd ({why})")
    }
}

impl core::error::Error for Refused {}

/// Can the initrd at `range` be kept, where `memblock` has all memory, and as reserved what was in use before it?
///
/// # Errors
///
/// [`Refused`].
pub fn check(memblock: &Memblock<'_>, range: PhysRange) -> Result<(), Refused> {
    let refused = |reason| Err(Refused { range, reason });
    if let Some(at) = first_hole(memblock, range) {
        return refused(Reason::NotMemory { at });
    }
    let mut reserved = memblock.reserved().regions().iter().map(|region| region.range);
    match reserved.find(|by| by.overlaps(&range)) {
        Some(by) => refused(Reason::InUse { by }),
        None => Ok(()),
    }
}

/// Is the initrd at `range`, which [`check`] has passed, still memory after RAM above `lowmem_end` was dropped?
///
/// # Errors
///
/// [`Refused`].
pub fn check_dropped(
    memblock: &Memblock<'_>,
    range: PhysRange,
    lowmem_end: PhysAddr,
) -> Result<(), Refused> {
    match first_hole(memblock, range) {
        Some(_) => Err(Refused { range, reason: Reason::NoHighMem { lowmem_end } }),
        None => Ok(()),
    }
}

/// The first byte of `range` that is no memory.
fn first_hole(memblock: &Memblock<'_>, range: PhysRange) -> Option<PhysAddr> {
    // Regions are in order, and those with different flags may touch.
    let regions = memblock.memory().regions().iter().map(|region| region.range);
    let end = regions.fold(range.start(), |at, region| {
        if region.start() <= at && at < region.end() { region.end() } else { at }
    });
    (end < range.end()).then_some(end)
}

/// The parts of `range` that lie in one page each, upwards: what can be read in one piece when
/// the pages are mapped one by one.
pub fn pages_of(range: PhysRange) -> impl Iterator<Item = PhysRange> {
    let page = u64::from(PAGE_SIZE);
    let mut rest = range;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.start().align_down(page).saturating_add(page).min(rest.end());
        let part = PhysRange::new(rest.start(), end);
        rest = PhysRange::new(end, rest.end());
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::MIB;
    use crate::boot::memblock::{Flags, Region};
    use proptest::prelude::*;

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
    }

    fn name(line: &str, tree: Option<PhysRange>) -> (Option<PhysRange>, Vec<String>) {
        let mut lines = Vec::new();
        let found = named(tree, line, &mut |warning| lines.push(warning.to_string()));
        (found, lines)
    }

    #[test]
    fn the_command_line_overrides_the_tree_and_the_last_counts() {
        let tree = Some(range(0x4800_0000, 0x4800_1234));
        let typed = Some(range(0x4900_0003, 0x4900_0013));
        for (line, found) in [
            ("", tree),
            ("initrd=0x49000003,16", typed),
            ("initrdmem=0x49000003,0x10 quiet", typed),
            ("initrd=1G,1M initrdmem=0x49000003,16", typed),
            ("initrd=1G,64K", Some(range(0x4000_0000, 0x4001_0000))),
            ("initrd=1G,0", None),
            ("initrd=0x49000003,16 initrd=1G,0", None),
            ("-- initrd=1G,1M", tree),
        ] {
            assert_eq!(name(line, tree), (found, vec![]), "{line}");
        }
        assert_eq!(name("", Some(range(7, 7))), (None, vec![]));
        assert_eq!(name("", None), (None, vec![]));
    }

    #[test]
    fn what_can_not_be_read_is_said_and_ignored() {
        let tree = Some(range(0x4800_0000, 0x4800_1234));
        for bad in [
            "0x49000000",
            "",
            ",",
            "1G,",
            ",1M",
            "here,1M",
            "1G,big",
            "1G,1M,1M",
            "1GB,1M",
            "1G,1MB",
            "0xffffffffffffffff,2",
        ] {
            let line = format!("initrd=1G,1M initrd={bad}");
            let complaint = format!("initrd={bad}: ADDRESS,SIZE was expected, parameter ignored");
            let before = Some(range(1 << 30, (1 << 30) + MIB));
            assert_eq!(name(&line, tree), (before, vec![complaint]), "{bad}");
        }
        let bare = "initrd=: ADDRESS,SIZE was expected, parameter ignored".to_string();
        assert_eq!(name("initrd", tree), (tree, vec![bare]));
    }

    /// Two banks that leave a hole, two that touch, and the image.
    fn machine(run: impl FnOnce(&mut Memblock<'_>)) {
        let mut arrays = [[Region::EMPTY; 16]; 2];
        let [memory, reserved] = &mut arrays;
        let mut memblock = Memblock::new(memory, reserved);
        memblock.add(range(0x4000_0000, 0x5000_0000), Flags::empty()).unwrap();
        memblock.add(range(0x6000_0000, 0x7000_0000), Flags::empty()).unwrap();
        memblock.add(range(0x7000_0000, 0x7800_0000), Flags::empty()).unwrap();
        memblock.mark_nomap(range(0x7000_0000, 0x7100_0000)).unwrap();
        memblock.reserve(range(0x4020_0000, 0x4040_0000)).unwrap();
        run(&mut memblock);
    }

    #[test]
    fn each_reason_has_its_own_line() {
        machine(|memblock| {
            let line = |start, end| match check(memblock, range(start, end)) {
                Ok(()) => String::new(),
                Err(refused) => refused.to_string(),
            };
            for (start, end) in [
                (0x4800_0000, 0x4800_0001),
                (0x401f_ffff, 0x4020_0000),
                (0x4040_0000, 0x5000_0000),
                (0x6fff_ffff, 0x7800_0000),
            ] {
                assert_eq!(line(start, end), "", "{start:#x}");
            }
            let not = |start, len, at| {
                format!(
                    "INITRD: {start}+{len} is not a memory region - disabling initrd (no usable \
                     memory at {at})"
                )
            };
            for (start, end, said) in [
                (0x3fff_ffff, 0x4000_0001, not("0x3fffffff", "0x00000002", "0x3fffffff")),
                (0x4fff_0000, 0x5000_0001, not("0x4fff0000", "0x00010001", "0x50000000")),
                (0x4fff_0000, 0x6001_0000, not("0x4fff0000", "0x10020000", "0x50000000")),
                (0x77ff_f000, 0x7800_0001, not("0x77fff000", "0x00001001", "0x78000000")),
                (1 << 32, (1 << 32) + 1, not("0x100000000", "0x00000001", "0x100000000")),
                // No memory at all is the first complaint, whatever is in use besides.
                (0, u64::MAX, not("0x00000000", "0xffffffffffffffff", "0x00000000")),
            ] {
                assert_eq!(line(start, end), said);
            }
            for (start, end) in [(0x4020_0000, 0x4020_0001), (0x4000_0000, 0x4020_0001)] {
                assert!(
                    line(start, end).ends_with(
                        " overlaps in-use memory region - disabling initrd \
                         ([0x40200000-0x403fffff] is in use)"
                    ),
                    "{}",
                    line(start, end)
                );
            }
        });
    }

    #[test]
    fn dropped_highmem_takes_an_initrd_with_it() {
        machine(|memblock| {
            let end = PhysAddr::new(0x7200_0000);
            memblock.remove(range(0x7200_0000, 0x7800_0000)).unwrap();
            assert_eq!(check_dropped(memblock, range(0x71ff_0000, 0x7200_0000), end), Ok(()));
            for lost in [range(0x71ff_0000, 0x7200_0001), range(0x7300_0000, 0x7300_0001)] {
                let refused = check_dropped(memblock, lost, end).unwrap_err();
                assert_eq!(refused.reason, Reason::NoHighMem { lowmem_end: end });
                assert!(refused.to_string().ends_with(
                    "lies above lowmem - disabling initrd (lowmem ends at 0x72000000, and there is \
                     no HighMem)"
                ));
            }
        });
    }

    proptest! {
        /// Against memory as a map of bytes: a byte's place, in units that a case counts up.
        #[test]
        fn what_is_kept_is_memory_and_nobody_elses(
            banks in prop::collection::vec((0_u64..60, 1_u64..20), 1..4),
            taken in prop::collection::vec((0_u64..80, 1_u64..10), 0..4),
            start in 0_u64..80,
            len in 1_u64..30,
        ) {
            let mut arrays = [[Region::EMPTY; 32]; 2];
            let [memory, reserved] = &mut arrays;
            let mut memblock = Memblock::new(memory, reserved);
            let (mut is_memory, mut is_taken) = ([false; 128], [false; 128]);
            for (start, len) in banks {
                memblock.add(range(start, start + len), Flags::empty()).unwrap();
                is_memory[start as usize..(start + len) as usize].fill(true);
            }
            for (start, len) in taken {
                memblock.reserve(range(start, start + len)).unwrap();
                is_taken[start as usize..(start + len) as usize].fill(true);
            }
            let at = start as usize..(start + len) as usize;
            let hole = at.clone().find(|&byte| !is_memory[byte]).map(|byte| byte as u64);
            let result = check(&memblock, range(start, start + len)).map_err(|error| error.reason);
            match (hole, at.clone().any(|byte| is_taken[byte])) {
                (Some(byte), _) => {
                    prop_assert_eq!(result, Err(Reason::NotMemory { at: PhysAddr::new(byte) }));
                }
                (None, true) => {
                    let in_use = matches!(result, Err(Reason::InUse { .. }));
                    prop_assert!(in_use, "{:?}", result);
                }
                (None, false) => prop_assert_eq!(result, Ok(())),
            }
        }

        #[test]
        fn pages_are_the_range_cut_at_page_boundaries(start in 0_u64..20_000, len in 0_u64..20_000) {
            let whole = range(start, start + len);
            let mut next = whole.start();
            for part in pages_of(whole) {
                prop_assert!(part.start() == next && !part.is_empty());
                let page = |byte: u64| byte / u64::from(PAGE_SIZE);
                prop_assert_eq!(page(part.start().as_u64()), page(part.end().as_u64() - 1));
                prop_assert!(part.end() == whole.end() || part.end().is_aligned(PAGE_SIZE.into()));
                next = part.end();
            }
            prop_assert_eq!(next, whole.end());
        }
    }
}
