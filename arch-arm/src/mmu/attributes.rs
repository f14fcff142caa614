//! What a mapping means: memory type, access rights, execution, shareability, domain.
//!
//! These are the meanings; [`super::descriptor`] knows in which bit of which word each one lies.
//!
//! Invariant: every bit pattern has a meaning here, the reserved ones too, so that a walker can
//! report whatever it finds; [`Attributes::check`] keeps the meaningless ones from being mapped.

use core::fmt;

pub use super::memory_type::{MemoryType, NMRR, PRRR};

/// What one privilege level may do with the data of a mapping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Rights {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}

/// Access permissions: AP\[2:0\] with `SCTLR.AFE = 0`; the discriminant is those three bits.
///
/// Source: ARM DDI 0406C, B3.7.1, the table of VMSAv7 MMU access permissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Access {
    /// Nobody may touch it.
    None = 0b000,
    /// The kernel reads and writes; user mode may not touch it.
    KernelReadWrite = 0b001,
    /// The kernel reads and writes; user mode reads.
    KernelReadWriteUserRead = 0b010,
    /// Both read and write.
    ReadWrite = 0b011,
    /// Reserved: what the CPU allows is not known.
    Reserved = 0b100,
    /// The kernel reads; user mode may not touch it.
    KernelRead = 0b101,
    /// Both read. The architecture deprecates this encoding: use [`Access::Read`].
    ReadDeprecated = 0b110,
    /// Both read.
    Read = 0b111,
}

impl Access {
    /// The access that AP\[2:0\] selects. Higher bits of `ap` are ignored.
    #[must_use]
    pub const fn from_bits(ap: u32) -> Self {
        match ap & 0b111 {
            0b000 => Self::None,
            0b001 => Self::KernelReadWrite,
            0b010 => Self::KernelReadWriteUserRead,
            0b011 => Self::ReadWrite,
            0b100 => Self::Reserved,
            0b101 => Self::KernelRead,
            0b110 => Self::ReadDeprecated,
            _ => Self::Read,
        }
    }

    /// AP\[2:0\].
    #[must_use]
    pub const fn bits(self) -> u32 {
        self as u32
    }

    /// What privileged code may do. For [`Access::Reserved`] the worst is assumed.
    #[must_use]
    pub const fn privileged(self) -> Rights {
        match self {
            Self::None => Rights::None,
            Self::KernelReadWrite
            | Self::KernelReadWriteUserRead
            | Self::ReadWrite
            | Self::Reserved => Rights::ReadWrite,
            Self::KernelRead | Self::ReadDeprecated | Self::Read => Rights::Read,
        }
    }

    /// What user mode may do. For [`Access::Reserved`] the worst is assumed.
    #[must_use]
    pub const fn user(self) -> Rights {
        match self {
            Self::None | Self::KernelReadWrite | Self::KernelRead => Rights::None,
            Self::KernelReadWriteUserRead | Self::ReadDeprecated | Self::Read => Rights::Read,
            Self::ReadWrite | Self::Reserved => Rights::ReadWrite,
        }
    }
}

/// May instructions be fetched by whoever may read? The XN bit.
///
/// XN never grants anything: without the right to read, a fetch faults whatever XN says
/// (ARM DDI 0406C, B3.7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Execute {
    /// XN = 0.
    Allowed,
    /// XN = 1.
    Never,
}

/// A domain number, 0 to 15 (ARM DDI 0406C, B3.7.3).
///
/// Sections and second-level tables name a domain; pages have their table's, supersections are
/// always in domain 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Domain(u8);

impl Domain {
    /// The domain of every kernel mapping, devices included, held as a client.
    ///
    /// Linux puts device mappings in domain 2. Nothing is ever done to that domain, and one
    /// domain fewer lets devices and memory share a second-level table.
    pub const KERNEL: Self = Self(0);

    /// Domain `number`; `None` above 15.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < 16 { Some(Self(number)) } else { None }
    }

    /// The domain in the low four bits of `bits`.
    pub(super) const fn from_low_bits(bits: u32) -> Self {
        Self((bits & 0xf) as u8)
    }

    /// The number, 0 to 15.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What every leaf descriptor says about its memory, whatever its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct LeafAttributes {
    /// How the memory is cached and ordered.
    pub memory_type: MemoryType,
    /// Who may read and write.
    pub access: Access,
    /// May it be executed?
    pub execute: Execute,
    /// The S bit: other CPUs see the same memory. With [`PRRR`] it counts for Normal and Device.
    pub shareable: bool,
    /// The translation holds for every ASID (the nG bit is 0).
    pub global: bool,
}

/// What a mapping means: the leaf's own attributes, and the domain it is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Attributes {
    /// The part that lies in the leaf descriptor itself.
    pub leaf: LeafAttributes,
    /// The part that, for pages, lies in the descriptor of their table.
    pub domain: Domain,
}

impl Attributes {
    /// Kernel text: read and execute.
    pub const KERNEL_TEXT: Self =
        Self::kernel(MemoryType::WriteAllocate, Access::KernelRead, Execute::Allowed);
    /// Kernel constants: read only.
    pub const KERNEL_RODATA: Self =
        Self::kernel(MemoryType::WriteAllocate, Access::KernelRead, Execute::Never);
    /// Kernel data and the linear map: read and write.
    pub const KERNEL_DATA: Self =
        Self::kernel(MemoryType::WriteAllocate, Access::KernelReadWrite, Execute::Never);
    /// Writable and executable: for the early table, which is gone before the W+X check, and to
    /// plant what that check must find.
    pub const KERNEL_RWX: Self =
        Self::kernel(MemoryType::WriteAllocate, Access::KernelReadWrite, Execute::Allowed);
    /// Device registers. Never executable: a speculative fetch would read them.
    pub const DEVICE: Self =
        Self::kernel(MemoryType::Device, Access::KernelReadWrite, Execute::Never);
    /// Normal memory without caching, also what a write-combining device window uses.
    pub const NORMAL_NC: Self =
        Self::kernel(MemoryType::NormalNonCacheable, Access::KernelReadWrite, Execute::Never);
    /// Buffers that a device and the CPU share without cache maintenance.
    pub const DMA_COHERENT: Self = Self::NORMAL_NC;
    /// The window on the device tree: read only.
    pub const DTB: Self = Self::KERNEL_RODATA;
    /// The page of the exception vectors. User mode reads and executes it too: the helpers at its
    /// end (`0xffff0fc0` and on) are part of the Linux ABI.
    pub const VECTORS: Self =
        Self::kernel(MemoryType::WriteAllocate, Access::Read, Execute::Allowed);

    /// A global, shareable mapping in the kernel's domain.
    const fn kernel(memory_type: MemoryType, access: Access, execute: Execute) -> Self {
        Self {
            leaf: LeafAttributes { memory_type, access, execute, shareable: true, global: true },
            domain: Domain::KERNEL,
        }
    }

    /// May these attributes be mapped?
    ///
    /// # Errors
    ///
    /// See [`AttributesError`].
    pub const fn check(&self) -> Result<(), AttributesError> {
        let LeafAttributes { memory_type, access, execute, .. } = self.leaf;
        if matches!(memory_type, MemoryType::Unused | MemoryType::ImplementationDefined) {
            return Err(AttributesError::MemoryType(memory_type));
        }
        if matches!(access, Access::Reserved) {
            return Err(AttributesError::Access(access));
        }
        if matches!(memory_type, MemoryType::StronglyOrdered | MemoryType::Device)
            && matches!(execute, Execute::Allowed)
        {
            return Err(AttributesError::ExecutableDevice(memory_type));
        }
        Ok(())
    }
}

/// Attributes that no mapping may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttributesError {
    /// The memory type has no defined meaning.
    MemoryType(MemoryType),
    /// The access permissions are reserved.
    Access(Access),
    /// Device or strongly-ordered memory without XN: the CPU may fetch from it speculatively.
    ExecutableDevice(MemoryType),
}

impl fmt::Display for AttributesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryType(memory_type) => {
                write!(
                    f,
                    "memory type {memory_type:?} (TEX[0]:C:B = {:#05b}) has no defined meaning",
                    memory_type.index()
                )
            }
            Self::Access(access) => {
                write!(f, "access permissions AP[2:0] = {:#05b} are reserved", access.bits())
            }
            Self::ExecutableDevice(memory_type) => {
                write!(f, "{memory_type:?} memory must be execute-never")
            }
        }
    }
}

impl core::error::Error for AttributesError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// ARM DDI 0406C, B3.7.1, copied row by row: AP[2], AP[1:0], privileged, user.
    #[test]
    fn access_rights_are_those_of_the_manuals_table() {
        use Rights::{None, Read, ReadWrite};
        let table = [
            (0b000, None, None),
            (0b001, ReadWrite, None),
            (0b010, ReadWrite, Read),
            (0b011, ReadWrite, ReadWrite),
            (0b101, Read, None),
            (0b110, Read, Read),
            (0b111, Read, Read),
        ];
        for (ap, privileged, user) in table {
            let access = Access::from_bits(ap);
            assert_eq!((access.privileged(), access.user()), (privileged, user), "AP {ap:03b}");
            assert_eq!(access.bits(), ap);
        }
        assert_eq!(Access::from_bits(0b100), Access::Reserved);
        assert_eq!(Access::Reserved.bits(), 0b100);
    }

    #[test]
    fn meaningless_attributes_are_refused_by_name() {
        let mut device = Attributes::DEVICE;
        device.leaf.execute = Execute::Allowed;
        assert_eq!(device.check(), Err(AttributesError::ExecutableDevice(MemoryType::Device)));

        let mut data = Attributes::KERNEL_DATA;
        data.leaf.memory_type = MemoryType::ImplementationDefined;
        assert_eq!(
            data.check().unwrap_err().to_string(),
            "memory type ImplementationDefined (TEX[0]:C:B = 0b110) has no defined meaning"
        );
        data = Attributes::KERNEL_DATA;
        data.leaf.access = Access::Reserved;
        assert_eq!(
            data.check().unwrap_err().to_string(),
            "access permissions AP[2:0] = 0b100 are reserved"
        );
        assert_eq!(Attributes::KERNEL_RWX.check(), Ok(()));
    }

    /// With AP[0] set in all of them, the words mean the same under `SCTLR.AFE = 1`, where AP[0]
    /// is the access flag: decision 0005 relies on it.
    #[test]
    fn every_named_mapping_has_ap0_set() {
        for attributes in [
            Attributes::KERNEL_TEXT,
            Attributes::KERNEL_RODATA,
            Attributes::KERNEL_DATA,
            Attributes::KERNEL_RWX,
            Attributes::DEVICE,
            Attributes::NORMAL_NC,
            Attributes::DMA_COHERENT,
            Attributes::DTB,
            Attributes::VECTORS,
        ] {
            assert_eq!(attributes.leaf.access.bits() & 1, 1);
            assert_eq!(attributes.check(), Ok(()));
        }
    }
}
