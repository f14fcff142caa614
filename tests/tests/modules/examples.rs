//! The examples: each compiles without a warning, as ARM and as Thumb, and asks for nothing but what the
//! headers declare or another example exports. A Rust one asks for the same.

use super::{Folder, INSTRUCTION_SETS, include, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use tests::headers::declared;
use tests::object::Object;

/// What the kernel's loader relocates, by their numbers in *ELF for the ARM Architecture* (IHI 0044), table 4-8.
const RELOCATIONS: [(u32, &str); 19] = [
    (0, "R_ARM_NONE"),
    (2, "R_ARM_ABS32"),
    (3, "R_ARM_REL32"),
    (10, "R_ARM_THM_CALL"),
    (28, "R_ARM_CALL"),
    (29, "R_ARM_JUMP24"),
    (30, "R_ARM_THM_JUMP24"),
    (38, "R_ARM_TARGET1"),
    (40, "R_ARM_V4BX"),
    (42, "R_ARM_PREL31"),
    (43, "R_ARM_MOVW_ABS_NC"),
    (44, "R_ARM_MOVT_ABS"),
    (45, "R_ARM_MOVW_PREL_NC"),
    (46, "R_ARM_MOVT_PREL"),
    (47, "R_ARM_THM_MOVW_ABS_NC"),
    (48, "R_ARM_THM_MOVT_ABS"),
    (49, "R_ARM_THM_MOVW_PREL_NC"),
    (50, "R_ARM_THM_MOVT_PREL"),
    (51, "R_ARM_THM_JUMP19"),
];

/// The examples, and how each may be compiled.
pub fn examples() -> Vec<(PathBuf, &'static [&'static [&'static str]])> {
    let folder = root().join("examples/modules");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<_> = paths
        .filter_map(|path| {
            if path.extension().is_some_and(|ending| ending == "c") {
                Some((path, &INSTRUCTION_SETS[..]))
            } else {
                path.is_dir().then_some((path, &INSTRUCTION_SETS[..1]))
            }
        })
        .collect();
    examples.sort();
    examples
}

/// What the examples export.
fn exported(objects: &[(String, Object)]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, object) in objects {
        for relocation in object.relocations.get("__ksymtab").into_iter().flatten() {
            if relocation.offset % 8 == 0 {
                names.insert(relocation.symbol.clone());
            }
        }
    }
    names
}

#[test]
fn examples_compile_and_ask_for_nothing_unknown() {
    let folder = Folder::new();
    let mut objects = Vec::new();
    for (path, sets) in examples() {
        for options in sets {
            let name = format!("{} {options:?}", path.file_name().unwrap().to_str().unwrap());
            objects.push((name, folder.object(&path, options)));
        }
    }
    assert!(objects.len() > 20, "only {} examples were found", objects.len());
    let mut known = declared(&include()).unwrap();
    let exported = exported(&objects);
    assert_eq!(exported.iter().collect::<Vec<_>>(), ["counter_next", "counter_value"]);
    known.extend(exported);
    for (name, object) in &objects {
        let unknown: Vec<_> = object.undefined.difference(&known).collect();
        assert!(unknown.is_empty(), "{name} asks for {unknown:?}");
        for relocation in object.relocations.values().flatten() {
            let is_known = RELOCATIONS.iter().any(|(kind, _)| *kind == relocation.kind);
            assert!(is_known, "{name}: {relocation:?}");
        }
        let info = object.info();
        for tag in ["vermagic=vmsplit 1 ARMv7", "license=", "author=", "description="] {
            assert!(info.iter().any(|line| line.starts_with(tag)), "{name}: no {tag} in {info:?}");
        }
        for function in ["init_module", "cleanup_module"] {
            assert!(object.defined.contains_key(function), "{name} has no {function}");
        }
        assert_eq!(object.section("__param").len() % 20, 0, "{name}");
        assert!(object.sections.keys().any(|name| name.starts_with(".ARM.exidx")), "{name}");
    }
}

#[test]
fn every_example_has_a_row() {
    let page = fs::read_to_string(root().join("examples/modules/README.md")).unwrap();
    for (path, _) in examples() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("]({name})")), "examples/modules/README.md has no {name}");
    }
}
