//! What a mapping means: the type of its memory, and what the kernel may do there.
//!
//! Linux's `pgprot_t`. There is no way to say *writable and executable*: T3 of `docs/model.md`.

use core::fmt;

/// The type of memory, as ARMv7 tells them apart (*ARM DDI 0406C, A3.5*).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemoryType {
    /// Normal, write-back and write-allocate, shareable: all memory that only CPUs look at.
    WriteBack,
    /// Normal, not cached: coherent DMA memory, and frame buffers whose writes may be gathered.
    WriteCombine,
    /// Device: accesses happen once, in order, with the size that was asked for. Never executable.
    Device,
    /// Strongly-ordered: as a device, and every access waits for the one before.
    StronglyOrdered,
}

/// The bits that tell the types apart in a record.
pub(super) const MEMORY_BITS: u32 = 0x3;

impl MemoryType {
    /// The type whose number is in the lowest bits.
    #[inline(always)]
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits & MEMORY_BITS {
            0 => Self::WriteBack,
            1 => Self::WriteCombine,
            2 => Self::Device,
            _ => Self::StronglyOrdered,
        }
    }
}

// `from_bits` reads back what `as u32` wrote.
const _: () = {
    use MemoryType::{Device, StronglyOrdered, WriteBack, WriteCombine};
    assert!(WriteBack as u32 == 0 && WriteCombine as u32 == 1);
    assert!(Device as u32 == 2 && StronglyOrdered as u32 == 3);
};

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WriteBack => "write-back",
            Self::WriteCombine => "write-combine",
            Self::Device => "device",
            Self::StronglyOrdered => "strongly-ordered",
        })
    }
}

/// What the kernel may do with a mapping. User mode may do nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rights {
    /// Read and write.
    ReadWrite,
    /// Read.
    Read,
    /// Read and execute.
    ReadExecute,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadWrite => "rw",
            Self::Read => "ro",
            Self::ReadExecute => "rx",
        })
    }
}

/// Type and rights of a mapping of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Prot {
    /// The type of the memory.
    pub memory: MemoryType,
    /// What the kernel may do there.
    pub rights: Rights,
}

impl Prot {
    /// Memory: Linux's `PAGE_KERNEL`.
    pub const KERNEL: Self = Self { memory: MemoryType::WriteBack, rights: Rights::ReadWrite };
    /// Memory that is only read: `PAGE_KERNEL_RO`.
    pub const KERNEL_RO: Self = Self { memory: MemoryType::WriteBack, rights: Rights::Read };
    /// Code: `PAGE_KERNEL_ROX`.
    pub const KERNEL_ROX: Self =
        Self { memory: MemoryType::WriteBack, rights: Rights::ReadExecute };
    /// Device registers: `ioremap`.
    pub const DEVICE: Self = Self { memory: MemoryType::Device, rights: Rights::ReadWrite };
    /// Memory of a device whose writes may be gathered: `ioremap_wc`, and coherent DMA memory.
    pub const WRITE_COMBINE: Self =
        Self { memory: MemoryType::WriteCombine, rights: Rights::ReadWrite };
    /// `pgprot_noncached`.
    pub const NONCACHED: Self =
        Self { memory: MemoryType::StronglyOrdered, rights: Rights::ReadWrite };
}

impl fmt::Display for Prot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.memory, self.rights)
    }
}
