//! A format string in memory, read from its start to its NUL, to unreadable memory, or to the end of addresses; and no
//! further than 64 KiB, since memory may hold nothing but flags, or letters behind a `%p`, for as long as it goes on.

use crate::context::Context;

/// The most bytes of a format.
const MAX_BYTES: u32 = 1 << 16;

/// A place in a format string.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'c> {
    context: &'c dyn Context,
    address: u32,
    /// How many bytes may follow.
    left: u32,
    /// The byte there; `None` at the end.
    byte: Option<u8>,
}

impl<'c> Reader<'c> {
    pub(crate) fn new(context: &'c dyn Context, address: u32) -> Self {
        Self::at(context, address, MAX_BYTES)
    }

    fn at(context: &'c dyn Context, address: u32, left: u32) -> Self {
        let byte = context.byte(address).filter(|&byte| byte != 0 && left != 0);
        Self { context, address, left: left.saturating_sub(1), byte }
    }

    /// The byte here; `None` at the end.
    pub(crate) const fn peek(&self) -> Option<u8> {
        self.byte
    }

    /// The byte here, if it is one that `is` likes, and a step on.
    pub(crate) fn next_if(&mut self, is: impl FnOnce(u8) -> bool) -> Option<u8> {
        let byte = self.byte.filter(|&byte| is(byte))?;
        *self = match self.address.checked_add(1) {
            Some(next) => Self::at(self.context, next, self.left),
            None => Self { byte: None, ..*self },
        };
        Some(byte)
    }

    /// The byte here, and a step on.
    pub(crate) fn next(&mut self) -> Option<u8> {
        self.next_if(|_| true)
    }

    /// Is `end` further on in the same format?
    pub(crate) const fn is_before(&self, end: &Self) -> bool {
        self.address < end.address
    }
}
