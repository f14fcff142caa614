//! The words of the short-descriptor format, decoded to enums and encoded back.
//!
//! Source of every bit position: ARM DDI 0406C, B3.5.1, *Short-descriptor translation table format
//! descriptors*, read with `SCTLR.TRE = 1` and `SCTLR.AFE = 0`.
//!
//! The round-trip contract, which the tests hold for every combination of non-address bits:
//!
//! 1. `decode` is total: each of the 2³² words is some entry.
//! 2. `decode(e.encode()) == e` for every entry `e`.
//! 3. `decode(w).encode() == w` for every word `w`, but for bits that the architecture makes
//!    hardware ignore, which are written as 0: bits 31:2 of a fault entry, and the should-be-zero
//!    bits, 4 of a table entry and 8:6 of a large page.
//!
//! Two things depend on the CPU. Type `0b11` in the first level is a section with PXN set; a CPU
//! without PXN takes it for a fault. The upper address bits of a supersection exist where the CPU
//! has more than 32 physical address bits. Cortex-A7 and Cortex-A15 have both.

use mm::addr::{PhysAddr, VirtAddr};

use super::attributes::{Access, Attributes, Domain, Execute, LeafAttributes, MemoryType};

/// log2 of the bytes that one first-level entry covers: 1 MiB.
pub const SECTION_SHIFT: u32 = 20;
/// Bytes that one first-level entry covers: a section, or a second-level table's worth.
pub const SECTION_SIZE: u32 = 1 << SECTION_SHIFT;
/// Entries in the first-level table.
pub const L1_ENTRIES: u32 = 4096;
/// Entries in a second-level table.
pub const L2_ENTRIES: u32 = 256;

/// A physical address that one kind of descriptor can hold: a multiple of 2^`SHIFT`, below
/// 2^`WIDTH`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Base<const SHIFT: u32, const WIDTH: u32>(PhysAddr);

/// Where the first-level table lies: 16 KiB aligned, as TTBR0 wants it while `TTBCR.N = 0`.
pub type RootBase = Base<14, 32>;
/// Where a second-level table lies: 1 KiB aligned.
pub type TableBase = Base<10, 32>;
/// What a section maps: 1 MiB aligned.
pub type SectionBase = Base<20, 32>;
/// What a supersection maps: 16 MiB aligned, up to 40 bits.
pub type SupersectionBase = Base<24, 40>;
/// What a large page maps: 64 KiB aligned.
pub type LargePageBase = Base<16, 32>;
/// What a small page maps: 4 KiB aligned.
pub type SmallPageBase = Base<12, 32>;

impl<const SHIFT: u32, const WIDTH: u32> Base<SHIFT, WIDTH> {
    const MASK: u64 = ((1 << WIDTH) - 1) & !((1 << SHIFT) - 1);

    /// `address`, if it is aligned and low enough.
    #[must_use]
    pub const fn new(address: PhysAddr) -> Option<Self> {
        if address.as_u64() & !Self::MASK == 0 { Some(Self(address)) } else { None }
    }

    /// The address bits of `bits`, the others dropped.
    const fn masked(bits: u64) -> Self {
        Self(PhysAddr::new(bits & Self::MASK))
    }

    /// The physical address.
    #[must_use]
    pub const fn address(self) -> PhysAddr {
        self.0
    }

    /// Bits 31:0 of the address.
    const fn low(self) -> u32 {
        self.0.as_u64() as u32
    }
}

impl RootBase {
    /// Bytes in the first-level table.
    pub const TABLE_BYTES: u32 = L1_ENTRIES * 4;

    /// Where the word for `virt` lies in this first-level table.
    #[must_use]
    pub const fn entry(self, virt: VirtAddr) -> PhysAddr {
        let index = virt.as_u32() >> SECTION_SHIFT;
        PhysAddr::new(self.0.as_u64() + index as u64 * 4)
    }
}

impl TableBase {
    /// Bytes in a second-level table.
    pub const TABLE_BYTES: u32 = L2_ENTRIES * 4;

    /// Where the word for `virt` lies in this second-level table.
    #[must_use]
    pub const fn entry(self, virt: VirtAddr) -> PhysAddr {
        let index = (virt.as_u32() >> 12) % L2_ENTRIES;
        PhysAddr::new(self.0.as_u64() + index as u64 * 4)
    }
}

/// TEX\[2:1\] of a leaf: two bits that hardware leaves to software while TEX remap is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct SoftwareBits(u8);

impl SoftwareBits {
    /// Both bits clear.
    pub const NONE: Self = Self(0);

    /// The bits `value`; `None` above 3.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value < 4 { Some(Self(value)) } else { None }
    }

    /// TEX\[2\] in bit 1, TEX\[1\] in bit 0.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

/// The single bits that only first-level descriptors have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct FirstLevelBits {
    /// PXN: privileged code may not execute, whatever XN says.
    pub pxn: bool,
    /// NS: the address is in the Non-secure space. Counts only for Secure accesses.
    pub non_secure: bool,
    /// Bit 9, left to the implementation.
    pub implementation_defined: bool,
}

/// A word of the first-level table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum L1Entry {
    /// Not mapped: an access is a translation fault.
    Fault,
    /// Points at a second-level table, which maps this mebibyte.
    Table {
        /// Where the table lies.
        base: TableBase,
        /// The domain of all its pages.
        domain: Domain,
        /// PXN, NS and bit 9; PXN and NS hold for all its pages.
        bits: FirstLevelBits,
    },
    /// Maps 1 MiB.
    Section {
        /// The memory mapped.
        base: SectionBase,
        /// Its attributes.
        leaf: LeafAttributes,
        /// Its domain.
        domain: Domain,
        /// PXN, NS and bit 9.
        bits: FirstLevelBits,
        /// TEX\[2:1\].
        software: SoftwareBits,
    },
    /// Maps 16 MiB in domain 0. The same word stands in 16 aligned slots.
    Supersection {
        /// The memory mapped.
        base: SupersectionBase,
        /// Its attributes.
        leaf: LeafAttributes,
        /// PXN, NS and bit 9.
        bits: FirstLevelBits,
        /// TEX\[2:1\].
        software: SoftwareBits,
    },
}

/// A word of a second-level table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum L2Entry {
    /// Not mapped: an access is a translation fault.
    Fault,
    /// Maps 64 KiB. The same word stands in 16 aligned slots.
    LargePage {
        /// The memory mapped.
        base: LargePageBase,
        /// Its attributes.
        leaf: LeafAttributes,
        /// TEX\[2:1\].
        software: SoftwareBits,
    },
    /// Maps 4 KiB.
    SmallPage {
        /// The memory mapped.
        base: SmallPageBase,
        /// Its attributes.
        leaf: LeafAttributes,
        /// TEX\[2:1\].
        software: SoftwareBits,
    },
}

/// Where one kind of leaf keeps the fields that all leaves have: the number of the lowest bit.
struct LeafLayout {
    xn: u32,
    tex: u32,
    ap2: u32,
    ap10: u32,
    s: u32,
    ng: u32,
}

// B and C are at the same place in all of them.
const B: u32 = 2;
const C: u32 = 3;
//                                              XN      TEX      AP[2]    AP[1:0]   S      nG
const SECTION: LeafLayout = LeafLayout { xn: 4, tex: 12, ap2: 15, ap10: 10, s: 16, ng: 17 };
const LARGE_PAGE: LeafLayout = LeafLayout { xn: 15, tex: 12, ap2: 9, ap10: 4, s: 10, ng: 11 };
const SMALL_PAGE: LeafLayout = LeafLayout { xn: 0, tex: 6, ap2: 9, ap10: 4, s: 10, ng: 11 };

const fn bit(word: u32, number: u32) -> bool {
    word >> number & 1 == 1
}

impl LeafLayout {
    const fn decode(&self, word: u32) -> (LeafAttributes, SoftwareBits) {
        let tex = word >> self.tex & 0b111;
        let memory_type =
            MemoryType::from_index((tex & 1) << 2 | (word >> C & 1) << 1 | word >> B & 1);
        let access = Access::from_bits((word >> self.ap2 & 1) << 2 | word >> self.ap10 & 0b11);
        let execute = if bit(word, self.xn) { Execute::Never } else { Execute::Allowed };
        let leaf = LeafAttributes {
            memory_type,
            access,
            execute,
            shareable: bit(word, self.s),
            global: !bit(word, self.ng),
        };
        (leaf, SoftwareBits((tex >> 1) as u8))
    }

    const fn encode(&self, leaf: LeafAttributes, software: SoftwareBits) -> u32 {
        let index = leaf.memory_type.index();
        let tex = (software.0 as u32) << 1 | index >> 2;
        let ap = leaf.access.bits();
        tex << self.tex
            | (index >> 1 & 1) << C
            | (index & 1) << B
            | (ap >> 2) << self.ap2
            | (ap & 0b11) << self.ap10
            | (matches!(leaf.execute, Execute::Never) as u32) << self.xn
            | (leaf.shareable as u32) << self.s
            | (!leaf.global as u32) << self.ng
    }
}

/// Where table entries and (super)sections keep [`FirstLevelBits`].
struct FirstLevelLayout {
    pxn: u32,
    ns: u32,
    implementation: u32,
}

const TABLE_BITS: FirstLevelLayout = FirstLevelLayout { pxn: 2, ns: 3, implementation: 9 };
const SECTION_BITS: FirstLevelLayout = FirstLevelLayout { pxn: 0, ns: 19, implementation: 9 };

impl FirstLevelLayout {
    const fn decode(&self, word: u32) -> FirstLevelBits {
        FirstLevelBits {
            pxn: bit(word, self.pxn),
            non_secure: bit(word, self.ns),
            implementation_defined: bit(word, self.implementation),
        }
    }

    const fn encode(&self, bits: FirstLevelBits) -> u32 {
        (bits.pxn as u32) << self.pxn
            | (bits.non_secure as u32) << self.ns
            | (bits.implementation_defined as u32) << self.implementation
    }
}

const DOMAIN: u32 = 5;
const IS_SUPERSECTION: u32 = 18;

/// ```text
///               31      24 23  20 19 18 17 16 15  14 12 11 10 9   8  5  4  3  2  1  0
/// fault         ---------------------------- ignored ----------------------------  0  0
/// table         ---------- base 31:10 ---------------------- IMP domain 0 NS PXN 0  1
/// section       - base 31:20 -  NS  0 nG  S AP2  TEX  AP1:0 IMP domain XN C  B  1  PXN
/// supersection  PA31:24  PA35:32 NS 1 nG  S AP2  TEX  AP1:0 IMP PA39:36 XN C B  1  PXN
/// ```
impl L1Entry {
    /// What `word` means. Every word means something; see the contract in the module's text.
    #[must_use]
    #[inline]
    pub const fn decode(word: u32) -> Self {
        // Most words of a first-level table are faults, and a walk passes them all.
        if word & 0b11 == 0b00 { Self::Fault } else { Self::decode_valid(word) }
    }

    const fn decode_valid(word: u32) -> Self {
        match word & 0b11 {
            0b01 => Self::Table {
                base: TableBase::masked(word as u64),
                domain: Domain::from_low_bits(word >> DOMAIN),
                bits: TABLE_BITS.decode(word),
            },
            _ => {
                let (leaf, software) = SECTION.decode(word);
                let bits = SECTION_BITS.decode(word);
                if bit(word, IS_SUPERSECTION) {
                    let pa_31_24 = (word >> 24) as u64;
                    let pa_35_32 = (word >> 20 & 0xf) as u64;
                    let pa_39_36 = (word >> DOMAIN & 0xf) as u64;
                    let base = pa_39_36 << 36 | pa_35_32 << 32 | pa_31_24 << 24;
                    Self::Supersection {
                        base: SupersectionBase::masked(base),
                        leaf,
                        bits,
                        software,
                    }
                } else {
                    Self::Section {
                        base: SectionBase::masked(word as u64),
                        leaf,
                        domain: Domain::from_low_bits(word >> DOMAIN),
                        bits,
                        software,
                    }
                }
            }
        }
    }

    /// The word that means this.
    #[must_use]
    pub const fn encode(self) -> u32 {
        match self {
            Self::Fault => 0b00,
            Self::Table { base, domain, bits } => {
                base.low() | (domain.as_u8() as u32) << DOMAIN | TABLE_BITS.encode(bits) | 0b01
            }
            Self::Section { base, leaf, domain, bits, software } => {
                base.low()
                    | (domain.as_u8() as u32) << DOMAIN
                    | SECTION.encode(leaf, software)
                    | SECTION_BITS.encode(bits)
                    | 0b10
            }
            Self::Supersection { base, leaf, bits, software } => {
                let high = (base.address().as_u64() >> 32) as u32;
                base.low()
                    | (high & 0xf) << 20
                    | (high >> 4 & 0xf) << DOMAIN
                    | 1 << IS_SUPERSECTION
                    | SECTION.encode(leaf, software)
                    | SECTION_BITS.encode(bits)
                    | 0b10
            }
        }
    }
}

/// ```text
///             31         16 15 14  12 11 10  9  8   6 5   4 3  2  1  0
/// fault       ------------------ ignored -------------------  0  0
/// large page  - base 31:16 - XN  TEX  nG  S AP2  0 0 0  AP1:0  C  B  0  1
/// small page  ---- base 31:12 ------  nG  S AP2   TEX   AP1:0  C  B  1  XN
/// ```
impl L2Entry {
    /// What `word` means. Every word means something; see the contract in the module's text.
    #[must_use]
    pub const fn decode(word: u32) -> Self {
        match word & 0b11 {
            0b00 => Self::Fault,
            0b01 => {
                let (leaf, software) = LARGE_PAGE.decode(word);
                Self::LargePage { base: LargePageBase::masked(word as u64), leaf, software }
            }
            _ => {
                let (leaf, software) = SMALL_PAGE.decode(word);
                Self::SmallPage { base: SmallPageBase::masked(word as u64), leaf, software }
            }
        }
    }

    /// The word that means this.
    #[must_use]
    pub const fn encode(self) -> u32 {
        match self {
            Self::Fault => 0b00,
            Self::LargePage { base, leaf, software } => {
                base.low() | LARGE_PAGE.encode(leaf, software) | 0b01
            }
            Self::SmallPage { base, leaf, software } => {
                base.low() | SMALL_PAGE.encode(leaf, software) | 0b10
            }
        }
    }
}

impl Attributes {
    /// Bits 11:0 of a small page with these attributes: what the entry code, which has only a frame
    /// address in a register and no Rust yet, puts beside that address.
    #[must_use]
    pub const fn small_page_bits(&self) -> u32 {
        let (leaf, software) = (self.leaf, SoftwareBits::NONE);
        L2Entry::SmallPage { base: SmallPageBase::masked(0), leaf, software }.encode()
    }

    /// Bits 19:0 of a section with these attributes.
    #[must_use]
    pub const fn section_bits(&self) -> u32 {
        let Self { leaf, domain } = *self;
        let bits = FirstLevelBits { pxn: false, non_secure: false, implementation_defined: false };
        let (base, software) = (SectionBase::masked(0), SoftwareBits::NONE);
        L1Entry::Section { base, leaf, domain, bits, software }.encode()
    }
}

#[cfg(test)]
mod tests;
