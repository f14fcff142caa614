//! Relocation types: what each is called, and what it computes.
//!
//! These are all that gcc and rustc emit for kernel code in either state (no PIC, no thread-local
//! storage), and those that assembly of such code can bring. IHI 0044, 4.6.1.2, has the table.
//!
//! | formula | for |
//! |---|---|
//! | `(S + A) \| T` | `ABS32`, `TARGET1`, `MOVW_ABS_NC` |
//! | `S + A` | `MOVT_ABS` |
//! | `((S + A) \| T) - P` | `REL32`, `PREL31`, `MOVW_PREL_NC`, all branches |
//! | `S + A - P` | `MOVT_PREL` |

use elf::abi;

use super::branch::Branch;
use super::field::Field;
use super::place::Unit;
use super::veneer::VENEER_ALIGN;
use super::{Misfit, State, Symbol, arm};

/// A relocation type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Kind {
    /// Nothing. It makes sure that a symbol is there: unwind tables name their personality so.
    None,
    /// Any ARM branch, from compilers before the EABI.
    Pc24,
    /// A word: an address.
    Abs32,
    /// A word: a distance.
    Rel32,
    /// Thumb `BL` or `BLX`.
    ThmCall,
    /// ARM `BL` or `BLX`.
    Call,
    /// ARM `B<c>` or `BL<c>`.
    Jump24,
    /// Thumb `B.W`.
    ThmJump24,
    /// An entry of a table of constructors: as [`Self::Abs32`], which is what the platform chooses.
    Target1,
    /// Marks a `BX`, which ARMv4 does not have: it stays.
    V4bx,
    /// A distance of 31 bits, in tables for unwinding.
    Prel31,
    /// ARM `MOVW`, an address.
    MovwAbsNc,
    /// ARM `MOVT`, an address.
    MovtAbs,
    /// ARM `MOVW`, a distance.
    MovwPrelNc,
    /// ARM `MOVT`, a distance.
    MovtPrel,
    /// Thumb `MOVW`, an address.
    ThmMovwAbsNc,
    /// Thumb `MOVT`, an address.
    ThmMovtAbs,
    /// Thumb `MOVW`, a distance.
    ThmMovwPrelNc,
    /// Thumb `MOVT`, a distance.
    ThmMovtPrel,
    /// Thumb `B<c>.W`.
    ThmJump19,
    /// Thumb `B` of one halfword.
    ThmJump11,
    /// Thumb `B<c>` of one halfword.
    ThmJump8,
}

/// What a relocation does to its place.
#[derive(Clone, Copy)]
enum Action {
    Nothing,
    CheckBx,
    Put(Field, Origin),
    Aim(Branch),
}

/// What a value is counted from.
#[derive(Clone, Copy)]
enum Origin {
    Zero,
    Place,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::None,
        Self::Pc24,
        Self::Abs32,
        Self::Rel32,
        Self::ThmCall,
        Self::Call,
        Self::Jump24,
        Self::ThmJump24,
        Self::Target1,
        Self::V4bx,
        Self::Prel31,
        Self::MovwAbsNc,
        Self::MovtAbs,
        Self::MovwPrelNc,
        Self::MovtPrel,
        Self::ThmMovwAbsNc,
        Self::ThmMovtAbs,
        Self::ThmMovwPrelNc,
        Self::ThmMovtPrel,
        Self::ThmJump19,
        Self::ThmJump11,
        Self::ThmJump8,
    ];

    /// The type with the ABI's number `r_type`, or `None` if it is not known here.
    #[must_use]
    pub const fn from_elf(r_type: u32) -> Option<Self> {
        Some(match r_type {
            abi::R_ARM_NONE => Self::None,
            abi::R_ARM_PC24 => Self::Pc24,
            abi::R_ARM_ABS32 => Self::Abs32,
            abi::R_ARM_REL32 => Self::Rel32,
            abi::R_ARM_THM_CALL => Self::ThmCall,
            abi::R_ARM_CALL => Self::Call,
            abi::R_ARM_JUMP24 => Self::Jump24,
            abi::R_ARM_THM_JUMP24 => Self::ThmJump24,
            abi::R_ARM_TARGET1 => Self::Target1,
            abi::R_ARM_V4BX => Self::V4bx,
            abi::R_ARM_PREL31 => Self::Prel31,
            abi::R_ARM_MOVW_ABS_NC => Self::MovwAbsNc,
            abi::R_ARM_MOVT_ABS => Self::MovtAbs,
            abi::R_ARM_MOVW_PREL_NC => Self::MovwPrelNc,
            abi::R_ARM_MOVT_PREL => Self::MovtPrel,
            abi::R_ARM_THM_MOVW_ABS_NC => Self::ThmMovwAbsNc,
            abi::R_ARM_THM_MOVT_ABS => Self::ThmMovtAbs,
            abi::R_ARM_THM_MOVW_PREL_NC => Self::ThmMovwPrelNc,
            abi::R_ARM_THM_MOVT_PREL => Self::ThmMovtPrel,
            abi::R_ARM_THM_JUMP19 => Self::ThmJump19,
            abi::R_ARM_THM_JUMP11 => Self::ThmJump11,
            abi::R_ARM_THM_JUMP8 => Self::ThmJump8,
            _ => return None,
        })
    }

    /// The ABI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "R_ARM_NONE",
            Self::Pc24 => "R_ARM_PC24",
            Self::Abs32 => "R_ARM_ABS32",
            Self::Rel32 => "R_ARM_REL32",
            Self::ThmCall => "R_ARM_THM_CALL",
            Self::Call => "R_ARM_CALL",
            Self::Jump24 => "R_ARM_JUMP24",
            Self::ThmJump24 => "R_ARM_THM_JUMP24",
            Self::Target1 => "R_ARM_TARGET1",
            Self::V4bx => "R_ARM_V4BX",
            Self::Prel31 => "R_ARM_PREL31",
            Self::MovwAbsNc => "R_ARM_MOVW_ABS_NC",
            Self::MovtAbs => "R_ARM_MOVT_ABS",
            Self::MovwPrelNc => "R_ARM_MOVW_PREL_NC",
            Self::MovtPrel => "R_ARM_MOVT_PREL",
            Self::ThmMovwAbsNc => "R_ARM_THM_MOVW_ABS_NC",
            Self::ThmMovtAbs => "R_ARM_THM_MOVT_ABS",
            Self::ThmMovwPrelNc => "R_ARM_THM_MOVW_PREL_NC",
            Self::ThmMovtPrel => "R_ARM_THM_MOVT_PREL",
            Self::ThmJump19 => "R_ARM_THM_JUMP19",
            Self::ThmJump11 => "R_ARM_THM_JUMP11",
            Self::ThmJump8 => "R_ARM_THM_JUMP8",
        }
    }

    const fn action(self) -> Action {
        use Action::{Aim, CheckBx, Nothing, Put};
        use Field::{Movt, Movw, Word, Word31};
        use Origin::{Place, Zero};
        use State::{Arm, Thumb};
        match self {
            Self::None => Nothing,
            Self::V4bx => CheckBx,
            Self::Abs32 | Self::Target1 => Put(Word, Zero),
            Self::Rel32 => Put(Word, Place),
            Self::Prel31 => Put(Word31, Place),
            Self::MovwAbsNc => Put(Movw(Arm), Zero),
            Self::MovtAbs => Put(Movt(Arm), Zero),
            Self::MovwPrelNc => Put(Movw(Arm), Place),
            Self::MovtPrel => Put(Movt(Arm), Place),
            Self::ThmMovwAbsNc => Put(Movw(Thumb), Zero),
            Self::ThmMovtAbs => Put(Movt(Thumb), Zero),
            Self::ThmMovwPrelNc => Put(Movw(Thumb), Place),
            Self::ThmMovtPrel => Put(Movt(Thumb), Place),
            Self::Pc24 => Aim(Branch::ArmAny),
            Self::Call => Aim(Branch::ArmCall),
            Self::Jump24 => Aim(Branch::ArmJump),
            Self::ThmCall => Aim(Branch::ThumbCall),
            Self::ThmJump24 => Aim(Branch::ThumbJump),
            Self::ThmJump19 => Aim(Branch::ThumbIf),
            Self::ThmJump11 => Aim(Branch::ThumbShortJump),
            Self::ThmJump8 => Aim(Branch::ThumbShortIf),
        }
    }

    /// Bytes at the place: 0, 2 or 4.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self.action() {
            Action::Nothing => 0,
            Action::CheckBx => Unit::Word.bytes(),
            Action::Put(field, _) => field.unit().bytes(),
            Action::Aim(branch) => branch.unit().bytes(),
        }
    }

    /// What the place's address must be a multiple of, in bytes: 4 for ARM code, 2 for Thumb code,
    /// 1 for data, which may be packed.
    #[must_use]
    pub const fn align(self) -> u32 {
        match self.action() {
            Action::Nothing => 1,
            Action::CheckBx => State::Arm.align(),
            Action::Put(field, _) => field.align(),
            Action::Aim(branch) => branch.state().align(),
        }
    }

    /// The state of the code that branches, for branches that may go through a veneer: all but
    /// those of one halfword.
    #[must_use]
    pub const fn branch_from(self) -> Option<State> {
        match self.action() {
            Action::Aim(branch) if branch.takes_veneer() => Some(branch.state()),
            _ => None,
        }
    }

    /// The state of the code that branches, for all branches.
    pub(super) const fn state_of_branch(self) -> Option<State> {
        match self.action() {
            Action::Aim(branch) => Some(branch.state()),
            _ => None,
        }
    }

    /// The addend that `place`, of [`Self::bytes`] bytes, holds. If it holds another instruction
    /// than it should, its bits are taken for the addend's; [`Self::apply`] refuses that.
    ///
    /// A branch's has the distance between the instruction and PC in it: -8 for one of ARM code to
    /// the symbol itself, -4 for one of Thumb code. 0 for a place of another size.
    #[must_use]
    pub fn addend(self, place: &[u8]) -> i32 {
        match self.action() {
            Action::Nothing | Action::CheckBx => 0,
            Action::Put(field, _) => field.unit().read(place).map_or(0, |word| field.addend(word)),
            Action::Aim(branch) => branch.unit().read(place).map_or(0, |word| branch.offset(word)),
        }
    }

    /// Where a branch goes, bit 0 set if that is Thumb code: what its veneer holds. For others
    /// `(S + A) | T`.
    #[must_use]
    pub fn destination(self, place: &[u8], symbol: Symbol) -> u32 {
        self.target(self.addend(place), symbol) | symbol.state().bit()
    }

    /// S + A, counted from the instruction and not from PC.
    const fn target(self, addend: i32, symbol: Symbol) -> u32 {
        let bias = match self.action() {
            Action::Aim(branch) => branch.state().pc_bias(),
            Action::Nothing | Action::CheckBx | Action::Put(..) => 0,
        };
        symbol.address.wrapping_add_signed(addend).wrapping_add(bias)
    }

    /// Relocates `place`, of [`Self::bytes`] bytes, which will lie at `address` when it runs.
    ///
    /// A call of code in the other state becomes `BLX`, and a `BLX` to code in its own state `BL`.
    ///
    /// # Errors
    ///
    /// [`Misfit::NeedsVeneer`] for a branch that does not reach, or that has to change the state
    /// and is no unconditional `BL`; any other [`Misfit`] is the object's fault.
    pub fn apply(self, place: &mut [u8], address: u32, symbol: Symbol) -> Result<(), Misfit> {
        self.check_place(address)?;
        match self.action() {
            Action::Nothing => Ok(()),
            Action::CheckBx => {
                let word = Unit::Word.read(place)?;
                if arm::is_bx(word) { Ok(()) } else { Err(Misfit::NotAnInstruction { word }) }
            }
            Action::Put(field, origin) => {
                let word = field.unit().read(place)?;
                if !field.is_in(word) {
                    return Err(Misfit::NotAnInstruction { word });
                }
                // A `MOVT` has no T, and it would not matter: P is even, so bit 0 carries nowhere.
                let to = self.target(field.addend(word), symbol) | symbol.state().bit();
                let value = match origin {
                    Origin::Zero => to,
                    Origin::Place => to.wrapping_sub(address),
                };
                let word =
                    field.with(word, value).ok_or(Misfit::OutOfRange { from: address, to })?;
                field.unit().write(place, word)
            }
            Action::Aim(branch) => {
                let word = branch.unit().read(place)?;
                let target = self.target(branch.offset(word), symbol);
                let word = branch.aim(word, address, target, symbol.state())?;
                branch.unit().write(place, word)
            }
        }
    }

    /// Aims the branch at `place`, which will lie at `address`, at the veneer at `veneer`: one in
    /// the state of [`Self::branch_from`], to [`Self::destination`]. To be called instead of
    /// [`Self::apply`] if that said [`Misfit::NeedsVeneer`]: what the veneer holds has the addend.
    ///
    /// # Errors
    ///
    /// [`Misfit::OutOfRange`] if the branch does not reach the veneer either,
    /// [`Misfit::TakesNoVeneer`] for what is no branch or a short one, and as [`Self::apply`].
    pub fn apply_veneer(self, place: &mut [u8], address: u32, veneer: u32) -> Result<(), Misfit> {
        let branch = match self.action() {
            Action::Aim(branch) if branch.takes_veneer() => branch,
            _ => return Err(Misfit::TakesNoVeneer),
        };
        self.check_place(address)?;
        if !veneer.is_multiple_of(VENEER_ALIGN) {
            return Err(Misfit::Misaligned { address: veneer, multiple_of: VENEER_ALIGN });
        }
        let word = branch.unit().read(place)?;
        let word = match branch.aim(word, address, veneer, branch.state()) {
            Err(Misfit::NeedsVeneer) => Err(Misfit::OutOfRange { from: address, to: veneer }),
            aimed => aimed,
        }?;
        branch.unit().write(place, word)
    }

    /// Relocates `place` for a weak symbol that nobody defines: its address is 0, and a branch
    /// there becomes a `NOP` of its size and condition (IHI 0044, 4.5.1.1, 4.6.1.4).
    ///
    /// The ABI has the symbol at the place itself where a distance is asked for. As GNU ld has it,
    /// the distance leads to address 0, so that who computes the address sees that there is none.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`], but for [`Misfit::NeedsVeneer`].
    pub fn apply_undefined_weak(self, place: &mut [u8], address: u32) -> Result<(), Misfit> {
        let Action::Aim(branch) = self.action() else {
            return self.apply(place, address, Symbol { address: 0, is_thumb: false });
        };
        self.check_place(address)?;
        let word = branch.nop_for(branch.unit().read(place)?)?;
        branch.unit().write(place, word)
    }

    const fn check_place(self, address: u32) -> Result<(), Misfit> {
        let multiple_of = self.align();
        if address.is_multiple_of(multiple_of) {
            Ok(())
        } else {
            Err(Misfit::Misaligned { address, multiple_of })
        }
    }
}
