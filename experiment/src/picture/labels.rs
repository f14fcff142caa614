//! Places for labels beside a column: each as near as can be to what it names, none on another.
//!
//! Labels stay in the order of what they name, so leader lines do not cross. That makes it a known problem: with the
//! heights of those above taken off, places must not decrease, and the nearest such sequence (isotonic regression, by
//! pooling neighbours that violate it) cut off at the bounds is the nearest within them.

use alloc::vec::Vec;

use super::scale::Px;

/// A label that wants a place.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Where its middle should be.
    pub middle: Px,
    /// How high it is.
    pub height: Px,
}

/// The upper edges of labels, in their order, between `top` and `bottom`; below it only where they do not all fit.
pub fn place(wanted: &[Wanted], top: Px, bottom: Px) -> Vec<Px> {
    /// Neighbours that have moved together: how many, and the sum of what they want.
    struct Pool {
        count: i64,
        sum: i64,
    }
    let mean = |pool: &Pool| pool.sum.div_euclid(pool.count);
    let mut pools: Vec<Pool> = Vec::new();
    let mut above = Px::default();
    for label in wanted {
        let edge = label.middle - label.height.half() - above;
        above += label.height;
        pools.push(Pool { count: 1, sum: edge.0.into() });
        while let [.., upper, lower] = pools.as_mut_slice() {
            if mean(upper) <= mean(lower) {
                break;
            }
            upper.count += lower.count;
            upper.sum += lower.sum;
            pools.pop();
        }
    }
    let lowest = (bottom - above).max(top);
    let mut places = Vec::with_capacity(wanted.len());
    let mut above = Px::default();
    for pool in &pools {
        let edge = i32::try_from(mean(pool)).map_or(lowest, Px).clamp(top, lowest);
        for _ in 0..pool.count {
            places.push(edge + above);
            above += wanted.get(places.len() - 1).map_or(Px(0), |label| label.height);
        }
    }
    places
}

/// How high labels are together.
pub fn needed(wanted: &[Wanted]) -> Px {
    wanted.iter().fold(Px::default(), |sum, label| sum + label.height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(wanted: &[(i32, i32)]) -> Vec<Wanted> {
        wanted
            .iter()
            .map(|&(middle, height)| Wanted { middle: Px(middle), height: Px(height) })
            .collect()
    }

    #[test]
    fn labels_that_have_room_are_where_they_want_to_be() {
        let places = place(&labels(&[(10, 10), (40, 10)]), Px(0), Px(100));
        assert_eq!(places, [Px(5), Px(35)]);
    }

    #[test]
    fn labels_that_have_none_share_it() {
        let places = place(&labels(&[(50, 10), (50, 10), (50, 10)]), Px(0), Px(100));
        assert_eq!(places, [Px(35), Px(45), Px(55)]);
        let places = place(&labels(&[(98, 10), (99, 10), (0, 10)]), Px(0), Px(100));
        assert_eq!(places, [Px(50), Px(60), Px(70)]);
    }

    proptest! {
        #[test]
        fn no_label_is_on_another_and_all_are_within(
            wanted in prop::collection::vec((-500..6000_i32, 1..200_i32), 0..60),
            top in 0..300_i32,
            spare in 0..4000_i32,
        ) {
            let wanted = labels(&wanted);
            let (top, bottom) = (Px(top), Px(top + spare) + needed(&wanted));
            let places = place(&wanted, top, bottom);
            prop_assert_eq!(places.len(), wanted.len());
            let mut free_from = top;
            for (edge, label) in places.iter().zip(&wanted) {
                prop_assert!(*edge >= free_from, "{:?}", places);
                free_from = *edge + label.height;
            }
            prop_assert!(free_from <= bottom);
        }

        #[test]
        fn no_place_of_one_label_is_nearer(
            mut middles in prop::collection::vec(0..1000_i32, 1..20),
            which in any::<prop::sample::Index>(),
        ) {
            middles.sort_unstable();
            let wanted: Vec<_> = middles.iter().map(|&middle| (middle, 30)).collect();
            let wanted = labels(&wanted);
            let places = place(&wanted, Px(0), Px(1000));
            let which = which.index(places.len());
            let distance = |edge: Px| (edge.0 + 15 - wanted[which].middle.0).abs();
            let above = which.checked_sub(1).map_or(Px(0), |index| places[index] + Px(30));
            let below = places.get(which + 1).copied().unwrap_or(Px(1000)) - Px(30);
            for edge in above.0..=below.0 {
                prop_assert!(distance(places[which]) <= distance(Px(edge)) + 1);
            }
        }
    }
}
