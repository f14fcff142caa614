//! The one slab allocator, where everybody finds it.

use core::mem::MaybeUninit;

use mm::addr::VirtAddr;
use mm::object::{KmemCache, NotGiven, SlabAllocator, Taken};
use mm::zone::Gfp;
use spin::Once;

use crate::platform::Hardware;
use crate::take_cell::TakeCell;

/// The slab allocator of this machine.
pub type Slabs = SlabAllocator<'static, 'static, Hardware>;
/// A cache of it.
pub type Cache = KmemCache<1>;

static PLACE: TakeCell<MaybeUninit<Slabs>> = TakeCell::new(MaybeUninit::uninit());
static SLABS: Once<&'static Slabs> = Once::new();

/// Where the slab allocator is made, and stays: it is too large to be passed around. Boot's, once.
pub fn place() -> Option<&'static mut MaybeUninit<Slabs>> {
    PLACE.take()
}

/// Makes `allocator` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(allocator: &'static Slabs) {
    SLABS.call_once(|| allocator);
}

/// The slab allocator; `None` before boot has made it.
pub fn get() -> Option<&'static Slabs> {
    SLABS.get().copied()
}

/// At every tick: takes back what other CPUs gave to this one's slabs. Nothing before there is a slab
/// allocator.
pub fn on_tick() {
    if let Some(slabs) = SLABS.get() {
        slabs.tick();
    }
}

/// Takes memory, out of line: what everybody calls who does not count instructions, and what the benchmark
/// counts.
#[inline(never)]
pub fn kmalloc(slabs: &Slabs, size: u32, gfp: Gfp) -> Taken {
    slabs.kmalloc_raw(size, gfp)
}

/// Gives memory back, out of line; see [`kmalloc`].
///
/// # Errors
///
/// [`NotGiven`].
///
/// # Safety
///
/// As [`SlabAllocator::kfree`].
#[inline(never)]
pub unsafe fn kfree(slabs: &Slabs, object: VirtAddr) -> Result<(), NotGiven> {
    // SAFETY: the caller's duties are the same.
    unsafe { slabs.kfree(object) }
}

/// Takes an object of a cache, out of line; see [`kmalloc`].
#[inline(never)]
pub fn take(slabs: &Slabs, cache: &Cache, gfp: Gfp) -> Taken {
    slabs.take_object_raw(cache, gfp)
}

/// Gives an object of a cache back, out of line; see [`kmalloc`].
///
/// # Errors
///
/// [`NotGiven`].
///
/// # Safety
///
/// As [`SlabAllocator::free_object`].
#[inline(never)]
pub unsafe fn give(slabs: &Slabs, cache: &Cache, object: VirtAddr) -> Result<(), NotGiven> {
    // SAFETY: the caller's duties are the same.
    unsafe { slabs.free_object(cache, object) }
}
