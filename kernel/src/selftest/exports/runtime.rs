//! What compilers call: numbers at the edges, against the kernel's own arithmetic.

use core::arch::asm;

use super::super::Checks;
use super::{address, functions};

functions! {
    /// The *Run-time ABI for the Arm Architecture*, where a result is one number.
    Runtime {
        __aeabi_idiv: fn(i32, i32) -> i32;
        __aeabi_uidiv: fn(u32, u32) -> u32;
        __aeabi_lmul: fn(i64, i64) -> i64;
        __aeabi_llsl: fn(u64, i32) -> u64;
        __aeabi_llsr: fn(u64, i32) -> u64;
        __aeabi_lasr: fn(i64, i32) -> i64;
        __aeabi_lcmp: fn(i64, i64) -> i32;
        __aeabi_ulcmp: fn(u64, u64) -> i32;
        __aeabi_memset: fn(*mut u8, usize, i32);
        __aeabi_memclr4: fn(*mut u8, usize);
        __aeabi_memcpy: fn(*mut u8, *const u8, usize);
        __clzsi2: fn(u32) -> i32;
        __ctzdi2: fn(u64) -> i32;
        __bswapdi2: fn(u64) -> u64;
        __aeabi_unwind_cpp_pr0: fn() -> i32;
        __aeabi_unwind_cpp_pr1: fn() -> i32;
        __aeabi_unwind_cpp_pr2: fn() -> i32;
    }
}

const WORDS: [u32; 7] = [1, 2, 7, 1000, 0x7fff_ffff, 0x8000_0000, u32::MAX];
const DOUBLES: [u64; 7] =
    [1, 3, 0xffff_ffff, 0x1_0000_0001, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, u64::MAX];

pub fn run(checks: &mut Checks) {
    let Some(c) = Runtime::find(checks) else { return };
    one_number(&c, checks);
    two_numbers(checks);
    memory(&c, checks);
}

fn one_number(c: &Runtime, checks: &mut Checks) {
    // SAFETY: arithmetic.
    unsafe {
        for (a, b) in WORDS.iter().flat_map(|a| WORDS.map(|b| (*a, b))) {
            checks.equal((c.__aeabi_uidiv)(a, b), a / b, format_args!("{a} / {b}"));
            let (a, b) = (a as i32, b as i32);
            checks.equal((c.__aeabi_idiv)(a, b), a.wrapping_div(b), format_args!("{a} / {b}"));
        }
        for (a, b) in DOUBLES.iter().flat_map(|a| DOUBLES.map(|b| (*a, b))) {
            let (x, y) = (a as i64, b as i64);
            checks.equal((c.__aeabi_lmul)(x, y), x.wrapping_mul(y), format_args!("{x} * {y}"));
            checks.equal((c.__aeabi_lcmp)(x, y), x.cmp(&y) as i32, format_args!("{x} ? {y}"));
            checks.equal((c.__aeabi_ulcmp)(a, b), a.cmp(&b) as i32, format_args!("{a} ? {b}"));
        }
        for (number, bits) in DOUBLES.iter().flat_map(|a| [0, 1, 31, 32, 33, 63].map(|b| (*a, b))) {
            let signed = number as i64;
            checks.equal((c.__aeabi_llsl)(number, bits), number << bits, format_args!("<< {bits}"));
            checks.equal((c.__aeabi_llsr)(number, bits), number >> bits, format_args!(">> {bits}"));
            checks.equal((c.__aeabi_lasr)(signed, bits), signed >> bits, format_args!(">> {bits}"));
            let zeros = number.trailing_zeros() as i32;
            checks.equal((c.__ctzdi2)(number), zeros, format_args!("ctz of {number:#x}"));
            let swapped = number.swap_bytes();
            checks.equal((c.__bswapdi2)(number), swapped, format_args!("bswap of {number:#x}"));
        }
        checks.equal((c.__clzsi2)(0x1234), 19, format_args!("clz"));
        for personality in
            [c.__aeabi_unwind_cpp_pr0, c.__aeabi_unwind_cpp_pr1, c.__aeabi_unwind_cpp_pr2]
        {
            checks.equal(personality(), 9, format_args!("a personality routine's answer"));
        }
    }
}

/// Quotients and remainders come in registers that no C type names.
fn two_numbers(checks: &mut Checks) {
    let found = ["__aeabi_uidivmod", "__aeabi_idivmod", "__aeabi_uldivmod", "__aeabi_ldivmod"]
        .map(|name| address(checks, name));
    let [Some(uidivmod), Some(idivmod), Some(uldivmod), Some(ldivmod)] = found else { return };
    for (a, b) in WORDS.iter().flat_map(|a| WORDS.map(|b| (*a, b))) {
        // SAFETY: it takes and returns two numbers in r0 and r1.
        let seen = unsafe { call(uidivmod, [a, b, 0, 0]) };
        checks.equal((seen[0], seen[1]), (a / b, a % b), format_args!("{a} and {b}"));
        let (x, y) = (a as i32, b as i32);
        // SAFETY: the same.
        let seen = unsafe { call(idivmod, [a, b, 0, 0]) };
        let expected = (x.wrapping_div(y) as u32, x.wrapping_rem(y) as u32);
        checks.equal((seen[0], seen[1]), expected, format_args!("{x} and {y}"));
    }
    for (a, b) in DOUBLES.iter().flat_map(|a| DOUBLES.map(|b| (*a, b))) {
        let halves = [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32];
        let whole = |seen: [u32; 4]| {
            let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
            (join(seen[0], seen[1]), join(seen[2], seen[3]))
        };
        // SAFETY: it takes and returns two numbers in r0 to r3.
        let seen = whole(unsafe { call(uldivmod, halves) });
        checks.equal(seen, (a / b, a % b), format_args!("{a} and {b}"));
        let (x, y) = (a as i64, b as i64);
        // SAFETY: the same.
        let seen = whole(unsafe { call(ldivmod, halves) });
        let expected = (x.wrapping_div(y) as u64, x.wrapping_rem(y) as u64);
        checks.equal(seen, expected, format_args!("{x} and {y}"));
    }
}

/// Calls a function with these words in r0 to r3, and says what they are afterwards.
///
/// # Safety
///
/// 1. The function keeps to the AAPCS without a coprocessor, and takes and returns no more than these registers.
unsafe fn call(function: *const (), mut words: [u32; 4]) -> [u32; 4] {
    // SAFETY: 1. the caller's; what such a function may change is said.
    unsafe {
        asm!(
            "blx {function}",
            function = in(reg) function,
            inout("r0") words[0],
            inout("r1") words[1],
            inout("r2") words[2],
            inout("r3") words[3],
            out("r12") _,
            out("lr") _,
        );
    }
    words
}

fn memory(c: &Runtime, checks: &mut Checks) {
    let mut bytes = [0x11_u8; 96];
    for (from, len) in (0..9).flat_map(|from| [0, 1, 15, 16, 17, 63, 64, 80].map(|len| (from, len)))
    {
        bytes.fill(0x11);
        // SAFETY: they are the test's.
        unsafe { (c.__aeabi_memset)(bytes.as_mut_ptr().add(from), len, 0x1_77) };
        let is_right = bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| *byte == if (from..from + len).contains(&at) { 0x77 } else { 0x11 });
        checks.that(is_right, format_args!("__aeabi_memset of {len} bytes from {from}"));
    }
    let mut words = [u32::MAX; 8];
    let text = *b"what is copied";
    let mut copy = [0; 14];
    // SAFETY: they are the test's.
    unsafe {
        (c.__aeabi_memclr4)(words.as_mut_ptr().cast(), 28);
        (c.__aeabi_memcpy)(copy.as_mut_ptr(), text.as_ptr(), text.len());
    }
    checks.equal(words, [0, 0, 0, 0, 0, 0, 0, u32::MAX], format_args!("__aeabi_memclr4"));
    checks.equal(copy, text, format_args!("__aeabi_memcpy"));
}
