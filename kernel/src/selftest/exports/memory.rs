//! Pages, areas, frames of HighMem, device memory and DMA, as C has them.

use core::ffi::c_void;
use core::ptr;

use mm::addr::PAGE_SIZE;
use mm::zone::ZoneKind;

use super::super::Checks;
use super::{GFP_KERNEL, GFP_ZERO, functions, holds, is_filled, virt};
use crate::monitor::Kernel;
use crate::{dma, report};

const PAGE: usize = PAGE_SIZE as usize;
const ENOMEM: i32 = 12;
const EIO: i32 = 5;
/// `__GFP_HIGHMEM`.
const HIGHMEM: u32 = 0x2;

/// `struct page *`.
type Page = *mut c_void;

functions! {
    /// `<linux/gfp.h>`, `<linux/mm.h>`, `<asm/memory.h>`.
    Pages {
        __get_free_pages: fn(u32, u32) -> usize;
        get_zeroed_page: fn(u32) -> usize;
        free_pages: fn(usize, u32);
        alloc_pages: fn(u32, u32) -> Page;
        __free_pages: fn(Page, u32);
        page_address: fn(Page) -> *mut u8;
        page_to_pfn: fn(Page) -> usize;
        pfn_to_page: fn(usize) -> Page;
        virt_to_page: fn(*const u8) -> Page;
        page_to_phys: fn(Page) -> u32;
        virt_to_phys: fn(*const u8) -> u32;
        phys_to_virt: fn(u32) -> *mut u8;
        totalram_pages: fn() -> usize;
        clear_page: fn(*mut u8);
        copy_page: fn(*mut u8, *const u8);
    }
}

functions! {
    /// `<linux/vmalloc.h>`.
    Areas {
        vmalloc: fn(usize) -> *mut u8;
        vzalloc: fn(usize) -> *mut u8;
        vfree: fn(*const u8);
        vmap: fn(*mut Page, u32, usize, u32) -> *mut u8;
        vunmap: fn(*const u8);
        vmalloc_to_page: fn(*const u8) -> Page;
        vmalloc_to_pfn: fn(*const u8) -> usize;
        is_vmalloc_addr: fn(*const u8) -> bool;
    }
}

functions! {
    /// `<linux/highmem.h>`.
    Frames {
        kmap: fn(Page) -> *mut u8;
        kunmap: fn(Page);
        kmap_local_page: fn(Page) -> *mut u8;
        kunmap_local: fn(*const u8);
        kmap_atomic: fn(Page) -> *mut u8;
        kunmap_atomic: fn(*const u8);
    }
}

functions! {
    /// `<linux/io.h>`.
    Registers {
        ioremap: fn(u32, usize) -> *mut u8;
        ioremap_wc: fn(u32, usize) -> *mut u8;
        ioremap_cache: fn(u32, usize) -> *mut u8;
        iounmap: fn(*mut u8);
    }
}

/// `struct device *`.
const DEVICE: *mut c_void = ptr::null_mut();

functions! {
    /// `<linux/dma-mapping.h>`.
    Dma {
        dma_alloc_coherent: fn(*mut c_void, usize, *mut u32, u32) -> *mut u8;
        dma_free_coherent: fn(*mut c_void, usize, *mut u8, u32);
        dma_map_single: fn(*mut c_void, *mut u8, usize, u32) -> u32;
        dma_unmap_single: fn(*mut c_void, u32, usize, u32);
        dma_sync_single_for_cpu: fn(*mut c_void, u32, usize, u32);
        dma_sync_single_for_device: fn(*mut c_void, u32, usize, u32);
        dma_mapping_error: fn(*mut c_void, u32) -> i32;
        dma_set_mask: fn(*mut c_void, u64) -> i32;
    }
}

pub fn run(kernel: &Kernel, checks: &mut Checks) {
    let (pages, areas, frames) = (Pages::find(checks), Areas::find(checks), Frames::find(checks));
    let (Some(pages), Some(areas), Some(frames)) = (pages, areas, frames) else { return };
    blocks(kernel, &pages, checks);
    of_vmalloc(kernel, &pages, &areas, checks);
    mapped_frames(kernel, &pages, &frames, checks);
    if let Some(registers) = Registers::find(checks) {
        device_memory(kernel, &registers, checks);
    }
    if let Some(dma) = Dma::find(checks) {
        dma_memory(&pages, &dma, checks);
    }
}

fn blocks(kernel: &Kernel, c: &Pages, checks: &mut Checks) {
    // SAFETY: blocks are used within their size, and given back once.
    unsafe {
        for order in [0, 1, 3] {
            let bytes = PAGE_SIZE << order;
            let at = (c.__get_free_pages)(GFP_KERNEL, order);
            checks.that(
                at != 0 && at.is_multiple_of(bytes as usize),
                format_args!("{at:#x}, order {order}"),
            );
            if at != 0 {
                let memory = at as *mut u8;
                checks.that(holds(memory, bytes), format_args!("{at:#x}, order {order}"));
                names(c, memory, checks);
            }
            (c.free_pages)(at, order);
        }
        (c.free_pages)(0, 0);
        let dirty = (c.__get_free_pages)(GFP_KERNEL, 0);
        let zeroed = (c.get_zeroed_page)(GFP_KERNEL);
        checks.that(dirty != 0 && zeroed != 0, format_args!("two pages"));
        if dirty != 0 && zeroed != 0 {
            let (dirty, zeroed) = (dirty as *mut u8, zeroed as *mut u8);
            checks.that(is_filled(zeroed, PAGE_SIZE, 0), format_args!("get_zeroed_page"));
            dirty.write_bytes(0xdb, PAGE);
            (c.copy_page)(zeroed, dirty);
            checks.that(is_filled(zeroed, PAGE_SIZE, 0xdb), format_args!("copy_page"));
            (c.clear_page)(dirty);
            checks.that(is_filled(dirty, PAGE_SIZE, 0), format_args!("clear_page"));
        }
        [dirty, zeroed].iter().for_each(|page| (c.free_pages)(*page, 0));
        checks.equal((c.__get_free_pages)(GFP_KERNEL, 11), 0, format_args!("order 11"));
        checks.equal((c.__get_free_pages)(GFP_KERNEL, 0x100), 0, format_args!("order 256"));
        let high = (c.__get_free_pages)(GFP_KERNEL | HIGHMEM, 0);
        checks.equal(high, 0, format_args!("an address of HighMem"));
        let block = (c.alloc_pages)(GFP_KERNEL | GFP_ZERO, 2);
        checks.that(!block.is_null(), format_args!("alloc_pages of order 2"));
        if !block.is_null() {
            let memory = (c.page_address)(block);
            checks
                .that(is_filled(memory, 4 * PAGE_SIZE, 0), format_args!("alloc_pages of order 2"));
            names(c, memory, checks);
            let (pfn, last) = ((c.page_to_pfn)(block), (c.pfn_to_page)((c.page_to_pfn)(block) + 3));
            checks.equal(last as usize, block as usize + 48, format_args!("the fourth descriptor"));
            checks.equal((c.page_to_pfn)(last), pfn + 3, format_args!("its frame"));
            (c.__free_pages)(block, 2);
        }
        // What is no descriptor: said, and nothing.
        let frames = kernel.pages.frames().range();
        let end = (c.pfn_to_page)(frames.start().as_u32() as usize);
        let beyond = end.wrapping_byte_add(16 * frames.len() as usize);
        for wrong in [ptr::null_mut(), end.wrapping_byte_add(4), end.wrapping_byte_sub(16), beyond]
        {
            checks.equal((c.page_to_pfn)(wrong), u32::MAX as usize, format_args!("{wrong:p}"));
            checks.that((c.page_address)(wrong).is_null(), format_args!("page_address({wrong:p})"));
            (c.__free_pages)(wrong, 0);
        }
        let below = frames.start().as_u32().wrapping_sub(1) as usize;
        for pfn in [below, frames.end().as_u32() as usize] {
            checks.that((c.pfn_to_page)(pfn).is_null(), format_args!("pfn_to_page({pfn:#x})"));
        }
        let nowhere = 0x10 as *const u8;
        checks.that((c.virt_to_page)(nowhere).is_null(), format_args!("virt_to_page({nowhere:p})"));
        checks.equal(
            (c.virt_to_phys)(nowhere),
            u32::MAX,
            format_args!("virt_to_phys({nowhere:p})"),
        );
        let managed = kernel.pages.figures().managed();
        checks.equal((c.totalram_pages)() as u64, managed, format_args!("totalram_pages"));
    }
}

/// All names of a page of lowmem lead to each other.
///
/// # Safety
///
/// 1. The page is the caller's.
unsafe fn names(c: &Pages, memory: *mut u8, checks: &mut Checks) {
    // SAFETY: none of them looks at the memory.
    unsafe {
        let page = (c.virt_to_page)(memory);
        let phys = (c.virt_to_phys)(memory);
        checks.equal((c.page_address)(page), memory, format_args!("page_address of {memory:p}"));
        checks.equal((c.page_to_phys)(page), phys, format_args!("page_to_phys of {memory:p}"));
        checks.equal((c.phys_to_virt)(phys), memory, format_args!("phys_to_virt of {memory:p}"));
        let pfn = (c.page_to_pfn)(page);
        checks.equal(pfn, phys as usize / PAGE, format_args!("page_to_pfn of {memory:p}"));
        checks.equal((c.pfn_to_page)(pfn), page, format_args!("pfn_to_page of {memory:p}"));
    }
}

fn of_vmalloc(kernel: &Kernel, pages: &Pages, c: &Areas, checks: &mut Checks) {
    const BYTES: usize = 5 * PAGE + 100;
    // SAFETY: areas are used within their size, and given back once.
    unsafe {
        let area = (c.vmalloc)(BYTES);
        checks.that(!area.is_null(), format_args!("vmalloc"));
        if area.is_null() {
            return;
        }
        checks.that(holds(area, BYTES as u32), format_args!("vmalloc at {area:p}"));
        checks.that((c.is_vmalloc_addr)(area), format_args!("is_vmalloc_addr({area:p})"));
        let (page, pfn) = ((c.vmalloc_to_page)(area), (c.vmalloc_to_pfn)(area));
        checks.equal((pages.page_to_pfn)(page), pfn, format_args!("vmalloc_to_page"));
        asked_here(kernel, area, checks);
        (c.vfree)(area);
        let zeroed = (c.vzalloc)(BYTES);
        let is_zero = !zeroed.is_null() && is_filled(zeroed, BYTES as u32, 0);
        checks.that(is_zero, format_args!("vzalloc"));
        (c.vfree)(zeroed);
        (c.vfree)(ptr::null());
        checks.that((c.vmalloc)(0).is_null(), format_args!("vmalloc(0)"));
        let mut two = [(); 2].map(|()| (pages.alloc_pages)(GFP_KERNEL, 0));
        let first = (pages.page_address)(two[0]);
        checks.that(!(c.is_vmalloc_addr)(first), format_args!("is_vmalloc_addr({first:p})"));
        // PAGE_KERNEL, the same read-only, and what can not be: executable, not cached, no number at all.
        for (prot, can_be) in [(0, true), (0x10, true), (0x20, false), (1, false), (0x30, false)] {
            let both = (c.vmap)(two.as_mut_ptr(), 2, 4, prot);
            checks.equal(!both.is_null(), can_be, format_args!("vmap as {prot:#x}"));
            if both.is_null() {
                continue;
            }
            asked_here(kernel, both, checks);
            for (number, page) in two.iter().enumerate() {
                let word = both.byte_add(number * PAGE).cast::<u32>();
                (pages.page_address)(*page).cast::<u32>().write_volatile(0x1234_5670 + prot);
                checks.equal(word.read_volatile(), 0x1234_5670 + prot, format_args!("{word:p}"));
            }
            (c.vunmap)(both);
        }
        let mut wrong = [two[0], 8 as Page];
        checks
            .that((c.vmap)(wrong.as_mut_ptr(), 2, 4, 0).is_null(), format_args!("vmap of no page"));
        (c.vunmap)(ptr::null());
        two.iter().for_each(|page| (pages.__free_pages)(*page, 0));
    }
}

/// An area is named by who asked: this suite, not the function that it called.
fn asked_here(kernel: &Kernel, area: *const u8, checks: &mut Checks) {
    if report::call_site() == 0 {
        return;
    }
    let info = kernel.vmalloc.area_at(virt(area));
    let caller = info.and_then(|info| report::function_at(mm::addr::VirtAddr::new(info.caller)));
    let is_suite = caller.is_some_and(|name| name.is_in(super::super::MODULE));
    checks.that(is_suite, format_args!("{area:p}: who asked is {info:?}"));
}

fn mapped_frames(kernel: &Kernel, pages: &Pages, c: &Frames, checks: &mut Checks) {
    let has_highmem = kernel.pages.zone(ZoneKind::HighMem).managed() > 0;
    for flags in [GFP_KERNEL, GFP_KERNEL | HIGHMEM] {
        // SAFETY: the page is used while it is mapped, unmapped in reverse order, and given back once.
        unsafe {
            let page = (pages.alloc_pages)(flags, 0);
            checks.that(!page.is_null(), format_args!("alloc_pages({flags:#x})"));
            if page.is_null() {
                continue;
            }
            let lowmem = (pages.page_address)(page);
            let is_high = lowmem.is_null();
            checks.that(!is_high || has_highmem, format_args!("{page:p} has no address"));
            let at = (c.kmap)(page);
            checks.that(!at.is_null(), format_args!("kmap"));
            checks.that(is_high || at == lowmem, format_args!("kmap of lowmem: {at:p}"));
            checks.equal((pages.page_address)(page), at, format_args!("page_address when mapped"));
            checks.equal((c.kmap)(page), at, format_args!("kmap again"));
            checks.that(holds(at, PAGE_SIZE), format_args!("kmap at {at:p}"));
            at.write_bytes(0x6b, PAGE);
            (c.kunmap)(page);
            let first = (c.kmap_local_page)(page);
            let second = (c.kmap_atomic)(page);
            for seen in [first, second] {
                let is_same = !seen.is_null() && is_filled(seen, PAGE_SIZE, 0x6b);
                checks.that(is_same, format_args!("{seen:p}, mapped beside {at:p}"));
            }
            (c.kunmap_atomic)(second);
            (c.kunmap_local)(first);
            (c.kunmap)(page);
            (pages.__free_pages)(page, 0);
        }
    }
    // What is no page is not mapped, which is said.
    // SAFETY: nothing is done.
    unsafe {
        for wrong in [ptr::null_mut(), 3 as Page] {
            checks.that((c.kmap)(wrong).is_null(), format_args!("kmap({wrong:p})"));
            checks.that((c.kmap_local_page)(wrong).is_null(), format_args!("{wrong:p} mapped"));
            (c.kunmap)(wrong);
        }
    }
}

fn device_memory(kernel: &Kernel, c: &Registers, checks: &mut Checks) {
    let memory = kernel.memory.memblock.mapped_memory().next();
    if let Some(phys) = memory.and_then(|memory| memory.start().as_u32()) {
        for map in [c.ioremap, c.ioremap_wc, c.ioremap_cache] {
            // SAFETY: nobody uses what is mapped, if it is.
            let refused = unsafe { map(phys, PAGE) }.is_null();
            checks.that(refused, format_args!("memory at {phys:#x} was mapped as a device's"));
        }
    }
    let Some(console) = kernel.machine.console else { return };
    let Some(phys) = console.uart.registers.start().as_u32() else { return };
    // SAFETY: a PL011 answers a read of its identification, at 0xfe0 to 0xffc, with the same bytes at any time.
    unsafe {
        let registers = (c.ioremap)(phys, PAGE);
        checks.that(!registers.is_null(), format_args!("ioremap of the console"));
        if !registers.is_null() {
            let id = registers.byte_add(0xfe0).cast::<u32>().read_volatile();
            checks.equal(id & 0xff, 0x11, format_args!("the console's part number"));
            checks.that((c.ioremap_wc)(phys, PAGE).is_null(), format_args!("a second type"));
        }
        (c.iounmap)(registers);
        (c.iounmap)(ptr::null_mut());
        checks.that((c.ioremap)(phys, 0).is_null(), format_args!("ioremap of no bytes"));
    }
}

fn dma_memory(pages: &Pages, c: &Dma, checks: &mut Checks) {
    const BYTES: usize = PAGE + 8;
    if dma::get().is_none() {
        return;
    }
    // SAFETY: there is no device; buffers are used within their size while they are the CPU's, and given back once.
    unsafe {
        let mut handle = 0;
        let buffer = (c.dma_alloc_coherent)(DEVICE, BYTES, &raw mut handle, GFP_KERNEL);
        // With little memory and no HighMem there is no section to spare.
        if !buffer.is_null() {
            checks.that(is_filled(buffer, BYTES as u32, 0), format_args!("coherent at {buffer:p}"));
            checks.that(holds(buffer, BYTES as u32), format_args!("coherent at {buffer:p}"));
            checks.that(handle != 0, format_args!("its bus address"));
            (c.dma_free_coherent)(DEVICE, BYTES, buffer, handle);
        }
        (c.dma_free_coherent)(DEVICE, BYTES, ptr::null_mut(), 0);
        let memory = (pages.__get_free_pages)(GFP_KERNEL, 0) as *mut u8;
        checks.that(!memory.is_null(), format_args!("a page to map"));
        if memory.is_null() {
            return;
        }
        for direction in [0, 1, 2] {
            memory.write_bytes(0x77, PAGE);
            let at = (c.dma_map_single)(DEVICE, memory, PAGE, direction);
            checks.equal(at, (pages.virt_to_phys)(memory), format_args!("direction {direction}"));
            checks.equal((c.dma_mapping_error)(DEVICE, at), 0, format_args!("its error"));
            (c.dma_sync_single_for_cpu)(DEVICE, at, 64, direction);
            (c.dma_sync_single_for_device)(DEVICE, at, 64, direction);
            (c.dma_unmap_single)(DEVICE, at, PAGE, direction);
            if direction != 2 {
                checks.that(is_filled(memory, PAGE_SIZE, 0x77), format_args!("{memory:p}"));
            }
        }
        for (at, bytes, direction) in [(memory, PAGE, 3), (0x10 as *mut u8, 8, 1), (memory, 0, 1)] {
            let refused = (c.dma_map_single)(DEVICE, at, bytes, direction);
            let error = (c.dma_mapping_error)(DEVICE, refused);
            checks.equal(error, -ENOMEM, format_args!("{at:p}, {bytes} bytes, {direction}"));
        }
        (pages.free_pages)(memory as usize, 0);
        for (mask, answer) in [(u64::MAX, 0), (0xffff_ffff, 0), (0xff_ffff, -EIO), (0, -EIO)] {
            checks.equal((c.dma_set_mask)(DEVICE, mask), answer, format_args!("mask {mask:#x}"));
        }
    }
}
