//! What boot has to say about the memory it was told of, and about the parameters it was given.
//!
//! Boot never stops over a parameter: it takes the nearest thing that works and says so. Where
//! Linux has a line for the case, ours is that line, so that a search for it finds the right
//! documentation; where Linux is silent, ours says what could not be read. Values, not text, are
//! kept, so that the boot log, the monitor and the host tool print the same lines.

use core::fmt;

use crate::addr::PhysRange;

/// One line of warning. Parameter texts are borrowed from the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warning<'a> {
    /// `vmalloc=` below 16 MiB (Linux's line).
    VmallocTooSmall {
        /// What is taken instead, in MiB.
        limit_mib: u32,
    },
    /// `vmalloc=` that would leave less than 32 MiB of lowmem addresses (Linux's line).
    VmallocTooBig {
        /// What is taken instead, in MiB.
        limit_mib: u32,
    },
    /// A parameter without its `=SIZE`. Linux follows a null pointer here.
    MissingValue {
        /// The parameter.
        name: &'a str,
    },
    /// A value that does not begin with a digit and so counts as 0.
    NotASize {
        /// The parameter.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// A size with something behind it, which is ignored (Linux ignores it silently).
    TrailingText {
        /// The parameter.
        name: &'a str,
        /// Its value.
        value: &'a str,
        /// What was not read.
        rest: &'a str,
    },
    /// A value that is no `ADDRESS,SIZE` (Linux ignores it silently).
    NotARange {
        /// The parameter.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// A value that is none of those that there are.
    NotOneOf {
        /// The parameter.
        name: &'a str,
        /// Its value.
        value: &'a str,
        /// Those that there are.
        choices: &'static str,
    },
    /// `mem=` that names no whole page. Linux throws all memory away and stops silently.
    NoMemory {
        /// The value of `mem=`.
        value: &'a str,
    },
    /// `mem=` that names memory which the device tree does not. Linux believes it silently.
    NotInTree {
        /// What the tree does not have.
        range: PhysRange,
    },
    /// `mem=` that leaves out the running image, whose own memory stays in use.
    ImageKept {
        /// The memory kept.
        range: PhysRange,
    },
    /// A memory block that is not usable at all (Linux's line).
    BlockIgnored {
        /// The block.
        range: PhysRange,
        /// Why not.
        reason: Unusable,
    },
    /// A part of a memory block that is not usable (Linux's line).
    RangeIgnored {
        /// The part.
        range: PhysRange,
        /// Why not.
        reason: Unusable,
    },
    /// RAM that only HighMem could reach, in a kernel told not to have it (Linux's two lines in
    /// one).
    NoHighMem {
        /// The RAM that is lost.
        range: PhysRange,
    },
}

/// Why memory that a tree or a parameter names can not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// Short descriptors reach 4 GiB.
    Above4G,
    /// The linear map begins at `PHYS_OFFSET`, the start of the bank that holds the kernel.
    BelowPhysOffset,
    /// Smaller than the page it lies in.
    NoWholePage,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Above4G => "above 4 GiB, out of reach of short descriptors",
            Self::BelowPhysOffset => "below PHYS_OFFSET, where the kernel's own bank starts",
            Self::NoWholePage => "holds no whole page",
        })
    }
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::VmallocTooSmall { limit_mib } => {
                write!(f, "vmalloc area is too small, limiting to {limit_mib}MiB")
            }
            Self::VmallocTooBig { limit_mib } => {
                write!(f, "vmalloc area is too big, limiting to {limit_mib}MiB")
            }
            Self::MissingValue { name } => {
                write!(f, "{name}: a size is missing ({name}=SIZE), parameter ignored")
            }
            Self::NotASize { name, value } => {
                write!(f, "{name}={value}: \"{value}\" is not a size, taken as 0")
            }
            Self::TrailingText { name, value, rest } => {
                write!(f, "{name}={value}: \"{rest}\" after the size ignored")
            }
            Self::NotARange { name, value } => {
                write!(f, "{name}={value}: ADDRESS,SIZE was expected, parameter ignored")
            }
            Self::NotOneOf { name, value, choices } => {
                write!(f, "{name}={value}: one of {choices} was expected, parameter ignored")
            }
            Self::NoMemory { value } => {
                write!(f, "mem={value}: names no whole page of memory, parameter ignored")
            }
            Self::NotInTree { range } => {
                write!(f, "mem=: {range} is not memory in the device tree, used all the same")
            }
            Self::ImageKept { range } => {
                write!(f, "mem=: leaves out the running kernel, keeping {range}")
            }
            Self::BlockIgnored { range, reason } => {
                write!(f, "OF: fdt: Ignoring memory block ")?;
                range_as_linux(f, range)?;
                write!(f, " ({reason})")
            }
            Self::RangeIgnored { range, reason } => {
                write!(f, "OF: fdt: Ignoring memory range ")?;
                range_as_linux(f, range)?;
                write!(f, " ({reason})")
            }
            Self::NoHighMem { range } => {
                let (start, end) = (range.start(), range.end());
                write!(f, "Ignoring RAM at {start}-{end}; consider using a HIGHMEM enabled kernel.")
            }
        }
    }
}

/// `0xSTART - 0xEND`, unpadded and with an exclusive end, as the device-tree lines of Linux have it.
fn range_as_linux(f: &mut fmt::Formatter<'_>, range: PhysRange) -> fmt::Result {
    write!(f, "{:#x} - {:#x}", range.start(), range.end())
}

/// Where warnings go while boot decides: a log line, a list, a test.
pub type Sink<'s, 'a> = &'s mut dyn FnMut(Warning<'a>);
