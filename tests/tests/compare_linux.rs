//! `compare-linux` on Debian's kernel: what it says of Linux is what was recorded of Linux, and what it says of ours is
//! what was predicted of ours.
//!
//! The kernel comes by `--fetch`. Without `apt-get` there is none, and the trials are listed as ignored, with the reason
//! in their names; with it, a fetch that fails fails the trial.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::env;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tests::oracle::{Row, rows};
use tests::xtask::xtask;

/// Recorded boots that are made again.
const SAME: [(&str, &str); 3] = [("1G", ""), ("1G", "vmalloc=256M"), ("1G", "mem=511M")];

/// Status for wrong usage, and for a time-out.
const USAGE: i32 = 2;
const TIME_OUT: i32 = 124;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let has_apt = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join("apt-get").is_file());
    let why = if has_apt { "" } else { " (no apt-get here: Debian's kernel can not be fetched)" };
    let boot = |name: String, run: Box<dyn FnOnce() + Send>| {
        let trial = Trial::test(format!("{name}{why}"), move || {
            run();
            Ok::<(), Failed>(())
        });
        trial.with_ignored_flag(!has_apt)
    };
    let mut trials = Vec::new();
    for (mem, append) in SAME {
        let name = format!("as recorded and as predicted: {mem} {append}").trim_end().to_owned();
        trials.push(boot(name, Box::new(move || same(mem, append))));
    }
    trials.push(boot("ours runs where Linux panics".into(), Box::new(ours_survives)));
    trials.push(boot("a silent death is a time-out".into(), Box::new(silent_death)));
    trials.push(boot("the table shows both".into(), Box::new(table)));
    for (index, words) in blocks(&page()).into_iter().map(|block| block.words).enumerate() {
        let name = format!("docs/compare-linux.md: {}", words.join(" "));
        trials.push(boot(name, Box::new(move || shown(index))));
    }
    trials.push(Trial::test("files that are no kernel are named", || {
        wrong_files();
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn compare(words: &[&str]) -> Output {
    let words = [&["compare-linux", "--fetch"], words].concat();
    xtask(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complaint(output)))
}

/// The row of a fact.
fn row<'o>(object: &'o Value, fact: &str) -> &'o Value {
    let rows = object["rows"].as_array().expect("rows");
    rows.iter().find(|row| row["fact"] == fact).unwrap_or_else(|| panic!("no row {fact}"))
}

fn recorded(mem: &str, append: &str) -> Row {
    let is_it = |row: &Row| !row.is_lpae() && row.mem == mem && row.append == append;
    rows().into_iter().find(|row| is_it(row) && !row.note.starts_with("dtb-")).expect("recorded")
}

/// Both sides against what is known of them.
fn same(mem: &str, append: &str) {
    let output = compare(&["--json", "-m", mem, "--append", append]);
    let object = object(&output);
    assert!(output.status.success(), "{}", complaint(&output));
    let recorded = recorded(mem, append);
    for (fact, value) in [
        ("page_offset", &recorded.page_offset),
        ("phys_offset", &recorded.phys_offset),
        ("lowmem_end", &recorded.lowmem_end_phys),
        ("high_memory", &recorded.high_memory),
        ("vmalloc_start", &recorded.vmalloc_start),
        ("vmalloc_end", &recorded.vmalloc_end),
        ("modules", &recorded.modules_start),
        ("pkmap", &recorded.pkmap_base),
        ("user_end", &recorded.task_size),
    ] {
        let expected = format!("0x{}", value.as_ref().expect("a row that booted has figures"));
        let row = row(&object, fact);
        assert_eq!(row["linux"], expected.as_str(), "{fact}: Linux");
        assert_eq!(row["mark"], "equal", "{fact}");
    }
    let said = &object["linux"]["said"];
    let zones = said["zones"].as_array().expect("zones");
    assert_eq!(zones.len(), recorded.zones.len());
    for zone in zones {
        let expected = recorded.zones[zone["name"].as_str().unwrap()];
        assert_eq!(zone["start_pfn"], expected.start_pfn);
        assert_eq!(zone["spanned"], expected.spanned);
        assert_eq!(zone["present"], expected.present);
    }
    for warning in &recorded.warnings {
        let messages = object["linux"]["messages"].as_array().unwrap();
        assert!(messages.iter().any(|line| line.as_str() == Some(warning)), "{warning}");
    }
    // Of another build the layout is the same, and what it takes for itself is not.
    if said["version"].as_str().is_some_and(|version| version.contains(" 6.1.176-1 ")) {
        assert_eq!(said["meminfo"]["MemTotal"].as_u64(), recorded.mem_total_kb);
    }
    assert_eq!(ours(&object), predicted(mem, append));
}

/// The layout that ours read back, without what only a boot knows.
fn ours(object: &Value) -> Value {
    let mut layout = object["vmsplit"]["answer"]["layout"].clone();
    for (_, zone) in layout["zones"].as_object_mut().expect("zones") {
        zone.as_object_mut().unwrap().remove("managed").expect("a booted kernel knows");
    }
    layout
}

fn predicted(mem: &str, append: &str) -> Value {
    let words = ["layout", "--json", "-m", mem, "--append", append];
    object(&xtask(&words.map(String::from)))
}

fn ours_survives() {
    let words = ["--json", "-m", "1G", "--append", "vmalloc=977M", "--timeout", "60"];
    let output = compare(&words);
    let object = object(&output);
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(object["linux"]["end"], "died");
    let reason = object["linux"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("Kernel panic - not syncing: "), "{reason}");
    let last = object["linux"]["last_lines"].as_array().unwrap();
    assert!(last.iter().any(|line| line.as_str().unwrap().contains(reason)));
    assert_eq!(row(&object, "lowmem_end")["mark"], "equal", "both got as far as their zones");
    assert_eq!(row(&object, "high_memory")["linux"], Value::Null);
    assert_eq!(ours(&object), predicted("1G", "vmalloc=977M"));
}

/// `vmalloc` without `=`: Linux follows a null pointer and says nothing more.
fn silent_death() {
    let output = compare(&["-m", "1G", "--append", "vmalloc", "--timeout", "20"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(TIME_OUT), "{}", complaint(&output));
    assert!(text.contains("Linux gave nothing: it was not done after 20 s\n"), "{text}");
    assert!(text.contains("vmalloc: a size is missing"), "{text}");
    assert!(text.contains("high_memory           0xf0000000\n"), "{text}");
}

fn table() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_str().unwrap();
    let words = ["-m", "3G", "--append", "vmalloc=268435457", "--keep-log", path];
    let output = compare(&words);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    // By the byte here, by the page there.
    let lines: Vec<_> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    let has = |line: &[&str]| lines.iter().any(|words| words == line);
    assert!(has(&["high_memory", "0xef000000", "=", "0xeeffffff"]), "{text}");
    assert!(has(&["end", "0xfffff000", "≠", "0x100000000"]), "{text}");
    // Notes are wrapped.
    let flat = lines.concat().join(" ");
    assert!(flat.contains("loses the last page below 4 GiB"), "{text}");
    assert!(!text.contains("no reason"), "{text}");
    let log = fs::read_to_string(path).unwrap();
    assert!(log.contains("Booting Linux on physical CPU") && log.contains("vmsplit: power off"));
}

/// Before a command in the page.
const FENCE: &str = "```text\n$ cargo xtask compare-linux ";

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compare-linux.md")
}

fn page() -> String {
    fs::read_to_string(page_path()).unwrap()
}

/// A command in the page, and where its output stands.
struct Block {
    words: Vec<String>,
    output: Range<usize>,
}

fn blocks(page: &str) -> Vec<Block> {
    let block = |(at, fence): (usize, &str)| {
        let after = at + fence.len();
        let start = after + page[after..].find('\n').expect("a command ends its line") + 1;
        let end = start + page[start..].find("```").expect("a block ends");
        let words = page[after..start].trim().replace('"', "");
        Block { words: words.split(' ').map(String::from).collect(), output: start..end }
    };
    page.match_indices(FENCE).map(block).collect()
}

/// What the page shows is what is printed, but for what follows from the build of either kernel. With `VMSPLIT_BLESS`
/// in the environment it is written into the page.
fn shown(index: usize) {
    let words = blocks(&page())[index].words.clone();
    let output = compare(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut page = page();
    let block = &blocks(&page)[index];
    if env::var_os("VMSPLIT_BLESS").is_some() {
        page.replace_range(block.output.clone(), &printed);
        fs::write(page_path(), page).unwrap();
    } else {
        let shown = &page[block.output.clone()];
        assert_eq!(lasting(&printed), lasting(shown), "VMSPLIT_BLESS=1 rewrites the page");
    }
}

/// The lines that do not change with a build: no name of a kernel, no last words, no figure of what is left after boot.
fn lasting(text: &str) -> Vec<String> {
    const OF_A_BUILD: [&str; 8] = [
        "Linux 6",
        "managed",
        "free",
        "MemTotal",
        "LowTotal",
        "MemFree",
        "kernel image",
        "page array",
    ];
    let lasts = |line: &&str| {
        let line = line.trim_start();
        !line.starts_with('|') && !OF_A_BUILD.iter().any(|begin| line.starts_with(begin))
    };
    // Columns are as wide as the widest figure.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().filter(lasts).map(words).collect()
}

fn wrong_files() {
    let file = |bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        file
    };
    let said = |zimage: &str, busybox: &str| {
        let words = ["compare-linux", zimage, "--busybox", busybox].map(String::from);
        let output = xtask(&words);
        assert_eq!(output.status.code(), Some(USAGE), "{}", complaint(&output));
        assert!(output.stdout.is_empty());
        complaint(&output)
    };
    let this_program = env::current_exe().unwrap();
    let this_program = this_program.to_str().unwrap();
    assert!(said(this_program, this_program).contains("an ELF file, such as `vmlinux`"));
    assert!(said("/nowhere/zImage", this_program).contains("/nowhere/zImage: "));
    assert!(said(file(b"").path().to_str().unwrap(), this_program).contains("an empty file"));
    let mut zimage = vec![0; 0x40];
    zimage[0x24..0x28].copy_from_slice(&0x016f_2818_u32.to_le_bytes());
    let zimage = file(&zimage);
    let zimage = zimage.path().to_str().unwrap();
    assert!(said(zimage, this_program).contains("not for 32-bit ARM"));
    assert!(said(zimage, zimage).contains("no ELF program"));
    assert!(said(zimage, "/").contains("no regular file"));
}
