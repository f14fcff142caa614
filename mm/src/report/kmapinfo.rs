//! `kmapinfo`: the slots of the pkmap, who is mapped there, and how deep the CPUs' levels are.
//!
//! ```text
//! pkmap 0xbfe00000 - 0xc0000000: 512 slots, 2 used, 17 idle, 493 free, 3 users
//! last slot 19, 4 flushes
//! slot address    pfn     users
//!    1 0xbfe01000 0x70000     2
//!    7 0xbfe07000 0x70412     1
//! kmap_local: cpu 0: 0 of 15 levels, at most 3
//! ```
//!
//! Slots with users are listed, and those that are idle counted.

use core::fmt::{Result, Write};

use crate::addr::VirtRange;
use crate::map::kmap::local::{Depth, MAX_DEPTH};
use crate::map::kmap::pkmap::{PKMAP_SLOTS, PkmapFigures, SlotUse};

/// Writes the part about the pkmap.
///
/// # Errors
///
/// When `out` does.
pub fn write_pkmap(
    out: &mut dyn Write,
    region: VirtRange,
    figures: &PkmapFigures,
    slots: impl Iterator<Item = SlotUse>,
) -> Result {
    let PkmapFigures { used, idle, free, users, last, flushes, .. } = figures;
    writeln!(
        out,
        "pkmap {region}: {PKMAP_SLOTS} slots, {used} used, {idle} idle, {free} free, {users} users"
    )?;
    writeln!(out, "last slot {last}, {flushes} flushes")?;
    let mut is_first = true;
    for SlotUse { slot, virt, pfn, users } in slots.filter(|slot| slot.users > 0) {
        if is_first {
            out.write_str("slot address    pfn     users\n")?;
            is_first = false;
        }
        writeln!(out, "{slot:4} {virt} {pfn} {users:5}")?;
    }
    Ok(())
}

/// Writes the part about the CPUs' levels, a line for each CPU.
///
/// # Errors
///
/// When `out` does.
pub fn write_levels(out: &mut dyn Write, depths: impl Iterator<Item = Depth>) -> Result {
    for (cpu, Depth { now, most }) in depths.enumerate() {
        writeln!(out, "kmap_local: cpu {cpu}: {now} of {MAX_DEPTH} levels, at most {most}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;
    use crate::addr::{Pfn, VirtAddr};

    #[test]
    fn golden() {
        let region = VirtRange::new(VirtAddr::new(0xbfe0_0000), VirtAddr::new(0xc000_0000));
        let figures = PkmapFigures {
            used: 2,
            idle: 1,
            free: 509,
            users: 3,
            last: 19,
            flushes: 4,
            waiting: 0,
        };
        let slots =
            [(1, 0x70000, 2), (5, 0x70001, 0), (511, 0x7_0412, 1)].map(|(slot, pfn, users)| {
                let virt = VirtAddr::new(0xbfe0_0000 + slot * 4096);
                SlotUse { slot, virt, pfn: Pfn::new(pfn), users }
            });
        let depths = [Depth { now: 0, most: 3 }, Depth { now: 2, most: 15 }];
        assert_eq!(
            print(|out| {
                write_pkmap(out, region, &figures, slots.into_iter())?;
                write_levels(out, depths.into_iter())
            }),
            "\
pkmap 0xbfe00000 - 0xc0000000: 512 slots, 2 used, 1 idle, 509 free, 3 users
last slot 19, 4 flushes
slot address    pfn     users
   1 0xbfe01000 0x70000     2
 511 0xbffff000 0x70412     1
kmap_local: cpu 0: 0 of 15 levels, at most 3
kmap_local: cpu 1: 2 of 15 levels, at most 15
"
        );
        let nothing =
            print(|out| write_pkmap(out, region, &PkmapFigures::default(), [].into_iter()));
        assert_eq!(nothing.lines().count(), 2, "no heading over no slot");
    }
}
