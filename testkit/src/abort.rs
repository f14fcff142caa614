//! Data and prefetch aborts, as the fault status registers name them.
//!
//! *ARM DDI 0406C, B3.13.3, Fault status codes with the Short-descriptor translation table format*.

use std::fmt;

use mm::addr::VirtAddr;

/// What an access wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wanted {
    /// To read.
    Load,
    /// To write.
    Store,
    /// An instruction.
    Fetch,
    /// A cache operation by address.
    Maintenance,
}

/// Why it was not done: the value of FS.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Status {
    /// An address that is no multiple of the access's size.
    Alignment = 0x01,
    /// A fault at the first level.
    SectionTranslation = 0x05,
    /// A fault at the second level.
    PageTranslation = 0x07,
    /// There is no memory at the physical address.
    External = 0x08,
    /// The domain of a section allows nothing.
    SectionDomain = 0x09,
    /// The domain of a page allows nothing.
    PageDomain = 0x0b,
    /// There is no memory at the address of a first-level word.
    ExternalOnFirstWalk = 0x0c,
    /// A section does not allow it.
    SectionPermission = 0x0d,
    /// There is no memory at the address of a second-level word.
    ExternalOnSecondWalk = 0x0e,
    /// A page does not allow it.
    PagePermission = 0x0f,
}

/// An access that was not done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Abort {
    /// The CPU.
    pub cpu: usize,
    /// The address.
    pub virt: VirtAddr,
    /// What was wanted.
    pub wanted: Wanted,
    /// Why not.
    pub status: Status,
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, virt, wanted, status } = self;
        let code = *status as u8;
        write!(f, "CPU {cpu}: {wanted:?} at {virt} aborts: {status:?}, status {code:#04x}")
    }
}

impl std::error::Error for Abort {}
