//! What instructions mean, written a second time: formats as the manual prints them, and what the
//! CPU does. It shares no line with what it judges.

use crate::reloc::State;

/// An instruction's format, from its top bit down: `0` and `1` are fixed, a letter is a bit of the
/// field of that name. The first halfword of Thumb code is on top.
#[derive(Clone, Copy, Debug)]
pub struct Format(&'static str);

impl Format {
    fn bits(self) -> impl Iterator<Item = (u32, char)> + Clone {
        let bits = self.0.chars().filter(|bit| *bit != ' ');
        let width = bits.clone().count() as u32;
        (0..width).rev().zip(bits)
    }

    pub fn matches(self, word: u32) -> bool {
        self.bits().all(|(at, bit)| bit.to_digit(2).is_none_or(|fixed| word >> at & 1 == fixed))
            && self.bits().count() as u32 >= 32 - word.leading_zeros()
    }

    /// The field `name` of `word`.
    pub fn field(self, word: u32, name: char) -> u32 {
        let bits = self.bits().filter(|&(_, bit)| bit == name);
        bits.fold(0, |value, (at, _)| value << 1 | word >> at & 1)
    }

    /// A word of this format whose other bits are those of `random`.
    pub fn fill(self, random: u32) -> u32 {
        self.bits()
            .fold(0, |word, (at, bit)| word | bit.to_digit(2).unwrap_or(random >> at & 1) << at)
    }

    /// `word` with `value` in the field `name`.
    pub fn with(self, word: u32, name: char, value: u32) -> u32 {
        let bits = self.bits().filter(|&(_, bit)| bit == name);
        let width = bits.clone().count() as u32;
        bits.zip((0..width).rev())
            .fold(word, |word, ((at, _), from)| word & !(1 << at) | (value >> from & 1) << at)
    }

    pub fn is_halfword(self) -> bool {
        self.bits().count() == 16
    }
}

/// ARM DDI 0406C, A8.8.18 and A8.8.25.
pub const ARM_B: Format = Format("cccc 1010 iiiiiiiiiiiiiiiiiiiiiiii");
pub const ARM_BL: Format = Format("cccc 1011 iiiiiiiiiiiiiiiiiiiiiiii");
pub const ARM_BLX: Format = Format("1111 101h iiiiiiiiiiiiiiiiiiiiiiii");
pub const THUMB_B1: Format = Format("1101 cccc iiiiiiii");
pub const THUMB_B2: Format = Format("11100 iiiiiiiiiii");
pub const THUMB_B3: Format = Format("11110 s cccc hhhhhh 10 j 0 k lllllllllll");
pub const THUMB_B4: Format = Format("11110 s hhhhhhhhhh 10 j 1 k lllllllllll");
pub const THUMB_BL: Format = Format("11110 s hhhhhhhhhh 11 j 1 k lllllllllll");
pub const THUMB_BLX: Format = Format("11110 s hhhhhhhhhh 11 j 0 k llllllllll 0");
/// A8.8.102 and A8.8.106.
pub const ARM_MOVW: Format = Format("cccc 0011 0000 hhhh dddd llllllllllll");
pub const ARM_MOVT: Format = Format("cccc 0011 0100 hhhh dddd llllllllllll");
pub const THUMB_MOVW: Format = Format("11110 i 10 0100 hhhh 0 jjj dddd llllllll");
pub const THUMB_MOVT: Format = Format("11110 i 10 1100 hhhh 0 jjj dddd llllllll");
/// A8.8.64, with a positive offset.
pub const THUMB_LDR: Format = Format("1111 1000 1101 1111 tttt llllllllllll");
/// A8.8.64, with a negative offset.
pub const ARM_LDR_DOWN: Format = Format("cccc 0101 0001 1111 tttt llllllllllll");

/// Where an instruction takes the CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Jump {
    pub to: u32,
    pub state: State,
    /// Whether LR gets the address behind it.
    pub links: bool,
    /// `0b1110` for always.
    pub condition: u32,
}

fn signed(value: u32, bits: u32) -> i64 {
    let value = i64::from(value);
    if value >> (bits - 1) == 1 { value - (1 << bits) } else { value }
}

/// What `word`, code of `state` at `address`, does, if it is an immediate branch.
pub fn execute(state: State, word: u32, address: u32) -> Option<Jump> {
    const ALWAYS: u32 = 0b1110;
    let at = |pc: u32, offset: i64| (i64::from(pc) + offset).rem_euclid(1 << 32) as u32;
    match state {
        State::Arm => {
            let pc = address.wrapping_add(8);
            if ARM_BLX.matches(word) {
                let imm = ARM_BLX.field(word, 'i') << 2 | ARM_BLX.field(word, 'h') << 1;
                let to = at(pc, signed(imm, 26));
                return Some(Jump { to, state: State::Thumb, links: true, condition: ALWAYS });
            }
            let format = [ARM_B, ARM_BL].into_iter().find(|format| format.matches(word))?;
            let condition = format.field(word, 'c');
            let to = at(pc, signed(format.field(word, 'i') << 2, 26));
            let links = ARM_BL.matches(word);
            (condition != 0b1111).then_some(Jump { to, state, links, condition })
        }
        State::Thumb => {
            let pc = address.wrapping_add(4);
            if THUMB_BLX.matches(word) {
                let to = at(pc - pc % 4, long_offset(THUMB_BLX, word, 2));
                return Some(Jump { to, state: State::Arm, links: true, condition: ALWAYS });
            }
            for format in [THUMB_B4, THUMB_BL] {
                if format.matches(word) {
                    let to = at(pc, long_offset(format, word, 1));
                    let links = THUMB_BL.matches(word);
                    return Some(Jump { to, state, links, condition: ALWAYS });
                }
            }
            if THUMB_B2.matches(word) {
                let to = at(pc, signed(THUMB_B2.field(word, 'i') << 1, 12));
                return Some(Jump { to, state, links: false, condition: ALWAYS });
            }
            let format = [THUMB_B1, THUMB_B3].into_iter().find(|format| format.matches(word))?;
            let condition = format.field(word, 'c');
            let offset = match format.is_halfword() {
                true => signed(format.field(word, 'i') << 1, 9),
                false => {
                    let high = format.field(word, 's') << 2
                        | format.field(word, 'k') << 1
                        | format.field(word, 'j');
                    let low = format.field(word, 'h') << 11 | format.field(word, 'l');
                    signed((high << 17 | low) << 1, 21)
                }
            };
            let to = at(pc, offset);
            (condition < ALWAYS).then_some(Jump { to, state, links: false, condition })
        }
    }
}

/// `S:I1:I2:imm10:imm11` times 2, or `S:I1:I2:imm10H:imm10L` times 4.
fn long_offset(format: Format, word: u32, scale: u32) -> i64 {
    let field = |name| format.field(word, name);
    let i1 = u32::from(field('j') == field('s'));
    let i2 = u32::from(field('k') == field('s'));
    let high = field('s') << 2 | i1 << 1 | i2;
    let low = field('h') << (12 - scale) | field('l');
    signed((high << (22 - scale) | low) << scale, 25)
}

/// The fields of a `MOVW` or `MOVT` that make up its 16 bits, and where in those each begins.
fn halves(format: Format) -> &'static [(char, u32)] {
    // `imm4:imm12` in ARM code, `imm4:i:imm3:imm8` in Thumb code.
    if format.0.starts_with("cccc") {
        &[('h', 12), ('l', 0)]
    } else {
        &[('h', 12), ('i', 11), ('j', 8), ('l', 0)]
    }
}

/// The 16 bits of a `MOVW` or `MOVT`.
pub fn imm16(format: Format, word: u32) -> u16 {
    let fields = halves(format).iter();
    fields.fold(0, |imm, &(name, at)| imm | format.field(word, name) << at) as u16
}

/// `word`, a `MOVW` or `MOVT`, with other 16 bits.
pub fn with_imm16(format: Format, word: u32, imm: u16) -> u32 {
    let fields = halves(format).iter();
    fields.fold(word, |word, &(name, at)| format.with(word, name, u32::from(imm) >> at))
}
