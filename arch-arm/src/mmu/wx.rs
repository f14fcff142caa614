//! Nothing may be writable and executable at once: the check at the end of boot.
//!
//! A page counts when anybody may write it and anybody may execute it, be it the same privilege
//! level or not: user code that writes what the kernel executes is no better. To execute takes the
//! right to read as well as XN = 0, and PXN = 0 for privileged code (ARM DDI 0406C, B3.7.2), so a
//! page that nobody may read is not executable. The check holds while every domain is a client;
//! a manager would ignore both rights and XN.

use core::fmt;

use mm::addr::{PAGE_SIZE, VirtAddr};

use super::attributes::{Access, Execute, Rights};
use super::rows::{Row, rows};
use super::walk::{TableRead, Walker};

/// Is there somebody who may write and somebody who may execute?
fn is_writable_and_executable(access: Access, execute: Execute, pxn: bool) -> bool {
    let (privileged, user) = (access.privileged(), access.user());
    let writable = privileged == Rights::ReadWrite || user == Rights::ReadWrite;
    let executable = execute == Execute::Allowed
        && (user != Rights::None || (privileged != Rights::None && !pxn));
    writable && executable
}

/// What the check found. `Display` is Linux's line for it, with the first address added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WxReport {
    /// Pages of 4 KiB that are writable and executable; each section counts as 256.
    pub nr_pages: u32,
    /// The lowest of them.
    pub first: Option<VirtAddr>,
}

impl WxReport {
    /// Was nothing found?
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.nr_pages == 0
    }
}

impl fmt::Display for WxReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            None => write!(f, "Checked W+X mappings: passed, no W+X pages found"),
            Some(first) => write!(
                f,
                "Checked W+X mappings: FAILED, {} W+X pages found, first at {first}",
                self.nr_pages
            ),
        }
    }
}

/// Checks every mapping that `walker` sees. `found` is called for each row of pages that are
/// writable and executable, lowest first.
pub fn check<M: TableRead>(walker: &Walker<'_, M>, mut found: impl FnMut(&Row)) -> WxReport {
    let mut report = WxReport::default();
    for row in rows(walker.mappings()) {
        let leaf = row.attributes.leaf;
        if is_writable_and_executable(leaf.access, leaf.execute, row.pxn) {
            found(&row);
            report.first = report.first.or(Some(row.virt));
            // The whole address space is 2^20 pages.
            report.nr_pages += (row.len_bytes / u64::from(PAGE_SIZE)) as u32;
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::super::arena::Arena;
    use super::*;

    fn run(arena: &Arena) -> (WxReport, Vec<(u32, u64)>) {
        let mut found = Vec::new();
        let report = check(&arena.walker(), |row| found.push((row.virt.as_u32(), row.len_bytes)));
        (report, found)
    }

    #[test]
    fn a_clean_table_passes() {
        let mut arena = Arena::new(1);
        arena.poke_l1(0xc000_0000, 0x4001_141e);
        arena.poke_l1(0xc010_0000, 0x4011_940e);
        arena.poke_page(0xffff_0000, 0x4020_067e);
        let (report, found) = run(&arena);
        assert!(report.passed() && found.is_empty());
        assert_eq!(report.to_string(), "Checked W+X mappings: passed, no W+X pages found");
    }

    #[test]
    fn a_planted_page_is_found_with_its_address() {
        let mut arena = Arena::new(1);
        arena.poke_l1(0xc000_0000, 0x4001_141e);
        arena.poke_page(0xbf00_0000, 0x4020_045f);
        arena.poke_page(0xbf00_1000, 0x4020_145e);
        arena.poke_page(0xbf00_2000, 0x4020_245f);
        let (report, found) = run(&arena);
        assert!(!report.passed());
        assert_eq!(found, [(0xbf00_1000, 4096)]);
        assert_eq!(
            report.to_string(),
            "Checked W+X mappings: FAILED, 1 W+X pages found, first at 0xbf001000"
        );
    }

    #[test]
    fn sections_count_as_256_pages_each_and_every_row_is_named() {
        let mut arena = Arena::new(0);
        arena.poke_l1(0xc000_0000, 0x4001_140e);
        arena.poke_l1(0xc010_0000, 0x4011_140e);
        arena.poke_l1(0xd000_0000, 0x5001_1c0e);
        let (report, found) = run(&arena);
        assert_eq!(report, WxReport { nr_pages: 768, first: Some(VirtAddr::new(0xc000_0000)) });
        assert_eq!(found, [(0xc000_0000, 2 << 20), (0xd000_0000, 1 << 20)]);
    }

    /// All 32 combinations of AP\[2:0\], XN and PXN, with the offenders listed by hand from the
    /// manual's tables: who writes is AP 001, 010, 011; AP 000 nobody reads; AP 100 is reserved.
    #[test]
    fn every_combination_is_judged_as_the_manual_has_it() {
        for bits in 0..32_u32 {
            let (ap, xn, pxn) = (bits & 7, bits >> 3 & 1, bits >> 4 & 1);
            let bad =
                matches!((ap, xn, pxn), (0b001, 0, 0) | (0b010 | 0b011, 0, _) | (0b100, 0, _));
            let section = 0x4000_0002 | (ap >> 2) << 15 | (ap & 3) << 10 | xn << 4 | pxn;
            let page = 0x4000_0002 | (ap >> 2) << 9 | (ap & 3) << 4 | xn;
            let large_page = 0x4000_0001 | (ap >> 2) << 9 | (ap & 3) << 4 | xn << 15;

            let mut arena = Arena::new(2);
            arena.poke_l1(0xc000_0000, section);
            assert_eq!(run(&arena).0.nr_pages, if bad { 256 } else { 0 }, "section {section:#x}");

            let mut arena = Arena::new(2);
            arena.poke_page(0xc000_0000, page);
            arena.poke_page(0xd000_0000, large_page);
            for table in [0xc000_0000, 0xd000_0000] {
                arena.poke_l1(table, arena.peek_l1(table) | pxn << 2);
            }
            assert_eq!(run(&arena).0.nr_pages, if bad { 2 } else { 0 }, "page {page:#x}");
        }
    }
}
