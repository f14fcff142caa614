//! Relocations held against GNU ld: every byte that it writes, we write.
//!
//! `vectors/*.s` are assembled by GNU as and linked by GNU ld at fixed addresses; `vectors/*.txt`
//! say, a line for each relocation, what the place held before and after. The first test needs only
//! those files. The second makes them anew where GNU's tools are installed, and finds that they are
//! the same; with `VMSPLIT_BLESS=1` in the environment it writes them.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its tests do")]

mod gnu;
mod vector;

use std::path::{Path, PathBuf};
use std::{env, fs};

use modules::reloc::{Kind, Misfit, State, Symbol, veneer};
use vector::{Symbolic, Vector};

/// Each assembly source and the number of relocations that it has: none gets lost.
const FAMILIES: [(&str, usize); 6] = [
    ("arm_branches", 57),
    ("arm_values", 228),
    ("thumb_branches", 71),
    ("thumb_far", 15),
    ("thumb_short", 9),
    ("thumb_values", 106),
];

fn file(family: &str, extension: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    folder.join(family).with_extension(extension)
}

fn committed(family: &str) -> String {
    fs::read_to_string(file(family, "txt")).unwrap()
}

#[test]
fn gnu_ld_writes_the_same_bytes() {
    let mut seen = Vec::new();
    for (family, count) in FAMILIES {
        let vectors = vector::parse(&committed(family));
        assert_eq!(vectors.len(), count, "relocations of {family}");
        for vector in vectors {
            check(family, &vector);
            seen.push(vector.kind);
        }
    }
    for kind in Kind::ALL {
        assert!(seen.contains(&kind), "no vector has {}", kind.name());
    }
}

#[test]
fn the_vectors_are_what_gnu_tools_make() {
    let version = match gnu::version() {
        Ok(version) => version,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    for (family, _) in FAMILIES {
        let vectors = gnu::vectors(&file(family, "s"));
        let text = vector::print(&version, &vectors);
        if env::var_os("VMSPLIT_BLESS").is_some() {
            fs::write(file(family, "txt"), &text).unwrap();
        }
        // Another ld may put its veneers elsewhere. Ours agree with them all the same.
        vectors.iter().for_each(|vector| check(family, vector));
        let committed = committed(family);
        if vector::version(&text) == vector::version(&committed) {
            assert_eq!(text, committed, "{family}.txt; VMSPLIT_BLESS=1 rewrites it");
        } else {
            eprintln!("{family}.txt was made by another version of GNU ld");
        }
    }
}

/// Our relocation makes of the bytes before those after, through a veneer exactly if ld's does.
fn check(family: &str, vector: &Vector) {
    let Vector { kind, address, .. } = *vector;
    let mut place = vector.before.clone();
    let symbol = match vector.symbol {
        Symbolic::Function(value) => Symbol::function(value),
        Symbolic::Label(address) => Symbol::label(address, kind),
        Symbolic::UndefinedWeak => {
            assert_eq!(
                kind.apply_undefined_weak(&mut place, address),
                Ok(()),
                "{family}: {vector}"
            );
            assert_eq!(place, vector.after, "{family}: {vector}");
            return;
        }
    };
    let destination = kind.destination(&place, symbol);
    let result = kind.apply(&mut place, address, symbol);
    if let Some((veneer, bytes)) = vector.veneer {
        assert_eq!(result, Err(Misfit::NeedsVeneer), "{family}: {vector}");
        assert_eq!(place, vector.before, "{family}: {vector}: a refused relocation changed it");
        let result = kind.apply_veneer(&mut place, address, veneer);
        assert_eq!(result, Ok(()), "{family}: {vector}");
        check_veneer(family, vector, destination, bytes);
    } else {
        assert_eq!(result, Ok(()), "{family}: {vector}");
    }
    assert_eq!(place, vector.after, "{family}: {vector}");
}

/// Our veneer is ld's where that is of the same kind.
fn check_veneer(family: &str, vector: &Vector, destination: u32, theirs: [u8; 8]) {
    let state = vector.kind.branch_from().unwrap();
    let ours = veneer::write(state, destination);
    match (state, theirs) {
        // ldr pc, [pc, #-4]
        (State::Arm, _) => assert_eq!(ours, theirs, "{family}: {vector}"),
        // ldr.w pc, [pc, #-0]; ours adds the 0.
        (State::Thumb, [0x5f, 0xf8, 0x00, 0xf0, ..]) => {
            assert_eq!(ours[..4], [0xdf, 0xf8, 0x00, 0xf0], "{family}: {vector}");
            assert_eq!(ours[4..], theirs[4..], "{family}: {vector}");
        }
        // bx pc; b.n .-2; b destination: for a destination near enough.
        (State::Thumb, [0x78, 0x47, 0xfd, 0xe7, word @ ..]) => {
            let at = vector.veneer.map_or(0, |(address, _)| address + 4);
            let here = Symbol { address: at, is_thumb: false };
            assert_eq!(Kind::Jump24.destination(&word, here), destination, "{family}: {vector}");
        }
        (State::Thumb, theirs) => panic!("{family}: {vector}: what is {theirs:02x?}?"),
    }
}
