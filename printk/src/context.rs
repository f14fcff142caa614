//! What a format string may refer to: memory that may fault, and the names of addresses.

use core::fmt;

/// The machine that a format's pointers point into.
pub trait Context {
    /// The byte at `address`; `None` if it can not be read.
    fn byte(&self, address: u32) -> Option<u8>;

    /// The little-endian word at `address`, which may be any; `None` if it can not be read.
    fn word(&self, address: u32) -> Option<u32> {
        read(self, address).map(u32::from_le_bytes)
    }

    /// Writes whose `address` is, and returns whether it is anybody's. Where it is nobody's nothing is written. It may
    /// be asked twice for the same text, and `out` may refuse to take all of it.
    fn symbol(&self, address: u32, show: Show, out: &mut dyn fmt::Write) -> bool;
}

/// What is to be shown of the function, or the variable, at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    /// `name [module]`.
    Name,
    /// `name+offset/size [module]`.
    Offset,
    /// The same, for an address that a call returns to: the call is before it, and may be the last of its function.
    Caller,
}

/// The bytes at `address`, which end before the address space does.
pub(crate) fn read<const N: usize>(
    context: &(impl Context + ?Sized),
    address: u32,
) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (offset, byte) in (0..).zip(&mut bytes) {
        *byte = context.byte(address.checked_add(offset)?)?;
    }
    Some(bytes)
}

/// Addresses below it are null pointers with an offset.
const FIRST: u32 = 4096;
/// The most negative error number, as a pointer (`ERR_PTR`).
pub(crate) const FIRST_ERROR: u32 = 4095_u32.wrapping_neg();

/// What to print instead of what `address` points to, if it points to nothing: Linux's words.
pub(crate) fn fault(context: &dyn Context, address: u32) -> Option<&'static str> {
    match address {
        0 => Some("(null)"),
        1..FIRST | FIRST_ERROR.. => Some(EFAULT),
        _ => context.byte(address).is_none().then_some(EFAULT),
    }
}

/// What is printed for memory that can not be read.
pub(crate) const EFAULT: &str = "(efault)";
