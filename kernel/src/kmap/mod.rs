//! Frames that have no address: how this kernel maps them, for a moment or for longer.
//!
//! The policy is [`mm::map::kmap`]'s. Here are the one [`KmapLocal`] and the one [`Pkmap`] of the machine, the words
//! that they write ([`slots`]), and what is done through them to the memory of pages that the page allocator hands out.
//!
//! The first is there as soon as boot has switched to the kernel's own tables, before the page allocator, which
//! zeroes pages through it. It allocates nothing, takes no lock and waits for nobody. The second needs the allocator and
//! the live tables, and is only there with HighMem.

mod slots;

use core::mem::MaybeUninit;

use arch_arm::clear;
use mm::addr::{Order, Pfn, PhysAddr, PhysRange, VirtAddr};
use mm::boot::layout::FIXMAP;
use mm::map::kmap::{self, KmapError, KmapLocal, NotUnmapped, TooDeep};
use spin::Once;

use self::slots::Words;
use crate::boot::{KernelTables, LinearMap, Regions};
use crate::maps::Maps;
use crate::pages::Pages;
use crate::platform::Hardware;
use crate::stop::halt;
use crate::take_cell::TakeCell;

/// The levels of this machine's CPUs.
pub type Local = KmapLocal<Hardware, Words<1>>;
/// The slots that all CPUs share.
pub type Pkmap = kmap::Pkmap<'static, 'static, Hardware, Words<2>>;

static LOCAL: Once<Local> = Once::new();
static LINEAR: Once<LinearMap> = Once::new();
static PLACE: TakeCell<MaybeUninit<Pkmap>> = TakeCell::new(MaybeUninit::uninit());
static PKMAP: Once<&'static Pkmap> = Once::new();

/// From now on frames can be looked at. Called once, at boot, when `tables` are the live ones; a second call changes
/// nothing.
pub fn publish(tables: &KernelTables) {
    let Some(words) = Words::of_boot(tables, FIXMAP) else {
        halt(format_args!("the fixmap at {FIXMAP} has no table"));
    };
    LINEAR.call_once(|| tables.linear());
    LOCAL.call_once(|| KmapLocal::new(&tables.linear(), Hardware, words));
}

/// Makes the pkmap, if there is HighMem. Called once, at boot, when the page allocator and the live tables are there.
pub fn start(tables: &KernelTables, regions: &Regions, pages: &'static Pages, maps: &Maps) {
    let Some(region) = regions.pkmap else { return };
    let Some(words) = Words::of_live(maps, tables, region) else {
        halt(format_args!("the pkmap at {region} has no tables that stay"));
    };
    let Some(place) = PLACE.take() else {
        halt(format_args!("there is a pkmap already"));
    };
    make(place, tables, region, pages, words);
}

/// Out of line: an unoptimised build makes it on the stack, and it is some KiB.
#[inline(never)]
fn make(
    place: &'static mut MaybeUninit<Pkmap>,
    tables: &KernelTables,
    region: mm::addr::VirtRange,
    pages: &'static Pages,
    words: Words<2>,
) {
    match Pkmap::new(pages, &tables.linear(), region, words) {
        Ok(pkmap) => {
            let pkmap = place.write(pkmap);
            if let Err(error) = pages.register_shrinker(pkmap) {
                log::warn!("kmap: idle slots keep their pages when memory is short: {error}");
            }
            PKMAP.call_once(|| pkmap);
        }
        Err(error) => halt(format_args!("no pkmap: {error}")),
    }
}

/// The levels.
#[inline]
pub fn local() -> &'static Local {
    match LOCAL.get() {
        Some(local) => local,
        None => panic!("frames are mapped before boot has published how"),
    }
}

/// The pkmap; `None` without HighMem, where every frame has an address, and before boot has made it.
pub fn pkmap() -> Option<&'static Pkmap> {
    PKMAP.get().copied()
}

/// Maps a frame, out of line: what everybody calls who does not count instructions, and what the benchmark counts.
///
/// # Errors
///
/// [`KmapError`].
#[inline(never)]
pub fn kmap(pkmap: &Pkmap, pfn: Pfn) -> Result<VirtAddr, KmapError> {
    pkmap.kmap_raw(pfn)
}

/// Gives up a mapping, out of line; see [`kmap`].
///
/// # Errors
///
/// [`NotUnmapped`].
#[inline(never)]
pub fn kunmap(pkmap: &Pkmap, virt: VirtAddr) -> Result<(), NotUnmapped> {
    pkmap.kunmap_raw(virt)
}

/// Maps a frame for this CPU, out of line; see [`kmap`].
///
/// # Errors
///
/// [`TooDeep`].
#[inline(never)]
pub fn kmap_local(local: &Local, pfn: Pfn) -> Result<VirtAddr, TooDeep> {
    local.kmap_local_raw(pfn)
}

/// Gives up this CPU's innermost level, out of line; see [`kmap`].
///
/// # Errors
///
/// [`NotUnmapped`].
#[inline(never)]
pub fn kunmap_local(local: &Local, virt: VirtAddr) -> Result<(), NotUnmapped> {
    local.kunmap_local_raw(virt)
}

/// Zeroes a frame, out of line; see [`kmap`].
///
/// # Safety
///
/// As of [`fill`].
#[inline(never)]
pub unsafe fn clear_highpage(local: &Local, pfn: Pfn) {
    local.clear_highpage(pfn);
}

/// Copies a frame, out of line; see [`kmap`].
///
/// # Errors
///
/// [`TooDeep`].
///
/// # Safety
///
/// As of [`fill`], for both frames.
#[inline(never)]
pub unsafe fn copy_highpage(local: &Local, to: Pfn, from: Pfn) -> Result<(), TooDeep> {
    local.copy_highpage(to, from)
}

/// Runs `f` on the frame `pfn`, at an address that is good for as long as `f` runs. Any context, once boot has switched
/// to the kernel's own tables.
///
/// # Safety
///
/// 1. `pfn` is memory that the page allocator was given: no device, and nothing that the device tree
///    keeps from being mapped.
/// 2. `f` does not use the pointer for more than the frame, and nobody does when `f` has returned.
#[inline]
pub unsafe fn with_page<R>(pfn: Pfn, f: impl FnOnce(*mut u8) -> R) -> R {
    local().with_page(pfn, |at| f(at.as_u32() as *mut u8))
}

/// The linear map; `None` before boot has published how frames are mapped.
pub fn linear() -> Option<&'static LinearMap> {
    LINEAR.get()
}

/// Where the linear map holds all of `range`; `None` if it does not.
pub fn in_linear_map(range: PhysRange) -> Option<*mut u8> {
    LINEAR.get()?.pointer(range)
}

/// Zeroes the block of `order` at `pfn`. Any context.
///
/// # Safety
///
/// As of [`fill`].
pub unsafe fn zero(pfn: Pfn, order: Order) {
    let local = local();
    match local.lowmem().address(pfn) {
        // A block lies in one zone (F2 of `docs/model.md`), so all of it is lowmem.
        // SAFETY: 1. the block is the caller's, in the linear map; 2. whole pages.
        Some(virt) => unsafe { clear::clear(virt.as_u32() as *mut u8, order.bytes() as usize) },
        None => local.fill(pfn, order, 0),
    }
}

/// Puts `byte` into every byte of the block of `order` at `pfn`. Any context.
///
/// # Safety
///
/// 1. The block is memory that the page allocator was given.
/// 2. Nobody else uses it for as long as this runs.
pub unsafe fn fill(pfn: Pfn, order: Order, byte: u8) {
    local().fill(pfn, order, byte);
}

/// The first byte of the block of `order` at `pfn` that is not `byte`: where it is, and what it is. Any context.
///
/// # Safety
///
/// As of [`fill`].
pub unsafe fn first_difference(pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
    local().first_other_than(pfn, order, byte)
}
