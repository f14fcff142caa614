//! What the boot log and the monitor print, and how `xtask run` ends.

use crate::run::{finished, run, xtask};

pub fn run_without_anything() {
    let run = finished(&xtask(&["run".to_string()]));
    run.expect_status(0);
    run.expect(&["vmsplit> layout\n", "vmalloc : 0xf0800000 - 0xff800000   ( 240 MB)"]);
    run.expect(&["vmsplit> zoneinfo\n", "Node 0, zone      DMA", "vmsplit: power off\n"]);
}

pub fn failed_command() {
    let bogus = run::<&str>(&[], "bogus; buddyinfo");
    bogus.expect_status(1);
    bogus.expect(&["error: no command is called bogus", "vmsplit> buddyinfo"]);
}

pub fn wrong_arguments() {
    for arguments in [["run", "--cpu=cortex-m3"], ["run", "-m=lots"], ["layout", "--bank=1"]] {
        let output = xtask(&arguments.map(str::to_string));
        finished(&output).expect_status(2);
    }
}

pub fn boot_log() {
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

pub fn memblock_debug() {
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

pub fn reports() {
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

pub fn monitor_errors() {
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

pub fn alloc_and_free() {
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

pub fn reboot() {
    let run = run::<&str>(&[], "reboot");
    run.expect_status(0);
    run.expect(&["vmsplit: reboot"]);
}

pub fn rights() {
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
