//! `/proc/vmallocinfo`: a row for each area, in Linux's format.
//!
//! ```text
//! 0xf0800000-0xf0802000    8192 phys=0x09000000 ioremap
//! 0xf0803000-0xf0814000   69632 0xc0101234 in vmsplit::example pages=16 vmalloc
//! 0xf0815000-0xf0817000    8192 unpurged vm_area
//! ```
//!
//! Addresses and sizes have the guard page in them. Rows are in the order of addresses; areas that wait for a flush come last,
//! and behind them those that are kept for the next request of their size, which Linux has not.

use core::fmt::{Result, Write};

use crate::map::area::{AreaInfo, AreaState, GUARD_BYTES};

/// Writes the form. `areas` gives all areas upwards, each time it is asked; `name` writes a call site, with its name if
/// it has one.
///
/// # Errors
///
/// When `out` does.
pub fn write<I: Iterator<Item = AreaInfo>>(
    out: &mut dyn Write,
    areas: impl Fn() -> I,
    name: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    for info in areas() {
        if matches!(info.state, AreaState::Live | AreaState::Making) {
            write_range(out, &info)?;
            write_area(out, &info, name)?;
        }
    }
    for (state, text) in
        [(AreaState::Waiting, "unpurged vm_area"), (AreaState::Spare, "spare vm_area")]
    {
        for info in areas().filter(|info| info.state == state) {
            write_range(out, &info)?;
            writeln!(out, " {text}")?;
        }
    }
    Ok(())
}

fn write_range(out: &mut dyn Write, info: &AreaInfo) -> Result {
    let (start, end) = (info.range.start(), info.range.end());
    let end = end.as_u32().saturating_add(GUARD_BYTES);
    write!(out, "{start}-{end:#010x} {:7}", end - start.as_u32())
}

fn write_area(
    out: &mut dyn Write,
    info: &AreaInfo,
    name: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    if info.caller != 0 {
        out.write_char(' ')?;
        name(out, info.caller)?;
    }
    if info.kind.owns_pages() {
        write!(out, " pages={}", info.own_pages())?;
    }
    if let Some(phys) = info.phys {
        write!(out, " phys={phys}")?;
    }
    writeln!(out, " {}", info.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;
    use crate::addr::{PAGE_SIZE, PhysAddr, VirtAddr, VirtRange};
    use crate::map::area::AreaKind;
    use crate::map::prot::MemoryType;

    #[test]
    fn golden() {
        let area = |page: u32, pages: u32, kind, state| {
            let start = VirtAddr::new(0xf080_0000 + page * PAGE_SIZE);
            AreaInfo {
                range: VirtRange::new(start, start.checked_add(pages * PAGE_SIZE).unwrap()),
                kind,
                state,
                memory: MemoryType::WriteBack,
                caller: if kind == AreaKind::Ioremap { 0 } else { 0xc010_1234 },
                phys: (kind == AreaKind::Ioremap).then(|| PhysAddr::new(0x900_0000)),
            }
        };
        let areas = [
            area(0, 1, AreaKind::Ioremap, AreaState::Live),
            area(2, 1, AreaKind::Vmalloc, AreaState::Waiting),
            area(4, 16, AreaKind::Vmalloc, AreaState::Live),
            area(21, 2, AreaKind::Vmalloc, AreaState::Spare),
            area(24, 256, AreaKind::Vmap, AreaState::Live),
            area(300, 3, AreaKind::Stack, AreaState::Making),
            area(310, 2, AreaKind::IoBlocks, AreaState::Live),
        ];
        let name = |out: &mut dyn Write, site: u32| write!(out, "{site:#010x} in here");
        assert_eq!(
            print(|out| write(out, || areas.into_iter(), &name)),
            "\
0xf0800000-0xf0802000    8192 phys=0x09000000 ioremap
0xf0804000-0xf0815000   69632 0xc0101234 in here pages=16 vmalloc
0xf0818000-0xf0919000 1052672 0xc0101234 in here vmap
0xf092c000-0xf0930000   16384 0xc0101234 in here pages=2 vmalloc
0xf0936000-0xf0939000   12288 0xc0101234 in here ioremap
0xf0802000-0xf0804000    8192 unpurged vm_area
0xf0815000-0xf0818000   12288 spare vm_area
"
        );
    }
}
