//! A parameter's value: from text to the bytes of a variable.
//!
//! Numbers are C's: decimal, octal with a leading 0, hexadecimal with 0x, and a sign. They have to
//! fit their type. A truth is y, yes, t, true, on, 1 or n, no, f, false, off, 0, in any case; a
//! parameter that is only named is true.

use core::fmt;

use super::record::{Signed, Type};

/// What is wrong with a value that was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueFault {
    /// The module has no parameter of this name.
    Unknown,
    /// There is no value, and the type needs one.
    Missing,
    /// The value is no truth.
    NoBool,
    /// The value is no number.
    NoNumber,
    /// The number does not fit.
    OutOfRange {
        /// The least that does.
        min: i64,
        /// The greatest that does.
        max: i64,
    },
    /// There are more values than the array has elements.
    Elements {
        /// Elements of the array.
        max: u32,
    },
    /// The text is too long for its buffer.
    TooLong {
        /// Bytes of the buffer, which a NUL needs one of.
        buffer: u32,
    },
    /// There is a NUL in the text.
    Nul,
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the module has no such parameter"),
            Self::Missing => f.write_str("needs a value"),
            Self::NoBool => f.write_str("the value has to be y or n"),
            Self::NoNumber => f.write_str("the value is no number"),
            Self::OutOfRange { min, max } => write!(f, "the number must be from {min} to {max}"),
            Self::Elements { max } => write!(f, "takes {max} values at most"),
            Self::TooLong { buffer } => {
                write!(f, "the text has to be shorter than {buffer} bytes")
            }
            Self::Nul => f.write_str("the text holds a NUL"),
        }
    }
}

/// The truth that `text` says.
pub(super) fn truth(text: &str) -> Result<bool, ValueFault> {
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["y", "yes", "t", "true", "on", "1"]) {
        Ok(true)
    } else if is_one_of(["n", "no", "f", "false", "off", "0"]) {
        Ok(false)
    } else {
        Err(ValueFault::NoBool)
    }
}

/// The number that `text` says, as the bits of a number of `bytes` bytes.
pub(super) fn number(text: &str, bytes: u32, is_signed: Signed) -> Result<u32, ValueFault> {
    let bits = 8 * bytes;
    let (min, max) = match is_signed {
        Signed::Yes => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        Signed::No => (0, (1_i64 << bits) - 1),
    };
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match (hexadecimal, digits.as_bytes()) {
        (Some(digits), _) => (16, digits),
        (None, [b'0', _, ..]) => (8, &digits[1..]),
        (None, _) => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(ValueFault::NoNumber);
    }
    // Only a number of too many digits is no number now.
    let out_of_range = ValueFault::OutOfRange { min, max };
    let size = i64::from_str_radix(digits, radix).map_err(|_| out_of_range)?;
    let value = if is_negative { -size } else { size };
    if value < min || value > max {
        return Err(out_of_range);
    }
    // The type's bits of it, in two's complement.
    Ok(value as u32)
}

/// The bytes of one variable of type `kind`, which is no text, for `value`: the first `kind.bytes()`
/// of the word's. `None` is a parameter that was only named.
pub(super) fn bits(kind: Type, value: Option<&str>) -> Result<u32, ValueFault> {
    match (kind, value) {
        (Type::Number { bytes, is_signed }, Some(text)) => number(text, bytes, is_signed),
        (Type::Bool, value) => value.map_or(Ok(true), truth).map(u32::from),
        (Type::Invbool, value) => value.map_or(Ok(true), truth).map(|value| u32::from(!value)),
        (_, None) => Err(ValueFault::Missing),
        (Type::Charp | Type::String, Some(_)) => Err(ValueFault::NoNumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let int = |text| number(text, 4, Signed::Yes).map(u32::cast_signed);
        for (text, value) in [
            ("0", 0),
            ("42", 42),
            ("+7", 7),
            ("-7", -7),
            ("0x1F", 31),
            ("0XfF", 255),
            ("-0x10", -16),
            ("010", 8),
            ("00", 0),
            ("2147483647", i32::MAX),
            ("-2147483648", i32::MIN),
        ] {
            assert_eq!(int(text), Ok(value), "{text}");
        }
        for text in ["", "-", "+", "0x", "x", "08", "1a", "0x-5", "--1", "1 ", " 1", "1.0", "٣"] {
            assert_eq!(int(text), Err(ValueFault::NoNumber), "{text:?}");
        }
    }

    #[test]
    fn numbers_have_to_fit_their_type() {
        let cases = [
            (1, Signed::No, 0, 255),
            (2, Signed::Yes, -32768, 32767),
            (2, Signed::No, 0, 65535),
            (4, Signed::Yes, -2_147_483_648, 2_147_483_647),
            (4, Signed::No, 0, 4_294_967_295_i64),
        ];
        for (bytes, is_signed, min, max) in cases {
            let read = |value: i64| number(&value.to_string(), bytes, is_signed);
            let fault = Err(ValueFault::OutOfRange { min, max });
            assert_eq!(read(min), Ok(min as u32));
            assert_eq!(read(max), Ok(max as u32));
            assert_eq!(read(min - 1), fault);
            assert_eq!(read(max + 1), fault);
            assert_eq!(number("99999999999999999999999", bytes, is_signed), fault);
            assert_eq!(number("-0xffffffffffffffffffff", bytes, is_signed), fault);
        }
    }

    #[test]
    fn truths_have_many_words() {
        for text in ["y", "Y", "yes", "t", "TRUE", "on", "1"] {
            assert_eq!(bits(Type::Bool, Some(text)), Ok(1), "{text}");
            assert_eq!(bits(Type::Invbool, Some(text)), Ok(0), "{text}");
        }
        for text in ["n", "N", "no", "f", "False", "OFF", "0"] {
            assert_eq!(bits(Type::Bool, Some(text)), Ok(0), "{text}");
            assert_eq!(bits(Type::Invbool, Some(text)), Ok(1), "{text}");
        }
        for text in ["", "2", "yy", "maybe"] {
            assert_eq!(bits(Type::Bool, Some(text)), Err(ValueFault::NoBool), "{text}");
        }
        assert_eq!(bits(Type::Bool, None), Ok(1));
        assert_eq!(bits(Type::Invbool, None), Ok(0));
        let int = Type::Number { bytes: 4, is_signed: Signed::Yes };
        assert_eq!(bits(int, None), Err(ValueFault::Missing));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value: i32) {
            prop_assert_eq!(number(&value.to_string(), 4, Signed::Yes), Ok(value.cast_unsigned()));
            let bits = value.cast_unsigned();
            prop_assert_eq!(number(&format!("{bits:#x}"), 4, Signed::No), Ok(bits));
            prop_assert_eq!(number(&format!("0{bits:o}"), 4, Signed::No), Ok(bits));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, bytes in prop::sample::select(vec![1u32, 2, 4])) {
            let _ = number(&text, bytes, Signed::Yes);
            let _ = number(&text, bytes, Signed::No);
            let _ = truth(&text);
        }
    }
}
