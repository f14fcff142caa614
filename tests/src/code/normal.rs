//! A function's words without addresses: each address is replaced by what lies there.
//!
//! Addresses stand in branches (`b`, `bl`, `blx`), in `movw` and `movt`, which hold half of one each,
//! and in words of data among the code (*ARM DDI 0406C, A8.8*). A load from the function's own data is
//! relative to the instruction, and stays.

use std::fmt;

use super::image::Image;

/// What lies at an address.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The function's, the object's or the section's name.
    pub(super) name: String,
    /// From its start; 0 in a section, where nothing is known of the things in it.
    pub(super) offset: u32,
    pub(super) is_function: bool,
    /// Where it is in this image; no part of the comparison.
    pub(super) address: u32,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.offset) == (&other.name, other.offset)
    }
}

/// A word, without the bits that hold an address.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Word {
    pub(super) bits: u32,
    pub(super) place: Option<Place>,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.bits)?;
        match &self.place {
            Some(place) => write!(f, " -> {}+{:#x}", place.name, place.offset),
            None => Ok(()),
        }
    }
}

/// The words of the function at `start`; `None` when there is no such function.
pub(super) fn normal(image: &Image, start: u32) -> Option<Vec<Word>> {
    let raw = image.words(start)?;
    let mut words: Vec<Word> = raw.iter().map(|&(_, bits)| Word { bits, place: None }).collect();
    // The last `movw` to each register: its index and value.
    let mut lower: [Option<(usize, u32)>; 16] = [None; 16];
    for (index, &(is_code, bits)) in raw.iter().enumerate() {
        let at = start + 4 * index as u32;
        if !is_code {
            words[index] = replaced(image, bits, bits, 0);
        } else if let Some(target) = branch_target(bits, at) {
            words[index] = replaced(image, bits, target, bits & 0xff00_0000);
        } else if let Some((register, half)) = half_of(bits, MOVW) {
            lower[register] = Some((index, half));
        } else if let Some((register, half)) = half_of(bits, MOVT)
            && let Some((first, low)) = lower[register]
        {
            let value = half << 16 | low;
            if image.section(value).is_some() {
                words[first] = replaced(image, raw[first].1, value, raw[first].1 & !HALF);
                words[index] = replaced(image, bits, value, bits & !HALF);
            }
        }
    }
    Some(words)
}

/// The place at `value` beside the bits that are left, or, when nothing is there, all `bits`.
fn replaced(image: &Image, bits: u32, value: u32, left: u32) -> Word {
    let place = match (image.named(value), image.section(value)) {
        (Some(named), _) => Some(Place {
            name: named.name.clone(),
            offset: value - named.start,
            is_function: named.is_function,
            address: value,
        }),
        (None, Some(section)) => {
            Some(Place { name: section.to_owned(), offset: 0, is_function: false, address: value })
        }
        (None, None) => None,
    };
    Word { bits: if place.is_some() { left } else { bits }, place }
}

/// Where `b`, `bl` or `blx` at `at` leads.
fn branch_target(bits: u32, at: u32) -> Option<u32> {
    if bits & 0x0e00_0000 != 0x0a00_0000 {
        return None;
    }
    // 24 bits with a sign, in words, from two instructions on.
    let offset = (bits << 8).cast_signed() >> 6;
    // Of `blx`, bit 24 is half a word more.
    let half = if bits >> 28 == 0xf { bits >> 23 & 2 } else { 0 };
    Some(at.wrapping_add(8).wrapping_add_signed(offset).wrapping_add(half))
}

const MOVW: u32 = 0x0300_0000;
const MOVT: u32 = 0x0340_0000;
/// The bits of a `movw` or `movt` that hold its half of a number.
const HALF: u32 = 0x000f_0fff;

/// Register and half of a number, of a `movw` or `movt`.
fn half_of(bits: u32, instruction: u32) -> Option<(usize, u32)> {
    let register = (bits >> 12 & 0xf) as usize;
    let half = bits >> 4 & 0xf000 | bits & 0xfff;
    (bits >> 28 != 0xf && bits & 0x0ff0_0000 == instruction).then_some((register, half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_lead_where_the_manual_says() {
        assert_eq!(branch_target(0xeaff_fffe, 0x8000), Some(0x8000), "b .");
        assert_eq!(branch_target(0xeb00_0000, 0x8000), Some(0x8008), "bl");
        assert_eq!(branch_target(0x0a00_0001, 0x8000), Some(0x800c), "beq");
        assert_eq!(branch_target(0xfb00_0000, 0x8000), Some(0x800a), "blx, H");
        assert_eq!(branch_target(0xe12f_ff1e, 0x8000), None, "bx lr");
        assert_eq!(branch_target(0xe8bd_8010, 0x8000), None, "pop {{r4, pc}}");
    }

    #[test]
    fn halves_are_found_with_their_register() {
        assert_eq!(half_of(0xe301_2234, MOVW), Some((2, 0x1234)), "movw r2, #0x1234");
        assert_eq!(half_of(0xe34c_2020, MOVT), Some((2, 0xc020)), "movt r2, #0xc020");
        assert_eq!(half_of(0xe34c_2020, MOVW), None);
        assert_eq!(half_of(0xe3a0_2001, MOVW), None, "mov r2, #1");
    }
}
