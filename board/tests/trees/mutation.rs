//! A hundred thousand broken trees: each gives an error or a machine that keeps its promises, and
//! none a panic, a hang or a look outside the tree. Every run breaks them in the same ways.

use super::{
    exercise::exercise,
    mutate::{Rng, mutate},
    sound,
};

const ROUNDS: u32 = 100_000;

#[test]
fn broken_trees_are_refused_or_read() {
    let bases = [
        sound::rich().unwrap(),
        sound::small().unwrap(),
        include_bytes!("../data/qemu-virt-1g.dtb").to_vec(),
        include_bytes!("../data/qemu-virt-4g-smp4-hyp.dtb").to_vec(),
    ];
    let whole: Vec<u64> = bases.iter().map(|base| exercise(&mut base.clone()).unwrap()).collect();

    let (mut accepted, mut told_apart) = (0, 0);
    let mut faults = std::collections::BTreeMap::<String, u32>::new();
    for round in 0..ROUNDS {
        let mut rng = Rng(round.into());
        // Mostly the two small ones: they are as rich, and ten times as quick.
        let which = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3][rng.below(16)];
        let mut blob = bases[which].clone();
        for _ in 0..1 + rng.below(2) {
            mutate(&mut blob, &mut rng);
        }
        match exercise(&mut blob) {
            Ok(digest) => {
                accepted += 1;
                told_apart += u32::from(digest != whole[which]);
            }
            Err(fault) => {
                let kind = fault.split([' ', ':']).next().unwrap_or_default();
                *faults.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }
    println!("{ROUNDS} broken trees: {accepted} read, {told_apart} of them unlike the whole one");
    println!("{} kinds of fault", faults.len());

    // Too many errors would mean that the reading behind the validation was hardly tried.
    assert!(accepted >= ROUNDS / 5, "{accepted} of {ROUNDS} accepted");
    assert!(told_apart >= ROUNDS / 20, "{told_apart} of {ROUNDS} read otherwise");
    assert!(faults.len() >= 32, "{faults:#?}");
}
