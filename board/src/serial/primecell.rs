//! Which device is there, by its own word: the identity that ARM's PrimeCell peripherals carry in
//! the last eight words of their 4 KiB of registers.
//!
//! Each word holds one byte. Four of them say part number, designer and revision, the other four are
//! the same for every PrimeCell (for the PL011 *ARM DDI 0183G*, 3.3.14 and 3.3.15).

use mm::addr::VirtAddr;

/// Bytes of a PrimeCell's registers.
pub const LEN: u32 = 4096;

/// The identity's first word.
const IDENTITY: u32 = 0xfe0;
/// What the last four bytes say of every PrimeCell.
const CELL: [u8; 4] = [0x0d, 0xf0, 0x05, 0xb1];

/// The twelve bits of the part number of the PrimeCell at `base`; `None` when there is something
/// else, or memory, or nothing that answers.
///
/// # Safety
///
/// The [`LEN`] bytes at `base`, which is a multiple of 4, are mapped readable as Device or
/// Strongly-ordered memory.
#[must_use]
#[allow(unsafe_code)]
pub unsafe fn part_number(base: VirtAddr) -> Option<u16> {
    let words = core::ptr::with_exposed_provenance::<u32>((base.as_u32() + IDENTITY) as usize);
    // SAFETY: the last eight words of the registers, which the caller has mapped; identities are
    // read-only, and to read one has no effect.
    let bytes: [u8; 8] =
        core::array::from_fn(|index| unsafe { words.add(index).read_volatile() as u8 });
    decode(bytes)
}

fn decode(bytes: [u8; 8]) -> Option<u16> {
    let [part_low, part_high, _, _, cell @ ..] = bytes;
    (cell == CELL).then(|| u16::from(part_high & 0xf) << 8 | u16::from(part_low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pl011_is_part_0x011() {
        assert_eq!(decode([0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]), Some(0x011));
        assert_eq!(decode([0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1]), Some(0x031), "RTC");
    }

    #[test]
    fn memory_and_nothing_have_no_part_number() {
        for bytes in [[0; 8], [0xff; 8], [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb0]] {
            assert_eq!(decode(bytes), None);
        }
    }
}
