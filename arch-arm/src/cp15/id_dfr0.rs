//! ID_DFR0, Debug Feature Register 0: which debug facilities and performance monitors there are.

super::fields! {
    /// Fields of [`ID_DFR0`](const@ID_DFR0); those for the debuggers are left out.
    ID_DFR0 [
        /// Performance Monitors Extension: 0 and 15 mean none that is architectural.
        PERFMON OFFSET(24) NUMBITS(4) [None = 0, V1 = 1, V2 = 2, ImplementationDefined = 15]
    ]
}

super::cp15_register! {
    /// Debug Feature Register 0.
    ID_DFR0: ID_DFR0::Register, ro [p15 0 c0 c1 2]
}

/// Does a processor with this ID_DFR0 have performance monitors of version 1 or 2?
#[must_use]
pub fn has_pmu(id_dfr0: u32) -> bool {
    use ID_DFR0::PERFMON::Value;
    matches!(ID_DFR0::PERFMON.read_as_enum(id_dfr0), Some(Value::V1 | Value::V2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_versions_of_armv7_count() {
        assert!(has_pmu(0x0201_0555), "as QEMU's Cortex-A15 and A7 read");
        for perfmon in 0..16 {
            assert_eq!(has_pmu(perfmon << 24), [1, 2].contains(&perfmon), "{perfmon}");
        }
    }
}
