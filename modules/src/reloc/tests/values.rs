//! Words of data and the halves of `MOVW` and `MOVT`.

use super::model::{ARM_MOVT, ARM_MOVW, Format, THUMB_MOVT, THUMB_MOVW, imm16, with_imm16};
use super::{place, word};
use crate::reloc::{Kind, Misfit, Symbol};

const MOVES: [(Kind, Format); 8] = [
    (Kind::MovwAbsNc, ARM_MOVW),
    (Kind::MovtAbs, ARM_MOVT),
    (Kind::MovwPrelNc, ARM_MOVW),
    (Kind::MovtPrel, ARM_MOVT),
    (Kind::ThmMovwAbsNc, THUMB_MOVW),
    (Kind::ThmMovtAbs, THUMB_MOVT),
    (Kind::ThmMovwPrelNc, THUMB_MOVW),
    (Kind::ThmMovtPrel, THUMB_MOVT),
];

fn is_high(kind: Kind) -> bool {
    kind.name().contains("MOVT")
}

fn is_distance(kind: Kind) -> bool {
    kind.name().contains("PREL")
}

/// A `MOVW` or `MOVT` with other bits set at random, and its condition one that there is.
fn any_move(format: Format, random: u32) -> u32 {
    format.fill(random.wrapping_mul(0x9e37_79b9) & 0xdfff_ffff)
}

#[test]
fn every_half_is_encoded() {
    for (kind, format) in MOVES {
        for half in 0..=u16::MAX {
            let before = format.with(format.fill(0xe000_0000), 'd', u32::from(half));
            let address = if is_distance(kind) { 0xbf00_0004 } else { 0 };
            let value = if is_high(kind) {
                u32::from(half) << 16 | 0xabcd
            } else {
                0x1234_0000 | u32::from(half)
            };
            let to = value.wrapping_add(address);
            let mut bytes = place(kind, before);
            let symbol = Symbol { address: to, is_thumb: false };
            assert_eq!(kind.apply(&mut bytes, address, symbol), Ok(()));
            let after = word(kind, &bytes);
            assert!(format.matches(after));
            assert_eq!(imm16(format, after), half, "{} {value:#x}", kind.name());
            for kept in ['c', 'd'] {
                assert_eq!(format.field(after, kept), format.field(before, kept));
            }
        }
    }
}

#[test]
fn every_addend_of_16_bits_has_a_sign() {
    for (kind, format) in MOVES {
        for half in 0..=u16::MAX {
            let before = with_imm16(format, any_move(format, half.into()), half);
            let addend = kind.addend(&place(kind, before));
            assert_eq!(addend, i32::from(half as i16), "{} {before:#x}", kind.name());
        }
    }
}

/// The formula of IHI 0044, 4.6.1.2, in wider numbers.
#[test]
fn moves_compute_the_formula_of_the_abi() {
    let ends = [0_u32, 2, 0x7ffe, 0x8000, 0xffff_fffe, 0x8000_0000, 0xbf01_0000, 0xc000_8004];
    for (kind, format) in MOVES {
        for random in 0..4000_u32 {
            let before = any_move(format, random);
            let is_thumb = random % 2 == 1;
            let symbol = Symbol { address: ends[random as usize / 2 % ends.len()], is_thumb };
            let address = ends[random as usize / 16 % ends.len()] & !3;
            let sum = (i64::from(symbol.address) + i64::from(imm16(format, before) as i16)) as u32;
            let with_t = if is_high(kind) { sum } else { sum | u32::from(is_thumb) };
            let value = if is_distance(kind) {
                i64::from(with_t) - i64::from(address)
            } else {
                with_t.into()
            };
            let half = if is_high(kind) { value >> 16 } else { value } as u16;
            let mut bytes = place(kind, before);
            assert_eq!(kind.apply(&mut bytes, address, symbol), Ok(()));
            assert_eq!(imm16(format, word(kind, &bytes)), half, "{} {before:#x}", kind.name());
        }
    }
}

#[test]
fn words_keep_bit_0_and_wrap() {
    let thumb = Symbol::function(0xc000_8001);
    for (kind, addend, address, symbol, after) in [
        (Kind::Abs32, 0, 0xbf00_0000, thumb, 0xc000_8001),
        (Kind::Abs32, 4, 0xbf00_0001, thumb, 0xc000_8005),
        // An odd addend does not carry: T is ORed.
        (Kind::Abs32, 1, 0xbf00_0002, thumb, 0xc000_8001),
        (Kind::Target1, u32::MAX - 3, 0xbf00_0003, thumb, 0xc000_7ffd),
        (Kind::Abs32, 8, 0, Symbol::function(0xffff_fffc), 4),
        (Kind::Rel32, 0, 0xbf00_0000, thumb, 0x0100_8001),
        // At an odd place, T is ORed before P is subtracted; GNU ld 2.40 ORs afterwards.
        (Kind::Rel32, 0, 0xbf00_0001, thumb, 0x0100_8000),
        (Kind::Prel31, 0, 0xbf00_0001, thumb, 0x0100_8000),
        (Kind::Rel32, 0, 0xc000_8004, thumb, 0xffff_fffd),
    ] {
        let mut bytes = place(kind, addend);
        assert_eq!(kind.apply(&mut bytes, address, symbol), Ok(()), "{}", kind.name());
        assert_eq!(word(kind, &bytes), after, "{}", kind.name());
    }
}

#[test]
fn distances_of_31_bits_keep_bit_31_and_their_range() {
    let place_at = 0xa000_0000_u32;
    for (distance, fits) in [
        (0, true),
        (-4, true),
        (0x3fff_ffff, true),
        (-0x4000_0000, true),
        (0x4000_0000, false),
        (-0x4000_0001, false),
        (i32::MAX, false),
        (i32::MIN, false),
    ] {
        for top in [0, 1 << 31] {
            // Addends of both signs, in 31 bits.
            for addend in [0, 8, -8, 0x3fff_ffff, -0x4000_0000] {
                let before = top | addend as u32 & 0x7fff_ffff;
                let to = place_at.wrapping_add_signed(distance);
                let symbol = Symbol { address: to.wrapping_sub_signed(addend), is_thumb: false };
                let mut bytes = place(Kind::Prel31, before);
                assert_eq!(Kind::Prel31.addend(&bytes), addend);
                let result = Kind::Prel31.apply(&mut bytes, place_at, symbol);
                if fits {
                    assert_eq!(result, Ok(()), "{distance:#x}");
                    let after = top | distance as u32 & 0x7fff_ffff;
                    assert_eq!(word(Kind::Prel31, &bytes), after);
                } else {
                    assert_eq!(result, Err(Misfit::OutOfRange { from: place_at, to }));
                    assert_eq!(word(Kind::Prel31, &bytes), before);
                }
            }
        }
    }
}

#[test]
fn a_weak_symbol_that_nobody_defines_is_at_0() {
    for (kind, before, after) in [
        (Kind::Abs32, 0, 0),
        (Kind::Abs32, 12, 12),
        (Kind::Rel32, 0, 0x4100_0000),
        (Kind::MovwAbsNc, 0xe300_0000, 0xe300_0000),
        (Kind::ThmMovtAbs, 0xf2c0_0000, 0xf2c0_0000),
    ] {
        let mut bytes = place(kind, before);
        assert_eq!(kind.apply_undefined_weak(&mut bytes, 0xbf00_0000), Ok(()));
        assert_eq!(word(kind, &bytes), after, "{}", kind.name());
    }
}
