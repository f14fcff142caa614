//! One directive, from behind its `%` to its conversion: flags, width, precision, size.

use crate::arguments::Arguments;
use crate::reader::Reader;

/// The greatest width: Linux has 24 bits for it, with a sign.
const MAX_WIDTH: u32 = (1 << 23) - 1;
/// The greatest precision: Linux has 16 bits for it, with a sign.
const MAX_PRECISION: u32 = (1 << 15) - 1;

/// Which flags were given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    /// `-`.
    pub(crate) const LEFT: Self = Self(1 << 0);
    /// `+`.
    pub(crate) const PLUS: Self = Self(1 << 1);
    /// A space.
    pub(crate) const SPACE: Self = Self(1 << 2);
    /// `#`.
    pub(crate) const ALTERNATE: Self = Self(1 << 3);
    /// `0`.
    pub(crate) const ZERO: Self = Self(1 << 4);

    /// Was `flag` given?
    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// These, and `flag`.
    pub(crate) const fn with(self, flag: Self) -> Self {
        Self(self.0 | flag.0)
    }

    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'-' => Self::LEFT,
            b'+' => Self::PLUS,
            b' ' => Self::SPACE,
            b'#' => Self::ALTERNATE,
            b'0' => Self::ZERO,
            _ => return None,
        })
    }
}

/// How an integer is passed, and how much of it counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    /// `hh`: a word, of which 8 bits count.
    Byte,
    /// `h`: a word, of which 16 bits count.
    Half,
    /// Nothing, `l`, `z`, `t`: a word.
    Word,
    /// `ll`, `L`, `q`, `j`: two words.
    Double,
}

/// A directive up to its conversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Directive {
    pub(crate) flags: Flags,
    /// The least number of bytes, if it was given.
    pub(crate) width: Option<u32>,
    /// Digits at least, or bytes at most, if it was given.
    pub(crate) precision: Option<u32>,
    pub(crate) size: Size,
}

impl Directive {
    /// Reads up to the conversion, and takes an argument for each `*`.
    pub(crate) fn parse(reader: &mut Reader<'_>, args: &mut dyn Arguments) -> Self {
        let mut flags = Flags::default();
        while let Some(flag) = reader.peek().and_then(Flags::of) {
            flags = flags.with(flag);
            reader.next();
        }

        let mut width = number(reader, MAX_WIDTH);
        if reader.next_if(|byte| byte == b'*').is_some() {
            let given = args.word().cast_signed();
            if given < 0 {
                flags = flags.with(Flags::LEFT);
            }
            width = Some(given.unsigned_abs().min(MAX_WIDTH));
        }

        let mut precision = None;
        if reader.next_if(|byte| byte == b'.').is_some() {
            precision = number(reader, MAX_PRECISION);
            if reader.next_if(|byte| byte == b'*').is_some() {
                let given = args.word().cast_signed().max(0);
                precision = Some(given.unsigned_abs().min(MAX_PRECISION));
            }
        }

        Self { flags, width, precision, size: size(reader) }
    }

    pub(crate) const fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }
}

/// A decimal number, `max` if it is greater; `None` if there is none.
fn number(reader: &mut Reader<'_>, max: u32) -> Option<u32> {
    let mut number = None;
    while let Some(digit) = reader.next_if(|byte| byte.is_ascii_digit()) {
        // At most 2^23 * 10.
        number = Some((number.unwrap_or(0) * 10 + u32::from(digit - b'0')).min(max));
    }
    number
}

fn size(reader: &mut Reader<'_>) -> Size {
    let Some(first) = reader.next_if(|byte| b"hlLqjzt".contains(&byte)) else { return Size::Word };
    let doubled = matches!(first, b'h' | b'l') && reader.next_if(|byte| byte == first).is_some();
    match (first, doubled) {
        (b'h', true) => Size::Byte,
        (b'h', false) => Size::Half,
        (b'l', true) | (b'L' | b'q' | b'j', _) => Size::Double,
        _ => Size::Word,
    }
}
