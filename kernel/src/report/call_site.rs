//! Who asked: the place in the kernel that an allocation came from.
//!
//! The stack is unwound as reports do it, past the allocator and past what the kernel wraps around it,
//! to the first function that is the kernel's own, or a module's. What stands between the two (closures in
//! iterators, locks, the traits of other crates) is nobody who asks.
//!
//! It never faults, allocates nothing, takes no lock and waits for nobody: it serves the allocator
//! while that holds a lock, and handlers of interrupts.

use arch_arm::trap::TrapFrame;
use arch_arm::trap::unwind::Unwinder;

use super::machine::{AllCode, Memory, Symbols};

/// Frames that are looked at.
const MAX_FRAMES: usize = 32;

/// Whose functions ask.
const KERNEL: &str = env!("CARGO_CRATE_NAME");
/// Those of them that ask on behalf of others: the wrappers around the allocator, among them what modules call, what
/// it calls, and this.
const WRAPPERS: [&str; 8] = [
    concat!(env!("CARGO_CRATE_NAME"), "::exports"),
    concat!(env!("CARGO_CRATE_NAME"), "::heap"),
    concat!(env!("CARGO_CRATE_NAME"), "::kmap"),
    concat!(env!("CARGO_CRATE_NAME"), "::pages"),
    concat!(env!("CARGO_CRATE_NAME"), "::platform"),
    concat!(env!("CARGO_CRATE_NAME"), "::report"),
    concat!(env!("CARGO_CRATE_NAME"), "::slabs"),
    concat!(env!("CARGO_CRATE_NAME"), "::stacks"),
];

/// The address that the innermost call of the kernel's own returns to, not counting the wrappers of the
/// allocator; 0 if there is none, or if the image has no symbol table. Any context.
#[inline(never)]
pub fn call_site() -> u32 {
    let frame = TrapFrame::here();
    let memory = Memory::now();
    let symbols = Symbols::new(&memory);
    let asks = |at| match symbols.of_image(at) {
        Some(name) => name.is_in(KERNEL) && !WRAPPERS.iter().any(|wrapper| name.is_in(wrapper)),
        None => symbols.is_in_module(at),
    };
    Unwinder::new(&memory, AllCode(&memory), &frame)
        .take(MAX_FRAMES)
        .find(|frame| asks(frame.instruction()))
        .map_or(0, |frame| frame.pc.as_u32())
}

/// As [`call_site`], for code that calls as C does.
pub extern "C" fn call_site_for_c() -> u32 {
    call_site()
}
