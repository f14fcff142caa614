//! The early page tables, which the entry code built around the image, and what boot adds to them:
//! the device tree, the console, single pages of the linear map.
//!
//! They live until the kernel's own tables are complete. Every table of theirs lies in the image,
//! so they can be read and written wherever the image runs.

use core::fmt;
use core::ptr;

use arch_arm::barrier;
use arch_arm::cp15::TTBR0;
use arch_arm::entry::BootRegisters;
use arch_arm::mmu::attributes::Attributes;
use arch_arm::mmu::descriptor::{RootBase, SECTION_SIZE, TableBase};
use arch_arm::mmu::mapper::{Granule, MapError, Mapper, TableMemory};
use arch_arm::mmu::walk::{TableRead, Walker};
use arch_arm::tlb;
use mm::addr::{PAGE_SIZE, PHYS_LIMIT_32, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::boot::layout::FDT;
use mm::map::early::{EarlyError, EarlyWindow, EarlyWindows};
use mm::map::fixmap::Slot;
use tock_registers::interfaces::Readable;

use crate::image;
use crate::stop::halt;

/// The tables under the image's `__early_l1`.
pub struct EarlyTables {
    root: RootBase,
    memory: ImageMemory,
    windows: EarlyWindows,
    /// Where the fallback console is, which is wanted until these tables are given up.
    fallback: Option<VirtAddr>,
}

/// Why early ioremap has mapped nothing.
#[derive(Debug)]
pub enum EarlyMapError {
    /// There is no window.
    Window(EarlyError),
    /// The tables can not hold it.
    Map(MapError),
}

impl fmt::Display for EarlyMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
        }
    }
}

impl EarlyTables {
    /// Takes over the tables that the entry code left, without the identity page that the MMU was
    /// turned on with: its address may be wanted for something else now.
    pub fn adopt(registers: &BootRegisters) -> Self {
        let memory = ImageMemory { image: registers.image_start(), next_table: None };
        // Where the entry code put the table depends on where the image runs.
        let base = TTBR0.get() & !(RootBase::TABLE_BYTES - 1);
        let Some(root) = RootBase::new(PhysAddr::new(u64::from(base))) else {
            halt(format_args!("TTBR0 holds {base:#010x}"));
        };
        let mut tables = Self { root, memory, windows: EarlyWindows::new(), fallback: None };
        tables.drop_below(VirtAddr::new(u32::MAX));
        let highest = Walker::new(root, &tables.memory)
            .tables()
            .map(|slot| slot.table.address())
            .max()
            .unwrap_or(tables.memory.phys(image::early_l2_pool().start()));
        tables.memory.next_table =
            highest.checked_add(u64::from(TableBase::TABLE_BYTES)).and_then(TableBase::new);
        tables
    }

    /// Unmaps everything below `end` but the image: single pages all of them. Nothing may use them
    /// any more.
    pub fn drop_below(&mut self, end: VirtAddr) {
        let whole = image::whole();
        let mut next = VirtAddr::new(0);
        loop {
            let walker = Walker::new(self.root, &self.memory);
            let mut above = walker.mappings_in(VirtRange::new(next, end));
            let other = above.find(|mapping| !whole.contains(mapping.virt));
            let Some(virt) = other.map(|mapping| mapping.virt) else { break };
            next = virt;
            self.drop_page(virt);
        }
        barrier::dsb_ishst();
        tlb::flush_all();
    }

    /// Unmaps the page at `virt`. The TLB still has it.
    fn drop_page(&mut self, virt: VirtAddr) {
        let step = Walker::new(self.root, &self.memory).translate(virt);
        let entry = step.second.map_or(step.first.entry, |second| second.entry);
        self.memory.write(entry, 0);
    }

    /// Where `virt`, an address in the image, lies physically.
    pub fn phys_of_image(&self, virt: VirtAddr) -> PhysAddr {
        self.memory.phys(virt)
    }

    /// Maps the bytes of the device tree at `dtb`, as many of `len` as the window holds, and
    /// returns where they are. May be called again for more of the same tree.
    pub fn map_fdt(&mut self, dtb: PhysAddr, len: u32) -> Result<VirtAddr, MapError> {
        let end = dtb.saturating_add(u64::from(len));
        if end > PHYS_LIMIT_32 {
            return Err(MapError::PhysTooHigh { phys: dtb, len_bytes: u64::from(len) });
        }
        let section = u64::from(SECTION_SIZE);
        let base = dtb.align_down(section);
        let offset = (dtb.as_u64() - base.as_u64()) as u32;
        let window = base.saturating_add(u64::from(FDT.len()));
        let end = end.align_up(section).min(window);
        let mut phys = base;
        while phys < end {
            let virt = VirtAddr::new(FDT.start().as_u32() + (phys.as_u64() - base.as_u64()) as u32);
            if Walker::new(self.root, &self.memory).translate(virt).mapping.is_none() {
                self.map(virt, phys, section, Attributes::KERNEL_DATA, Granule::Sections)?;
            }
            phys = phys.saturating_add(section);
        }
        Ok(VirtAddr::new(FDT.start().as_u32() + offset))
    }

    /// Maps the page of device registers that holds `registers` in fixmap slot `slot`, which nothing is mapped in, for
    /// as long as these tables live. Linux's `set_fixmap_io`.
    pub fn set_fixmap(&mut self, slot: Slot, registers: PhysAddr) -> Result<VirtAddr, MapError> {
        let page = registers.align_down(u64::from(PAGE_SIZE));
        let offset = (registers.as_u64() - page.as_u64()) as u32;
        let virt = slot.address();
        self.map(virt, page, u64::from(PAGE_SIZE), Attributes::DEVICE, Granule::Pages)?;
        Ok(VirtAddr::new(virt.as_u32() + offset))
    }

    /// Maps `bytes` bytes of device registers from `registers` on in a window, until [`iounmap`](Self::iounmap).
    pub fn ioremap(&mut self, registers: PhysAddr, bytes: u32) -> Result<VirtAddr, EarlyMapError> {
        let window = self.windows.ioremap(registers, bytes).map_err(EarlyMapError::Window)?;
        let (virt, phys) = (window.pages.start(), window.phys);
        match self.map(virt, phys.start(), phys.len(), Attributes::DEVICE, Granule::Pages) {
            Ok(()) => Ok(window.virt),
            Err(error) => {
                // What was mapped of it goes with the window.
                self.iounmap(window.virt);
                Err(EarlyMapError::Map(error))
            }
        }
    }

    /// Unmaps what [`ioremap`](Self::ioremap) mapped at `virt`. Nothing may use it any more.
    pub fn iounmap(&mut self, virt: VirtAddr) {
        match self.windows.iounmap(virt) {
            Ok(window) => self.drop_window(&window),
            Err(error) => log::warn!("{error}"),
        }
    }

    /// As [`ioremap`](Self::ioremap), until [`end_ioremap`](Self::end_ioremap): of the console that reports what goes
    /// wrong before there is another one.
    #[cfg(feature = "fallback-console")]
    pub fn ioremap_fallback(&mut self, registers: PhysRange) -> Result<VirtAddr, EarlyMapError> {
        let virt = self.ioremap(registers.start(), registers.len() as u32)?;
        self.fallback = Some(virt);
        Ok(virt)
    }

    /// Early ioremap ends: unmaps and names what somebody has forgotten.
    pub fn end_ioremap(&mut self) {
        if let Some(virt) = self.fallback.take() {
            self.iounmap(virt);
        }
        for window in self.windows.end() {
            log::warn!("early ioremap: {window} was never unmapped");
            self.drop_window(&window);
        }
    }

    fn drop_window(&mut self, window: &EarlyWindow) {
        for start in
            (window.pages.start().as_u32()..window.pages.end().as_u32()).step_by(PAGE_SIZE as usize)
        {
            self.drop_page(VirtAddr::new(start));
        }
        barrier::dsb_ishst();
        tlb::flush_all();
    }

    /// Does the page at `page` keep what is written to it? Uses a window for a moment. Looks at
    /// the page's last word, where devices have their identity, which a write does not change, and
    /// puts back what was there.
    ///
    /// # Safety
    ///
    /// 1. Nothing that this CPU runs, and no reference, lies in the page, and no other CPU or device
    ///    uses it.
    /// 2. No cache holds a changed line of the page, which could be written out in between.
    pub unsafe fn is_memory(&mut self, page: PhysAddr) -> Result<bool, EarlyMapError> {
        let last_word = u64::from(PAGE_SIZE - 4);
        // As a device, so that no cache answers in memory's stead.
        let virt = self.ioremap(page.saturating_add(last_word), 4)?;
        let word = virt.as_u32() as *mut u32;
        // SAFETY: an aligned word, mapped just now, that nothing else looks at (duty 1) and no
        // cache interferes with (duty 2). An abort is reported.
        let keeps = unsafe {
            let before = ptr::read_volatile(word);
            ptr::write_volatile(word, !before);
            let after = ptr::read_volatile(word);
            ptr::write_volatile(word, before);
            after == !before
        };
        self.iounmap(virt);
        Ok(keeps)
    }

    /// Maps whole pages of RAM at `virt`, writable.
    pub fn map_memory(&mut self, virt: VirtAddr, range: PhysRange) -> Result<(), MapError> {
        self.map(virt, range.start(), range.len(), Attributes::KERNEL_DATA, Granule::Pages)
    }

    /// Maps the page at `page` at its physical address with all rights, for code that turns the
    /// MMU off. Such a mapping never lives for long.
    pub fn map_identity(&mut self, page: PhysAddr) -> Result<(), MapError> {
        let virt = VirtAddr::new(page.as_u64() as u32);
        self.map(virt, page, u64::from(PAGE_SIZE), Attributes::KERNEL_RWX, Granule::Pages)
    }

    fn map(
        &mut self,
        virt: VirtAddr,
        phys: PhysAddr,
        len_bytes: u64,
        attributes: Attributes,
        granule: Granule,
    ) -> Result<(), MapError> {
        let mut mapper = Mapper::new(self.root, &mut self.memory);
        mapper.map(virt, phys, len_bytes, attributes, granule)?;
        barrier::dsb_ishst();
        barrier::isb();
        Ok(())
    }
}

/// The image's own memory, by physical address.
struct ImageMemory {
    /// Where the image starts.
    image: PhysAddr,
    /// The first table of the pool that is free.
    next_table: Option<TableBase>,
}

impl ImageMemory {
    fn phys(&self, virt: VirtAddr) -> PhysAddr {
        self.image.saturating_add(u64::from(virt.as_u32() - image::whole().start().as_u32()))
    }

    /// The word at `entry`; `None` outside the image.
    fn word(&self, entry: PhysAddr) -> Option<*mut u32> {
        let offset = entry.as_u64().checked_sub(self.image.as_u64())?;
        let whole = image::whole();
        (offset < u64::from(whole.len()) && entry.is_aligned(4))
            .then(|| (whole.start().as_u32() + offset as u32) as *mut u32)
    }
}

impl TableRead for ImageMemory {
    fn read(&self, entry: PhysAddr) -> u32 {
        // SAFETY: an aligned word of the image, which is mapped; tables there are written through
        // `write` only, on this CPU.
        self.word(entry).map_or(0, |word| unsafe { ptr::read_volatile(word) })
    }
}

impl TableMemory for ImageMemory {
    fn write(&mut self, entry: PhysAddr, value: u32) {
        if let Some(word) = self.word(entry) {
            // SAFETY: as in `read`; the mapper writes only into the first-level table and into
            // tables of the pool, which nothing else uses.
            unsafe { ptr::write_volatile(word, value) };
        }
    }

    fn alloc_table(&mut self) -> Option<TableBase> {
        let table = self.next_table?;
        let pool_end = self.phys(image::early_l2_pool().end());
        if table.address() >= pool_end {
            return None;
        }
        // The pool was zeroed with `.bss`, before the MMU was on.
        self.next_table =
            table.address().checked_add(u64::from(TableBase::TABLE_BYTES)).and_then(TableBase::new);
        Some(table)
    }
}
