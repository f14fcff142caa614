//! Objects of gcc, and what becomes of them when they are changed.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn samples() -> Vec<Vec<u8>> {
    let objects = files("tests/objects");
    let objects = objects.iter().filter(|path| path.extension().is_some_and(|it| it == "o"));
    let objects: Vec<_> = objects.map(|path| fs::read(path).unwrap()).collect();
    assert!(objects.len() >= 2);
    objects
}

#[test]
fn what_gcc_makes_is_linked() {
    for object in samples() {
        assert_eq!(exercise(&object), Outcome::Linked);
    }
}

/// Whatever the fuzzer found worth keeping, once more.
#[test]
fn every_object_of_the_corpus_is_handled() {
    let mut outcomes = [0; 5];
    for path in files("../fuzz/corpus/module") {
        // Printed only if what follows fails.
        println!("{}", path.display());
        outcomes[exercise(&fs::read(path).unwrap()) as usize] += 1;
    }
    println!("refused, no plan, large, not linked, linked: {outcomes:?}");
    assert!(outcomes[0] >= 5 && outcomes[3] >= 2 && outcomes[4] >= 2, "{outcomes:?}");
}

#[test]
fn an_object_cut_short_is_refused() {
    for object in samples() {
        for len in 0..object.len() {
            assert_eq!(exercise(&object[..len]), Outcome::Refused, "{len} bytes");
        }
    }
}

/// Words that are more likely to do harm than others.
fn words() -> impl Strategy<Value = u32> {
    let edges = vec![
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        9,
        12,
        16,
        40,
        0xff,
        0xfff1,
        0xfff2,
        0x1000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff8,
        u32::MAX,
    ];
    prop_oneof![
        3 => prop::sample::select(edges),
        3 => 0..64_u32,
        1 => any::<u32>(),
    ]
}

/// A change: a byte, a half-word or a word at a place.
#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Half(prop::sample::Index, u16),
    Word(prop::sample::Index, u32),
    Copy(prop::sample::Index, prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, to)| Change::Byte(at, to)),
        1 => (any::<prop::sample::Index>(), words()).prop_map(|(at, to)| Change::Half(at, to as u16)),
        4 => (any::<prop::sample::Index>(), words()).prop_map(|(at, to)| Change::Word(at, to)),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(from, to)| Change::Copy(from, to)),
    ];
    prop::collection::vec(change, 1..4)
}

fn apply(object: &mut [u8], change: &Change) {
    let len = object.len();
    let mut put = |at: usize, bytes: &[u8]| object[at..at + bytes.len()].copy_from_slice(bytes);
    match change {
        Change::Byte(at, to) => put(at.index(len), &[*to]),
        Change::Half(at, to) => put(at.index(len / 2) * 2, &to.to_le_bytes()),
        Change::Word(at, to) => put(at.index(len / 4) * 4, &to.to_le_bytes()),
        Change::Copy(from, to) => {
            let [from, to] = [from, to].map(|index| index.index(len / 4) * 4);
            object.copy_within(from..from + 4, to);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_change_does_harm(which: prop::sample::Index, changes in changes()) {
        let samples = samples();
        let mut object = samples[which.index(samples.len())].clone();
        for change in &changes {
            apply(&mut object, change);
        }
        exercise(&object);
    }
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes: Vec<u8>, header in any::<bool>()) {
        let bytes = if header { [b"\x7fELF\x01\x01\x01", &bytes[..]].concat() } else { bytes };
        exercise(&bytes);
    }
}
