//! SCTLR, System Control Register: MMU, caches, alignment, vectors.
//!
//! Invariant: [`KERNEL_CLEAR`] and [`KERNEL_SET`] together say all that this kernel relies on, and
//! no bit is in both. Bits in neither keep the value that the processor or the firmware gave them.

use core::fmt;

super::fields! {
    /// Fields of [`SCTLR`](const@SCTLR).
    SCTLR [
        /// Exceptions are taken in Thumb state.
        TE OFFSET(30) NUMBITS(1) [],
        /// AP[0] is an access flag.
        AFE OFFSET(29) NUMBITS(1) [],
        /// TEX remap: PRRR and NMRR give memory types.
        TRE OFFSET(28) NUMBITS(1) [],
        /// FIQs cannot be masked. Read-only.
        NMFI OFFSET(27) NUMBITS(1) [],
        /// Big-endian data on exception entry, and big-endian page-table walks.
        EE OFFSET(25) NUMBITS(1) [],
        /// Interrupt vectors are implementation defined.
        VE OFFSET(24) NUMBITS(1) [],
        /// ARMv6's alignment model; always one in ARMv7.
        U OFFSET(22) NUMBITS(1) [],
        /// Low interrupt latency configuration.
        FI OFFSET(21) NUMBITS(1) [],
        /// What user mode may write is not executable in privileged modes.
        UWXN OFFSET(20) NUMBITS(1) [],
        /// What may be written is not executable.
        WXN OFFSET(19) NUMBITS(1) [],
        /// The processor sets the access flag.
        HA OFFSET(17) NUMBITS(1) [],
        /// Round-robin cache replacement.
        RR OFFSET(14) NUMBITS(1) [],
        /// Exception vectors at `0xffff0000`; otherwise at VBAR.
        V OFFSET(13) NUMBITS(1) [],
        /// Instruction caches.
        I OFFSET(12) NUMBITS(1) [],
        /// Branch prediction.
        Z OFFSET(11) NUMBITS(1) [],
        /// SWP and SWPB exist.
        SW OFFSET(10) NUMBITS(1) [],
        /// The CP15 barrier operations exist.
        CP15BEN OFFSET(5) NUMBITS(1) [],
        /// Data and unified caches.
        C OFFSET(2) NUMBITS(1) [],
        /// Every unaligned data access faults.
        A OFFSET(1) NUMBITS(1) [],
        /// Stage 1 of the MMU, at PL1 and PL0.
        M OFFSET(0) NUMBITS(1) []
    ]
}

super::cp15_register! {
    /// System Control Register.
    ///
    /// A write needs a `dsb` before it, so that page tables and cleaned lines are in place, and an
    /// `isb` after it. Turning the MMU on or off needs code that is mapped at its own physical
    /// address; see *ARM DDI 0406C, B3.2.1*.
    SCTLR: SCTLR::Register, rw [p15 0 c1 c0 0]
}

/// Bits that read as one in ARMv7: 23, 22 (U), 18, 16, 6, 4 and 3. 18 and 16 are left alone.
const ALWAYS_ONE: u32 = 1 << 23 | SCTLR::U::SET.value | 1 << 6 | 1 << 4 | 1 << 3;

/// The obsolete bits of earlier architectures that must be written as zero: S, R and L4.
const ALWAYS_ZERO: u32 = 1 << 8 | 1 << 9 | 1 << 15;

/// What must be 0 while the kernel runs.
///
/// Linux's choice (`v7_crval` clear, `0x2120c302`): no access flag, unaligned access allowed, the
/// architecture's own vectors and replacement. Besides, little-endian (EE), vectors in ARM state
/// (TE), no access flag managed by hardware (HA), and no WXN or UWXN: a boot loader may have left
/// them set, and the first page tables are writable and executable.
pub const KERNEL_CLEAR: u32 = ALWAYS_ZERO
    | SCTLR::AFE::SET.value
    | SCTLR::VE::SET.value
    | SCTLR::FI::SET.value
    | SCTLR::RR::SET.value
    | SCTLR::A::SET.value
    | SCTLR::TE::SET.value
    | SCTLR::EE::SET.value
    | SCTLR::HA::SET.value
    | SCTLR::WXN::SET.value
    | SCTLR::UWXN::SET.value;

/// What must be 1 while the kernel runs: Linux's choice (`v7_crval` mmuset, `0x10c03c7d`), with
/// MMU, caches, branch prediction, TEX remap and high vectors.
pub const KERNEL_SET: u32 = ALWAYS_ONE
    | SCTLR::TRE::SET.value
    | SCTLR::V::SET.value
    | SCTLR::I::SET.value
    | SCTLR::Z::SET.value
    | SCTLR::SW::SET.value
    | SCTLR::CP15BEN::SET.value
    | SCTLR::C::SET.value
    | SCTLR::M::SET.value;

/// [`KERNEL_SET`] without V, for as long as nothing is mapped at `0xffff0000`: vectors by VBAR.
pub const EARLY_SET: u32 = KERNEL_SET & !SCTLR::V::SET.value;

const _: () = assert!(KERNEL_CLEAR & KERNEL_SET == 0);

/// A value of SCTLR, in words: what is on, and what is off that could be on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sctlr(pub u32);

/// The bits that choose something, by what they turn on.
const SWITCHES: [(u32, &str); 18] = [
    (SCTLR::M::SET.value, "MMU"),
    (SCTLR::C::SET.value, "data cache"),
    (SCTLR::I::SET.value, "instruction cache"),
    (SCTLR::Z::SET.value, "branch prediction"),
    (SCTLR::V::SET.value, "high vectors"),
    (SCTLR::TRE::SET.value, "TEX remap"),
    (SCTLR::SW::SET.value, "SWP"),
    (SCTLR::CP15BEN::SET.value, "CP15 barriers"),
    (SCTLR::AFE::SET.value, "access flag"),
    (SCTLR::HA::SET.value, "access flag by hardware"),
    (SCTLR::A::SET.value, "alignment check"),
    (SCTLR::WXN::SET.value, "WXN"),
    (SCTLR::UWXN::SET.value, "UWXN"),
    (SCTLR::TE::SET.value, "Thumb exceptions"),
    (SCTLR::EE::SET.value, "big-endian exceptions"),
    (SCTLR::VE::SET.value, "vectored interrupts"),
    (SCTLR::FI::SET.value, "low interrupt latency"),
    (SCTLR::RR::SET.value, "round robin"),
];

impl fmt::Display for Sctlr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, wanted) in [("on: ", true), ("; off: ", false)] {
            f.write_str(title)?;
            let mut names = SWITCHES.iter().filter(|(bit, _)| (self.0 & bit != 0) == wanted);
            f.write_str(names.next().map_or("nothing", |(_, name)| name))?;
            names.try_for_each(|(_, name)| write!(f, ", {name}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tock_registers::LocalRegisterCopy;

    #[test]
    fn bits_set_are_linuxs() {
        assert_eq!(KERNEL_SET, 0x10c0_3c7d);
        assert_eq!(EARLY_SET, 0x10c0_1c7d);
    }

    #[test]
    fn bits_cleared_are_linuxs_and_five_more() {
        let ours = 1 << 30 | 1 << 25 | 1 << 17 | 1 << 19 | 1 << 20;
        assert_eq!(KERNEL_CLEAR, 0x2120_c302 | ours);
    }

    #[test]
    fn a_booted_linux_on_cortex_a15_is_what_the_constants_give() {
        // "cr=10c5387d": SW is off there, because Linux emulates SWP. Reset value 0x00c50078.
        let ours = 0x00c5_0078 & !KERNEL_CLEAR | KERNEL_SET;
        assert_eq!(ours, 0x10c5_387d | SCTLR::SW::SET.value);
    }

    #[test]
    fn fields_read_the_bits_the_manual_gives() {
        let cr = LocalRegisterCopy::<u32, SCTLR::Register>::new(0x10c5_387d);
        for field in [SCTLR::TRE, SCTLR::V, SCTLR::I, SCTLR::Z, SCTLR::C, SCTLR::M] {
            assert!(cr.is_set(field));
        }
        for field in [SCTLR::TE, SCTLR::AFE, SCTLR::EE, SCTLR::WXN, SCTLR::SW, SCTLR::A] {
            assert!(!cr.is_set(field));
        }
    }

    #[test]
    fn every_switch_is_named_once_as_on_or_off() {
        assert_eq!(
            Sctlr(0x10c5_387d).to_string(),
            "on: MMU, data cache, instruction cache, branch prediction, high vectors, TEX remap, \
             CP15 barriers; off: SWP, access flag, access flag by hardware, alignment check, WXN, \
             UWXN, Thumb exceptions, big-endian exceptions, vectored interrupts, \
             low interrupt latency, round robin"
        );
        assert!(Sctlr(u32::MAX).to_string().ends_with("; off: nothing"));
        assert!(Sctlr(0).to_string().starts_with("on: nothing; off: MMU"));
        let bits = SWITCHES.iter().fold(0, |bits, (bit, _)| bits | bit);
        assert_eq!(bits.count_ones() as usize, SWITCHES.len());
    }
}
