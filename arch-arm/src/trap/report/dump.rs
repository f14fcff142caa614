//! Memory in rows of eight words, and the instructions around pc.

use core::fmt::{Result, Write};

use mm::addr::{VirtAddr, VirtRange};

use crate::trap::TrapFrame;
use crate::trap::unwind::ReadMemory;

/// Words in a row.
const ROW_WORDS: u32 = 8;

/// Writes `title(0xSTART to 0xEND)` and the words between, at most `rows` rows of them, with the low
/// half of each row's address. Rows begin at multiples of 32 bytes. What can not be read is `????????`.
///
/// # Errors
///
/// When `out` does.
pub fn write_words(
    out: &mut dyn Write,
    memory: &impl ReadMemory,
    title: &str,
    range: VirtRange,
    rows: u32,
) -> Result {
    let (start, end) = (u64::from(range.start().as_u32()), u64::from(range.end().as_u32()));
    writeln!(out, "{title}({start:#010x} to {end:#010x})")?;
    let row_bytes = 4 * u64::from(ROW_WORDS);
    let first_row = start / row_bytes * row_bytes;
    let shown = (first_row + u64::from(rows) * row_bytes).min(end);
    for row in (first_row..shown).step_by(row_bytes as usize) {
        write!(out, "{:04x}:", row & 0xffff)?;
        for at in (row..end.min(row + row_bytes)).step_by(4) {
            match u32::try_from(at).ok().and_then(|at| memory.word(VirtAddr::new(at))) {
                _ if at < start => out.write_str("         ")?,
                Some(word) => write!(out, " {word:08x}")?,
                None => out.write_str(" ????????")?,
            }
        }
        writeln!(out)?;
    }
    if shown < end {
        writeln!(out, "... {} bytes more", end - shown)?;
    }
    Ok(())
}

/// Writes the line `Code:` with the instruction at pc in parentheses and the four before it; in Thumb
/// state halfwords, and one after it, which may be the other half.
///
/// # Errors
///
/// When `out` does.
pub fn write_code(out: &mut dyn Write, memory: &impl ReadMemory, frame: &TrapFrame) -> Result {
    out.write_str("Code:")?;
    let is_thumb = frame.psr.is_thumb();
    let (step, digits, after) = if is_thumb { (2, 4, 1) } else { (4, 8, 0) };
    for number in -4..=after {
        let at = VirtAddr::new(frame.pc.wrapping_add_signed(number * step));
        let word = memory.word(at.align_down(4)).filter(|_| at.is_aligned(step.cast_unsigned()));
        let Some(word) = word else {
            // What lies before pc is of no use when pc itself is not.
            if number < 0 {
                continue;
            }
            return writeln!(out, " bad PC value");
        };
        let instruction = match (is_thumb, at.is_aligned(4)) {
            (false, _) => word,
            (true, true) => word & 0xffff,
            (true, false) => word >> 16,
        };
        if number == 0 {
            write!(out, " ({instruction:0digits$x})")?;
        } else {
            write!(out, " {instruction:0digits$x}")?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::Words;
    use super::*;
    use crate::trap::Psr;

    fn memory(start: u32, words: &[u32]) -> Words {
        Words((start..).step_by(4).zip(words.iter().copied()).collect())
    }

    fn words(start: u32, end: u32, rows: u32) -> String {
        let memory = memory(0xc026_cff8, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let range = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
        let mut text = String::new();
        write_words(&mut text, &memory, "Stack: ", range, rows).unwrap();
        text
    }

    #[test]
    fn rows_begin_at_multiples_of_32_bytes() {
        assert_eq!(
            words(0xc026_cff8, 0xc026_d02c, 9),
            "Stack: (0xc026cff8 to 0xc026d02c)\n\
             cfe0:                                                       00000001 00000002\n\
             d000: 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a\n\
             d020: 0000000b 0000000c ????????\n"
        );
    }

    #[test]
    fn what_is_too_much_is_counted() {
        assert_eq!(
            words(0xc026_d000, 0xc026_e000, 1),
            "Stack: (0xc026d000 to 0xc026e000)\n\
             d000: 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a\n\
             ... 4064 bytes more\n"
        );
        let top = words(0xffff_ffe0, 0xffff_fffc, 4);
        assert_eq!(top.lines().count(), 2, "the end of the address space is no trap: {top}");
        assert_eq!(words(0xc026_d000, 0xc026_d000, 4), "Stack: (0xc026d000 to 0xc026d000)\n");
    }

    fn code(pc: u32, psr: u32) -> String {
        let memory = memory(
            0xc020_0000,
            &[0xe593_3000, 0xe353_0000, 0x0a00_0000, 0xe593_3000, 0xe583_2000, 0xe12f_ff1e],
        );
        let frame = TrapFrame { pc, psr: Psr::new(psr), ..TrapFrame::default() };
        let mut text = String::new();
        write_code(&mut text, &memory, &frame).unwrap();
        text
    }

    #[test]
    fn the_instruction_at_pc_stands_in_parentheses() {
        assert_eq!(
            code(0xc020_0010, 0x13),
            "Code: e5933000 e3530000 0a000000 e5933000 (e5832000)\n"
        );
        assert_eq!(code(0xc020_0004, 0x13), "Code: e5933000 (e3530000)\n");
        assert_eq!(
            code(0xc020_000a, 0x33),
            "Code: e593 0000 e353 0000 (0a00) 3000
"
        );
        for bad in [0, 0xc020_0002, 0xdead_beec, 0xffff_fffe] {
            assert!(code(bad, 0x13).ends_with(" bad PC value\n"), "{bad:#x}");
        }
    }
}
