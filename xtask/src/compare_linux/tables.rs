//! Linux's own page tables, read from the emulated machine's memory from outside.
//!
//! What `/proc` says is what Linux believes; these are what the CPU obeys. The table of the kernel's own mappings lies
//! right below its code, whose physical address `/proc/iomem` has. There are two formats (*ARM Architecture Reference
//! Manual, ARMv7-A*, B3.5 short descriptors, B3.6 long ones, which Linux calls LPAE); which one it is, nothing says. So
//! both are tried, and a table that does not map the kernel's code where it is known to be is not taken for one.

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

const PAGE: u64 = 4096;
/// The kernel's code begins so near to the start of its image.
const NEAR: u64 = 64 << 20;

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

/// Reads words of memory, from a physical address on.
type Words<'a> = dyn FnMut(u64, usize) -> Result<Vec<u32>> + 'a;

/// A mapping of a section or a page.
struct Leaf {
    virt: u64,
    phys: u64,
    bytes: u64,
}

/// All that is mapped, in the order of addresses.
struct Walk {
    leaves: Vec<Leaf>,
    /// Addresses that have a last table, whether of something or not.
    tabled: Vec<Run>,
}

/// What one entry says.
enum Entry {
    Nothing,
    Leaf(u64),
    Table(u64),
}

/// A format: how much the tables above the last map by an entry, and how entries are read.
#[derive(Clone, Copy)]
enum Format {
    Short,
    Long,
}

impl Format {
    /// From the first table to the kernel's image.
    const fn table_bytes(self) -> u64 {
        match self {
            Self::Short => 0x4000,
            Self::Long => 0x5000,
        }
    }

    /// Bytes that an entry above the last table maps: a section, or a block.
    const fn section(self) -> u64 {
        match self {
            Self::Short => 1 << 20,
            Self::Long => 2 << 20,
        }
    }

    /// Entries above the last table, all there are for 4 GiB.
    fn sections(self, place: u64, words: &mut Words<'_>) -> Result<Vec<u64>> {
        match self {
            Self::Short => self.entries(place, 4096, words),
            Self::Long => {
                let mut all = Vec::new();
                for top in self.entries(place, 4, words)? {
                    match self.entry(top) {
                        Entry::Table(table) => all.extend(self.entries(table, 512, words)?),
                        _ => all.extend([0; 512]),
                    }
                }
                Ok(all)
            }
        }
    }

    fn entries(self, place: u64, count: usize, words: &mut Words<'_>) -> Result<Vec<u64>> {
        Ok(match self {
            Self::Short => words(place, count)?.into_iter().map(u64::from).collect(),
            Self::Long => {
                let words = words(place, 2 * count)?;
                words
                    .chunks_exact(2)
                    .map(|pair| u64::from(pair[1]) << 32 | u64::from(pair[0]))
                    .collect()
            }
        })
    }

    /// Above the last table.
    const fn entry(self, word: u64) -> Entry {
        match (self, word & 3) {
            (_, 0) => Entry::Nothing,
            (Self::Short, 1) => Entry::Table(word & 0xffff_fc00),
            (Self::Short, _) => Entry::Leaf(word & 0xfff0_0000),
            (Self::Long, 1) => Entry::Leaf(word & 0xff_ffe0_0000),
            (Self::Long, 3) => Entry::Table(word & 0xff_ffff_f000),
            (Self::Long, _) => Entry::Nothing,
        }
    }

    /// Entries of a last table.
    const fn last_entries(self) -> usize {
        match self {
            Self::Short => 256,
            Self::Long => 512,
        }
    }

    /// In a last table. An entry for 64 KiB stands 16 times, which is as good as 16 pages for what is asked here, but for
    /// where it leads.
    const fn page(self, word: u64) -> Option<u64> {
        match (self, word & 3) {
            (Self::Short, 2 | 3) => Some(word & 0xffff_f000),
            (Self::Short, 1) => Some(word & 0xffff_0000),
            (Self::Long, 3) => Some(word & 0xff_ffff_f000),
            _ => None,
        }
    }

    /// Everything that is mapped by the table at `place`, but for what lies in `vmalloc`.
    fn walk(self, place: u64, vmalloc: Run, words: &mut Words<'_>) -> Result<Walk> {
        let mut walk = Walk { leaves: Vec::new(), tabled: Vec::new() };
        let bytes = self.section();
        for (number, word) in (0..).zip(self.sections(place, words)?) {
            let virt = number * bytes;
            if vmalloc.start <= virt && virt < vmalloc.end {
                continue;
            }
            match self.entry(word) {
                Entry::Nothing => {}
                Entry::Leaf(phys) => walk.leaves.push(Leaf { virt, phys, bytes }),
                Entry::Table(table) => {
                    walk.tabled.push(Run { start: virt, end: virt + bytes });
                    let pages = self.entries(table, self.last_entries(), words)?;
                    let page = |(number, word)| {
                        let virt = virt + number * PAGE;
                        self.page(word).map(|phys| Leaf { virt, phys, bytes: PAGE })
                    };
                    walk.leaves.extend((0..).zip(pages).filter_map(page));
                }
            }
        }
        Ok(walk)
    }
}

/// Reads the tables of a kernel whose image begins at `code`, and whose code is mapped at `stext`. `vmalloc` is the
/// region that is of no interest. `words` reads memory.
///
/// # Errors
///
/// That `words` fails, or that there is no such table in either format.
pub fn read(code: u64, stext: u64, vmalloc: Run, words: &mut Words<'_>) -> Result<Tables> {
    let mut read_as = |format: Format| {
        let place = code.checked_sub(format.table_bytes()).context("the kernel lies too low")?;
        ensure!(place.is_multiple_of(PAGE), "no table can be at {place:#x}");
        let walk = format.walk(place, vmalloc, words)?;
        understand(&walk, code, stext, vmalloc).with_context(|| format!("the table at {place:#x}"))
    };
    read_as(Format::Short).or_else(|short| {
        read_as(Format::Long).map_err(|long| anyhow::anyhow!("{short:#}; {long:#}"))
    })
}

fn understand(walk: &Walk, code: u64, stext: u64, vmalloc: Run) -> Result<Tables> {
    let holds = |leaf: &&Leaf| leaf.virt <= stext && stext - leaf.virt < leaf.bytes;
    let leaf = walk.leaves.iter().find(holds).context("does not map the kernel's code")?;
    ensure!(
        leaf.phys.abs_diff(code) < NEAR,
        "maps the kernel's code to {:#x}, far from {code:#x}",
        leaf.phys
    );
    let offset = (leaf.virt as u32).wrapping_sub(leaf.phys as u32);
    let is_linear = |leaf: &&Leaf| {
        let there = (leaf.phys as u32).wrapping_add(offset);
        leaf.virt < vmalloc.start && there == leaf.virt as u32
    };
    let mut linear = Run { start: leaf.virt, end: leaf.virt };
    for leaf in walk.leaves.iter().filter(is_linear) {
        linear.start = linear.start.min(leaf.virt);
        linear.end = linear.end.max(leaf.virt + leaf.bytes);
    }
    let tabled = joined(walk.tabled.iter().copied().filter(|run| run.end <= linear.start));
    let behind = walk.leaves.iter().filter(|leaf| leaf.virt >= vmalloc.end);
    let behind = behind.map(|leaf| Run { start: leaf.virt, end: leaf.virt + leaf.bytes });
    Ok(Tables {
        linear,
        offset,
        pkmap: tabled.last().copied().filter(|run| run.end == linear.start),
        top: joined(behind),
    })
}

/// Neighbours as one.
fn joined(runs: impl Iterator<Item = Run>) -> Vec<Run> {
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
        let mut first = vec![0; 4096];
        for (number, word) in first.iter_mut().enumerate() {
            let number = number as u32;
            let phys = number.wrapping_sub(0x800) << 20;
            *word = match number {
                0xbfe => 0x6fff_b811,
                0xbff => 0x6fff_bc11,
                0xc03..0xc0e => phys | 0x1940e,
                0xc00..0xf00 => phys | 0x1141e,
                0xf08 => 0x4191_4811,
                0xff8 => 0x4801_941e,
                0xff9 => 0x4811_941e,
                0xffc => 0x6fff_a811,
                0xfff => 0x6fff_a411,
                _ => 0,
            };
        }
        let mut top = vec![0; 256];
        top[0xf0] = 0x6fff_d4de;
        top[0xf1] = 0x6fff_e4de;
        let nothing = || vec![0; 256];
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

    /// Debian's LPAE kernel, as far as it counts: blocks of 2 MiB, the pkmap's table, the vectors.
    #[test]
    fn long_descriptors_are_read() {
        let wide = |entries: Vec<u64>| -> Vec<u32> {
            entries.into_iter().flat_map(|entry| [entry as u32, (entry >> 32) as u32]).collect()
        };
        let table = |fill: &dyn Fn(u64) -> u64| wide((0..512).map(fill).collect());
        let memory = BTreeMap::from([
            // As short descriptors these are nothing of the kind.
            (0x4020_4000, vec![0; 4096]),
            (0x4020_3000, wide(vec![0, 0, 0x4020_6003, 0x4020_7003])),
            (0x4020_6000, table(&|number| if number == 511 { 0x5fff_b003 } else { 0 })),
            (
                0x4020_7000,
                table(&|number| match number {
                    0..256 => 0x4000_0711 + (number << 21),
                    511 => 0x5fff_a003,
                    _ => 0,
                }),
            ),
            (0x5fff_b000, table(&|_| 0)),
            (0x5fff_a000, table(&|number| if number == 0x1f0 { 0x5fff_d743 } else { 0 })),
        ]);
        let vmalloc = Run { start: 0xe080_0000, end: 0xff80_0000 };
        let tables = read(CODE, STEXT, vmalloc, &mut |at, count| {
            let words = memory.get(&at).filter(|words| words.len() == count);
            words.cloned().ok_or_else(|| anyhow::anyhow!("nothing at {at:#x}"))
        });
        let tables = tables.unwrap();
        assert_eq!(tables.linear, Run { start: 0xc000_0000, end: 0xe000_0000 });
        assert_eq!(tables.pkmap, Some(Run { start: 0xbfe0_0000, end: 0xc000_0000 }));
        assert_eq!(tables.top, [Run { start: 0xffff_0000, end: 0xffff_1000 }]);
    }

    #[test]
    fn another_format_is_not_taken_for_this_one() {
        let mut memory = debian();
        memory.insert(0x4020_4000, vec![0; 4096]);
        assert!(format!("{:#}", read_from(&memory).unwrap_err()).contains("does not map"));
        memory.insert(0x4020_4000, vec![0x9000_0002; 4096]);
        assert!(format!("{:#}", read_from(&memory).unwrap_err()).contains("far from"));
        assert!(read(0x4020_8123, STEXT, VMALLOC, &mut |_, _| Ok(Vec::new())).is_err());
    }
}
