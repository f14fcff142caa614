//! The commands: one table of names, help and functions.

use core::fmt;

use arch_arm::mmu::ptdump;
use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, PhysAddr, PhysRange, VirtAddr};
use mm::boot::layout::{FDT, FIXMAP, VECTORS};
use mm::boot::split::MODULES_SIZE;
use mm::frame::FreeError;
use mm::param::read_size;
use mm::report::iomem::Resource;
use mm::report::memblock::MemblockDump;
use mm::report::meminfo::MemInfo;
use mm::report::{buddyinfo, iomem, layout, meminfo, zoneinfo};
use mm::zone::{OutOfPages, ZoneKind};

use super::Kernel;
use crate::console::{Out, print, println};
use crate::explain::Subject;
use crate::{explain, image, readback, stop};

/// The words after a command's name.
type Arguments<'a, 'w> = &'a mut dyn Iterator<Item = &'w str>;

struct Command {
    name: &'static str,
    usage: &'static str,
    help: &'static str,
    run: for<'w> fn(&mut Kernel, Arguments<'_, 'w>) -> Result<(), CommandError<'w>>,
}

const COMMANDS: [Command; 15] = [
    Command { name: "help", usage: "", help: "this list", run: help },
    Command { name: "layout", usage: "[--json]", help: "the regions, read back", run: layout },
    Command {
        name: "explain",
        usage: "[--json|ADDR|--virt ADDR]",
        help: "where every byte of RAM went",
        run: explain,
    },
    Command { name: "meminfo", usage: "", help: "memory in use", run: meminfo },
    Command { name: "zoneinfo", usage: "", help: "zones and their watermarks", run: zoneinfo },
    Command { name: "buddyinfo", usage: "", help: "free blocks by order", run: buddyinfo },
    Command { name: "iomem", usage: "", help: "physical addresses by use", run: iomem },
    Command { name: "ptdump", usage: "", help: "the kernel's page tables", run: ptdump },
    Command { name: "memblock", usage: "", help: "memory before the buddy", run: memblock },
    Command { name: "cmdline", usage: "", help: "the kernel command line", run: cmdline },
    Command {
        name: "alloc",
        usage: "ORDER [DMA|Normal|HighMem]",
        help: "take a block of 2^ORDER pages",
        run: alloc,
    },
    Command { name: "free", usage: "PFN ORDER", help: "give a block back", run: free },
    Command { name: "version", usage: "", help: "what this is", run: version },
    Command { name: "poweroff", usage: "", help: "turn the machine off", run: poweroff },
    Command { name: "reboot", usage: "", help: "reset the machine", run: reboot },
];

/// Why a command failed.
pub enum CommandError<'w> {
    Unknown { name: &'w str },
    Missing { what: &'static str, usage: &'static str },
    TooMuch { word: &'w str },
    NotANumber { word: &'w str, what: &'static str },
    NoOrder { value: u32 },
    NoZone { word: &'w str },
    OutOfPages(OutOfPages),
    Free(FreeError),
}

impl fmt::Display for CommandError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "no command is called {name}; try help"),
            Self::Missing { what, usage } => write!(f, "{what} is missing: {usage}"),
            Self::TooMuch { word } => {
                write!(f, "nothing more was expected than stands before {word}")
            }
            Self::NotANumber { word, what } => {
                write!(f, "{word} is no {what}: a number was expected, decimal or 0x hexadecimal")
            }
            Self::NoOrder { value } => {
                write!(f, "{value} is no order: 0 to {} were expected", Order::MAX)
            }
            Self::NoZone { word } => {
                write!(f, "{word} is no zone: DMA, Normal or HighMem was expected")
            }
            Self::OutOfPages(error) => error.fmt(f),
            Self::Free(error) => error.fmt(f),
        }
    }
}

/// Runs the command on `line`; an empty line is none.
pub fn run<'w>(kernel: &mut Kernel, line: &'w str) -> Result<(), CommandError<'w>> {
    let mut words = line.split_ascii_whitespace();
    let Some(name) = words.next() else { return Ok(()) };
    let command = COMMANDS.iter().find(|command| command.name == name);
    (command.ok_or(CommandError::Unknown { name })?.run)(kernel, &mut words)
}

fn end<'w>(words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    words.next().map_or(Ok(()), |word| Err(CommandError::TooMuch { word }))
}

fn number<'w>(
    words: Arguments<'_, 'w>,
    what: &'static str,
    usage: &'static str,
) -> Result<u32, CommandError<'w>> {
    let word = words.next().ok_or(CommandError::Missing { what, usage })?;
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => word.parse(),
    };
    parsed.map_err(|_| CommandError::NotANumber { word, what })
}

fn order<'w>(words: Arguments<'_, 'w>, usage: &'static str) -> Result<Order, CommandError<'w>> {
    let value = number(words, "ORDER", usage)?;
    u8::try_from(value).ok().and_then(Order::new).ok_or(CommandError::NoOrder { value })
}

fn help<'w>(_: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    for Command { name, usage, help, .. } in &COMMANDS {
        println!("{name:<10} {usage:<28} {help}");
    }
    Ok(())
}

fn layout<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    let json = match words.next() {
        None => false,
        Some("--json") => true,
        Some(word) => return Err(CommandError::TooMuch { word }),
    };
    end(words)?;
    let seen = readback::observe(kernel);
    // The console can not fail, here as in the commands below.
    let _ = if json {
        layout::write_json(&mut Out, &seen, kernel.memory.warnings.iter())
    } else {
        layout::write_table(&mut Out, &seen)
    };
    Ok(())
}

fn explain<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    let subject = match words.next() {
        None => Subject::All,
        Some("--json") => Subject::Json,
        Some("--virt") => {
            Subject::Virtual(VirtAddr::new(number(words, "ADDR", "explain --virt ADDR")?))
        }
        Some(word) => {
            let size = read_size(word);
            if !size.is_number || !size.rest.is_empty() {
                return Err(CommandError::NotANumber { word, what: "ADDR" });
            }
            Subject::Address(PhysAddr::new(size.bytes))
        }
    };
    end(words)?;
    let _ = explain::write(kernel, subject, &mut Out);
    Ok(())
}

fn meminfo<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    let info = MemInfo::new(&kernel.pages, kernel.regions.vmalloc.region());
    let _ = meminfo::write(&mut Out, &info);
    Ok(())
}

fn zoneinfo<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    let _ = zoneinfo::write(&mut Out, &kernel.pages);
    Ok(())
}

fn buddyinfo<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    let _ = buddyinfo::write(&mut Out, &kernel.pages);
    Ok(())
}

/// The most resources that are shown.
const MAX_RESOURCES: usize = 64;

fn iomem<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    let linear = kernel.tables.linear();
    let mut resources: ArrayVec<Resource<'_>, MAX_RESOURCES> = ArrayVec::new();
    let mut left_out = 0;
    let mut add = |range: PhysRange, name| {
        left_out += u32::from(resources.try_push(Resource { range, name }).is_err());
    };
    let image = [
        ("Kernel code", image::text()),
        ("Kernel data", mm::addr::VirtRange::new(image::data().start(), image::bss().end())),
    ];
    for (name, range) in image {
        if let Some(phys) = linear.phys(range) {
            add(phys, name);
        }
    }
    if let Some(console) = kernel.machine.console {
        add(console.uart.registers, console.uart.name);
    }
    if let Some(gic) = kernel.machine.gic {
        add(gic.distributor, "GIC distributor");
        add(gic.cpu_interface, "GIC CPU interface");
    }
    for range in kernel.memory.memblock.mapped_memory() {
        add(range, "System RAM");
    }
    let _ = iomem::write(&mut Out, &mut resources);
    if left_out > 0 {
        println!("{left_out} more banks are not shown: {MAX_RESOURCES} lines at most");
    }
    Ok(())
}

fn ptdump<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    let page_offset = image::SPLIT.page_offset();
    let markers = [
        (VirtAddr::new(page_offset.as_u32() - MODULES_SIZE), "Modules"),
        (page_offset, "Kernel Mapping"),
        (kernel.regions.vmalloc.region().start(), "vmalloc() Area"),
        (FDT.start(), "FDT Area"),
        (FIXMAP.start(), "Fixmap Area"),
        (VECTORS.start(), "Vectors"),
        (mm::boot::layout::STUBS.end(), "Vectors End"),
    ];
    let _ = ptdump::dump(&kernel.tables.walker(), &markers, &mut Out);
    Ok(())
}

fn memblock<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    print!("{}", MemblockDump(&kernel.memory.memblock));
    Ok(())
}

fn cmdline<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    println!("{}", kernel.memory.command_line);
    Ok(())
}

fn alloc<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    let order = order(words, "alloc ORDER [DMA|Normal|HighMem]")?;
    let zone = match words.next() {
        None => None,
        Some(word) => {
            let found =
                ZoneKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(word));
            Some(found.ok_or(CommandError::NoZone { word })?)
        }
    };
    end(words)?;
    let taken = match zone {
        Some(kind) => kernel.pages.alloc_in(kind, order),
        None => kernel.pages.alloc(ZoneKind::HighMem, order),
    };
    let pfn = taken.map_err(CommandError::OutOfPages)?;
    println!("pfn {pfn}: {} pages at {}", order.pages(), pfn.start());
    Ok(())
}

fn free<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    const USAGE: &str = "free PFN ORDER";
    let pfn = Pfn::new(number(words, "PFN", USAGE)?);
    let order = order(words, USAGE)?;
    end(words)?;
    kernel.pages.free(pfn, order).map_err(CommandError::Free)
}

fn version<'w>(_: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    println!("vmsplit {} ({} split)", env!("CARGO_PKG_VERSION"), image::SPLIT.name());
    Ok(())
}

fn poweroff<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    stop::power_off(kernel.conduit())
}

fn reboot<'w>(kernel: &mut Kernel, words: Arguments<'_, 'w>) -> Result<(), CommandError<'w>> {
    end(words)?;
    stop::reboot(kernel.conduit())
}
