//! Linux's own page tables, read from the emulated machine's memory from outside.
//!
//! What `/proc` says is what Linux believes; these are what the CPU obeys. The table of the kernel's own mappings lies
//! right below its code, whose physical address `/proc/iomem` has. Of the two formats the short one is understood
//! (*ARM Architecture Reference Manual, ARMv7-A*, B3.5.1), and a table that does not map the kernel's code where it is
//! known to be is not taken for one.

use anyhow::{Result, ensure};
use serde::Serialize;

/// Bytes that an entry of the first table maps.
const SECTION: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// Entries of the first table, and of a second.
const FIRST: usize = 4096;
const SECOND: usize = 256;
/// From the first table to the code.
const TABLE_BYTES: u64 = 0x4000;

/// Addresses that are mapped in one piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Run {
    /// The first.
    pub start: u64,
    /// The one behind the last.
    pub end: u64,
}

/// What the tables say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Tables {
    /// The linear map: from its first mapped address to its last.
    pub linear: Run,
    /// What is to be added to a physical address there, in 32 bits.
    pub offset: u32,
    /// Addresses right below the linear map that have tables, of nothing yet: the pkmap.
    pub pkmap: Option<Run>,
    /// What is mapped behind the vmalloc region.
    pub top: Vec<Run>,
}

/// An entry of the first table.
enum Entry {
    Nothing,
    /// Maps a MiB, or is part of what maps sixteen.
    Section(u64),
    /// A second table.
    Table(u64),
}

const fn entry(word: u32) -> Entry {
    match word & 3 {
        2 | 3 => Entry::Section((word & 0xfff0_0000) as u64),
        1 => Entry::Table((word & 0xffff_fc00) as u64),
        _ => Entry::Nothing,
    }
}

/// The address that an entry of a second table maps to.
const fn page(word: u32) -> Option<u64> {
    match word & 3 {
        0 => None,
        1 => Some((word & 0xffff_0000) as u64),
        _ => Some((word & 0xffff_f000) as u64),
    }
}

/// Reads the tables of a kernel whose code begins at `code` and is mapped at `stext` and around it. `vmalloc` is the
/// region that is of no interest. `words` reads memory.
///
/// # Errors
///
/// That `words` fails, or that this is no such table.
pub fn read(
    code: u64,
    stext: u64,
    vmalloc: Run,
    words: &mut dyn FnMut(u64, usize) -> Result<Vec<u32>>,
) -> Result<Tables> {
    let place = code.saturating_sub(TABLE_BYTES);
    ensure!(place.is_multiple_of(TABLE_BYTES), "no table can be at {place:#x}");
    let first = words(place, FIRST)?;
    let at = |address: u64| entry(first.get((address / SECTION) as usize).copied().unwrap_or(0));
    let Entry::Section(code_section) = at(stext) else {
        anyhow::bail!("the table at {place:#x} does not map the kernel's code by sections");
    };
    let offset = (stext / SECTION * SECTION).wrapping_sub(code_section) as u32;
    ensure!(
        code_section.abs_diff(code) < 64 << 20,
        "the table at {place:#x} maps the kernel's code to {code_section:#x}, far from {code:#x}"
    );

    let is_linear = |virt: u64, phys: u64| (phys as u32).wrapping_add(offset) == virt as u32;
    let (mut low, mut high) = (stext, stext);
    let mut mapped = Vec::new();
    for (number, &word) in first.iter().enumerate() {
        let virt = number as u64 * SECTION;
        let within = virt < vmalloc.start;
        if !within && virt < vmalloc.end {
            continue;
        }
        let mut found = |virt: u64, phys: u64, bytes: u64| {
            if !within {
                mapped.push(Run { start: virt, end: virt + bytes });
            } else if is_linear(virt, phys) {
                low = low.min(virt);
                high = high.max(virt + bytes);
            }
        };
        match entry(word) {
            Entry::Nothing => {}
            Entry::Section(phys) => found(virt, phys, SECTION),
            Entry::Table(table) => {
                for (number, &word) in words(table, SECOND)?.iter().enumerate() {
                    if let Some(phys) = page(word) {
                        // In an entry for 64 KiB, which stands 16 times, this is its first page.
                        found(virt + number as u64 * PAGE, phys, PAGE);
                    }
                }
            }
        }
    }
    let mut pkmap_start = low;
    while pkmap_start >= SECTION && matches!(at(pkmap_start - SECTION), Entry::Table(_)) {
        pkmap_start -= SECTION;
    }
    Ok(Tables {
        linear: Run { start: low, end: high },
        offset,
        pkmap: (pkmap_start < low).then_some(Run { start: pkmap_start, end: low }),
        top: joined(mapped),
    })
}

/// Neighbours as one.
fn joined(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => joined.push(run),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const CODE: u64 = 0x4020_8000;
    const STEXT: u64 = 0xc030_0000;
    const VMALLOC: Run = Run { start: 0xf080_0000, end: 0xff80_0000 };

    /// Entries as Debian's 6.1 with 1 GiB has them, from the recorded table.
    fn debian() -> BTreeMap<u64, Vec<u32>> {
        let mut first = vec![0; FIRST];
        for (number, word) in first.iter_mut().enumerate() {
            let number = number as u32;
            let phys = number.wrapping_sub(0x800) << 20;
            *word = match number {
                0xbfe => 0x6fff_b811,
                0xbff => 0x6fff_bc11,
                0xc03..0xc0e => phys | 0x1940e,
                0xc00..0xf00 => phys | 0x1141e,
                0xf08 => 0x4191_4811,
                0xff8 => 0x4801_941e & 0xfff0_0000 | 0x1941e,
                0xff9 => 0x4811_941e,
                0xffc => 0x6fff_a811,
                0xfff => 0x6fff_a411,
                _ => 0,
            };
        }
        let mut top = vec![0; SECOND];
        top[0xf0] = 0x6fff_d4de;
        top[0xf1] = 0x6fff_e4de;
        let nothing = || vec![0; SECOND];
        BTreeMap::from([
            (0x4020_4000, first),
            (0x6fff_b800, nothing()),
            (0x6fff_bc00, nothing()),
            (0x6fff_a800, nothing()),
            (0x6fff_a400, top),
        ])
    }

    fn read_from(memory: &BTreeMap<u64, Vec<u32>>) -> Result<Tables> {
        read(CODE, STEXT, VMALLOC, &mut |at, count| {
            let words = memory.get(&at).filter(|words| words.len() == count);
            words.cloned().ok_or_else(|| anyhow::anyhow!("nothing at {at:#x}"))
        })
    }

    #[test]
    fn the_linear_map_and_what_is_around_it() {
        let tables = read_from(&debian()).unwrap();
        assert_eq!(tables.linear, Run { start: 0xc000_0000, end: 0xf000_0000 });
        assert_eq!(tables.offset, 0x8000_0000);
        assert_eq!(tables.pkmap, Some(Run { start: 0xbfe0_0000, end: 0xc000_0000 }));
        let vectors = Run { start: 0xffff_0000, end: 0xffff_2000 };
        assert_eq!(tables.top, [Run { start: 0xff80_0000, end: 0xffa0_0000 }, vectors]);
    }

    #[test]
    fn an_end_by_pages_is_found() {
        let mut memory = debian();
        let first = memory.get_mut(&0x4020_4000).unwrap();
        first[0xeff] = 0x6fff_9401;
        // All of the last MiB but its last page.
        let pages = (0..255).map(|number| 0x6ff0_045e + (number << 12)).chain([0]).collect();
        memory.insert(0x6fff_9400, pages);
        assert_eq!(read_from(&memory).unwrap().linear.end, 0xefff_f000);
    }

    #[test]
    fn another_format_is_not_taken_for_this_one() {
        let mut memory = debian();
        memory.insert(0x4020_4000, vec![0; FIRST]);
        assert!(read_from(&memory).unwrap_err().to_string().contains("does not map"));
        memory.insert(0x4020_4000, vec![0x9000_0002; FIRST]);
        assert!(read_from(&memory).unwrap_err().to_string().contains("far from"));
        assert!(read(0x4020_8123, STEXT, VMALLOC, &mut |_, _| Ok(Vec::new())).is_err());
    }
}
