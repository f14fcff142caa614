//! Shrinkers: who can free memory when there is none.
//!
//! Whoever keeps pages that it could do without (a cache, a pool, frames that wait for a flush) registers
//! once, for good. A request that may sleep calls all of them when its zones have run low.

use core::fmt;

use arrayvec::ArrayVec;

use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use crate::platform::Platform;
use crate::sync::Lock;

/// How many shrinkers there can be.
pub const MAX_SHRINKERS: usize = 16;

/// One who can free memory.
///
/// It is called without a lock held, interrupts as the caller of the allocator had them, perhaps from
/// several CPUs at once, and never from within itself: what it allocates must not say
/// `__GFP_DIRECT_RECLAIM`.
pub trait Shrinker: Sync {
    /// What to call it in a report.
    fn name(&self) -> &'static str;

    /// How many pages it could free now, about.
    fn count(&self) -> u32;

    /// Frees up to `pages` pages, or more if that is easier, and says how many. `gfp` is what the
    /// request may do: start I/O, call into filesystems.
    fn shrink(&self, pages: u32, gfp: Gfp) -> u32;
}

/// There is no place for one more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyShrinkers;

impl fmt::Display for TooManyShrinkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are {MAX_SHRINKERS} shrinkers already")
    }
}

impl core::error::Error for TooManyShrinkers {}

/// The shrinkers that have registered.
pub(super) type Shrinkers<'a> = Lock<ArrayVec<&'a dyn Shrinker, MAX_SHRINKERS>>;

/// The least that a shrinker is asked for: fewer pages are not worth the call (Linux's
/// `SHRINK_BATCH`, 128 objects).
const LEAST_PAGES: u32 = 32;

impl<'a, P: Platform, const CPUS: usize> PageAllocator<'a, P, CPUS> {
    /// Has `shrinker` called when memory is short, from now on.
    ///
    /// # Errors
    ///
    /// [`TooManyShrinkers`] when there are [`MAX_SHRINKERS`].
    pub fn register_shrinker(&self, shrinker: &'a dyn Shrinker) -> Result<(), TooManyShrinkers> {
        let _masked = self.platform.mask();
        let mut shrinkers = self.shrinkers.lock(|| self.platform.contended());
        shrinkers.try_push(shrinker).map_err(|_| TooManyShrinkers)
    }

    /// The shrinkers, each with the number of pages that it could free, about.
    pub fn shrinkers(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.each_shrinker().map(|shrinker| (shrinker.name(), shrinker.count()))
    }

    /// Calls all of them, each without a lock, and says how many pages they freed.
    pub(super) fn shrink(&self, gfp: Gfp, pages: u32) -> u32 {
        let shrink = |shrinker: &dyn Shrinker| shrinker.shrink(pages.max(LEAST_PAGES), gfp);
        self.each_shrinker().map(shrink).fold(0, u32::saturating_add)
    }

    fn each_shrinker(&self) -> impl Iterator<Item = &'a dyn Shrinker> {
        (0..MAX_SHRINKERS).map_while(|index| {
            let _masked = self.platform.mask();
            self.shrinkers.lock(|| self.platform.contended()).get(index).copied()
        })
    }
}
