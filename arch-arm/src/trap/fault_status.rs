//! Fault status: why an access aborted, from DFSR and IFSR in the short-descriptor format.
//!
//! The five bits FS are in bits 10 and 3:0 of either register, *not* in 5:0; bits 7:4 of DFSR are
//! the domain. *ARM DDI 0406C, B3.13.3, Fault status codes*, table *Short-descriptor format FSR
//! encodings*. The words are those of Linux's `fsr_info` where it has some, since people search for
//! them, and the manual's otherwise.
//!
//! Invariant: every one of the 32 codes decodes, and no two decode alike.

use crate::cp15::dfsr::DFSR;
use crate::cp15::ifsr::IFSR;
use core::fmt;
use tock_registers::LocalRegisterCopy;

/// The level of the page table whose entry decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// First level: sections, or the entry that should have named a second-level table.
    Section,
    /// Second level: pages.
    Page,
}

/// The fault status FS, five bits, in the short-descriptor format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultStatus {
    /// The address is not aligned as the access or the memory type demands.
    Alignment,
    /// A debug event.
    DebugEvent,
    /// The access flag is 0, and SCTLR.AFE is 1.
    AccessFlag(Level),
    /// Maintenance of the instruction cache by an address that is not mapped.
    InstructionCacheMaintenance,
    /// No valid entry.
    Translation(Level),
    /// The domain gives no access.
    Domain(Level),
    /// The entry does not permit it, XN included.
    Permission(Level),
    /// Memory or device refused the access.
    ExternalAbort,
    /// Memory refused the table walk.
    ExternalAbortOnWalk(Level),
    /// Memory or device refused an earlier access; which one is unknown.
    AsynchronousExternalAbort,
    /// Parity or ECC error in the access.
    ParityError,
    /// Parity or ECC error in the table walk.
    ParityErrorOnWalk(Level),
    /// Parity or ECC error in an earlier access; which one is unknown.
    AsynchronousParityError,
    /// Two TLB entries match: a missing break-before-make.
    TlbConflict,
    /// Implementation defined: lockdown.
    Lockdown,
    /// Implementation defined: coprocessor.
    CoprocessorAbort,
    /// A code that the architecture reserves.
    Reserved(u8),
}

impl FaultStatus {
    /// Decodes the low five bits of `fs`, bit 4 being bit 10 of the register.
    #[must_use]
    pub const fn from_bits(fs: u8) -> Self {
        match fs & 0x1f {
            0b0_0001 => Self::Alignment,
            0b0_0010 => Self::DebugEvent,
            0b0_0011 => Self::AccessFlag(Level::Section),
            0b0_0100 => Self::InstructionCacheMaintenance,
            0b0_0101 => Self::Translation(Level::Section),
            0b0_0110 => Self::AccessFlag(Level::Page),
            0b0_0111 => Self::Translation(Level::Page),
            0b0_1000 => Self::ExternalAbort,
            0b0_1001 => Self::Domain(Level::Section),
            0b0_1011 => Self::Domain(Level::Page),
            0b0_1100 => Self::ExternalAbortOnWalk(Level::Section),
            0b0_1101 => Self::Permission(Level::Section),
            0b0_1110 => Self::ExternalAbortOnWalk(Level::Page),
            0b0_1111 => Self::Permission(Level::Page),
            0b1_0000 => Self::TlbConflict,
            0b1_0100 => Self::Lockdown,
            0b1_0110 => Self::AsynchronousExternalAbort,
            0b1_1000 => Self::AsynchronousParityError,
            0b1_1001 => Self::ParityError,
            0b1_1010 => Self::CoprocessorAbort,
            0b1_1100 => Self::ParityErrorOnWalk(Level::Section),
            0b1_1110 => Self::ParityErrorOnWalk(Level::Page),
            reserved => Self::Reserved(reserved),
        }
    }

    /// Does the abort belong to an earlier access, so that neither pc nor fault address tells where?
    #[must_use]
    pub const fn is_asynchronous(self) -> bool {
        matches!(self, Self::AsynchronousExternalAbort | Self::AsynchronousParityError)
    }
}

impl fmt::Display for FaultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Level::{Page, Section};
        f.write_str(match self {
            Self::Alignment => "alignment exception",
            Self::DebugEvent => "debug event",
            Self::AccessFlag(Section) => "section access flag fault",
            Self::AccessFlag(Page) => "page access flag fault",
            Self::InstructionCacheMaintenance => "I-cache maintenance fault",
            Self::Translation(Section) => "section translation fault",
            Self::Translation(Page) => "page translation fault",
            Self::Domain(Section) => "section domain fault",
            Self::Domain(Page) => "page domain fault",
            Self::Permission(Section) => "section permission fault",
            Self::Permission(Page) => "page permission fault",
            Self::ExternalAbort => "external abort on non-linefetch",
            Self::ExternalAbortOnWalk(Section) => "external abort on section translation",
            Self::ExternalAbortOnWalk(Page) => "external abort on page translation",
            Self::AsynchronousExternalAbort => "imprecise external abort",
            Self::ParityError => "parity error",
            Self::ParityErrorOnWalk(Section) => "parity error on section translation",
            Self::ParityErrorOnWalk(Page) => "parity error on page translation",
            Self::AsynchronousParityError => "imprecise parity error",
            Self::TlbConflict => "TLB conflict abort",
            Self::Lockdown => "lockdown abort",
            Self::CoprocessorAbort => "coprocessor data abort",
            Self::Reserved(fs) => return write!(f, "unknown {fs}"),
        })
    }
}

/// A data abort's status: the value of DFSR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataFault(u32);

impl DataFault {
    /// From a value of DFSR.
    #[must_use]
    pub const fn from_dfsr(value: u32) -> Self {
        Self(value)
    }

    /// The value of DFSR.
    #[must_use]
    pub const fn dfsr(self) -> u32 {
        self.0
    }

    fn fields(self) -> LocalRegisterCopy<u32, DFSR::Register> {
        LocalRegisterCopy::new(self.0)
    }

    /// Why.
    #[must_use]
    pub fn status(self) -> FaultStatus {
        let fields = self.fields();
        join_fs(fields.read(DFSR::FS_HIGH), fields.read(DFSR::FS_LOW))
    }

    /// Was it a store? Cache maintenance sets WnR too, and is none.
    #[must_use]
    pub fn is_write(self) -> bool {
        self.fields().is_set(DFSR::WNR) && !self.is_cache_maintenance()
    }

    /// Was it a cache maintenance operation by address?
    #[must_use]
    pub fn is_cache_maintenance(self) -> bool {
        self.fields().is_set(DFSR::CM)
    }

    /// The implementation's own distinction between external aborts; AXI's SLVERR from DECERR on
    /// Cortex-A7 and A15.
    #[must_use]
    pub fn external_type(self) -> bool {
        self.fields().is_set(DFSR::EXT)
    }

    /// The domain of the address, 0 to 15. Meaningful only for domain faults and for page
    /// translation faults (*B3.13.2*).
    #[must_use]
    pub fn domain(self) -> u8 {
        self.fields().read(DFSR::DOMAIN) as u8
    }
}

impl fmt::Display for DataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match (self.is_cache_maintenance(), self.is_write()) {
            (true, _) => "cache maintenance",
            (false, true) => "write",
            (false, false) => "read",
        };
        write!(f, "{} on {access} (DFSR {:#05x})", self.status(), self.0)
    }
}

/// A prefetch abort's status: the value of IFSR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InstructionFault(u32);

impl InstructionFault {
    /// From a value of IFSR.
    #[must_use]
    pub const fn from_ifsr(value: u32) -> Self {
        Self(value)
    }

    /// The value of IFSR.
    #[must_use]
    pub const fn ifsr(self) -> u32 {
        self.0
    }

    fn fields(self) -> LocalRegisterCopy<u32, IFSR::Register> {
        LocalRegisterCopy::new(self.0)
    }

    /// Why.
    #[must_use]
    pub fn status(self) -> FaultStatus {
        let fields = self.fields();
        join_fs(fields.read(IFSR::FS_HIGH), fields.read(IFSR::FS_LOW))
    }

    /// As [`DataFault::external_type`].
    #[must_use]
    pub fn external_type(self) -> bool {
        self.fields().is_set(IFSR::EXT)
    }
}

impl fmt::Display for InstructionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (IFSR {:#05x})", self.status(), self.0)
    }
}

/// The status from its two places, one bit and four.
fn join_fs(high: u32, low: u32) -> FaultStatus {
    FaultStatus::from_bits((high << 4 | low) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All 32 codes, and the words that must come out.
    const TABLE: [(u8, &str); 32] = [
        (0x00, "unknown 0"),
        (0x01, "alignment exception"),
        (0x02, "debug event"),
        (0x03, "section access flag fault"),
        (0x04, "I-cache maintenance fault"),
        (0x05, "section translation fault"),
        (0x06, "page access flag fault"),
        (0x07, "page translation fault"),
        (0x08, "external abort on non-linefetch"),
        (0x09, "section domain fault"),
        (0x0a, "unknown 10"),
        (0x0b, "page domain fault"),
        (0x0c, "external abort on section translation"),
        (0x0d, "section permission fault"),
        (0x0e, "external abort on page translation"),
        (0x0f, "page permission fault"),
        (0x10, "TLB conflict abort"),
        (0x11, "unknown 17"),
        (0x12, "unknown 18"),
        (0x13, "unknown 19"),
        (0x14, "lockdown abort"),
        (0x15, "unknown 21"),
        (0x16, "imprecise external abort"),
        (0x17, "unknown 23"),
        (0x18, "imprecise parity error"),
        (0x19, "parity error"),
        (0x1a, "coprocessor data abort"),
        (0x1b, "unknown 27"),
        (0x1c, "parity error on section translation"),
        (0x1d, "unknown 29"),
        (0x1e, "parity error on page translation"),
        (0x1f, "unknown 31"),
    ];

    /// FS as the registers hold it.
    fn spread(fs: u8) -> u32 {
        u32::from(fs & 0x10) << 6 | u32::from(fs & 0xf)
    }

    #[test]
    fn every_code_decodes_in_both_registers_whatever_stands_around_it() {
        for (fs, words) in TABLE {
            // Everything that is not FS, and nothing of it.
            for noise in [0, !spread(0x1f)] {
                let value = spread(fs) | noise;
                assert_eq!(DataFault::from_dfsr(value).status().to_string(), words, "{fs:#x}");
                assert_eq!(InstructionFault::from_ifsr(value).status().to_string(), words);
            }
        }
    }

    #[test]
    fn no_two_codes_decode_alike() {
        for (a, _) in TABLE {
            for (b, _) in TABLE {
                assert_eq!(FaultStatus::from_bits(a) == FaultStatus::from_bits(b), a == b);
            }
        }
    }

    #[test]
    fn asynchronous_are_the_two_imprecise_ones() {
        for (fs, words) in TABLE {
            assert_eq!(
                FaultStatus::from_bits(fs).is_asynchronous(),
                words.starts_with("imprecise")
            );
        }
    }

    #[test]
    fn each_other_field_is_its_own_bits() {
        assert!(DataFault::from_dfsr(1 << 11).is_write());
        assert!(!DataFault::from_dfsr(!(1 << 11)).is_write());
        assert!(DataFault::from_dfsr(1 << 13).is_cache_maintenance());
        assert!(!DataFault::from_dfsr(1 << 13 | 1 << 11).is_write());
        assert!(DataFault::from_dfsr(1 << 12).external_type());
        assert!(InstructionFault::from_ifsr(1 << 12).external_type());
        for domain in 0..16 {
            assert_eq!(DataFault::from_dfsr(u32::from(domain) << 4).domain(), domain);
        }
        assert_eq!(DataFault::from_dfsr(0xffff_ff0f).domain(), 0);
    }

    #[test]
    fn faults_print_status_access_and_register() {
        for (dfsr, text) in [
            (0x005, "section translation fault on read (DFSR 0x005)"),
            (0x817, "page translation fault on write (DFSR 0x817)"),
            (0x80d, "section permission fault on write (DFSR 0x80d)"),
            (0x2807, "page translation fault on cache maintenance (DFSR 0x2807)"),
            (0x1406, "imprecise external abort on read (DFSR 0x1406)"),
        ] {
            assert_eq!(DataFault::from_dfsr(dfsr).to_string(), text);
        }
        assert_eq!(
            InstructionFault::from_ifsr(0x00d).to_string(),
            "section permission fault (IFSR 0x00d)"
        );
    }
}
