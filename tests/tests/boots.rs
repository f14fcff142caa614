//! Whole boots under QEMU, each a test of its own name, run the way a user runs them: by
//! `cargo xtask run`, or the xtask binary that `VMSPLIT_XTASK` names.
//!
//! What a booted kernel reads back of its layout is held against the prediction, and the prediction
//! is held against the recorded Linux layouts by the oracle test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use mm::addr::{PhysAddr, PhysRange};
use mm::boot::split::Split;
use mm::report::layout::{Observed, write_json};
use serde_json::Value;
use tests::predict::Machine;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each boot keeps a core busy.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let mut trials: Vec<Trial> = CONFIGURATIONS
        .into_iter()
        .map(|boot| {
            Trial::test(format!("read back: {}", boot.name()), move || {
                boot.compare();
                Ok(())
            })
        })
        .collect();
    let named: [(&str, fn()); 20] = [
        ("run: no terminal, no --exec", run_without_anything),
        ("run: a failed command is exit status 1", failed_command),
        ("run: wrong arguments are exit status 2", wrong_arguments),
        ("layout: the host prints what the kernel prints", host_and_kernel_print_alike),
        ("boot log: the lines that Linux has", boot_log),
        ("boot log: memblock=debug", memblock_debug),
        ("monitor: every report has its form", reports),
        ("monitor: help, and words that are no command", monitor_errors),
        ("monitor: alloc and free balance", alloc_and_free),
        ("monitor: reboot", reboot),
        ("page tables: rights of each section", rights),
        ("banks with a hole, by --dtb, in HighMem", banks_in_highmem),
        ("banks with a hole, by --dtb, in lowmem", banks_in_lowmem),
        ("overlapping banks stop the boot", overlapping_banks),
        ("reservations of every kind, by --dtb", reservations),
        ("an initrd is kept, one in the air is not", initrd),
        ("a build with a shifted mapping is caught", shifted_mapping),
        ("a build with a planted W+X page is caught", planted_wx),
        ("HYP entry, PSCI by smc", hyp_entry),
        ("a release build boots the same", release_build),
    ];
    for (name, test) in named {
        trials.push(Trial::test(name, move || -> Result<(), Failed> {
            test();
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A boot on the `virt` board whose layout is held against the prediction.
#[derive(Clone, Copy)]
struct Boot {
    mib: u64,
    cpu: &'static str,
    split: &'static str,
    image: &'static str,
    append: &'static str,
}

const fn boot(mib: u64, append: &'static str) -> Boot {
    Boot { mib, cpu: "cortex-a15", split: "3g", image: "elf", append }
}

impl Boot {
    const fn a7(self) -> Self {
        Self { cpu: "cortex-a7", ..self }
    }

    const fn raw(self) -> Self {
        Self { image: "raw", ..self }
    }

    const fn split(self, split: &'static str) -> Self {
        Self { split, ..self }
    }
}

const CONFIGURATIONS: [Boot; 32] = [
    boot(64, ""),
    boot(64, "").a7().raw(),
    boot(48, ""),
    boot(128, "vmalloc=1G"),
    boot(256, ""),
    boot(512, "").a7(),
    boot(511, ""),
    boot(768, ""),
    boot(1024, ""),
    boot(1024, "").a7().raw(),
    boot(1024, "vmalloc=241M").raw(),
    boot(1024, "vmalloc=268435457"),
    boot(1024, "vmalloc=abc"),
    boot(1024, "vmalloc"),
    boot(1024, "vmalloc=4G"),
    boot(2048, ""),
    // Linux dies here for want of lowmem for its page array.
    boot(2048, "vmalloc=960M"),
    boot(3072, ""),
    boot(3072, "vmalloc=976M").a7(),
    boot(3072, "").split("1g").raw(),
    boot(1024, "").split("3g-opt"),
    boot(1024, "").split("3g-opt").raw().a7(),
    boot(1024, "").split("2g"),
    boot(2048, "vmalloc=1000M").split("2g").raw(),
    boot(2048, "").split("1g"),
    boot(1024, "mem=256M@0x40000000 mem=256M@0x70000000"),
    boot(1024, "mem=300M@0x40100000"),
    boot(1024, "mem=256M@0x50000000"),
    boot(1024, "mem=523776K"),
    // The four distributions are DMA and HighMem, above, and these three.
    boot(1024, "dma_zone=64M"),
    boot(1024, "dma_zone=64M nohighmem"),
    boot(1024, "nohighmem"),
];

impl Boot {
    fn name(&self) -> String {
        let Self { mib, cpu, split, image, append } = self;
        format!("{mib}M {cpu} {split} {image} {append}").trim_end().to_string()
    }

    fn arguments(&self) -> Vec<String> {
        let size = format!("{}M", self.mib);
        ["-m", &size, "--cpu", self.cpu, "--vmsplit", self.split, "--image", self.image]
            .into_iter()
            .chain(["--append", self.append])
            .map(str::to_string)
            .collect()
    }

    fn prediction(&self) -> Value {
        let mut machine = Machine::virt(self.mib, self.append);
        machine.split = Split::from_name(self.split).unwrap();
        predicted(&machine)
    }

    fn compare(&self) {
        let run = run(&self.arguments(), "layout --json; buddyinfo");
        run.expect_status(0);
        assert!(run.text.contains("Checked W+X mappings: passed, no W+X pages found"));
        assert_same(&run.layout(), &self.prediction());
    }
}

/// What the host code predicts, as the JSON object that both sides print.
fn predicted(machine: &Machine<'_>) -> Value {
    let (layout, lines) = machine.predict();
    let mut text = String::new();
    write_json(&mut text, &Observed::predicted(&layout), lines.iter()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The booted layout is the predicted one, and each zone manages a sensible share of its pages.
fn assert_same(booted: &Value, predicted: &Value) {
    let mut booted = booted.clone();
    for (name, zone) in booted["zones"].as_object_mut().unwrap() {
        let managed = zone.as_object_mut().unwrap().remove("managed").unwrap().as_u64().unwrap();
        let present = zone["present"].as_u64().unwrap();
        assert!(managed <= present, "{name} manages {managed} of {present} pages");
        // The page array is 1/256 of the memory that it describes, on top of image and tree; with
        // little lowmem for much HighMem that is a large share of the lower zone.
        let all = predicted["zones"].as_object().unwrap();
        let spanned: u64 = all.values().map(|zone| zone["spanned"].as_u64().unwrap()).sum();
        assert!(managed + spanned / 256 + 2048 >= present, "{name}: {managed} of {present} pages");
    }
    assert_eq!(&booted, predicted, "what was read back (left) is not what was predicted (right)");
}

/// A finished `xtask run`.
struct Run {
    status: Option<i32>,
    text: String,
}

fn xtask(arguments: &[String]) -> Output {
    let mut command = match env::var_os("VMSPLIT_XTASK") {
        Some(binary) => Command::new(binary),
        None => {
            let mut cargo = Command::new("cargo");
            cargo.arg("xtask");
            cargo
        }
    };
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("xtask can be started")
}

fn run<S: AsRef<str>>(options: &[S], commands: &str) -> Run {
    let mut arguments = vec!["run".to_string()];
    arguments.extend(options.iter().map(|option| option.as_ref().to_string()));
    arguments.extend(["--exec".to_string(), commands.to_string()]);
    finished(&xtask(&arguments))
}

fn finished(output: &Output) -> Run {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    Run { status: output.status.code(), text: format!("{out}\n{err}").replace('\r', "") }
}

impl Run {
    #[track_caller]
    fn expect_status(&self, status: i32) {
        assert_eq!(self.status, Some(status), "exit status of a run that printed:\n{}", self.text);
    }

    #[track_caller]
    fn expect(&self, lines: &[&str]) {
        let mut rest = self.text.as_str();
        for line in lines {
            match rest.split_once(line) {
                Some((_, after)) => rest = after,
                None => panic!("no {line:?}, or not in this order, in:\n{}", self.text),
            }
        }
    }

    #[track_caller]
    fn layout(&self) -> Value {
        let line = self.text.lines().find(|line| line.starts_with("{\"page_offset\""));
        let line = line.unwrap_or_else(|| panic!("no JSON layout in:\n{}", self.text));
        serde_json::from_str(line).unwrap()
    }

    /// What the command printed, between its echo and the next prompt.
    #[track_caller]
    fn output_of(&self, command: &str) -> &str {
        let echo = format!("vmsplit> {command}\n");
        let (_, after) = self.text.split_once(&echo).unwrap_or_else(|| {
            panic!("{command} was not run in:\n{}", self.text);
        });
        after.split_once("vmsplit> ").map_or(after, |(output, _)| output)
    }
}

fn run_without_anything() {
    let run = finished(&xtask(&["run".to_string()]));
    run.expect_status(0);
    run.expect(&["vmsplit> layout\n", "vmalloc : 0xf0800000 - 0xff800000   ( 240 MB)"]);
    run.expect(&["vmsplit> zoneinfo\n", "Node 0, zone      DMA", "vmsplit: power off\n"]);
}

fn failed_command() {
    let bogus = run::<&str>(&[], "bogus; buddyinfo");
    bogus.expect_status(1);
    bogus.expect(&["error: no command is called bogus", "vmsplit> buddyinfo"]);
}

fn wrong_arguments() {
    for arguments in [["run", "--cpu=cortex-m3"], ["run", "-m=lots"], ["layout", "--bank=1"]] {
        let output = xtask(&arguments.map(str::to_string));
        finished(&output).expect_status(2);
    }
}

fn host_and_kernel_print_alike() {
    let append = "vmalloc=300M dma_zone=32M";
    let options = ["-m", "700M", "--append", append];
    let booted = run(&options, "layout --json");
    let mut arguments = vec!["layout".to_string(), "--json".to_string()];
    arguments.extend(options.map(str::to_string));
    let host = finished(&xtask(&arguments));
    host.expect_status(0);
    assert_same(&booted.layout(), &host.layout());
}

fn boot_log() {
    let run = run(&["-m", "2G", "--append", "vmalloc=9999M"], "");
    run.expect_status(0);
    run.expect(&[
        "OF: fdt: Machine model: linux,dummy-virt",
        "Memory policy: Data cache writealloc",
        "Kernel command line: vmalloc=9999M",
        "vmalloc area is too big, limiting to 976MiB",
        "Zone ranges:",
        "  DMA      [mem 0x0000000040000000-0x0000000041ffffff]",
        "  Normal   empty",
        "  HighMem  [mem 0x0000000042000000-0x00000000bfffffff]",
        "Movable zone start for each node",
        "Early memory node ranges",
        "  node   0: [mem 0x0000000040000000-0x00000000bfffffff]",
        "Memory: ",
        "K/2097152K available (",
        "K kernel code, ",
        "2064384K highmem)",
        "Freeing unused kernel image (initmem) memory: ",
        "Checked W+X mappings: passed, no W+X pages found",
        "Virtual kernel memory layout:",
    ]);
}

fn memblock_debug() {
    let run = run(&["--append", "memblock=debug"], "memblock");
    run.expect_status(0);
    run.expect(&[
        "MEMBLOCK configuration:",
        " memory size = 0x40000000 reserved size = 0x",
        " memory.cnt  = 0x1",
        " memory[0x0]\t[0x40000000-0x7fffffff], 0x40000000 bytes flags: 0x0",
        " reserved.cnt  = 0x",
        " reserved[0x0]\t[0x40000000-0x400fffff], 0x00100000 bytes flags: 0x0",
        "vmsplit> memblock",
        "MEMBLOCK configuration:",
    ]);
}

fn reports() {
    let commands = "meminfo; zoneinfo; buddyinfo; iomem; ptdump; cmdline; version";
    let run = run(&["--append", "console=ttyAMA0 quiet"], commands);
    run.expect_status(0);
    let meminfo = run.output_of("meminfo");
    assert!(meminfo.contains("HighTotal:        262144 kB"), "{meminfo}");
    assert!(meminfo.contains("VmallocTotal:     245760 kB"), "{meminfo}");
    let zoneinfo = run.output_of("zoneinfo");
    assert!(zoneinfo.contains("Node 0, zone  HighMem"), "{zoneinfo}");
    assert!(zoneinfo.contains("        spanned  65536"), "{zoneinfo}");
    let buddyinfo = run.output_of("buddyinfo");
    assert!(buddyinfo.lines().all(|line| line.starts_with("Node 0, zone ")), "{buddyinfo}");
    let iomem = run.output_of("iomem");
    assert!(iomem.contains("40000000-7fffffff : System RAM\n  40200000-"), "{iomem}");
    assert!(iomem.contains("09000000-09000fff : pl011@9000000"), "{iomem}");
    assert_eq!(run.output_of("cmdline"), "console=ttyAMA0 quiet\n");
    run.expect(&["---[ Modules ]---", "---[ Kernel Mapping ]---", "---[ Vectors End ]---"]);
}

fn monitor_errors() {
    for (command, complaint) in [
        ("layout --xml", "nothing more was expected than stands before --xml"),
        ("alloc", "ORDER is missing: alloc ORDER [DMA|Normal|HighMem]"),
        ("alloc 11", "11 is no order: 0 to 10 were expected"),
        ("alloc x", "x is no ORDER: a number was expected"),
        ("alloc 0 Movable", "Movable is no zone"),
        ("free 0x40000 0", "error: "),
        ("meminfo all", "nothing more was expected than stands before all"),
    ] {
        let run = run::<&str>(&[], command);
        run.expect_status(1);
        run.expect(&["vmsplit> ", "error: ", complaint.trim_start_matches("error: ")]);
    }
    let help = run::<&str>(&[], "help");
    help.expect_status(0);
    let listed = help.output_of("help").lines().count();
    assert!(listed >= 13, "{}", help.text);
}

fn alloc_and_free() {
    let run = run::<&str>(
        &[],
        "buddyinfo; alloc 0 DMA; alloc 3 HighMem; alloc 10; meminfo; free 0x7fc00 10; poweroff",
    );
    // Which frames come out is the allocator's business; read them instead of guessing.
    let taken = |command: &str| {
        let line = run.output_of(command).to_string();
        let pfn = line.strip_prefix("pfn ").and_then(|rest| rest.split_once(':')).unwrap().0;
        pfn.to_string()
    };
    let before = run.output_of("buddyinfo").to_string();
    let (a, b, c) = (taken("alloc 0 DMA"), taken("alloc 3 HighMem"), taken("alloc 10"));
    let again = self::run::<&str>(
        &[],
        &format!(
            "alloc 0 DMA; alloc 3 HighMem; alloc 10; free {a} 0; free {c} 10; free {b} 3; buddyinfo"
        ),
    );
    again.expect_status(0);
    assert_eq!(again.output_of("buddyinfo"), before, "not everything came back");
    let twice = self::run::<&str>(&[], &format!("alloc 0 DMA; free {a} 0; free {a} 0"));
    twice.expect_status(1);
    twice.expect(&[&format!("vmsplit> free {a} 0"), "error: ", "vmsplit: power off"]);
}

fn reboot() {
    let run = run::<&str>(&[], "reboot");
    run.expect_status(0);
    run.expect(&["vmsplit: reboot"]);
}

fn rights() {
    let run = run::<&str>(&[], "layout; ptdump");
    run.expect_status(0);
    let section = |name: &str| {
        let line = run.output_of("layout").lines().find(|l| l.trim_start().starts_with(name));
        let bounds = line.unwrap().split_once(": ").unwrap().1.split_once("   (").unwrap().0;
        let (start, end) = bounds.split_once(" - ").unwrap();
        (start.to_string(), end.to_string())
    };
    let rows = run.output_of("ptdump");
    let row = |start: &str| {
        rows.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| {
            panic!("nothing is mapped from {start} on in:\n{rows}");
        })
    };
    let (text, text_end) = section(".text");
    let text_row = row(&text);
    assert!(text_row.contains(&text_end) && text_row.contains("ro x"), "{text_row}");
    let rodata_row = row(&text_end);
    assert!(rodata_row.contains("ro NX"), "{rodata_row}");
    let (init, _) = section(".init");
    assert!(row(&init).contains("RW NX"), "{}", row(&init));
    assert!(row("0xffff0000").contains("ro x"));
    assert!(row("0xff800000").contains("ro NX"), "the tree's window");
    assert!(row("0xfffdf000").contains("DEV/SHARED"), "the early console");
    assert!(rows.lines().all(|line| !line.contains("RW x")), "{rows}");
}

/// A device tree made of QEMU's own for 1 GiB, with `nodes` added below its root. QEMU replaces
/// the nodes called `memory`, and no others.
fn tree(name: &str, nodes: &str) -> PathBuf {
    let base = include_str!("../oracle/dts/memrsv.dts");
    let base = base.replace("/memreserve/ 0x50000000 0x1000000;", "");
    let (rest, _) = base.trim_end().rsplit_once("};").unwrap();
    let source = format!("{rest}\n{nodes}\n}};\n");
    compile(name, &source)
}

fn compile(name: &str, source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (dts, dtb) = (folder.join(format!("{name}.dts")), folder.join(format!("{name}.dtb")));
    fs::write(&dts, source).unwrap();
    let output = Command::new("dtc")
        .args(["-q", "-I", "dts", "-O", "dtb", "-o"])
        .args([&dtb, &dts])
        .output()
        .expect("dtc, of the package device-tree-compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dtb
}

/// A second bank that QEMU does not have. It is HighMem, which boot does not touch.
const FAR_BANK: &str =
    "ram@60000000 { device_type = \"memory\"; reg = <0 0x60000000 0 0x10000000>; };";

fn banks_in_highmem() {
    let dtb = tree("highmem-bank", FAR_BANK);
    let append = "vmalloc=700M";
    for image in ["elf", "raw"] {
        let options =
            ["-m", "256M", "--image", image, "--append", append, "--dtb", dtb.to_str().unwrap()];
        let run = run(&options, "layout --json");
        run.expect_status(0);
        let banks = [(0x4000_0000, 0x5000_0000), (0x6000_0000, 0x7000_0000)];
        assert_same(&run.layout(), &predicted(&Machine::with_banks(&banks, append)));
    }
}

fn banks_in_lowmem() {
    // All of the second bank is reserved, so that nothing in it is touched; it is mapped.
    let reserved = "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
        bank@60000000 { reg = <0 0x60000000 0 0x10000000>; }; };";
    let dtb = tree("lowmem-bank", &format!("{FAR_BANK}\n{reserved}"));
    let options = ["-m", "255M", "--dtb", dtb.to_str().unwrap()];
    let run = run(&options, "layout --json; ptdump");
    run.expect_status(0);
    let banks = [(0x4000_0000, 0x4ff0_0000), (0x6000_0000, 0x7000_0000)];
    let (mut booted, expected) = (run.layout(), predicted(&Machine::with_banks(&banks, "")));
    let managed = booted["zones"]["DMA"]["managed"].take();
    assert!(managed.as_u64().unwrap() < 65280, "the reserved bank is not handed out");
    booted["zones"]["DMA"].as_object_mut().unwrap().remove("managed");
    assert_eq!(booted, expected);
    run.expect(&["0xe0000000-0xf0000000         256M PGD KERNEL"]);
}

fn overlapping_banks() {
    let dtb = tree("overlap", FAR_BANK);
    let run = run(&["-m", "1G", "--dtb", dtb.to_str().unwrap()], "layout");
    run.expect_status(1);
    run.expect(&["vmsplit: halted: bad device tree: ", "overlap"]);
}

fn reservations() {
    for (name, no_map) in [
        ("rsv", None),
        ("memrsv", None),
        ("nomap", Some((0x5010_0000, 0x70_0000))),
        ("nomaptop", Some((0x6f00_0000, 0x100_0000))),
    ] {
        let path = format!("{}/oracle/dts/{name}.dts", env!("CARGO_MANIFEST_DIR"));
        let dtb = compile(name, &fs::read_to_string(path).unwrap());
        let run = run(&["--dtb", dtb.to_str().unwrap()], "layout --json; memblock; ptdump");
        run.expect_status(0);
        let mut machine = Machine::virt(1024, "");
        let range = |(start, len)| PhysRange::from_len(PhysAddr::new(start), len).unwrap();
        machine.no_map.extend(no_map.map(range));
        let (mut booted, expected) = (run.layout(), predicted(&machine));
        for zone in booted["zones"].as_object_mut().unwrap().values_mut() {
            zone.as_object_mut().unwrap().remove("managed");
        }
        assert_eq!(booted, expected, "{name}");
        let flags = if no_map.is_some() { "flags: 0x4" } else { "[0x50000000-0x50ffffff]" };
        assert!(run.output_of("memblock").contains(flags), "{name}: {}", run.text);
    }
}

fn initrd() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("initrd");
    fs::write(&file, vec![7_u8; 300_000]).unwrap();
    let kept = run(&["--initrd", file.to_str().unwrap(), "--image", "raw"], "memblock");
    kept.expect_status(0);
    kept.expect(&["reserved[0x", "0x000493e0 bytes"]);
    assert!(!kept.text.contains("disabling initrd"));
    let lost = run(
        &["--initrd", file.to_str().unwrap(), "--image", "raw", "--append", "mem=64M"],
        "memblock",
    );
    lost.expect_status(0);
    lost.expect(&["INITRD: 0x", "is not a memory region - disabling initrd"]);
}

fn shifted_mapping() {
    let run = run(&["--features", "test-shifted-mapping"], "layout --json");
    let (booted, expected) = (run.layout(), predicted(&Machine::virt(1024, "")));
    assert_eq!(booted["modules_start"], "0xbef00000");
    let compared = std::panic::catch_unwind(|| assert_same(&booted, &expected));
    assert!(compared.is_err(), "the comparison did not notice");
}

fn planted_wx() {
    let run = run(&["--features", "test-planted-wx"], "layout");
    run.expect(&[
        "W+X mapping of 0x1000 bytes at 0xbf000000",
        "Checked W+X mappings: FAILED, 1 W+X pages found, first at 0xbf000000",
    ]);
}

fn hyp_entry() {
    let words = "run -m 512M --exec layout;version -- -M virt,virtualization=on";
    let arguments: Vec<String> = words.split(' ').map(str::to_string).collect();
    let run = finished(&xtask(&arguments));
    run.expect_status(0);
    // With virtualization=on the tree says smc, and hvc would end in the kernel's own HYP vectors.
    run.expect(&["vmsplit> version", "vmsplit> poweroff", "vmsplit: power off"]);
}

fn release_build() {
    let run = run(&["--release", "--image", "raw"], "layout --json; ptdump");
    run.expect_status(0);
    assert_same(&run.layout(), &predicted(&Machine::virt(1024, "")));
    assert!(run.text.contains("Checked W+X mappings: passed, no W+X pages found"));
}
