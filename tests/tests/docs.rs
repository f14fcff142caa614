//! The output that README and the guide show is what the commands print.
//!
//! A `console` block begins with the command. It is run, and what it prints is held against the
//! block, but for figures that follow from the size of the image. Where a block's output begins with
//! a line `[...]`, all that is printed before the first prompt is left out of it. Where the command ends
//! with `| grep ...`, the block has what that lets through. With `VMSPLIT_BLESS=1` in the environment
//! the blocks are rewritten instead, and in their commands the addresses that `kmalloc` gave.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use libtest_mimic::{Arguments, Trial};
use tests::xtask::xtask;

const FENCE: &str = "```console\n$ cargo xtask ";
/// Stands for the boot log.
const LEFT_OUT: &str = "[...]\n";

fn main() -> ExitCode {
    // Commands name files as one does who stands at the top.
    env::set_current_dir(root()).unwrap();
    let mut arguments = Arguments::from_args();
    // Blessing rewrites files, one block after the other.
    arguments.test_threads = Some(1);
    let trials = pages()
        .into_iter()
        .flat_map(|page| {
            let text = fs::read_to_string(&page).unwrap();
            let count = text.matches(FENCE).count();
            (0..count).map(move |index| {
                let page = page.clone();
                let command = blocks(&fs::read_to_string(&page).unwrap())[index].command.clone();
                let file = page.file_name().unwrap().to_string_lossy().into_owned();
                Trial::test(format!("{file}: {command}"), move || {
                    check(&page, index);
                    Ok(())
                })
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn pages() -> Vec<PathBuf> {
    let root = root();
    let mut pages = vec![root.join("README.md")];
    let guide = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(guide.filter(|path| path.extension().is_some_and(|end| end == "md")));
    pages.sort();
    pages
}

struct Block {
    command: String,
    /// Where the command stands in the page.
    command_start: usize,
    /// Where the output does.
    start: usize,
    end: usize,
}

fn blocks(text: &str) -> Vec<Block> {
    text.match_indices(FENCE)
        .map(|(at, fence)| {
            let after = at + fence.len();
            let start = after + text[after..].find('\n').expect("a command ends its line") + 1;
            let end = start + text[start..].find("```").expect("a block ends");
            let command = text[after..start].trim().to_string();
            Block { command, command_start: after, start, end }
        })
        .collect()
}

fn check(page: &Path, index: usize) {
    let text = fs::read_to_string(page).unwrap();
    let block = &blocks(&text)[index];
    if env::var_os("VMSPLIT_BLESS").is_some() {
        bless(page, index, block, &text);
        return;
    }
    let shown = &text[block.start..block.end];
    let printed = without_boot(output_of(&block.command), shown);
    assert_eq!(
        masked(&printed),
        masked(shown),
        "what is printed (left) is not what {} shows (right); VMSPLIT_BLESS=1 rewrites it",
        page.display()
    );
}

/// Rewrites a block.
fn bless(page: &Path, index: usize, block: &Block, text: &str) {
    let moved = with_addresses_of_this_kernel(&block.command);
    let command = moved.as_ref().unwrap_or(&block.command);
    let printed = without_boot(output_of(command), &text[block.start..block.end]);
    // The page as it is now: somebody may write at it while a kernel boots.
    let text = fs::read_to_string(page).unwrap();
    let block = &blocks(&text)[index];
    let (before, after) = (&text[..block.command_start], &text[block.end..]);
    fs::write(page, format!("{before}{command}\n{printed}{after}")).unwrap();
}

/// How an address of lowmem begins, in commands.
const LOWMEM: &str = "0xc";

/// The command with its addresses of objects in the page that this kernel gives to its first `kmalloc`; `None` if it
/// has none, or they are right. They change with the size of the image. All those of a command are in one page.
fn with_addresses_of_this_kernel(command: &str) -> Option<String> {
    const PAGE_DIGITS: usize = "0xc0412".len();
    let (arguments, _) = without_grep(command);
    let kmalloc = arguments.find("kmalloc ")?;
    arguments[kmalloc..].find(LOWMEM)?;
    // The command as far as that, since what follows may write where nobody should.
    let end = kmalloc + arguments[kmalloc..].find([';', '"'])?;
    let printed = run(&format!("{}\"", &arguments[..end]));
    let taken = printed.lines().find(|line| line.contains(" bytes, of "))?;
    let page = taken.get(..PAGE_DIGITS)?;
    let mut moved = command.to_string();
    for (at, _) in command.match_indices(LOWMEM) {
        let digits = command[at + 2..].chars().take_while(char::is_ascii_hexdigit).count();
        if digits == 8 {
            moved.replace_range(at..at + PAGE_DIGITS, page);
        }
    }
    (moved != command).then_some(moved)
}

/// The output without the boot log, if the block leaves that out.
fn without_boot(mut printed: String, shown: &str) -> String {
    if shown.starts_with(LEFT_OUT) {
        let prompt = printed.find("\nvmsplit> ").expect("a boot comes to the prompt") + 1;
        printed.replace_range(..prompt, LEFT_OUT);
    }
    printed
}

fn without_grep(command: &str) -> (&str, Option<&str>) {
    match command.split_once(" | grep ") {
        Some((command, pattern)) => (command, Some(pattern)),
        None => (command, None),
    }
}

fn output_of(command: &str) -> String {
    match without_grep(command) {
        (command, Some(pattern)) => filtered(run(command), pattern),
        (command, None) => run(command),
    }
}

fn run(command: &str) -> String {
    let output = xtask(&words(command));
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    // A page may show how a boot stops, too, and how a command fails.
    let says_why = text.contains("vmsplit: halted: ") || text.contains("\nerror: ");
    let well = output.status.success() || output.status.code() == Some(1) && says_why;
    assert!(well, "{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What `grep` with these arguments lets through of `text`.
fn filtered(text: String, arguments: &str) -> String {
    let mut grep = Command::new("grep")
        .args(words(arguments))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a grep");
    let mut input = grep.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(text.as_bytes()));
    let output = grep.wait_with_output().unwrap();
    // A grep that has enough may end before it has read all.
    let _ = writer.join();
    assert!(output.status.success(), "grep {arguments} lets nothing through");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How the report of a crash begins.
const CUT_HERE: &str = "8<--- cut here ---";

/// The words of a shell command without expansions: blanks separate, double quotes hold together.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Leaves out what changes with every change of the code: the image's size, and what follows.
fn masked(text: &str) -> String {
    const VOLATILE: [&str; 29] = [
        "Memory: ",
        ".text ",
        ".init ",
        ".data ",
        ".bss ",
        "reserved[",
        "reserved size",
        "moving ",
        "pages free",
        "nr_free_pages",
        "managed",
        "MemTotal:",
        "LowTotal:",
        "LowFree:",
        "min ",
        "low ",
        "usable, zone ",
        "in use since boot",
        "  kernel ",
        "may be loaded at ",
        "safe for ",
        "any split: ",
        "  zone ",
        // The zone that the image is in, in the forms of `/proc` and in Mem-Info.
        "zone      DMA",
        "DMA: ",
        " free_pcp:",
        "pages reserved",
        // Ticks since an object was taken or given back.
        " age=",
        // Which object of the pool it is: a tick decides when the first request is sampled.
        "kfence-#",
    ];
    let mut lines = Vec::new();
    let mut is_report = false;
    for line in text.lines() {
        is_report |= line == CUT_HERE;
        // Words of the stack: how many stand in the first row depends on where it is.
        if is_report && line.as_bytes().get(4) == Some(&b':') {
            continue;
        }
        let volatile =
            is_report || VOLATILE.iter().any(|mark| line.contains(mark)) || line.contains("high ");
        let line = without_site(line);
        let (mut masked, mut last) = (String::new(), ' ');
        for c in line.chars() {
            let c = if volatile && c.is_ascii_hexdigit() { '#' } else { c };
            if !(volatile && "# ".contains(c) && c == last) {
                masked.push(c);
            }
            last = c;
        }
        lines.push(masked);
    }
    // Rows that name places in the code are in the order of addresses, which is the linker's.
    let name_sites = |one: &String, next: &String| [one, next].iter().all(|row| row.contains(SITE));
    for rows in lines.chunk_by_mut(name_sites) {
        rows.sort();
    }
    lines.join("\n")
}

/// Stands for the address of a place in the code.
const SITE: &str = "# in ";

/// The line without the address of a place in the code, if it names one: the function's name stays.
fn without_site(line: &str) -> String {
    for (at, _) in line.match_indices(" in ") {
        let start = line[..at].rfind(' ').map_or(0, |blank| blank + 1);
        if line[start..at].starts_with("0x") && line[at..].contains("::") {
            return format!("{}{SITE}{}", &line[..start], &line[at + " in ".len()..]);
        }
    }
    line.to_string()
}
