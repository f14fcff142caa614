//! The page-table listing, in the form of Linux's `/sys/kernel/debug/kernel_page_tables`.
//!
//! A row is `0xSTART-0xEND   SIZE LEVEL DOMAIN BITS`, the end exclusive and the size in the
//! largest unit that divides it. Holes are not printed. A line `---[ NAME ]---` stands where a
//! region begins. The level is Linux's name for it: `PGD` for what the first level maps, `PTE` for
//! pages. Sections have no memory type in this form.
//!
//! Two things follow from reading hardware words, where Linux reads its own copies: a
//! write-combining device shows as `MEM/BUFFERABLE/WC`, a cached one as `MEM/CACHED/WBRA`, because
//! the words are the same; and encodings that Linux never writes have a name too (`--` where
//! nobody may access, `RESERVED`). What user mode may do is printed where it may do anything,
//! otherwise what the kernel may do.

use core::fmt;

use mm::addr::VirtAddr;

use super::attributes::{Access, Domain, Execute, MemoryType, Rights};
use super::rows::{Row, rows};
use super::walk::{Level, TableRead, Walker};

/// Prints every mapping that `walker` sees to `out`.
///
/// `markers` name the regions by their first address, in address order. The first one is printed
/// at the top, whatever lies below it; a row that runs into a region is printed in two.
///
/// # Errors
///
/// Only those of `out`.
pub fn dump<M: TableRead>(
    walker: &Walker<'_, M>,
    markers: &[(VirtAddr, &str)],
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let mut markers = markers.iter().copied();
    if let Some((_, name)) = markers.next() {
        marker(name, out)?;
    }
    let mut markers = markers.peekable();
    for mut row in rows(walker.mappings()) {
        loop {
            while let Some((_, name)) = markers.next_if(|(virt, _)| *virt <= row.virt) {
                marker(name, out)?;
            }
            let Some(rest) = markers.peek().and_then(|(virt, _)| split_off(&mut row, *virt)) else {
                break;
            };
            print(&row, out)?;
            row = rest;
        }
        print(&row, out)?;
    }
    markers.try_for_each(|(_, name)| marker(name, out))
}

fn marker(name: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    writeln!(out, "---[ {name} ]---")
}

/// Cuts `row` at the first of its entries that starts at or above `at`, and returns that part. An
/// entry that the address lies inside of stays whole, in the lower part.
fn split_off(row: &mut Row, at: VirtAddr) -> Option<Row> {
    let entry_bytes = u64::from(row.level.entry_bytes());
    let at = u64::from(at.as_u32()).next_multiple_of(entry_bytes);
    if at >= row.end() {
        return None;
    }
    let len_bytes = row.end() - at;
    row.len_bytes -= len_bytes;
    // Below the row's end, so below 4 GiB.
    Some(Row { virt: VirtAddr::new(at as u32), len_bytes, ..*row })
}

fn print(row: &Row, out: &mut dyn fmt::Write) -> fmt::Result {
    let (size, unit) = in_largest_unit(row.len_bytes);
    let leaf = row.attributes.leaf;
    write!(
        out,
        "{:#010x}-{:#010x}   {size:>9}{unit} {} {} {} {} {}",
        row.virt,
        row.end(),
        match row.level {
            Level::Section | Level::Supersection => "PGD",
            Level::LargePage | Level::SmallPage => "PTE",
        },
        domain_name(row.attributes.domain),
        access_name(leaf.access),
        match leaf.execute {
            Execute::Never => "NX",
            Execute::Allowed => "x ",
        },
        if leaf.shareable { "SHD" } else { "   " },
    )?;
    if matches!(row.level, Level::LargePage | Level::SmallPage) {
        write!(out, " {}", memory_type_name(leaf.memory_type))?;
    }
    writeln!(out)
}

/// `len_bytes`, a multiple of 1 KiB, in the largest of K, M and G that divides it.
fn in_largest_unit(len_bytes: u64) -> (u64, char) {
    let kib = len_bytes >> 10;
    if !kib.is_multiple_of(1024) {
        (kib, 'K')
    } else if !kib.is_multiple_of(1024 * 1024) {
        (kib >> 10, 'M')
    } else {
        (kib >> 20, 'G')
    }
}

/// Linux's numbers: we use domain 0 alone.
fn domain_name(domain: Domain) -> &'static str {
    match domain.as_u8() {
        0 => "KERNEL ",
        1 => "USER   ",
        2 => "IO     ",
        3 => "VECTORS",
        _ => "unknown",
    }
}

fn access_name(access: Access) -> &'static str {
    match (access, access.user(), access.privileged()) {
        (Access::Reserved, ..) => "RESERVED",
        (_, Rights::ReadWrite, _) => "USR RW",
        (_, Rights::Read, _) => "USR ro",
        (_, Rights::None, Rights::ReadWrite) => "    RW",
        (_, Rights::None, Rights::Read) => "    ro",
        (_, Rights::None, Rights::None) => "    --",
    }
}

fn memory_type_name(memory_type: MemoryType) -> &'static str {
    match memory_type {
        MemoryType::StronglyOrdered => "SO/UNCACHED",
        MemoryType::NormalNonCacheable => "MEM/BUFFERABLE/WC",
        MemoryType::WriteThrough => "MEM/CACHED/WT",
        MemoryType::WriteBack => "MEM/CACHED/WBRA",
        MemoryType::Device => "DEV/SHARED",
        MemoryType::Unused => "RESERVED",
        MemoryType::ImplementationDefined => "MEM/MINICACHE",
        MemoryType::WriteAllocate => "MEM/CACHED/WBWA",
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::Arena;
    use super::*;

    const MARKERS: [(VirtAddr, &str); 7] = [
        (VirtAddr::new(0xbf00_0000), "Modules"),
        (VirtAddr::new(0xc000_0000), "Kernel Mapping"),
        (VirtAddr::new(0xf080_0000), "vmalloc() Area"),
        (VirtAddr::new(0xff80_0000), "FDT Area"),
        (VirtAddr::new(0xfff0_0000), "Fixmap Area"),
        (VirtAddr::new(0xffff_0000), "Vectors"),
        (VirtAddr::new(0xffff_2000), "Vectors End"),
    ];

    fn listing(arena: &Arena, markers: &[(VirtAddr, &str)]) -> String {
        let mut text = String::new();
        dump(&arena.walker(), markers, &mut text).unwrap();
        text
    }

    /// A whole kernel, in the form that Linux prints it.
    #[test]
    fn a_kernel_prints_as_linux_prints_it() {
        let mut arena = Arena::new(8);
        for slot in 0..768 {
            let attributes = match slot {
                2..4 => 0x1940e,
                4 => 0x1941e,
                _ => 0x1141e,
            };
            arena.poke_l1(0xc000_0000 + (slot << 20), 0x4000_0000 + (slot << 20) + attributes);
        }
        arena.poke_page(0xf080_0000, 0x0800_0453);
        arena.poke_page(0xf080_2000, 0x0900_0453);
        arena.poke_page(0xf080_4000, 0x5000_0417);
        arena.poke_l1(0xff80_0000, 0x4801_941e);
        arena.poke_l1(0xff90_0000, 0x4811_941e);
        arena.poke_page(0xfffd_f000, 0x0900_0453);
        arena.poke_page(0xffff_0000, 0x4020_067e);
        arena.poke_page(0xffff_1000, 0x4020_165e);
        let expected = "\
---[ Modules ]---
---[ Kernel Mapping ]---
0xc0000000-0xc0200000           2M PGD KERNEL      RW NX SHD
0xc0200000-0xc0400000           2M PGD KERNEL      ro x  SHD
0xc0400000-0xc0500000           1M PGD KERNEL      ro NX SHD
0xc0500000-0xf0000000         763M PGD KERNEL      RW NX SHD
---[ vmalloc() Area ]---
0xf0800000-0xf0801000           4K PTE KERNEL      RW NX SHD DEV/SHARED
0xf0802000-0xf0803000           4K PTE KERNEL      RW NX SHD DEV/SHARED
0xf0804000-0xf0805000           4K PTE KERNEL      RW NX SHD MEM/BUFFERABLE/WC
---[ FDT Area ]---
0xff800000-0xffa00000           2M PGD KERNEL      ro NX SHD
---[ Fixmap Area ]---
0xfffdf000-0xfffe0000           4K PTE KERNEL      RW NX SHD DEV/SHARED
---[ Vectors ]---
0xffff0000-0xffff1000           4K PTE KERNEL  USR ro x  SHD MEM/CACHED/WBWA
0xffff1000-0xffff2000           4K PTE KERNEL      ro x  SHD MEM/CACHED/WBWA
---[ Vectors End ]---
";
        assert_eq!(listing(&arena, &MARKERS), expected);
    }

    #[test]
    fn a_row_is_cut_where_a_region_begins() {
        let mut arena = Arena::new(1);
        for page in 0..4 {
            arena.poke_page(0xbf00_0000 + page * 4096, 0x4000_045f);
        }
        arena.poke_l1(0xc000_0000, 0x4001_141e);
        arena.poke_l1(0xc010_0000, 0x4001_141e);
        let markers = [
            (VirtAddr::new(0xbf00_2000), "first, at the top"),
            (VirtAddr::new(0xbf00_2000), "same place"),
            (VirtAddr::new(0xc000_1000), "inside a section"),
            (VirtAddr::new(0xffff_ffff), "inside the last page"),
        ];
        let expected = "\
---[ first, at the top ]---
0xbf000000-0xbf002000           8K PTE KERNEL      RW NX SHD MEM/CACHED/WBWA
---[ same place ]---
0xbf002000-0xbf004000           8K PTE KERNEL      RW NX SHD MEM/CACHED/WBWA
0xc0000000-0xc0100000           1M PGD KERNEL      RW NX SHD
---[ inside a section ]---
0xc0100000-0xc0200000           1M PGD KERNEL      RW NX SHD
---[ inside the last page ]---
";
        assert_eq!(listing(&arena, &markers), expected);
    }

    #[test]
    fn every_size_domain_and_attribute_has_its_own_text() {
        let mut arena = Arena::new(1);
        for slot in 0..1024 {
            arena.poke_l1(0x4000_0000 + (slot << 20), 0x4000_0c02 | 1 << 5);
        }
        arena.poke_l1(0x9000_0000, 0x4000_0812 | 2 << 5);
        arena.poke_l1(0x9010_0000, 0x4000_0002 | 3 << 5);
        arena.poke_l1(0x9020_0000, 0x4000_8c02 | 4 << 5);
        arena.poke_l1(0x9030_0000, 0x4000_8002);
        // One page for each memory type, TEX[0] at bit 6, and one large page with XN at bit 15.
        for n in 0..8 {
            arena.poke_page(0xa000_0000 + n * 4096, 0x12 | (n >> 2) << 6 | (n & 3) << 2);
        }
        arena.poke_page(0xa001_0000, 0x8011);
        let expected = "\
0x40000000-0x80000000           1G PGD USER    USR RW x     
0x90000000-0x90100000           1M PGD IO      USR ro NX    
0x90100000-0x90200000           1M PGD VECTORS     -- x     
0x90200000-0x90300000           1M PGD unknown USR ro x     
0x90300000-0x90400000           1M PGD KERNEL  RESERVED x     
0xa0000000-0xa0001000           4K PTE KERNEL      RW x      SO/UNCACHED
0xa0001000-0xa0002000           4K PTE KERNEL      RW x      MEM/BUFFERABLE/WC
0xa0002000-0xa0003000           4K PTE KERNEL      RW x      MEM/CACHED/WT
0xa0003000-0xa0004000           4K PTE KERNEL      RW x      MEM/CACHED/WBRA
0xa0004000-0xa0005000           4K PTE KERNEL      RW x      DEV/SHARED
0xa0005000-0xa0006000           4K PTE KERNEL      RW x      RESERVED
0xa0006000-0xa0007000           4K PTE KERNEL      RW x      MEM/MINICACHE
0xa0007000-0xa0008000           4K PTE KERNEL      RW x      MEM/CACHED/WBWA
0xa0010000-0xa0011000           4K PTE KERNEL      RW NX     SO/UNCACHED
";
        assert_eq!(listing(&arena, &[]), expected);
    }
}
