//! What the object core refuses, and why. An error means that nothing has changed, unless it says so.

use core::fmt;

use super::flags::SlabFlags;
use super::geometry::GeometryError;
use super::name::Name;
use crate::addr::{Pfn, VirtAddr};
use crate::frame::PageState;
use crate::zone::AllocError;

/// A cache that was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CreateError {
    /// A name that is empty, or longer than [`Name::MAX`] bytes.
    Name {
        /// Its length in bytes.
        len: usize,
    },
    /// Flags that no cache can have: unknown ones, and `SLAB_TYPESAFE_BY_RCU`.
    Flags {
        /// Those.
        flags: SlabFlags,
    },
    /// Objects that do not fit.
    Geometry(GeometryError),
    /// There is no memory for the cache itself.
    NoMemory(AllocError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { len } => {
                write!(f, "a name of {len} bytes: 1 to {} are possible", Name::MAX)
            }
            Self::Flags { flags } => write!(f, "flags {:#x} are not possible", flags.bits()),
            Self::Geometry(error) => error.fmt(f),
            Self::NoMemory(error) => write!(f, "no memory for the cache itself: {error}"),
        }
    }
}

impl core::error::Error for CreateError {}

/// A cache that was not destroyed: objects of it are still allocated, or a slab is out of use since a
/// free object was written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy {
    /// How many.
    pub objects: u32,
    /// In how many slabs.
    pub slabs: u32,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, slabs } = self;
        match objects {
            0 => write!(f, "no object is allocated, but {slabs} slabs are kept"),
            _ => write!(f, "{objects} objects in {slabs} slabs are still allocated"),
        }
    }
}

impl core::error::Error for Busy {}

/// An object that was not given back. Nothing has changed, and the fault has been reported.
///
/// One word, so that the result is cheap; [`ObjectError`] says more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotGiven {
    /// The address that was given.
    pub object: VirtAddr,
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing was given back at {}", self.object)
    }
}

impl core::error::Error for NotGiven {}

/// What is wrong with an object that somebody gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectError<'r> {
    /// The address is not one of the linear map.
    NotLinear {
        /// The address.
        object: VirtAddr,
    },
    /// The page is part of no slab.
    NoSlab {
        /// The address.
        object: VirtAddr,
        /// Its page.
        pfn: Pfn,
        /// What that is.
        state: PageState,
    },
    /// The address is inside a slab, but no object begins there.
    NotAnObject {
        /// The address.
        object: VirtAddr,
        /// The slab's cache.
        cache: &'r Name,
        /// The object that it is inside of, or the first of the slab.
        nearest: VirtAddr,
    },
    /// The address is inside the pages that `kmalloc` or the heap took, but not their first.
    NotLargeStart {
        /// The address.
        object: VirtAddr,
        /// The first page.
        pfn: Pfn,
    },
    /// No memory of `kmalloc` begins at the address.
    NotAllocated {
        /// The address.
        object: VirtAddr,
    },
    /// The object is free.
    DoubleFree {
        /// The address.
        object: VirtAddr,
        /// The slab's cache.
        cache: &'r Name,
    },
    /// The memory lies in a pool, which set it aside.
    InPool {
        /// The address.
        object: VirtAddr,
    },
    /// The object is another cache's. It was given back to that.
    WrongCache {
        /// The address.
        object: VirtAddr,
        /// The cache that it is an object of.
        cache: &'r Name,
        /// The cache that was named.
        named: &'r Name,
    },
}

impl fmt::Display for ObjectError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLinear { object } => {
                write!(f, "free of {object}, which is no address of the linear map")
            }
            Self::NoSlab { object, pfn, state } => {
                write!(f, "free of {object}, which is in no slab: pfn {pfn} is {state}")
            }
            Self::NotAnObject { object, cache, nearest } => {
                write!(
                    f,
                    "{cache}: free of {object}, where no object begins: one does at {nearest}"
                )
            }
            Self::NotLargeStart { object, pfn } => {
                write!(f, "free of {object}, which is inside the pages from pfn {pfn} on")
            }
            Self::NotAllocated { object } => {
                write!(f, "krealloc of {object}, where no memory begins")
            }
            Self::DoubleFree { object, cache } => {
                write!(f, "{cache}: Object already free: {object}")
            }
            Self::InPool { object } => {
                write!(f, "mempool: Element already free: {object} is in a pool")
            }
            Self::WrongCache { object, cache, named } => {
                write!(f, "{named}: Wrong slab cache: {object} is an object of {cache}")
            }
        }
    }
}

impl core::error::Error for ObjectError<'_> {}
