//! The CPU's registers, as numbers and in words.

use core::fmt;

use arch_arm::banked::{self, Banked};
use arch_arm::cp15::actlr::Actlr;
use arch_arm::cp15::clidr::Clidr;
use arch_arm::cp15::contextidr::Contextidr;
use arch_arm::cp15::ctr::Ctr;
use arch_arm::cp15::dacr::Dacr;
use arch_arm::cp15::id_mmfr0::IdMmfr0;
use arch_arm::cp15::id_pfr1::IdPfr1;
use arch_arm::cp15::midr::Midr;
use arch_arm::cp15::mpidr::Mpidr;
use arch_arm::cp15::nmrr::Nmrr;
use arch_arm::cp15::prrr::Prrr;
use arch_arm::cp15::sctlr::Sctlr;
use arch_arm::cp15::ttbcr::Ttbcr;
use arch_arm::cp15::ttbr0::Ttbr;
use arch_arm::cp15::{
    ACTLR, CLIDR, CONTEXTIDR, CTR, DACR, DFAR, DFSR, ID_MMFR0, ID_PFR1, IFAR, IFSR, MIDR, MPIDR,
    NMRR, PRRR, SCTLR, TPIDRPRW, TPIDRURO, TPIDRURW, TTBCR, TTBR0, TTBR1, VBAR,
};
use arch_arm::trap::{DataFault, InstructionFault, Mode};
use monitor::argument::Args;
use tock_registers::interfaces::Readable;

use super::Kernel;
use super::failure::Failure;
use crate::console::println;

pub fn regs(_: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let psr = banked::cpsr();
    line("CPSR", psr.as_u32(), psr);
    line("sp_svc", banked::sp(), "the mode of all kernel code");
    for Banked { mode, sp, lr, spsr } in banked::read() {
        let name = match mode {
            Mode::User | Mode::System => "sp_usr",
            Mode::Fiq => "sp_fiq",
            Mode::Irq => "sp_irq",
            Mode::Abort => "sp_abt",
            Mode::Undefined => "sp_und",
            Mode::Svc | Mode::Monitor | Mode::Hyp => continue,
        };
        match spsr {
            Some(spsr) => {
                line(name, sp, format_args!("lr {lr:#010x}, SPSR {:#010x}", spsr.as_u32()))
            }
            None => line(name, sp, format_args!("lr {lr:#010x}")),
        }
    }
    control();
    faults();
    identification();
    line("VBAR", VBAR.get(), "vectors, while SCTLR.V is 0");
    line("CONTEXTIDR", CONTEXTIDR.get(), Contextidr(CONTEXTIDR.get()));
    line("TPIDRPRW", TPIDRPRW.get(), "the kernel's word");
    line("TPIDRURO", TPIDRURO.get(), "user mode reads it");
    line("TPIDRURW", TPIDRURW.get(), "user mode writes it");
    Ok(())
}

fn control() {
    line("SCTLR", SCTLR.get(), Sctlr(SCTLR.get()));
    line("ACTLR", ACTLR.get(), Actlr(ACTLR.get()));
    line("TTBR0", TTBR0.get(), Ttbr(TTBR0.get()));
    line("TTBR1", TTBR1.get(), Ttbr(TTBR1.get()));
    line("TTBCR", TTBCR.get(), Ttbcr(TTBCR.get()));
    line("DACR", DACR.get(), Dacr(DACR.get()));
    line("PRRR", PRRR.get(), Prrr(PRRR.get()));
    line("NMRR", NMRR.get(), Nmrr(NMRR.get()));
}

/// The last fault of each kind; 0 is no fault's status, and what reset leaves.
fn faults() {
    const NONE: &str = "no fault yet";
    match DFSR.get() {
        0 => line("DFSR", 0, NONE),
        dfsr => {
            let fault = DataFault::from_dfsr(dfsr);
            let access = if fault.is_write() { "write" } else { "read" };
            line("DFSR", dfsr, format_args!("last data abort: {} on {access}", fault.status()));
        }
    }
    line("DFAR", DFAR.get(), "its address");
    match IFSR.get() {
        0 => line("IFSR", 0, NONE),
        ifsr => {
            let status = InstructionFault::from_ifsr(ifsr).status();
            line("IFSR", ifsr, format_args!("last prefetch abort: {status}"));
        }
    }
    line("IFAR", IFAR.get(), "its address");
}

fn identification() {
    line("MIDR", MIDR.get(), Midr(MIDR.get()));
    line("MPIDR", MPIDR.get(), Mpidr(MPIDR.get()));
    line("CTR", CTR.get(), Ctr(CTR.get()));
    line("CLIDR", CLIDR.get(), Clidr(CLIDR.get()));
    line("ID_PFR1", ID_PFR1.get(), IdPfr1(ID_PFR1.get()));
    line("ID_MMFR0", ID_MMFR0.get(), IdMmfr0(ID_MMFR0.get()));
}

fn line(name: &str, value: u32, words: impl fmt::Display) {
    println!("{name:<10} {value:#010x}  {words}");
}
