//! Values at a place: a word of data, 31 bits of one, 16 bits of a `MOVW` or `MOVT`.
//!
//! Invariant: bits that are no part of the value stay, and a value that does not fit is refused,
//! but for `MOVW` and `MOVT`, which take their half of it.

use super::place::Unit;
use super::{State, arm, thumb};

/// How a value lies at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    /// A word of data, which may lie anywhere.
    Word,
    /// Bits 30:0 of a word of data. Bit 31 belongs to the table that the word is in (EHABI).
    Word31,
    /// Bits 15:0, in a `MOVW`.
    Movw(State),
    /// Bits 31:16, in a `MOVT`.
    Movt(State),
}

impl Field {
    pub(super) const fn unit(self) -> Unit {
        match self {
            Self::Word | Self::Word31 | Self::Movw(State::Arm) | Self::Movt(State::Arm) => {
                Unit::Word
            }
            Self::Movw(State::Thumb) | Self::Movt(State::Thumb) => Unit::Halfwords,
        }
    }

    /// What the place's address is a multiple of.
    pub(super) const fn align(self) -> u32 {
        match self {
            Self::Word | Self::Word31 => 1,
            Self::Movw(state) | Self::Movt(state) => state.align(),
        }
    }

    /// Whether `word` is the instruction; data are any word.
    pub(super) const fn is_in(self, word: u32) -> bool {
        match self {
            Self::Word | Self::Word31 => true,
            Self::Movw(State::Arm) => arm::is_movw(word),
            Self::Movw(State::Thumb) => thumb::is_movw(word),
            Self::Movt(State::Arm) => arm::is_movt(word),
            Self::Movt(State::Thumb) => thumb::is_movt(word),
        }
    }

    /// The addend in `word`. That of a `MOVW` and of a `MOVT` is 16 bits and signed, for both
    /// (IHI 0044, 4.6.1.1).
    pub(super) const fn addend(self, word: u32) -> i32 {
        match self {
            Self::Word => word as i32,
            Self::Word31 => (word << 1) as i32 >> 1,
            Self::Movw(State::Arm) | Self::Movt(State::Arm) => arm::imm16(word) as i16 as i32,
            Self::Movw(State::Thumb) | Self::Movt(State::Thumb) => thumb::imm16(word) as i16 as i32,
        }
    }

    /// `word` with `value`, or `None` if that does not fit.
    pub(super) const fn with(self, word: u32, value: u32) -> Option<u32> {
        let [low, high] = [value as u16, (value >> 16) as u16];
        Some(match self {
            Self::Word => value,
            Self::Word31 if self.addend(value) as u32 != value => return None,
            Self::Word31 => word & 1 << 31 | value & !(1 << 31),
            Self::Movw(State::Arm) => arm::with_imm16(word, low),
            Self::Movw(State::Thumb) => thumb::with_imm16(word, low),
            Self::Movt(State::Arm) => arm::with_imm16(word, high),
            Self::Movt(State::Thumb) => thumb::with_imm16(word, high),
        })
    }
}
