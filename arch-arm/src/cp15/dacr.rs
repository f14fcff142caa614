//! DACR, Domain Access Control Register: whether permissions are checked at all.

use core::fmt;

super::fields! {
    /// Fields of [`DACR`](const@DACR). Every kernel mapping is in domain 0; the other fifteen are
    /// coded alike, two bits each, and stay without access.
    DACR [
        /// Domain 0.
        D0 OFFSET(0) NUMBITS(2) [
            /// Every access is a domain fault.
            NoAccess = 0,
            /// Permissions are checked.
            Client = 1,
            /// Permissions and XN are ignored. Never used.
            Manager = 3
        ]
    ]
}

super::cp15_register! {
    /// Domain Access Control Register.
    ///
    /// A write needs an `isb`; the TLB holds domain numbers, not this register, so no flush.
    DACR: DACR::Register, rw [p15 0 c3 c0 0]
}

/// What DACR lets a domain do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DomainAccess {
    /// Every access is a domain fault.
    None,
    /// Permissions are checked.
    Client,
    /// Reserved: like [`DomainAccess::None`] on the processors at hand, and nowhere promised.
    Reserved,
    /// Permissions and XN are ignored.
    Manager,
}

impl DomainAccess {
    /// What the value `dacr` lets `domain` do; of its bits the lowest four count.
    #[must_use]
    pub const fn of(dacr: u32, domain: u8) -> Self {
        match dacr >> (2 * (domain & 0xf)) & 0b11 {
            0b00 => Self::None,
            0b01 => Self::Client,
            0b10 => Self::Reserved,
            _ => Self::Manager,
        }
    }
}

impl fmt::Display for DomainAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no access: every access faults",
            Self::Client => "client: permissions are checked",
            Self::Reserved => "reserved setting",
            Self::Manager => "manager: permissions are ignored",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_of_domain_0_only_is_1() {
        assert_eq!(DACR::D0::Client.value, 1);
    }
}
