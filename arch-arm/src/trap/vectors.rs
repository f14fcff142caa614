//! The exception vectors: where they lie, and which are in force.
//!
//! The vectors are eight instructions and the words that they load their targets from, 64 bytes in
//! all. Because every target is absolute, the table works wherever it lies: in the image, through
//! VBAR ([`use_vectors_in_image`]), or copied to the vector page at `0xffff0000`
//! ([`vectors`], [`use_high_vectors`]). Targets are link addresses, so the MMU must be on.

use crate::barrier::isb;
use crate::cp15::sctlr::SCTLR as Sctlr;
use crate::cp15::{SCTLR, VBAR};
use core::arch::global_asm;
use tock_registers::interfaces::{ReadWriteable, Writeable};

unsafe extern "C" {
    static __vectors_start: [u32; 0];
    static __vectors_end: [u32; 0];
}

/// The words of the vector table, to copy to the start of the vector page.
#[must_use]
pub fn vectors() -> &'static [u32] {
    let start = (&raw const __vectors_start).cast::<u32>();
    let end = (&raw const __vectors_end).cast::<u32>();
    // SAFETY: the two symbols bound one aligned object below, which is constant and never empty.
    unsafe { core::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

/// From now on exceptions go through the vectors where the image has them.
///
/// # Safety
///
/// 1. The MMU maps the image at its link addresses, and [`ExceptionStacks::install`](super::ExceptionStacks::install) has run here.
/// 2. The processor has the Security Extensions.
pub unsafe fn use_vectors_in_image() {
    // SAFETY: the table is aligned to 64 bytes and works where it is (1); VBAR exists (2); the `isb`
    // follows. V goes after VBAR, so that one of the two tables is always in force.
    unsafe {
        VBAR.writer().set((&raw const __vectors_start) as u32);
        isb();
        SCTLR.writer().modify(Sctlr::V::CLEAR);
    }
    isb();
}

/// From now on exceptions go through the vector page at `0xffff0000`.
///
/// # Safety
///
/// 1. That page is mapped executable in every address space, begins with [`vectors`], and its
///    instructions are synchronised ([`crate::cache::sync_instructions`]).
/// 2. The MMU maps the image at its link addresses, and [`ExceptionStacks::install`](super::ExceptionStacks::install) has run here.
pub unsafe fn use_high_vectors() {
    // SAFETY: the page holds a table that works (1, 2); the `isb` follows.
    unsafe { SCTLR.writer().modify(Sctlr::V::SET) };
    isb();
}

global_asm!(
    ".section .text.vectors, \"ax\", %progbits",
    ".balign 64",
    ".global __vectors_start",
    "__vectors_start:",
    "udf    #0",                      // 00 reset: only a stray jump comes here
    "ldr    pc, .Lvmsplit_undefined", // 04
    "ldr    pc, .Lvmsplit_svc",       // 08
    "ldr    pc, .Lvmsplit_prefetch",  // 0c
    "ldr    pc, .Lvmsplit_data",      // 10
    "udf    #0",                      // 14 HYP mode's
    "ldr    pc, .Lvmsplit_irq",       // 18
    "ldr    pc, .Lvmsplit_fiq",       // 1c
    ".Lvmsplit_undefined: .word vmsplit_stub_undefined",
    ".Lvmsplit_svc:       .word vmsplit_stub_svc",
    ".Lvmsplit_prefetch:  .word vmsplit_stub_prefetch",
    ".Lvmsplit_data:      .word vmsplit_stub_data",
    ".Lvmsplit_irq:       .word vmsplit_stub_irq",
    ".Lvmsplit_fiq:       .word vmsplit_stub_fiq",
    ".balign 64",
    ".global __vectors_end",
    "__vectors_end:",
);
