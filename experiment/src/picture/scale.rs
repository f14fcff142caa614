//! Bytes to lengths, in whole tenths of a pixel.
//!
//! Lengths are integers, so a picture is the same to the character on the host and in a browser. Invariant of
//! [`heights`]: the lengths of what is not too small to see are in proportion, and all together fill the column.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A length, or a place, in tenths of a pixel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Px(pub i32);

impl Px {
    /// Whole pixels.
    pub const fn new(pixels: i32) -> Self {
        Self(pixels * 10)
    }

    /// Half of it, rounded down.
    pub const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    /// As many times.
    pub fn times(self, count: usize) -> Self {
        Self(self.0.saturating_mul(i32::try_from(count).unwrap_or(i32::MAX)))
    }
}

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, tenth) = (self.0.unsigned_abs() / 10, self.0.unsigned_abs() % 10);
        if tenth == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{tenth}") }
    }
}

impl Add for Px {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Px {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Px {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// What `part` bytes of `whole` take of `length`, to the nearest tenth; nothing of nothing.
pub fn share(part: u128, whole: u128, length: Px) -> Px {
    let tenths = u128::from(length.0.max(0).unsigned_abs());
    let share = (part * tenths * 2 + whole).checked_div(whole * 2).unwrap_or(0);
    Px(i32::try_from(share).unwrap_or(i32::MAX))
}

/// The lengths of things of so many `bytes` that fill `total` together: in proportion, but none less than `least`. Where
/// there are too many for that, or none has any bytes, each has `least`.
pub fn heights(bytes: &[u64], total: Px, least: Px) -> Vec<Px> {
    let mut small = vec![false; bytes.len()];
    let (whole, rest) = loop {
        let whole: u128 = sum(bytes, &small);
        let rest = total - least.times(small.iter().filter(|is| **is).count());
        let mut more = false;
        for (is_small, bytes) in small.iter_mut().zip(bytes).filter(|(is, _)| !**is) {
            // What is made larger leaves less for the others, so this is asked anew until it holds.
            *is_small = share(u128::from(*bytes), whole, rest) < least;
            more |= *is_small;
        }
        if !more {
            break (whole, rest);
        }
    };
    // Ends are rounded, not lengths: so the sum is exact.
    let (mut before, mut end) = (0, Px::default());
    let height = |(bytes, is_small): (&u64, &bool)| {
        if *is_small {
            return least;
        }
        before += u128::from(*bytes);
        let start = core::mem::replace(&mut end, share(before, whole, rest));
        end - start
    };
    bytes.iter().zip(&small).map(height).collect()
}

fn sum(bytes: &[u64], small: &[bool]) -> u128 {
    bytes.iter().zip(small).filter(|(_, is)| !**is).map(|(bytes, _)| u128::from(*bytes)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_written_with_a_tenth_if_there_is_one() {
        let text = [Px(0), Px(-15), Px(10), Px(123)].map(|px| px.to_string());
        assert_eq!(text, ["0", "-1.5", "1", "12.3"]);
    }

    #[test]
    fn small_things_are_seen_and_the_rest_is_in_proportion() {
        let found = heights(&[1, 1000, 3000, 1], Px::new(420), Px::new(10));
        assert_eq!(found, [Px::new(10), Px::new(100), Px::new(300), Px::new(10)]);
        assert_eq!(heights(&[], Px::new(10), Px::new(1)), []);
        assert_eq!(heights(&[0, 0], Px::new(10), Px::new(8)), [Px::new(8); 2]);
    }

    proptest! {
        #[test]
        fn heights_fill_the_column(
            bytes in prop::collection::vec(prop_oneof![1..100_u64, 1..=u64::MAX], 1..40),
            total in 400..6000_i32,
        ) {
            let (total, least) = (Px(total), Px(10));
            let found = heights(&bytes, total, least);
            let sum: i32 = found.iter().map(|px| px.0).sum();
            prop_assert_eq!(sum, total.0, "{:?}", found);
            let large: Vec<_> = bytes.iter().zip(&found).filter(|(_, px)| **px > Px(20)).collect();
            for (a, b) in large.iter().zip(large.iter().skip(1)) {
                let (left, right) = (*a.0 as f64 / *b.0 as f64, f64::from(a.1.0) / f64::from(b.1.0));
                prop_assert!((left / right - 1.0).abs() < 0.1, "{:?} {:?}", a, b);
            }
        }
    }
}
