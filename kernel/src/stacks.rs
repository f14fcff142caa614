//! Stacks with a guard page, and which of them is in use.
//!
//! Everything but exceptions runs on the boot stack, unless somebody has something run on a stack of its own
//! ([`run_on`]). Calls nest: a stack that was left for another one is still in use.
//!
//! Whoever reports an abort asks here whether a stack has overflowed ([`overflowed`]). The code that aborted may hold any lock,
//! so what is in use is written down in words that are read without one.
//!
//! Invariant: the first [`DEPTH`] entries of `IN_USE` are the stacks in use, innermost last.
#![expect(unsafe_code, reason = "a call on another stack")]

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::trap::call_on;
use mm::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use mm::map::vmalloc::KernelStack;

use crate::image;
use crate::maps::Maps;
use crate::platform::{Hardware, Site};

/// A stack of the vmalloc region.
pub type Stack<'r> = KernelStack<'r, 'static, 'static, Hardware, Maps, 1>;

/// Calls that nest, at most.
const MOST: usize = 8;

/// A stack in use, as words.
struct InUse {
    start: AtomicU32,
    end: AtomicU32,
    caller: AtomicU32,
}

impl InUse {
    const fn none() -> Self {
        Self { start: AtomicU32::new(0), end: AtomicU32::new(0), caller: AtomicU32::new(0) }
    }
}

static IN_USE: [InUse; MOST] = [const { InUse::none() }; MOST];
/// How many entries there are.
static DEPTH: AtomicU32 = AtomicU32::new(0);

/// So many stacks are in use that one more can not be written down.
#[derive(Clone, Copy, Debug)]
pub struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MOST} stacks are in use, one by a call on another")
    }
}

/// Runs `run` on `stack`, and returns what it returns. Not in an exception handler.
///
/// # Errors
///
/// [`TooDeep`]; nothing has run then.
pub fn run_on<R>(stack: &mut Stack<'_>, run: impl FnOnce() -> R) -> Result<R, TooDeep> {
    let depth = DEPTH.load(Ordering::Relaxed);
    let entry = IN_USE.get(depth as usize).ok_or(TooDeep)?;
    entry.start.store(stack.range().start().as_u32(), Ordering::Relaxed);
    entry.end.store(stack.range().end().as_u32(), Ordering::Relaxed);
    entry.caller.store(stack.caller(), Ordering::Relaxed);
    // Who interrupts this one sees an entry that is complete. There is one CPU.
    DEPTH.store(depth + 1, Ordering::Release);
    // SAFETY: 1. the stack is mapped and borrowed for the call, and a guard page lies below it; 2. its top is a
    // multiple of a page; 3. the kernel runs in SVC mode.
    let result = unsafe { call_on(stack.top(), run) };
    DEPTH.store(depth, Ordering::Release);
    Ok(result)
}

/// A stack, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its bytes.
    pub range: VirtRange,
    /// Who asked for it; `None` for the boot stack.
    pub caller: Option<u32>,
}

impl Known {
    fn guard(&self) -> VirtRange {
        let start = self.range.start();
        VirtRange::new(VirtAddr::new(start.as_u32() - PAGE_SIZE), start)
    }

    /// Does sp, when it is at `sp`, belong to it? So it does in the guard, where an overflow ends.
    fn has(&self, sp: VirtAddr) -> bool {
        self.guard().start() <= sp && sp < self.range.end()
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.caller {
            None => write!(f, "the boot stack"),
            Some(caller) => write!(f, "the stack of {}", Site(caller)),
        }
    }
}

/// All stacks in use, innermost first, and the boot stack.
fn in_use() -> impl Iterator<Item = Known> {
    let depth = (DEPTH.load(Ordering::Acquire) as usize).min(MOST);
    let guarded = IN_USE.iter().take(depth).rev().map(|entry| {
        let word = |word: &AtomicU32| word.load(Ordering::Relaxed);
        let [start, end] = [&entry.start, &entry.end].map(|at| VirtAddr::new(word(at)));
        Known { range: VirtRange::new(start, end), caller: Some(word(&entry.caller)) }
    });
    guarded.chain([Known { range: image::boot_stack(), caller: None }])
}

/// The stack that sp is in, or in the guard page of. Any context.
pub fn of(sp: VirtAddr) -> Option<Known> {
    in_use().find(|stack| stack.has(sp))
}

/// The stack that has overflowed, if code with this sp has aborted at this address: the address lies in the guard
/// page of the stack that it runs on. Any context.
pub fn overflowed(sp: VirtAddr, address: VirtAddr) -> Option<Known> {
    // Whoever ran into the guard may have moved sp below it before.
    let near = |stack: &Known| {
        let low = stack.guard().start().as_u32() - PAGE_SIZE;
        VirtRange::new(VirtAddr::new(low), stack.range.end()).contains(sp)
    };
    in_use().find(|stack| stack.guard().contains(address) && near(stack))
}
