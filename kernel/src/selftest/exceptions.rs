//! The way into an exception and back: every register returns as it was, from good and bad stacks,
//! and from exceptions inside exceptions.
//!
//! The exceptions are of two kinds that the kernel survives: faults that the exception table knows,
//! and, while the suite runs, `svc`, which it takes for calls of its own.

use core::arch::{asm, naked_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use arch_arm::interrupt;
use arch_arm::probe;
use arch_arm::trap::{Cause, Mode, Psr, TrapFrame};
use mm::addr::{PAGE_SIZE, VirtAddr};

use super::Checks;
use super::user_mode::{self, FLAGS, SVC, THUMB, THUMB_SVC};
use crate::boot::user_page::{self, CODE, UserPages};
use crate::image;
use crate::monitor::Kernel;

/// How deep calls are nested. Each level is a frame, a probe's frame, and the handler between them.
const DEPTH: u32 = 4;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    registers(checks);
    system_mode(checks);
    nested(checks);
    edited(checks);
    if let Err(error) = user_page::with(kernel, |_, pages| edited_in_user_mode(pages, checks)) {
        checks.that(false, format_args!("no user pages: {error}"));
    }
}

/// What `fault_with_sp` leaves: sp of its caller, then r1 to r12, lr, sp and CPSR after the fault.
struct Seen(UnsafeCell<[u32; 16]>);

// SAFETY: one CPU runs the monitor, and with it the suite.
unsafe impl Sync for Seen {}

static SEEN: Seen = Seen(UnsafeCell::new([0; 16]));

/// r4 below is an address where nothing is mapped: user space, and no page of a test.
const UNMAPPED: u32 = 0x1000_0004;

/// Gives every register a value of its own, sp that of r0, and reads from r4, which faults. Fills
/// [`SEEN`] with what it finds afterwards, and takes its own stack back.
#[unsafe(naked)]
unsafe extern "C" fn fault_with_sp(sp: u32) {
    naked_asm!(
        "push   {{r4-r11, lr}}",
        "movw   r1, #:lower16:{seen}",
        "movt   r1, #:upper16:{seen}",
        "str    sp, [r1]",
        "mov    sp, r0",
        ".irp   n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
        "mov    r\\n, #0x10000000",
        "orr    r\\n, r\\n, #\\n",
        ".endr",
        "mov    lr, #0x10000000",
        "orr    lr, lr, #14",
        "msr    cpsr_f, #0xa0000000", // N and C
        "1: ldr r3, [r4]",
        "2:",
        ".pushsection __ex_table, \"a\", %progbits",
        ".balign 4",
        ".long 1b, 2b",
        ".popsection",
        "movw   r0, #:lower16:{seen}", // r0 to r2 are the fault's
        "movt   r0, #:upper16:{seen}",
        "stmib  r0, {{r1-r12, lr}}",
        "str    sp, [r0, #56]",
        "mrs    r1, cpsr",
        "str    r1, [r0, #60]",
        "ldr    sp, [r0]",
        "pop    {{r4-r11, pc}}",
        seen = sym SEEN,
    )
}

fn registers(checks: &mut Checks) {
    let here: u32;
    // SAFETY: sp is read, and nothing else happens.
    unsafe { asm!("mov {}, sp", out(reg) here, options(nomem, nostack, preserves_flags)) };
    let guard = image::stack_guard();
    // Well below what is in use now, near the top of a page.
    let below = (here - 2 * PAGE_SIZE) & !(PAGE_SIZE - 1);
    let stacks = [
        (below + 0x800, "its own stack"),
        (below + 0x7fc, "its own stack, not on a multiple of 8"),
        (below + 0x20, "a frame over two pages of the stack"),
        (guard.end().as_u32(), "a stack with no byte left"),
        (guard.end().as_u32() + 0x20, "a stack with half a frame left"),
        (guard.start().as_u32() + 0x800, "a stack in the guard page"),
        (guard.start().as_u32() + 0x20, "a frame that ends in the guard page"),
        (image::text().start().as_u32() + 0x800, "a stack in text"),
        (UNMAPPED, "a wild stack"),
        (0, "no stack"),
        (0x20, "a stack at the bottom of the address space"),
    ];
    for (sp, what) in stacks {
        let masked = interrupt::mask();
        // SAFETY: it returns as any function does, its own stack restored. Meanwhile sp is used by
        // the exception's stubs only, which do not trust it; where it can be written, it is memory
        // of this stack below what is in use. Other exceptions are masked.
        unsafe { fault_with_sp(sp) };
        drop(masked);
        // SAFETY: the function above has written it and is done.
        let [_, status, address, r3_to_lr @ .., seen_sp, cpsr] = unsafe { *SEEN.0.get() };
        // Section or page, as the tables around it are; but a translation fault of a read.
        checks.equal(status & 0xc0d, 0x005, format_args!("{what}: DFSR"));
        checks.equal(address, UNMAPPED, format_args!("{what}: DFAR"));
        let expected = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14].map(|n| 0x1000_0000 | n);
        checks.equal(r3_to_lr, expected, format_args!("{what}: r3 to r12 and lr"));
        checks.equal(seen_sp, sp, format_args!("{what}: sp"));
        checks.equal(cpsr >> 28, 0xa, format_args!("{what}: flags"));
        checks.equal(cpsr & 0x3f, 0x13, format_args!("{what}: mode and instruction set"));
    }
}

/// What [`fault_in_system_mode`] finds afterwards.
#[repr(C)]
struct AfterSystem {
    svc_lr: u32,
    system_sp: u32,
}

/// Faults in SYS mode, which has sp and lr of its own, and finds those of both modes.
#[unsafe(naked)]
unsafe extern "C" fn fault_in_system_mode(after: &mut AfterSystem) {
    naked_asm!(
        "push   {{r4-r11, lr}}",
        "mov    r8, r0",
        "mov    lr, #0x13000000",
        "mrs    r7, cpsr",
        "cpsid  aif, #0x1f",
        "mov    r5, sp",
        "mov    sp, #0x1f000000",
        "mov    r4, #{UNMAPPED} & 0xff000000",
        "1: ldr r3, [r4]",
        "2:",
        ".pushsection __ex_table, \"a\", %progbits",
        ".balign 4",
        ".long 1b, 2b",
        ".popsection",
        "mov    r6, sp",
        "mov    sp, r5",
        "msr    cpsr_c, r7",
        "str    lr, [r8]",
        "str    r6, [r8, #4]",
        "pop    {{r4-r11, pc}}",
        UNMAPPED = const UNMAPPED,
    )
}

fn system_mode(checks: &mut Checks) {
    let mut after = AfterSystem { svc_lr: 0, system_sp: 0 };
    // SAFETY: it returns as any function does, in the mode that it was called in, with the registers
    // of SYS mode as before.
    unsafe { fault_in_system_mode(&mut after) };
    checks.equal(after.svc_lr, 0x1300_0000, format_args!("lr of SVC mode, after a fault in SYS"));
    checks.equal(after.system_sp, 0x1f00_0000, format_args!("sp of SYS mode, after a fault there"));
}

/// Are `svc`s calls of this suite? In SVC mode all of them, in user mode those with [`EDIT`] in r0.
static CALLS_ALLOWED: AtomicBool = AtomicBool::new(false);

/// In r0, asks for a frame that is edited all over ([`edit`]). Other values are depths.
const EDIT: u32 = 0xed17_0000;

/// `svc` with `depth` in r0 and two more registers to look at, from a stack that is no multiple of
/// 8; what r0 and they hold afterwards.
fn call(depth: u32) -> (u32, [u32; 2]) {
    let (result, r5, r12): (u32, u32, u32);
    // SAFETY: the handler changes r0 and, as an exception in its own mode does, lr. The stack is
    // used as an ordinary call would.
    unsafe {
        asm!(
            "sub sp, sp, #4",
            "svc #0",
            "add sp, sp, #4",
            inout("r0") depth => result,
            inout("r5") 0x5555_0000 | depth => r5,
            inout("r12") 0xcccc_0000 | depth => r12,
            out("lr") _,
        );
    }
    (result, [r5, r12])
}

/// The frame with another value in every register: what runs next must find just these.
fn edit(frame: &TrapFrame) -> TrapFrame {
    TrapFrame {
        r: core::array::from_fn(|n| !frame.r[n]),
        sp: frame.sp - 16,
        lr: !frame.lr,
        // One instruction is left out.
        pc: frame.pc + if frame.psr.as_u32() & THUMB == 0 { 4 } else { 2 },
        psr: Psr::new(frame.psr.as_u32() ^ FLAGS),
    }
}

/// A call of this suite, in its handler. Of nested ones, counts how many levels below, this one
/// included, could call deeper and survive a fault. False when it is no call.
pub fn on_supervisor_call(frame: &mut TrapFrame) -> bool {
    if !CALLS_ALLOWED.load(Ordering::Relaxed) {
        return false;
    }
    let depth = frame.r[0];
    if depth == EDIT {
        *frame = edit(frame);
        return true;
    }
    if frame.psr.mode() != Some(Mode::Svc) {
        return false;
    }
    let (mut good, mut deeper_is_good) = (0, true);
    if depth > 1 {
        let (below, kept) = call(depth - 1);
        good = below;
        deeper_is_good = kept == [0x5555_0000 | (depth - 1), 0xcccc_0000 | (depth - 1)];
    }
    let sp: u32;
    // SAFETY: sp is read, and nothing else happens.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    // SAFETY: nothing is mapped there.
    let read = unsafe { probe::read_u32(VirtAddr::new(UNMAPPED)) };
    let faulted = read.is_err_and(|fault| fault.address == VirtAddr::new(UNMAPPED));
    if deeper_is_good && faulted && sp.is_multiple_of(8) && interrupt::are_masked() {
        good += 1;
    }
    frame.r[0] = good;
    true
}

fn nested(checks: &mut Checks) {
    CALLS_ALLOWED.store(true, Ordering::Relaxed);
    for depth in 1..=DEPTH {
        let (good, kept) = call(depth);
        checks.equal(good, depth, format_args!("levels of {depth} that saw what they should"));
        let expected = [0x5555_0000 | depth, 0xcccc_0000 | depth];
        checks.equal(kept, expected, format_args!("registers after {depth} nested exceptions"));
    }
    CALLS_ALLOWED.store(false, Ordering::Relaxed);
}

/// Makes an edited call and fills [`SEEN`] with what it finds afterwards, from r1 on.
#[unsafe(naked)]
unsafe extern "C" fn edited_call(r0: u32) {
    naked_asm!(
        "push   {{r4-r11, lr}}",
        ".irp   n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
        "mov    r\\n, #\\n",
        ".endr",
        "msr    cpsr_f, #0xa0000000",
        "svc    #0",
        "udf    #0", // left out
        "movw   r0, #:lower16:{seen}",
        "movt   r0, #:upper16:{seen}",
        "stmib  r0, {{r1-r12, lr}}",
        "str    sp, [r0, #56]",
        "mrs    r1, cpsr",
        "str    r1, [r0, #60]",
        "add    sp, sp, #16",
        "str    sp, [r0]",
        "pop    {{r4-r11, pc}}",
        seen = sym SEEN,
    )
}

/// What the handler writes into a frame is what the interrupted code goes on with.
fn edited(checks: &mut Checks) {
    CALLS_ALLOWED.store(true, Ordering::Relaxed);
    // SAFETY: it returns as any function does: it knows how the handler edits its frame.
    unsafe { edited_call(EDIT) };
    // SAFETY: the function above has written it and is done.
    let [sp_before, r1_to_r12 @ .., _, sp, cpsr] = unsafe { *SEEN.0.get() };
    let expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(|n: u32| !n);
    checks.equal(r1_to_r12, expected, format_args!("r1 to r12 of an edited frame"));
    checks.equal(sp, sp_before - 16, format_args!("sp of an edited frame"));
    checks.equal(cpsr >> 28, 0x5, format_args!("flags of an edited frame"));
    CALLS_ALLOWED.store(false, Ordering::Relaxed);
}

/// The same in user mode, which goes on there: the handler returns to it, and no run ends.
fn edited_in_user_mode(pages: &UserPages, checks: &mut Checks) {
    // Each twice: the call, and what it leaves out.
    pages.load(&[SVC, 0xe7fd_def1, SVC | 1, THUMB_SVC, THUMB_SVC | 1 << 16]);
    for (state, at, step) in [(0, CODE.as_u32(), 4), (THUMB, CODE.as_u32() + 12, 2)] {
        let mut before = user_mode::registers(VirtAddr::new(at), 0xa000_0000 | state);
        before.r[0] = EDIT;
        CALLS_ALLOWED.store(true, Ordering::Relaxed);
        let masked = interrupt::are_masked();
        let (after, cause) = user_mode::run(&before);
        let masked_after = interrupt::are_masked();
        CALLS_ALLOWED.store(false, Ordering::Relaxed);
        let what = format_args!("an edited frame of user mode, state {state:#x}");
        checks.equal(cause, Cause::SupervisorCall, format_args!("{what}: how it ended"));
        before.pc += step; // as after the first `svc`
        before.psr = before.psr.to_user();
        let mut expected = edit(&before);
        expected.pc += step; // as after the second
        checks.equal(after, expected, format_args!("{what}"));
        checks.equal(masked_after, masked, format_args!("{what}: interrupts masked afterwards"));
    }
}
