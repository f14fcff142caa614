//! The format from its start to its end: text as it is, directives by their conversion.

use crate::arguments::Arguments;
use crate::context::{Context, fault};
use crate::directive::Directive;
use crate::number::{self, Base};
use crate::pointer;
use crate::reader::Reader;
use crate::sink::{Output, Sink};
use crate::text;

/// How many formats may lie in each other by `%pV`.
const MAX_DEPTH: u8 = 3;

/// Writes the text that the format at the address `format` and `args` stand for into `sink`. Returns how many bytes the
/// text has, at most `i32::MAX`, if the sink wants to know; else the count as far as formatting went.
///
/// A format that can not be read prints `(null)` or `(efault)`. Any context that the sink's and the machine's functions
/// may be called in.
pub fn format(
    sink: &mut dyn Sink,
    format: u32,
    args: &mut dyn Arguments,
    context: &dyn Context,
) -> u32 {
    let mut out = Output::new(sink);
    nested(&mut out, format, args, context, Depth(1));
    out.count()
}

/// In how many formats one is.
#[derive(Clone, Copy)]
pub(crate) struct Depth(u8);

impl Depth {
    pub(crate) fn deeper(self) -> Option<Self> {
        (self.0 < MAX_DEPTH).then(|| Self(self.0 + 1))
    }
}

/// The same, within another.
pub(crate) fn nested(
    out: &mut Output<'_>,
    format: u32,
    args: &mut dyn Arguments,
    context: &dyn Context,
    depth: Depth,
) {
    if let Some(words) = fault(context, format) {
        return words.bytes().for_each(|byte| out.put(byte));
    }
    let mut reader = Reader::new(context, format);
    while !out.is_over() {
        let start = reader;
        match reader.next() {
            None => break,
            Some(b'%') => match directive(out, &mut reader, args, context, depth) {
                Conversion::Done => {}
                Conversion::Refused => as_it_is(out, start, Some(&reader)),
                Conversion::Unknown => return as_it_is(out, start, None),
            },
            Some(byte) => out.put(byte),
        }
    }
}

/// What became of a directive.
enum Conversion {
    /// It is written.
    Done,
    /// It is not carried out.
    Refused,
    /// Nobody knows how many arguments it has.
    Unknown,
}

/// Carries out the directive whose `%` was read.
fn directive(
    out: &mut Output<'_>,
    reader: &mut Reader<'_>,
    args: &mut dyn Arguments,
    context: &dyn Context,
    depth: Depth,
) -> Conversion {
    let directive = &Directive::parse(reader, args);
    match reader.next() {
        Some(b'd' | b'i') => number::signed(out, directive, args),
        Some(b'u') => number::unsigned(out, directive, Base::Ten, args),
        Some(b'o') => number::unsigned(out, directive, Base::Eight, args),
        Some(b'x') => number::unsigned(out, directive, Base::Sixteen, args),
        Some(b'X') => number::unsigned(out, directive, Base::CapitalSixteen, args),
        // An `unsigned char` that was passed as an `int`.
        Some(b'c') => text::character(out, directive, args.word() as u8),
        Some(b's') => text::string(out, directive, context, args.word()),
        Some(b'p') => pointer::write(out, directive, reader, args, context, depth),
        Some(b'%') => out.put(b'%'),
        Some(b'n') => {
            args.word();
            return Conversion::Refused;
        }
        Some(_) | None => return Conversion::Unknown,
    }
    Conversion::Done
}

/// Copies the format from `start` to `end`, or to its own end.
fn as_it_is(out: &mut Output<'_>, mut start: Reader<'_>, end: Option<&Reader<'_>>) {
    while !out.is_over() && end.is_none_or(|end| start.is_before(end)) {
        match start.next() {
            Some(byte) => out.put(byte),
            None => break,
        }
    }
}
