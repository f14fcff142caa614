//! CONTEXTIDR, Context ID Register: the ASID that tags this context's TLB entries.

use core::fmt;

super::fields! {
    /// Fields of [`CONTEXTIDR`](const@CONTEXTIDR) in the short-descriptor format.
    CONTEXTIDR [
        /// Process number, for debug and trace only.
        PROCID OFFSET(8) NUMBITS(24) [],
        /// Address space identifier. 0 is the kernel's own: no user context has it.
        ASID OFFSET(0) NUMBITS(8) []
    ]
}

super::cp15_register! {
    /// Context ID Register.
    ///
    /// A write needs an `isb`, and TTBR0 must not hold another context's table meanwhile: its
    /// entries would be tagged with the wrong ASID (*ARM DDI 0406C, B3.10.4*).
    CONTEXTIDR: CONTEXTIDR::Register, rw [p15 0 c13 c0 1]
}

/// A value of CONTEXTIDR, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contextidr(pub u32);

impl fmt::Display for Contextidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asid, process) = (CONTEXTIDR::ASID.read(self.0), CONTEXTIDR::PROCID.read(self.0));
        write!(f, "ASID {asid}, process {process}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asid_and_process_are_told() {
        assert_eq!(Contextidr(0x1234_56ff).to_string(), "ASID 255, process 1193046");
    }
}
