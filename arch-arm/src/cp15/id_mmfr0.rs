//! ID_MMFR0, Memory Model Feature Register 0: which page-table format and attributes there are.

use core::fmt;

super::fields! {
    /// Fields of [`ID_MMFR0`](const@ID_MMFR0).
    ID_MMFR0 [
        /// Innermost shareability domain: 0 non-cacheable, 1 coherent in hardware, 15 ignored.
        INNERSHR OFFSET(28) NUMBITS(4) [],
        /// Fast Context Switch Extension.
        FCSE OFFSET(24) NUMBITS(4) [],
        /// Auxiliary registers.
        AUXREG OFFSET(20) NUMBITS(4) [],
        /// Tightly coupled memory.
        TCM OFFSET(16) NUMBITS(4) [],
        /// Shareability levels: 0 one, 1 two.
        SHARELVL OFFSET(12) NUMBITS(4) [],
        /// Outermost shareability domain, coded as the innermost.
        OUTERSHR OFFSET(8) NUMBITS(4) [],
        /// Protected memory (R profile).
        PMSA OFFSET(4) NUMBITS(4) [],
        /// Virtual memory. Each value includes the ones before it.
        VMSA OFFSET(0) NUMBITS(4) [
            None = 0,
            ImplementationDefined = 1,
            V6 = 2,
            V7 = 3,
            V7Pxn = 4,
            V7LongDescriptor = 5
        ]
    ]
}

super::cp15_register! {
    /// Memory Model Feature Register 0.
    ID_MMFR0: ID_MMFR0::Register, ro [p15 0 c0 c1 4]
}

/// Does a processor with this ID_MMFR0 know the PXN bit of the short-descriptor format?
#[must_use]
pub fn has_pxn(id_mmfr0: u32) -> bool {
    ID_MMFR0::VMSA.read(id_mmfr0) >= ID_MMFR0::VMSA::Value::V7Pxn as u32
}

/// A value of ID_MMFR0, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdMmfr0(pub u32);

impl fmt::Display for IdMmfr0 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match ID_MMFR0::VMSA.read(self.0) {
            0 => "no virtual memory",
            1 => "virtual memory of its own kind",
            2 => "VMSAv6",
            3 => "VMSAv7",
            4 => "VMSAv7 with PXN",
            5 => "VMSAv7 with PXN and long descriptors",
            _ => "virtual memory newer than VMSAv7",
        })?;
        let levels = ID_MMFR0::SHARELVL.read(self.0) + 1;
        let domain = |kind| match kind {
            0 => "non-cacheable",
            1 => "coherent",
            15 => "ignored",
            _ => "reserved",
        };
        let outer = domain(ID_MMFR0::OUTERSHR.read(self.0));
        write!(f, "; shareable: {outer}")?;
        if levels == 2 {
            write!(f, " outside, {} inside", domain(ID_MMFR0::INNERSHR.read(self.0)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pxn_comes_with_vmsa_4() {
        // As QEMU's Cortex-A7 and A15 read, with the long descriptors, and a Cortex-A9 without.
        assert!(has_pxn(0x1010_1105));
        assert!(has_pxn(0x1020_1105));
        assert!(has_pxn(0x0000_0004));
        assert!(!has_pxn(0x0010_0103));
        assert!(!has_pxn(0xffff_fff0));
    }

    #[test]
    fn the_format_and_shareability_are_told() {
        let text =
            "VMSAv7 with PXN and long descriptors; shareable: coherent outside, coherent inside";
        assert_eq!(IdMmfr0(0x1010_1105).to_string(), text);
        assert_eq!(IdMmfr0(0x0010_0003).to_string(), "VMSAv7; shareable: non-cacheable");
    }
}
