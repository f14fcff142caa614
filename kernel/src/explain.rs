//! Where every byte of RAM went on this machine: who holds what, collected for [`mm`]'s account.
//!
//! Holders are asked where they are, not where boot meant to put them: page tables and vectors by
//! the live tables, the page array and memblock's lists by their own addresses, everything else by
//! the device tree. Only what the tree leaves open is remembered from boot.

use core::{fmt, slice};

use arch_arm::mmu::descriptor::RootBase;
use board::dt::Placement;
use mm::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::boot::explain::class::Owner;
use mm::boot::explain::{Inventory, Reservation, Situation};
use mm::boot::layout::{Layout, STUBS, VECTORS};
use mm::boot::memblock::{Region, RegionList};
use mm::report::explain::{self, ALIGN_SHIFTS, Live, VmallocRoom, ZonePages};
use mm::zone::{Gfp, ZoneKind};

use crate::boot::LinearMap;
use crate::image;
use crate::monitor::Kernel;
use crate::pages;

/// What to explain.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// All RAM.
    All,
    /// All RAM, for programs: one JSON object.
    Json,
    /// One physical address.
    Address(PhysAddr),
    /// Whatever a virtual address of the kernel leads to.
    Virtual(VirtAddr),
}

/// Writes the explanation of `subject`.
///
/// # Errors
///
/// Only those of `out`.
pub fn write(kernel: &mut Kernel, subject: Subject, out: &mut dyn fmt::Write) -> fmt::Result {
    // Before pages are borrowed for trials.
    let zones = kernel.pages.zones().each_ref().map(|zone| {
        let (managed, free) = (zone.managed(), zone.free_pages());
        ZonePages { managed, free }
    });
    with_scratch(kernel, |kernel, scratch| write_from(kernel, zones, subject, out, scratch))
}

fn write_from(
    kernel: &Kernel,
    zones: [ZonePages; ZoneKind::COUNT],
    subject: Subject,
    out: &mut dyn fmt::Write,
    scratch: &mut [Region],
) -> fmt::Result {
    let memory = &kernel.memory;
    let settings = memory.settings(image::SPLIT);
    // Deciding again is cheaper than keeping it, and the trials hold it against the rules.
    let Some(layout) = Layout::decide(&memory.memblock, settings, &mut |_| ()) else {
        return writeln!(out, "there is no lowmem");
    };
    let inventory = Holders { kernel };
    let situation = Situation {
        inventory: &inventory,
        memblock: &memory.memblock,
        layout: &layout,
        command_line: memory.command_line,
        board_dma_zone: settings.board_dma_zone,
        loaded: memory.loaded,
        dropped: memory.dropped,
    };
    let figures = kernel.vmalloc.figures();
    let room = VmallocRoom {
        taken: figures.region.len() - figures.free,
        largest: ALIGN_SHIFTS.map(|shift| kernel.vmalloc.largest_area(shift)),
    };
    let live = Live { vmalloc: Some(room), zones: Some(zones) };
    match subject {
        Subject::All => explain::write(out, &situation, live, scratch),
        Subject::Json => explain::write_json(out, &situation, live, scratch),
        Subject::Address(phys) => explain::write_address(out, &situation, phys, scratch),
        Subject::Virtual(virt) => match kernel.tables.walker().translate(virt).phys() {
            Some(phys) => {
                writeln!(out, "{virt} is mapped to {phys}")?;
                explain::write_address(out, &situation, phys, scratch)
            }
            None => writeln!(out, "{virt} is not mapped"),
        },
    }
}

/// The tree's banks, and who holds what.
struct Holders<'k> {
    kernel: &'k Kernel,
}

impl Inventory for Holders<'_> {
    fn banks(&self) -> impl Iterator<Item = PhysRange> {
        self.kernel.machine.banks()
    }

    fn reservations(&self) -> impl Iterator<Item = Reservation<'_>> {
        let of_tree = self.kernel.memory.placed.iter().copied();
        self.image()
            .chain(self.loaded())
            .chain(self.tables())
            .chain(self.vectors())
            .chain(self.arrays())
            .chain(self.memreserve())
            .chain(self.fixed_regions())
            .chain(of_tree)
    }
}

fn held<'a>(range: PhysRange, owner: Owner) -> Reservation<'a> {
    Reservation { range, owner, name: None, no_map: false }
}

impl<'k> Holders<'k> {
    fn linear(&self) -> LinearMap {
        self.kernel.tables.linear()
    }

    fn image(&self) -> impl Iterator<Item = Reservation<'k>> + use<'k> {
        let linear = self.linear();
        let sections = [
            (image::text(), Owner::KernelText),
            (image::rodata(), Owner::KernelRodata),
            (image::init(), Owner::KernelInit),
            (image::data(), Owner::KernelData),
            (image::bss(), Owner::KernelBss),
            (image::whole(), Owner::KernelPadding),
        ];
        sections.into_iter().filter_map(move |(virt, owner)| Some(held(linear.phys(virt)?, owner)))
    }

    /// What the boot loader loaded and the kernel keeps.
    fn loaded(&self) -> impl Iterator<Item = Reservation<'k>> + use<'k> {
        let memory = &self.kernel.memory;
        let initrd = memory.initrd.map(|range| held(range, Owner::Initrd));
        core::iter::once(held(memory.loaded.dtb, Owner::DeviceTree)).chain(initrd)
    }

    /// The first-level table, and the frames that second-level tables are cut from.
    fn tables(&self) -> impl Iterator<Item = Reservation<'k>> + use<'k> {
        let walker = self.kernel.tables.walker();
        let root = walker.translate(VirtAddr::new(0)).first.entry;
        let root = PhysRange::new(root, root.saturating_add(u64::from(RootBase::TABLE_BYTES)));
        let page = u64::from(PAGE_SIZE);
        let second = walker.tables().map(move |slot| {
            let start = slot.table.address().align_down(page);
            PhysRange::new(start, start.saturating_add(page))
        });
        core::iter::once(root).chain(second).map(|range| held(range, Owner::PageTables))
    }

    fn vectors(&self) -> impl Iterator<Item = Reservation<'k>> + use<'k> {
        let walker = self.kernel.tables.walker();
        [VECTORS, STUBS].into_iter().filter_map(move |region| {
            let start = walker.translate(region.start()).phys()?;
            let end = start.saturating_add(u64::from(region.len()));
            Some(held(PhysRange::new(start, end), Owner::Vectors))
        })
    }

    /// The page array and those beside it, and memblock's lists where they are not part of the image.
    fn arrays(&self) -> impl Iterator<Item = Reservation<'k>> + use<'k> {
        let linear = self.linear();
        let frames = self.kernel.pages.frames();
        let descriptors = frames
            .get(frames.range().start())
            .map(|first| span(core::ptr::from_ref(first), frames.range().len() as usize));
        // Boot takes whole words.
        let page_blocks = frames.blocks().bytes();
        let page_blocks = span(page_blocks.as_ptr(), page_blocks.len().next_multiple_of(4));
        let owners = self.kernel.pages.owner_words();
        let page_arrays =
            [descriptors, Some(page_blocks), Some(span(owners.as_ptr(), owners.len()))]
                .into_iter()
                .flatten()
                .map(|array| (array, Owner::PageArray));
        let memblock = &self.kernel.memory.memblock;
        let lists = [memblock.memory(), memblock.reserved()]
            .map(|list| (list_span(list), Owner::MemblockLists));
        let arrays = page_arrays.chain(lists);
        arrays.filter_map(move |(virt, owner)| Some(held(linear.phys(virt)?, owner)))
    }

    fn memreserve(&self) -> impl Iterator<Item = Reservation<'k>> + use<'k> {
        self.kernel.machine.memreserve().map(|range| held(range, Owner::MemReserve))
    }

    fn fixed_regions(&self) -> impl Iterator<Item = Reservation<'k>> + use<'k> {
        self.kernel.machine.reserved_regions().flat_map(|region| {
            let ranges = match region.placement {
                Placement::Fixed(ranges) => Some(ranges),
                Placement::Dynamic { .. } => None,
            };
            let (name, no_map) = (Some(region.name), region.no_map);
            ranges.into_iter().flat_map(|ranges| ranges.iter()).map(move |range| Reservation {
                // What is not to be mapped was set aside in whole pages.
                range: if no_map { range.covering_pages() } else { range },
                owner: Owner::ReservedMemory,
                name,
                no_map,
            })
        })
    }
}

/// The addresses of `count` values from `first` on.
fn span<T>(first: *const T, count: usize) -> VirtRange {
    let start = VirtAddr::new(first as u32);
    let bytes = u32::try_from(count * size_of::<T>()).unwrap_or(0);
    VirtRange::new(start, start.checked_add(bytes).unwrap_or(start))
}

/// The addresses of a list's array, in whole pages, as the array has them to itself.
fn list_span(list: &RegionList<'_>) -> VirtRange {
    let span = span(list.regions().as_ptr(), list.capacity());
    let end = span.end().as_u32().next_multiple_of(PAGE_SIZE);
    VirtRange::new(span.start().align_down(PAGE_SIZE), VirtAddr::new(end))
}

/// Calls `run` with an array for trials, in pages that are given back afterwards. Without memory for
/// it the array is empty, and the trials say that it is too short.
fn with_scratch<R>(kernel: &mut Kernel, run: impl FnOnce(&Kernel, &mut [Region]) -> R) -> R {
    let regions = regions_needed(kernel);
    let Some((pfn, order)) = alloc(kernel, regions) else { return run(kernel, &mut []) };
    let range = PhysRange::new(pfn.start(), pfn.saturating_add(order.pages()).start());
    let result = match kernel.tables.linear().pointer(range) {
        Some(at) => {
            let at = at.cast::<Region>();
            // SAFETY: the block was allocated just now and is freed only after `run`, so nobody
            // else has it; it is lowmem, hence mapped, page-aligned, and large enough for `regions`
            // regions, all of which are written before they are a slice.
            let scratch = unsafe {
                for index in 0..regions {
                    at.add(index).write(Region::EMPTY);
                }
                slice::from_raw_parts_mut(at, regions)
            };
            run(kernel, scratch)
        }
        None => run(kernel, &mut []),
    };
    // SAFETY: 1. `alloc` took it; 2. the slice has gone.
    let freed = unsafe { pages::free(kernel.pages, pfn, order) };
    if let Err(error) = freed {
        log::error!("explain: {error}");
    }
    result
}

/// A block of lowmem for `regions` regions.
fn alloc(kernel: &mut Kernel, regions: usize) -> Option<(Pfn, Order)> {
    let pages = (regions * size_of::<Region>()).div_ceil(PAGE_SIZE as usize);
    let order = Order::all().find(|order| order.pages() as usize >= pages)?;
    let pfn = pages::alloc(kernel.pages, Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, order).ok()?;
    Some((pfn, order))
}

/// How many regions a trial may need: each bank, each `mem=` and each reservation is one, and what
/// must not be mapped takes up to two more.
fn regions_needed(kernel: &Kernel) -> usize {
    const SPARE: usize = 16;
    let inventory = Holders { kernel };
    let held = inventory.reservations().map(|one| if one.no_map { 3 } else { 1 });
    let typed = kernel.memory.command_line.matches("mem").count();
    inventory.banks().count() + held.sum::<usize>() + typed + SPARE
}
