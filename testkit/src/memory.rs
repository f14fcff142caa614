//! Physical memory: banks of words, of which only frames that were written take room.
//!
//! It starts as garbage that looks like valid descriptors at both levels, so a table that nobody cleared is found.

use mm::addr::PhysRange;

use crate::hash::Map;

/// Words in a frame.
pub(crate) const FRAME_WORDS: usize = 1024;
/// Bytes in a frame.
pub(crate) const FRAME_BYTES: u64 = 4096;

/// What nobody wrote: at the first level a section, at the second a small page, both executable.
pub(crate) const GARBAGE: u32 = 0x5a5a_5a5a;

/// All banks.
#[derive(Debug)]
pub(crate) struct Memory {
    banks: Vec<PhysRange>,
    frames: Map<u32, Box<[u32; FRAME_WORDS]>>,
}

/// The number of the frame that holds a byte, and of its word in it. Forty bits of address make 28 of number.
pub(crate) fn place(phys: u64) -> (u32, usize) {
    ((phys / FRAME_BYTES) as u32, (phys % FRAME_BYTES / 4) as usize)
}

impl Memory {
    pub(crate) fn new(banks: Vec<PhysRange>) -> Self {
        Self { banks, frames: Map::default() }
    }

    /// Is there memory for all of these bytes?
    pub(crate) fn contains(&self, phys: u64, bytes: u64) -> bool {
        let holds = |bank: &PhysRange| {
            bank.start().as_u64() <= phys && phys.saturating_add(bytes) <= bank.end().as_u64()
        };
        self.banks.iter().any(holds)
    }

    /// The word at `phys`, whose low two bits are ignored; 0, a fault, where there is no memory.
    pub(crate) fn read(&self, phys: u64) -> u32 {
        let (frame, word) = place(phys);
        match self.frames.get(&frame) {
            Some(words) => words[word],
            None if self.contains(phys & !3, 4) => GARBAGE,
            None => 0,
        }
    }

    /// Writes the word at `phys`, whose low two bits are ignored.
    pub(crate) fn write(&mut self, phys: u64, value: u32) {
        let (frame, word) = place(phys);
        let words = self.frames.entry(frame).or_insert_with(|| Box::new([GARBAGE; FRAME_WORDS]));
        words[word] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::is_valid;
    use mm::addr::PhysAddr;

    #[test]
    fn banks_have_borders_and_words_stay_where_they_are() {
        let bank = |start, end| PhysRange::new(PhysAddr::new(start), PhysAddr::new(end));
        let mut memory =
            Memory::new(vec![bank(0x1000, 0x3000), bank(0x8_0000_0000, 0x8_0000_1000)]);
        assert!(memory.contains(0x1000, 0x2000));
        assert!(!memory.contains(0x2fff, 2) && !memory.contains(0xfff, 1));
        assert!(memory.contains(0x8_0000_0ffc, 4));
        assert!(is_valid(memory.read(0x1000)));
        assert_eq!(memory.read(0x3000), 0);
        memory.write(0x1004, 7);
        memory.write(0x8_0000_0004, 8);
        assert_eq!([0x1000, 0x1004, 0x8_0000_0004].map(|at| memory.read(at)), [GARBAGE, 7, 8]);
    }
}
