//! What a report asks the machine, in ways that can not fault: memory by probes, page tables from
//! TTBR0 on, names from the image's symbol table, and from the tables of modules.
//!
//! Invariant: nothing here relies on anything but the image being mapped where it is linked. A report
//! may come before there is a linear map, or after somebody has written all over it.

use core::fmt;
use core::slice;

use arch_arm::cp15::TTBR0;
use arch_arm::mmu::attributes::MemoryType;
use arch_arm::mmu::descriptor::RootBase;
use arch_arm::mmu::walk::{TableRead, Translation, Walker};
use arch_arm::probe;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use arch_arm::trap::report::{Function, Names};
use arch_arm::trap::unwind::{Code, FindCode, ReadMemory};
use arrayvec::ArrayString;
use mm::addr::{PAGE_SIZE, PhysAddr, VirtAddr, VirtRange};
use modules::functions;
use symbols::Table;
use tock_registers::interfaces::Readable;

use crate::image;
use crate::modules::loaded::{self, ModuleCode};

/// Memory as it is now, for those who follow addresses that may be corrupt.
pub struct Memory {
    tables: Tables,
    /// No device's, whatever page tables say.
    image: VirtRange,
}

impl Memory {
    /// Looks where the tables are.
    pub fn now() -> Self {
        Self { tables: Tables::now(), image: image::whole() }
    }

    /// What the live page tables say of `address`; `None` when they can not be found.
    pub fn translate(&self, address: VirtAddr) -> Option<Translation> {
        Some(Walker::new(self.tables.root?, &self.tables).translate(address))
    }

    /// Is there memory at `address`, and no device, which may answer a read with an effect?
    fn is_memory(&self, address: VirtAddr) -> bool {
        let mapping = self.translate(address).and_then(|translation| translation.mapping);
        mapping.is_some_and(|mapping| {
            matches!(
                mapping.attributes.leaf.memory_type,
                MemoryType::NormalNonCacheable
                    | MemoryType::WriteThrough
                    | MemoryType::WriteBack
                    | MemoryType::WriteAllocate
            )
        })
    }
}

impl ReadMemory for Memory {
    fn word(&self, address: VirtAddr) -> Option<u32> {
        if !address.is_aligned(4) || !(self.image.contains(address) || self.is_memory(address)) {
            return None;
        }
        // SAFETY: it is no device's register: the image is memory, and of the rest the tables say so.
        unsafe { probe::read_u32(address) }.ok()
    }
}

/// The live page tables, read through the mapping that holds the image. It is linear, and the tables
/// lie in it: the early ones in the image itself, the kernel's own in lowmem.
struct Tables {
    root: Option<RootBase>,
    /// Physical minus virtual address of the image.
    offset: Option<u64>,
}

impl Tables {
    fn now() -> Self {
        let root = TTBR0.get() & !(RootBase::TABLE_BYTES - 1);
        let virt = image::whole().start();
        let phys = translate_at(virt, Privilege::Privileged, Purpose::Read);
        Self {
            root: RootBase::new(PhysAddr::new(u64::from(root))),
            offset: phys.ok().map(|phys| phys.as_u64().wrapping_sub(virt.as_u32().into())),
        }
    }
}

impl TableRead for Tables {
    fn read(&self, entry: PhysAddr) -> u32 {
        let virt = self.offset.map(|offset| entry.as_u64().wrapping_sub(offset));
        let Some(virt) = virt.and_then(|virt| u32::try_from(virt).ok()).map(VirtAddr::new) else {
            return 0;
        };
        if translate_at(virt, Privilege::Privileged, Purpose::Read) != Ok(entry) {
            return 0;
        }
        // SAFETY: the address leads to what TTBR0, or a table, says is a table: memory.
        unsafe { probe::read_u32(virt) }.unwrap_or(0)
    }
}

/// All code and its unwind tables: the kernel's, and that of modules.
#[derive(Clone, Copy)]
pub struct AllCode<'m>(pub &'m Memory);

impl FindCode for AllCode<'_> {
    fn code_at(&self, address: VirtAddr) -> Option<Code> {
        let kernel = Code { text: image::text(), index: image::unwind_index() };
        kernel.code_at(address).or_else(|| ModuleCode(self.0).code_at(address))
    }
}

/// The image's symbol table, if it was published with one, and the tables of modules.
pub struct Symbols<'m> {
    image: Option<Table<'static>>,
    memory: &'m Memory,
}

impl<'m> Symbols<'m> {
    /// Looks for the table.
    pub fn new(memory: &'m Memory) -> Self {
        let range = image::symbols();
        // SAFETY: the linker script reserved these bytes in `.rodata`, where nobody writes.
        let bytes = unsafe {
            slice::from_raw_parts(range.start().as_u32() as *const u8, range.len() as usize)
        };
        Self { image: Table::new(bytes).ok(), memory }
    }

    /// The kernel's own function around an address.
    pub fn of_image(&self, address: VirtAddr) -> Option<symbols::Name<'static>> {
        Some(self.image?.lookup(address)?.name)
    }

    /// Is there a module's code at an address?
    pub fn is_in_module(&self, address: VirtAddr) -> bool {
        ModuleCode(self.memory).code_at(address).is_some()
    }

    /// A module's function around an address.
    fn of_module(&self, address: VirtAddr) -> Option<Function<Name, loaded::Name>> {
        let module = loaded::find(self.memory, address)?;
        let range = module.functions()?;
        let pages = (range.start().align_down(PAGE_SIZE).as_u32()..range.end().as_u32())
            .step_by(PAGE_SIZE as usize);
        // Each page is probed before it is read without.
        if pages.map(VirtAddr::new).any(|page| self.memory.word(page).is_none()) {
            return None;
        }
        let (start, len) = (range.start().as_u32() as *const u8, range.len() as usize);
        // SAFETY: all of it is mapped, and memory. On this one CPU nobody unmaps or writes it while this runs: `loaded` says
        // why. Whatever the bytes are, the reader ends.
        let table = unsafe { slice::from_raw_parts(start, len) };
        let found = functions::find(table, address)?;
        let name = Name::of_module(found.name);
        Some(Function { name, start: found.start, size: found.size, module: module.name() })
    }
}

impl Names for Symbols<'_> {
    type Name = Name;
    type Module = loaded::Name;

    fn find(&self, address: VirtAddr) -> Option<Function<Name, loaded::Name>> {
        match self.image.and_then(|image| image.lookup(address)) {
            Some(symbols::Symbol { name, start, size, .. }) => {
                Some(Function { name: Name::Image(name), start, size, module: None })
            }
            None => self.of_module(address),
        }
    }
}

/// Bytes of the name of a module's function that are kept: its memory may go.
const KEPT: usize = 96;

/// A function's name.
#[derive(Clone, Copy)]
pub enum Name {
    /// The kernel's own.
    Image(symbols::Name<'static>),
    /// A module's, as far as there is room.
    Module(ArrayString<KEPT>),
}

impl Name {
    fn of_module(name: &str) -> Self {
        let mut kept = ArrayString::new();
        // The rest is left out.
        name.chars().take_while(|c| kept.try_push(*c).is_ok()).for_each(drop);
        Self::Module(kept)
    }

    /// Is it a function of the kernel's below this path?
    pub fn is_in(&self, path: &str) -> bool {
        matches!(self, Self::Image(name) if name.is_in(path))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(name) => name.fmt(f),
            Self::Module(name) => name.fmt(f),
        }
    }
}
