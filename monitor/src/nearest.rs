//! Which known name somebody meant who typed an unknown one.
//!
//! A name that begins with what was typed, or the one that is fewest slips of the finger away: a
//! letter too many, too few, wrong, or two neighbours swapped (*optimal string alignment*). More
//! than one slip for every three letters is another word. (`strsim` computes the same, and needs a
//! heap.)

use crate::line::Text;

/// The longest name whose slips are counted, in bytes.
const MAX: usize = 24;

/// The best of `names` for `typed`, if any is near; the first of equals.
pub fn nearest(
    typed: &str,
    names: impl Iterator<Item = &'static str> + Clone,
) -> Option<&'static str> {
    let near = names.filter_map(|name| Some((rank(typed, name)?, name)));
    near.min_by_key(|&(rank, _)| rank).map(|(_, name)| name)
}

/// The same of names that come one by one and do not stay.
#[derive(Clone, Debug)]
pub struct Nearest<'t> {
    typed: &'t str,
    best: Option<(usize, Text)>,
}

impl<'t> Nearest<'t> {
    /// No name has come yet.
    #[must_use]
    pub const fn new(typed: &'t str) -> Self {
        Self { typed, best: None }
    }

    /// The next name. One longer than a line can not be typed, and is left out.
    pub fn see(&mut self, name: &str) {
        let Some(rank) = rank(self.typed, name) else { return };
        if self.best.as_ref().is_none_or(|(best, _)| rank < *best)
            && let Ok(name) = Text::from(name)
        {
            self.best = Some((rank, name));
        }
    }

    /// The best of them, if any is near.
    #[must_use]
    pub fn found(self) -> Option<Text> {
        self.best.map(|(_, name)| name)
    }
}

/// How far `name` is from what was typed: 0 for one that begins with it; `None` when it is another word.
fn rank(typed: &str, name: &str) -> Option<usize> {
    if typed.len() >= 2 && name.starts_with(typed) {
        return Some(0);
    }
    let slips = distance(typed, name)?;
    (slips * 3 <= typed.len()).then_some(1 + slips)
}

/// How many slips make `b` of `a`, in bytes; `None` when one of them is longer than [`MAX`].
fn distance(a: &str, b: &str) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > MAX || b.len() > MAX {
        return None;
    }
    // Rows of the table of distances between the prefixes of both: this one, and the two above.
    let mut above = [0; MAX + 1];
    let mut row: [usize; MAX + 1] = core::array::from_fn(|column| column);
    for (i, &letter) in a.iter().enumerate() {
        let last = row;
        row[0] = i + 1;
        for (j, &other) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(letter != other)).min(last[j + 1] + 1);
            best = best.min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                best = best.min(above[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        above = last;
    }
    Some(row[b.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 6] = ["help", "layout", "meminfo", "zoneinfo", "peek", "poke"];

    #[test]
    fn slips_and_beginnings() {
        for (typed, expected) in [
            ("layuot", Some("layout")),
            ("layot", Some("layout")),
            ("laayout", Some("layout")),
            ("leyout", Some("layout")),
            ("hepl", Some("help")),
            ("mem", Some("meminfo")),
            ("pkoe", Some("poke")),
            ("p", None),
            ("bogus", None),
            ("", None),
            ("a-name-that-is-much-longer-than-any", None),
        ] {
            assert_eq!(nearest(typed, NAMES.into_iter()), expected, "{typed}");
            let mut passing = Nearest::new(typed);
            NAMES.into_iter().for_each(|name| passing.see(name));
            assert_eq!(passing.found().as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn a_name_that_is_longer_than_a_line_is_left_out() {
        let mut passing = Nearest::new("lo");
        passing.see(&"long".repeat(64));
        assert_eq!(passing.clone().found(), None);
        passing.see("longer");
        assert_eq!(passing.found().as_deref(), Some("longer"));
    }

    /// The definition, straight: the fewest slips by which the last letters can be explained.
    fn by_definition(a: &[u8], b: &[u8]) -> usize {
        let (Some((x, a_rest)), Some((y, b_rest))) = (a.split_last(), b.split_last()) else {
            return a.len() + b.len();
        };
        let same = by_definition(a_rest, b_rest) + usize::from(x != y);
        let one = by_definition(a_rest, b).min(by_definition(a, b_rest)) + 1;
        let swapped = match (a_rest.split_last(), b_rest.split_last()) {
            (Some((x2, a)), Some((y2, b))) if x == y2 && y == x2 => by_definition(a, b) + 1,
            _ => usize::MAX,
        };
        same.min(one).min(swapped)
    }

    proptest! {
        #[test]
        fn the_distance_is_the_definitions(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            let expected = by_definition(a.as_bytes(), b.as_bytes());
            prop_assert_eq!(distance(&a, &b), Some(expected));
        }
    }
}
