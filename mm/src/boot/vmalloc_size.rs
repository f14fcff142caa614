//! `vmalloc=`: how much address space is kept for the vmalloc area at the least.
//!
//! The request is a minimum: the area is whatever lowmem leaves between its end and
//! [`VMALLOC_END`]. Since Linux 5.14 the 8 MiB gap above lowmem is not
//! part of the request.
//!
//! Linux cuts the value to 32 bits before it looks at it, so that `vmalloc=4G` is 0 and becomes
//! 16 MiB; here 4 GiB or more is simply too big. A bare `vmalloc` makes Linux follow a null
//! pointer; here it is ignored with a warning.

use super::layout::{VMALLOC_END, VMALLOC_OFFSET};
use super::split::Split;
use super::warning::{Sink, Warning};
use crate::addr::MIB;
use crate::param::{Param, params, read_size};

/// What is kept without `vmalloc=`: 240 MiB.
pub const DEFAULT_BYTES: u32 = 240 * MIB as u32;
/// The least that may be asked for: 16 MiB.
pub const MIN_BYTES: u32 = 16 * MIB as u32;
/// Lowmem addresses that no request may take: 32 MiB.
const MIN_LOWMEM: u32 = 32 * MIB as u32;

/// The most that may be asked for under `split`, in bytes: 976, 1232, 2000 or 3024 MiB.
#[must_use]
pub const fn max_bytes(split: Split) -> u32 {
    VMALLOC_END.as_u32() - (split.page_offset().as_u32() + MIN_LOWMEM + VMALLOC_OFFSET)
}

/// The bytes that `command_line` asks for, clamped. Every `vmalloc=` in it is judged, and the last
/// that gives a size counts.
pub fn from_command_line<'a>(command_line: &'a str, split: Split, warn: Sink<'_, 'a>) -> u32 {
    params(command_line)
        .filter(|param| param.is("vmalloc"))
        .fold(DEFAULT_BYTES, |bytes, param| judge(&param, split, warn).unwrap_or(bytes))
}

/// The bytes that one `vmalloc=` asks for, clamped; `None` when it gives no value at all.
fn judge<'a>(param: &Param<'a>, split: Split, warn: Sink<'_, 'a>) -> Option<u32> {
    let bytes = size_of_param(param, warn)?;
    let (min, max) = (MIN_BYTES, max_bytes(split));
    Some(if bytes < u64::from(min) {
        warn(Warning::VmallocTooSmall { limit_mib: min >> 20 });
        min
    } else if bytes > u64::from(max) {
        warn(Warning::VmallocTooBig { limit_mib: max >> 20 });
        max
    } else {
        bytes as u32
    })
}

/// Reads the size of `param`, warning of all that could not be read; `None` without a value.
pub(crate) fn size_of_param<'a>(param: &Param<'a>, warn: Sink<'_, 'a>) -> Option<u64> {
    let name = param.name;
    let Some(value) = param.value else {
        warn(Warning::MissingValue { name });
        return None;
    };
    let size = read_size(value);
    if !size.is_number {
        warn(Warning::NotASize { name, value });
    } else if !size.rest.is_empty() {
        warn(Warning::TrailingText { name, value, rest: size.rest });
    }
    Some(size.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(line: &str, split: Split) -> (u32, Vec<String>) {
        let mut lines = Vec::new();
        let bytes = from_command_line(line, split, &mut |w| lines.push(w.to_string()));
        (bytes, lines)
    }

    const M: u32 = MIB as u32;

    #[test]
    fn the_bounds_themselves_pass_in_silence() {
        for (split, max) in Split::ALL.into_iter().zip([976, 1232, 2000, 3024]) {
            assert_eq!(max_bytes(split), max * M);
            assert_eq!(take(&format!("vmalloc={max}M"), split), (max * M, vec![]));
            assert_eq!(take("vmalloc=16M", split), (16 * M, vec![]));
            let too_big = format!("vmalloc area is too big, limiting to {max}MiB");
            assert_eq!(take(&format!("vmalloc={}M", max + 1), split), (max * M, vec![too_big]));
        }
        let too_small = "vmalloc area is too small, limiting to 16MiB".to_string();
        assert_eq!(take("vmalloc=16777215", Split::ThreeG), (16 * M, vec![too_small]));
    }

    #[test]
    fn four_gigabytes_is_too_big_and_not_nothing() {
        for text in ["4G", "5G", "1T", "0x1p", "99999999999999999999"] {
            let (bytes, lines) = take(&format!("vmalloc={text}"), Split::ThreeG);
            assert_eq!((bytes, lines.len()), (976 * M, 1), "{text}");
        }
    }

    #[test]
    fn the_last_one_counts_and_each_is_judged() {
        assert_eq!(take("vmalloc=384M vmalloc=128M", Split::ThreeG), (128 * M, vec![]));
        let (bytes, lines) = take("vmalloc=1 vmalloc=9G vmalloc=64M", Split::ThreeG);
        assert_eq!((bytes, lines.len()), (64 * M, 2));
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let (bytes, lines) = take("vmalloc=abc", Split::ThreeG);
        assert_eq!(bytes, 16 * M);
        assert_eq!(lines[0], "vmalloc=abc: \"abc\" is not a size, taken as 0");
        assert_eq!(lines[1], "vmalloc area is too small, limiting to 16MiB");
        let (bytes, lines) = take("vmalloc=128MB", Split::ThreeG);
        assert_eq!((bytes, lines.len()), (128 * M, 1));
        let (bytes, lines) = take("vmalloc", Split::ThreeG);
        assert_eq!((bytes, lines.len()), (DEFAULT_BYTES, 1));
        assert_eq!(take("vmalloc=64M vmalloc", Split::ThreeG).0, 64 * M);
    }

    #[test]
    fn no_rounding_of_any_kind() {
        assert_eq!(take("vmalloc=268435457", Split::ThreeG).0, 268_435_457);
    }
}
