//! Suite `vmalloc`: areas are mapped where the MMU finds them, surrounded by pages that fault, and come back whole.
//!
//! First what a page table has to do with it: guards, contents, aliases, sizes that change. Then the cases of Linux's
//! `test_vmalloc` that need neither RCU nor a per-CPU allocator, as far as this machine's memory goes: a list of
//! areas takes no more than a quarter of it. `full_fit` at full size, and `align_shift` at its top, find no room:
//! that is what is checked.

use alloc::vec::Vec;

use arch_arm::probe;
use arch_arm::trap::{FaultStatus, Level};
use mm::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use mm::map::Prot;
use mm::map::area::AreaKind;
use mm::map::vmalloc::{AreaSpec, VmallocError};
use mm::zone::Gfp;

use super::Checks;
use super::ledger::Ledger;
use super::soak::random::Random;
use crate::monitor::Kernel;
use crate::report::call_site;
use crate::vmalloc::Vmalloc;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const QUIET: Gfp = KERNEL.union(Gfp::__GFP_NOWARN);

/// Areas of `long_busy_list`, as in Linux.
const BUSY: u32 = 15_000;
/// Single pages of `full_fit`, of which every second one goes, as Linux takes them on two CPUs: 256 MiB of addresses.
const FULL: u32 = 2 * 2 * 8192;
/// Pairs of each case; Linux makes a million of some.
const PAIRS: u32 = 200;
/// A page and the guard page behind it.
const PITCH: u32 = 2 * PAGE_SIZE;
/// Linux's alignment of a stack, log2.
const THREAD_ALIGN_SHIFT: u32 = 13;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    let region = kernel.vmalloc;
    // What is made once is there afterwards: slabs of records and tables.
    one_area(checks, region);
    kernel.slabs.shrink_all();
    region.make_room();
    kernel.slabs.shrink_all();
    let (areas, ledger) = (region.figures().areas, Ledger::open(kernel.pages));
    one_area(checks, region);
    aliases(kernel, checks);
    resize(checks, region);
    fix_size(checks, region);
    full_fit(kernel, checks);
    full_fit_at_full_size(kernel, checks);
    long_busy_list(kernel, checks);
    random_sizes(checks, region);
    align_shift(checks, region);
    region.make_room();
    kernel.slabs.shrink_all();
    checks.equal(region.figures().areas, areas, format_args!("areas afterwards"));
    checks.that(region.validate().is_ok(), format_args!("the tree of areas"));
    ledger.check(checks, format_args!("afterwards"));
}

fn plus(at: VirtAddr, bytes: u32) -> VirtAddr {
    VirtAddr::new(at.as_u32() + bytes)
}

/// Writes each page's number, and a seed, into its first and last word.
fn stamp(checks: &mut Checks, start: VirtAddr, pages: u32, seed: u32) {
    for page in 0..pages {
        for offset in [0, PAGE_SIZE - 4] {
            let at = plus(start, page * PAGE_SIZE + offset);
            // SAFETY: the caller's area.
            let wrote = unsafe { probe::write_u32(at, seed ^ page) };
            if wrote.is_err() {
                checks.that(false, format_args!("a write to {at}: {wrote:?}"));
            }
        }
    }
}

/// Are the stamps there?
fn is_stamped(start: VirtAddr, pages: u32, seed: u32) -> bool {
    (0..pages).all(|page| {
        [0, PAGE_SIZE - 4].into_iter().all(|offset| {
            let at = plus(start, page * PAGE_SIZE + offset);
            // SAFETY: a read of memory, if anything is there.
            let seen = unsafe { probe::read_u32(at) };
            seen == Ok(seed ^ page)
        })
    })
}

/// Accesses to `at` fault, since its page is not mapped.
fn faults(checks: &mut Checks, at: VirtAddr, what: &str) {
    // SAFETY: nothing is mapped there; if something is, it is the suite's.
    let [read, write] = unsafe { [probe::read_u32(at).err(), probe::write_u32(at, 0).err()] };
    for fault in [read, write] {
        let status = fault.map(|fault| fault.fault.status());
        // Where nothing else is mapped nearby, the table is gone as well.
        let is_translation =
            matches!(status, Some(FaultStatus::Translation(Level::Page | Level::Section)));
        checks.that(is_translation, format_args!("{what} at {at}: {status:?}"));
    }
}

fn give_back(checks: &mut Checks, region: &Vmalloc, area: VirtAddr) {
    let given = region.vfree(area);
    if given.is_err() {
        checks.that(false, format_args!("vfree of {area}: {given:?}"));
    }
}

/// Sizes around those that are kept: contents, the guard page, and that nothing is there after the flush.
fn one_area(checks: &mut Checks, region: &Vmalloc) {
    for pages in [1, 2, 16, 17, 33, 300] {
        let area = match region.vzalloc(pages * PAGE_SIZE, KERNEL, call_site()) {
            Ok(area) => area,
            Err(error) => {
                checks.that(false, format_args!("vzalloc of {pages} pages: {error}"));
                continue;
            }
        };
        let end = plus(area, pages * PAGE_SIZE);
        // SAFETY: a read of memory.
        let zero =
            (0..pages).all(|n| unsafe { probe::read_u32(plus(area, n * PAGE_SIZE)) } == Ok(0));
        checks.that(zero, format_args!("{pages} pages of vzalloc are zero"));
        stamp(checks, area, pages, 0x5a00_0000);
        checks.that(is_stamped(area, pages, 0x5a00_0000), format_args!("{pages} pages hold"));
        faults(checks, end, "the guard page");
        faults(checks, plus(end, PAGE_SIZE - 4), "the guard page's last word");
        let guarded = region.guard_of(end).map(|info| info.range.start());
        checks.equal(guarded, Some(area), format_args!("whose guard page {end} is"));
        give_back(checks, region, area);
        region.purge();
        faults(checks, area, "an area that was given back");
        faults(checks, VirtAddr::new(end.as_u32() - 4), "its last word");
    }
}

/// `vmap` and the area that has the pages show the same memory.
fn aliases(kernel: &Kernel, checks: &mut Checks) {
    const PAGES: u32 = 20;
    let region = kernel.vmalloc;
    let Ok(area) = region.vmalloc(PAGES * PAGE_SIZE, KERNEL, call_site()) else {
        return checks.that(false, format_args!("an area of {PAGES} pages"));
    };
    let frames: arrayvec::ArrayVec<_, { PAGES as usize }> =
        (0..PAGES).rev().filter_map(|n| region.vmalloc_to_pfn(plus(area, n * PAGE_SIZE))).collect();
    checks.equal(frames.len(), PAGES as usize, format_args!("frames"));
    match region.vmap(&frames, Prot::KERNEL, KERNEL, call_site()) {
        Ok(alias) => {
            stamp(checks, area, PAGES, 0x0a11_0000);
            let same = (0..PAGES).all(|n| {
                // SAFETY: a read of memory.
                let seen = unsafe { probe::read_u32(plus(alias, n * PAGE_SIZE)) };
                seen == Ok(0x0a11_0000 ^ (PAGES - 1 - n))
            });
            checks.that(same, format_args!("what is written there is read here, upside down"));
            checks.equal(region.vunmap(alias), Ok(()), format_args!("vunmap"));
            // Without a purge: `vunmap` flushes before it returns.
            faults(checks, alias, "what was unmapped");
        }
        Err(error) => checks.that(false, format_args!("vmap: {error}")),
    }
    give_back(checks, region, area);
}

/// Larger and smaller, here and elsewhere: what both sizes have stays.
fn resize(checks: &mut Checks, region: &Vmalloc) {
    let made = [(); 2].map(|()| region.vmalloc(3 * PAGE_SIZE, KERNEL, call_site()));
    let [Ok(first), Ok(second)] = made else {
        return checks.that(false, format_args!("two areas: {made:?}"));
    };
    stamp(checks, first, 3, 0x0e00_0000);
    let mut area = first;
    for pages in [40, 41, 300, 7, 3] {
        match region.vrealloc(area, pages * PAGE_SIZE, KERNEL, call_site()) {
            Ok(now) => area = now,
            Err(error) => checks.that(false, format_args!("vrealloc to {pages} pages: {error}")),
        }
        checks.that(is_stamped(area, 3, 0x0e00_0000), format_args!("{pages} pages: the first 3"));
        faults(checks, plus(area, pages * PAGE_SIZE), "what lies behind it");
    }
    give_back(checks, region, area);
    give_back(checks, region, second);
}

fn pair(checks: &mut Checks, region: &Vmalloc, pages: u32, align_shift: u32) {
    let spec = AreaSpec::new(AreaKind::Vmalloc, Prot::KERNEL, call_site());
    match region.alloc(pages * PAGE_SIZE, KERNEL, &AreaSpec { align_shift, ..spec }) {
        Ok(area) => {
            let is_aligned = area.is_aligned(1 << align_shift);
            checks.that(is_aligned, format_args!("{area}, at a multiple of 2^{align_shift}"));
            stamp(checks, area, pages.min(2), align_shift);
            give_back(checks, region, area);
        }
        Err(error) => {
            checks.that(false, format_args!("{pages} pages at 2^{align_shift}: {error}"));
        }
    }
}

fn fix_size(checks: &mut Checks, region: &Vmalloc) {
    for pages in [1, 16, 100] {
        (0..PAIRS).for_each(|_| pair(checks, region, pages, PAGE_SHIFT));
    }
}

/// Pages that lists of areas may take.
fn quarter(kernel: &Kernel) -> u32 {
    u32::try_from(kernel.pages.figures().free() / 4).unwrap_or(u32::MAX)
}

/// Room for so many addresses, or a check that fails.
fn list(checks: &mut Checks, areas: u32) -> Vec<VirtAddr> {
    let mut list = Vec::new();
    let room = list.try_reserve_exact(areas as usize);
    checks.that(room.is_ok(), format_args!("a list of {areas} areas"));
    list
}

/// Single pages fill the end of the region, every second one goes, and each pair finds a hole of just its size.
fn full_fit(kernel: &Kernel, checks: &mut Checks) {
    let region = kernel.vmalloc;
    let fit = region.region().len() / PITCH;
    let count = fit.min(quarter(kernel)).min(BUSY);
    let end = region.region().end();
    let within = VirtRange::new(VirtAddr::new(end.as_u32() - count * PITCH), end);
    let spec = AreaSpec::new(AreaKind::Vmalloc, Prot::KERNEL, call_site());
    let spec = AreaSpec { within: Some(within), ..spec };
    region.make_room();
    let mut areas = list(checks, count);
    while areas.len() < areas.capacity()
        && let Ok(area) = region.alloc(1, QUIET, &spec)
    {
        areas.push(area);
    }
    // By address, which they may not come in when small areas are kept.
    areas.sort_unstable_by_key(|area| area.as_u32());
    // All of it, but for what others have there.
    checks.that(areas.len() as u32 + 64 > count, format_args!("{} of {count} areas", areas.len()));
    let refused = region.alloc(1, QUIET, &spec);
    checks.that(
        matches!(refused, Err(VmallocError::NoHole(_))),
        format_args!("one more: {refused:?}"),
    );
    areas.iter().step_by(2).for_each(|area| give_back(checks, region, *area));
    region.make_room();
    for _ in 0..PAIRS {
        let area = region.alloc(1, KERNEL, &spec);
        let fits = area.is_ok_and(|area| areas.iter().step_by(2).any(|hole| *hole == area));
        checks.that(fits, format_args!("a hole of a page: {area:?}"));
        if let Ok(area) = area {
            give_back(checks, region, area);
        }
    }
    let large = region.alloc(2 * PAGE_SIZE, QUIET, &spec);
    checks.that(large.is_err(), format_args!("two pages in holes of one: {large:?}"));
    if let Ok(large) = large {
        give_back(checks, region, large);
    }
    areas.iter().skip(1).step_by(2).for_each(|area| give_back(checks, region, *area));
    region.make_room();
}

/// As many areas as Linux makes for two CPUs need more addresses than the usual region has. The frame is always the
/// same, so that it is addresses that run out. Then somebody asks for another one, and it is told why not.
fn full_fit_at_full_size(kernel: &Kernel, checks: &mut Checks) {
    let region = kernel.vmalloc;
    let free = region.figures().free;
    if free / PITCH >= FULL {
        return;
    }
    let Ok(page) = kernel.pages.alloc_page(KERNEL) else {
        return checks.that(false, format_args!("a page"));
    };
    let mut areas = list(checks, FULL);
    let refused = loop {
        match region.vmap(&[page.pfn()], Prot::KERNEL, QUIET, call_site()) {
            Ok(area) if areas.len() < areas.capacity() => areas.push(area),
            Ok(area) => break Ok(area),
            Err(error) => break Err(error),
        }
    };
    match refused {
        Err(VmallocError::NoHole(_)) => {
            checks.that(region.figures().largest == 0, format_args!("room for another one"));
            let told = region.vmalloc(PAGE_SIZE, KERNEL, call_site());
            checks.that(
                matches!(told, Err(VmallocError::NoHole(_))),
                format_args!("vmalloc in a full region: {told:?}"),
            );
        }
        // A machine with little memory has none for so many records.
        Err(VmallocError::NoRecord(_) | VmallocError::NoTable(_)) => {}
        other => checks.that(false, format_args!("after {} areas: {other:?}", areas.len())),
    }
    for area in areas {
        let unmapped = region.vunmap(area);
        if unmapped.is_err() {
            checks.that(false, format_args!("vunmap of {area}: {unmapped:?}"));
        }
    }
    region.make_room();
    pair(checks, region, 100, PAGE_SHIFT);
}

/// Many areas live, and pairs of 100 pages and of one beside them.
fn long_busy_list(kernel: &Kernel, checks: &mut Checks) {
    let region = kernel.vmalloc;
    let count = BUSY.min(quarter(kernel)).min(region.figures().free / PITCH / 2);
    let mut areas = list(checks, count);
    while areas.len() < areas.capacity()
        && let Ok(area) = region.vmalloc(1, QUIET, call_site())
    {
        areas.push(area);
    }
    checks.equal(areas.len() as u32, count, format_args!("areas"));
    for _ in 0..PAIRS {
        pair(checks, region, 100, PAGE_SHIFT);
        pair(checks, region, 1, PAGE_SHIFT);
    }
    areas.into_iter().for_each(|area| give_back(checks, region, area));
    region.make_room();
}

/// `random_size`, `fix_align` and `random_size_align`.
fn random_sizes(checks: &mut Checks, region: &Vmalloc) {
    let mut random = Random::new(4);
    for _ in 0..PAIRS {
        pair(checks, region, 1 + random.below(100), PAGE_SHIFT);
        pair(checks, region, 5, THREAD_ALIGN_SHIFT + 1);
        pair(checks, region, 1 + random.below(10), random.below(23));
    }
}

/// A page at each alignment, as far as the region has one such; at the top it has none.
fn align_shift(checks: &mut Checks, region: &Vmalloc) {
    region.make_room();
    let spec = AreaSpec::new(AreaKind::Vmalloc, Prot::KERNEL, call_site());
    for align_shift in 0..u32::BITS {
        let fits = region.largest_area(align_shift) >= PAGE_SIZE;
        let area = region.alloc(1, QUIET, &AreaSpec { align_shift, ..spec });
        match area {
            Ok(area) => {
                let is_right = fits && area.is_aligned(1 << align_shift);
                checks.that(is_right, format_args!("{area} at 2^{align_shift}"));
                give_back(checks, region, area);
            }
            Err(VmallocError::NoHole(_)) => {
                checks.that(!fits, format_args!("no room at 2^{align_shift}, where there is"));
            }
            Err(error) => checks.that(false, format_args!("a page at 2^{align_shift}: {error}")),
        }
        region.make_room();
    }
    let top = region.largest_area(u32::BITS - 1);
    checks.equal(top, 0, format_args!("what fits at 2^31"));
}
