//! Formats and what they print.

mod c_standard;
mod linux;
mod properties;
mod sinks;

use crate::exercise::Memory;
use crate::{Arguments, Sink, VaList, format};

/// Where the tests' memory lies.
const START: u32 = 0x2000_0000;

/// An argument as C passes it.
#[derive(Clone, Debug)]
enum Arg {
    /// 32 bits.
    W(u32),
    /// 64 bits.
    D(u64),
    /// A pointer to a string.
    S(&'static str),
    /// A pointer to bytes.
    B(&'static [u8]),
}

/// A machine with arguments laid out as the AAPCS has them.
struct Machine {
    memory: Memory,
    format: u32,
    args: u32,
}

impl Machine {
    fn new(format: &[u8], args: &[Arg]) -> Self {
        let mut memory = Memory::new(START, &[]);
        let format = memory.push(&[format, b"\0"].concat());
        let mut words = Vec::new();
        for arg in args {
            match arg {
                Arg::W(word) => words.push(*word),
                Arg::D(double) => {
                    words.resize(words.len().next_multiple_of(2), 0xdead_beef);
                    words.extend([*double as u32, (*double >> 32) as u32]);
                }
                Arg::S(text) => words.push(memory.push(&[text.as_bytes(), b"\0"].concat())),
                Arg::B(bytes) => words.push(memory.push(bytes)),
            }
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let args = memory.push(&bytes);
        Self { memory, format, args }
    }

    fn format(&self, sink: &mut dyn Sink) -> u32 {
        format(sink, self.format, &mut VaList::new(self.args, &self.memory), &self.memory)
    }
}

/// All of it.
#[derive(Default)]
struct All(Vec<u8>);

impl Sink for All {
    fn put(&mut self, byte: u8) -> bool {
        self.0.push(byte);
        true
    }
}

fn bytes(format: &[u8], args: &[Arg]) -> Vec<u8> {
    let mut all = All::default();
    let count = Machine::new(format, args).format(&mut all);
    assert_eq!(all.0.len(), count as usize);
    all.0
}

fn text(format: &str, args: &[Arg]) -> String {
    String::from_utf8(bytes(format.as_bytes(), args)).unwrap()
}

/// Each row: a format, its arguments, what they print.
fn check(rows: &[(&str, &[Arg], &str)]) {
    for (format, args, expected) in rows {
        assert_eq!(text(format, args), *expected, "{format:?} {args:?}");
    }
}

/// Arguments that are not in memory.
struct Words(Vec<u32>);

impl Arguments for Words {
    fn word(&mut self) -> u32 {
        if self.0.is_empty() { 0 } else { self.0.remove(0) }
    }

    fn double(&mut self) -> u64 {
        let low = self.word();
        u64::from(self.word()) << 32 | u64::from(low)
    }
}
