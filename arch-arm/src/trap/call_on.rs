//! A call on another stack.
//!
//! ```text
//! the caller's stack      │ … │ r4 r5 fp lr │ ◀── r4
//!                                   ▲
//!                                   └─ fp
//! the other one           │ top: frames of what is called, downwards
//! ```
//!
//! The few instructions keep the caller's sp in r4, which what is called gives back as it was (AAPCS, 6.1.1). The
//! unwind table says so: `vsp = r4`, and then four registers are popped. No compiled function is described like that,
//! since those have a frame pointer, so a back-trace knows by it that the stack changes there.

use core::arch::global_asm;
use core::mem::MaybeUninit;

use mm::addr::VirtAddr;

/// Runs `run` with sp at `top` first, and returns what it returns, on the stack of before. It is a call like any other:
/// interrupts stay as they are, and their handlers run on whichever stack is in use.
///
/// # Safety
///
/// 1. The bytes below `top` can be written, as many as `run` and the handlers of interrupts need, or something that
///    faults lies below them; and nobody else uses them before this returns.
/// 2. `top` is a multiple of 8 (AAPCS, 6.2.1.2).
/// 3. The CPU is in SVC mode.
pub unsafe fn call_on<F: FnOnce() -> R, R>(top: VirtAddr, run: F) -> R {
    debug_assert!(top.is_aligned(8));
    let mut job = Job { run: Some(run), result: MaybeUninit::uninit() };
    // SAFETY: the stack is good (1, 2), and `job` outlives the call.
    unsafe { vmsplit_call_on((&raw mut job).cast(), top.as_u32(), step_in::<F, R>) };
    // SAFETY: `step_in` has written it, or has not returned.
    unsafe { job.result.assume_init() }
}

/// What goes over to the other stack, and back.
struct Job<F, R> {
    run: Option<F>,
    result: MaybeUninit<R>,
}

extern "C" fn step_in<F: FnOnce() -> R, R>(job: *mut u8) {
    // SAFETY: it is the job of `call_on`, which waits for this.
    let job = unsafe { &mut *job.cast::<Job<F, R>>() };
    if let Some(run) = job.run.take() {
        job.result.write(run());
    }
}

unsafe extern "C" {
    fn vmsplit_call_on(job: *mut u8, top: u32, step_in: extern "C" fn(*mut u8));
}

// r4 is written before fp, so that wherever fp is the new one the table is right.
global_asm!(
    ".section .text.vmsplit_call_on, \"ax\", %progbits",
    ".balign 4",
    ".global vmsplit_call_on",
    ".type vmsplit_call_on, %function",
    ".fnstart",
    "vmsplit_call_on:",
    "push   {{r4, r5, r11, lr}}",
    ".save  {{r4, r5, r11, lr}}",
    "mov    r4, sp",
    "add    r11, sp, #8",
    ".setfp r4, sp",
    "mov    sp, r1",
    "blx    r2",
    "mov    sp, r4",
    "pop    {{r4, r5, r11, pc}}",
    ".fnend",
    ".size vmsplit_call_on, . - vmsplit_call_on",
);
