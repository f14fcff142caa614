//! Formats, strings and arguments made of arbitrary bytes: what a fuzzer calls, and the memory that the tests use.
//!
//! Beside not panicking, the run checks what must hold whatever is formatted; a violation panics.

use core::fmt;

use crate::{
    Arguments, Buffer, Context, LINE_BYTES, Line, Message, Rest, Show, Sink, VaList, format,
};

/// A piece of memory; all around it faults.
#[derive(Clone, Debug)]
pub struct Memory {
    start: u32,
    bytes: Vec<u8>,
}

impl Memory {
    /// `bytes` at the address `start`.
    #[must_use]
    pub fn new(start: u32, bytes: &[u8]) -> Self {
        Self { start, bytes: bytes.to_vec() }
    }

    /// Puts `bytes` behind what there is, at a multiple of 8. Returns their address.
    pub fn push(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.start + self.bytes.len() as u32;
        self.bytes.extend(bytes);
        at
    }

    /// The address behind the last byte.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.start + self.bytes.len() as u32
    }
}

/// The function that there is, and its length in bytes.
pub const FUNCTION: (u32, u32) = (0xc020_1000, 0x40);

impl Context for Memory {
    fn byte(&self, address: u32) -> Option<u8> {
        self.bytes.get(address.checked_sub(self.start)? as usize).copied()
    }

    fn symbol(&self, address: u32, show: Show, out: &mut dyn fmt::Write) -> bool {
        let (start, len) = FUNCTION;
        let looked_up = address.wrapping_sub(u32::from(show == Show::Caller));
        if looked_up.wrapping_sub(start) >= len {
            return false;
        }
        let offset = address.wrapping_sub(start);
        let _ = match show {
            Show::Name => write!(out, "function [module]"),
            _ => write!(out, "function+{offset:#x}/{len:#x} [module]"),
        };
        true
    }
}

/// Where the exercise's bytes lie.
const START: u32 = 0x1000_0000;

/// Formats `bytes`, which are the format, and behind its NUL what arguments and strings are made of. Returns how many
/// bytes the text has.
///
/// # Panics
///
/// When something that must always hold does not.
pub fn exercise(bytes: &[u8]) -> usize {
    let mut memory = Memory::new(START, bytes);
    // Strings that end where memory does are the exception.
    if bytes.first().is_some_and(|first| first % 8 != 0) {
        memory.bytes.extend([0; 4]);
    }
    let behind = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()) as u32 + 1;
    let first = (START + behind).next_multiple_of(4);
    // Arguments that lie there as they are; and arguments that often point to something.
    let plain = check(&memory, &VaList::new(first, &memory));
    let pointers = check(&memory, &Pointers { list: VaList::new(first, &memory), turn: 0 });
    plain + pointers
}

/// Words, every second of which is made an address in the memory.
#[derive(Clone)]
struct Pointers<'m> {
    list: VaList<'m>,
    turn: u32,
}

impl Arguments for Pointers<'_> {
    fn word(&mut self) -> u32 {
        let word = self.list.word();
        self.turn += 1;
        match self.turn % 4 {
            1 => START.wrapping_add(word % 512),
            2 => FUNCTION.0.wrapping_add(word % 80),
            _ => word,
        }
    }

    fn double(&mut self) -> u64 {
        self.list.double()
    }
}

/// Keeps the first bytes, and counts no further than they are many.
struct First(Vec<u8>);

/// How many bytes of a text are looked at.
const LOOKED_AT: usize = 4096;

impl Sink for First {
    fn put(&mut self, byte: u8) -> bool {
        assert!(self.0.len() <= LOOKED_AT, "offered more after it was full");
        let has_room = self.0.len() < LOOKED_AT;
        if has_room {
            self.0.push(byte);
        }
        has_room
    }

    fn rest(&self) -> Rest {
        Rest::Dropped
    }
}

fn check<A: Arguments + Clone>(memory: &Memory, args: &A) -> usize {
    let mut first = First(Vec::new());
    let count = format(&mut first, START, &mut args.clone(), memory) as usize;
    let First(text) = first;
    assert!(text.len() == count.min(LOOKED_AT), "{} bytes, and {count} are said", text.len());

    // A line is the beginning of the same.
    let mut line = Line::new();
    format(&mut line, START, &mut args.clone(), memory);
    let message = Message::parse(&text[..text.len().min(LINE_BYTES)]);
    assert_eq!(line.message(), message);
    let sound = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    assert!(message.to_string().chars().all(sound));

    // So is what a buffer holds, which ends with NUL, and the count is that of the whole.
    for size in [0, 1, 7, text.len(), text.len() + 1] {
        let mut bytes = vec![0xee; size + 1];
        let mut buffer = Buffer::new(&mut bytes[..size]);
        if count < LOOKED_AT {
            assert_eq!(format(&mut buffer, START, &mut args.clone(), memory) as usize, count);
            let kept = text.len().min(size.saturating_sub(1));
            assert_eq!(buffer.text(), &text[..kept]);
            assert!(size == 0 || bytes[kept] == 0);
        }
        assert_eq!(bytes[size], 0xee);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whatever the fuzzer found worth keeping, once more.
    #[test]
    fn every_format_of_the_corpus_is_sound() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/printk");
        let (mut formats, mut count) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Printed only if what follows fails.
            println!("{}", path.display());
            count += exercise(&std::fs::read(path).unwrap());
            formats += 1;
        }
        println!("{formats} formats, {count} bytes");
        assert!(formats >= 20 && count >= 10 * formats);
    }

    /// Pieces that formats are made of.
    fn formats() -> impl Strategy<Value = Vec<u8>> {
        let directive = (
            "[-+ #0]{0,3}",
            prop_oneof![
                Just(String::new()),
                "[0-9]{1,2}",
                Just("*".into()),
                Just("99999999".into())
            ],
            prop_oneof![3 => Just(String::new()), 1 => "\\.[0-9]{0,2}", 1 => Just(".*".into())],
            prop::sample::select(vec!["", "", "hh", "h", "l", "ll", "z", "t", "j", "L", "q"]),
            prop::sample::select(vec![
                "d", "i", "u", "o", "x", "X", "c", "s", "n", "%", "f", "p", "px", "pK", "pS", "ps",
                "pB", "pSR", "pa", "pad", "pe", "ph", "phC", "phD", "phN", "pM", "pmR", "pI4",
                "pi4l", "pUb", "pUL", "pV", "pI6c", "pZzz", "",
            ]),
        )
            .prop_map(|(flags, width, precision, size, conversion)| {
                format!("%{flags}{width}{precision}{size}{conversion}").into_bytes()
            });
        let piece = prop_oneof![
            4 => directive,
            1 => Just(b"text ".to_vec()),
            1 => Just(b"\x016".to_vec()),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_format_does_harm(format in formats(), rest in prop::collection::vec(any::<u8>(), 0..200)) {
            exercise(&[&format[..], b"\0", &rest].concat());
        }

        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            exercise(&bytes);
        }
    }
}
