//! Who holds what, by the place in the code that took it: the sums of Linux's
//! `/sys/kernel/debug/page_owner`, which has an entry for each block and leaves adding them up to a
//! script.
//!
//! ```text
//!    pages   blocks  call site
//!     1024        1  0xc0207f1c in vmsplit::monitor::pages::alloc
//!        8        8  not known
//!        4        2  others
//! ```

use core::fmt::{Result, Write};

use crate::zone::owner::{Holding, Holdings};

/// Writes the form. `name` writes a call site, with its name if it has one.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    holdings: &Holdings<'_>,
    name: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    let Holdings { by_site, others } = holdings;
    if by_site.is_empty() && others.blocks == 0 {
        return writeln!(out, "nobody holds a page");
    }
    writeln!(out, "   pages   blocks  call site")?;
    let numbers =
        |out: &mut dyn Write, of: &Holding| write!(out, "{:8} {:8}  ", of.pages, of.blocks);
    for holding in *by_site {
        numbers(out, holding)?;
        match holding.site {
            Some(site) => name(out, site)?,
            None => write!(out, "not known")?,
        }
        writeln!(out)?;
    }
    if others.blocks > 0 {
        numbers(out, others)?;
        writeln!(out, "others")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;

    fn form(holdings: &Holdings<'_>) -> String {
        print(|out| write(out, holdings, &|out, site| write!(out, "{site:#x} in somebody")))
    }

    #[test]
    fn golden() {
        let holding = |site, blocks, pages| Holding { site, blocks, pages };
        let by_site = [holding(Some(0xc020_7f1c), 1, 1024), holding(None, 8, 8)];
        let mut holdings = Holdings { by_site: &by_site, others: holding(None, 2, 4) };
        let lines = "   pages   blocks  call site
    1024        1  0xc0207f1c in somebody
       8        8  not known
       4        2  others
";
        assert_eq!(form(&holdings), lines);
        holdings.others = Holding::default();
        assert_eq!(form(&holdings) + "       4        2  others\n", lines);
        holdings.by_site = &[];
        assert_eq!(form(&holdings), "nobody holds a page\n");
    }
}
