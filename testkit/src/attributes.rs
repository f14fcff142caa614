//! What a descriptor says of memory: its type, who may do what, and to whom an entry belongs.
//!
//! Types come out of PRRR and NMRR, as the hardware finds them (*ARM DDI 0406C, B3.8.3*, and *B4.1*, NMRR and PRRR), and
//! not out of a list of names.

use std::fmt;

/// PRRR as the kernel, like Linux, programs it.
pub const PRRR: u32 = 0xff0a_81a8;
/// NMRR as the kernel, like Linux, programs it.
pub const NMRR: u32 = 0x40e0_40e0;

/// The type of memory (*ARM DDI 0406C, A3.5*).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemoryType {
    /// Accesses as written, one after the other.
    StronglyOrdered,
    /// A device's registers.
    Device,
    /// Normal, in no cache.
    NonCacheable,
    /// Normal, cached, stores go through.
    WriteThrough,
    /// Normal, cached, written back. Whether a write miss fills a line is a hint, and makes no other type
    /// (*ARM DDI 0406C, A3.5.7*).
    WriteBack,
}

impl MemoryType {
    /// What `TEX[0]`, C and B select: an index from 0 to 7, of which higher bits are ignored.
    #[must_use]
    pub const fn from_index(index: u32) -> Self {
        let index = index & 0b111;
        // Index 6 is implementation defined whatever PRRR says; what it says is strongly-ordered.
        match (PRRR >> (2 * index)) & 0b11 {
            0b01 => Self::Device,
            0b10 => match (NMRR >> (2 * index)) & 0b11 {
                0b00 => Self::NonCacheable,
                0b10 => Self::WriteThrough,
                _ => Self::WriteBack,
            },
            // 0b11 is reserved.
            _ => Self::StronglyOrdered,
        }
    }

    /// May a data cache hold it?
    #[must_use]
    pub const fn is_cacheable(self) -> bool {
        matches!(self, Self::WriteThrough | Self::WriteBack)
    }

    /// Do speculative reads disturb it?
    #[must_use]
    pub const fn is_device(self) -> bool {
        matches!(self, Self::Device | Self::StronglyOrdered)
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StronglyOrdered => "strongly-ordered",
            Self::Device => "device",
            Self::NonCacheable => "non-cacheable",
            Self::WriteThrough => "write-through",
            Self::WriteBack => "write-back",
        })
    }
}

/// What the data side of one mode may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Access {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}

/// All that a leaf says besides where it leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Attributes {
    /// The type.
    pub memory: MemoryType,
    /// Is it shared among CPUs? Strongly-ordered memory always is.
    pub shareable: bool,
    /// What privileged code may do.
    pub privileged: Access,
    /// What user mode may do.
    pub user: Access,
    /// May privileged code be fetched from it? Neither XN nor PXN, and readable.
    pub privileged_execute: bool,
    /// May user code be fetched from it? No XN, and readable.
    pub user_execute: bool,
    /// Does it belong to all address spaces (nG clear)?
    pub global: bool,
    /// Its domain, 0 to 15.
    pub domain: u8,
}

/// The bits of a leaf, wherever its format keeps them.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    pub(crate) tex0_c_b: u32,
    pub(crate) shareable: bool,
    pub(crate) apx_ap: u32,
    pub(crate) execute_never: bool,
    pub(crate) privileged_execute_never: bool,
    pub(crate) not_global: bool,
    pub(crate) domain: u8,
}

impl Attributes {
    pub(crate) fn new(fields: Fields) -> Self {
        let memory = MemoryType::from_index(fields.tex0_c_b);
        let shareable = match memory {
            MemoryType::StronglyOrdered => true,
            // PRRR.DS1, DS0 and NS1, NS0: the descriptor's bit selects one of them.
            MemoryType::Device => (PRRR >> (16 + u32::from(fields.shareable))) & 1 != 0,
            _ => (PRRR >> (18 + u32::from(fields.shareable))) & 1 != 0,
        };
        let (privileged, user) = access(fields.apx_ap);
        Self {
            memory,
            shareable,
            privileged,
            user,
            privileged_execute: privileged != Access::None
                && !fields.execute_never
                && !fields.privileged_execute_never,
            user_execute: user != Access::None && !fields.execute_never,
            global: !fields.not_global,
            domain: fields.domain,
        }
    }

    /// Are the two the same memory type, as far as a mismatch goes (*ARM DDI 0406C, A3.5.7*)?
    #[must_use]
    pub fn same_type(&self, other: &Self) -> bool {
        self.memory == other.memory && self.shareable == other.shareable
    }

    /// May somebody write and run it?
    #[must_use]
    pub fn is_writable_and_executable(&self) -> bool {
        (self.privileged == Access::ReadWrite && self.privileged_execute)
            || (self.user == Access::ReadWrite && self.user_execute)
    }
}

/// AP\[2:0\] with SCTLR.AFE clear (*ARM DDI 0406C, B3.7.1*), privileged and user.
fn access(apx_ap: u32) -> (Access, Access) {
    use Access::{None, Read, ReadWrite};
    match apx_ap {
        0b001 => (ReadWrite, None),
        0b010 => (ReadWrite, Read),
        0b011 => (ReadWrite, ReadWrite),
        0b101 => (Read, None),
        0b110 | 0b111 => (Read, Read),
        // 0b100 is reserved.
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryType::*;
    use super::*;

    #[test]
    fn the_registers_say_what_linux_means() {
        let types: Vec<_> = (0..8).map(MemoryType::from_index).collect();
        let expected = [
            StronglyOrdered,
            NonCacheable,
            WriteThrough,
            WriteBack,
            Device,
            StronglyOrdered,
            StronglyOrdered,
            WriteBack,
        ];
        assert_eq!(types, expected);
    }
}
