//! What compilers call without being asked: division, wide shifts, memory.
//!
//! The names are those of the *Run-time ABI for the Arm Architecture* (IHI 0043), whose conventions differ from C's in
//! places: `__aeabi_uidivmod` returns two numbers in registers, `__aeabi_memset` has its arguments the other way round.
//! The functions are the kernel's own compiler's, `compiler_builtins`; here are only their addresses, so what their
//! declarations say of arguments does not matter. `memset` and its like fill eight registers at a time.
//!
//! Unwind tables name `__aeabi_unwind_cpp_pr0` and its like, which an unwinder for exceptions would call (*Exception
//! Handling ABI for the Arm Architecture*, IHI 0038). Nobody throws here; the kernel's unwinder reads the tables itself.
//!
//! There is no floating point: a module that needs `__aeabi_dadd` is refused for want of it.

use core::ffi::c_void;

use super::exports;
use super::string::set_bytes;

exports![
    __aeabi_idiv,
    __aeabi_idivmod,
    __aeabi_uidiv,
    __aeabi_uidivmod,
    __aeabi_ldivmod,
    __aeabi_uldivmod,
    __aeabi_lmul,
    __aeabi_llsl,
    __aeabi_llsr,
    __aeabi_lasr,
    __aeabi_lcmp,
    __aeabi_ulcmp,
    __aeabi_memcpy,
    __aeabi_memcpy4,
    __aeabi_memcpy8,
    __aeabi_memmove,
    __aeabi_memmove4,
    __aeabi_memmove8,
    __aeabi_memset,
    __aeabi_memset4,
    __aeabi_memset8,
    __aeabi_memclr,
    __aeabi_memclr4,
    __aeabi_memclr8,
    __aeabi_unwind_cpp_pr0,
    __aeabi_unwind_cpp_pr1,
    __aeabi_unwind_cpp_pr2,
    __clzsi2,
    __clzdi2,
    __ctzsi2,
    __ctzdi2,
    __bswapsi2,
    __bswapdi2,
];

unsafe extern "C" {
    fn __aeabi_idiv();
    fn __aeabi_idivmod();
    fn __aeabi_uidiv();
    fn __aeabi_uidivmod();
    fn __aeabi_ldivmod();
    fn __aeabi_uldivmod();
    fn __aeabi_lmul();
    fn __aeabi_llsl();
    fn __aeabi_llsr();
    fn __aeabi_lasr();
    fn __aeabi_memcpy();
    fn __aeabi_memcpy4();
    fn __aeabi_memcpy8();
    fn __aeabi_memmove();
    fn __aeabi_memmove4();
    fn __aeabi_memmove8();
    fn __clzsi2();
    fn __clzdi2();
    fn __ctzsi2();
    fn __ctzdi2();
    fn __bswapsi2();
    fn __bswapdi2();
}

/// `int __aeabi_lcmp(long long, long long)`: -1, 0 or 1.
extern "C" fn __aeabi_lcmp(one: i64, other: i64) -> i32 {
    one.cmp(&other) as i32
}

/// `int __aeabi_ulcmp(unsigned long long, unsigned long long)`: -1, 0 or 1.
extern "C" fn __aeabi_ulcmp(one: u64, other: u64) -> i32 {
    one.cmp(&other) as i32
}

/// `void __aeabi_memset(void *dest, size_t n, int c)`.
///
/// # Safety
///
/// 1. There are `n` bytes at `dest`, and they are the caller's.
unsafe extern "C" fn __aeabi_memset(to: *mut c_void, bytes: u32, byte: i32) {
    // SAFETY: 1. the caller's.
    unsafe { set_bytes(to.cast(), byte as u8, bytes) };
}

/// `void __aeabi_memclr(void *dest, size_t n)`.
///
/// # Safety
///
/// As of `__aeabi_memset`.
unsafe extern "C" fn __aeabi_memclr(to: *mut c_void, bytes: u32) {
    // SAFETY: 1. the caller's.
    unsafe { set_bytes(to.cast(), 0, bytes) };
}

// `__aeabi_memset` at a multiple of 4.
use __aeabi_memset as __aeabi_memset4;
// And of 8.
use __aeabi_memset as __aeabi_memset8;
// `__aeabi_memclr` at a multiple of 4.
use __aeabi_memclr as __aeabi_memclr4;
// And of 8.
use __aeabi_memclr as __aeabi_memclr8;

/// `_URC_FAILURE`: no unwinder goes on here.
const FAILURE: i32 = 9;

/// The personality routine of short tables with 16-bit scopes. Nobody calls it.
extern "C" fn __aeabi_unwind_cpp_pr0() -> i32 {
    FAILURE
}

// That of long tables.
use __aeabi_unwind_cpp_pr0 as __aeabi_unwind_cpp_pr1;
// And of those with 32-bit scopes.
use __aeabi_unwind_cpp_pr0 as __aeabi_unwind_cpp_pr2;
