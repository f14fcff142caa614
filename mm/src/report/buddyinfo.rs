//! `/proc/buddyinfo`: free blocks of each order, a line for each zone that has memory.
//!
//! ```text
//! Node 0, zone      DMA      0      0      1      1      1 …
//! ```

use core::fmt::{Result, Write};

use crate::addr::Order;
use crate::zone::MemoryFigures;

/// Writes the form. Each line ends with a blank, as Linux's does.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, figures: &MemoryFigures) -> Result {
    for zone in figures.populated() {
        write!(out, "Node 0, zone {:>8} ", zone.kind)?;
        for order in Order::all() {
            write!(out, "{:6} ", zone.blocks_of(order))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};

    #[test]
    fn golden() {
        assert_eq!(
            print(|out| super::write(out, &figures())),
            "Node 0, zone      DMA      3      0      2      0      1      0      2      0      1      0      1 \n\
             Node 0, zone  HighMem      0      1      1      1      1      1      1      1      0      0      0 \n"
        );
    }
}
