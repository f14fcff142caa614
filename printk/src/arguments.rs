//! The arguments behind a format, as the AAPCS lays them out.
//!
//! Arguments of 32 bits are a word, those of 64 two, the first at a multiple of 8 (AAPCS, 6.5, stages B.5 and C.3 to
//! C.7: an even register, or an aligned place on the stack). A function with `...` whose first four words were spilled
//! below the stacked ones has them all in a row, and a `va_list` is a pointer to the next (AAPCS, 8.1.4).

use crate::context::Context;

/// Gives a format's arguments, one after the other.
pub trait Arguments {
    /// The next 32-bit argument.
    fn word(&mut self) -> u32;

    /// The next 64-bit argument, at the next multiple of 8.
    fn double(&mut self) -> u64;
}

/// Arguments in memory, from an address on. What can not be read is 0: a format that names more arguments than there are,
/// and so leads off the stack, prints zeros.
#[derive(Clone)]
pub struct VaList<'c> {
    next: u32,
    context: &'c dyn Context,
}

impl<'c> VaList<'c> {
    /// The arguments from the address `next` on, a multiple of 4.
    #[must_use]
    pub const fn new(next: u32, context: &'c dyn Context) -> Self {
        Self { next, context }
    }

    /// Address of the next argument, but for what aligns it.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.next
    }
}

impl Arguments for VaList<'_> {
    fn word(&mut self) -> u32 {
        let word = self.context.word(self.next).unwrap_or(0);
        self.next = self.next.wrapping_add(4);
        word
    }

    fn double(&mut self) -> u64 {
        self.next = self.next.wrapping_add(7) & !7;
        let low = self.word();
        u64::from(self.word()) << 32 | u64::from(low)
    }
}

impl core::fmt::Debug for VaList<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "VaList({:#010x})", self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exercise::Memory;

    #[test]
    fn words_in_order_and_doubles_at_multiples_of_eight() {
        let mut bytes = Vec::new();
        (1..=8_u32).for_each(|word| bytes.extend(word.to_le_bytes()));
        let memory = Memory::new(0x1000_0000, &bytes);
        let mut args = VaList::new(0x1000_0000, &memory);
        assert_eq!(args.word(), 1);
        // The second word is passed over.
        assert_eq!(args.double(), 0x4_0000_0003);
        assert_eq!(args.double(), 0x6_0000_0005);
        assert_eq!((args.word(), args.word()), (7, 8));
        assert_eq!(args.next(), 0x1000_0020);
        // Beyond what can be read.
        assert_eq!((args.word(), args.double()), (0, 0));
        // It is the address that is aligned, not the number of the argument.
        let mut args = VaList::new(0x1000_0004, &memory);
        assert_eq!(args.word(), 2);
        assert_eq!(args.double(), 0x4_0000_0003);
        let mut args = VaList::new(u32::MAX - 3, &memory);
        assert_eq!((args.word(), args.double(), args.next()), (0, 0, 8));
    }
}
