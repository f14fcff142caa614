//! C functions with `...`, which stable Rust can call and not be.
//!
//! The first four words of the arguments come in r0 to r3, the others on the stack, the first at sp (AAPCS, 6.5). A stub
//! pushes the four right below the others, so that all lie in a row as if none had come in a register, and a pointer to
//! them goes to Rust:
//!
//! ```text
//!  the caller's frame
//!  ├── …
//!  ├── argument words 5, 4     ◀── sp at the call, a multiple of 8
//!  ├── r3 r2 r1 r0             ◀── &Spilled
//!  └── lr r11                  ◀── sp in the function that is called, a multiple of 8
//! ```
//!
//! An argument of 64 bits lies at a multiple of 8 in registers as on the stack, and `&Spilled` is one: so reading it from
//! memory is the same for both. Where the arguments end nobody says: the reader follows what the format says, and what it
//! says may be wrong. So only the four are reached by a reference; the others have an address, to be read by what survives
//! a fault ([`probe`](crate::probe)).
//!
//! The stub's frame is in the unwind tables, so a back-trace goes through it to the caller.

use mm::addr::VirtAddr;

/// The words of a C function's arguments that came in registers, at a multiple of 8, and the others behind them.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct Spilled {
    words: [u32; 4],
}

const _: () = assert!(size_of::<Spilled>() == 16 && align_of::<Spilled>() == 8);

impl Spilled {
    /// r0 to r3: the arguments with names, as many as there are, if all have 32 bits; there are always four words, named
    /// or not.
    #[must_use]
    pub const fn words(&self) -> [u32; 4] {
        self.words
    }

    /// Address of the arguments behind the first `named` words: what `va_start` gives. It is what a `va_list` holds, too
    /// (AAPCS, 8.1.4), so functions with one go on alike.
    #[must_use]
    pub fn behind(&self, named: u32) -> VirtAddr {
        // Addresses have 32 bits where this is called.
        VirtAddr::new(((&raw const self.words).addr() as u32).wrapping_add(4 * named))
    }
}

/// Holds for a function that a stub can call: its result comes back in r0. For [`variadic!`](crate::variadic).
#[doc(hidden)]
pub const fn check<R>(_: extern "C" fn(&Spilled) -> R) {
    assert!(size_of::<R>() <= 4, "the result does not fit r0");
}

/// Makes C functions with `...` out of Rust's.
///
/// Each line is a symbol and the path of an `extern "C" fn(&Spilled) -> R`, where `R` fits r0. The symbol becomes a
/// global function in ARM state, to be called from ARM or Thumb state; it runs in its caller's context, and takes 24
/// bytes of the stack.
///
/// ```ignore
/// arch_arm::variadic! {
///     "vmsplit_printk" => printk,
/// }
///
/// extern "C" fn printk(arguments: &Spilled) -> i32 { … }
/// ```
#[cfg(target_arch = "arm")]
#[macro_export]
macro_rules! variadic {
    ($($symbol:literal => $function:path),+ $(,)?) => {$(
        const _: () = $crate::variadic::check($function);
        // What is popped is not pc, so that sp is whole before the return.
        ::core::arch::global_asm!(
            concat!(".section .text.", $symbol, ", \"ax\", %progbits"),
            ".arm",
            ".balign 4",
            concat!(".global ", $symbol),
            concat!(".type ", $symbol, ", %function"),
            ".fnstart",
            concat!($symbol, ":"),
            "push   {{r0-r3}}",
            ".pad   #16",
            "push   {{r11, lr}}",
            ".save  {{r11, lr}}",
            "mov    r11, sp",
            "add    r0, sp, #8",
            "bl     {function}",
            "pop    {{r11, lr}}",
            "add    sp, sp, #16",
            "bx     lr",
            ".fnend",
            concat!(".size ", $symbol, ", . - ", $symbol),
            function = sym $function,
        );
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_words_follow_the_named() {
        let spilled = Spilled { words: [1, 2, 3, 4] };
        assert_eq!(spilled.words(), [1, 2, 3, 4]);
        let first = spilled.behind(0);
        assert!(first.is_aligned(8));
        for named in 0..6 {
            assert_eq!(spilled.behind(named).as_u32().wrapping_sub(first.as_u32()), 4 * named);
        }
        extern "C" fn word(_: &Spilled) -> i32 {
            0
        }
        extern "C" fn nothing(_: &Spilled) {}
        check(word);
        check(nothing);
    }

    #[test]
    #[should_panic(expected = "does not fit r0")]
    fn a_result_of_two_registers_is_refused() {
        extern "C" fn long(_: &Spilled) -> u64 {
            0
        }
        check(long);
    }
}
