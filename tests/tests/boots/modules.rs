//! Modules in booted kernels: every example in, used and out again, near the kernel and far from it, under each split;
//! what is refused; and what a module may not do.
//!
//! Objects are made by `cargo xtask module`, as ARM and as Thumb code, and packed as `newc` reads them.

use std::fs;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cpio::NewcBuilder;
use cpio::newc::trailer;
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Run, finished, run, xtask};

/// Modules that go as they came, in an order in which they can go in.
const EXAMPLES: [&str; 11] = [
    "hello.c",
    "allocators.c",
    "regions.c",
    "counter.c",
    "counter_user.c",
    "slab_cache.c",
    "reserve.c",
    "highmem_page.c",
    "device_memory.c",
    "registers.c",
    "hello_rust",
];

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/modules").join(name)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("modules").join(name)
}

/// Objects, and an initrd of them.
struct Objects {
    folder: TempDir,
    files: Vec<(String, Vec<u8>)>,
}

impl Objects {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), files: Vec::new() }
    }

    /// Compiles `source`.
    #[track_caller]
    fn make(&self, source: &Path, options: &[&str]) -> Vec<u8> {
        let object = self.folder.path().join("object.ko");
        let mut arguments: Vec<String> =
            ["module", source.to_str().unwrap(), "-o"].map(str::to_string).into();
        arguments.push(object.to_str().unwrap().to_string());
        arguments.extend(options.iter().map(|option| option.to_string()));
        finished(&xtask(&arguments)).expect_status(0);
        fs::read(object).unwrap()
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.push((name.to_string(), bytes));
    }

    /// All examples, C as `options` say.
    #[track_caller]
    fn of_examples(options: &[&str]) -> Self {
        let mut objects = Self::new();
        for name in EXAMPLES {
            let is_c = name.ends_with(".c");
            let bytes = objects.make(&example(name), if is_c { options } else { &[] });
            objects.add(&format!("{}.ko", name.trim_end_matches(".c")), bytes);
        }
        objects
    }

    /// The option that boots with them.
    fn initrd(&self) -> [String; 2] {
        let mut out = Vec::new();
        for (number, (name, bytes)) in (1..).zip(&self.files) {
            let builder = NewcBuilder::new(name).ino(number).mode(0o100_644);
            let mut writer = builder.write(out, bytes.len() as u32);
            std::io::copy(&mut Cursor::new(bytes), &mut writer).unwrap();
            out = writer.finish().unwrap();
        }
        let path = self.folder.path().join("modules.cpio");
        fs::write(&path, trailer(out).unwrap()).unwrap();
        ["--initrd".to_string(), path.to_str().unwrap().to_string()]
    }

    #[track_caller]
    fn boot(&self, options: &[&str], commands: &str) -> Run {
        let options = options.iter().map(|option| option.to_string()).chain(self.initrd());
        run(&options.collect::<Vec<_>>(), commands)
    }
}

/// A region of a layout: its bounds.
fn region(layout: &Value, start: &str, end: &str) -> Range<u64> {
    let address = |key: &str| {
        let text = layout[key].as_str().unwrap();
        u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
    };
    address(start)..address(end)
}

/// The hexadecimal number behind `text`, in the text of `run`.
#[track_caller]
fn address_behind(run: &str, text: &str) -> u64 {
    let (_, rest) = run.split_once(text).unwrap_or_else(|| panic!("no {text:?} in:\n{run}"));
    let rest = rest.trim_start().trim_start_matches("0x");
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    u64::from_str_radix(&rest[..end], 16).unwrap()
}

/// One after another, each by `run --module`, and what they say.
fn each_example() {
    let mut options = Vec::new();
    for name in EXAMPLES {
        options.extend(["--module".to_string(), example(name).to_str().unwrap().to_string()]);
    }
    let names = EXAMPLES.map(|name| name.trim_end_matches(".c"));
    let out: String = names.iter().rev().map(|name| format!("rmmod {name}; ")).collect();
    let run = run(&options, &format!("lsmod; modules; rmmod counter; vmallocinfo; {out}lsmod"));
    run.expect_status(1);
    run.expect(&[
        "hello: hello, world\n",
        "hello: loaded at 0xbf000000 - 0xbf003000, 12 kB, 0 veneers\n",
        "allocators: kmalloc was here: c",
        "allocators: vmalloc was here: f",
        "allocators: __get_free_pages was here: c",
        "counter_user: 1, then 2; ten to the twelfth by that is 500000000000\n",
        "slab_cache: 128 objects were taken, 64 constructed\n",
        "reserve: request 5 at c",
        "highmem_page: kmap_local_page: ",
        "the same page\n",
        "device_memory: the buffer says \"to be sent\"\n",
        "registers: 09000000 is mapped at f",
        "hello_rust: 10 squares at 0xc",
        "their sum is 385\n",
        "Module                  Size  Used by\n",
        "counter                12288  1 counter_user\n",
        "hello 12288 0 - Live 0xbf000000\n",
        "error: counter is in use by counter_user\n",
        "0xbf000000-0xbf004000   16384 ",
        "counter_user: 3 at last\ncounter: counted to 3\n".split('\n').next().unwrap(),
        "allocators: all given back\n",
        "hello: good-bye, world\n",
    ]);
    let lists: Vec<_> = run.text.match_indices("vmsplit> lsmod\n").collect();
    assert!(run.text[lists[1].0..].contains("Used by\nvmsplit> poweroff"), "{}", run.text);
}

/// The three regions show in what a module is given, whatever the split.
fn splits() {
    let mut objects = Objects::new();
    for name in ["regions", "hello", "counter", "counter_user"] {
        let source = example(&format!("{name}.c"));
        objects.add(&format!("{name}.ko"), objects.make(&source, &[]));
        objects.add(&format!("thumb_{name}.ko"), objects.make(&source, &["--thumb"]));
    }
    // Of counter, which has exports, there can be one.
    objects.files.retain(|(name, _)| !name.starts_with("thumb_counter."));
    for (split, more) in [("3g", &[][..]), ("3g-opt", &[]), ("2g", &[]), ("1g", &["-m", "2G"])] {
        let options = [&["--vmsplit", split][..], more].concat();
        let run = objects.boot(
            &options,
            "layout --json; insmod regions; insmod --far thumb-regions; rmmod regions; \
             rmmod thumb_regions; module-soak 3; module-soak 3 --far",
        );
        run.expect_status(0);
        let layout = run.layout();
        let lowmem = region(&layout, "page_offset", "high_memory");
        let vmalloc = region(&layout, "vmalloc_start", "vmalloc_end");
        let modules = region(&layout, "modules_start", "modules_end");
        let [near, far] =
            ["insmod regions", "insmod --far thumb-regions"].map(|c| run.output_of(c));
        for (text, what, region) in [
            (near, "kmalloc    at ", &lowmem),
            (near, "one page   at ", &lowmem),
            (near, "vmalloc    at ", &vmalloc),
            (near, "my own code at ", &modules),
            (near, "my own data at ", &modules),
            (far, "vmalloc    at ", &vmalloc),
            (far, "my own code at ", &vmalloc),
            (far, "my own data at ", &vmalloc),
        ] {
            let at = address_behind(text, what);
            assert!(region.contains(&at), "{split}: {what}{at:x}, {region:x?}:\n{}", run.text);
        }
        assert!(near.contains(" 0 veneers\n"), "{near}");
        assert!(!far.contains(" 0 veneers\n"), "{far}");
        let passed = run.text.matches("selftest: module-soak: ok, ").count();
        assert_eq!(passed, 2, "{split}:\n{}", run.text);
    }
}

/// A thousand times in and out, of ARM code near the kernel.
fn thousand_times() {
    soak(&[], "module-soak 1000");
}

/// And of Thumb code, half of it far away.
fn thousand_times_thumb() {
    soak(&["--thumb"], "module-soak 500; module-soak 500 --far");
}

fn soak(options: &[&str], commands: &str) {
    let objects = Objects::of_examples(options);
    let run = objects.boot(&["--release", "--timeout", "400"], commands);
    run.expect_status(0);
    assert_eq!(
        run.text.matches("selftest: module-soak: ok, ").count(),
        commands.split(';').count(),
        "{}",
        run.text
    );
}

/// A module that takes nearly all of the region sends the next one far away; and where that is full, too, both are
/// named.
fn full_region() {
    let mut objects = Objects::new();
    let large = objects.make(&fixture("large.c"), &[]);
    objects.add("large.ko", large.clone());
    objects.add("second.ko", large.clone());
    objects.add("third.ko", large);
    objects.add("hello.ko", objects.make(&example("hello.c"), &[]));
    // Of the last MiB nothing is left, by a module of just that size.
    let source = objects.folder.path().join("rest.c");
    let text = fs::read_to_string(fixture("large.c")).unwrap();
    fs::write(&source, text.replace("13 << 20", "(1 << 20) - 0xb000")).unwrap();
    objects.add("rest.ko", objects.make(&source, &[]));
    let run = objects.boot(
        &["--append", "vmalloc=24M"],
        "layout --json; insmod large; insmod rest; insmod hello; modules; insmod second; insmod third; rmmod second; rmmod hello; rmmod rest; \
         rmmod large; vmallocmap",
    );
    run.expect_status(1);
    let hello = run.output_of("insmod hello");
    let at = address_behind(hello, "hello: loaded at ");
    let vmalloc = region(&run.layout(), "vmalloc_start", "vmalloc_end");
    assert!(vmalloc.contains(&at) && !hello.contains(" 0 veneers"), "{}", run.text);
    run.expect(&[
        "large: loaded at 0xbf000000",
        "module allocation failure: ",
        "\nmodules: no room for ",
        "\nvmalloc: no room for ",
        "would make room",
        "error: third: modules: no gap for ",
        "; vmalloc: no gap for ",
        "modules 0xbf000000 - 0xbfe00000: 14336 kB, 0 areas",
    ]);
}

/// What is refused: the reason is said, and nothing is left of it.
fn refused() {
    let mut objects = Objects::new();
    let hello = objects.make(&example("hello.c"), &[]);
    let vfp = ["--", "-mfloat-abi=softfp", "-mfpu=vfpv3"];
    let at = |offset: usize, byte: u8| {
        let mut changed = hello.clone();
        changed[offset] = byte;
        changed
    };
    let magic = b"vmsplit 1 ARMv7";
    let mut foreign = hello.clone();
    let place = foreign.windows(magic.len()).position(|bytes| bytes == magic).unwrap();
    foreign[place..place + magic.len()].copy_from_slice(b"6.1.0-13 armmp\0");
    let cases: [(&str, Vec<u8>, &str); 15] = [
        ("text", b"no object at all\n".to_vec(), "text.ko: "),
        ("short", hello[..20].to_vec(), "short.ko: "),
        ("cut", hello[..hello.len() / 2].to_vec(), "cut.ko: "),
        ("class", at(4, 2), "class.ko: "),
        ("machine", at(18, 62), "machine.ko: "),
        ("kind", at(16, 3), "kind.ko: "),
        ("foreign", foreign, "foreign.ko: built for another kernel: vermagic `6.1.0-13 armmp`"),
        ("empty", Vec::new(), "empty.ko: no regular file with any bytes"),
        (
            "unknown",
            objects.make(&fixture("unknown.c"), &[]),
            "unknown.ko: unknown symbol `nobody_has_this`, and 1 more",
        ),
        ("floating", objects.make(&fixture("floating.c"), &vfp), "floating.ko: "),
        (
            "refuse",
            objects.make(&fixture("refuse.c"), &[]),
            "refuse.ko: init returned -19 (ENODEV)",
        ),
        ("counter_user", objects.make(&example("counter_user.c"), &[]), "counter_user.ko: "),
        ("a+b", hello.clone(), "a+b.ko: a module's name can not have the character '+'"),
        ("nothing", hello.clone(), "nothing.ko: parameter `x`: the module has no such parameter"),
        ("values", hello.clone(), "values.ko: parameter `times`: "),
    ];
    let mut commands = String::new();
    for (name, bytes, _) in &cases {
        objects.add(&format!("{name}.ko"), bytes.clone());
        let parameters = match *name {
            "nothing" => " x=1",
            "values" => " times=many",
            _ => "",
        };
        commands += &format!("insmod {name}.ko{parameters}; ");
    }
    // Slabs and tables that stay are made the first time.
    let run = objects.boot(
        &[],
        &format!("insmod missing; rmmod hello; {commands}drain; meminfo; {commands}drain; meminfo; lsmod; modinfo hello; modinfo values.ko"),
    );
    run.expect_status(1);
    for (name, _, message) in cases {
        assert_eq!(
            run.text.matches(&format!("error: {message}")).count(),
            4,
            "{name}:\n{}",
            run.text
        );
    }
    run.expect(&[
        "error: missing: no such file in the initrd, and no .ko or .o of that name",
        "error: no module hello is loaded",
        "vmsplit> lsmod\nModule                  Size  Used by\nvmsplit> ",
        "description:    Where a module begins and ends",
        "parm:           times:how often (uint)",
    ]);
    let reports: Vec<_> = run.text.match_indices("vmsplit> meminfo\n").map(|(at, _)| at).collect();
    let report = |at: usize| run.text[at..].split("\nvmsplit> ").next().unwrap().to_string();
    assert_eq!(report(reports[0]), report(reports[1]), "{}", run.text);
    assert!(!run.text.contains("BUG"), "{}", run.text);
}

/// A kernel without an initrd says what is missing.
fn no_initrd() {
    let run = run::<&str>(&[], "insmod hello; modinfo hello; module-soak; rmmod a+b");
    run.expect_status(1);
    run.expect(&[
        "error: hello: there is no initrd: ",
        "error: hello: there is no initrd: ",
        "error: a module's name can not have the character '+'",
    ]);
}

/// What is in use, or has no exit function, stays.
fn stays() {
    let mut objects = Objects::new();
    for name in ["pinned", "stays"] {
        objects.add(&format!("{name}.ko"), objects.make(&fixture(&format!("{name}.c")), &[]));
    }
    let run = objects.boot(
        &[],
        "insmod pinned; insmod pinned; insmod stays; lsmod; modules; rmmod pinned; rmmod stays; lsmod",
    );
    run.expect_status(1);
    run.expect(&[
        "error: pinned: a module of this name is loaded\n",
        "stays                   4096  0 [permanent]\n",
        "pinned                 12288  1\n",
        "stays 4096 0 [permanent], Live 0xbf0",
        "pinned 12288 1 - Live 0xbf000000\n",
        "error: pinned is in use, and counts 1\n",
        "error: stays has no exit function: it stays\n",
    ]);
}

/// A symbol has one owner, also where the kernel has it; and what a module leaves of a line is ended.
fn owners_and_lines() {
    let mut objects = Objects::new();
    let counter = objects.make(&example("counter.c"), &[]);
    objects.add("counter.ko", counter.clone());
    objects.add("another.ko", counter);
    objects.add("open_line.ko", objects.make(&fixture("open_line.c"), &[]));
    let append = ["--append", "modules-load=open_line open_line.result=-5"];
    let run = objects.boot(
        &append,
        "insmod counter; insmod another; lsmod; insmod open_line result=-22; insmod open_line result=0; \
         rmmod open_line; insmod open_line a; insmod open_line 'a=\"'; insmod open_line --",
    );
    run.expect_status(1);
    run.expect(&[
        "no newline\nerror: modules-load: open_line: init returned -5 (EIO)\n",
        "error: another: exports `counter_",
        "`, which is counter's\n",
        "Used by\ncounter ",
        "no newline\nerror: open_line: init returned -22 (EINVAL)\n",
        "no newline\nopen_line: loaded at 0xbf",
        "none here\nvmsplit> ",
        "error: open_line: parameter `a`: the module has no such parameter\n",
        "error: open_line: no PARAMETER=VALUE, or a quotation mark too few: a=\"\n",
        "error: open_line: no PARAMETER=VALUE, or a quotation mark too few: --\n",
        "xtask: a module was not inserted: open_line: init returned -5 (EIO)\n",
    ]);
}

/// A module that forgets its cache: the constructor stays where it was, and nobody else gets its place.
fn left_cache() {
    let mut objects = Objects::new();
    let bytes = objects.make(&fixture("leaves_cache.c"), &[]);
    objects.add("leaves_cache.ko", bytes);
    objects.add("hello.ko", objects.make(&example("hello.c"), &[]));
    let run =
        objects.boot(&[], "insmod leaves_cache; rmmod leaves_cache; insmod hello; lsmod; slabinfo");
    run.expect_status(0);
    run.expect(&[
        "leaves_cache: loaded at 0xbf000000 - ",
        "leaves_cache: its cache left_behind is left, and has its constructor: 0xbf000000 - ",
        " is kept\n",
        "hello: loaded at 0xbf00",
        "Used by\nhello ",
        "left_behind ",
    ]);
    let at = address_behind(run.output_of("insmod hello"), "hello: loaded at ");
    assert!(at > 0xbf00_0000, "{}", run.text);
}

/// Parameters of every type, from the command line and typed.
fn parameters() {
    let module = fixture("params.c");
    let options =
        ["--module", module.to_str().unwrap(), "--append", "params.name=x params.list=1,2,3"];
    let run = run(
        &options,
        "rmmod params; insmod params flag=y small=255 tiny=-5 counted=65535 number=0x10 amount=4294967295 \
         far_off=-7 address=0xffffffff name=\"two words\" text=1234567 list=9; rmmod params; \
         insmod params small=256; insmod params text=12345678; insmod params list=1,2,3,4,5; \
         insmod params number; modinfo params",
    );
    run.expect_status(1);
    run.expect(&[
        "params: flag=0 small=0 tiny=-1 counted=0 number=7 amount=0\n",
        "params: far_off=0 address=0x0 name=\"x\" text=\"\"\n",
        "params: 3 in list: 1 2 3 0\n",
        "params: flag=1 small=255 tiny=-5 counted=65535 number=16 amount=4294967295\n",
        "params: far_off=-7 address=0xffffffff name=\"two words\" text=\"1234567\"\n",
        "params: 1 in list: 9 2 3 0\n",
        "params: name is still \"two words\"\n",
        "error: params: parameter `small`: the number must be from 0 to 255\n",
        "error: params: parameter `text`: the text has to be shorter than 8 bytes\n",
        "error: params: parameter `list`: takes 4 values at most\n",
        "error: params: parameter `number`: needs a value\n",
        "parm:           number:any number (int)\n",
    ]);
}

/// `modules-load=`, and `loglevel=`.
fn at_boot() {
    let mut objects = Objects::new();
    for name in ["hello", "counter"] {
        objects.add(&format!("{name}.ko"), objects.make(&example(&format!("{name}.c")), &[]));
    }
    let append = "modules-load=counter,nobody,,hello hello.times=2 hello.whom=\"two words\"";
    let run = objects.boot(&["--append", append], "lsmod; loglevel");
    // Who asked for it wants to know.
    run.expect_status(1);
    run.expect(&[
        "counter: loaded at 0xbf0",
        "error: modules-load: nobody: no such file in the initrd",
        "hello: hello, two words\nhello: hello, two words\n",
        "hello: loaded at 0xbf0",
        "hello                  12288  0\ncounter                12288  0\n",
        "vmsplit> loglevel\n7\n",
    ]);
    let run = objects
        .boot(&["--append", &format!("{append} quiet")], "loglevel; loglevel 8; rmmod hello");
    run.expect_status(1);
    run.expect(&["vmsplit> loglevel\n4\n", "hello: good-bye, two words\n"]);
    assert!(!run.text.contains("hello: hello"), "{}", run.text);
}

/// A module that does what it must not: the report names it, and its functions.
fn faults() {
    let module = fixture("crash.c");
    let cases = [
        (
            "null",
            "Unable to handle kernel NULL pointer dereference at virtual address 00000004 when write",
        ),
        ("text", "page permission fault on write (DFSR 0x80f)"),
        ("rodata", "page permission fault on write (DFSR 0x80f)"),
        ("data", "page permission fault (IFSR 0x00f)"),
    ];
    for (what, fault) in cases {
        for set in [&[][..], &["--thumb"]] {
            let mut objects = Objects::new();
            objects.add("crash.ko", objects.make(&module, set));
            let run = objects.boot(&[], &format!("insmod crash what={what}"));
            run.expect_status(1);
            run.expect(&[
                &format!("crash: {what}\n"),
                fault,
                "Modules linked in: crash(+)\n",
                "Backtrace:\n",
                " [crash]) from [<bf00",
                " (crash_init [crash]) from [<c0",
                "<vmsplit::modules::registry::Registry>::start",
                "vmsplit::monitor::modules::insmod",
            ]);
            assert!(!run.text.contains("survived"), "{}", run.text);
        }
    }
    // The monitor may not write there either.
    let module = example("hello.c");
    let run = run(
        &["--module", module.to_str().unwrap()],
        "poke 0xbf000000 0; poke 0xbf001000 0; peek 0xbf002000 1; ptdump; translate 0xbf000000",
    );
    run.expect_status(1);
    run.expect(&[
        "error: 0xbf000000",
        "error: 0xbf001000",
        "---[ Modules ]---\n0xbf000000-0xbf001000",
    ]);
}

/// Whichever request fails, nothing is left.
fn without_memory() {
    const TRIES: u32 = 40;
    let mut objects = Objects::new();
    objects.add("hello.ko", objects.make(&example("hello.c"), &[]));
    for what in ["fail", "failslab"] {
        let tries: String = (1..=TRIES)
            .map(|number| format!("{what} {number}; insmod hello; {what} off; rmmod hello; "))
            .collect();
        let run = objects.boot(
            &["--timeout", "240"],
            // What stays, such as a slab, is there after the first time. What waits for a flush comes back with the
            // soak.
            &format!("{tries}module-soak; drain; meminfo; {tries}module-soak; drain; meminfo"),
        );
        let failed = run.text.matches("error: hello: ").count();
        assert!(
            (2..2 * TRIES as usize).contains(&failed),
            "{what}: {failed} failed:\n{}",
            run.text
        );
        let reports: Vec<_> =
            run.text.match_indices("vmsplit> meminfo\n").map(|(at, _)| at).collect();
        let line =
            |at: usize| run.text[at..].lines().find(|line| line.starts_with("MemFree")).unwrap();
        assert_eq!(line(reports[0]), line(reports[1]), "{what}:\n{}", run.text);
        assert!(!run.text.contains("BUG"), "{}", run.text);
    }
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 14] = [
    ("modules: each example, by run --module", each_example),
    ("modules: all splits, near and far", splits),
    ("modules: a thousand times in and out, ARM", thousand_times),
    ("modules: a thousand times in and out, Thumb", thousand_times_thumb),
    ("modules: when the region is full", full_region),
    ("modules: what is refused, and leaves nothing", refused),
    ("modules: no initrd", no_initrd),
    ("modules: what stays", stays),
    ("modules: owners of symbols, and open lines", owners_and_lines),
    ("modules: a cache that is left", left_cache),
    ("modules: parameters", parameters),
    ("modules: at boot", at_boot),
    ("modules: faults name the module", faults),
    ("modules: whichever request for memory fails", without_memory),
];
