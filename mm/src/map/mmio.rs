//! Registers that are mapped: an address with the type of what is there.
//!
//! A driver describes its registers as a structure of [`tock-registers`](https://docs.rs/tock-registers) cells and
//! asks for a [`Mmio`] of it. Who maps the registers makes one, and answers for the mapping; the driver then reads
//! and writes without `unsafe`, and each access is one volatile load or store of the cell's width.
#![expect(unsafe_code, reason = "a mapping's address becomes a reference")]

use core::fmt;
use core::ops::Deref;
use core::ptr::{NonNull, with_exposed_provenance_mut};

use crate::addr::{PhysRange, VirtAddr};

/// A structure of device registers.
///
/// # Safety
///
/// 1. Every byte of the type is a cell of `tock-registers`, an array of them, or padding: so a shared reference lets
///    the compiler make no access of its own, and any value that is found there is one.
/// 2. The type is aligned to at most a page.
pub unsafe trait Registers: Sized {}

/// Registers of type `T`, mapped as a device for as long as anybody has one of these.
///
/// Copies lead to the same registers: who may use them, and when, is the driver's affair.
pub struct Mmio<T> {
    registers: NonNull<T>,
}

impl<T: Registers> Mmio<T> {
    /// Bytes of the registers.
    pub const BYTES: u32 = size_of::<T>() as u32;

    /// The registers at `base`. `None` if that is 0, or not aligned for them.
    ///
    /// # Safety
    ///
    /// 1. The [`BYTES`](Self::BYTES) at `base` are registers that `T` describes, or memory that stands in for them.
    /// 2. They are mapped readable and writable, registers as Device or Strongly-ordered memory, and stay so for as
    ///    long as the value or a copy of it is used.
    #[must_use]
    pub unsafe fn new(base: VirtAddr) -> Option<Self> {
        let registers = NonNull::new(with_exposed_provenance_mut::<T>(base.as_u32() as usize))?;
        registers.is_aligned().then_some(Self { registers })
    }

    /// The registers under a pointer, which tests of drivers have to memory of their own.
    ///
    /// # Safety
    ///
    /// As of [`new`](Self::new), and `registers` is aligned.
    #[must_use]
    pub const unsafe fn from_pointer(registers: NonNull<T>) -> Self {
        Self { registers }
    }

    /// Where they are mapped; of a test's memory, the lower 32 bits.
    #[must_use]
    pub fn address(&self) -> VirtAddr {
        VirtAddr::new(self.registers.as_ptr().expose_provenance() as u32)
    }
}

impl<T> Clone for Mmio<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Mmio<T> {}

impl<T: Registers> Deref for Mmio<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: who made the value answers for the mapping (duties 1 and 2 of `new`), and alignment was checked
        // there. Every register is a cell (duty 1 of `Registers`), so nothing is assumed of its value.
        unsafe { self.registers.as_ref() }
    }
}

impl<T> fmt::Debug for Mmio<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mmio({:p})", self.registers)
    }
}

// SAFETY: device memory is the same from every CPU; a cell that must not be used from two at a time is the driver's
// to guard, as the type says.
unsafe impl<T: Registers> Send for Mmio<T> {}

/// A device has fewer registers than its driver uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooFewRegisters {
    /// What the device has.
    pub registers: PhysRange,
    /// How many bytes the driver uses.
    pub wanted: u32,
}

impl fmt::Display for TooFewRegisters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registers, wanted } = self;
        write!(
            f,
            "the registers at {registers} are fewer than the {wanted} bytes that the driver uses"
        )
    }
}

impl core::error::Error for TooFewRegisters {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::AtomicU32;
    use crate::sync::Ordering::Relaxed;

    #[repr(C)]
    struct Two {
        first: AtomicU32,
        second: AtomicU32,
    }

    // SAFETY: atomics are cells, and any word is one.
    unsafe impl Registers for Two {}

    #[test]
    fn both_copies_lead_to_the_same_registers() {
        static TWO: Two = Two { first: AtomicU32::new(1), second: AtomicU32::new(2) };
        // SAFETY: 1. memory that stands in for registers; 2. for ever.
        let a = unsafe { Mmio::from_pointer(NonNull::from(&TWO)) };
        let b = a;
        a.second.store(7, Relaxed);
        assert_eq!((b.first.load(Relaxed), b.second.load(Relaxed)), (1, 7));
        assert_eq!(Mmio::<Two>::BYTES, 8);
    }

    #[test]
    fn no_registers_at_0_nor_at_an_odd_address() {
        for base in [0, 2, 0xf080_0001] {
            // SAFETY: nothing is made of such an address.
            assert!(unsafe { Mmio::<Two>::new(VirtAddr::new(base)) }.is_none(), "{base:#x}");
        }
    }
}
