//! Exception entry: the vectors, the stubs behind them, and the stacks they run on.
//!
//! The vectors are eight instructions and the words that they load their targets from, 64 bytes in
//! all. Because every target is absolute, the table works wherever it lies: in the image, through
//! VBAR ([`use_vectors_in_image`]), or copied to the vector page at `0xffff0000`
//! ([`vectors`], [`use_high_vectors`]). Targets are link addresses, so the MMU must be on.
//!
//! A stub may trust nothing but its own mode's sp, which [`ExceptionStacks::install`] pointed to a
//! save area of eight words. There it puts the few registers it needs, and goes to SVC mode. Then it
//! looks for a place for the [`TrapFrame`], and *asks the MMU* whether the SVC stack can be written
//! (ATS1CPW): a stack that has run into its guard page, or a wild sp, would otherwise abort again,
//! for ever. If it cannot, the frame goes to the report stack, and the report comes. Lastly it
//! visits the interrupted mode, to store that mode's sp and lr (and r8 to r12, which FIQ mode has of
//! its own), and calls `vmsplit_exception` (see [`Handler`](super::Handler)).
//!
//! Save areas, one for each of UND, ABT, IRQ and FIQ mode:
//!
//! ```text
//! 0 r0    4 pc    8 cpsr    12 kind    16 r1    20 r2    24 top of the report stack    28 unused
//! ```
//!
//! An area is busy from the stub's first instruction until the frame is complete. Nothing in between
//! aborts, and IRQ and FIQ are masked. `svc` comes in SVC mode, which has no area, and borrows that
//! of UND mode: no instruction of a stub is undefined.
//!
//! Every exception overwrites PAR. Code that translates addresses with it masks interrupts.
//!
//! *ARM DDI 0406C, B1.8.3, Overview of exception entry*; return addresses *Table B1-6*; ATS1CPW and
//! PAR *B4.2.4* and *B4.1, PAR*.

use super::registers::{Psr, TrapFrame};
use crate::barrier::isb;
use crate::cp15::sctlr::SCTLR as Sctlr;
use crate::cp15::{SCTLR, VBAR};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use tock_registers::interfaces::{ReadWriteable, Writeable};

/// Bytes of the report stack. Formatting and printing a line took 552 of them when measured; the
/// rest is for longer reports.
const REPORT_STACK_BYTES: usize = 8192;

/// Bytes that a frame takes on a stack, which stays a multiple of 8 (AAPCS, 6.2.1.2).
const FRAME_BYTES: usize = size_of::<TrapFrame>().next_multiple_of(8);

/// Where a stub leaves what it must not lose; see the module's table.
#[repr(C, align(8))]
struct SaveArea {
    saved: [u32; 6],
    report_stack_top: u32,
}

const _: () = assert!(offset_of!(SaveArea, report_stack_top) == 24);
const _: () = assert!(size_of::<SaveArea>() == 32);

/// The memory that exception entry needs on one CPU, besides the stacks that are interrupted.
#[repr(C, align(8))]
pub struct ExceptionStacks {
    report: UnsafeCell<[u64; REPORT_STACK_BYTES / 8]>,
    /// UND, ABT, IRQ, FIQ.
    save: [UnsafeCell<SaveArea>; 4],
}

// SAFETY: after `install` only the stubs of one CPU touch it, as its duty 1 demands; before, nobody.
unsafe impl Sync for ExceptionStacks {}

impl ExceptionStacks {
    /// Memory for one CPU, not yet in use. All zeroes, so it goes to `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        const EMPTY: SaveArea = SaveArea { saved: [0; 6], report_stack_top: 0 };
        Self {
            report: UnsafeCell::new([0; REPORT_STACK_BYTES / 8]),
            save: [const { UnsafeCell::new(EMPTY) }; 4],
        }
    }

    /// Points sp of UND, ABT, IRQ and FIQ mode of this CPU to its save area. An exception before
    /// that hangs.
    ///
    /// # Safety
    ///
    /// 1. `self` serves no other CPU, now or later, and stays mapped and writable where it is.
    /// 2. IRQ and FIQ are masked, or the vectors are not in use yet.
    /// 3. The CPU is in SVC mode.
    pub unsafe fn install(&'static self) {
        let top = self.report.get().wrapping_add(1) as u32;
        for area in &self.save {
            // SAFETY: nobody else touches `self` before the stubs do (1).
            unsafe { (*area.get()).report_stack_top = top };
        }
        let [und, abt, irq, fiq] = self.save.each_ref().map(|area| area.get());
        // SAFETY: sp of the four modes is used by the stubs only. r0 to r4 are the same register in
        // every mode, and the mode and masks of before are restored (3). No exception comes in
        // between (2).
        unsafe {
            asm!(
                "mrs    r4, cpsr",
                "cpsid  if, #{UND}",
                "mov    sp, r0",
                "cpsid  if, #{ABT}",
                "mov    sp, r1",
                "cpsid  if, #{IRQ}",
                "mov    sp, r2",
                "cpsid  if, #{FIQ}",
                "mov    sp, r3",
                "msr    cpsr_c, r4",
                UND = const 0x1b,
                ABT = const 0x17,
                IRQ = const 0x12,
                FIQ = const 0x11,
                in("r0") und,
                in("r1") abt,
                in("r2") irq,
                in("r3") fiq,
                out("r4") _,
                options(nostack),
            );
        }
    }
}

impl Default for ExceptionStacks {
    fn default() -> Self {
        Self::new()
    }
}

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
/// 1. The MMU maps the image at its link addresses, and [`ExceptionStacks::install`] has run here.
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
/// 2. The MMU maps the image at its link addresses, and [`ExceptionStacks::install`] has run here.
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
    "udf    #0",                        // 00 reset: only a stray jump comes here
    "ldr    pc, .Lvmsplit_undefined",   // 04
    "ldr    pc, .Lvmsplit_svc",         // 08
    "ldr    pc, .Lvmsplit_prefetch",    // 0c
    "ldr    pc, .Lvmsplit_data",        // 10
    "udf    #0",                        // 14 HYP mode's
    "ldr    pc, .Lvmsplit_irq",         // 18
    "ldr    pc, .Lvmsplit_fiq",         // 1c
    ".Lvmsplit_undefined: .word vmsplit_stub_undefined",
    ".Lvmsplit_svc:       .word vmsplit_stub_svc",
    ".Lvmsplit_prefetch:  .word vmsplit_stub_prefetch",
    ".Lvmsplit_data:      .word vmsplit_stub_data",
    ".Lvmsplit_irq:       .word vmsplit_stub_irq",
    ".Lvmsplit_fiq:       .word vmsplit_stub_fiq",
    ".balign 64",
    ".global __vectors_end",
    "__vectors_end:",

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
    "cpsid  if, #{SVC}",
    "b      vmsplit_exception_entry",
    ".endm",

    "vmsplit_stub_undefined:",
    "str    r0, [sp]",
    "mrs    r0, spsr",
    "tst    r0, #{THUMB}",              // lr is one instruction on: two bytes in Thumb state
    "ldr    r0, [sp]",
    "addne  lr, lr, #2",
    "vmsplit_stub {UNDEFINED}, 4",
    "vmsplit_stub_prefetch:",
    "vmsplit_stub {PREFETCH_ABORT}, 4",
    "vmsplit_stub_data:",
    "vmsplit_stub {DATA_ABORT}, 8",
    "vmsplit_stub_irq:",
    "vmsplit_stub {IRQ_KIND}, 4",
    "vmsplit_stub_fiq:",
    "vmsplit_stub {FIQ_KIND}, 4",
    ".purgem vmsplit_stub",

    "vmsplit_stub_svc:",
    "cpsid  if, #{UND}",
    "str    r0, [sp]",
    "mov    r0, sp",
    "cpsid  if, #{SVC}",
    "str    lr, [r0, #4]",
    "mrs    lr, spsr",
    "str    lr, [r0, #8]",
    "mov    lr, #{SUPERVISOR_CALL}",
    "str    lr, [r0, #12]",
    "ldr    lr, [r0, #4]",

    // In SVC mode, IRQ and FIQ masked; r0: the save area; sp and lr: still the interrupted ones if
    // SVC mode was interrupted.
    "vmsplit_exception_entry:",
    "str    r1, [r0, #16]",
    "str    r2, [r0, #20]",
    "sub    r1, sp, #{FRAME_BYTES}",
    "bic    r1, r1, #7",
    "mcr    p15, 0, r1, c7, c8, 1",     // ATS1CPW: may the frame's first byte be written?
    "isb",
    "mrc    p15, 0, r2, c7, c4, 0",     // PAR; F is bit 0
    "tst    r2, #1",
    "bne    1f",
    "add    r2, r1, #{FRAME_BYTES} - 1",
    "mcr    p15, 0, r2, c7, c8, 1",     // and its last, which may be in another page?
    "isb",
    "mrc    p15, 0, r2, c7, c4, 0",
    "tst    r2, #1",
    "1:",
    "ldrne  r1, [r0, #24]",
    "subne  r1, r1, #{FRAME_BYTES}",
    // r1: the frame, on a stack that works.
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
    "cpsid  if, #{SVC}",
    "mov    sp, r1",
    "mov    r0, r3",
    "bl     vmsplit_exception",
    "udf    #0",                        // it does not return

    UNDEFINED = const super::ExceptionKind::Undefined as u32,
    SUPERVISOR_CALL = const super::ExceptionKind::SupervisorCall as u32,
    PREFETCH_ABORT = const super::ExceptionKind::PrefetchAbort as u32,
    DATA_ABORT = const super::ExceptionKind::DataAbort as u32,
    IRQ_KIND = const super::ExceptionKind::Irq as u32,
    FIQ_KIND = const super::ExceptionKind::Fiq as u32,
    USER = const 0x10,
    SVC = const 0x13,
    UND = const 0x1b,
    SYSTEM = const 0x1f,
    THUMB = const Psr::T,
    MODE_MASK = const Psr::MODE_MASK,
    IRQ_AND_FIQ_MASKED = const 0xc0,
    FRAME_BYTES = const FRAME_BYTES,
    R = const offset_of!(TrapFrame, r),
    SP = const offset_of!(TrapFrame, sp),
    LR = const offset_of!(TrapFrame, lr),
    PC = const offset_of!(TrapFrame, pc),
    PSR = const offset_of!(TrapFrame, psr),
);
