//! A picture of the slabs of each cache, by how full they are.
//!
//! ```text
//! kmalloc-64          12 full  9975310..
//! ```
//!
//! Each character is a slab with a free object: a digit says how many tenths of its objects are allocated, a
//! dot that none is. Many dots are memory that a shrinker gets back; many small digits are memory that
//! nobody gets back, since somebody forgot a few objects, or has held them for longer than their neighbours.

use core::fmt::{Result, Write};

use crate::object::{Name, Occupancy};

/// Slabs in a line at most; of the others the number is said.
const WIDTH: u32 = 60;

/// Writes the line of one cache.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, name: &Name, occupancy: &Occupancy) -> Result {
    let Occupancy { empty, partial, full } = occupancy;
    write!(out, "{name:<17} {full:6} full  ")?;
    let mut left = WIDTH;
    let mut more = 0;
    let tenths = (b'0'..=b'9').zip(partial).rev();
    for (character, slabs) in tenths.chain([(b'.', empty)]) {
        let shown = (*slabs).min(left);
        left -= shown;
        more += slabs - shown;
        for _ in 0..shown {
            out.write_char(character.into())?;
        }
    }
    if more > 0 {
        write!(out, " and {more} more")?;
    }
    out.write_char('\n')
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;

    fn line(slabs: &[(u32, u32)]) -> String {
        let mut occupancy = Occupancy::default();
        slabs.iter().for_each(|(allocated, objects)| occupancy.add(*allocated, *objects));
        assert_eq!(occupancy.slabs() as usize, slabs.len());
        let name = Name::new("kmalloc-64").unwrap();
        print(|out| write(out, &name, &occupancy))
    }

    #[test]
    fn golden() {
        let slabs = [(0, 64), (64, 64), (1, 64), (6, 64), (7, 64), (63, 64), (32, 64), (0, 64)];
        assert_eq!(line(&slabs), "kmalloc-64             1 full  95100..\n");
        assert_eq!(line(&[]), "kmalloc-64             0 full  \n");
        let many = [(1, 2); 70];
        let expected = format!("kmalloc-64             0 full  {} and 10 more\n", "5".repeat(60));
        assert_eq!(line(&many), expected);
    }
}
