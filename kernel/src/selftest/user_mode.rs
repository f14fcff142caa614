//! User mode for the suites: registers to start with, and what came back.

use arch_arm::trap::{Cause, Psr, TrapFrame};
use arch_arm::user;
use mm::addr::VirtAddr;

use crate::boot::user_page::DATA;

/// `svc #0`, in ARM state.
pub const SVC: u32 = 0xef00_0000;
/// `svc #0` twice, in Thumb state.
pub const THUMB_SVC: u32 = 0xdf00_df00;

/// The condition flags of a program status register.
pub const FLAGS: u32 = 0xf000_0000;
/// C, carry.
pub const CARRY: u32 = 1 << 29;
/// T, Thumb state.
pub const THUMB: u32 = 1 << 5;

/// Registers with a value of their own each, the stack in the data page, execution at `pc` with
/// `psr`'s flags and instruction set.
pub fn registers(pc: VirtAddr, psr: u32) -> TrapFrame {
    TrapFrame {
        r: core::array::from_fn(|n| 0x5a00_0000 | (n as u32) << 8 | 0xa5),
        sp: DATA.as_u32() + 0xff0,
        lr: 0x5a00_0ea5,
        pc: pc.as_u32(),
        psr: Psr::new(psr),
    }
}

/// Runs user mode from `before` on, and returns how it ended.
pub fn run(before: &TrapFrame) -> (TrapFrame, Cause) {
    let mut frame = *before;
    // SAFETY: 1. user mode can write the data page of `user_page` only, and read that, the code page
    // and the vector page; 2. the monitor runs commands in SVC mode with no lock held; 3. the
    // kernel's handler calls `user::leave`, and boot has put the vectors in force.
    let cause = unsafe { user::run(&mut frame) };
    (frame, cause)
}
