//! What an object says of floating-point hardware, put right.
//!
//! LLVM's `armv7a-none-eabi` has soft floats and no NEON, so it makes no instruction that touches a
//! floating-point register. It says VFPv3 in the build attributes nonetheless, since the
//! architecture that it compiles for has it; and the kernel refuses an object that says so. Clearing
//! it is true and simple. (`-Ctarget-feature=-fpregs` has the same effect, with a warning on each
//! build that it is unstable.)
//!
//! Source: *Addenda to, and Errata in, the ABI for the ARM Architecture* (IHI 0045), 2.2 and 2.5.

use anyhow::{Context as _, Result, bail};
use elf::ElfBytes;
use elf::endian::AnyEndian;
use std::ops::Range;

/// Which floating-point instructions, which NEON instructions.
const TAGS: [u64; 2] = [10, 12];

/// Attributes of the file, not of a section or symbol.
const TAG_FILE: u64 = 1;

/// Sets [`TAGS`] to 0 in the attributes of an ELF object. An object without attributes stays as it is.
///
/// # Errors
///
/// The object or its attributes can not be read.
pub fn without_fpu(object: &mut [u8]) -> Result<()> {
    let Some(section) = section(object)? else { return Ok(()) };
    let bytes = object.get_mut(section).context("attributes beyond the object's end")?;
    clear(bytes).context("the object's build attributes can not be read")
}

/// Where the section with the attributes lies in the file.
fn section(object: &[u8]) -> Result<Option<Range<usize>>> {
    let elf = ElfBytes::<AnyEndian>::minimal_parse(object)?;
    let Some(header) = elf.section_header_by_name(".ARM.attributes")? else { return Ok(None) };
    let start = usize::try_from(header.sh_offset)?;
    let length = usize::try_from(header.sh_size)?;
    Ok(Some(start..start.checked_add(length).context("a section's size")?))
}

/// Clears the tags in a whole section: `A`, then for each vendor a length, a name, and scopes.
fn clear(bytes: &mut [u8]) -> Result<()> {
    if bytes.first() != Some(&b'A') {
        bail!("format {:?}", bytes.first());
    }
    let mut at = 1;
    while at < bytes.len() {
        let end = end_of(bytes, at, at)?;
        let name_end = end_of_text(bytes, at + 4)?;
        if bytes.get(at + 4..name_end) == Some(b"aeabi\0") {
            let mut scope = name_end;
            while scope < end {
                let start = scope;
                let kind = number(bytes, &mut scope)?;
                let scope_end = end_of(bytes, start, scope)?;
                if kind == TAG_FILE {
                    clear_scope(bytes, scope + 4..scope_end)?;
                }
                scope = scope_end;
            }
        }
        at = end;
    }
    Ok(())
}

fn clear_scope(bytes: &mut [u8], range: Range<usize>) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        let tag = number(bytes, &mut at)?;
        // CPU names (4, 5) and odd ones from 32 on are text; 32 is a number with text behind it.
        let is_text = tag == 4 || tag == 5 || (tag > 32 && tag % 2 == 1);
        if is_text {
            at = end_of_text(bytes, at)?;
            continue;
        }
        let value = at;
        number(bytes, &mut at)?;
        if TAGS.contains(&tag) {
            // As long as before: continuation bits stay.
            for byte in bytes.get_mut(value..at).unwrap_or_default() {
                *byte &= 0x80;
            }
        }
        if tag == 32 {
            at = end_of_text(bytes, at)?;
        }
    }
    Ok(())
}

/// Where the part ends that begins at `start` and has its length at `at`, in four bytes.
fn end_of(bytes: &[u8], start: usize, at: usize) -> Result<usize> {
    let word = bytes.get(at..at + 4).context("it ends in a length")?;
    let length = usize::try_from(u32::from_le_bytes(word.try_into()?))?;
    if length < at + 4 - start || length > bytes.len() - start {
        bail!("a length of {length} at {at:#x}");
    }
    Ok(start + length)
}

/// A number in ULEB128.
fn number(bytes: &[u8], at: &mut usize) -> Result<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at).context("it ends in a number")?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number without an end");
}

/// Behind the byte 0 that ends the text.
fn end_of_text(bytes: &[u8], at: usize) -> Result<usize> {
    let rest = bytes.get(at..).context("it ends before a text")?;
    let length = rest.iter().position(|&byte| byte == 0).context("it ends in a text")?;
    Ok(at + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with these attributes of the file.
    fn section_of(attributes: &[u8]) -> Vec<u8> {
        let scope = 1 + 4 + attributes.len() as u32;
        let vendor = 4 + 6 + scope;
        let mut bytes = b"A".to_vec();
        bytes.extend(vendor.to_le_bytes());
        bytes.extend(b"aeabi\0\x01");
        bytes.extend(scope.to_le_bytes());
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn floating_point_hardware_is_cleared_and_nothing_else() {
        let with = |fp: u8, neon: u8, long: u8| {
            let mut attributes = b"\x05cortex\x0a\0\x06\x0a".to_vec();
            attributes.extend([10, fp, 12, neon, 0x0a | 0x80, 0, long, 0]);
            attributes.extend(b"\x20\x01\x0a\x0cgnu\0\x43\x0a\x03\0\x22\x01");
            section_of(&attributes)
        };
        let mut bytes = with(3, 1, 0x83);
        clear(&mut bytes).unwrap();
        assert_eq!(bytes, with(0, 0, 0x80));
        clear(&mut bytes).unwrap();
        assert_eq!(bytes, with(0, 0, 0x80), "cleared already");
    }

    #[test]
    fn another_vendors_attributes_stay() {
        let mut bytes = b"A\x0b\0\0\0gnu\0\x0a\x03\0".to_vec();
        let before = bytes.clone();
        clear(&mut bytes).unwrap();
        assert_eq!(bytes, before);
    }

    #[test]
    fn a_section_cut_anywhere_is_an_error_not_a_panic() {
        let whole = section_of(b"\x05a\0\x0a\x03\x20\x01x\0");
        assert!(clear(&mut whole.clone()).is_ok());
        for length in (0..whole.len()).filter(|&length| length != 1) {
            assert!(clear(&mut whole[..length].to_vec()).is_err(), "cut to {length} bytes");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                // Whatever it says: it ends.
                let _ = clear(&mut bytes);
            }
        }
    }
}
