//! `vmalloc`, `vmap` and `vrealloc`.

use mm::addr::{Pfn, VirtAddr};
use mm::map::area::{AreaSpace, RegionName};
use mm::map::vmalloc::MappedRegion;
use mm::map::{Mmu, Prot};
use mm::zone::{Gfp, ZoneKind};

use crate::checks::{kit_needs_all, kit_needs_all_but};
use crate::kit::{Books, CPUS, Kit, Live};
use crate::place::*;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const HIGHMEM: Gfp = KERNEL.union(Gfp::__GFP_HIGHMEM);
const PAGE: u32 = 0x1000;

pub type Region<'s, 'w> = MappedRegion<'s, 'w, Books<'w>, Live<'w>, CPUS>;

/// The vmalloc region, with nothing in it.
pub fn region<'s, 'w>(kit: Kit<'s, 'w>) -> Region<'s, 'w> {
    let boot = AreaSpace::new(VMALLOC);
    MappedRegion::new(RegionName::Vmalloc, &boot, kit.pages, kit.slabs, kit.live).unwrap()
}

/// Writes each page of an area on this CPU, and finds it on the other.
fn use_pages(kit: Kit<'_, '_>, at: VirtAddr, pages: u32, other: usize) {
    let words = || (0..pages).map(|page| at.as_u32() + page * PAGE);
    words().for_each(|word| kit.on.store(word, !word));
    kit.on.run_on(other);
    words().for_each(|word| assert_eq!(kit.on.load(word), !word));
}

#[test]
fn areas_wait_for_their_flush_and_are_used_again() {
    kit_needs_all(2, |kit| {
        let region = region(kit);
        let first = region.vmalloc(2 * PAGE, HIGHMEM, 0).unwrap();
        use_pages(kit, first, 2, 1);
        // The table is another CPU's.
        let second = region.vmalloc(PAGE, HIGHMEM, 0).unwrap();
        use_pages(kit, second, 1, 0);
        region.vfree(first).unwrap();
        region.vfree(second).unwrap();
        assert_eq!(region.purge(), 3);
        kit.on.0.emulated.range_reused(range(first.as_u32(), 2 * PAGE));
        kit.on.0.emulated.range_reused(range(second.as_u32(), PAGE));
        // The same addresses, and other frames.
        let again = region.vmalloc(2 * PAGE, HIGHMEM, 0).unwrap();
        assert_eq!(again, first);
        use_pages(kit, again, 2, 1);
    });
}
