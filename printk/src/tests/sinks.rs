//! Bounded lines, buffers that are cut, and texts that do not end.

use core::cell::Cell;
use core::fmt;

use super::{Arg, Machine, START, Words};
use crate::{Buffer, Context, LINE_BYTES, Level, Line, Place, Show, format};
use Arg::{S, W};

#[test]
fn snprintf_counts_what_it_cuts() {
    let machine = Machine::new(b"%s is %5d", &[S("it"), W(42)]);
    for size in 0..16 {
        let mut bytes = [0xee; 16];
        let mut buffer = Buffer::new(&mut bytes[..size]);
        assert_eq!(machine.format(&mut buffer), 11);
        let kept = size.saturating_sub(1).min(11);
        assert_eq!(buffer.text(), &b"it is    42"[..kept]);
        if size > 0 {
            assert_eq!(bytes[kept], 0);
        }
        assert!(bytes[size.max(kept + 1)..].iter().all(|&byte| byte == 0xee));
    }
}

#[test]
fn printk_has_a_level_and_a_line() {
    let line = |format: &[u8], args: &[Arg]| {
        let mut line = Line::new();
        Machine::new(format, args).format(&mut line);
        let message = line.message();
        (message.level, message.place, message.to_string(), message.ends_line)
    };
    assert_eq!(
        line(b"\x016%s: %px\n", &[S("kmalloc"), W(0xc123_4560)]),
        (Some(Level::Info), Place::NewLine, "kmalloc: c1234560".into(), true)
    );
    assert_eq!(
        line(b"%s%s", &[S("\x013"), S("by an argument")]),
        (Some(Level::Error), Place::NewLine, "by an argument".into(), false)
    );
    assert_eq!(line(b"\x01c%d", &[W(1)]), (None, Place::Continued, "1".into(), false));
    // A line is no longer than it may be, and what would come behind is not formatted.
    let (level, _, text, ends_line) = line(b"\x014%2000d\n", &[W(1)]);
    assert_eq!((level, ends_line), (Some(Level::Warning), false));
    assert_eq!(text, " ".repeat(LINE_BYTES - 2));
}

/// Memory without any NUL, which counts how much of it is read.
struct Endless {
    format: &'static [u8],
    reads: Cell<u32>,
}

impl Context for Endless {
    fn byte(&self, address: u32) -> Option<u8> {
        self.reads.set(self.reads.get() + 1);
        let format = address.checked_sub(START).and_then(|at| self.format.get(at as usize));
        Some(format.copied().unwrap_or(b'x'))
    }

    fn symbol(&self, _: u32, _: Show, out: &mut dyn fmt::Write) -> bool {
        while out.write_str("endless").is_ok() {}
        true
    }
}

#[test]
fn what_does_not_end_is_cut_and_not_read_on() {
    for format_bytes in [
        &b"%s"[..],
        b"%-9s",
        b"%99999s",
        b"%.9999s",
        b"%pS",
        b"%999pS",
        b"no end",
        b"%f",
        b"%d%f",
        b"%5.",
        b"%1",
    ] {
        let endless = Endless { format: format_bytes, reads: Cell::new(0) };
        let mut line = Line::new();
        format(&mut line, START, &mut Words(vec![START + 100; 8]), &endless);
        assert_eq!(
            line.message().text.len(),
            LINE_BYTES,
            "{:?}",
            format_bytes.escape_ascii().to_string()
        );
        let most = 103_000;
        assert!(endless.reads.get() <= most, "{} reads", endless.reads.get());
    }
}

#[test]
fn a_precision_bounds_what_is_read() {
    for (bytes, most) in
        [(&b"%.0s\0"[..], 0), (b"%.3s\0", 3), (b"%-9.3s\0", 3), (b"%9.3s\0", 6), (b"%.3pS\0", 0)]
    {
        let endless = Endless { format: bytes, reads: Cell::new(0) };
        let mut line = Line::new();
        format(&mut line, START, &mut Words(vec![START + 100]), &endless);
        assert!(line.message().text.len() <= 9);
        // The format, its first byte once more, the look whether the string can be read.
        let most = bytes.len() as u32 + 1 + most + u32::from(most > 0);
        assert!(endless.reads.get() <= most, "{} reads, {most} expected", endless.reads.get());
    }
}
