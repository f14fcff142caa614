//! The formats of short descriptors, read as the hardware reads them.
//!
//! Written from *ARM DDI 0406C, B3.5.1, Short-descriptor translation table format descriptors*, and from nothing
//! else: the code under test has its own. TTBCR is 0, so one table of 4096 words covers all addresses.
//!
//! ```text
//!                  31          20 19 18 17 16 15 14  12 11 10 9 8    5 4  3  2  1 0
//! table           │      table address                      │ │domain│  │NS│PXN│0 1│
//! section         │   address    │NS│ 0│nG│ S│A2│ TEX  │ AP  │ │domain│XN│ C│ B│1 PXN
//! supersection    │31:24 │35:32  │NS│ 1│nG│ S│A2│ TEX  │ AP  │ │39:36 │XN│ C│ B│1 PXN
//!
//!                  31                16 15 14  12 11 10  9 8   6 5  4 3  2 1  0
//! large page      │      address        │XN│ TEX │nG│ S│A2│     │ AP │C│ B│0  1│
//! small page      │      address              │   nG│ S│A2│ TEX │ AP │C│ B│1 XN│
//! ```

use std::fmt;

use mm::addr::PhysAddr;

use crate::attributes::{Attributes, Fields};

/// How much one leaf maps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LeafSize {
    /// 4 KiB.
    SmallPage,
    /// 64 KiB, in 16 equal words.
    LargePage,
    /// 1 MiB.
    Section,
    /// 16 MiB, in 16 equal words.
    Supersection,
}

impl LeafSize {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::SmallPage => 0x1000,
            Self::LargePage => 0x1_0000,
            Self::Section => 0x10_0000,
            Self::Supersection => 0x100_0000,
        }
    }

    /// Is it a word of a second-level table?
    #[must_use]
    pub const fn is_page(self) -> bool {
        matches!(self, Self::SmallPage | Self::LargePage)
    }
}

impl fmt::Display for LeafSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SmallPage => "small page",
            Self::LargePage => "large page",
            Self::Section => "section",
            Self::Supersection => "supersection",
        })
    }
}

/// A descriptor that maps something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Leaf {
    /// How much.
    pub size: LeafSize,
    /// The first byte of the block; 40 bits in a supersection.
    pub phys: PhysAddr,
    /// And how.
    pub attributes: Attributes,
}

impl Leaf {
    /// Where `virt` leads.
    #[must_use]
    pub fn translate(&self, virt: u32) -> u64 {
        self.phys.as_u64() + u64::from(virt & (self.size.bytes() - 1))
    }

    /// May a TLB hold both for one address at the same time? Only permissions and the domain may differ (*ARM DDI
    /// 0406C, B3.10.1, Using break-before-make when updating translation tables*).
    #[must_use]
    pub fn may_follow(&self, other: &Self) -> bool {
        self.size == other.size
            && self.phys == other.phys
            && self.attributes.same_type(&other.attributes)
            && self.attributes.global == other.attributes.global
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} {}", self.size, self.phys, self.attributes.memory)
    }
}

/// A pointer to a second-level table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TablePointer {
    /// The table's address, a multiple of 1 KiB.
    pub table: PhysAddr,
    /// The domain of all its leaves.
    pub domain: u8,
    /// Is no privileged code fetched from any of its leaves?
    pub privileged_execute_never: bool,
}

/// A first-level word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum First {
    /// Nothing is mapped.
    Fault,
    /// The second level says.
    Table(TablePointer),
    /// A section or supersection.
    Leaf(Leaf),
}

/// What a first-level word says. PXN is implemented, as on Cortex-A7 and A15.
#[must_use]
pub fn first(word: u32) -> First {
    let bit = |n: u32| word & (1 << n) != 0;
    let bits = |low: u32, count: u32| (word >> low) & ((1 << count) - 1);
    match bits(0, 2) {
        0b00 => First::Fault,
        0b01 => First::Table(TablePointer {
            table: PhysAddr::new(u64::from(word & 0xffff_fc00)),
            domain: bits(5, 4) as u8,
            privileged_execute_never: bit(2),
        }),
        _ => {
            let is_super = bit(18);
            let attributes = Attributes::new(Fields {
                tex0_c_b: bits(12, 1) << 2 | bits(2, 2),
                shareable: bit(16),
                apx_ap: bits(15, 1) << 2 | bits(10, 2),
                execute_never: bit(4),
                privileged_execute_never: bit(0),
                not_global: bit(17),
                domain: if is_super { 0 } else { bits(5, 4) as u8 },
            });
            let (size, phys) = if is_super {
                let high = u64::from(bits(5, 4)) << 36 | u64::from(bits(20, 4)) << 32;
                (LeafSize::Supersection, high | u64::from(word & 0xff00_0000))
            } else {
                (LeafSize::Section, u64::from(word & 0xfff0_0000))
            };
            First::Leaf(Leaf { size, phys: PhysAddr::new(phys), attributes })
        }
    }
}

/// What a second-level word says that was reached through `pointer`; `None` for a fault.
#[must_use]
pub fn second(word: u32, pointer: &TablePointer) -> Option<Leaf> {
    let bit = |n: u32| word & (1 << n) != 0;
    let bits = |low: u32, count: u32| (word >> low) & ((1 << count) - 1);
    let (size, phys, tex0, execute_never) = match bits(0, 2) {
        0b00 => return None,
        0b01 => (LeafSize::LargePage, word & 0xffff_0000, bits(12, 1), bit(15)),
        _ => (LeafSize::SmallPage, word & 0xffff_f000, bits(6, 1), bit(0)),
    };
    let attributes = Attributes::new(Fields {
        // C is bit 3 and B is bit 2, in this order in the index too.
        tex0_c_b: tex0 << 2 | bits(2, 2),
        shareable: bit(10),
        apx_ap: bits(9, 1) << 2 | bits(4, 2),
        execute_never,
        privileged_execute_never: pointer.privileged_execute_never,
        not_global: bit(11),
        domain: pointer.domain,
    });
    Some(Leaf { size, phys: PhysAddr::new(u64::from(phys)), attributes })
}

/// May the word be something else than a fault, at either level?
pub(crate) const fn is_valid(word: u32) -> bool {
    word & 0b11 != 0
}

#[cfg(test)]
mod tests;
