//! Integers: sign, prefix, digits, and what fills the width.
//!
//! ```text
//! │ spaces │ sign │ 0x │ zeros of the flag │ zeros of the precision │ digits │ spaces │
//! ```

use crate::arguments::Arguments;
use crate::directive::{Directive, Flags, Size};
use crate::sink::Output;

/// Digits of the longest number: 64 bits, in eights.
const MAX_DIGITS: usize = 22;

/// How a number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Base {
    /// `d` `i` `u`.
    Ten,
    /// `o`.
    Eight,
    /// `x`, `p`.
    Sixteen,
    /// `X`.
    CapitalSixteen,
}

/// Takes an integer of the directive's size, and writes it as if it had no sign.
pub(crate) fn unsigned(
    out: &mut Output<'_>,
    directive: &Directive,
    base: Base,
    args: &mut dyn Arguments,
) {
    let value = match directive.size {
        Size::Byte => (args.word() & 0xff).into(),
        Size::Half => (args.word() & 0xffff).into(),
        Size::Word => args.word().into(),
        Size::Double => args.double(),
    };
    write(out, directive, None, value, base);
}

/// Takes an integer of the directive's size, and writes it with its sign.
pub(crate) fn signed(out: &mut Output<'_>, directive: &Directive, args: &mut dyn Arguments) {
    let value = match directive.size {
        Size::Byte => (args.word() as i8).into(),
        Size::Half => (args.word() as i16).into(),
        Size::Word => args.word().cast_signed().into(),
        Size::Double => args.double().cast_signed(),
    };
    write_signed(out, directive, value);
}

/// Writes `value` with its sign.
pub(crate) fn write_signed(out: &mut Output<'_>, directive: &Directive, value: i64) {
    let sign = match () {
        () if value < 0 => Some(b'-'),
        () if directive.has(Flags::PLUS) => Some(b'+'),
        () if directive.has(Flags::SPACE) => Some(b' '),
        () => None,
    };
    write(out, directive, sign, value.unsigned_abs(), Base::Ten);
}

/// Writes `value` behind `sign`.
pub(crate) fn write(
    out: &mut Output<'_>,
    directive: &Directive,
    sign: Option<u8>,
    value: u64,
    base: Base,
) {
    let mut digits = [0; MAX_DIGITS];
    let digits = spell(value, base, &mut digits);
    let prefix: &[u8] = match base {
        _ if !directive.has(Flags::ALTERNATE) => b"",
        Base::Ten => b"",
        Base::Eight if value == 0 => b"",
        Base::Eight => b"0",
        Base::Sixteen => b"0x",
        Base::CapitalSixteen => b"0X",
    };

    let len = digits.len() as u32;
    let zeros = directive.precision.unwrap_or(0).saturating_sub(len);
    let taken = u32::from(sign.is_some()) + prefix.len() as u32 + zeros + len;
    let fill = directive.width.unwrap_or(0).saturating_sub(taken);
    let [before, within, behind] = match () {
        () if directive.has(Flags::LEFT) => [0, 0, fill],
        () if directive.has(Flags::ZERO) => [0, fill, 0],
        () => [fill, 0, 0],
    };

    out.fill(b' ', before);
    sign.into_iter().chain(prefix.iter().copied()).for_each(|byte| out.put(byte));
    out.fill(b'0', within + zeros);
    digits.iter().for_each(|&digit| out.put(digit));
    out.fill(b' ', behind);
}

/// The digits of `value`, at least one, at the end of `into`.
fn spell(value: u64, base: Base, into: &mut [u8; MAX_DIGITS]) -> &[u8] {
    let mut rest = value;
    let mut start = MAX_DIGITS;
    for place in into.iter_mut().rev() {
        let digit;
        (rest, digit) = match base {
            Base::Eight => (rest >> 3, rest & 7),
            Base::Sixteen | Base::CapitalSixteen => (rest >> 4, rest & 15),
            Base::Ten => tenth(rest),
        };
        // Below 16.
        let digit = digit as u8;
        *place = match base {
            _ if digit < 10 => b'0' + digit,
            Base::CapitalSixteen => b'A' + digit - 10,
            _ => b'a' + digit - 10,
        };
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    into.get(start..).unwrap_or_default()
}

/// Quotient and remainder by ten. Most numbers are short, and 64-bit division is a slow loop on ARM.
fn tenth(value: u64) -> (u64, u64) {
    match u32::try_from(value) {
        Ok(value) => ((value / 10).into(), (value % 10).into()),
        Err(_) => (value / 10, value % 10),
    }
}
