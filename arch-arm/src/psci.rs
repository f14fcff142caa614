//! PSCI, the Power State Coordination Interface: asking the firmware to turn the machine off.
//!
//! A call is a function number and up to three arguments in r0 to r3, by `hvc` or `smc`: the device
//! tree's `/psci` node says which in its property `method`. The wrong one is an undefined
//! instruction or goes to somebody else. The result comes in r0, negative for an error.
//!
//! *ARM DEN 0022D, Power State Coordination Interface*, sections 5.2.1, 5.2.4 and 5.1; calling
//! convention *ARM DEN 0028*.

use core::fmt;

/// The instruction that reaches the firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduit {
    /// `hvc`: the kernel runs under a hypervisor, or under QEMU acting as one.
    Hvc,
    /// `smc`: the firmware is in the Secure world.
    Smc,
}

/// What the firmware said instead of doing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The function does not exist here.
    NotSupported,
    /// An argument is out of range.
    InvalidParameters,
    /// The caller may not do that.
    Denied,
    /// The CPU is on.
    AlreadyOn,
    /// The CPU is being turned on.
    OnPending,
    /// The firmware failed.
    InternalFailure,
    /// There is no such CPU.
    NotPresent,
    /// The CPU cannot be used.
    Disabled,
    /// The address is not one to start at.
    InvalidAddress,
    /// A number that the specification does not know.
    Unknown(i32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotSupported => "not supported",
            Self::InvalidParameters => "invalid parameters",
            Self::Denied => "denied",
            Self::AlreadyOn => "already on",
            Self::OnPending => "on pending",
            Self::InternalFailure => "internal failure",
            Self::NotPresent => "not present",
            Self::Disabled => "disabled",
            Self::InvalidAddress => "invalid address",
            Self::Unknown(code) => return write!(f, "PSCI: unknown error {code}"),
        };
        write!(f, "PSCI: {text}")
    }
}

impl core::error::Error for Error {}

/// The version of the interface, since 0.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version {
    /// Changes when functions change their meaning.
    pub major: u16,
    /// Changes when functions are added.
    pub minor: u16,
}

impl Version {
    /// From PSCI_VERSION's result: major in the upper half, minor in the lower.
    #[cfg(any(target_arch = "arm", test))]
    const fn from_result(value: u32) -> Self {
        Self { major: (value >> 16) as u16, minor: value as u16 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The result in r0 as the specification reads it.
#[cfg(any(target_arch = "arm", test))]
const fn decode(r0: u32) -> Result<u32, Error> {
    Err(match r0.cast_signed() {
        0.. => return Ok(r0),
        -1 => Error::NotSupported,
        -2 => Error::InvalidParameters,
        -3 => Error::Denied,
        -4 => Error::AlreadyOn,
        -5 => Error::OnPending,
        -6 => Error::InternalFailure,
        -7 => Error::NotPresent,
        -8 => Error::Disabled,
        -9 => Error::InvalidAddress,
        code => Error::Unknown(code),
    })
}

#[cfg(target_arch = "arm")]
pub use calls::*;

#[cfg(target_arch = "arm")]
mod calls {
    use super::{Conduit, Error, Version, decode};
    use core::arch::asm;

    const PSCI_VERSION: u32 = 0x8400_0000;
    const SYSTEM_OFF: u32 = 0x8400_0008;
    const SYSTEM_RESET: u32 = 0x8400_0009;

    /// Calls a function that takes no arguments.
    fn call(conduit: Conduit, function: u32) -> u32 {
        let result;
        // The convention leaves r0 to r3 to the firmware and preserves the rest; r12, lr and the
        // flags are given up besides, since they cost nothing.
        macro_rules! conduit {
            ($extension:literal, $instruction:literal) => {
                // SAFETY: the functions of this module take no address and return, or do not
                // return; memory is clobbered, for the firmware may look at it.
                unsafe {
                    asm!(
                        $extension,
                        $instruction,
                        inout("r0") function => result,
                        inout("r1") 0 => _,
                        inout("r2") 0 => _,
                        inout("r3") 0 => _,
                        out("r12") _,
                        out("lr") _,
                        options(nostack),
                    )
                }
            };
        }
        match conduit {
            Conduit::Hvc => conduit!(".arch_extension virt", "hvc #0"),
            Conduit::Smc => conduit!(".arch_extension sec", "smc #0"),
        }
        result
    }

    /// The version that the firmware implements; [`Error::NotSupported`] before 0.2.
    pub fn version(conduit: Conduit) -> Result<Version, Error> {
        decode(call(conduit, PSCI_VERSION)).map(Version::from_result)
    }

    /// Turns the machine off. Returns only if that failed, with the reason.
    pub fn system_off(conduit: Conduit) -> Error {
        refusal(call(conduit, SYSTEM_OFF))
    }

    /// Resets the machine. Returns only if that failed, with the reason.
    pub fn system_reset(conduit: Conduit) -> Error {
        refusal(call(conduit, SYSTEM_RESET))
    }

    /// Why a call came back that should not have. "Success" is no reason.
    fn refusal(r0: u32) -> Error {
        decode(r0).err().unwrap_or(Error::Unknown(r0.cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_from_zero_up_are_values() {
        assert_eq!(decode(0), Ok(0));
        assert_eq!(decode(0x7fff_ffff), Ok(0x7fff_ffff));
        assert_eq!(Version::from_result(0x0001_0001).to_string(), "1.1");
        assert_eq!(Version::from_result(2), Version { major: 0, minor: 2 });
    }

    #[test]
    fn negative_results_are_the_specifications_errors() {
        let errors = [
            Error::NotSupported,
            Error::InvalidParameters,
            Error::Denied,
            Error::AlreadyOn,
            Error::OnPending,
            Error::InternalFailure,
            Error::NotPresent,
            Error::Disabled,
            Error::InvalidAddress,
        ];
        for (code, error) in (1..=9).map(|n: i32| -n).zip(errors) {
            assert_eq!(decode(code.cast_unsigned()), Err(error));
        }
        assert_eq!(decode((-10_i32).cast_unsigned()), Err(Error::Unknown(-10)));
        assert_eq!(decode(0x8000_0000), Err(Error::Unknown(i32::MIN)));
        assert_eq!(Error::Unknown(-10).to_string(), "PSCI: unknown error -10");
        assert_eq!(Error::Denied.to_string(), "PSCI: denied");
    }
}
