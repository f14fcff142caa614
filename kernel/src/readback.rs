//! What the layout *is*, read back from the live page tables, the allocators' own ranges and the
//! zones; never from what was planned.
//!
//! | region | from |
//! |---|---|
//! | vectors, stubs | their mappings |
//! | lowmem | its mappings, and the sections that DMA memory has taken out; memblock's limit where it ends inside the page after the last |
//! | fixmap, DMA, modules, pkmap | their second-level tables, and the allocator of the neighbour |
//! | vmalloc | its allocator |
//! | fdt | what vmalloc and DMA leave between them, if the tree is mapped at its start |
//! | `PAGE_OFFSET`, `PHYS_OFFSET` | where the image is linked, and where its mapping leads |
//!
//! A second-level table covers a MiB, so it can not tell where in its MiB a region ends: the ends of
//! the fixmap, and the border between modules and pkmap, are their owners' word, which the tables
//! only confirm.

use arch_arm::mmu::walk::Walker;
use arrayvec::ArrayVec;
use mm::addr::{PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::boot::layout::{FIXMAP, RegionKind, STUBS, VECTORS};
use mm::boot::relocate::IMAGE_OFFSET;
use mm::report::layout::{Observed, ObservedZone};
use mm::zone::ZoneSpan;

use crate::boot::LinearMap;
use crate::dma;
use crate::image;
use crate::monitor::Kernel;

/// Reads the layout back.
pub fn observe(kernel: &Kernel) -> Observed {
    let walker = kernel.tables.walker();
    let regions = &kernel.regions;
    let link = image::whole().start();
    let page_offset = VirtAddr::new(link.as_u32() - IMAGE_OFFSET as u32);
    let image_phys = walker.translate(link).phys().unwrap_or_default();
    let phys_offset = PhysAddr::new(image_phys.as_u64().saturating_sub(IMAGE_OFFSET));

    let vmalloc = kernel.vmalloc.region();
    let mapped = |range| walker.mapped_extent(range).unwrap_or_default();
    let tables = |range| walker.table_extent(range).unwrap_or_default();
    let linear_end = mapped(VirtRange::new(page_offset, vmalloc.start())).end();
    let linear_end = linear_end.max(taken_out(kernel));
    let high_memory = exact_end(kernel, page_offset, phys_offset, linear_end);
    let lowmem_bytes = u64::from(high_memory.as_u32().saturating_sub(page_offset.as_u32()));

    let below = tables(VirtRange::new(VirtAddr::new(0), page_offset));
    let pkmap = regions.pkmap.map(|pkmap| VirtRange::new(pkmap.start(), below.end()));
    let modules_end = pkmap.map_or(below.end(), |pkmap| pkmap.start());

    let mut seen = ArrayVec::new();
    seen.push((RegionKind::Vector, mapped(VECTORS)));
    seen.push((RegionKind::Stubs, mapped(STUBS)));
    seen.push((RegionKind::Fixmap, tables(FIXMAP)));
    seen.push((RegionKind::Dma, tables(regions.dma)));
    seen.push((RegionKind::Fdt, fdt(&walker, vmalloc.end(), regions.dma.start())));
    seen.push((RegionKind::Vmalloc, vmalloc));
    seen.push((RegionKind::Lowmem, VirtRange::new(page_offset, high_memory)));
    seen.extend(pkmap.map(|range| (RegionKind::Pkmap, range)));
    seen.push((RegionKind::Modules, VirtRange::new(below.start(), modules_end)));
    seen.push((RegionKind::User, VirtRange::new(VirtAddr::new(0), below.start())));

    Observed {
        page_offset,
        phys_offset,
        lowmem_end: phys_offset.saturating_add(lowmem_bytes),
        regions: seen,
        sections: image::sections().into(),
        zones: kernel.pages.zones().each_ref().map(|zone| ObservedZone {
            span: ZoneSpan { kind: zone.kind(), range: zone.span(), present: zone.present() },
            managed: Some(zone.managed()),
        }),
    }
}

/// The end of what was taken out of the linear map for DMA memory, and comes back. 0 of nothing.
fn taken_out(kernel: &Kernel) -> VirtAddr {
    let sections = dma::get().map(|dma| dma.figures().sections).unwrap_or_default();
    let Some(last) = sections.iter().map(|section| section.memory).max_by_key(PhysRange::end)
    else {
        return VirtAddr::new(0);
    };
    let virt = kernel.tables.linear().phys_to_virt(last.start()).unwrap_or_default();
    // The linear map ends below 4 GiB.
    VirtAddr::new(virt.as_u32() + last.len() as u32)
}

/// The end of the linear map to the byte. An odd `vmalloc=` ends lowmem inside a page, which is not
/// mapped; memblock's limit knows where. It counts only if the tables agree with it up to that page.
fn exact_end(
    kernel: &Kernel,
    page_offset: VirtAddr,
    phys_offset: PhysAddr,
    linear_end: VirtAddr,
) -> VirtAddr {
    let limit = kernel.memory.memblock.current_limit();
    let virt = |phys: PhysAddr| {
        let offset = phys.as_u64().saturating_sub(phys_offset.as_u64()) as u32;
        page_offset.checked_add(offset)
    };
    match virt(limit) {
        Some(end) if virt(limit.pfn_down().start()) == Some(linear_end) => end,
        _ => linear_end,
    }
}

/// The window between its neighbours, if the tree is mapped from its start; else what is mapped.
fn fdt(walker: &Walker<'_, LinearMap>, start: VirtAddr, end: VirtAddr) -> VirtRange {
    let window = VirtRange::new(start, end);
    match walker.mapped_extent(window) {
        Some(mapped) if mapped.start() == start => window,
        other => other.unwrap_or_default(),
    }
}
