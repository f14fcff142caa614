//! `/proc/iomem`: who has which physical addresses, nested.
//!
//! ```text
//! 09000000-09000fff : pl011@9000000
//! 40000000-7fffffff : System RAM
//!   40208000-402fffff : Kernel code
//! ```
//!
//! Who lies within whom follows from the ranges alone. A range that lies only partly within
//! another conflicts with it and is not shown, as Linux refuses to register it.

use core::cmp::Reverse;
use core::fmt::{Result, Write};

use arrayvec::ArrayVec;

use crate::addr::PhysRange;

/// Levels of nesting that the form shows; what lies deeper is left out.
const MAX_DEPTH: usize = 5;

/// Somebody's physical addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resource<'a> {
    /// The addresses.
    pub range: PhysRange,
    /// Who has them.
    pub name: &'a str,
}

/// Writes the form, and leaves the resources in its order: by address, parents first. Empty
/// ranges are not shown. Of several equal ranges, the first by name is the parent.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, resources: &mut [Resource<'_>]) -> Result {
    resources.sort_unstable_by_key(|resource| {
        (resource.range.start(), Reverse(resource.range.end()), resource.name)
    });
    let mut around: ArrayVec<PhysRange, MAX_DEPTH> = ArrayVec::new();
    for Resource { range, name } in resources.iter().filter(|one| !one.range.is_empty()) {
        while around.last().is_some_and(|parent| parent.end() <= range.start()) {
            around.pop();
        }
        let fits = around.last().is_none_or(|parent| parent.contains_range(range));
        let depth = around.len();
        if !fits || around.try_push(*range).is_err() {
            continue;
        }
        let (start, last) = (range.start().as_u64(), range.end().as_u64() - 1);
        writeln!(out, "{:indent$}{start:08x}-{last:08x} : {name}", "", indent = 2 * depth)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PhysAddr;

    fn print(resources: &[(u64, u64, &str)]) -> String {
        let mut resources: Vec<_> = resources
            .iter()
            .map(|&(start, end, name)| Resource {
                range: PhysRange::new(PhysAddr::new(start), PhysAddr::new(end)),
                name,
            })
            .collect();
        let mut text = String::new();
        write(&mut text, &mut resources).unwrap();
        text
    }

    #[test]
    fn golden() {
        assert_eq!(
            print(&[
                (0x4000_0000, 0x8000_0000, "System RAM"),
                (0x4040_0000, 0x404a_1000, "Kernel data"),
                (0x4020_8000, 0x4030_0000, "Kernel code"),
                (0x0900_0000, 0x0900_1000, "pl011@9000000"),
                (0x1_0000_0000, 0x1_4000_0000, "System RAM"),
            ]),
            "\
09000000-09000fff : pl011@9000000
40000000-7fffffff : System RAM
  40208000-402fffff : Kernel code
  40400000-404a0fff : Kernel data
100000000-13fffffff : System RAM
"
        );
    }

    #[test]
    fn a_range_across_a_border_is_not_shown() {
        assert_eq!(
            print(&[(0, 0x1000, "a"), (0x800, 0x1800, "b"), (0x1800, 0x2000, "c")]),
            "00000000-00000fff : a\n00001800-00001fff : c\n"
        );
    }

    #[test]
    fn neither_empty_nor_too_deep_ranges_are_shown() {
        let nested = [0, 1, 2, 3, 4, 5].map(|start| (start, 16, "x"));
        assert_eq!(print(&nested).lines().count(), MAX_DEPTH);
        assert!(print(&nested).ends_with("        00000004-0000000f : x\n"));
        assert_eq!(print(&[(5, 5, "nothing")]), "");
    }
}
