//! Every tree in the fuzzer's corpus, once more.

use std::{fs, path::Path};

use super::{boot::Splits, exercise::exercise};

#[test]
fn every_tree_of_the_corpus_is_refused_or_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/device_tree");
    let (mut trees, mut accepted) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Printed only if what follows fails.
        println!("{}", path.display());
        let mut blob = fs::read(path).unwrap();
        accepted += usize::from(exercise(&mut blob, Splits::All).is_ok());
        trees += 1;
    }
    println!("{trees} trees, {accepted} of them read");
    assert!(trees >= 10 && accepted >= trees / 5, "{accepted} of {trees} read");
}
