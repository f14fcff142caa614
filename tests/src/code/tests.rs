//! Small images made by hand.

use super::*;
use elf::abi::{STT_FUNC, STT_NOTYPE, STT_OBJECT};

const TEXT: &str = ".text";

fn movw(register: u32, value: u32) -> u32 {
    0xe300_0000 | (value & 0xf000) << 4 | register << 12 | value & 0xfff
}

fn movt(register: u32, value: u32) -> u32 {
    movw(register, value >> 16) | 0x0040_0000
}

fn bl(at: u32, target: u32) -> u32 {
    0xeb00_0000 | (target.wrapping_sub(at).wrapping_sub(8) >> 2) & 0x00ff_ffff
}

/// `taker` at `text`, `helper` behind it, and an object at `data`.
fn image(text: u32, data: u32, change: impl Fn(&mut Vec<u32>)) -> Image {
    let helper = text + 0x40;
    let mut words = vec![
        movw(0, data + 4),
        movw(1, 0x1234),
        movt(0, data + 4),
        movt(1, 0x5678_0000),
        bl(text + 0x10, helper),
        0xe59f_0004, // ldr r0, [pc, #4]
        0xe12f_ff1e, // bx lr
        0xe1a0_0000, // nop
        data,        // a literal
        helper,
    ];
    words.resize(0x10, 0);
    words.extend([0xe3a0_0001, 0xe12f_ff1e]); // mov r0, #1; bx lr
    change(&mut words);
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut image = Image::of_sections(&[(TEXT, text, bytes), (".data", data, vec![0; 16])]);
    image.add("_RNvCs4fqI2P2rA04_2mm5taker", text, 0x28, STT_FUNC);
    image.add("_RNvCs4fqI2P2rA04_2mm6helper", helper, 8, STT_FUNC);
    image.add("TABLE", data, 8, STT_OBJECT);
    image.add("$a", text, 0, STT_NOTYPE);
    image.add("$d.1", text + 0x20, 0, STT_NOTYPE);
    image.add("$a.2", helper, 0, STT_NOTYPE);
    image
}

fn one() -> Image {
    image(0x8000, 0x2_0000, |_| {})
}

/// What differs when the other image's words have been changed.
fn compared(change: impl Fn(&mut Vec<u32>)) -> Vec<String> {
    let other = image(0xc020_0000, 0xc030_1230, change);
    differences(&one(), &other, &["mm::taker"], &|name| name.starts_with("mm::"))
}

#[test]
fn code_at_other_addresses_is_the_same() {
    assert_eq!(compared(|_| {}), [""; 0]);
}

#[test]
fn another_instruction_constant_or_target_is_a_difference() {
    for (index, word, expected) in [
        (6, 0xe12f_ff10, "mm::taker+0x18: e12fff1e in one image, e12fff10 in the other"),
        (5, 0xe59f_0000, "mm::taker+0x14: e59f0004 in one image, e59f0000 in the other"),
        (1, movw(1, 0x1235), "mm::taker+0x4: e3011234 in one image, e3011235 in the other"),
        (
            4,
            bl(0xc020_0010, 0xc020_0000),
            "mm::taker+0x10: eb000000 -> mm::helper+0x0 in one image, eb000000 -> mm::taker+0x0 in \
             the other",
        ),
        (
            8,
            0xc030_1234,
            "mm::taker+0x20: 00000000 -> TABLE+0x0 in one image, 00000000 -> TABLE+0x4 in the other",
        ),
    ] {
        assert_eq!(compared(|words| words[index] = word), [expected]);
    }
    let half = compared(|words| words[0] = movw(0, 0x1238));
    assert_eq!(half.len(), 1, "of an address: {half:?}");
}

#[test]
fn what_is_called_is_compared_as_far_as_asked() {
    let change = |words: &mut Vec<u32>| words[0x10] = 0xe3a0_0002;
    let expected = "mm::helper+0x0: e3a00001 in one image, e3a00002 in the other";
    assert_eq!(compared(change), [expected]);
    let other = image(0x9000, 0x3_0000, change);
    assert_eq!(differences(&one(), &other, &["mm::taker"], &|_| false), [""; 0]);
}

#[test]
fn a_function_that_is_not_there_is_a_difference() {
    let found = differences(&one(), &one(), &["mm::other"], &|_| true);
    assert_eq!(found, ["mm::other: 0 in one image, 0 in the other"]);
    assert!(Image::parse(b"\x7fELF").is_err());
}

#[test]
fn functions_of_one_name_may_stand_in_any_order() {
    let twice = |first: u32, second: u32| {
        let bytes = [first, second].into_iter().flat_map(u32::to_le_bytes).collect();
        let mut image = Image::of_sections(&[(TEXT, 0x8000, bytes)]);
        image.add("f", 0x8000, 4, STT_FUNC);
        image.add("f", 0x8004, 4, STT_FUNC);
        image
    };
    let (one, other) = (twice(1, 2), twice(2, 1));
    assert_eq!(differences(&one, &other, &["f"], &|_| true), [""; 0]);
    assert_eq!(differences(&one, &twice(2, 3), &["f"], &|_| true).len(), 1);
}
