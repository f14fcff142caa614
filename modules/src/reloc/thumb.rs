//! Immediate operands in halfwords of Thumb code (T32).
//!
//! ```text
//! B<c>    T1  1101 cond imm8                                             A8.8.18
//! B       T2  11100 imm11                                                A8.8.18
//! B<c>.W  T3  11110 S cond imm6         10 J1 0 J2 imm11                 A8.8.18
//! B.W     T4  11110 S imm10             10 J1 1 J2 imm11                 A8.8.18
//! BL      T1  11110 S imm10             11 J1 1 J2 imm11                 A8.8.25
//! BLX     T2  11110 S imm10H            11 J1 0 J2 imm10L 0              A8.8.25
//! MOVW    T3  11110 i 10 0100 imm4      0 imm3 Rd imm8                   A8.8.102
//! MOVT    T1  11110 i 10 1100 imm4      0 imm3 Rd imm8                   A8.8.106
//! NOP     T1  1011 1111 0000 0000                                        A8.8.119
//! NOP.W   T2  1111 0011 1010 1111       1000 0000 0000 0000              A8.8.119
//! LDR.W   T2  1111 1000 U101 1111       Rt imm12                         A8.8.64
//! ```
//!
//! Sections are those of ARM DDI 0406C. In a word here, the first of two halfwords is on top, as
//! the manual prints them; in memory it comes first, each halfword little-endian. The offset of T4,
//! `BL` and `BLX` is `S:I1:I2:imm10:imm11:0` with `I = NOT (J EOR S)`, that of T3
//! `S:J2:J1:imm6:imm11:0`.
//!
//! Invariant: an encoder keeps every bit that is no part of the operand.

/// A condition of `111x` is another instruction.
const fn is_condition(bits: u32) -> bool {
    bits & 0b1110 != 0b1110
}

/// `B<c>` of one halfword.
pub(super) const fn is_b_cond_narrow(word: u32) -> bool {
    word & 0xf000 == 0xd000 && is_condition(word >> 8)
}

/// `B` of one halfword.
pub(super) const fn is_b_narrow(word: u32) -> bool {
    word & 0xf800 == 0xe000
}

/// `B<c>.W`.
pub(super) const fn is_b_cond_wide(word: u32) -> bool {
    word & 0xf800_d000 == 0xf000_8000 && is_condition(word >> 22)
}

/// `B.W`.
pub(super) const fn is_b_wide(word: u32) -> bool {
    word & 0xf800_d000 == 0xf000_9000
}

/// `BL`.
pub(super) const fn is_bl(word: u32) -> bool {
    word & 0xf800_d000 == 0xf000_d000
}

/// `BLX` to an immediate offset.
pub(super) const fn is_blx(word: u32) -> bool {
    word & 0xf800_d001 == 0xf000_c000
}

/// `MOVW`.
pub(super) const fn is_movw(word: u32) -> bool {
    word & 0xfbf0_8000 == 0xf240_0000
}

/// `MOVT`.
pub(super) const fn is_movt(word: u32) -> bool {
    word & 0xfbf0_8000 == 0xf2c0_0000
}

/// `value`, whose sign is its bit `bits - 1`.
const fn sign_extend(value: u32, bits: u32) -> i32 {
    (value << (32 - bits)) as i32 >> (32 - bits)
}

/// The offset of a `B<c>` of one halfword, in bytes.
pub(super) const fn offset9(word: u32) -> i32 {
    sign_extend((word & 0xff) << 1, 9)
}

/// `word`, a `B<c>` of one halfword, with another offset.
pub(super) const fn with_offset9(word: u32, offset: i32) -> u32 {
    word & !0xff | offset as u32 >> 1 & 0xff
}

/// The offset of a `B` of one halfword, in bytes.
pub(super) const fn offset12(word: u32) -> i32 {
    sign_extend((word & 0x7ff) << 1, 12)
}

/// `word`, a `B` of one halfword, with another offset.
pub(super) const fn with_offset12(word: u32, offset: i32) -> u32 {
    word & !0x7ff | offset as u32 >> 1 & 0x7ff
}

/// The offset of a `B<c>.W`, in bytes.
pub(super) const fn offset21(word: u32) -> i32 {
    let s = word >> 26 & 1;
    let j1 = word >> 13 & 1;
    let j2 = word >> 11 & 1;
    let imm6 = word >> 16 & 0x3f;
    let imm11 = word & 0x7ff;
    sign_extend(s << 20 | j2 << 19 | j1 << 18 | imm6 << 12 | imm11 << 1, 21)
}

/// `word`, a `B<c>.W`, with another offset.
pub(super) const fn with_offset21(word: u32, offset: i32) -> u32 {
    let offset = offset as u32;
    let s = offset >> 20 & 1;
    let j2 = offset >> 19 & 1;
    let j1 = offset >> 18 & 1;
    let imm6 = offset >> 12 & 0x3f;
    let imm11 = offset >> 1 & 0x7ff;
    word & !0x043f_2fff | s << 26 | imm6 << 16 | j1 << 13 | j2 << 11 | imm11
}

/// The offset of a `B.W`, `BL` or `BLX`, in bytes.
pub(super) const fn offset25(word: u32) -> i32 {
    let s = word >> 26 & 1;
    let i1 = 1 ^ word >> 13 & 1 ^ s;
    let i2 = 1 ^ word >> 11 & 1 ^ s;
    let imm10 = word >> 16 & 0x3ff;
    let imm11 = word & 0x7ff;
    sign_extend(s << 24 | i1 << 23 | i2 << 22 | imm10 << 12 | imm11 << 1, 25)
}

/// `word`, a `B.W`, `BL` or `BLX`, with another offset; that of `BLX` is a multiple of 4.
pub(super) const fn with_offset25(word: u32, offset: i32) -> u32 {
    let offset = offset as u32;
    let s = offset >> 24 & 1;
    let j1 = 1 ^ offset >> 23 & 1 ^ s;
    let j2 = 1 ^ offset >> 22 & 1 ^ s;
    let imm10 = offset >> 12 & 0x3ff;
    let imm11 = offset >> 1 & 0x7ff;
    word & !0x07ff_2fff | s << 26 | imm10 << 16 | j1 << 13 | j2 << 11 | imm11
}

/// `BL` to `offset`.
pub(super) const fn bl(offset: i32) -> u32 {
    with_offset25(0xf000_d000, offset)
}

/// `BLX` to `offset`, a multiple of 4.
pub(super) const fn blx(offset: i32) -> u32 {
    with_offset25(0xf000_c000, offset)
}

/// The 16 bits of a `MOVW` or `MOVT`: `imm4:i:imm3:imm8`.
pub(super) const fn imm16(word: u32) -> u16 {
    (word >> 4 & 0xf000 | word >> 15 & 0x0800 | word >> 4 & 0x0700 | word & 0x00ff) as u16
}

/// The `MOVW` or `MOVT` `word` with other 16 bits.
pub(super) const fn with_imm16(word: u32, imm: u16) -> u32 {
    let imm = imm as u32;
    let first = (imm & 0xf000) << 4 | (imm & 0x0800) << 15;
    word & !0x040f_70ff | first | (imm & 0x0700) << 4 | imm & 0x00ff
}

/// `NOP` of one halfword.
pub(super) const NOP: u32 = 0xbf00;

/// `NOP.W`.
pub(super) const NOP_WIDE: u32 = 0xf3af_8000;

/// `LDR.W pc, [pc]`: at a multiple of 4, a jump to the address in the next word.
pub(super) const LDR_PC_NEXT: u32 = 0xf8df_f000;
