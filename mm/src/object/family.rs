//! What stands on `kmalloc`: arrays, copies, other sizes.
#![expect(unsafe_code, reason = "the duties of who gives memory by its address")]

use core::fmt;

use super::allocator::SlabAllocator;
use super::error::{NotGiven, ObjectError};
use super::kmalloc::ZERO_SIZE;
use super::memory::Books;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::platform::Lowmem;
use crate::zone::{AllocError, Gfp};

/// Memory that did not get another size. What there was is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReallocError {
    /// There is no memory of the new size.
    NoMemory(AllocError),
    /// There was no memory at the address. It has been reported.
    NotGiven(NotGiven),
}

impl fmt::Display for ReallocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory(error) => error.fmt(f),
            Self::NotGiven(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReallocError {}

/// The bytes of an array; an error like that of any request that is too large if they do not fit a number.
fn bytes_of(count: u32, size: u32) -> Result<u32, AllocError> {
    let too_many = || {
        let pages = u64::from(count) * u64::from(size) / u64::from(PAGE_SIZE);
        AllocError::too_large(u32::try_from(pages).unwrap_or(u32::MAX))
    };
    count.checked_mul(size).ok_or_else(too_many)
}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Memory for `count` elements of `size` bytes. Linux's `kmalloc_array`.
    ///
    /// # Errors
    ///
    /// As [`kmalloc`](Self::kmalloc), also when the product overflows.
    pub fn kmalloc_array(&self, count: u32, size: u32, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.kmalloc(bytes_of(count, size)?, gfp)
    }

    /// As [`kmalloc_array`](Self::kmalloc_array), zeroed. Linux's `kcalloc`.
    ///
    /// # Errors
    ///
    /// As `kmalloc_array`.
    pub fn kcalloc(&self, count: u32, size: u32, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.kmalloc_array(count, size, gfp | Gfp::__GFP_ZERO)
    }

    /// A copy of `bytes`. Linux's `kmemdup`.
    ///
    /// # Errors
    ///
    /// As [`kmalloc`](Self::kmalloc).
    pub fn kmemdup(&self, bytes: &[u8], gfp: Gfp) -> Result<VirtAddr, AllocError> {
        let size = u32::try_from(bytes.len()).map_err(|_| AllocError::too_large(u32::MAX))?;
        let copy = self.kmalloc(size, gfp)?;
        self.memory().write(copy, bytes);
        Ok(copy)
    }

    /// Gives memory of [`kmalloc`](Self::kmalloc) another size: in place if its class has room, else
    /// elsewhere, with all bytes that its class has. Of no memory (address 0, or [`ZERO_SIZE`]) it is a
    /// `kmalloc`; to 0 bytes it is a `kfree`, whatever the flags say. Linux's `krealloc`.
    ///
    /// `__GFP_ZERO` zeroes only what the old class did not have: how much of that was asked for is not known.
    ///
    /// # Errors
    ///
    /// [`ReallocError`]. The old memory is as it was.
    ///
    /// # Safety
    ///
    /// 1. With `Ok` of another address, and of [`ZERO_SIZE`], duties 1 and 2 of [`kfree`](Self::kfree) for
    ///    the old memory; until then nobody else writes it.
    pub unsafe fn krealloc(
        &self,
        old: VirtAddr,
        size: u32,
        gfp: Gfp,
    ) -> Result<VirtAddr, ReallocError> {
        if size == 0 {
            // SAFETY: 1, 2. the caller's.
            let freed = unsafe { self.kfree(old) };
            return freed.map(|()| ZERO_SIZE).map_err(ReallocError::NotGiven);
        }
        let Some(had) = self.ksize(old) else {
            let error = ObjectError::NotAllocated { object: old };
            let refused = self.refuse(old, error).err().unwrap_or(NotGiven { object: old });
            return Err(ReallocError::NotGiven(refused));
        };
        if size <= had {
            return Ok(old);
        }
        let new = self.kmalloc(size, gfp).map_err(ReallocError::NoMemory)?;
        self.memory().copy(old, new, had.min(size));
        // SAFETY: 1, 2. the caller's.
        let freed = unsafe { self.kfree(old) };
        debug_assert!(freed.is_ok(), "it had a size");
        Ok(new)
    }
}
