//! `module` and `run --module` with a pretended compiler and QEMU: what is called and how, where the
//! object goes, what the kernel is told, and what is refused.

use crate::host::{Host, Outcome};
use crate::run::elf;
use std::fs;

/// Logs its arguments, and writes what the source holds as the object.
const GCC: &str = r#"
echo "$@" >> $HOST/gcc.log
while [ $# -gt 1 ]; do
    case $1 in
    -o) object=$2 ;;
    esac
    shift
done
case $1 in
*bad.c) echo "bad.c:1: error: bad" >&2; exit 1 ;;
esac
/bin/cp $1 $object"#;

/// Keeps the archive that it is given, and powers off.
const QEMU: &str = r#"
echo "$@" > $HOST/qemu.log
while [ $# -gt 0 ]; do
    case $1 in
    -initrd) /bin/cp $2 $HOST/archive ;;
    esac
    shift
done
printf 'vmsplit> '
read -r line
printf '%s\r\nvmsplit: power off\r\n' "$line""#;

fn host() -> Host {
    let host = Host::complete();
    host.tool("arm-none-eabi-gcc", GCC);
    host.tool("qemu-system-arm", QEMU);
    fs::write(host.path("kernel.elf"), elf(*b"3gig")).unwrap();
    for name in ["one.c", "two-words.c", "bad.c", "ready.ko", "notes.txt"] {
        fs::write(host.path("workspace").join(name), format!("<{name}>")).unwrap();
    }
    host
}

/// Wrong usage, for this reason.
fn refused(outcome: &Outcome, reason: &str) {
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains(reason), "{reason}: {outcome:?}");
}

#[test]
fn the_object_goes_where_it_belongs() {
    let host = host();
    let outcome = host.run(&["module", "two-words.c", "ready.ko"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let modules = host.path("target/modules");
    let shown = modules.display();
    assert_eq!(
        outcome.stdout,
        format!("{shown}/two_words.ko  13 bytes\n{shown}/ready.ko  10 bytes\n")
    );
    assert_eq!(host.read("target/modules/two_words.ko"), "<two-words.c>");
    assert_eq!(host.read("target/modules/ready.ko"), "<ready.ko>");
    assert_eq!(fs::read_dir(modules).unwrap().count(), 2, "nothing else is left");

    let outcome = host.run(&["module", "one.c", "-o", "here.ko"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(host.read("workspace/here.ko"), "<one.c>");
}

#[test]
fn the_compiler_is_told_everything() {
    let host = host();
    let outcome = host.run(&["module", "two-words.c", "--thumb", "--", "-O0", "-DX"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let log = host.read("gcc.log");
    let include = host.path("workspace/include");
    for option in [
        "-march=armv7-a",
        "-mfloat-abi=soft",
        "-mabi=aapcs-linux",
        "-ffreestanding",
        "-nostdinc",
        "-fno-pic",
        &format!("-mthumb -I {} -DKBUILD_MODNAME=\"two_words\" -O0 -DX -o ", include.display()),
    ] {
        assert!(log.contains(option), "{option}: {log}");
    }
    assert!(!log.contains("-marm"), "{log}");
    assert!(log.trim_end().ends_with("workspace/two-words.c"), "{log}");
}

#[test]
fn a_compiler_for_linux_does_as_well_and_the_variable_overrides() {
    let host = host();
    host.without("arm-none-eabi-gcc");
    let make =
        |variable: &str| Outcome::of(host.xtask(&["module", "one.c"]).env("VMSPLIT_CC", variable));
    let missing = make("");
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("missing: C compiler for ARM"), "{missing:?}");
    assert!(missing.stderr.contains("gcc-arm-none-eabi"), "{missing:?}");
    for name in
        ["arm-linux-gnueabi-gcc-11", "arm-linux-gnueabihf-gcc-12", "arm-linux-gnueabihf-gcc"]
    {
        host.tool(name, &format!("echo {name} > $HOST/which{GCC}"));
        assert_eq!(make("").code, Some(0));
        assert_eq!(host.read("which").trim_end(), name, "goes before those so far");
    }
    host.tool("my-cc", &format!("echo mine > $HOST/which{GCC}"));
    for own in ["my-cc", host.path("bin/my-cc").to_str().unwrap()] {
        fs::write(host.path("which"), "").unwrap();
        assert_eq!(make(own).code, Some(0), "{own}");
        assert_eq!(host.read("which").trim_end(), "mine");
    }
    refused(&make("other-cc"), "VMSPLIT_CC=other-cc: there is no such program");
    refused(&make("/no/cc"), "VMSPLIT_CC=/no/cc: there is no such program");
}

#[test]
fn a_source_that_does_not_compile_leaves_nothing() {
    let host = host();
    let outcome = host.run(&["module", "bad.c"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.starts_with("bad.c:1: error: bad\nxtask: bad.c: "), "{outcome:?}");
    assert_eq!(fs::read_dir(host.path("target/modules")).unwrap().count(), 0);
}

#[test]
fn wrong_usage_is_named_before_anything_is_done() {
    let host = host();
    for (line, reason) in [
        ("module", "required"),
        ("module none.c", "none.c: No such file"),
        ("module notes.txt", "notes.txt: expected FILE.c"),
        ("module kernel --thumb", "compiler options are for C"),
        ("module one.c two-words.c -o x.ko", "these are 2"),
        ("module one.c -o x.ko --pack y.cpio", "cannot be used with"),
        ("module ready.ko --thumb", "are for C sources"),
        ("module one.c ready.ko -- -O0", "ready.ko: --thumb and compiler options"),
        ("module one.c ./one.c", "would both be called one"),
        ("run --module none.c", "none.c: No such file"),
        ("run --module notes.txt", "notes.txt: expected FILE.c"),
        ("run --module one.c --module ./one.c", "would both be called one"),
        ("run --module one.c --dtb-raw ready.ko", "cannot be used with"),
    ] {
        refused(&host.run(&line.split(' ').collect::<Vec<_>>()), reason);
    }
    assert_eq!((host.read("gcc.log"), host.read("qemu.log")), (String::new(), String::new()));
}

#[test]
fn several_are_packed() {
    let host = host();
    let outcome = host.run(&["module", "one.c", "ready.ko", "--pack", "some.cpio"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let archive = host.read("workspace/some.cpio");
    for part in ["one.ko\0", "<one.c>", "ready.ko\0", "<ready.ko>", "TRAILER!!!"] {
        assert!(archive.contains(part), "{part}: {archive}");
    }
    let shown = host.path("workspace/some.cpio");
    let shown = shown.strip_prefix(host.path("workspace")).unwrap().display();
    assert_eq!(outcome.stdout, format!("{shown}  {} bytes\n", archive.len()));
    assert_eq!(fs::read_dir(host.path("target/modules")).unwrap().count(), 0);
}

#[test]
fn run_brings_modules_and_tells_the_kernel() {
    let host = host();
    let outcome = host.run(&[
        "run",
        "--module",
        "two-words.c",
        "--module",
        "ready.ko",
        "--append",
        "quiet one.x=1",
        "--exec",
        "poweroff",
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let log = host.read("qemu.log");
    assert!(log.contains("vmsplit-3g-debug.bin "), "the raw image: {log}");
    let line = "-append quiet one.x=1 modules-load=two_words,ready -initrd ";
    assert!(log.contains(line), "{log}");
    let archive = host.read("archive");
    assert!(archive.starts_with("070701"), "{archive}");
    for part in ["two_words.ko\0", "<two-words.c>", "ready.ko\0", "<ready.ko>", "TRAILER!!!"] {
        assert!(archive.contains(part), "{part}: {archive}");
    }
    let left = fs::read_dir(host.path("target/modules")).unwrap().count();
    assert_eq!(left, 0, "the archive is gone");

    // Behind the user's own.
    fs::write(host.path("workspace/own.cpio"), "an archive").unwrap();
    let outcome =
        host.run(&["run", "--module", "one.c", "--initrd", "own.cpio", "--exec", "poweroff"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(host.read("archive").starts_with("an archive\0\x00070701"));
    assert!(host.read("qemu.log").contains("-append modules-load=one -initrd "));
}

#[test]
fn a_crate_is_built_by_cargo_for_the_kernels_target() {
    let host = host();
    let folder = host.path("workspace/my-crate");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("Cargo.toml"), "").unwrap();
    let outcome = host.run(&["module", "my-crate"]);
    // The pretended cargo leaves no object.
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("my-crate: cargo left no "), "{outcome:?}");
    let log = host.read("cargo.log");
    let line = log.lines().find(|line| line.starts_with("rustc ")).unwrap();
    for option in [
        "--target armv7a-none-eabi",
        "/workspace/my-crate/Cargo.toml --release --lib --crate-type staticlib",
        "profile.release.lto=\"fat\"",
        "-- -Crelocation-model=static --emit=obj=",
        "/modules/my_crate.o",
    ] {
        assert!(line.contains(option), "{option}: {line}");
    }
}
