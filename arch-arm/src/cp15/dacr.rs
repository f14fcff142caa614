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

/// A value of DACR, in words: the domains that are open, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dacr(pub u32);

impl fmt::Display for Dacr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for domain in 0..16 {
            let access = match DomainAccess::of(self.0, domain) {
                DomainAccess::None => continue,
                DomainAccess::Client => "client",
                DomainAccess::Reserved => "reserved",
                DomainAccess::Manager => "manager",
            };
            write!(f, "domain {domain} {access}, ")?;
        }
        f.write_str(if self.0 == 0 { "no access at all" } else { "no other access" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_of_domain_0_only_is_1() {
        assert_eq!(DACR::D0::Client.value, 1);
    }

    #[test]
    fn every_domain_has_its_two_bits() {
        for domain in 0..16 {
            for (bits, access) in [
                (0, DomainAccess::None),
                (1, DomainAccess::Client),
                (2, DomainAccess::Reserved),
                (3, DomainAccess::Manager),
            ] {
                let shift = 2 * u32::from(domain);
                for around in [0, !(3 << shift)] {
                    assert_eq!(DomainAccess::of(around | bits << shift, domain), access);
                }
            }
        }
    }

    #[test]
    fn open_domains_are_told() {
        assert_eq!(Dacr(1).to_string(), "domain 0 client, no other access");
        assert_eq!(
            Dacr(0xc000_0004).to_string(),
            "domain 1 client, domain 15 manager, no other access"
        );
        assert_eq!(Dacr(0).to_string(), "no access at all");
    }
}
