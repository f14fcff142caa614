//! `%p`: what a pointer is, or what lies where it points.

use core::fmt;

use crate::arguments::{Arguments, VaList};
use crate::bytes;
use crate::context::{Context, EFAULT, FIRST_ERROR, Show, fault};
use crate::directive::{Directive, Flags, Size};
use crate::errno;
use crate::format::{Depth, nested};
use crate::number::{self, Base};
use crate::reader::Reader;
use crate::sink::Output;
use crate::text;

/// Digits of a pointer.
const POINTER_DIGITS: u32 = 8;
/// Letters behind `%p` that mean something.
const MAX_LETTERS: usize = 3;

/// Reads the letters behind `%p`, takes the pointer, and writes what they say.
pub(crate) fn write(
    out: &mut Output<'_>,
    directive: &Directive,
    reader: &mut Reader<'_>,
    args: &mut dyn Arguments,
    context: &dyn Context,
    depth: Depth,
) {
    let mut letters = [0; MAX_LETTERS];
    let mut places = letters.iter_mut();
    while let Some(letter) = reader.next_if(|byte| byte.is_ascii_alphanumeric()) {
        if let Some(place) = places.next() {
            *place = letter;
        }
    }
    let pointer = args.word();
    match letters {
        [b'S', ..] => symbol(out, directive, context, pointer, Show::Offset),
        [b's', ..] => symbol(out, directive, context, pointer, Show::Name),
        [b'B', ..] => symbol(out, directive, context, pointer, Show::Caller),
        [b'a', ..] => physical(out, directive, context, pointer),
        [b'e', ..] if pointer >= FIRST_ERROR => error(out, directive, pointer),
        [b'V', ..] => {
            if let Err(words) = format_at(out, context, pointer, depth) {
                text::fixed(out, directive, words.as_bytes());
            }
        }
        _ if bytes::write(out, directive, context, pointer, letters) => {}
        _ => address(out, directive, pointer),
    }
}

/// Eight digits, unless a width says otherwise.
fn address(out: &mut Output<'_>, directive: &Directive, pointer: u32) {
    let mut directive = *directive;
    if directive.width.is_none() {
        directive.width = Some(POINTER_DIGITS);
        directive.flags = directive.flags.with(Flags::ZERO);
    }
    number::write(out, &directive, None, pointer.into(), Base::Sixteen);
}

/// The name of what is at `pointer`; its number if it has none.
fn symbol(
    out: &mut Output<'_>,
    directive: &Directive,
    context: &dyn Context,
    pointer: u32,
    show: Show,
) {
    text::write(out, directive, &|see| {
        let mut bytes = Bytes(see);
        // It only fails to say that it wants no more.
        if !context.symbol(pointer, show, &mut bytes) {
            let _ = fmt::Write::write_fmt(&mut bytes, format_args!("{pointer:#x}"));
        }
    });
}

/// Text as bytes, for whoever wants them.
struct Bytes<'s>(&'s mut dyn FnMut(u8) -> bool);

impl fmt::Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(&mut *self.0) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The physical or DMA address at `pointer`, both of which have 32 bits here.
fn physical(out: &mut Output<'_>, directive: &Directive, context: &dyn Context, pointer: u32) {
    if let Some(fault) = fault(context, pointer) {
        return text::fixed(out, directive, fault.as_bytes());
    }
    let Some(value) = context.word(pointer) else {
        return text::fixed(out, directive, EFAULT.as_bytes());
    };
    let flags = directive.flags.with(Flags::ALTERNATE).with(Flags::ZERO);
    let width = Some(2 + POINTER_DIGITS);
    let directive = Directive { flags, width, precision: None, size: Size::Word };
    number::write(out, &directive, None, value.into(), Base::Sixteen);
}

/// The name of an error, which `pointer` is one below 0; its number if it has none.
fn error(out: &mut Output<'_>, directive: &Directive, pointer: u32) {
    match errno::name(pointer.wrapping_neg()) {
        Some(name) => text::write(out, directive, &|see| {
            b"-".iter().chain(name.as_bytes()).all(|&byte| see(byte));
        }),
        None => number::write_signed(out, directive, pointer.cast_signed().into()),
    }
}

/// The text that the `struct va_format` at `pointer` stands for: the address of a format, and of a `va_list`. The list
/// is left where it was.
fn format_at(
    out: &mut Output<'_>,
    context: &dyn Context,
    pointer: u32,
    depth: Depth,
) -> Result<(), &'static str> {
    if let Some(fault) = fault(context, pointer) {
        return Err(fault);
    }
    let word = |at: u32| context.word(at).ok_or(EFAULT);
    let format = word(pointer)?;
    let list = word(word(pointer.wrapping_add(4))?)?;
    let depth = depth.deeper().ok_or("(too deep)")?;
    nested(out, format, &mut VaList::new(list, context), context, depth);
    Ok(())
}
