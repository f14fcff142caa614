//! What is said when a request for pages fails: the request, then *Mem-Info*.
//!
//! ```text
//! page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null)
//! Mem-Info:
//! …
//! ```
//!
//! Linux begins the line with the name of the task, and there are no tasks here. There is one node,
//! so no request has a mask of nodes. The stack, which Linux shows between the two, is for the
//! caller to print: this knows memory only.

use core::fmt::{Display, Result, Write};

use super::show_mem;
use crate::addr::Order;
use crate::zone::MemoryFigures;

/// A request for pages that failed.
#[derive(Clone, Copy)]
pub struct AllocFailure<'a> {
    /// Order of the block that was wanted.
    pub order: Order,
    /// The request's flags as one number.
    pub gfp: u32,
    /// The names of these flags, `GFP_KERNEL|__GFP_ZERO` for one.
    pub gfp_names: &'a dyn Display,
    /// Number of the CPU that asked.
    pub cpu: u32,
}

/// Writes the form. `figures` are best those of the moment when the request failed.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, failure: &AllocFailure<'_>, figures: &MemoryFigures) -> Result {
    let AllocFailure { order, gfp, gfp_names, cpu } = failure;
    writeln!(
        out,
        "page allocation failure: order:{order}, mode:{gfp:#x}({gfp_names}), nodemask=(null)"
    )?;
    show_mem::write(out, figures, *cpu)
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};
    use super::*;

    #[test]
    fn golden() {
        let failure = AllocFailure {
            order: Order::new(4).unwrap(),
            gfp: 0xdc0,
            gfp_names: &"GFP_KERNEL|__GFP_ZERO",
            cpu: 1,
        };
        let memory = print(|out| show_mem::write(out, &figures(), 1));
        assert_eq!(
            print(|out| write(out, &failure, &figures())),
            "page allocation failure: order:4, mode:0xdc0(GFP_KERNEL|__GFP_ZERO), nodemask=(null)\n"
                .to_string() + &memory
        );
    }
}
