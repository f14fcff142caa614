//! Touches the pages at the edges of every region, and compares with what the layout predicts.
//!
//! What is expected comes from the layout that was decided and from what boot put where
//! ([`mm::boot::edges`]); what is seen comes from the MMU, by loads and stores that may fault. The
//! page tables are not asked.

use arch_arm::interrupt;
use arch_arm::mmu::descriptor::SECTION_SIZE;
use arch_arm::probe;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use mm::addr::{PAGE_SIZE, PhysRange, VirtAddr, VirtRange};
use mm::boot::edges::{Access, Contents, Edge, edges, expected};
use mm::boot::layout::{DMA, FDT};
use mm::map::{MemoryType, Mmu, Prot};

use crate::dma;
use crate::image;
use crate::modules::registry::Module;
use crate::monitor::Kernel;

/// An edge that was touched.
pub struct Touched {
    /// Which page.
    pub edge: Edge,
    /// What the layout predicts.
    pub expected: Access,
    /// What happened.
    pub seen: Access,
}

/// Touches every edge, in the order of the region table.
pub fn touch_all(kernel: &Kernel, visit: &mut dyn FnMut(Touched)) {
    let memblock = &kernel.memory.memblock;
    let lowmem = kernel.tables.linear().lowmem();
    let guard = kernel.tables.linear().phys(image::stack_guard()).unwrap_or_default();
    let out = dma::get().map(|dma| dma.figures().sections).unwrap_or_default();
    let ram = |page: PhysRange| {
        let mut blocks = memblock.mapped_memory();
        lowmem.contains_range(&page)
            && !guard.overlaps(&page)
            && !out.iter().any(|section| section.memory.overlaps(&page))
            && blocks.any(|block| block.contains_range(&page))
    };
    let is_device =
        |prot: Prot| matches!(prot.memory, MemoryType::Device | MemoryType::StronglyOrdered);
    let devices = |page: VirtAddr| {
        kernel.maps.lookup(page).and_then(|mapped| mapped.prot).is_some_and(is_device)
    };
    let uncached = |page: VirtAddr| DMA.contains(page) && kernel.maps.lookup(page).is_some();
    let modules = |page: VirtAddr| {
        let parts =
            kernel.modules.iter().map(Module::parts).find(|parts| parts.whole().contains(page))?;
        Some(if parts.data.contains(page) { Access::ReadWrite } else { Access::ReadOnly })
    };
    let contents = Contents {
        uncached: &|page| devices(page) || uncached(page),
        modules: &modules,
        dtb: dtb_mapping(kernel),
        read_only: VirtRange::new(image::text().start(), image::rodata().end()),
        ram: &ram,
    };
    for edge in edges(&kernel.layout) {
        let expected = expected(&kernel.layout, &contents, edge.page);
        visit(Touched { edge, expected, seen: touch(edge.page, devices(edge.page)) });
    }
}

/// The device tree is mapped by sections, from the one that it starts in.
fn dtb_mapping(kernel: &Kernel) -> VirtRange {
    let dtb = kernel.memory.loaded.dtb;
    let section = u64::from(SECTION_SIZE);
    let (start, end) = (dtb.start().align_down(section), dtb.end().align_up(section));
    let bytes = (end.as_u64() - start.as_u64()) as u32;
    VirtRange::new(FDT.start(), VirtAddr::new(FDT.start().as_u32() + bytes))
}

/// Reads and writes the first and last word of a page.
fn touch(page: VirtAddr, is_device: bool) -> Access {
    let words = [page.as_u32(), page.as_u32() + PAGE_SIZE - 4].map(VirtAddr::new);
    let [first, last] = words.map(|word| touch_word(word, is_device));
    if first == last { first } else { Access::None }
}

fn touch_word(word: VirtAddr, is_device: bool) -> Access {
    if is_device {
        // A device answers to reads and writes by doing things, so only the MMU is asked.
        return ask_mmu(word);
    }
    // What is read is written back at once; no interrupt handler may write in between.
    let _masked = interrupt::mask();
    // SAFETY: no device is there, so reading does nothing; where the word can be written, it is
    // written with what it held, and nobody else runs meanwhile.
    unsafe {
        match probe::read_u32(word) {
            Err(_) => Access::None,
            Ok(value) => match probe::write_u32(word, value) {
                Err(_) => Access::ReadOnly,
                Ok(()) => Access::ReadWrite,
            },
        }
    }
}

fn ask_mmu(word: VirtAddr) -> Access {
    let allows = |purpose| translate_at(word, Privilege::Privileged, purpose).is_ok();
    match (allows(Purpose::Read), allows(Purpose::Write)) {
        (false, _) => Access::None,
        (true, false) => Access::ReadOnly,
        (true, true) => Access::ReadWrite,
    }
}
