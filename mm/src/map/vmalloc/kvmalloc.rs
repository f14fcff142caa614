//! `kvmalloc`: memory that lies side by side if it is easy to have, else an area.
//!
//! Up to a page nothing but an object will do: an area would take a page as well, and a table with it. Above, the object
//! is asked for without a report, and without trying hard (Linux's rule: `__GFP_NOWARN`, `__GFP_NORETRY`): a row
//! of free pages is not worth what single ones will do for. Which it has become is known by its address.
//!
//! Linux gives callers who can not sleep no area. Here they get one, since [`vmalloc`](MappedRegion::vmalloc) does not
//! sleep unless it may.
#![expect(unsafe_code, reason = "the duties of who gives memory back by its address")]

use core::fmt;

use super::error::{AreaError, VmallocError};
use super::region::MappedRegion;
use crate::addr::{Order, PAGE_SIZE, VirtAddr};
use crate::map::mmu::Mmu;
use crate::object::NotGiven;
use crate::object::family::ReallocError;
use crate::object::kmalloc::ZERO_SIZE;
use crate::platform::Lowmem;
use crate::zone::{AllocError, Gfp};

/// More than this is no object's.
const LARGEST_OBJECT: u32 = PAGE_SIZE << Order::MAX.as_u8();

/// Flags that would have the page allocator go far for a row of pages.
const EFFORT: Gfp = Gfp::__GFP_RETRY_MAYFAIL.union(Gfp::__GFP_NOFAIL);

/// Why there is no memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KvError {
    /// No object, of so few bytes that an area would not help.
    Object(AllocError),
    /// No area either.
    Area(VmallocError),
    /// What was to get another size is not what it was given as; it was reported.
    NotGiven(KvNotGiven),
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(error) => error.fmt(f),
            Self::Area(error) => error.fmt(f),
            Self::NotGiven(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for KvError {}

/// An address where no such memory begins. It was reported, and nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KvNotGiven {
    /// It is in the region.
    Area(AreaError),
    /// It is not.
    Object(NotGiven),
}

impl fmt::Display for KvNotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Area(error) => error.fmt(f),
            Self::Object(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for KvNotGiven {}

impl<P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// `bytes` of memory: an object of [`kmalloc`](crate::object::SlabAllocator::kmalloc), or an area. Context as
    /// `gfp` says. `caller` is named in reports of the area.
    ///
    /// # Errors
    ///
    /// [`KvError`], which is reported unless `gfp` says `__GFP_NOWARN`.
    pub fn kvmalloc(&self, bytes: u32, gfp: Gfp, caller: u32) -> Result<VirtAddr, KvError> {
        if bytes <= PAGE_SIZE {
            return self.slabs.kmalloc(bytes, gfp).map_err(KvError::Object);
        }
        if bytes <= LARGEST_OBJECT
            && let Ok(object) = self.slabs.kmalloc(bytes, easily(gfp))
        {
            return Ok(object);
        }
        self.vmalloc(bytes, gfp, caller).map_err(KvError::Area)
    }

    /// As [`kvmalloc`](Self::kvmalloc), all zero.
    ///
    /// # Errors
    ///
    /// As `kvmalloc`.
    pub fn kvzalloc(&self, bytes: u32, gfp: Gfp, caller: u32) -> Result<VirtAddr, KvError> {
        self.kvmalloc(bytes, gfp | Gfp::__GFP_ZERO, caller)
    }

    /// Gives back memory of [`kvmalloc`](Self::kvmalloc), and any of `kmalloc` or [`vmalloc`](Self::vmalloc). Of
    /// address 0, and of no bytes, there is nothing to give back. Any context.
    ///
    /// # Errors
    ///
    /// [`KvNotGiven`] when no such memory begins there. It was reported, and nothing has changed.
    ///
    /// # Safety
    ///
    /// 1. Nobody uses the memory any more.
    /// 2. The object's cache, if it is one, has no constructor; or it is in the state that this left.
    pub unsafe fn kvfree(&self, at: VirtAddr) -> Result<(), KvNotGiven> {
        if self.is_vmalloc_addr(at) {
            return self.vfree(at).map_err(KvNotGiven::Area);
        }
        // SAFETY: 1, 2. the caller's.
        unsafe { self.slabs.kfree(at) }.map_err(KvNotGiven::Object)
    }

    /// Gives memory of [`kvmalloc`](Self::kvmalloc) another size, here or elsewhere, with what both sizes have. An
    /// area stays one. Of address 0 it is a `kvmalloc`; to 0 bytes it is a [`kvfree`](Self::kvfree), and returns
    /// [`ZERO_SIZE`]. Context as `gfp` says.
    ///
    /// When an object becomes an area, `copy` is called with where it is, where the area is, and how many bytes to copy:
    /// the memory core itself reaches no area.
    ///
    /// # Errors
    ///
    /// [`KvError`]; the old memory is as it was.
    ///
    /// # Safety
    ///
    /// 1. With `Ok` of another address, and of [`ZERO_SIZE`], duties 1 and 2 of `kvfree` for the old memory; until then
    ///    nobody else writes it.
    pub unsafe fn kvrealloc(
        &self,
        old: VirtAddr,
        bytes: u32,
        gfp: Gfp,
        caller: u32,
        copy: impl FnOnce(VirtAddr, VirtAddr, u32),
    ) -> Result<VirtAddr, KvError> {
        if bytes == 0 {
            // SAFETY: 1, 2. the caller's.
            let freed = unsafe { self.kvfree(old) };
            return freed.map(|()| ZERO_SIZE).map_err(KvError::NotGiven);
        }
        if self.is_vmalloc_addr(old) {
            return self.vrealloc(old, bytes, gfp, caller).map_err(|error| match error {
                VmallocError::NoArea(error) => KvError::NotGiven(KvNotGiven::Area(error)),
                error => KvError::Area(error),
            });
        }
        if bytes <= LARGEST_OBJECT {
            let gfp = if bytes <= PAGE_SIZE { gfp } else { easily(gfp) };
            // SAFETY: 1. the caller's.
            match unsafe { self.slabs.krealloc(old, bytes, gfp) } {
                Ok(object) => return Ok(object),
                Err(ReallocError::NotGiven(error)) => {
                    return Err(KvError::NotGiven(KvNotGiven::Object(error)));
                }
                Err(ReallocError::NoMemory(error)) if bytes <= PAGE_SIZE => {
                    return Err(KvError::Object(error));
                }
                Err(ReallocError::NoMemory(_)) => {}
            }
        }
        let had = self.slabs.ksize(old);
        let area = self.vmalloc(bytes, gfp, caller).map_err(KvError::Area)?;
        copy(old, area, had.unwrap_or(0).min(bytes));
        // SAFETY: 1, 2. the caller's.
        match unsafe { self.kvfree(old) } {
            Ok(()) => Ok(area),
            Err(error) => {
                // It was nobody's: nor is the copy.
                let _ = self.vfree(area);
                Err(KvError::NotGiven(error))
            }
        }
    }
}

/// The flags of a request whose failure nobody need know of.
const fn easily(gfp: Gfp) -> Gfp {
    gfp.difference(EFFORT).union(Gfp::__GFP_NOWARN).union(Gfp::__GFP_NORETRY)
}
