//! An element that gives itself back: the ordinary way to have one.
#![expect(unsafe_code, reason = "the owner gives back what is its own")]

use core::fmt;
use core::mem::ManuallyDrop;

use super::{Elements, Mempool};
use crate::addr::VirtAddr;
use crate::platform::Lowmem;

/// An element of a pool that somebody has. Giving it up takes the time of a free; any context.
#[must_use = "the element is given back when it is dropped"]
pub struct Element<'m, 's, 'p, 'a, P: Lowmem, E: Elements, const CPUS: usize = 1> {
    pool: &'m Mempool<'s, 'p, 'a, P, E, CPUS>,
    at: VirtAddr,
}

impl<'m, 's, 'p, 'a, P: Lowmem, E: Elements, const CPUS: usize>
    Element<'m, 's, 'p, 'a, P, E, CPUS>
{
    /// The owner of an element that was just taken.
    #[inline]
    pub(super) const fn new(pool: &'m Mempool<'s, 'p, 'a, P, E, CPUS>, at: VirtAddr) -> Self {
        Self { pool, at }
    }

    /// Its address, for as long as it is not dropped. Aligned as the pool's allocator aligns.
    #[must_use]
    pub const fn address(&self) -> VirtAddr {
        self.at
    }

    /// The address alone: the element stays taken until [`Mempool::free`] gives it back.
    #[must_use = "the element is lost unless somebody gives it back"]
    pub fn into_raw(self) -> VirtAddr {
        ManuallyDrop::new(self).at
    }
}

impl<P: Lowmem, E: Elements, const CPUS: usize> Drop for Element<'_, '_, '_, '_, P, E, CPUS> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: 1. it was taken for this owner, and is not given back otherwise; 2. the owner's
        // promise ends here; 3. who writes to an element by its address answers for what it leaves
        // there. What can go wrong is somebody else's mistake, and has been reported.
        let _ = unsafe { self.pool.free(self.at) };
    }
}

impl<P: Lowmem, E: Elements, const CPUS: usize> fmt::Debug for Element<'_, '_, '_, '_, P, E, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Element").field(&self.at).finish()
    }
}
