//! Suite `stacks`: code runs on a stack of the vmalloc region, with a guard page at either end, and a back-trace finds
//! the way back.
//!
//! That an overflow is reported is for a boot of its own: it ends the kernel.

use core::hint::black_box;

use arch_arm::probe;
use arch_arm::trap::{FaultStatus, Level};
use mm::addr::{PAGE_SIZE, VirtAddr};
use mm::map::vmalloc::STACK_PAGES;
use mm::zone::Gfp;

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::report::{self, call_site};
use crate::stacks::{self, Stack};

/// More calls that nest than are possible.
const MOST: u32 = 16;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    // What is made once is there afterwards: slabs of records and tables.
    drop(make(kernel, checks));
    let ledger = open(kernel);
    if let Some(mut stack) = make(kernel, checks) {
        guards(checks, &stack);
        on_it(checks, &mut stack);
        back_trace(checks, &mut stack);
        let deep = nest(kernel, checks, 0);
        checks.that(deep > 1 && deep < MOST, format_args!("{deep} calls nest"));
        let end = VirtAddr::new(stack.range().end().as_u32() - 4);
        drop(stack);
        kernel.vmalloc.purge();
        faults(checks, end, "a stack that was given back");
    }
    kernel.vmalloc.make_room();
    kernel.slabs.shrink_all();
    ledger.check(checks, format_args!("afterwards"));
}

fn open(kernel: &Kernel) -> Ledger {
    kernel.vmalloc.make_room();
    kernel.slabs.shrink_all();
    Ledger::open(kernel.pages)
}

fn make(kernel: &Kernel, checks: &mut Checks) -> Option<Stack<'static>> {
    let stack = kernel.vmalloc.kernel_stack(STACK_PAGES, Gfp::GFP_KERNEL, call_site());
    checks.that(stack.is_ok(), format_args!("{:?}", stack.as_ref().err()));
    stack.ok()
}

/// An access to `at` faults, since its page is not mapped.
fn faults(checks: &mut Checks, at: VirtAddr, what: &str) {
    // SAFETY: nothing is mapped there; if something is, it is the suite's.
    let [read, write] = unsafe { [probe::read_u32(at).err(), probe::write_u32(at, 0).err()] };
    for fault in [read, write] {
        let status = fault.map(|fault| fault.fault.status());
        let expected = Some(FaultStatus::Translation(Level::Page));
        checks.equal(status, expected, format_args!("{what} at {at}"));
    }
}

fn guards(checks: &mut Checks, stack: &Stack<'_>) {
    let (guard, range) = (stack.guard(), stack.range());
    let last = |end: VirtAddr| VirtAddr::new(end.as_u32() - 4);
    faults(checks, guard.start(), "the guard below");
    faults(checks, last(guard.end()), "the guard below");
    faults(checks, range.end(), "the guard above");
    faults(checks, VirtAddr::new(range.end().as_u32() + PAGE_SIZE - 4), "the guard above");
    let words = (range.start().as_u32()..range.end().as_u32()).step_by(4);
    // SAFETY: nobody runs on the stack.
    let zero = words.map(VirtAddr::new).all(|at| unsafe { probe::read_u32(at) } == Ok(0));
    checks.that(zero, format_args!("a new stack is all zero"));
}

/// A place on the stack that is in use.
#[inline(never)]
fn here() -> VirtAddr {
    let local = black_box(0_u32);
    VirtAddr::new(black_box(&raw const local) as u32)
}

fn on_it(checks: &mut Checks, stack: &mut Stack<'_>) {
    let range = stack.range();
    let before = here();
    let ran = stacks::run_on(stack, || {
        // A fault is handled on it, and what comes after it still runs there.
        // SAFETY: nothing is mapped at 0.
        let fault = unsafe { probe::read_u32(VirtAddr::new(0)) };
        (here(), stacks::of(here()).map(|stack| stack.range), fault.is_err())
    });
    let Ok((place, known, faulted)) = ran else {
        return checks.that(false, format_args!("a call on it was refused"));
    };
    checks.that(range.contains(place), format_args!("sp at {place}, in {range}"));
    checks.equal(known, Some(range), format_args!("the stack in use"));
    checks.that(faulted, format_args!("a fault on it"));
    checks.equal(here(), before, format_args!("where sp is afterwards"));
    let known = stacks::of(place).map(|stack| stack.range);
    checks.equal(known, None, format_args!("the stack in use afterwards"));
}

/// Who asks on the stack is found below it, where the stack was left.
fn back_trace(checks: &mut Checks, stack: &mut Stack<'_>) {
    if call_site() == 0 {
        return;
    }
    let site = stacks::run_on(stack, call_site).unwrap_or_default();
    let name = report::function_at(VirtAddr::new(site));
    let is_ours = name.is_some_and(|name| name.is_in(super::MODULE));
    checks.that(is_ours, format_args!("asked from {site:#x}, {name:?}"));
}

/// Goes from stack to stack until it is refused; says how many were in use.
fn nest(kernel: &Kernel, checks: &mut Checks, depth: u32) -> u32 {
    if depth == MOST {
        return depth;
    }
    let Some(mut stack) = make(kernel, checks) else { return depth };
    let range = stack.range();
    let reached = stacks::run_on(&mut stack, || {
        checks.that(range.contains(here()), format_args!("sp of stack {depth}"));
        nest(kernel, checks, depth + 1)
    });
    // Refused: all that can be are in use.
    reached.unwrap_or(depth)
}
