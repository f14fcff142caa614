//! The initrd: kept wherever it lies in memory, read page by page, and refused by name where it can not be.
//!
//! What `cat` says of a file is held against the file's own bytes; where the initrd lies is QEMU's choice, 128 MiB above
//! the start of RAM, or the command line's. Which of that is lowmem is `vmalloc=`'s.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use cpio::NewcBuilder;
use cpio::newc::trailer;
use tempfile::TempDir;

use crate::run::{Run, finished, run, xtask};
use crate::serial::Serial;
use crate::source::Source;

/// Where QEMU puts an initrd on a machine of 256 MiB or more.
const QEMU_PLACE: u64 = 0x4800_0000;

/// Files of one archive. The large one has no pattern, so that a page in the wrong place shows.
struct Files {
    large: Vec<u8>,
    long: String,
}

impl Files {
    fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut word = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let large = (0..40_000).flat_map(|_| word().to_le_bytes()).collect();
        let long = (0..4000).map(|line| format!("line {line:04} of many €\n")).collect();
        Self { large, long }
    }

    fn archive(&self) -> Vec<u8> {
        let hard_links = [("one", &b""[..]), ("two", b"shared\n")]
            .map(|(name, data)| (NewcBuilder::new(name).ino(900).nlink(2).mode(0o100_644), data));
        let file = |name, mode, data| (NewcBuilder::new(name).mode(mode), data);
        let mut entries = vec![
            file("modules", 0o040_755, &b""[..]),
            file("hello.txt", 0o100_644, b"hello, initrd\n"),
            file("modules/regions.ko", 0o100_600, &self.large),
            file("./modules/notes", 0o100_444, "no line feed at the end: ä€".as_bytes()),
            file("long.txt", 0o100_644, self.long.as_bytes()),
            file("empty", 0o104_755, b""),
            file("colours", 0o100_644, b"\x1b[31mred\x1b[0m"),
            file("link", 0o120_777, b"modules/notes"),
            file("odd\x1bname", 0o041_777, b""),
        ];
        entries.extend(hard_links);
        let mut out = Vec::new();
        for (number, (mut builder, data)) in (1..).zip(entries) {
            // The last two are one file.
            if number < 10 {
                builder = builder.ino(number);
            }
            let mut writer = builder.write(out, data.len() as u32);
            std::io::copy(&mut Cursor::new(data), &mut writer).unwrap();
            out = writer.finish().unwrap();
        }
        trailer(out).unwrap()
    }

    /// What the commands of [`SHOW`] print.
    fn expect(&self, run: &Run) {
        let large = self.large.len();
        let names = [
            "drwxr-xr-x         0 modules".to_string(),
            "-rw-r--r--        14 hello.txt".to_string(),
            format!("-rw------- {large:>9} modules/regions.ko"),
            "-r--r--r--        30 ./modules/notes".to_string(),
            format!("-rw-r--r-- {:>9} long.txt", self.long.len()),
            "-rwsr-xr-x         0 empty".to_string(),
            "-rw-r--r--        12 colours".to_string(),
            "lrwxrwxrwx        13 link -> modules/notes".to_string(),
            "drwxrwxrwt         0 odd\\x1bname".to_string(),
            "-rw-r--r--         7 one".to_string(),
            "-rw-r--r--         7 two".to_string(),
        ];
        assert_eq!(run.output_of("ls"), names.join("\n") + "\n");
        let below = [&names[0], &names[2], &names[3]].map(|name| format!("{name}\n"));
        assert_eq!(run.output_of("ls modules"), below.concat());
        assert_eq!(run.output_of("cat hello.txt"), "hello, initrd\n");
        let sum = crc32fast::hash(&self.large);
        let said = run.output_of("cat modules/regions.ko");
        assert!(
            said.starts_with(&format!("modules/regions.ko: {large} bytes, no text (")),
            "{said}"
        );
        assert!(said.ends_with(&format!("), CRC-32 {sum:08x}\n")), "{said}");
        assert_eq!(run.output_of("cat modules/notes"), "no line feed at the end: ä€\n");
    }
}

const SHOW: &str = "ls; ls modules; cat hello.txt; cat modules/regions.ko; cat modules/notes";

/// A file of these bytes, for as long as the folder is there.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("initrd.cpio");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// A boot of 1 GiB with `bytes` as initrd.
fn boot(bytes: &[u8], append: &str, commands: &str) -> Run {
    let (_folder, path) = file(bytes);
    run(&["--initrd", path.to_str().unwrap(), "--append", append], commands)
}

/// Asserts that the commands before and after the others printed the same.
#[track_caller]
fn expect_same_ledger(run: &Run) {
    let all: Vec<&str> =
        run.text.split("vmsplit> ").filter(|part| part.starts_with("meminfo\n")).collect();
    assert_eq!(all.len(), 2, "{}", run.text);
    assert_eq!(all[0], all[1], "memory went astray");
}

/// In lowmem; in HighMem, where Linux oopses; across the end of lowmem, at a page boundary and off it. Whoever takes
/// pages takes none of the initrd's.
fn everywhere() {
    let files = Files::new();
    let archive = files.archive();
    for (append, place) in [
        ("", "lowmem"),
        ("vmalloc=896M", "HighMem"),
        ("vmalloc=976M", "HighMem"),
        // Lowmem ends 8 KiB after the initrd's start, and 8 KiB and a byte.
        ("vmalloc=922738688", "lowmem"),
        ("vmalloc=922738687", "lowmem"),
    ] {
        let commands = format!(
            "drain; meminfo; {SHOW}; drain; meminfo; explain 0x48001fff; soak 30000; {SHOW}"
        );
        let run = boot(&archive, append, &commands);
        run.expect_status(0);
        let end = QEMU_PLACE + archive.len() as u64 - 1;
        let kib = archive.len().div_ceil(1024);
        run.expect(&[&format!("initrd: [0x48000000-{end:#010x}], {kib} kB, 8 files\n")]);
        files.expect(&run);
        let (_, after) = run.text.split_once("vmsplit> soak 30000\n").unwrap();
        files.expect(&Run { status: run.status, text: after.to_string() });
        expect_same_ledger(&run);
        let who = run.output_of("explain 0x48001fff");
        let held = format!("[0x48000000-{end:#010x}] is reserved: initrd\n");
        assert!(who.contains(&held), "{append}: {who}");
        let is_lowmem = place == "lowmem";
        let limit: u64 = run.layout_end();
        assert_eq!(QEMU_PLACE + 0x1fff < limit, is_lowmem, "{append}: lowmem ends at {limit:#x}");
    }
}

impl Run {
    /// Where lowmem ends, as the zones say.
    fn layout_end(&self) -> u64 {
        let line = self.text.lines().rfind(|line| line.starts_with("  HighMem  [mem 0x"));
        let digits = line.unwrap().split_once("0x").unwrap().1.split('-').next().unwrap();
        u64::from_str_radix(digits, 16).unwrap()
    }
}

/// At any byte, by the command line: which names a part of what QEMU loaded.
fn at_any_byte() {
    let files = Files::new();
    let archive = files.archive();
    for (before, name, append) in [
        (1, "initrd", ""),
        (4095, "initrdmem", "vmalloc=896M"),
        (4094, "initrd", "vmalloc=922742783"),
    ] {
        let bytes = [&vec![0xa5; before], &archive[..], &[0xa5; 77]].concat();
        let start = QEMU_PLACE + before as u64;
        let append = format!("{append} initrd=1G,1M {name}={start:#x},{}", archive.len());
        let run = boot(&bytes, &append, SHOW);
        run.expect_status(0);
        run.expect(&[&format!("initrd: [{start:#010x}-"), " kB, 8 files\n"]);
        files.expect(&run);
    }
}

/// It lies where the kernel belongs, and is read where it was moved to: which is memory that stays.
fn moved() {
    let files = Files::new();
    let archive = files.archive();
    let (_folder, path) = file(&archive);
    let device = loader(&path, 0x4030_0001);
    for (settings, place) in [("", "0x7ff"), ("nohighmem vmalloc=896M", "0x46f")] {
        let append = format!("initrd=0x40300001,{} {settings}", archive.len());
        let options = ["run", "--image", "raw", "--append", &append, "--exec", SHOW];
        let with_loader = [&options[..], &["--", "-device", &device]].concat();
        let run =
            finished(&xtask(&with_loader.into_iter().map(str::to_string).collect::<Vec<_>>()));
        run.expect_status(0);
        run.expect(&["moving [0x40300001-", &format!("initrd: [{place}"), " kB, 8 files\n"]);
        files.expect(&run);
    }
}

/// QEMU's device that puts a file into RAM.
fn loader(file: &Path, at: u64) -> String {
    format!("loader,file={},addr={at:#x},force-raw=on", file.display())
}

/// Where an initrd can not be, the log and every command say why, and everything else works.
fn refused() {
    let archive = Files::new().archive();
    let len = archive.len();
    for (append, line, why) in [
        (
            "initrd=0x90000000,1M",
            "0x90000000+0x00100000 is not a memory region",
            "no usable memory at 0x90000000",
        ),
        (
            "initrd=0x7ffff001,4K",
            "0x7ffff001+0x00001000 is not a memory region",
            "no usable memory at 0x80000000",
        ),
        (
            "initrd=4G,1M",
            "0x100000000+0x00100000 is not a memory region",
            "no usable memory at 0x100000000",
        ),
        ("mem=64M", "is not a memory region", "no usable memory at 0x48000000"),
        (
            "initrd=0x40012000,1M",
            "0x40012000+0x00100000 overlaps in-use memory region",
            "the kernel or its device tree was loaded there",
        ),
        (
            "vmalloc=896M nohighmem",
            "lies above lowmem",
            "lowmem ends at 0x47000000, and there is no HighMem",
        ),
        (
            "vmalloc=922738688 nohighmem",
            "lies above lowmem",
            "lowmem ends at 0x48002000, and there is no HighMem",
        ),
    ] {
        let run = boot(&archive, append, "ls; cat hello.txt; memblock; meminfo");
        run.expect_status(1);
        run.expect(&["INITRD: ", line, &format!(" - disabling initrd ({why})\n")]);
        for command in ["ls", "cat hello.txt"] {
            let said = run.output_of(command);
            assert!(
                said.starts_with("error: there is no initrd: boot refused that at ["),
                "{said}"
            );
            assert!(said.contains(why), "{said}");
        }
        let kept = format!("{len:#010x} bytes");
        assert!(!run.output_of("memblock").contains(&kept), "{append}: {}", run.text);
    }
    // An ELF file is in its place, and so is QEMU's tree before it.
    for (append, line) in [
        ("initrd=0x40200000,1", "INITRD: 0x40200000+0x00000001 overlaps in-use memory region"),
        ("initrd=0x40000fff,4K", "INITRD: 0x40000fff+0x00001000 overlaps in-use memory region"),
    ] {
        let run = run(&["--append", append], "ls");
        run.expect_status(1);
        run.expect(&[
            line,
            " is in use)\n",
            "vmsplit> ls\nerror: there is no initrd: boot refused ",
        ]);
    }
    // U-Boot names an initrd among the reservations, too. What of that is lowmem stays reserved without it.
    let dtb = Source::virt().reserve(QEMU_PLACE, len as u64).compile("initrd-reserved");
    let (_folder, path) = file(&archive);
    let twice = ["--dtb", dtb.to_str().unwrap(), "--initrd", path.to_str().unwrap()];
    let kept = run(&[&twice[..], &["--append", "vmalloc=922738688"]].concat(), "cat hello.txt");
    kept.expect_status(0);
    kept.expect(&["vmsplit> cat hello.txt\nhello, initrd\n"]);
    let lost = ["--append", "vmalloc=922738688 nohighmem"];
    let lost = run(&[&twice[..], &lost].concat(), "explain 0x48001000");
    lost.expect_status(0);
    lost.expect(&["lies above lowmem - disabling initrd", "is reserved: /memreserve/"]);

    let bad = "initrd initrd=0x48000000 initrd=here,1M";
    let run = run(&["--append", bad], "ls; cat x");
    run.expect_status(1);
    run.expect(&[
        "initrd=: ADDRESS,SIZE was expected, parameter ignored\n",
        "initrd=0x48000000: ADDRESS,SIZE was expected, parameter ignored\n",
        "initrd=here,1M: ADDRESS,SIZE was expected, parameter ignored\n",
        "vmsplit> ls\nerror: there is no initrd: QEMU's -initrd brings one, or --initrd of cargo xtask run\n",
        "vmsplit> cat x\nerror: there is no initrd: QEMU's",
    ]);
}

/// What is no archive, or a broken one, is said; what comes before the fault is listed.
fn broken() {
    let archive = Files::new().archive();
    let find = |text: &[u8]| archive.windows(text.len()).position(|part| part == text).unwrap();
    let second = find(b"hello.txt") - 110;
    let mut bad_digit = archive.clone();
    bad_digit[second + 54] = b'g';
    let mut bad_magic = archive.clone();
    bad_magic[second] = b'X';
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &archive[..]].concat();
    let cut = &archive[..find(b"hello, initrd") + 4096];
    for (bytes, said, listed) in [
        (&gzip[..], "0x0: a gzip archive: it must not be compressed", None),
        (b"\xfd7zXZ\0 and so on", "an xz archive: it must not be compressed", None),
        (b"\x7fELF and so on", "an ELF file: it must be in a cpio archive", None),
        (b"junk that is no archive", "begins no entry", None),
        (&bad_digit, "is not eight hexadecimal digits", Some("modules\n")),
        (&bad_magic, "begins no entry", Some("modules\n")),
        (cut, "its data needs 320000 bytes", Some("hello.txt\n")),
        (&archive[..50], "its header needs 110 bytes", None),
    ] {
        let run = boot(bytes, "vmalloc=896M", "ls; cat hello.txt; cat x; version");
        run.expect_status(1);
        run.expect(&["initrd: [0x48000000-", said, "\n"]);
        let list = run.output_of("ls");
        assert!(
            list.contains("error: the initrd can not be read: ") && list.contains(said),
            "{list}"
        );
        assert!(listed.is_none_or(|name| list.contains(name)), "{list}");
        run.expect(&[
            "vmsplit> cat hello.txt\nerror: the initrd can not be read: ",
            "vmsplit> version\nvmsplit 0",
        ]);
    }
    // Nothing is not broken.
    for bytes in [&trailer(Vec::new()).unwrap()[..], &[0; 5000]] {
        let run = boot(bytes, "", "ls; cat x");
        run.expect_status(1);
        run.expect(&[
            " kB, 0 files\n",
            "vmsplit> ls\nvmsplit> cat x\nerror: no file x in the initrd\n",
        ]);
    }
}

/// Files that are shown in other ways, and names that are not there.
fn shown() {
    let files = Files::new();
    let commands = "cat long.txt; cat empty; cat colours; cat link; cat one; cat two; cat modules; cat helo.txt; \
                    cat /hello.txt; ls nowhere; ls hello.txt; ls /; cat";
    let run = boot(&files.archive(), "vmalloc=896M", commands);
    run.expect_status(1);
    let limit = 64 << 10;
    let cut = (0..=limit).rev().find(|&at| files.long.is_char_boundary(at)).unwrap();
    let (shown, size) = (&files.long[..cut], files.long.len());
    let long = run.output_of("cat long.txt");
    let end = if shown.ends_with('\n') { "" } else { "\n" };
    assert_eq!(long, format!("{shown}{end}(the first {limit} bytes of {size})\n"));
    assert_eq!(run.output_of("cat empty"), "");
    let sum = crc32fast::hash(b"\x1b[31mred\x1b[0m");
    let colours = format!("colours: 12 bytes, no text (byte 0x1b at 0), CRC-32 {sum:08x}\n");
    assert_eq!(run.output_of("cat colours"), colours);
    assert_eq!(run.output_of("cat link"), "link leads to modules/notes\n");
    assert_eq!(run.output_of("cat one"), "shared\n");
    assert_eq!(run.output_of("cat two"), "shared\n");
    assert!(run.output_of("cat modules").contains("a directory, which has no data\n"));
    let near = "error: no file helo.txt in the initrd; did you mean hello.txt?\n";
    assert!(run.output_of("cat helo.txt").starts_with(near));
    assert_eq!(run.output_of("cat /hello.txt"), "hello, initrd\n");
    assert!(run.output_of("ls nowhere").starts_with("error: no file nowhere in the initrd\n"));
    assert_eq!(run.output_of("ls hello.txt"), "-rw-r--r--        14 hello.txt\n");
    assert_eq!(run.output_of("ls /").lines().count(), 11);
    assert!(run.output_of("cat").starts_with("error: "));
}

/// Tab completes the names of files. The initrd is not QEMU's own: an ELF file gets none.
fn completed() {
    let archive = Files::new().archive();
    let (_folder, path) = file(&archive);
    let append = format!("initrd=0x50000000,{}", archive.len());
    let device = loader(&path, 0x5000_0000);
    let mut serial = Serial::boot(&["-append", &append, "-device", &device]);
    let said = serial.exchange("cat he\t\r");
    assert!(said.contains("cat hello.txt \nhello, initrd\n"), "{said}");
    let said = serial.exchange("ls modules/re\t\r");
    assert!(said.contains(" modules/regions.ko\n"), "{said}");
    serial.send("poweroff\r");
    assert_eq!(serial.end().0, Some(0));
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 7] = [
    ("initrd: in lowmem, in HighMem and across, and nobody else's", everywhere),
    ("initrd: at any byte, by the command line", at_any_byte),
    ("initrd: moved out of the kernel's way", moved),
    ("initrd: refused by name", refused),
    ("initrd: broken archives", broken),
    ("initrd: files that are shown in other ways", shown),
    ("initrd: Tab knows the files", completed),
];
