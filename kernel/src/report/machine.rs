//! What a report asks the machine, in ways that can not fault: memory by probes, page tables from
//! TTBR0 on, names from the image's symbol table.
//!
//! Invariant: nothing here relies on anything but the image being mapped where it is linked. A report
//! may come before there is a linear map, or after somebody has written all over it.

use core::slice;

use arch_arm::cp15::TTBR0;
use arch_arm::mmu::attributes::MemoryType;
use arch_arm::mmu::descriptor::RootBase;
use arch_arm::mmu::walk::{TableRead, Translation, Walker};
use arch_arm::probe;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use arch_arm::trap::report::Names;
use arch_arm::trap::unwind::{Code, ReadMemory};
use mm::addr::{PhysAddr, VirtAddr, VirtRange};
use symbols::{Name, Table};
use tock_registers::interfaces::Readable;

use crate::image;

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

/// Where the kernel's code and its unwind tables are.
pub fn code() -> Code {
    Code { text: image::text(), index: image::unwind_index() }
}

/// The image's symbol table, if it was published with one.
pub struct Symbols(Option<Table<'static>>);

impl Symbols {
    /// Looks for the table.
    pub fn of_image() -> Self {
        let range = image::symbols();
        // SAFETY: the linker script reserved these bytes in `.rodata`, where nobody writes.
        let bytes = unsafe {
            slice::from_raw_parts(range.start().as_u32() as *const u8, range.len() as usize)
        };
        Self(Table::new(bytes).ok())
    }
}

impl Names for Symbols {
    type Name = Name<'static>;

    fn find(&self, address: VirtAddr) -> Option<(Name<'static>, VirtAddr, u32)> {
        let found = self.0?.lookup(address)?;
        Some((found.name, found.start, found.size))
    }
}
