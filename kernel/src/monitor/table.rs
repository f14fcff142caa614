//! The table of commands. A new command is one row here and one function in the file of its family.

use mm::addr::Order;
use mm::zone::Gfp;
use monitor::argument::{Arg, Args};
use monitor::command::{Command, Table};
use monitor::dump::Unit;

use super::failure::Failure;
use super::{
    Kernel, access, disks, dma, fail, files, kfence, layout, machine, memory, modules, objects,
    pages, power, registers, tables, vmalloc,
};
use crate::console::{self, Out};
use crate::report::provoke;
use crate::selftest;

/// The names of the zones, in the order of `ZoneKind::ALL`.
const ZONES: [&str; 3] = ["DMA", "Normal", "HighMem"];

/// The names of the self-tests' suites.
const SUITES: [&str; selftest::SUITES.len()] = selftest::names();
/// The names of the ways to crash.
const CRASHES: [&str; provoke::CRASHES.len()] = provoke::names();

const SECTOR: Arg = Arg::number("SECTOR", 0, u32::MAX);
const DISK: Arg = Arg::number("DISK", 0, u32::MAX).optional();
const UNIT: Arg = Arg::choice("UNIT", &Unit::LETTERS).optional();
const PFN: Arg = Arg::number("PFN", 0, u32::MAX);
const ORDER: Arg = Arg::number("ORDER", 0, Order::MAX.as_u8() as u32);

/// What is said of addresses that are typed.
const ADDRESSES: &str = "\
ADDR is a number, the name of a region or section that layout shows, or one of these and +OFFSET.";

/// All commands.
pub static COMMANDS: Table<Kernel, Failure> = Table::new(&[
    Command {
        name: "help",
        args: &[Arg::command("COMMAND").optional()],
        help: "this list, or all about one command",
        details: "",
        run: help,
    },
    Command {
        name: "layout",
        args: &[Arg::flag("--json")],
        help: "the regions, read back",
        details: "From the live page tables, the allocators and the zones, not from a plan.",
        run: layout::layout,
    },
    Command {
        name: "explain",
        args: &[Arg::flag("--json"), Arg::flag("--virt"), Arg::text("ADDR").optional()],
        help: "where every byte of RAM went",
        details: "\
All RAM, or the physical address ADDR (with --virt a virtual one): who has it, why, and which setting
would change that.",
        run: layout::explain,
    },
    Command {
        name: "meminfo",
        args: &[],
        help: "memory in use",
        details: "",
        run: memory::meminfo,
    },
    Command {
        name: "zoneinfo",
        args: &[],
        help: "zones and their watermarks",
        details: "",
        run: memory::zoneinfo,
    },
    Command {
        name: "buddyinfo",
        args: &[],
        help: "free blocks by order",
        details: "",
        run: memory::buddyinfo,
    },
    Command {
        name: "pagetypeinfo",
        args: &[],
        help: "free blocks by order and mobility",
        details: "",
        run: memory::pagetypeinfo,
    },
    Command {
        name: "fragment",
        args: &[],
        help: "how far free memory is in pieces",
        details: "\
A picture of the free blocks of each zone, and for each order the share of free memory that is of no
use to it.",
        run: memory::fragment,
    },
    Command {
        name: "showmem",
        args: &[],
        help: "zones and blocks, as a failure shows them",
        details: "",
        run: memory::showmem,
    },
    Command {
        name: "iomem",
        args: &[],
        help: "physical addresses by use",
        details: "",
        run: memory::iomem,
    },
    Command {
        name: "irqs",
        args: &[],
        help: "interrupts by source",
        details: "",
        run: machine::irqs,
    },
    Command {
        name: "ptdump",
        args: &[],
        help: "the kernel's page tables",
        details: "",
        run: tables::ptdump,
    },
    Command {
        name: "vmallocinfo",
        args: &[],
        help: "areas of the modules and the vmalloc region",
        details: "\
As /proc/vmallocinfo, guard pages included: upwards, then areas that wait for a flush, and last those
that are kept for the next request of their size.",
        run: vmalloc::vmallocinfo,
    },
    Command {
        name: "vmallocmap",
        args: &[],
        help: "holes of the vmalloc and the modules region by size",
        details: "And the largest area that fits at each alignment.",
        run: vmalloc::vmallocmap,
    },
    Command {
        name: "translate",
        args: &[Arg::address("ADDR")],
        help: "how one address is translated",
        details: "\
Walks the live tables, explains each level, and compares with what the MMU itself answers.
ADDR is a number, the name of a region or section that layout shows, or one of these and +OFFSET.",
        run: tables::translate,
    },
    Command {
        name: "peek",
        args: &[Arg::address("ADDR"), Arg::size("COUNT", 1, access::MAX_UNITS).optional(), UNIT],
        help: "read memory",
        details: ADDRESSES,
        run: access::peek,
    },
    Command {
        name: "poke",
        args: &[Arg::address("ADDR"), Arg::number("VALUE", 0, u32::MAX), UNIT],
        help: "write memory",
        details: "\
Whatever may be written is written: the kernel's own data, and device registers.
ADDR is a number, the name of a region or section that layout shows, or one of these and +OFFSET.",
        run: access::poke,
    },
    Command {
        name: "regs",
        args: &[],
        help: "the CPU's system registers",
        details: "",
        run: registers::regs,
    },
    Command {
        name: "edges",
        args: &[],
        help: "touch the pages at every region's edges",
        details: "\
Reads and writes the first and last page of each region and the page outside each, and says what
happened, and what the layout predicts where that is something else.",
        run: layout::edges,
    },
    Command {
        name: "memblock",
        args: &[],
        help: "memory before the buddy",
        details: "",
        run: memory::memblock,
    },
    Command {
        name: "cmdline",
        args: &[],
        help: "the kernel command line",
        details: "",
        run: layout::cmdline,
    },
    Command {
        name: "alloc",
        args: &[
            ORDER,
            Arg::one_of("ZONE", &ZONES).optional(),
            Arg::joined("FLAGS", Gfp::NAMES).optional(),
        ],
        help: "take a block of 2^ORDER pages",
        details: "\
ZONE is DMA, Normal or HighMem: from that zone alone, down to its last page.
FLAGS are names or numbers of GFP flags joined by |: as a caller with these flags gets it. Without
them it is GFP_HIGHUSER_MOVABLE, and GFP_KERNEL from one zone.",
        run: pages::alloc,
    },
    Command {
        name: "free",
        args: &[Arg::flag("--virt"), PFN, ORDER],
        help: "give a block back",
        details: "\
PFN and ORDER as alloc had them; with --virt, PFN is the address that the block is mapped at. What is
no allocated block is reported and refused.",
        run: pages::free,
    },
    Command {
        name: "pages",
        args: &[PFN],
        help: "all that is known of one page",
        details: "Its block, and with page_owner=1 on the command line who took that.",
        run: pages::page,
    },
    Command {
        name: "slabinfo",
        args: &[Arg::choice("WHAT", &["leaks", "picture"]).optional()],
        help: "caches of objects",
        details: "\
As /proc/slabinfo: the newest cache first. With leaks: the objects that are allocated, by who took them,
of the caches for which slab_debug=U on the command line has that remembered. With picture: each slab that
has a free object as a character, a digit for the tenths that are allocated and a dot if none is.",
        run: objects::slabinfo,
    },
    Command {
        name: "kfence",
        args: &[Arg::number("MS", 0, u32::MAX).optional()],
        help: "objects in guarded pages",
        details: "\
What was taken from the pool, given back and found. With MS one request in so many milliseconds is served
from it from now on, none with 0. Without kfence.sample_interval= on the command line there is no pool.",
        run: kfence::kfence,
    },
    Command {
        name: "kmalloc",
        args: &[Arg::number("SIZE", 0, u32::MAX), Arg::text("FLAGS").optional()],
        help: "take memory by size",
        details: "\
SIZE bytes, as FLAGS ask (GFP_KERNEL if none are typed). Says where they are, and how many more may be used.",
        run: objects::kmalloc,
    },
    Command {
        name: "kfree",
        args: &[Arg::number("ADDR", 0, u32::MAX)],
        help: "give memory back",
        details: "\
ADDR as kmalloc said. Where nothing is allocated is reported and refused; 0 and 16, which kmalloc of no
bytes gives, are nothing to give back.",
        run: objects::kfree,
    },
    Command {
        name: "kmapinfo",
        args: &[],
        help: "frames that are mapped for a while",
        details: "\
The slots of the pkmap, the frames in use there, and how deep the CPU's own levels are. With nohighmem on
the command line there is no pkmap.",
        run: pages::kmapinfo,
    },
    Command {
        name: "dmainfo",
        args: &[],
        help: "memory that devices look at",
        details: "\
The region of uncached addresses, what was taken out of the linear map for it, the pools, the devices, and
with dma_debug=on on the command line each mapping that a device has.",
        run: dma::dmainfo,
    },
    Command {
        name: "insmod",
        args: &[
            Arg::flag("--far"),
            Arg::file("NAME"),
            Arg::text("PARAMETER=VALUE").repeated(),
        ],
        help: "insert a module",
        details: "\
NAME is a file of the initrd, or the name of a module that a .ko or .o there gives. NAME.PARAMETER=VALUE on the
command line come before what is typed. With --far it lies in the vmalloc region, where branches need veneers, even if
there is room in the modules region.",
        run: modules::insmod,
    },
    Command {
        name: "rmmod",
        args: &[Arg::text("NAME")],
        help: "remove a module",
        details: "Runs its exit function. A module that is in use stays.",
        run: modules::rmmod,
    },
    Command {
        name: "lsmod",
        args: &[],
        help: "the modules that are loaded",
        details: "",
        run: modules::lsmod,
    },
    Command {
        name: "modules",
        args: &[],
        help: "the same, as /proc/modules",
        details: "\
Name, bytes, uses, the modules that use it, state, and where its text lies. [permanent] are modules without
an exit function.",
        run: modules::proc_modules,
    },
    Command {
        name: "modinfo",
        args: &[Arg::file("NAME")],
        help: "what a module's file says of itself",
        details: "NAME as of insmod.",
        run: modules::modinfo,
    },
    Command {
        name: "loglevel",
        args: &[Arg::number("LEVEL", 0, console::level::HIGHEST).optional()],
        help: "which messages of modules are shown",
        details: "\
Those of printk whose level is lower than LEVEL: 4 shows errors and worse, 7 all but those for debugging, 8 all. As
loglevel= on the command line. Without LEVEL it says which it is.",
        run: modules::loglevel,
    },
    Command {
        name: "module-soak",
        args: &[Arg::number("COUNT", 1, u32::MAX).optional(), Arg::flag("--far")],
        help: "insert and remove all modules for long",
        details: "\
All modules of the initrd, in its order, and backwards out again, COUNT times, once if it is not given. Then all memory
must be back. What they print is shown the first time. With --far they lie in the vmalloc region. Ctrl-C ends it.",
        run: modules::soak,
    },
    Command { name: "blk", args: &[], help: "the disks", details: "", run: disks::list },
    Command {
        name: "blk-read",
        args: &[SECTOR, Arg::number("COUNT", 1, disks::MOST_SHOWN).optional(), DISK],
        help: "show sectors of a disk",
        details: "COUNT sectors of 512 bytes from SECTOR on, of the first disk or number DISK.",
        run: disks::read,
    },
    Command {
        name: "blk-write",
        args: &[
            SECTOR,
            Arg::number("PATTERN", 0, u32::MAX),
            Arg::number("COUNT", 1, u32::MAX).optional(),
            DISK,
        ],
        help: "fill sectors of a disk",
        details: "\
Fills COUNT sectors from SECTOR on with the word PATTERN, of the first disk or number DISK. What was there is
lost. Ctrl-C ends it.",
        run: disks::write,
    },
    Command {
        name: "blk-sum",
        args: &[DISK],
        help: "CRC-32 of a whole disk",
        details: "Of the first disk or number DISK. Ctrl-C ends it.",
        run: disks::sum,
    },
    Command {
        name: "ls",
        args: &[Arg::file("NAME").optional()],
        help: "the initrd's files",
        details: "\
Mode, size in bytes and name of each: of all, or of NAME and what is in it if that is a folder.",
        run: files::list,
    },
    Command {
        name: "cat",
        args: &[Arg::file("NAME")],
        help: "show a file of the initrd",
        details: "\
Text, at most the first 64 KiB. Of a file that is no text its size and its CRC-32. Ctrl-C ends it.",
        run: files::show_file,
    },
    Command {
        name: "drain",
        args: &[],
        help: "empty the per-CPU stacks",
        details: "Gives the free pages that this CPU keeps back to their zones.",
        run: pages::drain,
    },
    Command {
        name: "page_owner",
        args: &[],
        help: "who holds how many pages",
        details: "By the place in the code that took them. Needs page_owner=1 on the command line.",
        run: pages::owners,
    },
    Command {
        name: "shrinkers",
        args: &[],
        help: "who can free memory when it is short",
        details: "",
        run: pages::shrinkers,
    },
    Command {
        name: "fail",
        args: &[Arg::joined("WHEN", &["off"]).optional()],
        help: "make requests for pages fail",
        details: "\
WHEN is off; or N, so that the N-th request from now on fails; or INTERVAL,PROBABILITY,SPACE,TIMES:
when SPACE pages have been handed out, each INTERVAL-th request fails, with PROBABILITY percent, TIMES
times at most, -1 for ever. As fail_page_alloc= on the command line. Without WHEN it says what is to
come.",
        run: fail::pages,
    },
    Command {
        name: "failslab",
        args: &[Arg::joined("WHEN", &["off"]).optional()],
        help: "make requests for objects fail",
        details: "\
WHEN as of fail, but SPACE is bytes of objects. As failslab= on the command line. The caches are all but
the cache of caches; with slab_debug=A on the command line, those that it names. Without WHEN it says what
is to come.",
        run: fail::objects,
    },
    #[cfg(feature = "bench")]
    Command {
        name: "bench",
        args: &[Arg::one_of("NAME", &crate::bench::NAMES).optional()],
        help: "count instructions for each operation",
        details: "\
Measures the operation NAME, or all; waste is none of them, but what objects of many sizes waste. Wants
QEMU's -icount.",
        run: machine::bench,
    },
    Command {
        name: "ticks",
        args: &[Arg::number("SECONDS", 1, 3600)],
        help: "count ticks under load",
        details: "The suite ticks of selftest, for so long.",
        run: machine::ticks,
    },
    Command {
        name: "soak",
        args: &[
            Arg::number("COUNT", 1, u32::MAX).optional(),
            Arg::number("SEED", 0, u32::MAX).optional(),
        ],
        help: "take and give back pages for long",
        details: "\
The suite soak of selftest, for COUNT operations, a million if it is not given. The tick's handler takes
part. SEED chooses another sequence of operations.",
        run: machine::soak,
    },
    Command {
        name: "object-soak",
        args: &[
            Arg::number("COUNT", 1, u32::MAX).optional(),
            Arg::number("SEED", 0, u32::MAX).optional(),
        ],
        help: "take and give back objects for long",
        details: "\
The suite object-soak of selftest, for COUNT operations, a million if it is not given. The tick's handler
takes part. SEED chooses another sequence of operations.",
        run: machine::object_soak,
    },
    Command {
        name: "selftest",
        args: &[Arg::one_of("SUITE", &SUITES).optional()],
        help: "test this machine",
        details: "Runs that suite, or all. A check that fails is printed.",
        run: machine::selftest,
    },
    Command {
        name: "crash",
        args: &[Arg::one_of("KIND", &CRASHES).optional()],
        help: "fault on purpose, and see the report",
        details: "\
Without KIND it says which kinds there are. The report ends the kernel, as that of any fault that
nobody takes.",
        run: machine::crash,
    },
    Command {
        name: "panic",
        args: &[Arg::text("TEXT").repeated()],
        help: "panic with this message",
        details: "",
        run: machine::panic,
    },
    Command { name: "version", args: &[], help: "what this is", details: "", run: layout::version },
    Command {
        name: "poweroff",
        args: &[],
        help: "turn the machine off",
        details: "",
        run: power::poweroff,
    },
    Command {
        name: "reboot",
        args: &[],
        help: "reset the machine",
        details: "",
        run: power::reboot,
    },
]);

fn help(_: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let row = args.command("COMMAND").ok().and_then(|row| COMMANDS.commands().get(row));
    let _ = match row {
        Some(command) => command.write_help(&mut Out),
        None => COMMANDS.write_list(&mut Out),
    };
    Ok(())
}
