//! The monitor's commands for the page allocator: taking and giving back, and what is said of those who do
//! it wrong; who holds what; failures on purpose; the reports.

use crate::run::{Run, run};
use crate::trees::tree;

/// The counts of free blocks in a zone's line of `buddyinfo`.
fn free_blocks(run: &Run, zone: &str) -> Vec<u32> {
    let lines = run.output_of("buddyinfo").lines();
    let mut of_zone = lines.filter(|line| line.split_whitespace().nth(3) == Some(zone));
    numbers(of_zone.next().unwrap_or_else(|| panic!("no zone {zone} in:\n{}", run.text)), 4)
}

/// The words of a line, but for so many at its start, as numbers.
fn numbers(line: &str, left_out: usize) -> Vec<u32> {
    line.split_whitespace().skip(left_out).map(|word| word.parse().unwrap()).collect()
}

pub fn flags() {
    let allocs = [
        "alloc 1",
        "alloc 2 GFP_KERNEL",
        "alloc 0 gfp_dma|kernel|zero",
        "alloc 0 GFP_HIGHUSER",
        "alloc 3 DMA GFP_ATOMIC|__GFP_ZERO",
        "alloc 0 0xdc0",
    ];
    let run = run::<&str>(&[], &allocs.join("; "));
    run.expect_status(0);
    for (alloc, pages, zone) in [
        (allocs[0], 2, "HighMem"),
        (allocs[1], 4, "DMA"),
        (allocs[2], 1, "DMA"),
        (allocs[3], 1, "HighMem"),
        (allocs[4], 8, "DMA"),
        (allocs[5], 1, "DMA"),
    ] {
        let taken = run.taken(alloc);
        assert_eq!((taken.pages, taken.zone.as_str()), (pages, zone), "{alloc}");
        assert_eq!(taken.phys, taken.pfn << 12, "{alloc}");
        assert!(taken.pfn.is_multiple_of(pages), "{alloc}: {taken:?}");
        let mapped = (zone == "DMA").then(|| taken.phys + 0x8000_0000);
        assert_eq!(taken.virt, mapped, "{alloc}");
    }
}

pub fn wrong_arguments() {
    let complaints = [
        ("alloc 0 GFP_KERNEL|FOO", "no GFP flag is called FOO\n"),
        ("alloc 0 GFP_KERNEL|", "a GFP flag is missing\n"),
        ("alloc 0 ATOMIC", "ATOMIC is either GFP_ATOMIC or __GFP_ATOMIC\n"),
        ("alloc 0 0x1g", "0x1g is no number of 32 bits\n"),
        ("alloc 0 0x80000000", "0x80000000 is no GFP flag\n"),
        // Unknown too with a block in the stack that the other flags lead to.
        ("alloc 0 0x80000cc0", "0x80000000 is no GFP flag\n"),
        ("alloc 0 0x90100cca", "0x90000000 is no GFP flag\n"),
        ("alloc 0 DMA|HIGHMEM", "GFP_DMA|__GFP_HIGHMEM: a request has one zone modifier at most\n"),
        (
            "alloc 0 GFP_KERNEL|__GFP_ATOMIC",
            "__GFP_ATOMIC|__GFP_DIRECT_RECLAIM: who cannot sleep cannot reclaim\n",
        ),
        (
            "alloc 0 HighMem MOVABLE|RECLAIMABLE",
            "__GFP_RECLAIMABLE|__GFP_MOVABLE: a request has one mobility modifier at most\n",
        ),
        ("alloc 0 Normal", "no free block of order 0 for zone Normal\n"),
        ("alloc 0 DMA GFP_KERNEL x", "nothing more was expected than stands before x\n"),
        ("pages", "PFN is missing: pages PFN\n"),
        ("pages 1.5", "1.5 is no PFN: a number was expected, decimal or 0x hexadecimal\n"),
        ("drain all", "nothing more was expected than stands before all\n"),
        ("page_owner", "who takes pages is only known with page_owner=1\n"),
        (
            "fail often",
            "\"often\" in fail_page_alloc=: N, or INTERVAL,PROBABILITY,SPACE,TIMES was ",
        ),
        ("fail 1,101,0,1", "\"101\" in fail_page_alloc=: "),
        ("fail 1,100", "\"1,100\" in fail_page_alloc=: "),
    ];
    let long = format!("alloc 0 {}", "0".repeat(80));
    let unknown = format!("alloc 0 {}", "x".repeat(80));
    let commands: Vec<&str> = complaints.iter().map(|(command, _)| *command).collect();
    let fill_stacks = "alloc 0 GFP_KERNEL; alloc 0";
    let run = run::<&str>(
        &[],
        &format!("{fill_stacks}; {}; {long}; {unknown}; version", commands.join("; ")),
    );
    run.expect_status(1);
    for (command, complaint) in complaints {
        let printed = run.output_of(command);
        assert!(printed.starts_with(&format!("error: {complaint}")), "{command}: {printed}");
    }
    // Of a word that is too long for an error the start is shown.
    let start = "x".repeat(64);
    assert_eq!(run.output_of(&unknown), format!("error: no GFP flag is called {start}\n"));
    assert!(run.output_of(&long).starts_with("pfn 0x"), "no flags at all: {}", run.text);
    assert_eq!(run.output_of("version"), "vmsplit 0.1.0 (3g split)\n");
}

/// What is no allocated block is reported with its state, changes nothing, and does no harm.
pub fn wrong_frees() {
    let take = "drain; buddyinfo; alloc 3 DMA";
    let first = run::<&str>(&[], take);
    let taken = first.taken("alloc 3 DMA");
    let (pfn, virt) = (taken.pfn, taken.virt.unwrap());
    let by_address = |at: u32, order: u32| format!("free --virt {at:#x} {order}");
    let wrong = [
        (format!("free {pfn:#x} 2"), format!("wrong free: pfn {pfn:#07x} with order 2 is in ")),
        (format!("free {:#x} 3", pfn + 1), format!("pfn {:#07x} is not aligned to ", pfn + 1)),
        (format!("free {:#x} 0", pfn + 1), format!("wrong free: pfn {:#07x} with ", pfn + 1)),
        ("free 0x40200 0".to_string(), "pfn 0x40200 is reserved\n".to_string()),
        ("free 0x9000 0".to_string(), "pfn 0x09000 is not memory\n".to_string()),
        (by_address(0, 0), "0x00000000 is no address of the linear map\n".to_string()),
        (by_address(0xbfff_f000, 0), "0xbffff000 is no address of the linear map\n".to_string()),
        (by_address(0xf000_0000, 0), "0xf0000000 is no address of the linear map\n".to_string()),
        (
            by_address(virt + 0x1004, 3),
            format!(
                "{:#010x} is not the first byte of a page, but inside pfn {:#07x}\n",
                virt + 0x1004,
                pfn + 1
            ),
        ),
    ];
    let commands: Vec<&str> = wrong.iter().map(|(command, _)| command.as_str()).collect();
    let (pages, right) = (format!("pages {:#x}", pfn + 7), by_address(virt, 3));
    let twice = format!("free {pfn:#x} 3");
    let run = run::<&str>(
        &[],
        &format!(
            "{take}; {}; {pages}; {right}; {twice}; drain; buddyinfo; selftest soak",
            commands.join("; ")
        ),
    );
    run.expect_status(1);
    for (command, complaint) in &wrong {
        let printed = run.output_of(command);
        let report = format!("BUG: Bad page state: {complaint}");
        assert!(printed.starts_with(&report), "{command}: no {report:?} in {printed}");
        let in_one_line = format!("\nerror: {complaint}");
        assert!(printed.contains(&in_one_line), "{command}: no {in_one_line:?} in {printed}");
        let site = "\nCall site: 0xc0";
        assert!(printed.contains(site) && printed.contains(" in vmsplit::monitor::pages::free\n"));
    }
    let state = format!(
        "pfn {:#07x}, {:#010x}, mapped at {:#010x}\nzone       : DMA\nstate      : allocated\n\
         block      : pfn {pfn:#07x}, order 3, 8 pages\n\
         mobility   : Unmovable, in a page block that is for ",
        pfn + 7,
        taken.phys + 0x7000,
        virt + 0x7000
    );
    assert!(run.output_of(&pages).starts_with(&state), "{}", run.output_of(&pages));
    assert!(run.output_of(&pages).ends_with("\nreferences : 1\n"), "{}", run.output_of(&pages));
    assert_eq!(run.output_of(&right), "", "the right one, after all these");
    // More of them than ten in five seconds are left out, so that this one may be.
    let error = format!("error: double free: pfn {pfn:#07x} is in the block at {pfn:#07x} (");
    assert!(run.output_of(&twice).contains(&error), "{}", run.output_of(&twice));
    let free = run.output_of("buddyinfo");
    assert_eq!(run.text.matches(free).count(), 2, "not everything came back:\n{}", run.text);
    assert!(run.output_of("selftest soak").contains("soak: ok"), "{}", run.text);
}

/// `pages` says the state of pages of each kind, and `drain` gives back what stacks hold.
pub fn states() {
    let alloc = "alloc 0 DMA";
    let pfn = run::<&str>(&[], alloc).taken(alloc).pfn;
    let (page, free) = (format!("pages {pfn:#x}"), format!("free {pfn:#x} 0"));
    let run = run::<&str>(
        &[],
        &format!(
            "{alloc}; {page}; {free}; pages {pfn}; drain; pages {pfn:#010x}; pages 0x40200; \
             pages 0x9000; pages 0xffffffff; drain"
        ),
    );
    run.expect_status(0);
    let says = |command: &str, what: &str| {
        let text = run.output_of(command);
        assert!(text.contains(what), "{command}: no {what:?} in:\n{text}");
    };
    says(&page, "state      : allocated\n");
    says(&format!("pages {pfn}"), "state      : free, in a per-CPU stack\n");
    says(&format!("pages {pfn:#010x}"), "state      : free\n");
    says("pages 0x40200", "mapped at 0xc0200000\nzone       : DMA\nstate      : reserved\n");
    for nowhere in ["pages 0x9000", "pages 0xffffffff"] {
        says(nowhere, ", without an address\nzone       : none\nstate      : no memory\n");
    }
    let drained: Vec<&str> =
        run.text.lines().filter(|line| line.starts_with("pages in stacks: ")).collect();
    assert!(drained[0].ends_with(", now 0") && !drained[0].starts_with("pages in stacks: 0"));
    assert_eq!(drained[1], "pages in stacks: 0, now 0");
}

pub fn owners() {
    let options = ["--append", "page_owner=1"];
    let taken = run(&options, "alloc 4 GFP_KERNEL").taken("alloc 4 GFP_KERNEL");
    let (pfn, tail) = (taken.pfn, taken.pfn + 15);
    let run = run(
        &options,
        &format!(
            "page_owner; alloc 4 GFP_KERNEL; pages {tail}; 'page_owner'; free {pfn} 4; pages {tail:#x}"
        ),
    );
    run.expect_status(0);
    run.expect(&["page_owner: who takes pages is remembered"]);
    // Boot holds what it needs: objects, tables, devices. Nobody else holds anything.
    let before = run.output_of("page_owner");
    let boot = |line: &&str| {
        ["vmsplit::boot::", "vmsplit::virtio::", "vmsplit::maps::"]
            .iter()
            .any(|module| line.contains(module))
    };
    assert_eq!(before.lines().count(), 1 + before.lines().filter(boot).count(), "{before}");
    let holders = run.output_of("'page_owner'");
    let expected = "   pages   blocks  call site\n      16        1  0xc0";
    assert!(holders.starts_with(expected), "{holders}");
    let taken = holders.lines().nth(1).unwrap_or("");
    assert!(taken.ends_with(" in vmsplit::monitor::pages::alloc"), "{holders}");
    let held = run.output_of(&format!("pages {tail}"));
    assert!(held.contains("\nowner      : 0xc0") && held.ends_with("::pages::alloc\n"), "{held}");
    let freed = run.output_of(&format!("pages {tail:#x}"));
    assert!(freed.contains("\nstate      : free\n"), "{freed}");
}

/// With `page_poison=1` a write into a free page is found, and the page stays out.
pub fn poison() {
    let options = ["--append", "page_poison=1 page_owner=1"];
    let alloc = "alloc 0 DMA";
    let taken = run(&options, alloc).taken(alloc);
    let (pfn, at) = (taken.pfn, taken.virt.unwrap() + 0x123);
    let pages = format!("pages {pfn}");
    let run = run(
        &options,
        &format!(
            "{alloc}; free {pfn} 0; peek {at:#x} 2 b; poke {at:#x} 0x55 b; alloc 00 DMA; {pages}; \
             free {pfn:#x} 0"
        ),
    );
    run.expect_status(1);
    let peek = run.output_of(&format!("peek {at:#x} 2 b"));
    assert!(peek.contains(": aa aa "), "{peek}");
    let phys = taken.phys + 0x123;
    let printed = run.output_of("alloc 00 DMA");
    let report = format!(
        "pagealloc: memory corruption: byte 0x55 at {phys:#010x} in the free block of order 0 at pfn \
         {pfn:#07x}, which is kept out of circulation\nLast freed by: 0xc0"
    );
    assert!(printed.starts_with(&report), "{printed}");
    let other = printed.lines().last().unwrap();
    assert!(other.starts_with("pfn 0x") && !other.starts_with(&format!("pfn {pfn:#07x}")));
    let state = "\nstate      : bad: written to while it was free, and kept out\n";
    assert!(run.output_of(&pages).contains(state), "{}", run.output_of(&pages));
    let refused =
        format!("BUG: Bad page state: pfn {pfn:#07x} is in the block at {pfn:#07x} (bad, ");
    let freed = run.output_of(&format!("free {pfn:#x} 0"));
    assert!(freed.starts_with(&refused), "{freed}");
}

pub fn failures() {
    let run = run::<&str>(
        &[],
        "fail; fail 2; 'fail'; alloc 0; alloc 1; alloc 2; \"fail\"; fail 1,100,4,-1; alloc 02; \
         alloc 0 GFP_KERNEL|__GFP_NOWARN; alloc 0 GFP_KERNEL|__GFP_NOFAIL; fail off; alloc 00; 'fail'",
    );
    run.expect_status(1);
    assert_eq!(run.output_of("fail"), "fail_page_alloc is off\n");
    assert_eq!(run.output_of("'fail'"), "fail_page_alloc=2,100,0,1, 0 failed so far\n");
    run.taken("alloc 0");
    let failed = run.output_of("alloc 1");
    let report = "page allocation failure: order:1, mode:0x100cca(GFP_HIGHUSER_MOVABLE), nodemask";
    assert!(failed.starts_with(report), "{failed}");
    for line in ["\nCall site: 0xc0", " in vmsplit::monitor::pages::alloc\n", "\nMem-Info:\n"] {
        assert!(failed.contains(line), "no {line:?} in {failed}");
    }
    assert!(failed.ends_with("\nerror: no free block of order 1 for zone HighMem\n"), "{failed}");
    run.taken("alloc 2");
    assert_eq!(run.output_of("\"fail\""), "fail_page_alloc=2,100,0,0, 1 failed so far\n");
    run.taken("alloc 02");
    let silent = run.output_of("alloc 0 GFP_KERNEL|__GFP_NOWARN");
    assert_eq!(silent, "error: no free block of order 0 for zone Normal\n");
    run.taken("alloc 0 GFP_KERNEL|__GFP_NOFAIL");
    run.taken("alloc 00");
    assert_eq!(run.text.matches("fail_page_alloc is off\n").count(), 2, "{}", run.text);

    let from_boot = self::run(&["--append", "fail_page_alloc=1"], "alloc 0; alloc 1");
    from_boot.expect_status(1);
    from_boot.expect(&["vmsplit> alloc 0\n", "page allocation failure: order:0, "]);
    from_boot.taken("alloc 1");
}

/// However many requests have failed just before, a mistake is reported.
pub fn mistakes_after_failures() {
    let alloc = "alloc 3 DMA";
    let options = ["--append", "page_poison=1"];
    let taken = run(&options, alloc).taken(alloc);
    let (pfn, at) = (taken.pfn, taken.virt.unwrap() + 0x123);
    let failing = ["alloc 1"; 12];
    let twice = format!("free {pfn:#x} 3");
    let run = run(
        &options,
        &format!(
            "{alloc}; free {pfn} 3; fail 1,100,0,-1; {}; {twice}; fail off; poke {at:#x} 0x55 b; \
             alloc 03 DMA",
            failing.join("; ")
        ),
    );
    run.expect_status(1);
    // On a host so slow that a period of five seconds ends meanwhile, none need be left out.
    let failures = run.text.matches("page allocation failure: order:").count();
    assert!((10..=failing.len()).contains(&failures), "{failures} in:\n{}", run.text);
    let left_out = "reports: more page allocation failures are left out for some seconds\n";
    assert_eq!(run.text.contains(left_out), failures < failing.len(), "{}", run.text);
    let printed = run.output_of(&twice);
    let report = format!("BUG: Bad page state: double free: pfn {pfn:#07x} ");
    assert!(printed.starts_with(&report), "{printed}");
    let printed = run.output_of("alloc 03 DMA");
    assert!(printed.starts_with("pagealloc: memory corruption: byte 0x55 at "), "{printed}");
}

/// Memory has room for the page array, and not for that of owners: boot goes on without.
pub fn no_room_for_owners() {
    // Of lowmem the 12 MiB of the page array are left, and less than the 3 MiB of owners.
    let reserved = "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
        most@41100000 { reg = <0 0x41100000 0 0x2ef00000>; }; };";
    let dtb = tree("no-room-for-owners", reserved);
    let options = ["-m", "3G", "--dtb", dtb.to_str().unwrap(), "--append", "page_owner=1"];
    let run = run(&options, "page_owner; alloc 0");
    run.expect_status(1);
    run.expect(&["page_owner: off, no memory for its 3145728 bytes: ", "vmsplit> page_owner\n"]);
    assert!(!run.text.contains("who takes pages is remembered"), "{}", run.text);
    let unknown = "error: who takes pages is only known with page_owner=1\n";
    assert_eq!(run.output_of("page_owner"), unknown);
    run.taken("alloc 0");
}

/// The reports show one and the same free memory.
pub fn reports() {
    let commands = "alloc 1 GFP_KERNEL; alloc 0 KERNEL|RECLAIMABLE; drain; buddyinfo; pagetypeinfo; \
                    fragment; showmem; shrinkers";
    let run = run::<&str>(&[], commands);
    run.expect_status(0);
    let pagetypeinfo = run.output_of("pagetypeinfo");
    assert!(
        pagetypeinfo.starts_with("Page block order: 10\nPages per block:  1024\n\nFree pages ")
    );
    let (fragment, showmem) = (run.output_of("fragment"), run.output_of("showmem"));
    for zone in ["DMA", "HighMem"] {
        let blocks = free_blocks(&run, zone);
        let mut sums = vec![0; blocks.len()];
        let in_zone = format!("zone {zone:>8}, type ");
        for line in pagetypeinfo.lines().filter(|line| line.contains(&in_zone)) {
            numbers(line, 6).iter().zip(&mut sums).for_each(|(count, sum)| *sum += count);
        }
        assert_eq!(sums, blocks, "{pagetypeinfo}");
        let pages: u32 = blocks.iter().zip(0..).map(|(blocks, order)| blocks << order).sum();
        let picture = format!("{zone}: {pages} pages free, the largest block is 4096kB\n");
        assert!(fragment.contains(&picture), "no {picture:?} in:\n{fragment}");
        assert!(fragment.contains(&format!("Node 0, zone {zone:>8} 0.000 ")), "{fragment}");
        let sizes = format!("\n{zone}: {}*4kB ", blocks[0]);
        assert!(showmem.contains(&sizes), "no {sizes:?} in:\n{showmem}");
        assert!(showmem.contains(&format!(" = {}kB\n", 4 * pages)), "{showmem}");
        assert!(showmem.contains(&format!("\n{zone} free:{}kB ", 4 * pages)), "{showmem}");
    }
    let blocks = pagetypeinfo.lines().filter(|line| line.starts_with("Node 0, zone ")).count();
    assert_eq!(blocks, 2, "{pagetypeinfo}");
    assert!(showmem.starts_with("Mem-Info:\n free:"), "{showmem}");
    assert!(!run.output_of("shrinkers").contains("error: "));
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 10] = [
    ("pages: alloc takes flags and zones", flags),
    ("pages: wrong arguments name the fault", wrong_arguments),
    ("pages: wrong frees are reported and do no harm", wrong_frees),
    ("pages: states, and drain", states),
    ("pages: page_owner=1 knows who holds what", owners),
    ("pages: page_poison=1 finds a write into a free page", poison),
    ("pages: failures on purpose", failures),
    ("pages: a mistake after many failures is reported", mistakes_after_failures),
    ("pages: page_owner=1 without room for it is off", no_room_for_owners),
    ("pages: the reports agree", reports),
];
