//! Text within a width and a precision: strings, characters, names.

use crate::context::{Context, fault};
use crate::directive::{Directive, Flags};
use crate::sink::Output;

/// Text that comes byte by byte, as long as whoever sees it says `true`. It comes the same each time.
pub(crate) type Text<'t> = dyn Fn(&mut dyn FnMut(u8) -> bool) + 't;

/// Writes `text` up to the precision, and spaces up to the width. Nothing of the text beyond the precision is asked for.
pub(crate) fn write(out: &mut Output<'_>, directive: &Directive, text: &Text<'_>) {
    let width = directive.width.unwrap_or(0);
    let most = directive.precision.unwrap_or(u32::MAX);
    let is_left = directive.has(Flags::LEFT);
    if !is_left {
        // Whether it is longer than the width is all that matters.
        let mut len = 0;
        see(text, width.min(most), &mut |_| {
            len += 1;
            true
        });
        out.fill(b' ', width - len);
    }
    let mut len = 0;
    see(text, most, &mut |byte| {
        out.put(byte);
        len += 1;
        !out.is_over()
    });
    if is_left {
        out.fill(b' ', width.saturating_sub(len));
    }
}

/// Shows up to `most` bytes of `text` to `each`.
fn see(text: &Text<'_>, most: u32, each: &mut dyn FnMut(u8) -> bool) {
    let mut left = most;
    if left == 0 {
        return;
    }
    text(&mut |byte| {
        // Some text goes on although it was told not to.
        if left == 0 {
            return false;
        }
        left -= 1;
        if !each(byte) {
            left = 0;
        }
        left != 0
    });
}

/// Writes `bytes`.
pub(crate) fn fixed(out: &mut Output<'_>, directive: &Directive, bytes: &[u8]) {
    write(out, directive, &|see| {
        bytes.iter().all(|&byte| see(byte));
    });
}

/// Writes the string at `address`, up to its NUL; or where the pointer points to nothing, Linux's words for that. A string
/// that runs into memory that can not be read ends there.
pub(crate) fn string(
    out: &mut Output<'_>,
    directive: &Directive,
    context: &dyn Context,
    address: u32,
) {
    if directive.precision != Some(0)
        && let Some(fault) = fault(context, address)
    {
        return fixed(out, directive, fault.as_bytes());
    }
    write(out, directive, &|see| {
        (address..=u32::MAX)
            .map_while(|at| context.byte(at).filter(|&byte| byte != 0))
            .all(&mut *see);
    });
}

/// Writes one byte, whichever it is. A precision means nothing.
pub(crate) fn character(out: &mut Output<'_>, directive: &Directive, byte: u8) {
    fixed(out, &Directive { precision: None, ..*directive }, &[byte]);
}
