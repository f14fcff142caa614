//! Crashes on purpose: something to report, for who wants to see a report and for the boot tests.
//!
//! Each is a function of its own that is never inlined, so that its name stands in the report. Some of
//! them do what no sound program does; the monitor offers them to the user of a machine that has
//! nothing to lose, under the name of `crash`.

use core::arch::asm;
use core::fmt;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use arch_arm::probe;
use arch_arm::trap::Cause;
use mm::addr::VirtAddr;
use mm::boot::split::MODULES_SIZE;
use mm::map::vmalloc::STACK_PAGES;
use mm::zone::Gfp;

use crate::console::println;
use crate::exception::reporting;
use crate::{image, stacks, vmalloc};

/// A way to crash.
pub struct Crash {
    /// What the monitor calls it.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Does it. It returns only if the processor does not mind.
    pub run: fn(),
}

/// Every way but a plain panic.
pub const CRASHES: [Crash; 17] = [
    Crash { name: "read", what: "read through a null pointer", run: null_read },
    Crash { name: "write", what: "write through a null pointer", run: null_write },
    Crash { name: "text", what: "write to the kernel's code", run: text_write },
    Crash { name: "rodata", what: "write to the kernel's constants", run: rodata_write },
    Crash { name: "xn", what: "execute the kernel's data", run: execute_data },
    Crash { name: "jump", what: "call a function where nothing is mapped", run: call_unmapped },
    Crash {
        name: "undefined",
        what: "execute an undefined instruction",
        run: undefined_instruction,
    },
    Crash { name: "svc", what: "make a system call from the kernel", run: supervisor_call },
    Crash { name: "ldrex", what: "load exclusively from an odd address", run: unaligned_ldrex },
    Crash { name: "ldrd", what: "load two words from an odd address", run: unaligned_ldrd },
    Crash { name: "stack", what: "recurse without end", run: stack_overflow },
    Crash {
        name: "guarded",
        what: "recurse without end on a stack of the vmalloc region",
        run: guarded_stack_overflow,
    },
    Crash { name: "nested", what: "panic while an exception is handled", run: panic_in_handler },
    Crash { name: "double", what: "fault while a panic is reported", run: fault_in_panic },
    Crash { name: "report", what: "fault while a fault is reported", run: fault_in_report },
    Crash {
        name: "probe",
        what: "fault while the fault of a probe is reported",
        run: fault_in_probes_report,
    },
    Crash {
        name: "recover",
        what: "panic while the fault of a probe is reported",
        run: panic_in_probes_report,
    },
];

/// The names of the ways to crash, in the order of [`CRASHES`].
pub const fn names() -> [&'static str; CRASHES.len()] {
    let mut names = [""; CRASHES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = CRASHES[index].name;
        index += 1;
    }
    names
}

/// Panics with this message.
#[inline(never)]
#[expect(clippy::panic, reason = "somebody asked for it")]
pub fn panic(message: impl fmt::Display) -> ! {
    panic!("{message}")
}

#[inline(never)]
fn null_read() {
    // SAFETY: nothing is mapped at 0, so the load faults.
    unsafe { asm!("ldr {0}, [{0}]", inout(reg) 0 => _, options(nostack, preserves_flags)) };
}

#[inline(never)]
fn null_write() {
    write(VirtAddr::new(0));
}

#[inline(never)]
fn text_write() {
    write(image::text().start());
}

#[inline(never)]
fn rodata_write() {
    write(image::rodata().start());
}

/// Writes to an address that is not writable.
#[inline(always)]
fn write(address: VirtAddr) {
    // SAFETY: the callers name addresses at which nothing is mapped, or nothing is writable, so the
    // store faults.
    unsafe {
        asm!(
            "str {0}, [{1}]",
            in(reg) 0,
            in(reg) address.as_u32(),
            options(nostack, preserves_flags),
        );
    }
}

/// `bx lr`, among the data.
static RETURN: u32 = 0xe12f_ff1e;

#[inline(never)]
fn execute_data() {
    call(VirtAddr::new(&raw const RETURN as u32));
}

#[inline(never)]
fn call_unmapped() {
    let page_offset = image::SPLIT.page_offset().as_u32();
    call(VirtAddr::new(page_offset.wrapping_sub(MODULES_SIZE)));
}

/// Calls an address that is not executable.
#[inline(always)]
fn call(address: VirtAddr) {
    // SAFETY: nothing is mapped there or it may not be executed, so the fetch faults. Should it not,
    // what is called returns at once.
    unsafe {
        asm!(
            "blx {0}",
            in(reg) address.as_u32(),
            out("lr") _,
            options(preserves_flags),
        );
    }
}

#[inline(never)]
fn undefined_instruction() {
    // SAFETY: the instruction is undefined for ever (*ARM DDI 0406C, A8.8.247*), so it faults.
    unsafe { asm!("udf #0", options(nostack, preserves_flags)) };
}

#[inline(never)]
fn supervisor_call() {
    // SAFETY: nobody takes this call. It overwrites lr, which is an output.
    unsafe { asm!("svc #0", out("lr") _, options(nostack, preserves_flags)) };
}

#[inline(never)]
fn unaligned_ldrex() {
    let words = [0_u32; 3];
    // SAFETY: a load from the words above, if the processor allows it; the claim is dropped.
    unsafe {
        asm!(
            "ldrex {0}, [{1}]",
            "clrex",
            out(reg) _,
            in(reg) (&raw const words).wrapping_byte_add(1),
            options(nostack, preserves_flags),
        );
    }
}

#[inline(never)]
fn unaligned_ldrd() {
    let words = [0_u32; 3];
    // SAFETY: a load from the words above, if the processor allows it.
    unsafe {
        asm!(
            "ldrd r0, r1, [{0}]",
            in(reg) (&raw const words).wrapping_byte_add(1),
            out("r0") _,
            out("r1") _,
            options(nostack, preserves_flags),
        );
    }
}

#[inline(never)]
fn stack_overflow() {
    black_box(recurse(0));
}

#[inline(never)]
fn guarded_stack_overflow() {
    let Some(region) = vmalloc::get() else { return };
    match region.kernel_stack(STACK_PAGES, Gfp::GFP_KERNEL, super::call_site()) {
        Ok(mut stack) => _ = stacks::run_on(&mut stack, stack_overflow),
        Err(error) => println!("no stack: {error}"),
    }
}

/// Calls itself. The words keep it from being a loop.
#[expect(unconditional_recursion, reason = "it has to overflow the stack")]
#[inline(never)]
fn recurse(depth: u32) -> u32 {
    let words = black_box([depth; 16]);
    let deeper = recurse(depth.wrapping_add(1));
    words.iter().fold(deeper, |sum, word| sum.wrapping_add(*word))
}

/// A message that can not be printed.
struct Faulty;

impl fmt::Display for Faulty {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        null_write();
        Ok(())
    }
}

#[inline(never)]
fn fault_in_panic() {
    panic(Faulty)
}

/// What goes wrong in the next report: [`FAULT`], [`PANIC`], or nothing.
static IN_REPORT: AtomicU8 = AtomicU8::new(0);
const FAULT: u8 = 1;
const PANIC: u8 = 2;

#[inline(never)]
fn fault_in_report() {
    IN_REPORT.store(FAULT, Ordering::Relaxed);
    null_read();
}

#[inline(never)]
fn fault_in_probes_report() {
    IN_REPORT.store(FAULT, Ordering::Relaxed);
    null_probe();
}

#[inline(never)]
fn panic_in_probes_report() {
    IN_REPORT.store(PANIC, Ordering::Relaxed);
    null_probe();
}

/// Reads through a null pointer, as somebody who typed the address.
fn null_probe() {
    // SAFETY: 1. nothing is mapped at 0.
    let _ = reporting(|| unsafe { probe::read_u32(VirtAddr::new(0)) });
}

/// For a report, in the middle of a line: prints nothing, and goes wrong if somebody asked for it.
pub struct InReport;

impl fmt::Display for InReport {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match IN_REPORT.load(Ordering::Relaxed) {
            FAULT => null_write(),
            PANIC => panic("asked to panic in a report"),
            _ => {}
        }
        Ok(())
    }
}

static PANIC_AT_SUPERVISOR_CALL: AtomicBool = AtomicBool::new(false);

#[inline(never)]
fn panic_in_handler() {
    PANIC_AT_SUPERVISOR_CALL.store(true, Ordering::Relaxed);
    supervisor_call();
}

/// For the exception handler, before it reports `cause`: panics if that is what somebody asked for.
#[expect(clippy::panic, reason = "somebody asked for it")]
pub fn in_handler(cause: &Cause) {
    if *cause == Cause::SupervisorCall && PANIC_AT_SUPERVISOR_CALL.load(Ordering::Relaxed) {
        panic!("asked to panic while an exception is handled");
    }
}
