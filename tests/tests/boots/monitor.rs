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
        ("alloc", "ORDER is missing: alloc ORDER [ZONE] [FLAGS]"),
        ("alloc 11", "11 is no order: 0 to 10 were expected"),
        ("alloc x", "x is no ORDER: a number was expected"),
        ("alloc 0 Moveable", "no GFP flag is called Moveable"),
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
    let take = "drain; buddyinfo; alloc 0 DMA; alloc 3 HighMem; alloc 10; meminfo";
    let first = run::<&str>(&[], take);
    let [a, b, c] = ["alloc 0 DMA", "alloc 3 HighMem", "alloc 10"].map(|alloc| first.taken(alloc));
    let (a, b, c) = (a.pfn, b.pfn, c.pfn);
    let again = self::run::<&str>(
        &[],
        &format!("{take}; free {a:#x} 0; free {c} 10; free {b:#x} 3; drain; buddyinfo"),
    );
    again.expect_status(0);
    let before = again.output_of("buddyinfo");
    assert_eq!(before, first.output_of("buddyinfo"));
    assert_eq!(again.text.matches(before).count(), 2, "not everything came back:\n{}", again.text);
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

pub fn translate() {
    // The frames come out of the allocator as they do; their numbers are read first. A block of
    // this size shares no mebibyte with the image, so sections map it.
    let alloc = "alloc 10 DMA";
    let taken = run::<&str>(&[], alloc).taken(alloc);
    let (pfn, virt) = (taken.pfn, taken.phys + 0x8000_0000);
    assert_eq!(taken.virt, Some(virt));
    let inside = format!("translate {:#x}", virt + 0x1234);

    let run = self::run::<&str>(
        &[],
        &format!(
            "{alloc}; {inside}; layout; translate .text+0x123; translate .rodata; \
             translate vmalloc; translate vector; translate modules; translate 0; translate fdt; translate 0xc0000000"
        ),
    );
    run.expect_status(1);
    run.expect(&["error: .rodata is no ADDR: an address was expected"]);
    let agree = run.text.matches("MMU         : the same\n").count();
    assert_eq!(agree, 8, "{}", run.text);

    let holds = |command: &str, lines: &[&str]| {
        let output = run.output_of(command);
        for line in lines {
            assert!(output.contains(line), "{command}: no {line:?} in:\n{output}");
        }
    };
    holds(
        &inside,
        &[
            "region      : lowmem, 0xc0000000 - 0xf0000000\n",
            "first level : ",
            ": section at ",
            "bits        : AP 001, XN 1, TEX 001, C 1, B 1, S 1, nG 0\n",
            "kernel      : read: yes, write: yes, execute: section permission fault\n",
            "user        : read, write, execute: section permission fault\n",
            &format!("physical    : {:#010x}\n", virt + 0x1234 - 0x8000_0000),
            &format!("zone DMA, allocated, order 10, Unmovable, in the block at pfn {pfn:#07x}\n"),
        ],
    );
    holds(
        "translate .text+0x123",
        &[
            "region      : lowmem, 0xc0000000 - 0xf0000000; .text\n",
            ": table at ",
            ": small page at 0x40200000\n",
            "domain      : 0, client: permissions are checked\n",
            "kernel      : read: yes, write: page permission fault, execute: yes\n",
            "physical    : 0x40200123\n",
            "frame       : pfn 0x40200, zone DMA, reserved\n",
        ],
    );
    holds(
        "translate vmalloc",
        &[
            "memory      : Device, shareable, for every address space\n",
            "frame       : pfn 0x09000, in no zone, pl011@9000000\n",
        ],
    );
    holds(
        "translate vector",
        &["user        : read: yes, write: page permission fault, execute: yes\n"],
    );
    holds(
        "translate modules",
        &[
            "region      : modules, 0xbf000000 - 0xbfe00000\n",
            "second level: ",
            " holds 0x00000000: nothing\n",
            "kernel      : read, write, execute: page translation fault\n",
        ],
    );
    holds("translate 0", &["kernel      : read, write, execute: section translation fault\n"]);
    holds("translate fdt", &["kernel      : read: yes, write: section permission fault, "]);
    holds("translate 0xc0000000", &["physical    : 0x40000000\n"]);
}

pub fn peek_and_poke() {
    // The first page of a free zone is what alloc hands out, so it is nobody's; what it holds is
    // not.
    let alloc = "alloc 0 DMA";
    let at = run::<&str>(&[], alloc).taken(alloc).virt.unwrap();
    let commands = [
        alloc.to_string(),
        format!("poke {at:#x} 0x64636261"),
        format!("poke {:#x} 0x6665 h", at + 4),
        format!("poke {:#x} 0x67 b", at + 6),
        format!("poke {:#x} 0 b", at + 7),
        format!("peek {at:#x} 2"),
        format!("peek {at:#x} 3 h"),
        format!("peek {:#x} 3 B", at + 1),
        "peek 0".to_string(),
        "peek 0xbfdffffc 8".to_string(),
        "poke .text 1".to_string(),
        "poke 0xf 1 h".to_string(),
        format!("poke {at:#x} 0x100 b"),
        "peek 0xfffffffc 2".to_string(),
        format!("peek {at:#x} 0"),
        "version".to_string(),
    ];
    let run = self::run::<&str>(&[], &commands.join("; "));
    run.expect_status(1);
    let output = |command: &str| run.output_of(command).to_string();
    assert_eq!(
        output(&commands[5]),
        format!("{at:#010x}: 64636261 00676665                    |abcdefg.|\n")
    );
    assert_eq!(
        output(&commands[6]),
        format!("{at:#010x}: 6261 6463 6665                           |abcdef|\n")
    );
    let bytes = format!("{:#010x}: 62 63 64 {}  |bcd|\n", at + 1, " ".repeat(38));
    assert_eq!(output(&commands[7]), bytes);
    for (command, complaint) in [
        (8, "error: 0x00000000: section translation fault on read (DFSR 0x005)\n"),
        (9, "error: 0xbfdffffc: page translation fault on read (DFSR 0x007)\n"),
        (10, "error: 0xc0200000: page permission fault on write (DFSR 0x80f)\n"),
        (11, "error: 0x0000000f: section translation fault on write (DFSR 0x805)\n"),
        (12, "error: 0x100 has more than 8 bits\n"),
        (13, "error: 8 bytes from 0xfffffffc run past the end of the address space\n"),
        (14, "error: 0 is no count: 1 to 4096 were expected\n"),
        (15, "vmsplit 0.1.0 (3g split)\n"),
    ] {
        let printed = output(&commands[command]);
        // Of a fault there is a whole report before the line that says that the command failed.
        let is_fault = (8..12).contains(&command);
        let (report, rest) = match printed.rfind("error: ") {
            Some(at) if is_fault => printed.split_at(at),
            _ => ("", printed.as_str()),
        };
        assert_eq!(rest, complaint, "{}", commands[command]);
        for part in ["8<--- cut here ---\n", "*pgd=", "PC is at arch_arm::probe::", "Backtrace:\n"]
        {
            assert_eq!(report.contains(part), is_fault, "{part} of {}", commands[command]);
        }
    }
}

pub fn regs() {
    for (cpu, midr) in [("cortex-a15", "Arm Cortex-A15 r"), ("cortex-a7", "Arm Cortex-A7 r")] {
        let run = run(&["--cpu", cpu], "peek 0; regs");
        run.expect_status(1);
        let regs = run.output_of("regs");
        let line = |name: &str| {
            let line = regs.lines().find(|line| line.split_whitespace().next() == Some(name));
            line.unwrap_or_else(|| panic!("no {name} in:\n{regs}"))
        };
        assert!(line("CPSR").ends_with("Mode SVC_32  ISA ARM"), "{regs}");
        assert!(line("SCTLR").contains("on: MMU, data cache, instruction cache, "), "{regs}");
        assert!(line("TTBR0").contains("table at 0x"), "{regs}");
        assert_eq!(line("TTBR0").replace("TTBR0", "TTBR1"), line("TTBR1"));
        assert!(line("DACR").ends_with("0x00000001  domain 0 client, no other access"), "{regs}");
        assert!(line("PRRR").contains("0xff0a81a8"), "{regs}");
        let dfsr = "0x00000005  last data abort: section translation fault on read";
        assert!(line("DFSR").ends_with(dfsr), "{regs}");
        assert!(line("IFSR").ends_with("no fault yet"), "{regs}");
        assert!(line("MIDR").contains(midr), "{regs}");
        assert!(line("MPIDR").contains("CPU 0 of cluster 0"), "{regs}");
        // Each mode has a stack of its own, in the image's memory.
        let stacks = ["sp_svc", "sp_fiq", "sp_irq", "sp_abt", "sp_und"]
            .map(|name| line(name).split_whitespace().nth(1).unwrap().to_string());
        assert!(stacks.iter().all(|stack| stack.starts_with("0xc0")), "{regs}");
        let distinct: std::collections::BTreeSet<_> = stacks.iter().collect();
        assert_eq!(distinct.len(), stacks.len(), "{regs}");
    }
}

pub fn help() {
    let run =
        run::<&str>(&[], "help alloc; lyaout; help pek; 'version'; free 0x40_000 0xb; pnaic 'a");
    run.expect_status(1);
    assert_eq!(run.output_of("help alloc").lines().next(), Some("alloc ORDER [ZONE] [FLAGS]"));
    run.expect(&[
        "error: no command is called lyaout; did you mean layout?",
        "error: no command is called pek; did you mean peek?",
        "vmsplit 0.1.0 (3g split)",
        "error: 0xb is no order: 0 to 10 were expected",
        "error: no command is called pnaic; did you mean panic?",
    ]);
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 14] = [
    ("run: no terminal, no --exec", run_without_anything),
    ("run: a failed command is exit status 1", failed_command),
    ("run: wrong arguments are exit status 2", wrong_arguments),
    ("boot log: the lines that Linux has", boot_log),
    ("boot log: memblock=debug", memblock_debug),
    ("monitor: every report has its form", reports),
    ("monitor: help, and words that are no command", monitor_errors),
    ("monitor: alloc and free balance", alloc_and_free),
    ("monitor: reboot", reboot),
    ("page tables: rights of each section", rights),
    ("monitor: translate explains what the tables say", translate),
    ("monitor: peek and poke survive faults", peek_and_poke),
    ("monitor: regs", regs),
    ("monitor: help, suggestions, arguments of every form", help),
];
