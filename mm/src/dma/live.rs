//! A live mapping, as reports tell of it.

use core::fmt;

use super::address::DmaAddr;
use super::direction::Direction;
use crate::addr::PhysRange;

/// Whether mappings are watched: `dma_debug=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Watching {
    /// They are.
    On,
    /// They are not.
    #[default]
    Off,
}

/// How a mapping was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// By address: `map_single`.
    Single = 0,
    /// By frame: `map_page`.
    Page = 1,
    /// It is a coherent buffer.
    Coherent = 2,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Single => "single",
            Self::Page => "page",
            Self::Coherent => "coherent",
        })
    }
}

/// A mapping that is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveMapping {
    /// The number of its device among those that are attached.
    pub device: u32,
    /// How it was made.
    pub kind: Kind,
    /// Its bus address.
    pub dma: DmaAddr,
    /// The memory that was mapped; if it is bounced, the buffer.
    pub memory: PhysRange,
    /// Which way the transfer goes.
    pub direction: Direction,
    /// The return address of who made it; 0 if it is not known.
    pub site: u32,
}

impl LiveMapping {
    /// Its length.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        // It was a length of 32 bits.
        self.memory.len() as u32
    }
}

impl fmt::Display for LiveMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, dma, direction, site, .. } = self;
        write!(f, "the {kind} mapping of {} bytes at {dma}, {direction}", self.bytes())?;
        if *site != 0 {
            write!(f, ", by {site:#010x}")?;
        }
        Ok(())
    }
}
