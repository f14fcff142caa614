//! What is assumed when no device tree can be read: just enough to say why.
//!
//! The addresses are those of QEMU's `virt` board, the board this kernel is most often tried on.
//! On another board they may be anything, so a build for one leaves the feature
//! `fallback-console` out.

use mm::addr::{PhysAddr, PhysRange};

use crate::dt::{Conduit, Psci};

/// The PL011 to report on.
pub const CONSOLE: PhysRange =
    PhysRange::new(PhysAddr::new(0x0900_0000), PhysAddr::new(0x0900_1000));

/// How to switch the machine off.
pub const PSCI: Psci = Psci::standard(Conduit::Hvc);
