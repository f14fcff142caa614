//! Asking the MMU itself how it translates an address, for reads or writes, as the kernel or as user
//! mode would.
//!
//! [`crate::mmu::walk`] reads the tables and says what they mean; this says what the processor makes
//! of them, TLB and permissions included. The two disagree when a flush is missing.
//!
//! *ARM DDI 0406C, B4.2.4, Virtual Address to Physical Address translation operations*; PAR *B4.1.112*.

use core::fmt;

use mm::addr::{PhysAddr, VirtAddr};
use tock_registers::LocalRegisterCopy;

use crate::cp15::par::PAR;
use crate::trap::{DataFault, FaultStatus};

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privilege {
    /// The kernel.
    Privileged,
    /// User mode.
    User,
}

/// What for. A fetch has no operation of its own: the MMU is not asked about XN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To read data.
    Read,
    /// To write data.
    Write,
}

/// Why an address has no translation for the purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TranslationFault {
    /// Why.
    pub status: FaultStatus,
    /// As [`DataFault::external_type`].
    pub external_type: bool,
}

impl fmt::Display for TranslationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)
    }
}

impl core::error::Error for TranslationFault {}

impl TranslationFault {
    /// From the six bits that PAR has of DFSR: EXT, FS\[4\], FS\[3:0\].
    fn from_bits(bits: u32) -> Self {
        let status = FaultStatus::from_bits((bits & 0x1f) as u8);
        Self { status, external_type: bits & 0x20 != 0 }
    }
}

/// Of an operation that aborted itself: memory refused the table walk.
impl From<DataFault> for TranslationFault {
    fn from(fault: DataFault) -> Self {
        Self { status: fault.status(), external_type: fault.external_type() }
    }
}

/// What `par` answers about `address`.
///
/// # Errors
///
/// The fault, if PAR.F is set.
pub fn decode(par: u32, address: VirtAddr) -> Result<PhysAddr, TranslationFault> {
    let fields = LocalRegisterCopy::<u32, PAR::Register>::new(par);
    if fields.is_set(PAR::F) {
        return Err(TranslationFault::from_bits(fields.read(PAR::FS)));
    }
    let virt = u64::from(address.as_u32());
    let phys = if fields.is_set(PAR::SS) {
        let base = u64::from(par & 0xff00_0000);
        let extended = u64::from(par >> 16 & 0xff) << 32;
        extended | base | virt & 0x00ff_ffff
    } else {
        u64::from(fields.read(PAR::PA)) << 12 | virt & 0xfff
    };
    Ok(PhysAddr::new(phys))
}

/// Where `address` leads for `purpose`. Any context; masks interrupts for a few instructions.
///
/// # Errors
///
/// See [`TranslationFault`]. No fault is raised, and the fault registers stay as they are, unless
/// memory refuses the walk.
#[cfg(target_arch = "arm")]
pub fn translate_at(
    address: VirtAddr,
    privilege: Privilege,
    purpose: Purpose,
) -> Result<PhysAddr, TranslationFault> {
    use crate::probe::may_fault;
    use core::arch::asm;

    macro_rules! ask {
        ($opc2:literal) => {{
            let par: u32;
            let (faulted, dfsr): (u32, u32);
            // SAFETY: the operation changes PAR and nothing else, and no exception comes between it
            // and the read. If it aborts, execution goes on behind the read with three registers
            // changed, which are outputs.
            unsafe {
                may_fault!(
                    concat!(
                        "mcr p15, 0, {address}, c7, c8, ", $opc2,
                        "\n isb",
                        "\n mrc p15, 0, {par}, c7, c4, 0"
                    ),
                    address = in(reg) address.as_u32(),
                    par = out(reg) par,
                    inout("r0") 0_u32 => faulted,
                    out("r1") dfsr,
                    out("r2") _,
                    options(nostack, preserves_flags),
                );
            }
            if faulted == 0 { decode(par, address) } else { Err(DataFault::from_dfsr(dfsr).into()) }
        }};
    }

    let _masked = crate::interrupt::mask();
    match (privilege, purpose) {
        (Privilege::Privileged, Purpose::Read) => ask!("0"), // ATS1CPR
        (Privilege::Privileged, Purpose::Write) => ask!("1"), // ATS1CPW
        (Privilege::User, Purpose::Read) => ask!("2"),       // ATS1CUR
        (Privilege::User, Purpose::Write) => ask!("3"),      // ATS1CUW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: VirtAddr = VirtAddr::new(0xc123_4567);

    #[test]
    fn a_page_or_section_gives_twenty_bits_of_the_address() {
        // Every attribute bit, and none.
        for noise in [0, 0x0000_0ffc] {
            let par = 0x4012_3000 | noise;
            assert_eq!(decode(par, ADDRESS), Ok(PhysAddr::new(0x4012_3567)));
        }
    }

    #[test]
    fn a_supersection_gives_eight_bits_and_eight_above_four_gib() {
        assert_eq!(decode(0x4100_0002, ADDRESS), Ok(PhysAddr::new(0x4123_4567)));
        assert_eq!(decode(0x4112_0ffe, ADDRESS), Ok(PhysAddr::new(0x12_4123_4567)));
    }

    #[test]
    fn every_fault_status_comes_out_of_its_bits() {
        for fs in 0..32 {
            for external_type in [false, true] {
                let status = FaultStatus::from_bits(fs);
                let expected = TranslationFault { status, external_type };
                let par = u32::from(fs) << 1 | u32::from(external_type) << 6 | 1;
                assert_eq!(decode(par, ADDRESS), Err(expected));
                assert_eq!(decode(par | 0xffff_ff80, ADDRESS), Err(expected));
                let fs = u32::from(fs);
                let dfsr = (fs & 0x10) << 6 | fs & 0xf | u32::from(external_type) << 12;
                assert_eq!(TranslationFault::from(DataFault::from_dfsr(dfsr)), expected);
            }
        }
        let fault = decode(0x0f, ADDRESS).unwrap_err();
        assert_eq!(fault.to_string(), "page translation fault");
    }
}
