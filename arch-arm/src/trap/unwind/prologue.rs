//! How far a function's prologue has come, where an exception struck.
//!
//! Unwind tables describe a frame that is complete. An exception may come earlier: a stack overflow at
//! the very first `push`, an interrupt at any instruction. With frame pointers, which this target's
//! compiled code always has, a prologue is
//!
//! ```text
//! push {r4-r11, lr}       0xe92d….       lr is still the return address up to here
//! add  r11, sp, #28       0xe28db…       here it lies on the stack, and r11 is the caller's
//! …                                      from here on the tables are right
//! pop  {r4-r11, lr}       0xe8bd….       and after this lr is the return address again
//! b    somewhere
//! ```
//!
//! so where pc stands between these instructions tells. The compiler may put the prologue behind a
//! first test that leaves early: pc in front of it is *not begun* as well.
//!
//! A function with `...` ([`variadic`](crate::variadic), and C's) has one more pair around them:
//!
//! ```text
//! push {r0-r3}            0xe92d000f     sp is 16 bytes below the caller's from here on
//! …                                      as above
//! add  sp, sp, #16        0xe28dd010     behind the pop of lr
//! bx   lr
//! ```

use mm::addr::{VirtAddr, VirtRange};

use super::{FP, LR, ReadMemory};

/// Instructions of a function that are looked at: prologues stand among the first.
const MAX_INSTRUCTIONS: u32 = 1024;

/// What has been done before pc. Where arguments were spilled, the caller's sp is as many bytes above what is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Nothing, or all has been undone: lr is the return address, and sp is the caller's.
    NotBegun {
        /// Bytes of arguments.
        spilled: u32,
    },
    /// The registers in this mask lie at sp, lr among them; the frame pointer is the caller's.
    Pushed {
        /// The registers.
        mask: u32,
        /// Bytes of arguments above them.
        spilled: u32,
    },
    /// The frame pointer is set, or the function has no such prologue: the tables are right.
    Complete,
}

/// The state of `function` at `pc`, which lies in it, before the instruction there.
pub(super) fn state(memory: &impl ReadMemory, function: VirtRange, pc: VirtAddr) -> State {
    if pc == function.start() {
        return State::NotBegun { spilled: 0 };
    }
    let before = |bytes| pc.checked_sub(bytes).and_then(|at| memory.word(at));
    let pops_lr = |instruction: Option<u32>| instruction.and_then(pop_mask).is_some_and(has_lr);
    if pops_lr(before(4)) {
        return State::NotBegun { spilled: memory.word(pc).and_then(dropped_bytes).unwrap_or(0) };
    }
    if pops_lr(before(8)) && before(4).and_then(dropped_bytes).is_some() {
        return State::NotBegun { spilled: 0 };
    }
    let words = (0..function.len().min(4 * MAX_INSTRUCTIONS)).step_by(4).map_while(|offset| {
        let at = function.start().checked_add(offset)?;
        Some((at, memory.word(at)?))
    });
    let (mut pushed, mut spilled) = (None, 0);
    for (at, instruction) in words {
        match pushed {
            None => {
                let mask = push_mask(instruction).unwrap_or(0);
                pushed = Some(mask).filter(|&mask| has_lr(mask));
                if pushed.is_some() && pc <= at {
                    return State::NotBegun { spilled };
                }
                if mask & !ARGUMENTS == 0 && at < pc {
                    spilled += 4 * mask.count_ones();
                }
            }
            Some(mask) if sets_frame_pointer(instruction) => {
                return if pc <= at { State::Pushed { mask, spilled } } else { State::Complete };
            }
            Some(_) => {}
        }
    }
    State::Complete
}

/// The registers of arguments.
const ARGUMENTS: u32 = 0xf;

fn has_lr(mask: u32) -> bool {
    mask & 1 << LR != 0
}

/// `add sp, sp, #bytes`, of few.
fn dropped_bytes(instruction: u32) -> Option<u32> {
    (instruction & 0xffff_ff00 == 0xe28d_d000).then_some(instruction & 0xff)
}

/// `push {…}`, that is `stmdb sp!, {…}`, or `str reg, [sp, #-4]!` for a single register.
fn push_mask(instruction: u32) -> Option<u32> {
    match instruction {
        0xe92d_0000..=0xe92d_ffff => Some(instruction & 0xffff),
        _ if instruction & 0xffff_0fff == 0xe52d_0004 => Some(1 << (instruction >> 12 & 0xf)),
        _ => None,
    }
}

/// `pop {…}`, that is `ldmia sp!, {…}`, or `ldr reg, [sp], #4` for a single register.
fn pop_mask(instruction: u32) -> Option<u32> {
    match instruction {
        0xe8bd_0000..=0xe8bd_ffff => Some(instruction & 0xffff),
        _ if instruction & 0xffff_0fff == 0xe49d_0004 => Some(1 << (instruction >> 12 & 0xf)),
        _ => None,
    }
}

/// `add r11, sp, #imm` or `mov r11, sp`.
fn sets_frame_pointer(instruction: u32) -> bool {
    const FP_FIELD: u32 = (FP as u32) << 12;
    instruction & 0xffff_f000 == 0xe28d_0000 | FP_FIELD || instruction == 0xe1a0_000d | FP_FIELD
}
