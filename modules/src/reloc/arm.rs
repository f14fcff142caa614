//! Immediate operands in words of ARM code (A32).
//!
//! ```text
//!             31  28 27       20 19  16 15  12 11           0
//! B<c>    A1  cond   1010 imm24                                A8.8.18
//! BL<c>   A1  cond   1011 imm24                                A8.8.25
//! BLX     A2  1111   101H imm24                                A8.8.25
//! MOVW    A2  cond   0011 0000   imm4   Rd     imm12           A8.8.102
//! MOVT    A1  cond   0011 0100   imm4   Rd     imm12           A8.8.106
//! BX<c>   A1  cond   0001 0010   1111   1111   1111 0001 Rm    A8.8.27
//! NOP<c>  A1  cond   0011 0010   0000   1111   0000 0000 0000  A8.8.119
//! LDR     A1  cond   0101 U001   1111   Rt     imm12           A8.8.64
//! ```
//!
//! Sections are those of ARM DDI 0406C. A condition of `1111` is another instruction, except as
//! shown.
//!
//! Invariant: an encoder keeps every bit that is no part of the operand.

const IMM24: u32 = 0x00ff_ffff;

const fn is_conditional(word: u32) -> bool {
    word >> 28 != 0b1111
}

/// `B<c>`, with any condition.
pub(super) const fn is_b(word: u32) -> bool {
    is_conditional(word) && word >> 24 & 0xf == 0b1010
}

/// `BL<c>`, with any condition.
pub(super) const fn is_bl(word: u32) -> bool {
    is_conditional(word) && word >> 24 & 0xf == 0b1011
}

/// `BL` without a condition.
pub(super) const fn is_bl_always(word: u32) -> bool {
    word >> 24 == 0xeb
}

/// `BLX` to an immediate offset.
pub(super) const fn is_blx(word: u32) -> bool {
    word >> 25 == 0b111_1101
}

/// `BX<c>`.
pub(super) const fn is_bx(word: u32) -> bool {
    is_conditional(word) && word & 0x0fff_fff0 == 0x012f_ff10
}

/// `MOVW<c>`.
pub(super) const fn is_movw(word: u32) -> bool {
    is_conditional(word) && word & 0x0ff0_0000 == 0x0300_0000
}

/// `MOVT<c>`.
pub(super) const fn is_movt(word: u32) -> bool {
    is_conditional(word) && word & 0x0ff0_0000 == 0x0340_0000
}

/// The offset of a branch, in bytes. The ABI's addend has no bit H of a `BLX` (IHI 0044, 4.6.1.4).
pub(super) const fn offset(word: u32) -> i32 {
    (word << 8) as i32 >> 6
}

/// The branch `word`, or the `BL` for a `BLX`, with another `offset`.
pub(super) const fn with_offset(word: u32, offset: i32) -> u32 {
    let top = if is_blx(word) { 0xeb00_0000 } else { word & !IMM24 };
    top | offset as u32 >> 2 & IMM24
}

/// `BLX` to `offset`.
pub(super) const fn blx(offset: i32) -> u32 {
    let half = offset as u32 >> 1 & 1;
    0xfa00_0000 | half << 24 | offset as u32 >> 2 & IMM24
}

/// The 16 bits of a `MOVW` or `MOVT`.
pub(super) const fn imm16(word: u32) -> u16 {
    (word >> 4 & 0xf000 | word & 0x0fff) as u16
}

/// The `MOVW` or `MOVT` `word` with other 16 bits.
pub(super) const fn with_imm16(word: u32, imm: u16) -> u32 {
    let imm = imm as u32;
    word & 0xfff0_f000 | (imm & 0xf000) << 4 | imm & 0x0fff
}

/// The `NOP` that has the condition of the branch `word`.
pub(super) const fn nop_for(word: u32) -> u32 {
    let condition = if is_conditional(word) { word & 0xf000_0000 } else { 0xe000_0000 };
    condition | 0x0320_f000
}

/// `LDR pc, [pc, #-4]`: a jump to the address in the next word.
pub(super) const LDR_PC_NEXT: u32 = 0xe51f_f004;
