//! What debugging finds, and says about an object.

use core::fmt;

use super::geometry::Geometry;
use crate::addr::VirtAddr;

/// Bytes that are not what they must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overwritten {
    /// Which part of the object's surroundings.
    pub what: &'static str,
    /// The first wrong byte.
    pub from: VirtAddr,
    /// The last one.
    pub last: VirtAddr,
    /// What the first one is.
    pub found: u8,
    /// What it must be.
    pub expected: u8,
}

/// What is wrong with an object of a guarded cache. It is `Display` in SLUB's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Somebody wrote where nobody should, around the object or into it while it was free. The bytes are
    /// restored after the report.
    Overwritten {
        /// The bytes.
        bytes: Overwritten,
        /// Is the object's slab out of use from now on? Otherwise the object was not given back.
        is_isolated: bool,
    },
    /// It was given back, and is free.
    AlreadyFree,
    /// It was given back, and lies in a pool.
    InPool,
    /// An address was given back that is none of an object; this one is the nearest.
    NoObject {
        /// The address.
        at: VirtAddr,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overwritten { bytes, .. } => write!(f, "{} overwritten", bytes.what),
            Self::AlreadyFree => f.write_str("Object already free"),
            Self::InPool => f.write_str("Object is in a pool"),
            Self::NoObject { at } => write!(f, "Invalid object pointer {at}"),
        }
    }
}

/// Who did something to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Track {
    /// The return address; 0 if nobody did.
    pub site: u32,
    /// On which CPU.
    pub cpu: u32,
    /// When, in the platform's ticks.
    pub when: u32,
}

/// An object that somebody has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveObject {
    /// Its address.
    pub object: VirtAddr,
    /// Who took it, if the cache remembers.
    pub taken: Option<Track>,
}

/// An object at the moment of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectState {
    /// Its address.
    pub object: VirtAddr,
    /// How objects of its cache lie.
    pub geometry: Geometry,
    /// Where in the stride nobody has anything any more, counted from the object.
    pub padding: u32,
    /// The first byte of its slab.
    pub slab: VirtAddr,
    /// Objects in the slab, and how many of them are allocated.
    pub objects: u32,
    /// See `objects`.
    pub used: u32,
    /// Who took it last, if the cache remembers.
    pub taken: Option<Track>,
    /// Who gave it back last.
    pub given: Option<Track>,
    /// The platform's ticks.
    pub now: u32,
}

/// Which way an object goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To a user.
    Taken,
    /// Back.
    Given,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "alloc",
            Self::Given => "free",
        })
    }
}
