//! `%ph`, `%pM`, `%pI4`, `%pU`: a few bytes where a pointer points, in a form that has a name.

use crate::context::{Context, fault, read};
use crate::directive::Directive;
use crate::sink::Output;
use crate::text;

/// The most bytes that `%ph` shows.
const MAX_DUMP_BYTES: u32 = 64;
/// The longest text of the others, a UUID.
const MAX_TEXT_BYTES: usize = 36;

/// Where the bytes of a UUID of little-endian parts are in its text.
const LITTLE_UUID: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// Writes what the letters behind `%p` mean; `false`, and nothing, if they mean nothing here.
pub(crate) fn write(
    out: &mut Output<'_>,
    directive: &Directive,
    context: &dyn Context,
    pointer: u32,
    letters: [u8; 3],
) -> bool {
    if !matches!(letters, [b'h' | b'M' | b'm' | b'U', ..] | [b'I' | b'i', b'4', _]) {
        return false;
    }
    if let Some(fault) = fault(context, pointer) {
        // A width of `%ph` is no width.
        text::fixed(out, &Directive { width: None, ..*directive }, fault.as_bytes());
        return true;
    }
    let mut text = Short::default();
    let known = match letters {
        [b'h', separator, _] => {
            dump(out, directive, context, pointer, separator);
            return true;
        }
        [b'M' | b'm', ..] => mac(&mut text, context, pointer, letters),
        [b'U', form, _] => uuid(&mut text, context, pointer, form),
        [form, _, order] => ipv4(&mut text, context, pointer, form, order),
    };
    let text = if known.is_some() { text.as_bytes() } else { crate::context::EFAULT.as_bytes() };
    text::fixed(out, directive, text);
    true
}

/// As many bytes as the width says, or one, in hexadecimal; `??` for those that can not be read.
fn dump(
    out: &mut Output<'_>,
    directive: &Directive,
    context: &dyn Context,
    pointer: u32,
    separator: u8,
) {
    let separator = match separator {
        b'C' => Some(b':'),
        b'D' => Some(b'-'),
        b'N' => None,
        _ => Some(b' '),
    };
    for offset in 0..directive.width.unwrap_or(1).min(MAX_DUMP_BYTES) {
        if let Some(separator) = separator.filter(|_| offset > 0) {
            out.put(separator);
        }
        let byte = pointer.checked_add(offset).and_then(|at| context.byte(at));
        byte.map_or([b'?'; 2], hexadecimal).into_iter().for_each(|digit| out.put(digit));
    }
}

/// `M`: six bytes between colons, or with `F` between hyphens; `m`: between nothing; `R`: the last byte first.
fn mac(text: &mut Short, context: &dyn Context, pointer: u32, letters: [u8; 3]) -> Option<()> {
    let mut bytes: [u8; 6] = read(context, pointer)?;
    let separator = match letters {
        [b'm', ..] => None,
        [_, b'F', _] => Some(b'-'),
        _ => Some(b':'),
    };
    if letters[1] == b'R' {
        bytes.reverse();
    }
    for (index, byte) in bytes.into_iter().enumerate() {
        if let Some(separator) = separator.filter(|_| index > 0) {
            text.push(separator);
        }
        hexadecimal(byte).into_iter().for_each(|digit| text.push(digit));
    }
    Some(())
}

/// `I4`: four numbers between dots; `i4`: of three digits each. Behind it `h` or `l` for an address whose first byte is
/// the last in memory.
fn ipv4(text: &mut Short, context: &dyn Context, pointer: u32, form: u8, order: u8) -> Option<()> {
    let mut bytes: [u8; 4] = read(context, pointer)?;
    if matches!(order, b'h' | b'l') {
        bytes.reverse();
    }
    for (index, byte) in bytes.into_iter().enumerate() {
        if index > 0 {
            text.push(b'.');
        }
        let least = if form == b'i' { 100 } else { 1 };
        for place in [100, 10, 1] {
            if byte.max(least) >= place {
                text.push(b'0' + byte / place % 10);
            }
        }
    }
    Some(())
}

/// Sixteen bytes; `L` and `l` for one whose first three parts are little-endian, `B` and `L` in capitals.
fn uuid(text: &mut Short, context: &dyn Context, pointer: u32, form: u8) -> Option<()> {
    let bytes: [u8; 16] = read(context, pointer)?;
    for (index, little) in LITTLE_UUID.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push(b'-');
        }
        let byte = bytes[if matches!(form, b'l' | b'L') { little } else { index }];
        for digit in hexadecimal(byte) {
            text.push(if matches!(form, b'B' | b'L') { digit.to_ascii_uppercase() } else { digit });
        }
    }
    Some(())
}

fn hexadecimal(byte: u8) -> [u8; 2] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Text of a few bytes.
struct Short {
    bytes: [u8; MAX_TEXT_BYTES],
    len: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self { bytes: [0; MAX_TEXT_BYTES], len: 0 }
    }
}

impl Short {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
