//! Reports of exceptions and panics: what happened, in the form of a Linux oops, and then the memory
//! state.
//!
//! ```text
//! exception / panic ─▶ the record of death, in memory ─▶ the report, on the console
//!                      ─▶ vmsplit: halted: REASON      the last line, for scripts
//! ```
//!
//! - `machine` reads memory, page tables and symbols in ways that can not fault;
//! - [`death`] is the record;
//! - [`call_site()`] finds out who asked for memory, with the same tools;
//! - `location` names code for who prints;
//! - [`provoke`] has something to report.
//!
//! A report may begin anywhere: with the console's or the page allocator's lock held, on a stack that
//! has just overflowed, before there is a console. It waits for no lock.
//!
//! Invariants: no report within a report. A fault or a panic of the report itself prints one line and
//! stops, and a fault of that line stops in silence. Nothing is printed before the record of death is in memory.

mod call_site;
pub mod death;
mod location;
mod machine;
pub mod provoke;

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::cp15::{DACR, MPIDR, SCTLR, TTBR0};
use arch_arm::interrupt;
use arch_arm::trap::report::headline::{self, Reason};
use arch_arm::trap::report::{Location, Names, backtrace, dump};
use arch_arm::trap::{Cause, TrapFrame};
use mm::addr::{VirtAddr, VirtRange};
use mm::report::show_mem;
use spin::Once;
use symbols::Name;
use tock_registers::interfaces::Readable;

use crate::console::{Out, println};
use crate::stacks::{self, Known};
use crate::{boot, image, interrupts, pages};
use death::Kind;
use machine::{Memory, Symbols};

pub use call_site::call_site;
pub use location::{dump_stack, write_symbol};

/// The function that calls what returns to `site`; `None` if it is none of the image's, or the image has
/// no symbol table.
pub fn function_at(site: VirtAddr) -> Option<Name<'static>> {
    let (name, ..) = Symbols::of_image().find(site.checked_sub(1)?)?;
    Some(name)
}

/// How a report ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The kernel stops.
    Fatal,
    /// Whoever was interrupted goes on, elsewhere.
    Recovered,
}

/// Rows of the stack that are shown.
const STACK_ROWS: u32 = 16;
/// Bytes that are shown of a stack that is nobody's.
const UNKNOWN_STACK_BYTES: u32 = 256;

/// Reports that have begun and not ended: at most one, and what went wrong in it.
static DEPTH: AtomicU32 = AtomicU32::new(0);
/// Exceptions reported since boot.
static COUNT: AtomicU32 = AtomicU32::new(0);
static HARDWARE: Once<&'static str> = Once::new();

/// From now on reports name the machine as its device tree does.
pub fn name_hardware(model: Option<&'static str>) {
    if let Some(model) = model {
        HARDWARE.call_once(|| model);
    }
}

/// Reports an exception that nobody took. With [`Ending::Fatal`] it does not return.
///
/// In the handler, interrupts and asynchronous aborts masked.
pub fn exception(cause: &Cause, frame: &TrapFrame, ending: Ending) {
    let overflow = overflow(cause, frame);
    let reason = Why { reason: Reason { cause, frame }, overflow };
    match DEPTH.fetch_add(1, Ordering::Relaxed) {
        0 => {}
        1 => {
            // A report that would have recovered has left no record.
            death::record(&Kind::Exception(cause), frame, format_args!("{reason}"));
            death::second_fault(Some(cause), frame);
            cut_short(format_args!("{reason}, at {:#010x} in a report", frame.pc));
        }
        _ => interrupt::halt(),
    }
    if ending == Ending::Fatal {
        death::record(&Kind::Exception(cause), frame, format_args!("{reason}"));
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    let memory = Memory::now();
    let address = match *cause {
        Cause::DataAbort { address, .. } => address,
        Cause::PrefetchAbort { address, .. } => Some(address),
        Cause::Undefined | Cause::SupervisorCall | Cause::Irq | Cause::Fiq => None,
    };
    let translation = address.and_then(|address| memory.translate(address));
    println!();
    if let Some(stack) = overflow {
        write_overflow(&stack);
    }
    // The console can not fail, here as below.
    let _ = headline::write(&mut Out, cause, frame, translation.as_ref(), count);
    let symbols = Symbols::of_image();
    write_machine();
    println!("PC is at {}", Location::exact(&symbols, VirtAddr::new(frame.pc)));
    println!("LR is at {}", Location::return_to(&symbols, VirtAddr::new(frame.lr)));
    write_registers(frame);
    write_stack(&memory, &symbols, frame);
    let _ = dump::write_code(&mut Out, &memory, frame);
    write_memory_state();
    println!("---[ end trace 0000000000000000 ]---");
    if ending == Ending::Recovered {
        DEPTH.store(0, Ordering::Relaxed);
        return;
    }
    println!("Kernel panic - not syncing: Fatal exception");
    println!("---[ end Kernel panic - not syncing: Fatal exception ]---");
    last_line(format_args!("{reason}"))
}

/// The stack that has overflowed, if this is what happened.
fn overflow(cause: &Cause, frame: &TrapFrame) -> Option<Known> {
    let Cause::DataAbort { address: Some(address), .. } = *cause else { return None };
    stacks::overflowed(VirtAddr::new(frame.sp), address)
}

/// As Linux has it, where the kernel's stacks have guard pages, and whose the stack is.
fn write_overflow(stack: &Known) {
    let bounds = |range: VirtRange| (range.start(), range.end());
    println!("Insufficient stack space to handle exception!");
    let (start, end) = bounds(stack.range);
    println!("Task stack:     [{start}..{end}], {stack}");
    let (start, end) = bounds(boot::report_stack());
    println!("Overflow stack: [{start}..{end}]");
}

/// What happened, in one line.
struct Why<'a> {
    reason: Reason<'a>,
    overflow: Option<Known>,
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.overflow.is_some() {
            f.write_str("kernel stack overflow: ")?;
        }
        self.reason.fmt(f)
    }
}

/// Reports a panic, and stops.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    interrupt::mask_for_good();
    let frame = TrapFrame::here();
    let message = info.message();
    let reason = format_args!("panic{}: {message}", At(info));
    match DEPTH.fetch_add(1, Ordering::Relaxed) {
        0 => {}
        1 => {
            death::record(&Kind::Panic, &frame, reason);
            death::second_fault(None, &frame);
            cut_short(format_args!("{reason}, in a report"));
        }
        _ => interrupt::halt(),
    }
    death::record(&Kind::Panic, &frame, reason);
    println!();
    println!("Kernel panic - not syncing: {message}");
    println!("panic{}", At(info));
    write_machine();
    write_registers(&frame);
    write_stack(&Memory::now(), &Symbols::of_image(), &frame);
    write_memory_state();
    println!("---[ end Kernel panic - not syncing: {message} ]---");
    last_line(reason)
}

/// ` at FILE:LINE:COLUMN`, if it is known.
struct At<'a>(&'a PanicInfo<'a>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.location().map_or(Ok(()), |location| write!(f, " at {location}"))
    }
}

/// Ends a report that went wrong itself, perhaps in the middle of a line: the last line begins one.
fn cut_short(reason: fmt::Arguments<'_>) -> ! {
    println!();
    last_line(reason)
}

/// Prints the line that scripts look for, and stops this CPU for good.
pub fn last_line(reason: fmt::Arguments<'_>) -> ! {
    let _ = write!(OneLine(&mut Out), "vmsplit: halted: {reason}");
    println!();
    interrupts::silence();
    interrupt::halt()
}

/// Which CPU of which machine runs what.
fn write_machine() {
    println!(
        "CPU: {} Comm: vmsplit {} ({}, {} split)",
        MPIDR.get() & 3,
        env!("CARGO_PKG_VERSION"),
        if cfg!(debug_assertions) { "debug" } else { "release" },
        image::SPLIT.name(),
    );
    if let Some(model) = HARDWARE.get() {
        println!("Hardware name: {}{model}", provoke::InReport);
    }
}

fn write_registers(frame: &TrapFrame) {
    println!("{frame}");
    let (control, table, domains) = (SCTLR.get(), TTBR0.get(), DACR.get());
    println!("Control: {control:08x}  Table: {table:08x}  DAC: {domains:08x}");
}

/// The words on the stack, and what they mean.
fn write_stack(memory: &Memory, symbols: &impl Names, frame: &TrapFrame) {
    let sp = VirtAddr::new(frame.sp);
    let unknown_end = VirtAddr::new(frame.sp.saturating_add(UNKNOWN_STACK_BYTES));
    let end = stacks::of(sp).map_or(unknown_end, |stack| stack.range.end());
    let _ = dump::write_words(&mut Out, memory, "Stack: ", VirtRange::new(sp, end), STACK_ROWS);
    let _ = backtrace::write(&mut Out, memory, symbols, machine::code(), frame);
}

/// The figures are counters that are read without a lock, whatever the allocator was interrupted at.
fn write_memory_state() {
    let Some(figures) = pages::figures() else {
        return println!("Mem-Info: there is no page allocator yet");
    };
    let _ = show_mem::write(&mut Out, &figures, 0);
}

/// Keeps what it is given to one line: text of a panic may hold anything.
struct OneLine<'w>(&'w mut dyn Write);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.0.write_char(if c.is_control() { ' ' } else { c }))
    }
}
