//! What a pool refuses, and why. An error means that nothing has changed, unless it says so.

use core::fmt;

use crate::zone::{AllocError, Gfp};

/// A pool that was not made, or has the size that it had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PoolError {
    /// A pool of no element. Linux's `mempool_resize` ends the kernel.
    NoElements,
    /// There is no memory for the elements' addresses.
    Array(AllocError),
    /// There is no memory for all elements. Those that there were have been given back.
    Element {
        /// How many there were.
        taken: u32,
        /// Why there was no other.
        error: AllocError,
    },
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoElements => f.write_str("a pool of no element"),
            Self::Array(error) => write!(f, "no memory for the elements' addresses: {error}"),
            Self::Element { taken, error } => {
                write!(f, "no memory for more than {taken} elements: {error}")
            }
        }
    }
}

impl core::error::Error for PoolError {}

/// A request that got no element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoElement {
    /// `__GFP_ZERO`: elements that were used before are not zero. Linux warns, and gives one.
    Zero,
    /// Flags that say where memory lies: where a pool's elements lie is said when it is made. Linux
    /// gives an element that may lie elsewhere.
    Place {
        /// Those.
        flags: Gfp,
    },
    /// The flags contradict each other, or the allocator has no such elements at all.
    Alloc(AllocError),
    /// The pool is empty, and the caller may not sleep.
    Empty,
    /// The pool is empty, and nobody who could give an element back will run.
    NobodyCanHelp,
}

impl fmt::Display for NoElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => write!(f, "{}: elements of a pool are not zeroed", Gfp::__GFP_ZERO),
            Self::Place { flags } => {
                write!(f, "{flags}: where a pool's elements lie is said when it is made")
            }
            Self::Alloc(error) => error.fmt(f),
            Self::Empty => f.write_str("the pool is empty, and the caller may not sleep"),
            Self::NobodyCanHelp => f.write_str("the pool is empty, and nobody can help"),
        }
    }
}

impl core::error::Error for NoElement {}

/// A pool ended, and somebody still has elements of it. They are as good as before; who has them
/// gives them back to the allocator itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outstanding {
    /// How many: of [`Counted`](super::Counted) elements all, of others at least so many.
    pub elements: u32,
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements of the pool were not given back", self.elements)
    }
}

impl core::error::Error for Outstanding {}
