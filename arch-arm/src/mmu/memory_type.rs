//! Memory types under TEX remap, and the registers that hold their table.
//!
//! With `SCTLR.TRE = 1` (ARM DDI 0406C, B3.8.3) the three bits TEX\[0\], C and B of a descriptor
//! are an index into eight memory types, which PRRR and NMRR describe.
//!
//! Invariant: both registers are computed from [`MemoryType`], so a type and its index cannot drift
//! apart.

/// One of the eight memory types that TEX\[0\], C and B select; the discriminant is that index.
///
/// The table is Linux's own for ARMv7, so words can be compared one to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum MemoryType {
    /// Accesses happen exactly as written, one after the other.
    StronglyOrdered = 0b000,
    /// Normal memory that no cache keeps; writes may be merged. DMA buffers, frame buffers.
    NormalNonCacheable = 0b001,
    /// Normal memory, cached, each write goes through.
    WriteThrough = 0b010,
    /// Normal memory, cached and written back, a write miss does not fill a line.
    WriteBack = 0b011,
    /// Device registers: writes may be buffered, nothing is merged, repeated or speculated.
    Device = 0b100,
    /// Unused. [`PRRR`] makes it strongly-ordered, so a stray word does the least harm.
    Unused = 0b101,
    /// Implementation defined by the architecture, whatever [`PRRR`] says.
    ImplementationDefined = 0b110,
    /// Normal memory, cached and written back, a write miss fills a line. All ordinary memory.
    WriteAllocate = 0b111,
}

/// A cache policy as one field of NMRR holds it.
#[derive(Clone, Copy)]
#[repr(u8)]
enum CachePolicy {
    NonCacheable = 0b00,
    WriteBackWriteAllocate = 0b01,
    WriteThrough = 0b10,
    WriteBackNoAllocate = 0b11,
}

/// The attribute of one index, as a TR field of PRRR holds it.
#[derive(Clone, Copy)]
enum Region {
    StronglyOrdered,
    Device,
    Normal(CachePolicy),
}

impl MemoryType {
    /// The type that the three bits TEX\[0\]:C:B select. Higher bits of `index` are ignored.
    #[must_use]
    pub const fn from_index(index: u32) -> Self {
        match index & 0b111 {
            0b000 => Self::StronglyOrdered,
            0b001 => Self::NormalNonCacheable,
            0b010 => Self::WriteThrough,
            0b011 => Self::WriteBack,
            0b100 => Self::Device,
            0b101 => Self::Unused,
            0b110 => Self::ImplementationDefined,
            _ => Self::WriteAllocate,
        }
    }

    /// The three bits TEX\[0\]:C:B, 0 to 7.
    #[must_use]
    pub const fn index(self) -> u32 {
        self as u32
    }

    const fn region(self) -> Region {
        match self {
            Self::StronglyOrdered | Self::Unused | Self::ImplementationDefined => {
                Region::StronglyOrdered
            }
            Self::Device => Region::Device,
            Self::NormalNonCacheable => Region::Normal(CachePolicy::NonCacheable),
            Self::WriteThrough => Region::Normal(CachePolicy::WriteThrough),
            Self::WriteBack => Region::Normal(CachePolicy::WriteBackNoAllocate),
            Self::WriteAllocate => Region::Normal(CachePolicy::WriteBackWriteAllocate),
        }
    }
}

/// What PRRR, the Primary Region Remap Register, must hold (ARM DDI 0406C, B4.1, PRRR).
///
/// | bits | field | meaning |
/// |---|---|---|
/// | 31:24 | NOS7–NOS0 | shareable means inner shareable |
/// | 19, 18 | NS1, NS0 | Normal memory is shareable when the descriptor's S bit is 1, 0 |
/// | 17, 16 | DS1, DS0 | the same for Device memory |
/// | 2n+1:2n | TRn | 00 strongly-ordered, 01 Device, 10 Normal |
pub const PRRR: u32 = primary_region_remap();

/// What NMRR, the Normal Memory Remap Register, must hold (ARM DDI 0406C, B4.1, NMRR).
///
/// | bits | field | meaning |
/// |---|---|---|
/// | 2n+17:2n+16 | ORn | outer cache policy of index n, where TRn says Normal |
/// | 2n+1:2n | IRn | inner cache policy, likewise |
pub const NMRR: u32 = normal_memory_remap();

const fn primary_region_remap() -> u32 {
    const ALL_INNER_SHAREABLE: u32 = 0xff << 24;
    const NS1: u32 = 1 << 19;
    const DS1: u32 = 1 << 17;
    let mut value = ALL_INNER_SHAREABLE | NS1 | DS1;
    let mut index = 0;
    while index < 8 {
        let field = match MemoryType::from_index(index).region() {
            Region::StronglyOrdered => 0b00,
            Region::Device => 0b01,
            Region::Normal(_) => 0b10,
        };
        value |= field << (2 * index);
        index += 1;
    }
    value
}

const fn normal_memory_remap() -> u32 {
    let mut value = 0;
    let mut index = 0;
    while index < 8 {
        if let Region::Normal(policy) = MemoryType::from_index(index).region() {
            value |= (policy as u32) << (2 * index) | (policy as u32) << (2 * index + 16);
        }
        index += 1;
    }
    value
}

// The values that Linux programs on ARMv7; the words of its tables only mean the same with these.
const _: () = assert!(PRRR == 0xff0a_81a8 && NMRR == 0x40e0_40e0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_type_is_its_index() {
        for index in 0..8 {
            assert_eq!(MemoryType::from_index(index).index(), index);
        }
    }

    /// The remap registers read back field by field, as the hardware reads them.
    #[test]
    fn the_remap_registers_say_what_each_type_is_called() {
        let expected = [
            (MemoryType::StronglyOrdered, 0b00, 0b00),
            (MemoryType::NormalNonCacheable, 0b10, 0b00),
            (MemoryType::WriteThrough, 0b10, 0b10),
            (MemoryType::WriteBack, 0b10, 0b11),
            (MemoryType::Device, 0b01, 0b00),
            (MemoryType::Unused, 0b00, 0b00),
            (MemoryType::WriteAllocate, 0b10, 0b01),
        ];
        for (memory_type, region, policy) in expected {
            let n = memory_type.index();
            assert_eq!(PRRR >> (2 * n) & 0b11, region, "{memory_type:?}");
            assert_eq!(NMRR >> (2 * n) & 0b11, policy, "{memory_type:?} inner");
            assert_eq!(NMRR >> (2 * n + 16) & 0b11, policy, "{memory_type:?} outer");
            assert_eq!(PRRR >> (24 + n) & 1, 1, "{memory_type:?} is inner shareable");
        }
    }
}
