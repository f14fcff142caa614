//! Which known name somebody meant who typed an unknown one.
//!
//! A name that begins with what was typed, or the one that is fewest slips of the finger away: a
//! letter too many, too few, wrong, or two neighbours swapped (*optimal string alignment*). More
//! than one slip for every three letters is another word. (`strsim` computes the same, and needs a
//! heap.)

/// The longest name that is looked at, in bytes.
const MAX: usize = 24;

/// The best of `names` for `typed`, if any is near; the first of equals.
pub fn nearest(
    typed: &str,
    names: impl Iterator<Item = &'static str> + Clone,
) -> Option<&'static str> {
    if typed.len() >= 2
        && let Some(name) = names.clone().find(|name| name.starts_with(typed))
    {
        return Some(name);
    }
    let near = names.filter_map(|name| Some((distance(typed, name)?, name)));
    let (slips, name) = near.min_by_key(|&(slips, _)| slips)?;
    (slips * 3 <= typed.len()).then_some(name)
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
        }
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
