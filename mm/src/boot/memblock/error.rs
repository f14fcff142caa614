//! What memblock can refuse, and what [`Memblock::validate`](super::Memblock::validate) can find.
//!
//! An operation that returns a [`MemblockError`] has changed nothing. A [`Violation`] is a fault of
//! memblock itself: no sequence of calls may lead to one.

use core::fmt;

use crate::addr::{PhysAddr, PhysRange};

/// One of the two lists of a [`Memblock`](super::Memblock).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListKind {
    /// The memory that the machine has.
    Memory,
    /// The ranges that are taken.
    Reserved,
}

impl fmt::Display for ListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Reserved => "reserved",
        })
    }
}

/// Why an operation was refused. Both lists are as they were before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemblockError {
    /// The list's array is full, and there is no [`RegionStorage`](super::RegionStorage) yet.
    Full {
        /// The list that is full.
        list: ListKind,
        /// How many regions its array holds.
        capacity: usize,
    },
    /// The list's array is full, and no free memory is large enough for a longer one.
    NoRoomForArray {
        /// The list that is full.
        list: ListKind,
        /// The bytes that the longer array takes.
        bytes: u64,
    },
    /// The list's array is full, and the storage could not make an array in this free range.
    StorageRefused {
        /// The list that is full.
        list: ListKind,
        /// The range that was offered to the storage.
        range: PhysRange,
    },
    /// The range holds part of a region array, which belongs to memblock alone.
    ArrayInUse {
        /// The range that was asked for.
        range: PhysRange,
        /// The array that it overlaps.
        array: PhysRange,
    },
    /// An allocation of no bytes.
    ZeroSize,
    /// An alignment that is not a power of two.
    BadAlign(u64),
    /// No free range is large enough.
    NoSpace {
        /// The bytes asked for.
        size: u64,
        /// Their alignment.
        align: u64,
        /// The lowest address allowed.
        min: PhysAddr,
        /// The address that the allocation had to end at or below.
        max: PhysAddr,
    },
}

impl fmt::Display for MemblockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Full { list, capacity } => {
                write!(f, "{list} list is full with {capacity} regions and cannot grow yet")
            }
            Self::NoRoomForArray { list, bytes } => {
                write!(f, "no free memory for a longer {list} list of {bytes:#x} bytes")
            }
            Self::StorageRefused { list, range } => {
                write!(f, "the storage made no {list} list at {range}")
            }
            Self::ArrayInUse { range, array } => {
                write!(f, "{range} overlaps the region list at {array}")
            }
            Self::ZeroSize => f.write_str("an allocation of 0 bytes"),
            Self::BadAlign(align) => write!(f, "alignment {align:#x} is not a power of two"),
            Self::NoSpace { size, align, min, max } => {
                write!(f, "no free {size:#x} bytes aligned to {align:#x} from {min} up to {max}")
            }
        }
    }
}

impl core::error::Error for MemblockError {}

/// An invariant of memblock that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A region of no bytes.
    EmptyRegion {
        /// The list it is in.
        list: ListKind,
        /// Its index there.
        index: usize,
    },
    /// A region that starts before its predecessor ends.
    OutOfOrder {
        /// The list it is in.
        list: ListKind,
        /// Its index there.
        index: usize,
    },
    /// A region that should have been merged with its predecessor.
    NotMerged {
        /// The list it is in.
        list: ListKind,
        /// Its index there.
        index: usize,
    },
    /// A list lives in memory that is not reserved, or not mapped.
    ArrayUnprotected {
        /// The list.
        list: ListKind,
        /// The memory it lives in.
        array: PhysRange,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::EmptyRegion { list, index } => write!(f, "{list}[{index:#x}] is empty"),
            Self::OutOfOrder { list, index } => {
                write!(f, "{list}[{index:#x}] starts before its predecessor ends")
            }
            Self::NotMerged { list, index } => {
                write!(f, "{list}[{index:#x}] is not merged with its predecessor")
            }
            Self::ArrayUnprotected { list, array } => {
                write!(f, "{list} list at {array} is not in mapped and reserved memory")
            }
        }
    }
}

impl core::error::Error for Violation {}
