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

use mm::addr::{VirtAddr, VirtRange};

use super::{FP, LR, ReadMemory};

/// Instructions of a function that are looked at: prologues stand among the first.
const MAX_INSTRUCTIONS: u32 = 1024;

/// What has been done before pc.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Nothing, or all has been undone: lr is the return address, and sp is the caller's.
    NotBegun,
    /// The registers in this mask lie at sp, lr among them; the frame pointer is the caller's.
    Pushed(u32),
    /// The frame pointer is set, or the function has no such prologue: the tables are right.
    Complete,
}

/// The state of `function` at `pc`, which lies in it, before the instruction there.
pub(super) fn state(memory: &impl ReadMemory, function: VirtRange, pc: VirtAddr) -> State {
    if pc == function.start() {
        return State::NotBegun;
    }
    let before = pc.checked_sub(4).and_then(|before| memory.word(before));
    if before.and_then(pop_mask).is_some_and(has_lr) {
        return State::NotBegun;
    }
    let words = (0..function.len().min(4 * MAX_INSTRUCTIONS)).step_by(4).map_while(|offset| {
        let at = function.start().checked_add(offset)?;
        Some((at, memory.word(at)?))
    });
    let mut pushed = None;
    for (at, instruction) in words {
        match pushed {
            None => {
                pushed = push_mask(instruction).filter(|&mask| has_lr(mask));
                if pushed.is_some() && pc <= at {
                    return State::NotBegun;
                }
            }
            Some(mask) if sets_frame_pointer(instruction) => {
                return if pc <= at { State::Pushed(mask) } else { State::Complete };
            }
            Some(_) => {}
        }
    }
    State::Complete
}

fn has_lr(mask: u32) -> bool {
    mask & 1 << LR != 0
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
