//! Where code is: one piece, as the kernel is, or several, with modules.
//!
//! Invariant: pieces of text do not overlap, so that an address has one index at most.

use mm::addr::{VirtAddr, VirtRange};

/// A piece of code and its unwind tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The instructions.
    pub text: VirtRange,
    /// The index, `.ARM.exidx`: two words for each function, sorted by address. Empty if there is none.
    pub index: VirtRange,
}

/// What code there is, for one who follows addresses that may be corrupt.
pub trait FindCode {
    /// The piece whose instructions are around `address`. Never faults, and ends.
    fn code_at(&self, address: VirtAddr) -> Option<Code>;
}

/// One piece.
impl FindCode for Code {
    fn code_at(&self, address: VirtAddr) -> Option<Code> {
        self.text.contains(address).then_some(*self)
    }
}

/// Several, in any order.
impl FindCode for [Code] {
    fn code_at(&self, address: VirtAddr) -> Option<Code> {
        self.iter().find_map(|code| code.code_at(address))
    }
}

impl<C: FindCode + ?Sized> FindCode for &C {
    fn code_at(&self, address: VirtAddr) -> Option<Code> {
        (**self).code_at(address)
    }
}
