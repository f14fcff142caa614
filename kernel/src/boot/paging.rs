//! The kernel's own page tables: built beside the early ones, checked, and switched to.
//!
//! At the switch both tables map the image, the device tree and the console, to the same memory, with
//! the same type and in the same sizes; only rights are taken away. So no step in between is needed:
//! until the TLB has been flushed, an old entry allows too much, and never leads astray. The pages of
//! the linear map that the new tables were written through would become sections; they are unmapped
//! before.

use core::ptr;

use arch_arm::barrier;
use arch_arm::cache;
use arch_arm::clear::clear;
use arch_arm::cp15::ttbr0::WALK_ATTRIBUTES;
use arch_arm::cp15::{TTBR0, TTBR1};
use arch_arm::mmu::attributes::{Attributes, Domain};
use arch_arm::mmu::descriptor::{RootBase, SECTION_SIZE, TableBase};
use arch_arm::mmu::mapper::{Granule, MapError, Mapper, TableMemory};
use arch_arm::mmu::walk::{TableRead, Walker};
use arch_arm::mmu::wx;
use arch_arm::tlb;
use arch_arm::trap::{kuser, pages, stub_address, vectors};
use board::Machine;
use mm::addr::{PAGE_SIZE, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::boot::layout::{DMA, FDT, FIXMAP, Layout, STUBS, VECTORS};
use mm::map::fixmap::Slot;
use tock_registers::interfaces::Writeable;

use super::LinearMap;
use super::early::EarlyTables;
use super::machine::{Dtb, console_registers};
use super::memory::Memory;
use super::stop_for;
use crate::image;
use crate::stop::halt;

/// The live tables.
#[derive(Clone, Copy)]
pub struct KernelTables {
    pub(super) root: RootBase,
    pub(super) linear: LinearMap,
}

impl KernelTables {
    /// A reader of the live tables.
    pub fn walker(&self) -> Walker<'_, LinearMap> {
        Walker::new(self.root, &self.linear)
    }

    /// The linear map that the tables hold.
    pub fn linear(&self) -> LinearMap {
        self.linear
    }
}

/// The regions that boot leaves empty, and that nobody hands out yet.
pub struct Regions {
    /// Coherent DMA memory.
    pub dma: VirtRange,
    /// The pkmap's slots; `None` without HighMem.
    pub pkmap: Option<VirtRange>,
}

/// Builds the tables of `layout`.
pub fn build(
    memory: &mut Memory,
    layout: &Layout,
    dtb: &Dtb,
    machine: &Machine<'_>,
    early: &mut EarlyTables,
) -> (KernelTables, Regions) {
    let lowmem = PhysRange::new(layout.phys_offset, layout.lowmem_end.pfn_down().start());
    let linear = LinearMap::new(layout.split.page_offset(), lowmem);
    let frames = Frames { memory, linear, early };
    let built = Build::start(frames, linear).and_then(|build| build.all(layout, dtb, machine));
    stop_for(built, "can not build page tables")
}

/// Makes `tables` the live ones, and takes the vectors at their new place. The console stays where it is: in the
/// fixmap, which both tables have.
pub fn switch(tables: &KernelTables, mut early: EarlyTables) {
    let Some(base) = tables.root.address().as_u32() else {
        halt(format_args!("the first-level table lies above 4 GiB"));
    };
    early.end_ioremap();
    // From here to the flush nothing but the image may be touched.
    early.drop_below(FDT.start());
    // SAFETY: 1. the tables map the image, its stack, the device tree and the vectors where they
    // were, to the same memory and with the same type; 2. `drop_below` ends with a barrier, one follows, then the
    // flush: entries of the old tables differ in rights only.
    unsafe {
        TTBR1.writer().set(base | WALK_ATTRIBUTES);
        TTBR0.writer().set(base | WALK_ATTRIBUTES);
    }
    barrier::isb();
    tlb::flush_all();
    cache::sync_instructions(VECTORS);
    // SAFETY: 1. `build` filled both pages and mapped them for good, and the line above synchronised
    // the one that is executed; 2. the image is mapped, and the stacks were installed first of all.
    unsafe { vectors::use_high_vectors() };
}

/// The check at the end of boot: nothing may be writable and executable at once.
pub fn report_wx(tables: &KernelTables) {
    let report = wx::check(&tables.walker(), |row| {
        log::warn!("W+X mapping of {:#x} bytes at {}", row.len_bytes, row.virt);
    });
    log::info!("{report}");
}

/// Frames for tables, mapped by the early tables at their addresses in the linear map.
struct Frames<'b> {
    memory: &'b mut Memory,
    linear: LinearMap,
    early: &'b mut EarlyTables,
}

impl Frames<'_> {
    /// `bytes` of zeroed memory at a multiple of `align`, both whole pages.
    fn alloc(&mut self, bytes: u32, align: u32) -> Result<PhysRange, Failure> {
        let (bytes, align) = (u64::from(bytes), u64::from(align));
        let range = self.memory.memblock.alloc(bytes, align).map_err(Failure::Memory)?;
        let virt = self.linear.phys_to_virt(range.start()).ok_or(Failure::Outside(range))?;
        self.early.map_memory(virt, range).map_err(Failure::Map)?;
        // SAFETY: memblock gave the range, whole pages, to nobody else, and it was mapped just now.
        unsafe { clear(virt.as_u32() as *mut u8, range.len() as usize) };
        Ok(range)
    }
}

/// Why the tables could not be built.
enum Failure {
    /// No frames.
    Memory(mm::boot::memblock::MemblockError),
    /// Frames that the linear map does not hold.
    Outside(PhysRange),
    /// A mapping that was refused.
    Map(MapError),
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Memory(error) => error.fmt(f),
            Self::Outside(range) => write!(f, "{range} lies outside the linear map"),
            Self::Map(error) => error.fmt(f),
        }
    }
}

/// Table words through the linear map, tables from [`Frames`].
struct NewTables<'b> {
    linear: LinearMap,
    frames: Frames<'b>,
    /// What is left of the frame that second-level tables are cut from.
    left: PhysRange,
    /// Why the last table could not be had.
    failure: Option<Failure>,
}

impl TableRead for NewTables<'_> {
    fn read(&self, entry: PhysAddr) -> u32 {
        self.linear.read(entry)
    }
}

impl TableMemory for NewTables<'_> {
    fn write(&mut self, entry: PhysAddr, word: u32) {
        if let Some(virt) = self.linear.phys_to_virt(entry) {
            // SAFETY: the mapper writes only into the first-level table and into tables that
            // `alloc_table` gave it, which lie in frames that are mapped and nobody else's.
            unsafe { ptr::write_volatile(virt.as_u32() as *mut u32, word) };
        }
    }

    fn alloc_table(&mut self) -> Option<TableBase> {
        if self.left.is_empty() {
            match self.frames.alloc(PAGE_SIZE, PAGE_SIZE) {
                Ok(frame) => self.left = frame,
                Err(failure) => {
                    self.failure = Some(failure);
                    return None;
                }
            }
        }
        let table = self.left.start();
        let next = table.saturating_add(u64::from(TableBase::TABLE_BYTES));
        self.left = PhysRange::new(next, self.left.end());
        barrier::dsb_ishst();
        TableBase::new(table)
    }
}

/// Tables in the making.
struct Build<'b> {
    root: RootBase,
    tables: NewTables<'b>,
}

impl<'b> Build<'b> {
    fn start(mut frames: Frames<'b>, linear: LinearMap) -> Result<Self, Failure> {
        let range = frames.alloc(RootBase::TABLE_BYTES, RootBase::TABLE_BYTES)?;
        let root = RootBase::new(range.start()).ok_or(Failure::Outside(range))?;
        let left = PhysRange::default();
        Ok(Self { root, tables: NewTables { linear, frames, left, failure: None } })
    }

    fn all(
        mut self,
        layout: &Layout,
        dtb: &Dtb,
        machine: &Machine<'_>,
    ) -> Result<(KernelTables, Regions), Failure> {
        self.vectors()?;
        self.fdt(dtb)?;
        self.prepare(FIXMAP)?;
        self.prepare(DMA)?;
        let mut below = VirtRange::new(layout.modules().start(), layout.split.page_offset());
        if cfg!(feature = "test-shifted-mapping") {
            // A deliberate fault: the modules begin a MiB too low.
            let lower = VirtAddr::new(below.start().as_u32() - SECTION_SIZE);
            below = VirtRange::new(lower, below.end());
        }
        self.prepare(below)?;
        self.console(machine)?;
        #[cfg(feature = "test-planted-wx")]
        self.plant_wx(layout)?;
        self.lowmem()?;
        let regions = Regions { dma: DMA, pkmap: layout.pkmap() };
        let Self { root, tables: NewTables { linear, .. } } = self;
        Ok((KernelTables { root, linear }, regions))
    }

    fn map(
        &mut self,
        virt: VirtAddr,
        phys: PhysRange,
        attributes: Attributes,
        granule: Granule,
    ) -> Result<(), Failure> {
        let mut mapper = Mapper::new(self.root, &mut self.tables);
        let mapped = mapper.map(virt, phys.start(), phys.len(), attributes, granule);
        mapped.map_err(|error| self.tables.failure.take().unwrap_or(Failure::Map(error)))
    }

    /// Second-level tables for a region whose pages come and go, so that every address space that
    /// copies the kernel's first-level entries has them from the start.
    fn prepare(&mut self, range: VirtRange) -> Result<(), Failure> {
        let mut mapper = Mapper::new(self.root, &mut self.tables);
        let prepared = mapper.prepare_tables(range, Domain::KERNEL);
        prepared.map_err(|error| self.tables.failure.take().unwrap_or(Failure::Map(error)))
    }

    /// The linear map: every block that may be mapped, up to the end of lowmem. Sections where
    /// alignment allows; the image's own pages with the rights of their section. Blocks after the
    /// one that holds the image are mapped like the rest; Linux stops at that one in some cases.
    fn lowmem(&mut self) -> Result<(), Failure> {
        let image = |range: VirtRange, early: &EarlyTables| {
            let start = early.phys_of_image(range.start());
            PhysRange::new(start, start.saturating_add(u64::from(range.len())))
        };
        let early = &*self.tables.frames.early;
        let (report, boot) = (image::report_stack_guard(), image::stack_guard());
        let data = |start, end| (VirtRange::new(start, end), Some(Attributes::KERNEL_DATA));
        // The entry code has run for the last time, so `.init` is memory like the rest. All of the
        // image is in pages, as in the early tables.
        let mut cuts = [
            (image::text(), Some(Attributes::KERNEL_TEXT)),
            (image::rodata(), Some(Attributes::KERNEL_RODATA)),
            data(image::rodata().end(), report.start()),
            (report, None),
            data(report.end(), boot.start()),
            (boot, None),
            data(boot.end(), image::whole().end()),
        ]
        .map(|(range, attributes)| (image(range, early), attributes));
        cuts.sort_unstable_by_key(|(range, _)| range.start().as_u64());
        let mut next_block = PhysAddr::default();
        loop {
            // Looked up anew each time, because building tables reserves memory.
            let blocks = self.tables.frames.memory.memblock.mapped_memory();
            let Some(block) = blocks
                .filter_map(|block| block.intersection(&self.tables.linear.lowmem()))
                .find(|block| block.start() >= next_block)
            else {
                return Ok(());
            };
            next_block = block.end();
            let mut start = block.start();
            for (cut, attributes) in &cuts {
                if let Some(cut) = cut.intersection(&block) {
                    self.map_sections(PhysRange::new(start, cut.start()))?;
                    if let Some(attributes) = *attributes {
                        self.map_lowmem(cut, attributes, Granule::Pages)?;
                    }
                    start = cut.end();
                }
            }
            self.map_sections(PhysRange::new(start, block.end()))?;
        }
    }

    fn map_sections(&mut self, range: PhysRange) -> Result<(), Failure> {
        self.map_lowmem(range, Attributes::KERNEL_DATA, Granule::Sections)
    }

    fn map_lowmem(
        &mut self,
        range: PhysRange,
        attributes: Attributes,
        granule: Granule,
    ) -> Result<(), Failure> {
        let Some(virt) =
            self.tables.linear.phys_to_virt(range.start()).filter(|_| !range.is_empty())
        else {
            return Ok(());
        };
        self.map(virt, range, attributes, granule)
    }

    /// The vector page, which user mode may read and call helpers in, and the stubs page with the
    /// addresses that are not for it.
    fn vectors(&mut self) -> Result<(), Failure> {
        self.page_of(VECTORS, pages::vector_page(kuser::words()), Attributes::VECTORS)?;
        self.page_of(STUBS, pages::stubs_page(stub_address), Attributes::KERNEL_RODATA)
    }

    /// Maps a frame of its own that holds `words` at `region`, a page.
    fn page_of(
        &mut self,
        region: VirtRange,
        words: impl Iterator<Item = u32>,
        attributes: Attributes,
    ) -> Result<(), Failure> {
        let frame = self.tables.frames.alloc(PAGE_SIZE, PAGE_SIZE)?;
        let at = self.tables.linear.phys_to_virt(frame.start()).ok_or(Failure::Outside(frame))?;
        for (index, word) in words.take(pages::PAGE_WORDS).enumerate() {
            // SAFETY: a word of the frame that was allocated and mapped just now.
            unsafe { ptr::write_volatile((at.as_u32() as *mut u32).add(index), word) };
        }
        self.map(region.start(), frame, attributes, Granule::Pages)
    }

    /// The device tree's window, read-only from now on.
    fn fdt(&mut self, dtb: &Dtb) -> Result<(), Failure> {
        let section = u64::from(SECTION_SIZE);
        let sections = PhysRange::new(
            dtb.range.start().align_down(section),
            dtb.range.end().align_up(section),
        );
        self.map(FDT.start(), sections, Attributes::DTB, Granule::Sections)
    }

    /// The console's registers, in the early console's slot: until `ioremap` works.
    fn console(&mut self, machine: &Machine<'_>) -> Result<(), Failure> {
        let Some(registers) = console_registers(machine) else { return Ok(()) };
        let page = registers.start().align_down(u64::from(PAGE_SIZE));
        let page = PhysRange::new(page, page.saturating_add(u64::from(PAGE_SIZE)));
        self.map(Slot::EARLY_CONSOLE.address(), page, Attributes::DEVICE, Granule::Pages)
    }

    /// A deliberate fault: a page of the modules region that is writable and executable.
    #[cfg(feature = "test-planted-wx")]
    fn plant_wx(&mut self, layout: &Layout) -> Result<(), Failure> {
        let frame = self.tables.frames.alloc(PAGE_SIZE, PAGE_SIZE)?;
        self.map(layout.modules().start(), frame, Attributes::KERNEL_RWX, Granule::Pages)
    }
}
