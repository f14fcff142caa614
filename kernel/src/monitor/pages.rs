//! The page allocator at work: taking and giving back blocks, and who has which page.

use mm::addr::{Order, Pfn, VirtAddr};
use mm::report::page::{self, Known};
use mm::report::{kmapinfo, page_owner};
use mm::zone::owner::Holding;
use mm::zone::{AllocError, Gfp, ParseGfpError, ZoneKind};
use monitor::argument::{Args, NotGiven};

use super::Kernel;
use super::failure::{Failure, typed};
use crate::console::{Out, println};
use crate::platform::Site;
use crate::{kmap, pages};

/// The call sites that `page_owner` tells apart.
const MAX_SITES: usize = 64;

pub fn alloc(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let order = order(args)?;
    let zone = args.choice("ZONE").ok().and_then(|index| ZoneKind::ALL.get(index).copied());
    let gfp = match args.text("FLAGS") {
        Ok(text) => Gfp::parse(text).map_err(|error| no_flags(&error))?,
        Err(_) if zone.is_some() => Gfp::GFP_KERNEL,
        Err(_) => Gfp::GFP_HIGHUSER_MOVABLE,
    };
    // The allocator's quick way does not look: with a block in the stack, flags that nobody knows get it.
    gfp.check().map_err(|error| Failure::NoPages(AllocError::flags(error)))?;
    let taken = match zone {
        Some(kind) => kernel.pages.alloc_raw_in(kind, gfp, order),
        None => pages::alloc(kernel.pages, gfp, order),
    };
    let pfn = taken.map_err(Failure::NoPages)?;
    let block = Taken { pfn, order, kernel };
    println!("{block}");
    Ok(())
}

/// A block that was taken, in one line.
struct Taken<'k> {
    pfn: Pfn,
    order: Order,
    kernel: &'k Kernel,
}

impl core::fmt::Display for Taken<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { pfn, order, kernel } = self;
        let noun = if *order == Order::ZERO { "page" } else { "pages" };
        write!(f, "pfn {pfn}: {} {noun} at {}", order.pages(), pfn.start())?;
        if let Some(virt) = kernel.tables.linear().page_address(*pfn) {
            write!(f, ", mapped at {virt}")?;
        }
        kernel.pages.page(*pfn).zone.map_or(Ok(()), |zone| write!(f, ", zone {zone}"))
    }
}

pub fn no_flags(error: &ParseGfpError<'_>) -> Failure {
    let word = match error {
        ParseGfpError::NoWord => "",
        ParseGfpError::UnknownName { word }
        | ParseGfpError::Ambiguous { word, .. }
        | ParseGfpError::NotANumber { word } => word,
    };
    Failure::NoFlags { word: typed(word) }
}

pub fn free(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let (number, order) = (args.number("PFN")?, order(args)?);
    // SAFETY: 1. whoever types says so; 2. `alloc` maps nothing, so nobody uses the pages. Of the
    // address: 2. the linear map is the one there is.
    let freed = unsafe {
        if args.has("--virt") {
            let (linear, virt) = (kernel.tables.linear(), VirtAddr::new(number));
            kernel.pages.free_pages(&linear, virt, order)
        } else {
            let pfn = Pfn::new(number);
            pages::free(kernel.pages, pfn, order).map_err(|_| kernel.pages.why_not_free(pfn, order))
        }
    };
    freed.map_err(Failure::Free)
}

/// The argument ORDER, whose row keeps it within the orders there are.
fn order(args: &Args<'_>) -> Result<Order, NotGiven> {
    let value = args.number("ORDER")?;
    u8::try_from(value).ok().and_then(Order::new).ok_or(NotGiven { what: "ORDER" })
}

pub fn page(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let pfn = Pfn::new(args.number("PFN")?);
    let mut memory = kernel.memory.memblock.mapped_memory();
    let known = Known {
        virt: kernel.tables.linear().page_address(pfn),
        is_memory: memory.any(|range| range.contains(pfn.start())),
    };
    // The console can not fail, here as below.
    let _ = page::write(&mut Out, &kernel.pages.page(pfn), known, &write_site);
    Ok(())
}

fn write_site(out: &mut dyn core::fmt::Write, site: u32) -> core::fmt::Result {
    write!(out, "{}", Site(site))
}

pub fn drain(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let before = kernel.pages.figures().in_stacks();
    kernel.pages.drain();
    let now = kernel.pages.figures().in_stacks();
    println!("pages in stacks: {before}, now {now}");
    Ok(())
}

pub fn owners(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let mut table = [Holding::default(); MAX_SITES];
    let holdings = kernel.pages.holdings(&mut table).ok_or(Failure::NoOwners)?;
    let _ = page_owner::write(&mut Out, &holdings, &write_site);
    Ok(())
}

pub fn shrinkers(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let mut none = true;
    for (name, count) in kernel.pages.shrinkers() {
        println!("{name}: {count} pages");
        none = false;
    }
    if none {
        println!("no shrinker has registered");
    }
    Ok(())
}

pub fn kmapinfo(_: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    match kmap::pkmap() {
        Some(pkmap) => {
            let (region, figures) = (pkmap.region(), pkmap.figures());
            // The console can not fail, here as below.
            let _ = kmapinfo::write_pkmap(&mut Out, region, &figures, pkmap.slots());
        }
        None => println!("no pkmap: every frame has an address"),
    }
    let _ = kmapinfo::write_levels(&mut Out, kmap::local().depths());
    Ok(())
}
