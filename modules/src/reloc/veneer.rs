//! Veneers: two words that a branch reaches, and that reach any address.
//!
//! ```text
//! ARM     ldr   pc, [pc, #-4]        Thumb   ldr.w pc, [pc]
//!         .word destination                  .word destination
//! ```
//!
//! A veneer is in the state of who branches, so that a plain `B` reaches it. Loading PC changes the
//! state as bit 0 of the address says (ARM DDI 0406C, A2.3.2), and no register is lost.

use super::{State, arm, thumb};

/// Bytes of a veneer.
pub const VENEER_BYTES: u32 = 8;

/// What a veneer's address is a multiple of, in either state: the Thumb one loads from PC rounded
/// down to a multiple of 4.
pub const VENEER_ALIGN: u32 = 4;

/// A veneer in code of `state` that goes to `destination`, as
/// [`Kind::destination`](super::Kind::destination) gives it: with bit 0 set if it is Thumb code.
#[must_use]
pub const fn write(state: State, destination: u32) -> [u8; VENEER_BYTES as usize] {
    let [a, b, c, d] = match state {
        State::Arm => arm::LDR_PC_NEXT.to_le_bytes(),
        State::Thumb => thumb::LDR_PC_NEXT.rotate_left(16).to_le_bytes(),
    };
    let [p, q, r, s] = destination.to_le_bytes();
    [a, b, c, d, p, q, r, s]
}
