//! MIDR, Main ID Register: which processor this is.

use core::fmt;

super::fields! {
    /// Fields of [`MIDR`](const@MIDR).
    MIDR [
        /// Who designed it; `0x41` is Arm.
        IMPLEMENTER OFFSET(24) NUMBITS(8) [ARM = 0x41],
        /// Major revision, the *n* of *rnpm*.
        VARIANT OFFSET(20) NUMBITS(4) [],
        /// Architecture; all ones: see the ID registers, as on every ARMv7.
        ARCHITECTURE OFFSET(16) NUMBITS(4) [ById = 0xf],
        /// Primary part number.
        PART OFFSET(4) NUMBITS(12) [CortexA7 = 0xc07, CortexA15 = 0xc0f],
        /// Minor revision, the *m* of *rnpm*.
        REVISION OFFSET(0) NUMBITS(4) []
    ]
}

super::cp15_register! {
    /// Main ID Register.
    MIDR: MIDR::Register, ro [p15 0 c0 c0 0]
}

/// A value of MIDR, in words: `Arm Cortex-A15 r4p0`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Midr(pub u32);

impl fmt::Display for Midr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MIDR::IMPLEMENTER.read(self.0) {
            0x41 => f.write_str("Arm ")?,
            other => write!(f, "implementer {other:#04x}, ")?,
        }
        match MIDR::PART.read(self.0) {
            0xc07 => f.write_str("Cortex-A7")?,
            0xc0f => f.write_str("Cortex-A15")?,
            part => write!(f, "part {part:#05x}")?,
        }
        write!(f, " r{}p{}", MIDR::VARIANT.read(self.0), MIDR::REVISION.read(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_processors_have_names_and_others_numbers() {
        for (midr, text) in [
            (0x414f_c0f0, "Arm Cortex-A15 r4p0"),
            (0x410f_c075, "Arm Cortex-A7 r0p5"),
            (0x412f_c09a, "Arm part 0xc09 r2p10"),
            (0x512f_04d0, "implementer 0x51, part 0x04d r2p0"),
        ] {
            assert_eq!(Midr(midr).to_string(), text);
        }
    }
}
