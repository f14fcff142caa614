//! Which vectors are in force: those in the image, or those of the vector page.
//!
//! Until the kernel's own tables map the vector page at `0xffff0000`, exceptions go through a table
//! in the image, by VBAR. It is complete in itself: eight instructions and the words that they load
//! their targets from, all in kernel text. The vector page's words are kept apart from it, out of
//! user mode's sight (see [`super::pages`]). Targets are link addresses, so the MMU must be on.

use crate::barrier::isb;
use crate::cp15::sctlr::SCTLR as Sctlr;
use crate::cp15::{SCTLR, VBAR};
use core::arch::global_asm;
use tock_registers::interfaces::{ReadWriteable, Writeable};

unsafe extern "C" {
    static __vectors_start: [u32; 0];
}

/// From now on exceptions go through the vectors where the image has them.
///
/// # Safety
///
/// 1. The MMU maps the image at its link addresses, and
///    [`ExceptionStacks::install`](super::ExceptionStacks::install) has run here.
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
/// 1. That page, executable, and the next, readable, are mapped in every address space, and hold the
///    words of [`super::pages`]; the first one's instructions are synchronised
///    ([`crate::cache::sync_instructions`]).
/// 2. The MMU maps the image at its link addresses, and
///    [`ExceptionStacks::install`](super::ExceptionStacks::install) has run here.
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
);
