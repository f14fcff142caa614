//! Branches: how far they reach, which of them can change the state, and what becomes of one that
//! leads nowhere.
//!
//! | branch | relocation | reach from PC | other state |
//! |---|---|---|---|
//! | ARM `BL`, `BLX` | `CALL`, `PC24` | -32 MiB ..= 32 MiB - 4 (`BLX`: - 2) | `BLX` |
//! | ARM `BL<c>`, `B<c>` | `JUMP24`, `PC24` | -32 MiB ..= 32 MiB - 4 | veneer |
//! | Thumb `BL`, `BLX` | `THM_CALL` | -16 MiB ..= 16 MiB - 2 (`BLX`: - 4) | `BLX` |
//! | Thumb `B.W` | `THM_JUMP24` | -16 MiB ..= 16 MiB - 2 | veneer |
//! | Thumb `B<c>.W` | `THM_JUMP19` | -1 MiB ..= 1 MiB - 2 | veneer |
//! | Thumb `B` | `THM_JUMP11` | -2048 ..= 2046 | no |
//! | Thumb `B<c>` | `THM_JUMP8` | -256 ..= 254 | no |
//!
//! PC is 8 bytes ahead of an ARM instruction, 4 of a Thumb one; `BLX` of Thumb code counts from
//! PC rounded down to a multiple of 4 (ARM DDI 0406C, A8.8.18, A8.8.25).
//!
//! The instruction, not the relocation's name, says whether there is a condition: a `BL<c>` under
//! `CALL` is taken, and needs a veneer to change the state.

use super::place::Unit;
use super::{Misfit, State, arm, thumb};

/// A kind of branch with an immediate offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Branch {
    /// ARM `BL<c>` or `BLX`.
    ArmCall,
    /// ARM `B<c>` or `BL<c>`, which the linker may not turn into `BLX`.
    ArmJump,
    /// Any of those: the type of older compilers.
    ArmAny,
    /// Thumb `BL` or `BLX`.
    ThumbCall,
    /// Thumb `B.W`.
    ThumbJump,
    /// Thumb `B<c>.W`.
    ThumbIf,
    /// Thumb `B` of one halfword.
    ThumbShortJump,
    /// Thumb `B<c>` of one halfword.
    ThumbShortIf,
}

impl Branch {
    pub(super) const fn state(self) -> State {
        match self {
            Self::ArmCall | Self::ArmJump | Self::ArmAny => State::Arm,
            Self::ThumbCall
            | Self::ThumbJump
            | Self::ThumbIf
            | Self::ThumbShortJump
            | Self::ThumbShortIf => State::Thumb,
        }
    }

    pub(super) const fn unit(self) -> Unit {
        match self {
            Self::ArmCall | Self::ArmJump | Self::ArmAny => Unit::Word,
            Self::ThumbCall | Self::ThumbJump | Self::ThumbIf => Unit::Halfwords,
            Self::ThumbShortJump | Self::ThumbShortIf => Unit::Halfword,
        }
    }

    /// Whether it reaches far enough for a veneer behind the code.
    pub(super) const fn takes_veneer(self) -> bool {
        !matches!(self, Self::ThumbShortJump | Self::ThumbShortIf)
    }

    /// Whether `word` is such a branch.
    pub(super) const fn is_in(self, word: u32) -> bool {
        match self {
            Self::ArmCall => arm::is_bl(word) || arm::is_blx(word),
            Self::ArmJump => arm::is_b(word) || arm::is_bl(word),
            Self::ArmAny => arm::is_b(word) || arm::is_bl(word) || arm::is_blx(word),
            Self::ThumbCall => thumb::is_bl(word) || thumb::is_blx(word),
            Self::ThumbJump => thumb::is_b_wide(word),
            Self::ThumbIf => thumb::is_b_cond_wide(word),
            Self::ThumbShortJump => thumb::is_b_narrow(word),
            Self::ThumbShortIf => thumb::is_b_cond_narrow(word),
        }
    }

    /// The offset in `word`, in bytes: the addend.
    pub(super) const fn offset(self, word: u32) -> i32 {
        match self {
            Self::ArmCall | Self::ArmJump | Self::ArmAny => arm::offset(word),
            Self::ThumbCall | Self::ThumbJump => thumb::offset25(word),
            Self::ThumbIf => thumb::offset21(word),
            Self::ThumbShortJump => thumb::offset12(word),
            Self::ThumbShortIf => thumb::offset9(word),
        }
    }

    /// `word`, at `address`, with its offset such that it goes to `target`, which is code of
    /// state `to`.
    ///
    /// [`Misfit::NeedsVeneer`] or, without veneers, [`Misfit::ChangesState`] or
    /// [`Misfit::OutOfRange`] if it cannot.
    pub(super) const fn aim(
        self,
        word: u32,
        address: u32,
        target: u32,
        to: State,
    ) -> Result<u32, Misfit> {
        let from = self.state();
        if !self.is_in(word) {
            return Err(Misfit::NotAnInstruction { word });
        }
        if !target.is_multiple_of(to.align()) {
            return Err(Misfit::Misaligned { address: target, multiple_of: to.align() });
        }
        let pc = address.wrapping_add(from.pc_bias());
        let (pc, changes_state) = match (from, to) {
            (State::Arm, State::Arm) | (State::Thumb, State::Thumb) => (pc, false),
            (State::Arm, State::Thumb) => (pc, true),
            (State::Thumb, State::Arm) => (pc & !0b11, true),
        };
        if changes_state && !self.can_change_state(word) {
            return Err(if self.takes_veneer() {
                Misfit::NeedsVeneer
            } else {
                Misfit::ChangesState { to: target | to.bit() }
            });
        }
        let offset = target.wrapping_sub(pc) as i32;
        if !self.reaches(offset) {
            return Err(if self.takes_veneer() {
                Misfit::NeedsVeneer
            } else {
                Misfit::OutOfRange { from: address, to: target | to.bit() }
            });
        }
        Ok(self.with_offset(word, offset, to))
    }

    /// The instruction that does nothing instead of `word`, under the same condition.
    pub(super) const fn nop_for(self, word: u32) -> Result<u32, Misfit> {
        if !self.is_in(word) {
            return Err(Misfit::NotAnInstruction { word });
        }
        Ok(match self.unit() {
            Unit::Word => arm::nop_for(word),
            Unit::Halfwords => thumb::NOP_WIDE,
            Unit::Halfword => thumb::NOP,
        })
    }

    /// Whether `BLX`, which has no condition, does the same.
    const fn can_change_state(self, word: u32) -> bool {
        match self {
            Self::ArmCall | Self::ArmAny => arm::is_bl_always(word) || arm::is_blx(word),
            Self::ThumbCall => true,
            Self::ArmJump
            | Self::ThumbJump
            | Self::ThumbIf
            | Self::ThumbShortJump
            | Self::ThumbShortIf => false,
        }
    }

    /// Whether `offset` fits. It is a multiple of what the instruction counts in, since place and
    /// target are.
    const fn reaches(self, offset: i32) -> bool {
        let half = match self {
            Self::ArmCall | Self::ArmJump | Self::ArmAny => 1 << 25,
            Self::ThumbCall | Self::ThumbJump => 1 << 24,
            Self::ThumbIf => 1 << 20,
            Self::ThumbShortJump => 1 << 11,
            Self::ThumbShortIf => 1 << 8,
        };
        -half <= offset && offset < half
    }

    const fn with_offset(self, word: u32, offset: i32, to: State) -> u32 {
        match (self, to) {
            (Self::ArmCall | Self::ArmJump | Self::ArmAny, State::Arm) => {
                arm::with_offset(word, offset)
            }
            (Self::ArmCall | Self::ArmJump | Self::ArmAny, State::Thumb) => arm::blx(offset),
            (Self::ThumbCall, State::Arm) => thumb::blx(offset),
            (Self::ThumbCall, State::Thumb) => thumb::bl(offset),
            (Self::ThumbJump, _) => thumb::with_offset25(word, offset),
            (Self::ThumbIf, _) => thumb::with_offset21(word, offset),
            (Self::ThumbShortJump, _) => thumb::with_offset12(word, offset),
            (Self::ThumbShortIf, _) => thumb::with_offset9(word, offset),
        }
    }
}
