//! ID_MMFR0, Memory Model Feature Register 0: which page-table format and attributes there are.

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
}
