//! `cargo xtask explain` as a user runs it, without a boot: its text against files, its objects, and what it says to files
//! and options that are none of its own. What it predicts is held against kernels by the boot tests.
//!
//! With `VMSPLIT_BLESS=1` in the environment the files of text are rewritten instead.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use mm::param::known::PARAMETERS;
use serde_json::Value;
use tests::xtask::xtask;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A tree that the kernel's reader is tested with, by a path that is the same everywhere.
fn tree(name: &str) -> String {
    format!("board/tests/data/{name}.dtb")
}

/// What the command prints, on both channels, and its exit status.
fn explain(arguments: &[&str]) -> (String, String, Option<i32>) {
    // As one who stands at the top of the sources.
    env::set_current_dir(root()).unwrap();
    let all: Vec<_> = ["explain"].iter().chain(arguments).map(ToString::to_string).collect();
    let output = xtask(&all);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[track_caller]
fn explained(arguments: &[&str]) -> String {
    let (out, err, status) = explain(arguments);
    assert_eq!(status, Some(0), "{arguments:?}: {err}");
    out
}

#[track_caller]
fn object(arguments: &[&str]) -> Value {
    let text = explained(&[arguments, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1);
    serde_json::from_str(&text).unwrap()
}

fn hold_against(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain").join(name);
    if env::var_os("VMSPLIT_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "what is printed (left) is not {name}; VMSPLIT_BLESS=1 rewrites it");
}

#[test]
fn boards_are_explained_as_the_files_have_it() {
    let (reserved, far, soc) = (tree("reserved"), tree("above-4g"), tree("soc"));
    let boards: [(&str, &[&str]); 5] = [
        (
            "reserved",
            &[&reserved, "--dtb-at", "0x4a000000", "--append", "nohighmem vmaloc=16M cma=64M"],
        ),
        ("above-4g", &[&far]),
        ("soc", &[&soc, "--append", "vmalloc=1M", "--dtb-at", "0x81000000"]),
        (
            "raspberry",
            &["--bank", "0+960M", "--no-highmem", "--vmalloc", "248M", "--initrd", "0x3b000000+8M"],
        ),
        (
            "misloaded",
            &[
                "--bank",
                "0x40100000+255M",
                "--bank",
                "0x60000000+256M",
                "--load",
                "0x60300000",
                "--append",
                "mem=128M@0x60000000 initrd=0x50000000,1M",
            ],
        ),
    ];
    for (name, arguments) in boards {
        let text = explained(arguments);
        for line in text.lines() {
            assert!(line.chars().count() < 100, "{name}: {line}");
        }
        hold_against(&format!("{name}.txt"), &text);
    }
}

#[test]
fn two_configurations_are_compared_in_words() {
    let banks = ["--bank", "0x40000000+1G"];
    let text = |more: &[&str]| explained(&[&banks, more].concat());
    hold_against("diff.txt", &text(&["--diff", "vmalloc=512M nohighmem"]));
    hold_against("diff-split.txt", &text(&["--append", "quiet", "--diff-vmsplit", "2g"]));
    assert_eq!(text(&["--append", "quiet", "--diff", "quiet"]), "no difference\n");
    let (reserved, soc) = (tree("reserved"), tree("soc"));
    let trees = explained(&[&reserved, "--append", "", "--diff-dtb", &soc]);
    assert!(trees.lines().any(|line| line.starts_with("bank 0 ")), "{trees}");
}

#[test]
fn the_object_has_all_of_it() {
    let found = object(&["--bank", "0x40000000+1G", "--append", "vmalloc=1M"]);
    let keys: Vec<_> = found.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "machine",
            "configuration",
            "answer",
            "warnings",
            "suggestions",
            "load_addresses",
            "largest_ioremap"
        ]
    );
    assert_eq!(found["configuration"]["command_line"], "vmalloc=1M");
    assert_eq!(found["warnings"][0]["text"], "vmalloc area is too small, limiting to 16MiB");
    assert!(found["warnings"][0]["remedy"].as_str().unwrap().contains("vmalloc=16M"));
    assert_eq!(found["suggestions"][0]["result"]["highmem"], 0);
    assert_eq!(found["load_addresses"]["kernel"], "0x40200000");
    let both = object(&["--bank", "0x40000000+1G", "--diff", "vmalloc=512M"]);
    let paths: BTreeSet<_> = both["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert!(paths.contains("answer.account.lowmem_end"), "{paths:?}");
    assert_eq!(both["left"]["configuration"]["command_line"], "");
    assert_eq!(both["right"]["configuration"]["command_line"], "vmalloc=512M");
}

#[test]
fn the_trees_own_command_line_counts_unless_another_is_given() {
    let reserved = tree("reserved");
    let of_tree = explained(&[&reserved]);
    let line = of_tree.lines().find(|line| line.starts_with("command line: ")).unwrap();
    assert!(line.ends_with("(of /chosen)"), "{line}");
    let given = explained(&[&reserved, "--append", "quiet"]);
    let line = given.lines().find(|line| line.starts_with("command line: ")).unwrap();
    assert!(line.starts_with("command line: \"quiet\" (--append; /chosen has \""), "{line}");
}

#[test]
fn what_is_given_reaches_no_terminal_as_an_order() {
    let text = explained(&["--bank", "1G+1G", "--append", "\u{1b}[2J\nvmalloc=\u{7}"]);
    assert!(text.contains("command line: \"\\u{1b}[2J\\nvmalloc="), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
}

/// A file that is no tree, and what is said of it.
fn refused(name: &str, bytes: &[u8], says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let (out, err, status) = explain(&[path.to_str().unwrap()]);
    assert_eq!((out.as_str(), status), ("", Some(1)), "{name}: {err}");
    assert!(err.contains(name) && err.contains(says), "{name}: {err}");
}

#[test]
fn files_that_are_no_tree_are_named_for_what_they_are() {
    let virt = fs::read(root().join(tree("qemu-virt-1g"))).unwrap();
    let word = |at: usize, value: u32| {
        let mut bytes = virt.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        bytes
    };
    refused("empty.dtb", b"", "the file is empty");
    refused("cut.dtb", &virt[..virt.len() / 2], "truncated: the header says");
    refused("head.dtb", &virt[..20], "20 bytes are too few");
    refused("magic.dtb", &word(0, 0xd00d_feee), "bad magic 0xd00dfeee");
    refused("swapped.dtb", &word(0, 0xedfe_0dd0), "the wrong way round");
    refused("old.dtb", &word(20, 2), "version 2");
    refused("zeros.dtb", &vec![0; 100 << 20], "bad magic 0x00000000");
    refused("board.dts", b"/dts-v1/;\n/ { };\n", "compile it with `dtc");
    refused(
        "huge.dtb",
        &word(4, 0x4000_0001),
        "of 1073741825 bytes: the kernel maps at most 4194304",
    );
    let name = b"memory@40000000\0";
    let at = virt.windows(name.len()).position(|window| window == name).unwrap();
    let mut nameless = virt.clone();
    nameless[at..at + 6].copy_from_slice(b"emptys");
    let kind = b"memory\0";
    let at = nameless.windows(kind.len()).position(|window| window == kind).unwrap();
    nameless[at..at + 6].copy_from_slice(b"emptys");
    refused("bare.dtb", &nameless, "no memory: no enabled memory node");
}

#[test]
fn machines_that_can_not_boot_say_why() {
    for (arguments, says) in [
        (&["--bank", "1G+1G", "--bank", "1G+2G"][..], "memory banks [0x40000000-0x7fffffff] and"),
        (&["--bank", "5G+1G"], "of [0x140000000-0x17fffffff]"),
        (
            &["--bank", "1G+1G", "--load", "0x90000000"],
            "0x90000000-0x90400000 is in no memory bank",
        ),
        (&["--bank", "1G+1G", "--load", "0x40000004"], "0x40000004 would stop"),
        (&["--bank", "1G+1G", "--load", "18446744073709551614"], "end beyond 64 bits"),
        (&["."], "this is a folder"),
        (&["no-such-file"], "no-such-file: "),
        (&["--bank", "1G+1G", "--image", "no-such-file"], "no-such-file: "),
        (&["--bank", "1G+1G", "--image", "/dev/null"], "the image is empty"),
        (&["--bank", "1G+1G", "--image", "/dev/zero"], "more than 268435456 bytes"),
    ] {
        let (out, err, status) = explain(arguments);
        assert_eq!((out.as_str(), status), ("", Some(1)), "{arguments:?}: {err}");
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
}

#[test]
fn wrong_usage_is_status_2() {
    let soc = tree("soc");
    for arguments in [
        &[soc.as_str(), "-m", "1G"][..],
        &[&soc, "--board", "virt"],
        &[&soc, "--bank", "1G+1G"],
        &["--bank", "1G"],
        &["--bank", "1G+0"],
        &["--board", "pizza"],
        &["--vmsplit", "4g"],
        &["--initrd", "0x48000000"],
        &["--load", "x"],
        &["--bank", "1G+1G", "--dtb-at", "1G"],
        &[&soc, &soc],
    ] {
        let (out, err, status) = explain(arguments);
        assert_eq!((out.as_str(), status), ("", Some(2)), "{arguments:?}: {err}");
        assert!(!err.is_empty());
    }
}

/// Every name in quotes, or by a constant, that the sources ask a parameter for.
fn asked_for(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            asked_for(&path, names);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        // Tests ask for names that are none.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (at, _) in code.match_indices("param.is(") {
            let argument = code[at + "param.is(".len()..].split(')').next().unwrap();
            let constant = format!("const {argument}: &str = ");
            names.insert(match argument.strip_prefix('"') {
                Some(name) => name.trim_end_matches('"').to_string(),
                None => match code.split_once(&constant) {
                    Some((_, value)) => value[1..].split('"').next().unwrap().to_string(),
                    // Of another file.
                    None => argument.to_ascii_lowercase(),
                },
            });
        }
    }
}

#[test]
fn the_list_of_parameters_is_what_the_sources_ask_for() {
    let mut names = BTreeSet::new();
    for folder in ["kernel/src", "mm/src"] {
        asked_for(&root().join(folder), &mut names);
    }
    // The list itself asks by its own names; `cma` is a name that the host knows to mean nothing.
    names.remove("name");
    let known: BTreeSet<_> = PARAMETERS.iter().map(|(name, _)| (*name).to_string()).collect();
    assert_eq!(names, known, "asked for (left) and listed in mm::param::known (right)");
}
