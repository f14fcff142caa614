//! Relocation arithmetic of 32-bit ARM: what a relocation makes of the bytes at its place.
//!
//! A [`Kind`] is one relocation type of *ELF for the ARM Architecture* (IHI 0044, 4.6), in the REL
//! form: the addend is what the place holds. The letters are the ABI's: S the symbol's address, A
//! the addend, P the place's address, and T, which is 1 for a function in Thumb code.
//!
//! | part | idea |
//! |---|---|
//! | `kind` | a type's name, size, alignment and formula; [`Kind::apply`] |
//! | `field` | values: words, and the 16 bits of `MOVW` and `MOVT` |
//! | `branch` | branches: reach, change of state, veneers |
//! | `arm`, `thumb` | where in an instruction's word the bits lie (ARM DDI 0406C, A8.8) |
//! | [`veneer`] | two words that reach any address |
//!
//! The order for a branch is [`Kind::apply`]; if it says [`Misfit::NeedsVeneer`], the bytes are as
//! before, and the loader takes [`Kind::destination`], writes its [`veneer`] if there is none yet,
//! and calls [`Kind::apply_veneer`]. All read the addend from the place and `apply*` replaces it,
//! so each relocation is applied once.
//!
//! Invariant: whatever the bytes, addresses and symbols are, nothing here panics, and a place is
//! changed only by a relocation that succeeds. Addresses are added and subtracted modulo 2³².

mod arm;
mod branch;
mod field;
mod kind;
mod misfit;
mod place;
mod thumb;
pub mod veneer;

#[cfg(test)]
mod tests;

pub use kind::Kind;
pub use misfit::Misfit;

/// The instruction set state: how the CPU reads what lies at PC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum State {
    /// Words of 4 bytes.
    Arm,
    /// One or two halfwords.
    Thumb,
}

impl State {
    /// What an instruction's address is a multiple of, in bytes.
    #[must_use]
    pub const fn align(self) -> u32 {
        match self {
            Self::Arm => 4,
            Self::Thumb => 2,
        }
    }

    /// Bit 0 of the address of a function: the ABI's T.
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            Self::Arm => 0,
            Self::Thumb => 1,
        }
    }

    /// How far PC is ahead of the instruction that reads it, in bytes (ARM DDI 0406C, A2.3).
    const fn pc_bias(self) -> u32 {
        match self {
            Self::Arm => 8,
            Self::Thumb => 4,
        }
    }
}

/// What a relocation points at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Symbol {
    /// Its address. Bit 0 of a function's is clear; that of a variable may be set.
    pub address: u32,
    /// Whether it is a function of Thumb code.
    pub is_thumb: bool,
}

impl Symbol {
    /// A function (`STT_FUNC`), whose `value` has bit 0 set if it is Thumb code (IHI 0044, 4.5.3).
    #[must_use]
    pub const fn function(value: u32) -> Self {
        Self { address: value & !1, is_thumb: value & 1 != 0 }
    }

    /// A section, a variable or a label at `address`, for a relocation of this `kind`.
    ///
    /// Nobody knows in which state the code behind such a symbol is. gcc names a function's cold
    /// part, which it puts into another section, by that section's symbol: a branch there stays in
    /// its own state, so the symbol counts as Thumb for branches of Thumb code. For all else T is 0
    /// (IHI 0044, 4.5.2, 4.6.1.2).
    #[must_use]
    pub const fn label(address: u32, kind: Kind) -> Self {
        Self { address, is_thumb: matches!(kind.state_of_branch(), Some(State::Thumb)) }
    }

    /// The state of the code at it.
    #[must_use]
    pub const fn state(self) -> State {
        if self.is_thumb { State::Thumb } else { State::Arm }
    }
}
