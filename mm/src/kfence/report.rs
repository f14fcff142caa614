//! What there is to say about a mistake that the pool found. Its text: [`report::kfence`](crate::report::kfence).

use core::fmt;

use arrayvec::ArrayVec;

use crate::addr::VirtAddr;
use crate::object::Name;
use crate::object::guarded::Track;

/// Bytes that a report of an overwritten canary shows at most.
pub const SHOWN: usize = 16;

/// Which way an access went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    /// A load.
    Read,
    /// A store.
    Write,
}

impl fmt::Display for AccessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// An access that faulted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// To which byte.
    pub at: VirtAddr,
    /// Which way.
    pub kind: AccessKind,
    /// The address of the instruction.
    pub site: u32,
}

/// Bytes beside an object that somebody wrote to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Corrupted {
    /// The first wrong one.
    pub at: VirtAddr,
    /// From there on, to the end of what was looked at or [`SHOWN`] of them: what is there, or `None` where
    /// nothing is wrong.
    pub bytes: ArrayVec<Option<u8>, SHOWN>,
}

/// What went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// An access to a guard page, nearest to the report's object.
    OutOfBounds(Access),
    /// An access to the page of an object that is free.
    UseAfterFree(Access),
    /// An access to a page of the pool near which no object ever was.
    InvalidAccess(Access),
    /// Somebody wrote beside the object, in its page. It was given back at `site`.
    Corruption {
        /// The bytes.
        bytes: Corrupted,
        /// A return address.
        site: u32,
    },
    /// Somebody gave back what was not theirs: a free object, or an address where none begins. Nothing has
    /// changed.
    InvalidFree {
        /// The address.
        at: VirtAddr,
        /// A return address.
        site: u32,
    },
}

/// An object of the pool at the moment of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampledObject {
    /// Its number in the pool.
    pub number: u32,
    /// Its first byte.
    pub object: VirtAddr,
    /// Bytes that its user may use.
    pub size: u32,
    /// Its cache; `None` if that has been destroyed.
    pub cache: Option<Name>,
    /// Who took it.
    pub taken: Track,
    /// Who gave it back, if it is free.
    pub given: Option<Track>,
}

/// A mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KfenceReport {
    /// What it is.
    pub what: What,
    /// The object that it is about.
    pub object: Option<SampledObject>,
    /// The platform's ticks.
    pub now: u32,
}

impl KfenceReport {
    /// Where it was made: the instruction that accessed, or where the call returns to that gave back.
    #[must_use]
    pub const fn site(&self) -> u32 {
        match self.what {
            What::OutOfBounds(Access { site, .. })
            | What::UseAfterFree(Access { site, .. })
            | What::InvalidAccess(Access { site, .. })
            | What::Corruption { site, .. }
            | What::InvalidFree { site, .. } => site,
        }
    }
}

/// The words of the report's first line, without where.
impl fmt::Display for KfenceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BUG: KFENCE: ")?;
        match &self.what {
            What::OutOfBounds(access) => write!(f, "out-of-bounds {}", access.kind),
            What::UseAfterFree(access) => write!(f, "use-after-free {}", access.kind),
            What::InvalidAccess(access) => write!(f, "invalid {}", access.kind),
            What::Corruption { .. } => f.write_str("memory corruption"),
            What::InvalidFree { .. } => f.write_str("invalid free"),
        }
    }
}
