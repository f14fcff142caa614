//! An excursion to user mode: enter it with given registers, come back when it takes an exception.
//!
//! ```text
//! run ─▶ enter: callee-saved registers to a record on the SVC stack ─▶ rfe ─▶ user mode …
//!                                                                                 │ exception
//!   ◀─ pops the record ◀─ the handler returns into SVC mode ◀─ leave ◀─ handler ◀─┘
//! ```
//!
//! While user mode runs, sp of SVC mode is the address of the record, and the stubs save it with the
//! frame. So an exception finds the run it belongs to by itself, on whichever CPU, however runs are
//! nested in handlers, and there is no state to keep. [`leave`] copies the frame to whoever called
//! [`run`], and edits it so that "returning" from the exception pops the record. An interrupt is not
//! for [`leave`]: its handler returns, and user mode goes on.
//!
//! Contract with the kernel: its exception handler offers every exception but interrupts to
//! [`leave`], and sends no frame to user mode by itself.
//!
//! Invariant: the processor is in user mode only between [`run`] and [`leave`], with IRQs on.

use crate::trap::{Cause, Mode, Psr, TrapFrame, saved_svc_sp};
use core::arch::naked_asm;
use core::mem::{MaybeUninit, offset_of};
use core::ptr;

/// What `enter` pushes, lowest address first.
#[repr(C)]
struct Record {
    frame: *mut TrapFrame,
    cause: *mut MaybeUninit<Cause>,
    /// CPSR of the caller, with its masks.
    psr: Psr,
    callee_saved: [u32; 8],
    lr: u32,
}

const _: () = assert!(size_of::<Record>() == 12 * 4 && size_of::<Record>().is_multiple_of(8));

/// Runs user mode with the registers of `frame` until it takes an exception other than an interrupt,
/// and returns what that was. `frame` then holds user mode's registers as they were; pc as
/// [`crate::trap`] says for the kind, so after `svc` another `run` goes on behind it.
///
/// Of `frame.psr` only the flags, the instruction set and the byte order count. IRQs are on in user
/// mode, whatever they are here; FIQs stay masked.
///
/// # Safety
///
/// 1. Nothing that the kernel relies on can be reached from user mode: what the tables let it write,
///    it may overwrite, and what they let it read, it may know.
/// 2. The CPU is in SVC mode, and interrupts may be handled now: no lock is held that a handler
///    wants.
/// 3. The vectors are in force, and the kernel's handler calls [`leave`].
pub unsafe fn run(frame: &mut TrapFrame) -> Cause {
    frame.psr = frame.psr.to_user();
    let mut cause = MaybeUninit::uninit();
    // SAFETY: `enter` comes back like a function, by way of `leave` (3), which has filled in `cause`.
    // Between the two user mode runs, which touches nothing of the kernel's (1), and interrupt
    // handlers (2).
    unsafe {
        enter(frame, &raw mut cause);
        cause.assume_init()
    }
}

/// Ends the run that `frame` was saved in, if it is one of user mode and `cause` no interrupt, and
/// returns true: the handler is to return at once. Otherwise leaves the frame alone.
///
/// # Safety
///
/// 1. `frame` is the one that the exception handler was called with, unchanged, and nothing else
///    has taken the exception.
pub unsafe fn leave(frame: &mut TrapFrame, cause: &Cause) -> bool {
    if frame.psr.mode() != Some(Mode::User) || matches!(cause, Cause::Irq | Cause::Fiq) {
        return false;
    }
    // SAFETY: it is a frame of the stubs (1).
    let svc_sp = unsafe { saved_svc_sp(frame) };
    let record = ptr::with_exposed_provenance::<Record>(svc_sp as usize);
    // SAFETY: user mode is entered by `enter` only, which left SVC mode's sp at its record. The two
    // pointers in it are borrowed by `run`, which waits for this.
    unsafe {
        let Record { frame: user_frame, cause: user_cause, psr, .. } = *record;
        user_frame.write(*frame);
        user_cause.write(MaybeUninit::new(*cause));
        frame.psr = psr;
    }
    frame.sp = svc_sp;
    frame.pc = {
        unsafe extern "C" {
            static vmsplit_user_left: u32;
        }
        (&raw const vmsplit_user_left) as u32
    };
    true
}

/// Leaves a [`Record`] on the stack and goes to user mode with the registers of `frame`. Returns
/// when `leave` has sent it to its last instruction.
#[unsafe(naked)]
unsafe extern "C" fn enter(frame: *mut TrapFrame, cause: *mut MaybeUninit<Cause>) {
    naked_asm!(
        "mrs    r2, cpsr",
        "push   {{r0-r2, r4-r11, lr}}",
        "cpsid  aif, #{SYSTEM}",        // the registers of user mode
        "ldr    sp, [r0, #{SP}]",
        "ldr    lr, [r0, #{LR}]",
        "cpsid  aif, #{UND}",           // whose lr is free, as the stubs have it
        "add    lr, r0, #{PC}",
        "ldmia  r0, {{r0-r12}}",
        "clrex",
        "rfeia  lr",
        ".global vmsplit_user_left",
        "vmsplit_user_left:",
        "pop    {{r0-r2, r4-r11, pc}}",
        SYSTEM = const 0x1f,
        UND = const 0x1b,
        SP = const offset_of!(TrapFrame, sp),
        LR = const offset_of!(TrapFrame, lr),
        PC = const offset_of!(TrapFrame, pc),
    )
}
