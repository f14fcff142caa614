//! Interrupts: ticks that are not lost, a lock that masks, and a console that misses nothing.

use crate::images::images;
use crate::run::{Run, finished, run, xtask};
use crate::serial::Serial;
use crate::source::Source;

/// `xtask run` of `commands`, with options for xtask and for QEMU.
fn run_with(options: &[&str], commands: &str, qemu: &[&str]) -> Run {
    let words = [&["run"], options, &["--exec", commands, "--"], qemu].concat();
    finished(&xtask(&words.into_iter().map(str::to_string).collect::<Vec<_>>()))
}

/// The count in a row of `irqs`.
#[track_caller]
fn row(run: &Run, label: &str) -> u64 {
    let rows = run.output_of("irqs");
    let row = rows.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{label}: ")));
    let row = row.unwrap_or_else(|| panic!("no row {label} in:\n{rows}"));
    row.split_whitespace().next().unwrap().parse().unwrap()
}

/// Ten seconds of the guest's time, which follows the instructions: the same on every host.
pub fn ten_seconds_of_ticks() {
    let run = run_with(&[], "ticks 10; irqs", &["-icount", "shift=3,sleep=off"]);
    run.expect_status(0);
    let text = run.output_of("ticks 10");
    let (_, figures) = text.split_once("pages taken: ").unwrap();
    let mut numbers = figures.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    let mut next = || numbers.next().unwrap().parse::<u64>().unwrap();
    let (ticks, interrupts, merged) = (next(), next(), next());
    assert!(ticks.abs_diff(2500) <= 1, "{text}");
    assert_eq!((interrupts, merged), (ticks, 0), "{text}");
    run.expect(&["           CPU0\n", "GIC-0  27 Level     arch_timer\n"]);
    assert_eq!(row(&run, "27"), row(&run, "Tck"));
    assert!(row(&run, "27") >= ticks);
    assert_eq!([row(&run, "Err"), row(&run, "Spu"), row(&run, "Mrg")], [0; 3]);
}

/// On each processor, entered in SVC and in HYP mode.
pub fn everywhere() {
    for cpu in ["cortex-a15", "cortex-a7"] {
        for machine in ["virt", "virt,virtualization=on"] {
            let commands = "selftest irqs; selftest lock; selftest ticks; selftest pmu; irqs";
            let run = run_with(&["--cpu", cpu, "--icount"], commands, &["-M", machine]);
            run.expect_status(0);
            run.expect(&["nobody handles it, disabled\n", "selftest: irqs: ok, "]);
            run.expect(&["selftest: lock: ok, ", "selftest: ticks: ok, "]);
            // More than the one check that is left where nobody counts.
            run.expect(&["selftest: pmu: ok, 11 checks"]);
            assert!(row(&run, "27") >= 250, "{cpu}, {machine}:\n{}", run.text);
        }
    }
}

pub fn unmasked_lock() {
    let good = run_with(&["--icount"], "selftest lock", &[]);
    good.expect_status(0);
    good.expect(&["selftest: lock: ok, "]);
    let bad = run_with(&["--icount", "--features", "test-unmasked-lock"], "selftest lock", &[]);
    bad.expect_status(1);
    // Whichever lock an interrupt comes to first: the suite's, or one that the kernel itself needs.
    if !bad
        .text
        .contains("a lock is wanted by the code that holds it, or that interrupted its holder")
    {
        bad.expect(&[
            "selftest: lock: FAILED: the tick found the lock held by its own CPU, ",
            "error: selftest: 1 of 1 suites failed",
            "vmsplit: power off",
        ]);
    }
}

/// What a machine lacks it does without, and says so.
pub fn missing_devices() {
    for (name, node, other, log) in [
        (
            "no-gic",
            "arm,cortex-a15-gic",
            "acme,interrupts",
            "interrupts: none, the device tree names no interrupt controller: no tick, a polled",
        ),
        (
            "absent-gic",
            "<0x00 0x8000000 0x00 0x10000 0x00 0x8010000 0x00 0x10000>",
            "<0x00 0x8000000 0x00 0x10000 0x00 0xb010000 0x00 0x10000>",
            "interrupts: none, no interrupt controller answers (0x",
        ),
        (
            "no-timer",
            "arm,armv7-timer",
            "acme,timer",
            "interrupts: GICv2, 288 lines; no tick: no generic timer; console by interrupt",
        ),
        (
            "no-uart-interrupt",
            "interrupts = <0x00 0x01 0x04>;",
            "",
            "virt timer at 62.50MHz; a polled console: the device tree names no interrupt for it",
        ),
        // An interrupt that the controller does not have.
        (
            "wrong-uart-interrupt",
            "interrupts = <0x00 0x01 0x04>;",
            "interrupts = <0x00 0x3db 0x04>;",
            "a polled console: the interrupt controller has 288 lines, and no line 1019",
        ),
        (
            "physical-timer",
            "<0x01 0x0d 0x104 0x01 0x0e 0x104 0x01 0x0b 0x104 0x01 0x0a 0x104>",
            "<0x01 0x0d 0x104 0x01 0x0e 0x104>",
            "250 Hz tick, phys timer at 62.50MHz; console by interrupt",
        ),
        // The virtual timer's interrupt can not be had, the physical one's can.
        (
            "wrong-virtual-timer",
            "0x01 0x0b 0x104 0x01 0x0a 0x104>",
            "0x00 0x384 0x04 0x01 0x0a 0x104>",
            "250 Hz tick, phys timer at 62.50MHz; console by interrupt",
        ),
        (
            "wrong-timers",
            "0x01 0x0e 0x104 0x01 0x0b 0x104 0x01 0x0a 0x104>",
            "0x00 0x385 0x04 0x00 0x384 0x04 0x01 0x0a 0x104>",
            "no tick: the interrupt controller has 288 lines, and no line 932; console by",
        ),
    ] {
        let dtb = Source::virt().replace(node, other).compile(name);
        let run = run(&["--dtb", dtb.to_str().unwrap(), "--icount"], "selftest; irqs; version");
        run.expect_status(0);
        run.expect(&[log, "vmsplit> selftest\n", "suites passed", "vmsplit> version\n"]);
        let ticks = if log.contains("no tick") || log.contains("none,") { 0 } else { 250 };
        assert!(row(&run, "Tck") >= ticks, "{name}:\n{}", run.text);
        assert!(ticks > 0 || row(&run, "Tck") == 0, "{name}:\n{}", run.text);
        for suite in ["lock", "ticks"] {
            let skipped = run.text.contains(&format!("selftest: {suite}: skipped: no tick\n"));
            assert_eq!(skipped, ticks == 0, "{name}:\n{}", run.text);
        }
    }
}

const UART: &str = "interrupts = <0x00 0x01 0x04>;";

/// The UART's interrupt in the tree is not the one that it has. The console hears all the same.
pub fn wrong_uart_interrupts() {
    let wrong = |interrupt: &str| Source::virt().replace(UART, interrupt);
    let no_timer = |tree: Source| tree.replace("arm,armv7-timer", "acme,timer");
    let unconnected = "interrupts = <0x00 0x05 0x04>;";
    // The line that the self-test would take on another machine.
    let last_but_one = "interrupts = <0x00 0xfe 0x04>;";
    for (name, tree, log) in [
        ("unconnected-uart", wrong(unconnected), "virt timer at 62.50MHz; console by interrupt"),
        ("last-but-one-uart", wrong(last_but_one), "virt timer at 62.50MHz; console by interrupt"),
        (
            "unconnected-uart-no-timer",
            no_timer(wrong(unconnected)),
            "no tick: no generic timer; console by interrupt",
        ),
        // The virtual timer's, which then can not tick.
        (
            "uart-at-the-timer",
            wrong("interrupts = <0x01 0x0b 0x104>;"),
            "phys timer at 62.50MHz; console by interrupt",
        ),
    ] {
        let dtb = tree.compile(name);
        let options = ["--dtb", dtb.to_str().unwrap(), "--icount"];
        let run = run(&options, "selftest; selftest irqs; irqs; version");
        run.expect_status(0);
        run.expect(&[log, "selftest: irqs: ok, ", "suites passed", "vmsplit> selftest irqs\n"]);
        run.expect(&["vmsplit> version\nvmsplit 0."]);
    }
}

/// The virtual timer ticks on the line that the tree says is the UART's, and nobody lowers it.
pub fn nobody_cared() {
    let tree = Source::virt().replace("0x01 0x0b 0x104 0x01 0x0a 0x104>", "0x01 0x0e 0x104>");
    let dtb = tree.replace(UART, "interrupts = <0x01 0x0b 0x104>;").compile("storm");
    let options = ["--dtb", dtb.to_str().unwrap(), "--icount"];
    // The guest's time follows the instructions: a second of load reaches the timer's deadline. The
    // tick that was announced does not come, which the suite says.
    let run = run(&options, "selftest ticks; irqs; version");
    run.expect_status(1);
    run.expect(&["interrupt 27: nobody cared, disabled\n", "vmsplit> irqs\n"]);
    run.expect(&["vmsplit> version\nvmsplit 0."]);
    assert_eq!((row(&run, "27"), row(&run, "Tck")), (10_001, 0), "{}", run.text);
}

/// Three times what the ring holds arrives while the kernel is busy. What the ring has no room for
/// waits in the UART, and all of it is read in the end.
pub fn long_paste() {
    let mut boot = Serial::boot(&[]);
    let lines: Vec<String> = (0..600).map(|n| format!("pasted-{n:04}-abcdefgh")).collect();
    let paste = lines.iter().fold(String::new(), |text, line| text + line + "\n");
    assert!(paste.len() > 3 * 4096);
    boot.send(format!("ticks 3\n{paste}irqs\npoweroff\n"));
    boot.wait_for("vmsplit: power off\n");
    let text = boot.transcript();
    // More came while the kernel was busy than the UART can hold.
    let (before, _) = text.split_once(" bytes wait on the console\n").unwrap();
    let waiting: u32 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((33..4096).contains(&waiting), "{waiting} bytes came by interrupt");
    let mut rest = text.as_str();
    for line in &lines {
        let echo = format!("vmsplit> {line}\n");
        rest = rest.split_once(&echo).unwrap_or_else(|| panic!("{line} in:\n{text}")).1;
    }
    let run = Run { status: None, text };
    assert_eq!(row(&run, "Ovr"), 0);
    assert!(row(&run, "33") > u64::from(waiting) / 32);
}

/// What is typed before the kernel has set up its UART is not lost, not even if the image has to be
/// moved in between.
pub fn typed_early() {
    let (elf, raw) = images("3g");
    for image in [elf, raw] {
        let options = ["-m", "512M", "-serial", "stdio", "-kernel", image.to_str().unwrap()];
        let mut boot = Serial::start(&options);
        boot.send("version\npoweroff\n");
        boot.wait_for("vmsplit: power off\n");
        let text = boot.transcript();
        assert!(text.contains("vmsplit> version\nvmsplit 0."), "{text}");
        assert!(!text.contains("error: "), "{text}");
    }
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 8] = [
    ("ten seconds of ticks under load, none lost", ten_seconds_of_ticks),
    ("ticks, lock and instruction count everywhere", everywhere),
    ("a build whose lock does not mask is caught", unmasked_lock),
    ("machines without GIC, timer or UART interrupt", missing_devices),
    ("trees with a wrong UART interrupt", wrong_uart_interrupts),
    ("an interrupt that nobody lowers is disabled", nobody_cared),
    ("a long paste while the kernel is busy", long_paste),
    ("what is typed before the UART is set up", typed_early),
];
