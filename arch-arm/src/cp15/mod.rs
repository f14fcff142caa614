//! The system registers, coprocessor 15: one typed register a file.
//!
//! Each register is a zero-sized constant (`SCTLR`, `TTBR0` …) beside a module of the same name
//! that holds its bit fields, as in the `cortex-a` crate for AArch64; the traits and the bit fields
//! are `tock-registers`'. The fields and everything computed from them compile anywhere and are
//! tested on the host. The `mrc` and `mcr`, or `mrrc` and `mcrr`, themselves exist for ARM only.
//!
//! ```
//! # #[cfg(target_arch = "arm")]
//! fn allow_kernel_domain() {
//!     use arch_arm::{barrier, cp15::DACR};
//!     use tock_registers::interfaces::Writeable;
//!
//!     // SAFETY: 1. whatever is in use lies in domain 0; 2. the `isb` follows.
//!     unsafe { DACR.writer() }.write(DACR::D0::Client);
//!     barrier::isb();
//! }
//! ```
//!
//! Invariants:
//!
//! - Reading is safe: no register here has a read side effect. Writing one can pull the ground from
//!   under running code, so it takes a `Writer`, which only an `unsafe` block can make.
//! - No access is moved over a memory access by the compiler: the assembly counts as touching
//!   memory. So a page-table store stays before the write of the register that makes it matter.
//!   What the *processor* must have seen is a matter of [`crate::barrier`], and each register's
//!   documentation says which barrier a write needs. The one who writes issues it: several
//!   registers are often written before one `isb`.
//!
//! Encodings stand in each file in the order of the instruction, `coproc, opc1, CRn, CRm, opc2`
//! (*ARM DDI 0406C, B3.17, Organization of the CP15 registers in a VMSA implementation*); the
//! fields are from the register's own entry in *B4.1, VMSA System control registers descriptions*.
//! `docs/decisions/0004-cp15-registers.md` says why these are not taken from a crate.

/// Defines one CP15 register: `NAME: fields, access [coproc opc1 CRn CRm opc2]`, or of 64 bits
/// `NAME: fields, access64 [coproc opc1 CRm]`.
///
/// `ro` gives `Readable`; `rw` also gives an unsafe `writer()` whose value is `Writeable`.
macro_rules! cp15_register {
    (
        $(#[$doc:meta])*
        $name:ident: $fields:ty, ro [$cp:ident $opc1:literal $crn:ident $crm:ident $opc2:literal]
    ) => {
        #[doc = concat!("The type of [`", stringify!($name), "`](const@", stringify!($name), ").")]
        #[derive(Clone, Copy, Debug)]
        pub struct Reg;

        $(#[$doc])*
        #[doc = concat!(
            "\n\nEncoding: `", stringify!($cp), ", ", $opc1, ", <Rt>, ", stringify!($crn), ", ",
            stringify!($crm), ", ", $opc2, "`."
        )]
        pub const $name: Reg = Reg;

        #[cfg(target_arch = "arm")]
        impl tock_registers::interfaces::Readable for Reg {
            type T = u32;
            type R = $fields;

            #[inline(always)]
            fn get(&self) -> u32 {
                let value: u32;
                // SAFETY: reading this register has no side effect. Without `nomem` the compiler
                // keeps the read in its place among memory accesses.
                unsafe {
                    core::arch::asm!(
                        concat!(
                            "mrc ", stringify!($cp), ", ", $opc1, ", {}, ", stringify!($crn), ", ",
                            stringify!($crm), ", ", $opc2
                        ),
                        out(reg) value,
                        options(nostack, preserves_flags),
                    );
                }
                value
            }
        }
    };
    (
        $(#[$doc:meta])*
        $name:ident: $fields:ty, rw [$cp:ident $opc1:literal $crn:ident $crm:ident $opc2:literal]
    ) => {
        $crate::cp15::cp15_register! {
            $(#[$doc])*
            $name: $fields, ro [$cp $opc1 $crn $crm $opc2]
        }

        $crate::cp15::cp15_writer! { $name: $fields, u32 }

        #[cfg(target_arch = "arm")]
        impl tock_registers::interfaces::Writeable for Writer {
            type T = u32;
            type R = $fields;

            #[inline(always)]
            fn set(&self, value: u32) {
                // SAFETY: whoever made this `Writer` promised that the value is sound (1) and that
                // the barriers follow (2). Without `nomem` the compiler keeps earlier stores before
                // the write and later ones after it.
                unsafe {
                    core::arch::asm!(
                        concat!(
                            "mcr ", stringify!($cp), ", ", $opc1, ", {}, ", stringify!($crn), ", ",
                            stringify!($crm), ", ", $opc2
                        ),
                        in(reg) value,
                        options(nostack, preserves_flags),
                    );
                }
            }
        }
    };
    (
        $(#[$doc:meta])*
        $name:ident: $fields:ty, ro64 [$cp:ident $opc1:literal $crm:ident]
    ) => {
        #[doc = concat!("The type of [`", stringify!($name), "`](const@", stringify!($name), ").")]
        #[derive(Clone, Copy, Debug)]
        pub struct Reg;

        $(#[$doc])*
        #[doc = concat!(
            "\n\nEncoding: `", stringify!($cp), ", ", $opc1, ", <Rt>, <Rt2>, ", stringify!($crm), "`."
        )]
        pub const $name: Reg = Reg;

        #[cfg(target_arch = "arm")]
        impl tock_registers::interfaces::Readable for Reg {
            type T = u64;
            type R = $fields;

            #[inline(always)]
            fn get(&self) -> u64 {
                let (low, high): (u32, u32);
                // SAFETY: reading this register has no side effect. Without `nomem` the compiler
                // keeps the read in its place among memory accesses.
                unsafe {
                    core::arch::asm!(
                        concat!(
                            "mrrc ", stringify!($cp), ", ", $opc1, ", {}, {}, ", stringify!($crm)
                        ),
                        out(reg) low,
                        out(reg) high,
                        options(nostack, preserves_flags),
                    );
                }
                u64::from(high) << 32 | u64::from(low)
            }
        }
    };
    (
        $(#[$doc:meta])*
        $name:ident: $fields:ty, rw64 [$cp:ident $opc1:literal $crm:ident]
    ) => {
        $crate::cp15::cp15_register! {
            $(#[$doc])*
            $name: $fields, ro64 [$cp $opc1 $crm]
        }

        $crate::cp15::cp15_writer! { $name: $fields, u64 }

        #[cfg(target_arch = "arm")]
        impl tock_registers::interfaces::Writeable for Writer {
            type T = u64;
            type R = $fields;

            #[inline(always)]
            fn set(&self, value: u64) {
                // SAFETY: as for a register of 32 bits; `mcrr` writes both words at once.
                unsafe {
                    core::arch::asm!(
                        concat!(
                            "mcrr ", stringify!($cp), ", ", $opc1, ", {}, {}, ", stringify!($crm)
                        ),
                        in(reg) value as u32,
                        in(reg) (value >> 32) as u32,
                        options(nostack, preserves_flags),
                    );
                }
            }
        }
    };
}
use cp15_register;

/// The handle of a register that can be written, and reading through it; the write itself differs.
macro_rules! cp15_writer {
    ($name:ident: $fields:ty, $word:ty) => {
        #[doc = concat!(
                            "Leave to write [`", stringify!($name), "`](const@", stringify!($name),
                            "), from [`Reg::writer`]."
                        )]
        #[cfg(target_arch = "arm")]
        #[derive(Debug)]
        pub struct Writer(());

        #[cfg(target_arch = "arm")]
        impl Reg {
            /// A handle that can write the register.
            ///
            /// # Safety
            ///
            /// For each value written through the handle:
            ///
            /// 1. What running code relies on still holds afterwards: its own mapping, its stack
            ///    and data, memory types, the exception vectors, per-CPU pointers.
            /// 2. The caller issues the barriers that the register's documentation names.
            #[must_use]
            #[inline(always)]
            pub const unsafe fn writer(self) -> Writer {
                Writer(())
            }
        }

        #[cfg(target_arch = "arm")]
        impl tock_registers::interfaces::Readable for Writer {
            type T = $word;
            type R = $fields;

            #[inline(always)]
            fn get(&self) -> $word {
                Reg.get()
            }
        }
    };
}
use cp15_writer;

/// `register_bitfields!` for one 32-bit register.
///
/// It is here for one reason: what that macro generates around the fields cannot be documented, and
/// this is the single place that says so to the `missing_docs` lint.
macro_rules! fields {
    ($(#[$doc:meta])* $name:ident $fields:tt) => {
        tock_registers::register_bitfields! { u32,
            $(#[$doc])*
            #[allow(missing_docs, reason = "the macro's own constants carry no documentation")]
            pub $name $fields
        }
    };
}
pub(crate) use fields;

// Identification.
pub mod ccsidr;
pub mod clidr;
pub mod csselr;
pub mod ctr;
pub mod id_dfr0;
pub mod id_mmfr0;
pub mod id_pfr1;
pub mod midr;
pub mod mpidr;

// Control.
pub mod actlr;
pub mod sctlr;

// Translation.
pub mod contextidr;
pub mod dacr;
pub mod nmrr;
pub mod par;
pub mod prrr;
pub mod ttbcr;
pub mod ttbr0;
pub mod ttbr1;

// Faults and vectors.
pub mod dfar;
pub mod dfsr;
pub mod ifar;
pub mod ifsr;
pub mod vbar;

// Performance monitors.
pub mod pmcntenset;
pub mod pmcr;
pub mod pmovsr;
pub mod pmselr;
pub mod pmxevcntr;
pub mod pmxevtyper;

// Generic timer.
pub mod cntfrq;
pub mod cntp_ctl;
pub mod cntp_cval;
pub mod cntpct;
pub mod cntv_ctl;
pub mod cntv_cval;
pub mod cntvct;

// Software's own words.
pub mod tpidrprw;
pub mod tpidruro;
pub mod tpidrurw;

pub use self::{
    actlr::ACTLR, ccsidr::CCSIDR, clidr::CLIDR, cntfrq::CNTFRQ, cntp_ctl::CNTP_CTL,
    cntp_cval::CNTP_CVAL, cntpct::CNTPCT, cntv_ctl::CNTV_CTL, cntv_cval::CNTV_CVAL, cntvct::CNTVCT,
    contextidr::CONTEXTIDR, csselr::CSSELR, ctr::CTR, dacr::DACR, dfar::DFAR, dfsr::DFSR,
    id_dfr0::ID_DFR0, id_mmfr0::ID_MMFR0, id_pfr1::ID_PFR1, ifar::IFAR, ifsr::IFSR, midr::MIDR,
    mpidr::MPIDR, nmrr::NMRR, par::PAR, pmcntenset::PMCNTENSET, pmcr::PMCR, pmovsr::PMOVSR,
    pmselr::PMSELR, pmxevcntr::PMXEVCNTR, pmxevtyper::PMXEVTYPER, prrr::PRRR, sctlr::SCTLR,
    tpidrprw::TPIDRPRW, tpidruro::TPIDRURO, tpidrurw::TPIDRURW, ttbcr::TTBCR, ttbr0::TTBR0,
    ttbr1::TTBR1, vbar::VBAR,
};
