//! Build attributes: does the object's code use floating-point registers?
//!
//! `.ARM.attributes` (*IHI 0045*, 2.1) is a byte `A` and subsections of vendors; that of `aeabi`
//! holds lists for the file, for sections and for symbols: pairs of a tag and a value, which is a
//! number or a string, as the tag's number says (2.2.6).
//!
//! The kernel saves no floating-point registers when it switches, so code in it must not use them.

use super::section::SectionFault;
use crate::bytes::word;

/// The tags that say so: any value but 0.
const FLOATING_POINT: [(u32, &str); 3] =
    [(10, "Tag_FP_arch"), (12, "Tag_Advanced_SIMD_arch"), (28, "Tag_ABI_VFP_args")];
/// A list for the whole file, for some sections, for some symbols. The latter two begin with
/// numbers, ended by 0, of those that they are about.
const LISTS: [u32; 3] = [1, 2, 3];
/// Its value is a number and a string (`Tag_compatibility`).
const NUMBER_AND_STRING: u32 = 32;
/// Tags below 32 whose value is a string (`Tag_CPU_raw_name`, `Tag_CPU_name`).
const STRINGS: [u32; 2] = [4, 5];

/// Checks the build attributes in `bytes`.
pub(super) fn check(bytes: &[u8]) -> Result<(), SectionFault> {
    let mut reader = Reader { bytes, at: 0 };
    if bytes.is_empty() {
        return Ok(());
    }
    if reader.byte()? != b'A' {
        return Err(SectionFault::Attributes { offset: 0 });
    }
    while !reader.is_at_end() {
        // A length counts itself.
        let mut vendor = reader.part(0)?;
        if vendor.string()? == b"aeabi" {
            while !vendor.is_at_end() {
                check_list(&mut vendor)?;
            }
        }
    }
    Ok(())
}

/// Checks the next list of attributes of `vendor`.
fn check_list(vendor: &mut Reader<'_>) -> Result<(), SectionFault> {
    let start = vendor.at;
    let list_of = vendor.number()?;
    let mut list = vendor.part(vendor.at - start)?;
    let [file, section, symbol] = LISTS;
    if list_of == section || list_of == symbol {
        while list.number()? != 0 {}
    } else if list_of != file {
        return Ok(());
    }
    while !list.is_at_end() {
        let tag = list.number()?;
        if tag == NUMBER_AND_STRING {
            list.number()?;
            list.string()?;
        } else if STRINGS.contains(&tag) || (tag > NUMBER_AND_STRING && tag & 1 == 1) {
            list.string()?;
        } else {
            let value = list.number()?;
            let told = FLOATING_POINT.iter().find(|(known, _)| *known == tag);
            if let Some(&(_, tag)) = told.filter(|_| value != 0) {
                return Err(SectionFault::FloatingPoint { tag, value });
            }
        }
    }
    Ok(())
}

/// Reads bytes, from `at` on.
struct Reader<'f> {
    bytes: &'f [u8],
    at: usize,
}

impl<'f> Reader<'f> {
    const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    const fn malformed(&self) -> SectionFault {
        SectionFault::Attributes { offset: self.at as u32 }
    }

    fn byte(&mut self) -> Result<u8, SectionFault> {
        let byte = *self.bytes.get(self.at).ok_or(self.malformed())?;
        self.at += 1;
        Ok(byte)
    }

    /// A number in base 128, least significant digit first; bit 7 says that another one follows.
    fn number(&mut self) -> Result<u32, SectionFault> {
        let malformed = self.malformed();
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            let digit = u32::from(byte & 0x7f);
            if digit << shift >> shift != digit {
                return Err(malformed);
            }
            value |= digit << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed)
    }

    /// The bytes up to a NUL.
    fn string(&mut self) -> Result<&'f [u8], SectionFault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == 0).ok_or(self.malformed())?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    /// What a length says that follows here, and that counts itself and `before` bytes before it.
    fn part(&mut self, before: usize) -> Result<Self, SectionFault> {
        let malformed = self.malformed();
        let len = word(self.bytes, self.at).ok_or(malformed)? as usize;
        let len = len.checked_sub(before + 4).ok_or(malformed)?;
        let rest = self.bytes.get(self.at + 4..).unwrap_or_default();
        if len > rest.len() {
            return Err(malformed);
        }
        // The same offsets as in the whole, so that an error names the place in the section.
        let start = self.at + 4;
        self.at = start + len;
        Ok(Self { bytes: &self.bytes[..self.at], at: start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aeabi(lists: &[u8]) -> Vec<u8> {
        let len = (4 + 6 + lists.len()) as u32;
        [b"A", &len.to_le_bytes()[..], b"aeabi\0", lists].concat()
    }

    fn list(of: &[u8], attributes: &[u8]) -> Vec<u8> {
        let len = (1 + 4 + of.len() - 1 + attributes.len()) as u32;
        [&of[..1], &len.to_le_bytes()[..], &of[1..], attributes].concat()
    }

    fn floating_point(tag: &'static str, value: u32) -> Result<(), SectionFault> {
        Err(SectionFault::FloatingPoint { tag, value })
    }

    #[test]
    fn floating_point_is_found_behind_tags_of_every_form() {
        // Tag_CPU_name, Tag_CPU_arch, a number of two digits, Tag_compatibility, an odd and an even
        // tag above it.
        let before = b"\x057-A\0\x06\x0a\x0c\x00\x20\x01gnu\0\x41\x06\x0a\0\x80\x01\x80\x01";
        for (tag, name) in FLOATING_POINT {
            for value in [0, 1, 3] {
                let bytes = aeabi(&list(&[1], &[&before[..], &[tag as u8, value, 6, 10]].concat()));
                let wanted = if value == 0 { Ok(()) } else { floating_point(name, value.into()) };
                assert_eq!(check(&bytes), wanted, "{name} {value}");
            }
        }
    }

    #[test]
    fn lists_of_sections_and_symbols_are_read_too() {
        let sound = list(&[1], &[6, 10]);
        for of in [&[2, 1, 7, 0][..], &[3, 0x81, 1, 0]] {
            let bytes = aeabi(&[sound.clone(), list(of, &[28, 1])].concat());
            assert_eq!(check(&bytes), floating_point("Tag_ABI_VFP_args", 1));
        }
        // Of an unknown kind, and another vendor's: nobody knows what they say.
        assert_eq!(check(&aeabi(&list(&[9], &[28, 1]))), Ok(()));
        let mut other = aeabi(&list(&[1], &[28, 1]));
        other[5] = b'x';
        assert_eq!(check(&other), Ok(()));
        let two = [other.clone(), aeabi(&list(&[1], &[10, 2]))[1..].to_vec()].concat();
        assert_eq!(check(&two), floating_point("Tag_FP_arch", 2));
    }

    #[test]
    fn what_is_cut_short_is_malformed_and_never_sound() {
        let whole = aeabi(&list(&[1], b"\x057-A\0\x06\x0a\x41\x06\x0a\0"));
        assert_eq!(check(&whole), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        for len in 2..whole.len() {
            let fault = check(&whole[..len]);
            assert!(matches!(fault, Err(SectionFault::Attributes { .. })), "{len}: {fault:?}");
        }
        assert_eq!(check(b"B"), Err(SectionFault::Attributes { offset: 0 }));
        assert_eq!(
            check(b"A\x03\0\0\0\0"),
            Err(SectionFault::Attributes { offset: 1 }),
            "a length that does not count itself"
        );
        let endless = aeabi(&list(&[1], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        assert_eq!(check(&endless), Err(SectionFault::Attributes { offset: 16 }));
        let large = aeabi(&list(&[1], &[0xff, 0xff, 0xff, 0xff, 0x1f, 0]));
        assert_eq!(check(&large), Err(SectionFault::Attributes { offset: 16 }));
    }
}
