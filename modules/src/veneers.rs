//! Veneers: which branches may need one, and the slot of each.
//!
//! Branches to one place can share a veneer if they are of the same state. What place that is, is not
//! known before symbols are resolved, but symbol and addend determine it. So the plan collects
//! *wants*, and sorts them; a want's place in the order is its slot. A slot is written when the first
//! branch turns out to need it.
//!
//! Invariant: a want has one slot, which is found in logarithmic time, and no two have the same.

use alloc::vec::Vec;

use crate::reloc::State;
use crate::reloc::veneer::VENEER_BYTES;

/// Symbol, addend, state of the branch.
type Want = (u32, i32, State);

/// The wants of one area's branches.
#[derive(Debug, Default)]
pub(crate) struct Veneers {
    wants: Vec<Want>,
}

impl Veneers {
    /// A branch in state `from` goes to `symbol` and `addend`. `None` when there is no memory.
    pub fn want(&mut self, symbol: u32, addend: i32, from: State) -> Option<()> {
        let want = (symbol, addend, from);
        // Calls of one function often stand side by side.
        if self.wants.last() != Some(&want) {
            self.wants.try_reserve(1).ok()?;
            self.wants.push(want);
        }
        Some(())
    }

    /// Gives each want its slot, and says how many bytes they take. Nothing can be wanted after.
    pub fn sort(&mut self) -> Option<u32> {
        self.wants.sort_unstable();
        self.wants.dedup();
        u32::try_from(self.wants.len()).ok()?.checked_mul(VENEER_BYTES)
    }

    /// The slot of a branch, as an offset from the first one.
    pub fn slot(&self, symbol: u32, addend: i32, from: State) -> Option<u32> {
        let found = self.wants.binary_search(&(symbol, addend, from)).ok()?;
        u32::try_from(found).ok()?.checked_mul(VENEER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_wants_share_a_slot_and_others_do_not() {
        let mut veneers = Veneers::default();
        let wants = [
            (7, -8, State::Arm),
            (7, -8, State::Arm),
            (3, 0, State::Thumb),
            (7, -8, State::Thumb),
            (7, -4, State::Arm),
            (3, 0, State::Thumb),
        ];
        for (symbol, addend, from) in wants {
            veneers.want(symbol, addend, from).unwrap();
        }
        assert_eq!(veneers.sort(), Some(32));
        let mut slots =
            wants.map(|(symbol, addend, from)| veneers.slot(symbol, addend, from).unwrap());
        assert_eq!(slots[0], slots[1]);
        assert_eq!(slots[2], slots[5]);
        slots.sort_unstable();
        assert_eq!(slots, [0, 0, 8, 8, 16, 24]);
        assert_eq!(veneers.slot(3, 0, State::Arm), None);
        assert_eq!(Veneers::default().sort(), Some(0));
    }
}
