//! The way into an exception and back: the stubs behind the vectors, in assembly.
//!
//! A stub may trust nothing but its own mode's sp, which points to a save area of eight words (see
//! [`super::stacks`]). There it puts the few registers it needs, and goes to SVC mode. Then it looks
//! for a place for the [`TrapFrame`], and *asks the MMU* whether the SVC stack can be written
//! (ATS1CPW): a stack that has run into its guard page, or a wild sp, would otherwise abort again,
//! for ever, and one that is about to would abort in the handler. If it cannot, or not for long, the
//! frame goes to the report stack. Lastly it
//! visits the interrupted mode, to store that mode's sp and lr (and r8 to r12, which FIQ mode has of
//! its own), and calls `vmsplit_exception` (see [`Handler`](super::Handler)).
//!
//! On the stack, upwards:
//!
//! ```text
//! sp in the handler ─▶ r0 … r12  sp  lr  pc  psr     the TrapFrame
//!                      sp  lr                        SVC mode's, before the exception
//!                      a word unused, and what aligns the whole to 8
//! interrupted sp ────▶
//! ```
//!
//! When the handler returns, all of it goes back to where it came from, in the frame's mode. Nothing
//! is lost on the way but the exclusive monitor, which is cleared: a `strex` that was interrupted
//! fails and its loop goes round again (*ARM DDI 0406C, A3.4.4*). The last instruction, `rfe`, takes
//! pc and psr at once from where they stand in the frame, and its base register is lr of UND mode:
//! the one place, apart from the save areas' own pointers, that belongs to no interrupted code.
//!
//! Nothing says whether an exception was nested: the handler may be interrupted by whatever it does
//! not mask, and may fault, for the save areas are free by then.
//!
//! Every exception overwrites PAR. Code that translates addresses with it masks interrupts.
//!
//! *ARM DDI 0406C, B1.8.3, Overview of exception entry*; return addresses *Table B1-6*; ATS1CPW and
//! PAR *B4.2.4* and *B4.1, PAR*; `rfe` *B9.3.13*.

use super::ExceptionKind;
use super::registers::{Psr, TrapFrame};
use core::arch::global_asm;
use core::mem::offset_of;
use core::ptr;

/// What a stub puts on a stack.
#[repr(C)]
struct Saved {
    /// What the handler sees.
    frame: TrapFrame,
    /// sp and lr of SVC mode, which are not in the frame when another mode was interrupted.
    svc: [u32; 2],
}

/// Bytes that [`Saved`] takes on a stack, which stays a multiple of 8 (AAPCS, 6.2.1.2).
const FRAME_BYTES: usize = size_of::<Saved>().next_multiple_of(8);

/// Bytes that a stack must have below the frame for the handler. A report took 1928 of them at most
/// when measured, probes that fault and all.
///
/// Frame and room together are no longer than a guard page, so they can not reach over one, and lie in
/// two pages at most: where their two ends can be written, all of them can.
const ROOM_BYTES: usize = 3072;

const _: () = assert!(FRAME_BYTES + ROOM_BYTES <= 4096);
const _: () = assert!(offset_of!(Saved, frame) == 0);
// `rfe` loads the two together.
const _: () = assert!(offset_of!(TrapFrame, psr) == offset_of!(TrapFrame, pc) + 4);

/// SVC mode's sp before the exception, whichever mode it came in.
///
/// # Safety
///
/// 1. `frame` is one that the exception handler was called with, and it has not returned.
pub unsafe fn saved_svc_sp(frame: &TrapFrame) -> u32 {
    // What the reference may reach ends with the frame, so the address is taken up anew.
    let saved = ptr::with_exposed_provenance::<Saved>(ptr::from_ref(frame).expose_provenance());
    // SAFETY: the stubs put the frame on a stack as part of a `Saved` (1).
    unsafe { (*saved).svc[0] }
}

/// Where the vector of `kind` leads: a virtual address in the image.
#[must_use]
pub fn stub_address(kind: ExceptionKind) -> u32 {
    unsafe extern "C" {
        static vmsplit_stub_undefined: u32;
        static vmsplit_stub_svc: u32;
        static vmsplit_stub_prefetch: u32;
        static vmsplit_stub_data: u32;
        static vmsplit_stub_irq: u32;
        static vmsplit_stub_fiq: u32;
    }
    let stub = match kind {
        ExceptionKind::Undefined => &raw const vmsplit_stub_undefined,
        ExceptionKind::SupervisorCall => &raw const vmsplit_stub_svc,
        ExceptionKind::PrefetchAbort => &raw const vmsplit_stub_prefetch,
        ExceptionKind::DataAbort => &raw const vmsplit_stub_data,
        ExceptionKind::Irq => &raw const vmsplit_stub_irq,
        ExceptionKind::Fiq => &raw const vmsplit_stub_fiq,
    };
    stub as u32
}

global_asm!(
    ".section .text.exception_entry, \"ax\", %progbits",
    ".balign 4",

    // In the exception's own mode: lr - correction is the instruction that it is about.
    ".macro vmsplit_stub kind, correction",
    "sub    lr, lr, #\\correction",
    "stmia  sp, {{r0, lr}}",
    "mrs    lr, spsr",
    "str    lr, [sp, #8]",
    "mov    lr, #\\kind",
    "str    lr, [sp, #12]",
    "mov    r0, sp",
    "cpsid  aif, #{SVC}",
    "b      vmsplit_exception_entry",
    ".endm",

    ".global vmsplit_stub_undefined",
    "vmsplit_stub_undefined:",
    "str    r0, [sp]",
    "mrs    r0, spsr",
    "tst    r0, #{THUMB}",              // lr is one instruction on: two bytes in Thumb state
    "ldr    r0, [sp]",
    "addne  lr, lr, #2",
    "vmsplit_stub {UNDEFINED}, 4",
    ".global vmsplit_stub_prefetch",
    "vmsplit_stub_prefetch:",
    "vmsplit_stub {PREFETCH_ABORT}, 4",
    ".global vmsplit_stub_data",
    "vmsplit_stub_data:",
    "vmsplit_stub {DATA_ABORT}, 8",
    ".global vmsplit_stub_irq",
    "vmsplit_stub_irq:",
    "vmsplit_stub {IRQ_KIND}, 4",
    ".global vmsplit_stub_fiq",
    "vmsplit_stub_fiq:",
    "vmsplit_stub {FIQ_KIND}, 4",
    ".purgem vmsplit_stub",

    ".global vmsplit_stub_svc",
    "vmsplit_stub_svc:",
    "cpsid  aif, #{UND}",
    "str    r0, [sp]",
    "mov    r0, sp",
    "cpsid  aif, #{SVC}",
    "str    lr, [r0, #4]",
    "mrs    lr, spsr",
    "str    lr, [r0, #8]",
    "mov    lr, #{SUPERVISOR_CALL}",
    "str    lr, [r0, #12]",
    "ldr    lr, [r0, #4]",

    // In SVC mode, everything masked; r0: the save area; sp and lr: SVC mode's own.
    // The frame as a back-trace finds it (unwind): pop r0-r3, then r4-r12, sp, lr and pc.
    ".fnstart",
    ".unwind_raw 0, 0xb1, 0x0f, 0x8f, 0xff",
    "vmsplit_exception_entry:",
    "str    r1, [r0, #16]",
    "str    r2, [r0, #20]",
    "sub    r1, sp, #{FRAME_BYTES}",
    "bic    r1, r1, #7",
    "sub    r2, r1, #{ROOM_BYTES}",
    "mcr    p15, 0, r2, c7, c8, 1",     // ATS1CPW: may the lowest byte be written?
    "isb",
    "mrc    p15, 0, r2, c7, c4, 0",     // PAR; F is bit 0
    "tst    r2, #1",
    "bne    1f",
    "add    r2, r1, #{FRAME_BYTES} - 1",
    "mcr    p15, 0, r2, c7, c8, 1",     // and the frame's last, which may be in the page above?
    "isb",
    "mrc    p15, 0, r2, c7, c4, 0",
    "tst    r2, #1",
    "1:",
    "ldrne  r1, [r0, #24]",
    "subne  r1, r1, #{FRAME_BYTES}",
    // r1: the frame, on a stack that works.
    "str    sp, [r1, #{SVC_SP}]",
    "str    lr, [r1, #{SVC_SP} + 4]",
    "ldr    r2, [r0]",
    "str    r2, [r1, #{R}]",            // r0
    "ldr    r2, [r0, #16]",
    "str    r2, [r1, #{R} + 4]",        // r1
    "ldr    r2, [r0, #20]",
    "str    r2, [r1, #{R} + 8]",        // r2
    "str    r3, [r1, #{R} + 12]",
    "ldr    r2, [r0, #4]",
    "str    r2, [r1, #{PC}]",
    "ldr    r3, [r0, #12]",             // r3: the kind
    "ldr    r0, [r0, #8]",
    "str    r0, [r1, #{PSR}]",
    "and    r0, r0, #{MODE_MASK}",
    "cmp    r0, #{USER}",
    "moveq  r0, #{SYSTEM}",             // the same registers, and a way back
    "orr    r0, r0, #{IRQ_AND_FIQ_MASKED}",
    "add    r2, r1, #{R} + 16",
    "msr    cpsr_c, r0",                // the interrupted mode
    "stmia  r2, {{r4-r12}}",
    "str    sp, [r1, #{SP}]",
    "str    lr, [r1, #{LR}]",
    "cpsid  aif, #{SVC}",
    "mov    sp, r1",
    "mov    r0, r3",
    "bl     vmsplit_exception",

    // And back, by the same steps.
    "cpsid  aif",
    "mov    r0, sp",
    "ldr    lr, [r0, #{SVC_SP} + 4]",
    "ldr    sp, [r0, #{SVC_SP}]",
    "ldr    r1, [r0, #{PSR}]",
    "and    r1, r1, #{MODE_MASK}",
    "cmp    r1, #{USER}",
    "moveq  r1, #{SYSTEM}",
    "orr    r1, r1, #{IRQ_AND_FIQ_MASKED}",
    "msr    cpsr_c, r1",                // the frame's mode
    "ldr    sp, [r0, #{SP}]",
    "ldr    lr, [r0, #{LR}]",
    "cpsid  aif, #{UND}",
    "add    lr, r0, #{PC}",
    "ldmia  r0, {{r0-r12}}",
    "clrex",
    "rfeia  lr",
    ".fnend",

    UNDEFINED = const ExceptionKind::Undefined as u32,
    SUPERVISOR_CALL = const ExceptionKind::SupervisorCall as u32,
    PREFETCH_ABORT = const ExceptionKind::PrefetchAbort as u32,
    DATA_ABORT = const ExceptionKind::DataAbort as u32,
    IRQ_KIND = const ExceptionKind::Irq as u32,
    FIQ_KIND = const ExceptionKind::Fiq as u32,
    USER = const 0x10,
    SVC = const 0x13,
    UND = const 0x1b,
    SYSTEM = const 0x1f,
    THUMB = const Psr::T,
    MODE_MASK = const Psr::MODE_MASK,
    IRQ_AND_FIQ_MASKED = const 0xc0,
    FRAME_BYTES = const FRAME_BYTES,
    ROOM_BYTES = const ROOM_BYTES,
    R = const offset_of!(TrapFrame, r),
    SP = const offset_of!(TrapFrame, sp),
    LR = const offset_of!(TrapFrame, lr),
    PC = const offset_of!(TrapFrame, pc),
    PSR = const offset_of!(TrapFrame, psr),
    SVC_SP = const offset_of!(Saved, svc),
);
