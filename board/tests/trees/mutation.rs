//! A million broken trees: each gives an error or a machine that keeps its promises, and none a
//! panic, a hang or a look outside the tree.
//!
//! Each tree has a test of its own. Every run breaks it in the same ways: what is done to it in a
//! round follows from its seed and the number of the round, and a failure names all three.

use std::{collections::BTreeMap, process, sync::mpsc, thread, time::Duration};

use super::{
    boot::Splits,
    exercise::exercise,
    map::Map,
    mutate::{Rng, mutate, structured},
    sound,
};

/// A watchdog's patience with [`Round::BATCH`] rounds, which take well under a second: nothing but
/// a hang comes near it.
const HANG: Duration = Duration::from_secs(300);

/// What is being done, printed if it fails.
struct Round {
    tree: &'static str,
    seed: u64,
    round: u32,
}

impl Round {
    const BATCH: u32 = 1024;

    fn rng(&self) -> Rng {
        Rng(self.seed.rotate_left(32) ^ u64::from(self.round))
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("tree {}, seed {:#x}, round {}", self.tree, self.seed, self.round);
        }
    }
}

/// Breaks the tree `base` in `rounds` ways.
fn break_tree(tree: &'static str, base: &[u8], seed: u64, rounds: u32) {
    let (beat, beats) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut last = 0;
            loop {
                match beats.recv_timeout(HANG) {
                    Ok(round) => last = round,
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        let to = last + Round::BATCH;
                        eprintln!("tree {tree}, seed {seed:#x}: a hang in round {last}..{to}");
                        process::abort();
                    }
                }
            }
        });
        let whole = exercise(&mut base.to_vec(), Splits::One).unwrap();
        let map = Map::of(base);
        let mut blob = Vec::new();
        let mut tally = Tally::default();
        for round in 0..rounds {
            if round % Round::BATCH == 0 {
                beat.send(round).unwrap();
            }
            let round = Round { tree, seed, round };
            let mut rng = round.rng();
            blob.clear();
            blob.extend_from_slice(base);
            structured(&mut blob, &map, &mut rng);
            // Sometimes a second change on top, which finds its own way.
            if rng.below(4) == 0 {
                mutate(&mut blob, &mut rng);
            }
            tally.count(exercise(&mut blob, Splits::One), whole);
        }
        drop(beat);
        tally.judge(tree, rounds);
    });
}

/// How the rounds of a tree ended.
#[derive(Default)]
struct Tally {
    accepted: u32,
    /// Accepted, and not read as the whole tree is.
    told_apart: u32,
    faults: BTreeMap<String, u32>,
}

impl Tally {
    fn count(&mut self, outcome: Result<u64, String>, whole: u64) {
        match outcome {
            Ok(digest) => {
                self.accepted += 1;
                self.told_apart += u32::from(digest != whole);
            }
            Err(fault) => {
                let kind = fault.split([' ', ':']).next().unwrap_or_default();
                match self.faults.get_mut(kind) {
                    Some(count) => *count += 1,
                    None => _ = self.faults.insert(kind.to_owned(), 1),
                }
            }
        }
    }

    /// Too many errors would mean that the reading behind the validation was hardly tried.
    fn judge(&self, tree: &str, rounds: u32) {
        let Self { accepted, told_apart, faults } = self;
        println!(
            "{tree}: {rounds} broken trees, {accepted} read, {told_apart} of them unlike the \
             whole one, {} kinds of fault",
            faults.len()
        );
        assert!(*accepted >= rounds / 5, "{accepted} of {rounds} accepted: {faults:#?}");
        assert!(*told_apart >= rounds / 20, "{told_apart} of {rounds} read otherwise");
        assert!(faults.len() >= 20, "{faults:#?}");
    }
}

/// One test for each tree: its bytes, its seed, and its share of the million.
macro_rules! broken_trees {
    ($($test:ident: $bytes:expr, $seed:literal, $rounds:literal;)*) => {
        $(
            #[test]
            fn $test() {
                break_tree(stringify!($test), &$bytes, $seed, $rounds);
            }
        )*

        const _: () = assert!(0 $(+ $rounds)* >= 1_000_000);
    };
}

broken_trees! {
    qemu_virt: *include_bytes!("../data/qemu-virt-1g.dtb"), 0x01, 60_000;
    qemu_virt_hypervisor: *include_bytes!("../data/qemu-virt-4g-smp4-hyp.dtb"), 0x02, 60_000;
    reserved: *include_bytes!("../data/reserved.dtb"), 0x03, 220_000;
    soc: *include_bytes!("../data/soc.dtb"), 0x04, 270_000;
    above_4g: *include_bytes!("../data/above-4g.dtb"), 0x05, 270_000;
    deep: sound::deep().unwrap(), 0x06, 70_000;
    wide: sound::wide().unwrap(), 0x07, 50_000;
}
