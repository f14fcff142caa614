//! Reports of exceptions and panics, and the record of death, read from outside.

use std::time::{Duration, Instant};

use crate::dead_kernel::{DeadKernel, Record, TIMEOUT};
use crate::images::images;
use crate::run::{Run, run};

/// The crashes, the functions in which they happen, and lines of their reports in order.
const KINDS: [(&str, &str, &[&str]); 10] = [
    (
        "read",
        "null_read",
        &[
            "Unable to handle kernel NULL pointer dereference at virtual address 00000000 when read\n",
            "[00000000] *pgd=00000000\n",
            "data abort at 0x00000000: section translation fault on read (DFSR 0x005)\n",
            "Internal error: Oops: 5 [#1] ARM\n",
        ],
    ),
    (
        "write",
        "null_write",
        &[
            "Unable to handle kernel NULL pointer dereference at virtual address 00000000 when write\n",
            "Internal error: Oops: 805 [#1] ARM\n",
        ],
    ),
    (
        "text",
        "text_write",
        &[
            "Unable to handle kernel paging request at virtual address c0200000 when write\n",
            "[c0200000] *pgd=",
            ", *pte=4020065e\n",
            "data abort at 0xc0200000: page permission fault on write (DFSR 0x80f)\n",
            "Internal error: Oops: 80f [#1] ARM\n",
        ],
    ),
    (
        "rodata",
        "rodata_write",
        &["Unable to handle kernel paging request at ", "Internal error: Oops: 80f [#1] ARM\n"],
    ),
    (
        "xn",
        "execute_data",
        &[
            "Unable to handle kernel execution of memory at virtual address c0",
            "Internal error: Oops: 8000000f [#1] ARM\n",
            // The word at pc can be read, it can not be executed.
            "(e12fff1e)\n",
        ],
    ),
    (
        "jump",
        "call_unmapped",
        &[
            "Unable to handle kernel paging request at virtual address bf000000 when execute\n",
            "Internal error: Oops: 80000007 [#1] ARM\n",
            "PC is at 0xbf000000\n",
            "Code: bad PC value\n",
        ],
    ),
    (
        "undefined",
        "undefined_instruction",
        &["Internal error: Oops - undefined instruction: 0 [#1] ARM\n", "(e7f000f0)\n"],
    ),
    ("svc", "supervisor_call", &["Internal error: Oops - bad syscall: 0 [#1] ARM\n"]),
    (
        "ldrex",
        "unaligned_ldrex",
        &[
            "Unhandled fault: alignment exception (0x001) at 0x",
            "Internal error: Oops: 1 [#1] ARM\n",
        ],
    ),
    ("ldrd", "unaligned_ldrd", &["Unhandled fault: alignment exception (0x001) at 0x"]),
];

pub fn every_kind() {
    for (crash, function, lines) in KINDS {
        check(&[], crash, function, lines);
    }
}

pub fn release_build() {
    for (crash, function, lines) in KINDS.into_iter().take(5) {
        check(&["--release"], crash, function, lines);
    }
}

fn check(options: &[&str], crash: &str, function: &str, lines: &[&str]) {
    let run = run(options, &format!("crash {crash}"));
    run.expect_status(1);
    run.expect(&["8<--- cut here ---\n"]);
    run.expect(lines);
    let function = format!("vmsplit::report::provoke::{function}");
    // A jump leaves pc elsewhere, and lr in the function.
    let place = run.text.lines().find(|line| {
        ["PC is at ", "LR is at "].iter().any(|start| {
            line.strip_prefix(start).is_some_and(|at| at.starts_with(&format!("{function}+0x")))
        })
    });
    assert!(place.is_some(), "neither pc nor lr is in {function}:\n{}", run.text);
    run.expect(&[
        "Internal error: ",
        "CPU: 0 Comm: vmsplit ",
        "Hardware name: linux,dummy-virt\n",
        "pc : [<",
        "Flags: ",
        "  Mode SVC_32  ISA ARM\n",
        "Control: 10c5",
        "Stack: (0xc0",
        "Backtrace:\n",
        &format!("({function}"),
        "(kernel_main+0x",
        "Code: ",
        "Mem-Info:\n",
        "DMA free:",
        "262144 pages RAM\n",
        "---[ end trace ",
        "---[ end Kernel panic - not syncing: Fatal exception ]---\n",
    ]);
    assert!(!run.text.contains("Backtrace ends:"), "{}", run.text);
    last_line_is_last(&run);
}

/// The last line begins as scripts expect, and `xtask` repeats its reason.
fn last_line_is_last(run: &Run) -> &str {
    let (_, rest) = run.text.split_once("vmsplit: halted: ").expect("a last line");
    let (reason, rest) = rest.split_once('\n').unwrap();
    assert!(rest.contains(&format!("xtask: the kernel halted: {reason}\n")), "{}", run.text);
    assert!(!rest.contains("vmsplit: halted: "), "{}", run.text);
    reason
}

pub fn stack_overflow() {
    for options in [&[][..], &["--release"]] {
        let run = run(options, "crash stack");
        run.expect_status(1);
        run.expect(&[
            "Insufficient stack space to handle exception!\n",
            "Task stack:     [0xc0",
            "], the boot stack\n",
            "Unable to handle kernel paging request at virtual address c0",
            ", *pte=00000000\n",
            "PC is at vmsplit::report::provoke::recurse+0x",
            "Backtrace:\n",
            "... the same ",
            " times more\n",
            "(vmsplit::report::provoke::stack_overflow+0x",
            "(kernel_main+0x",
        ]);
        assert!(last_line_is_last(&run).starts_with("kernel stack overflow: data abort at 0xc0"));
    }
}

/// The report says whose stack it was, comes on another one, and the back-trace leads from one to the other.
pub fn guarded_stack_overflow() {
    // How addresses of the vmalloc region begin: above 768 MiB of lowmem, or 2 GiB of it under the other split.
    for (options, region) in [
        (&[][..], "f0"),
        (&["--release"], "f0"),
        (&["--vmsplit", "1g", "-m", "2G", "--cpu", "cortex-a7"], "c0"),
        (&["--append", "nohighmem"], "f0"),
    ] {
        let run = run(options, "crash guarded");
        run.expect_status(1);
        run.expect(&[
            "Insufficient stack space to handle exception!\n",
            &format!("Task stack:     [0x{region}"),
            "], the stack of 0x",
            " in vmsplit::monitor::machine::crash\n",
            "Overflow stack: [0x",
            &format!("Unable to handle kernel paging request at virtual address {region}"),
            ", *pte=00000000\n",
            ": page translation fault on write (DFSR 0x807)\n",
            "PC is at vmsplit::report::provoke::recurse+0x",
            &format!("Stack: (0x{region}"),
            "Backtrace:\n",
            "... the same ",
            " times more\n",
            "(vmsplit::report::provoke::stack_overflow+0x",
            "(vmsplit_call_on) from ",
            "(vmsplit::report::provoke::guarded_stack_overflow+0x",
            "(kernel_main+0x",
        ]);
        assert!(!run.text.contains("Backtrace ends:"), "{}", run.text);
        // The address lies in the page below the stack.
        let reason = last_line_is_last(&run);
        let fault = hex_after(reason, "kernel stack overflow: data abort at 0x");
        let lowest = hex_after(&run.text, "Task stack:     [0x");
        assert!(fault < lowest && lowest - fault <= 4096, "{fault:#x} below {lowest:#x}");
    }
}

pub fn panics() {
    let run = run::<&str>(&[], "panic out of  ideas");
    run.expect_status(1);
    run.expect(&[
        "Kernel panic - not syncing: out of ideas\n",
        "panic at kernel/src/report/provoke.rs:",
        "Backtrace:\n",
        "(core::panicking::panic_fmt) from ",
        "(kernel_main+0x",
        "Mem-Info:\n",
        "---[ end Kernel panic - not syncing: out of ideas ]---\n",
    ]);
    assert!(last_line_is_last(&run).ends_with(": out of ideas"));
}

pub fn across_an_exception() {
    for options in [&[][..], &["--release"]] {
        let run = run(options, "crash nested");
        run.expect_status(1);
        run.expect(&[
            "Kernel panic - not syncing: asked to panic while an exception is handled\n",
            "Backtrace:\n",
            "(vmsplit_exception_entry) from ",
            "(vmsplit::report::provoke::supervisor_call+0x",
            "Exception stack(0xc0",
            "(vmsplit::report::provoke::supervisor_call) from ",
            "(kernel_main+0x",
        ]);
        last_line_is_last(&run);
    }
}

pub fn fault_in_the_report() {
    let mut kernel = DeadKernel::boot("crash double");
    let text = kernel.report();
    let (_, report) = text.split_once("crash double\n").unwrap();
    assert!(
        report.trim_start().starts_with("vmsplit: halted: data abort at 0x00000000: "),
        "{report}"
    );
    assert!(report.ends_with(" in a report\n"), "{report}");
    let record = kernel.record();
    assert_eq!(record.word(0), u32::from_le_bytes(*b"DIED"));
    assert_eq!(record.word(12), 2, "a panic");
    assert_eq!(record.word(24), 2, "a second fault");
    assert_eq!(record.word(28), 0x805);
    assert_eq!(record.word(32), 0);
    assert!(report.contains(&format!("at {:#010x} in a report", record.word(36))));
}

/// What cuts a report short stands on a line of its own, or xtask would wait for it in vain.
pub fn fault_in_a_line() {
    let run = run::<&str>(&[], "crash report");
    run.expect_status(1);
    run.expect(&["Internal error: Oops: 5 [#1] ARM\n", CUT, " in a report\n"]);
    last_line_is_last(&run);

    let record = cut_short("crash report");
    assert_eq!(record.word(12), 16 + 4, "a data abort");
    assert_eq!([record.word(16), record.word(24)], [0x005, 3], "the first fault, and a second");
    assert_eq!([record.word(28), record.word(32)], [0x805, 0]);
    assert_ne!(record.word(36), record.word(64 + 4 * 15), "two places");
    assert!(record.reason().contains(" on read "), "{}", record.reason());
}

/// The report itself would have recovered, so that its fault is what the kernel dies of.
pub fn fault_in_a_probes_report() {
    let record = cut_short("crash probe");
    assert_eq!(record.word(12), 16 + 4, "a data abort");
    assert_eq!([record.word(16), record.word(20), record.word(24)], [0x805, 0, 3]);
    assert_eq!([record.word(28), record.word(32)], [0x805, 0]);
    assert_eq!(record.word(36), record.word(64 + 4 * 15), "one place");
    assert!(record.reason().contains(" on write "), "{}", record.reason());
}

pub fn panic_in_a_probes_report() {
    let record = cut_short("crash recover");
    assert_eq!(record.word(12), 2, "a panic");
    assert_eq!([record.word(16), record.word(20), record.word(24)], [0, 0, 2]);
    assert_eq!([record.word(28), record.word(32)], [0, 0]);
    assert_eq!(record.word(36), record.word(64 + 4 * 15), "one place");
    assert!(record.reason().ends_with(": asked to panic in a report"), "{}", record.reason());
}

/// Where `crash report` and its like cut the report's line.
const CUT: &str = "\nHardware name: \nvmsplit: halted: ";

/// The record of a kernel whose report was cut short, as far as all of them agree.
fn cut_short(command: &str) -> Record {
    let mut kernel = DeadKernel::boot(command);
    let text = kernel.report();
    let report = text.replace('\r', "");
    assert!(report.contains(CUT) && report.ends_with(" in a report\n"), "{report}");
    let record = kernel.record();
    assert_eq!(record.word(0), u32::from_le_bytes(*b"DIED"));
    assert_eq!([record.word(4), record.word(8)], [1, 384]);
    assert!(record.word(52) > 2, "frames");
    assert_eq!(record.word(320), record.word(64 + 4 * 15), "the first frame is pc");
    assert!(report.contains(&record.reason()), "{report}");
    record
}

pub fn record_of_death() {
    let mut kernel = DeadKernel::boot("crash text");
    let text = kernel.report();
    let record = kernel.record();
    assert_eq!(record.word(0), u32::from_le_bytes(*b"DIED"));
    assert_eq!([record.word(4), record.word(8)], [1, 384]);
    assert_eq!(record.word(12), 16 + 4, "a data abort");
    assert_eq!([record.word(16), record.word(20)], [0x80f, 0xc020_0000]);
    assert_eq!(record.word(24), 1, "the address is known");
    assert_ne!([record.word(56), record.word(60)], [0, 0], "ticks");

    let reason = text.rsplit_once("vmsplit: halted: ").unwrap().1.trim_end();
    assert_eq!(record.reason(), reason);
    let names = [
        "r0 ", "r1 ", "r2 ", "r3 ", "r4 ", "r5 ", "r6 ", "r7 ", "r8 ", "r9 ", "r10", "fp ", "ip ",
        "sp ", "lr ", "pc ",
    ];
    for (number, name) in names.into_iter().enumerate() {
        let shown = hex_after(&text, &format!("{name}: "));
        assert_eq!(record.word(64 + 4 * number), shown, "{name}in:\n{text}");
    }
    assert_eq!(record.word(128), hex_after(&text, "psr: "));
    let (_, control) = text.split_once("Control: ").unwrap();
    for (at, name) in [(40, ""), (44, "Table: "), (48, "DAC: ")] {
        assert_eq!(record.word(at), hex_after(control, name), "{name}");
    }

    let (_, trace) = text.split_once("Backtrace:\n").unwrap();
    let lines: Vec<&str> = trace.lines().take_while(|line| line.starts_with("[<")).collect();
    let mut frames = vec![hex_after(lines[0], "")];
    frames.extend(lines.iter().map(|line| hex_after(line.split_once(" from ").unwrap().1, "")));
    assert_eq!(record.word(52) as usize, frames.len());
    let recorded: Vec<u32> = (0..frames.len()).map(|n| record.word(320 + 4 * n)).collect();
    assert_eq!(recorded, frames);
}

/// Eight hexadecimal digits after `mark`, in brackets or not.
fn hex_after(text: &str, mark: &str) -> u32 {
    let (_, after) = text.split_once(mark).unwrap_or_else(|| panic!("no {mark:?} in:\n{text}"));
    let digits = &after.trim_start_matches("[<")[..8];
    u32::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{digits} after {mark:?}"))
}

/// A kernel that stops before it has found its tree, on a machine whose UART leads nowhere.
pub fn record_without_a_console() {
    let (_, raw) = images("3g");
    let load = format!("loader,file={},addr=0x50000000,force-raw=on", raw.display());
    let enter = "loader,addr=0x50000000,cpu-num=0";
    let mut kernel = DeadKernel::start(&["-serial", "null", "-device", &load, "-device", enter]);
    let deadline = Instant::now() + TIMEOUT;
    let record = loop {
        // Until the MMU is on there is nothing at the record's address.
        match kernel.try_record() {
            Some(record) if record.word(0) != 0 => break record,
            _ => assert!(Instant::now() < deadline, "no record of death"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(record.word(0), u32::from_le_bytes(*b"DIED"));
    assert_eq!(record.word(12), 1, "a stop");
    let reason = record.reason();
    assert!(
        reason.starts_with("no device tree: r2 is 0 and at the start of RAM, 0x50000000: "),
        "{reason}"
    );
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 12] = [
    ("report: every kind of exception", every_kind),
    ("report: in a release build", release_build),
    ("report: a stack overflow", stack_overflow),
    ("report: the overflow of a stack of the vmalloc region", guarded_stack_overflow),
    ("report: a panic keeps to one line", panics),
    ("report: a back-trace across an exception", across_an_exception),
    ("report: a fault of the report itself", fault_in_the_report),
    ("report: a fault in the middle of its line", fault_in_a_line),
    ("report: a fault in the report of a probe", fault_in_a_probes_report),
    ("report: a panic in the report of a probe", panic_in_a_probes_report),
    ("report: the record of death says what the console says", record_of_death),
    ("report: a record of death without a console", record_without_a_console),
];
