//! MIDR, Main ID Register: which processor this is.

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
