//! DACR, Domain Access Control Register: whether permissions are checked at all.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_of_domain_0_only_is_1() {
        assert_eq!(DACR::D0::Client.value, 1);
    }
}
