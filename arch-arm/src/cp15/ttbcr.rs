//! TTBCR, Translation Table Base Control Register: format, and who translates what.

use core::fmt;

super::fields! {
    /// Fields of [`TTBCR`](const@TTBCR) in the short-descriptor format. This kernel writes 0: short
    /// descriptors, every address through TTBR0, as Linux does without LPAE.
    TTBCR [
        /// Long descriptors.
        EAE OFFSET(31) NUMBITS(1) [],
        /// A TLB miss on an address of TTBR1 faults.
        PD1 OFFSET(5) NUMBITS(1) [],
        /// A TLB miss on an address of TTBR0 faults.
        PD0 OFFSET(4) NUMBITS(1) [],
        /// An address with any of its top `N` bits set is translated by TTBR1.
        N OFFSET(0) NUMBITS(3) []
    ]
}

super::cp15_register! {
    /// Translation Table Base Control Register.
    ///
    /// A write needs an `isb`, and a flush of the TLB when it changes how an address that is in use
    /// is translated.
    TTBCR: TTBCR::Register, rw [p15 0 c2 c0 2]
}

/// A value of TTBCR, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ttbcr(pub u32);

impl fmt::Display for Ttbcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if TTBCR::EAE.is_set(self.0) {
            return f.write_str("long descriptors");
        }
        match TTBCR::N.read(self.0) {
            0 => f.write_str("short descriptors, every address by TTBR0")?,
            n => {
                write!(f, "short descriptors, addresses from {:#010x} by TTBR1", 1_u32 << (32 - n))?
            }
        }
        for (field, register) in [(TTBCR::PD0, "TTBR0"), (TTBCR::PD1, "TTBR1")] {
            if field.is_set(self.0) {
                write!(f, ", no walks by {register}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_translates_what_is_told() {
        for (ttbcr, text) in [
            (0, "short descriptors, every address by TTBR0"),
            (1, "short descriptors, addresses from 0x80000000 by TTBR1"),
            (
                0x37,
                "short descriptors, addresses from 0x02000000 by TTBR1, no walks by TTBR0, \
                    no walks by TTBR1",
            ),
            (1 << 31, "long descriptors"),
        ] {
            assert_eq!(Ttbcr(ttbcr).to_string(), text);
        }
    }
}
