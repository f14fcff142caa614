//! What to do about a warning: one sentence for each, which names its value.
//!
//! A warning says what boot made of a tree or a command line; whoever reads it can mend one of the two. The sentence is
//! for a report beside the warning, not for the log, where a line is what others search for.

use core::fmt;

use super::initrd::{Reason, Refused};
use super::warning::{Unusable, Warning};

/// A sentence that says what to do.
#[derive(Clone, Copy, Debug)]
pub struct Remedy<T>(T);

impl<'a> Warning<'a> {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> Remedy<Warning<'a>> {
        Remedy(self)
    }
}

impl Refused {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> Remedy<Refused> {
        Remedy(self)
    }
}

impl fmt::Display for Remedy<Warning<'_>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Warning::VmallocTooSmall { limit_mib } => {
                write!(f, "Write vmalloc={limit_mib}M, the least there is, or leave it out.")
            }
            Warning::VmallocTooBig { limit_mib } => write!(
                f,
                "Write vmalloc={limit_mib}M or less: under this split lowmem keeps 32 MiB; a lower split has room for more."
            ),
            Warning::MissingValue { name } => {
                write!(f, "Give {name}= a size, such as {name}=64M, or leave it out.")
            }
            Warning::NotASize { name, value } => write!(
                f,
                "Write a number where {name} has \"{value}\": decimal, 0x or octal, with K, M or G behind it."
            ),
            Warning::TrailingText { name, value, rest } => {
                let size = value.strip_suffix(rest).unwrap_or(value);
                write!(f, "Take \"{rest}\" away, if {size} is what {name}= was to be.")
            }
            Warning::NotARange { name, value } => write!(
                f,
                "Write {name}=ADDRESS,SIZE, such as {name}=0x48000000,8M, where it has \"{value}\"."
            ),
            Warning::NotOneOf { name, value, choices } => {
                write!(f, "Write {name}= with one of {choices} instead of \"{value}\".")
            }
            Warning::NoMemory { value } => write!(
                f,
                "Give mem= at least a page: \"{value}\" is less than 4096 bytes, or no size."
            ),
            Warning::NotInTree { range } => write!(
                f,
                "If there is RAM at {range}, name it in the tree; if not, mend mem=, or the kernel will use what is none."
            ),
            Warning::ImageKept { range } => write!(
                f,
                "Have a mem= name {range} too, where the kernel runs, or load the kernel into what is named."
            ),
            Warning::BlockIgnored { range, reason } | Warning::RangeIgnored { range, reason } => {
                match reason {
                    Unusable::Above4G => write!(
                        f,
                        "Nothing on the command line reaches {range}: it needs LPAE, or a board that has the RAM lower."
                    ),
                    Unusable::BelowPhysOffset => {
                        write!(f, "Load the kernel into the bank of {range} to use it.")
                    }
                    Unusable::NoWholePage => write!(
                        f,
                        "Have the bank around {range} begin and end on multiples of 4096."
                    ),
                }
            }
            Warning::NoHighMem { range } => write!(
                f,
                "Take nohighmem away to use {range} as HighMem, or make it lowmem by a smaller vmalloc= or a lower split."
            ),
        }
    }
}

impl fmt::Display for Remedy<Refused> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { range, reason } = self.0;
        match reason {
            Reason::NotMemory { at } => write!(
                f,
                "Load the initrd at {range} elsewhere, into RAM that is used: {at} is none. initrd_high of U-Boot says how high."
            ),
            Reason::InUse { by } => {
                write!(f, "Load the initrd at {range} elsewhere: {by} is taken before it.")
            }
            Reason::Overwritten => {
                write!(
                    f,
                    "Load kernel, device tree and initrd apart: something else is at {range}."
                )
            }
            Reason::NoHighMem { lowmem_end } => write!(
                f,
                "Load the initrd at {range} below {lowmem_end}, or take nohighmem away. initrd_high of U-Boot says how high."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{PhysAddr, PhysRange};

    const RANGE: PhysRange = PhysRange::new(PhysAddr::new(0x7000_0000), PhysAddr::new(0x7100_0000));

    /// The next variant; adding one makes this, and so the list, incomplete at compile time.
    fn after(warning: Warning<'static>) -> Option<Warning<'static>> {
        let (name, value) = ("vmaloc", "a1");
        let reason = |reason| Warning::BlockIgnored { range: RANGE, reason };
        Some(match warning {
            Warning::VmallocTooSmall { .. } => Warning::VmallocTooBig { limit_mib: 976 },
            Warning::VmallocTooBig { .. } => Warning::MissingValue { name },
            Warning::MissingValue { .. } => Warning::NotASize { name, value },
            Warning::NotASize { .. } => Warning::TrailingText { name, value, rest: "1" },
            Warning::TrailingText { .. } => Warning::NotARange { name, value },
            Warning::NotARange { .. } => Warning::NotOneOf { name, value, choices: "on, off" },
            Warning::NotOneOf { .. } => Warning::NoMemory { value },
            Warning::NoMemory { .. } => Warning::NotInTree { range: RANGE },
            Warning::NotInTree { .. } => Warning::ImageKept { range: RANGE },
            Warning::ImageKept { .. } => reason(Unusable::Above4G),
            Warning::BlockIgnored { reason: Unusable::Above4G, .. } => {
                reason(Unusable::BelowPhysOffset)
            }
            Warning::BlockIgnored { reason: Unusable::BelowPhysOffset, .. } => {
                reason(Unusable::NoWholePage)
            }
            Warning::BlockIgnored { reason: Unusable::NoWholePage, .. } => {
                Warning::RangeIgnored { range: RANGE, reason: Unusable::NoWholePage }
            }
            Warning::RangeIgnored { .. } => Warning::NoHighMem { range: RANGE },
            Warning::NoHighMem { .. } => return None,
        })
    }

    #[test]
    fn every_warning_has_a_sentence_that_names_its_value() {
        let first = Warning::VmallocTooSmall { limit_mib: 16 };
        let all = core::iter::successors(Some(first), |warning| after(*warning));
        let lines: Vec<_> = all.map(|warning| (warning, warning.remedy().to_string())).collect();
        assert_eq!(lines.len(), 15);
        for (warning, line) in &lines {
            let names = ["16M", "976M", "vmaloc", "\"a1\"", "0x70000000"];
            assert!(names.iter().any(|name| line.contains(name)), "{warning}: {line}");
            assert!(line.ends_with('.') && line.is_ascii() && line.len() < 125, "{line}");
        }
    }

    #[test]
    fn an_initrd_that_is_refused_has_one_too() {
        let at = PhysAddr::new(0x7080_0000);
        for (reason, value) in [
            (Reason::NotMemory { at }, "0x70800000"),
            (Reason::InUse { by: RANGE }, "[0x70000000-0x70ffffff] is taken"),
            (Reason::Overwritten, "[0x70000000-0x70ffffff]"),
            (Reason::NoHighMem { lowmem_end: at }, "below 0x70800000"),
        ] {
            let line = Refused { range: RANGE, reason }.remedy().to_string();
            assert!(line.contains(value) && line.contains("[0x70000000-"), "{line}");
        }
    }
}
