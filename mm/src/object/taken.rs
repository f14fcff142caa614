//! The answer to a request for an object, in one register.

use crate::addr::VirtAddr;
use crate::zone::AllocError;

/// An object's address, or why there is none: one word, as what Linux makes of `ERR_PTR`. Objects lie at
/// multiples of 8, and errors are odd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
#[must_use = "the object is lost until it is given back"]
pub struct Taken(u32);

impl Taken {
    /// An object.
    #[inline(always)]
    pub(super) const fn object(object: VirtAddr) -> Self {
        Self(object.as_u32())
    }

    /// None.
    pub(super) const fn error(error: AllocError) -> Self {
        Self(error.to_odd_word())
    }

    /// The object.
    ///
    /// # Errors
    ///
    /// Why there is none.
    #[inline(always)]
    pub const fn result(self) -> Result<VirtAddr, AllocError> {
        if self.0 & 1 == 0 {
            Ok(VirtAddr::new(self.0))
        } else {
            Err(AllocError::from_odd_word(self.0))
        }
    }
}

impl From<Result<VirtAddr, AllocError>> for Taken {
    fn from(result: Result<VirtAddr, AllocError>) -> Self {
        match result {
            Ok(object) => Self::object(object),
            Err(error) => Self::error(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Order;
    use crate::zone::{GfpError, ZoneKind};

    #[test]
    fn a_word_is_an_object_or_an_error() {
        for object in [16, 0x4000_0000, 0xc000_0008, 0xffff_fff8].map(VirtAddr::new) {
            assert_eq!(Taken::from(Ok(object)).result(), Ok(object));
        }
        let errors = [
            AllocError::flags(GfpError::NotDmaCache),
            AllocError::flags(GfpError::MovableAndReclaimable),
            AllocError::no_memory(Order::MAX, ZoneKind::HighMem),
            AllocError::too_large(0),
            AllocError::too_large(u32::MAX),
        ];
        for error in errors {
            assert_eq!(Taken::from(Err(error)).result(), Err(error));
        }
    }
}
