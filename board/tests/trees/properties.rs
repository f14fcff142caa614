//! Trees written by `vm-fdt` from random descriptions give the descriptions back.

use board::{Machine, dt::Tree};
use proptest::prelude::*;

use super::{boot::Splits, exercise::exercise, mutate::insert_nop, sound};

/// Banks without overlaps, in any order: gaps and sizes in turn, from the bottom up.
fn disjoint_banks(bits: u32) -> impl Strategy<Value = Vec<(u64, u64)>> {
    let step = 1_u64 << (bits - 8);
    prop::collection::vec((1..step, 1..step), 1..60).prop_map(|steps| {
        let mut at = 0;
        let place = |(gap, len)| {
            let start = at + gap;
            at = start + len;
            (start, len)
        };
        steps.into_iter().map(place).collect()
    })
}

fn shuffled_banks(bits: u32) -> impl Strategy<Value = Vec<(u64, u64)>> {
    disjoint_banks(bits).prop_shuffle()
}

fn read(blob: &mut [u8]) -> Result<Vec<(u64, u64)>, String> {
    let tree = Tree::parse(blob).map_err(|error| error.to_string())?;
    let machine = Machine::from_tree(tree).map_err(|error| error.to_string())?;
    Ok(machine.banks().map(|bank| (bank.start().as_u64(), bank.len())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn banks_of_one_cell_come_back(banks in shuffled_banks(32)) {
        prop_assert_eq!(read(&mut sound::banks(1, &banks).unwrap()), Ok(banks));
    }

    #[test]
    fn banks_of_two_cells_come_back(banks in shuffled_banks(63)) {
        prop_assert_eq!(read(&mut sound::banks(2, &banks).unwrap()), Ok(banks));
    }

    #[test]
    fn a_bank_too_many_is_noticed(
        banks in shuffled_banks(40),
        which: prop::sample::Index,
        into in 0_u64..1 << 32,
        len in 1_u64..1 << 33,
        at: prop::sample::Index,
    ) {
        let (start, size) = banks[which.index(banks.len())];
        let mut banks = banks;
        banks.insert(at.index(banks.len() + 1), (start + into % size, len));
        let error = read(&mut sound::banks(2, &banks).unwrap()).unwrap_err();
        prop_assert!(error.ends_with("overlap"), "{}", error);
    }

    #[test]
    fn nops_change_nothing(places in prop::collection::vec(any::<prop::sample::Index>(), 1..40)) {
        let whole = sound::rich().unwrap();
        let mut holed = whole.clone();
        for place in places {
            insert_nop(&mut holed, place.index(usize::MAX));
        }
        let size = |blob: &[u8]| u32::from_be_bytes(*blob[4..].first_chunk().unwrap());
        prop_assert!(size(&holed) > size(&whole));
        prop_assert_eq!(exercise(&mut holed, Splits::All), exercise(&mut whole.clone(), Splits::All));
    }
}
