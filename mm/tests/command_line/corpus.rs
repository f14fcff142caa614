//! Every command line in the fuzzer's corpus, once more.

use std::{fs, path::Path};

use super::exercise::exercise;

#[test]
fn every_line_of_the_corpus_is_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/command_line");
    let mut layouts = 0;
    let mut lines = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Printed only if what follows fails.
        println!("{}", path.display());
        let bytes = fs::read(path).unwrap();
        layouts += exercise(&String::from_utf8_lossy(&bytes));
        lines += 1;
    }
    println!("{lines} lines, {layouts} layouts");
    assert!(lines >= 50 && layouts >= 10 * lines, "{layouts} layouts of {lines} lines");
}
