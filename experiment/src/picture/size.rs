//! A number of bytes in words: `768 MiB`.
//!
//! The unit is the largest in which the number is whole; what is odd by itself is rounded to a tenth, and says so by
//! having one.

use core::fmt;

/// Bytes, for a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(pub u64);

const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
/// From here on a number takes the next unit, whole or not.
const LONG: u64 = 10_000;

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        let whole = UNITS.iter().find(|(shift, _)| {
            bytes >> shift > 0 && bytes.trailing_zeros() >= *shift && bytes >> shift < LONG
        });
        if let Some((shift, unit)) = whole {
            return write!(f, "{} {unit}", bytes >> shift);
        }
        match UNITS.iter().find(|(shift, _)| bytes >> shift > 0) {
            Some((shift, unit)) => {
                // Downwards: what is almost all of a bank is not all of it.
                let tenths = (u128::from(bytes) * 10) >> shift;
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
            None if bytes == 1 => f.write_str("1 byte"),
            None => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_the_largest_unit_in_which_it_is_whole() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (4096, "4 KiB"),
            (3056 << 20, "3056 MiB"),
            (1 << 30, "1 GiB"),
            (3 << 29, "1536 MiB"),
            ((752 << 20) - 4096, "751.9 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
