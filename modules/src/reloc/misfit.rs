//! Why a relocation cannot be applied.

use core::fmt;

/// Why a relocation was not applied. The place is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Misfit {
    /// A branch does not reach its destination, or would have to change the state and cannot. It
    /// can go through a veneer: see [`Kind::apply_veneer`](super::Kind::apply_veneer).
    NeedsVeneer,
    /// The distance does not fit into the bits there are, and no veneer helps.
    OutOfRange {
        /// Address of the place.
        from: u32,
        /// The address that it was to reach.
        to: u32,
    },
    /// A place, a destination or a veneer lies where none can.
    Misaligned {
        /// Where it lies.
        address: u32,
        /// What the address should be a multiple of, in bytes.
        multiple_of: u32,
    },
    /// The place does not hold the instruction that the relocation is for.
    NotAnInstruction {
        /// What it holds: a word of ARM code, a halfword, or two halfwords with the first on top.
        word: u32,
    },
    /// A branch that neither changes the state nor reaches a veneer goes to code of the other
    /// state.
    ChangesState {
        /// Address of that code, bit 0 set if it is Thumb code.
        to: u32,
    },
    /// Only branches that may go through a veneer can be aimed at one.
    TakesNoVeneer,
    /// The slice is not as long as the relocation's place.
    PlaceSize {
        /// Bytes it has.
        bytes: usize,
        /// Bytes it should have.
        expected: usize,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsVeneer => f.write_str("the branch needs a veneer"),
            Self::OutOfRange { from, to } => {
                write!(f, "{to:#010x} is out of range from {from:#010x}")
            }
            Self::Misaligned { address, multiple_of } => {
                write!(f, "{address:#010x} is not a multiple of {multiple_of}")
            }
            Self::NotAnInstruction { word } => {
                write!(f, "{word:#010x} is not the instruction that the relocation is for")
            }
            Self::ChangesState { to } => {
                write!(f, "the short branch cannot change the state for {to:#010x}")
            }
            Self::TakesNoVeneer => f.write_str("the relocation takes no veneer"),
            Self::PlaceSize { bytes, expected } => {
                write!(f, "the place has {bytes} bytes, not {expected}")
            }
        }
    }
}

impl core::error::Error for Misfit {}
