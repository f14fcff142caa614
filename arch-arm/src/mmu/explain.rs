//! One translation in words: each entry on the way, what its bits mean, and what comes of every
//! kind of access.
//!
//! The verdicts follow the order in which the processor looks (*ARM DDI 0406C, B3.13*): is there an
//! entry, does the domain let in, do the permissions allow. They are what the *tables* say; what
//! the processor makes of them, TLB included, is [`crate::translate`]'s answer, and the two are
//! worth comparing.
//!
//! Invariant: every word has a text, also those that nobody should write.

use core::fmt;

use mm::addr::{PAGE_SIZE, PhysAddr};

use super::attributes::{Access, Execute, LeafAttributes, MemoryType, Rights};
use super::descriptor::{FirstLevelBits, L1Entry, L2Entry, SoftwareBits};
use super::walk::{Level, Mapping, Translation};
use crate::cp15::dacr::DomainAccess;
use crate::translate::Privilege;
use crate::trap::{FaultStatus, Level as FaultLevel};

/// What an access is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// To read data.
    Read,
    /// To write data.
    Write,
    /// To fetch an instruction.
    Execute,
}

impl Use {
    /// All uses.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Execute];
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
        })
    }
}

/// What comes of an access, by the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is done.
    Allowed(PhysAddr),
    /// It faults.
    Fault(FaultStatus),
    /// The permissions are the reserved ones: what the processor does is not known.
    Unknown,
}

/// What comes of an access along `translation`, while the domains are as `dacr`, a value of DACR,
/// has them.
#[must_use]
pub fn verdict(translation: &Translation, dacr: u32, who: Privilege, what: Use) -> Verdict {
    let (Some(mapping), Some(phys)) = (translation.mapping, translation.phys()) else {
        let level = match translation.second {
            Some(_) => FaultLevel::Page,
            None => FaultLevel::Section,
        };
        return Verdict::Fault(FaultStatus::Translation(level));
    };
    let level = match mapping.level {
        Level::Section | Level::Supersection => FaultLevel::Section,
        Level::LargePage | Level::SmallPage => FaultLevel::Page,
    };
    match DomainAccess::of(dacr, mapping.attributes.domain.as_u8()) {
        DomainAccess::None | DomainAccess::Reserved => Verdict::Fault(FaultStatus::Domain(level)),
        DomainAccess::Manager => Verdict::Allowed(phys),
        DomainAccess::Client => match permits(&mapping, who, what) {
            Some(true) => Verdict::Allowed(phys),
            Some(false) => Verdict::Fault(FaultStatus::Permission(level)),
            None => Verdict::Unknown,
        },
    }
}

/// Do the permissions allow it? `None` where nobody knows.
fn permits(mapping: &Mapping, who: Privilege, what: Use) -> Option<bool> {
    let LeafAttributes { access, execute, .. } = mapping.attributes.leaf;
    if access == Access::Reserved {
        return None;
    }
    let (rights, never) = match who {
        Privilege::Privileged => (access.privileged(), mapping.pxn),
        Privilege::User => (access.user(), false),
    };
    Some(match what {
        Use::Read => rights >= Rights::Read,
        Use::Write => rights == Rights::ReadWrite,
        Use::Execute => rights >= Rights::Read && execute == Execute::Allowed && !never,
    })
}

/// Writes the walk of `translation`, level by level, and what comes of each kind of access.
///
/// # Errors
///
/// Only those of `out`.
pub fn write(out: &mut dyn fmt::Write, translation: &Translation, dacr: u32) -> fmt::Result {
    let Translation { first, second, mapping, .. } = translation;
    writeln!(
        out,
        "first level : {} holds {:#010x}: {}",
        first.entry,
        first.word,
        First(first.word)
    )?;
    if let Some(second) = second {
        let entry = Second(second.word);
        writeln!(out, "second level: {} holds {:#010x}: {entry}", second.entry, second.word)?;
    }
    if let Some(leaf) = Leaf::of(translation) {
        writeln!(out, "bits        : {leaf}")?;
    }
    if let Some(Mapping { attributes, .. }) = mapping {
        let LeafAttributes { memory_type, shareable, global, .. } = attributes.leaf;
        writeln!(
            out,
            "memory      : {}{}, for {}",
            InWords(memory_type),
            // Strongly-ordered memory is always shared.
            match (memory_type, shareable) {
                (MemoryType::StronglyOrdered, _) => "",
                (_, true) => ", shareable",
                (_, false) => ", not shareable",
            },
            if global { "every address space" } else { "one address space" },
        )?;
        let domain = attributes.domain;
        writeln!(out, "domain      : {domain}, {}", DomainAccess::of(dacr, domain.as_u8()))?;
    }
    for (name, who) in [("kernel", Privilege::Privileged), ("user", Privilege::User)] {
        writeln!(
            out,
            "{name:<12}: {}",
            Verdicts(Use::ALL.map(|what| verdict(translation, dacr, who, what)))
        )?;
    }
    match translation.phys() {
        Some(phys) => writeln!(out, "physical    : {phys}"),
        None => Ok(()),
    }
}

/// The verdicts on reading, writing and executing, in one line.
struct Verdicts([Verdict; 3]);

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, write, execute] = self.0;
        if read == write && write == execute {
            return write!(f, "read, write, execute: {read}");
        }
        write!(f, "read: {read}, write: {write}, execute: {execute}")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(_) => f.write_str("yes"),
            Self::Fault(status) => status.fmt(f),
            Self::Unknown => f.write_str("unpredictable"),
        }
    }
}

/// A first-level word: its kind, what it leads to, and what only the first level has.
struct First(u32);

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match L1Entry::decode(self.0) {
            L1Entry::Fault => f.write_str("nothing"),
            L1Entry::Table { base, domain, bits } => {
                write!(f, "table at {}, domain {domain}{}", base.address(), Bits(bits))
            }
            L1Entry::Section { base, domain, bits, .. } => {
                write!(f, "section at {}, domain {domain}{}", base.address(), Bits(bits))
            }
            L1Entry::Supersection { base, bits, .. } => {
                write!(f, "supersection at {}{}", base.address(), Bits(bits))
            }
        }
    }
}

/// A second-level word: its kind, and what it leads to.
struct Second(u32);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match L2Entry::decode(self.0) {
            L2Entry::Fault if self.0 == 0 => f.write_str("nothing"),
            // What `live` leaves behind until the TLBs have been flushed.
            L2Entry::Fault => {
                let frame = PhysAddr::new(u64::from(self.0 & !(PAGE_SIZE - 1)));
                write!(f, "nothing, any more: the page was at {frame}")
            }
            L2Entry::LargePage { base, .. } => write!(f, "large page at {}", base.address()),
            L2Entry::SmallPage { base, .. } => write!(f, "small page at {}", base.address()),
        }
    }
}

/// The bits that every leaf has, by the manual's names.
struct Leaf(LeafAttributes, SoftwareBits);

impl Leaf {
    /// Of the entry that ends the walk; `None` where there is none.
    fn of(translation: &Translation) -> Option<Self> {
        match (L1Entry::decode(translation.first.word), translation.second) {
            (_, Some(second)) => match L2Entry::decode(second.word) {
                L2Entry::Fault => None,
                L2Entry::LargePage { leaf, software, .. }
                | L2Entry::SmallPage { leaf, software, .. } => Some(Self(leaf, software)),
            },
            (L1Entry::Section { leaf, software, .. }, None)
            | (L1Entry::Supersection { leaf, software, .. }, None) => Some(Self(leaf, software)),
            (L1Entry::Fault | L1Entry::Table { .. }, None) => None,
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(LeafAttributes { memory_type, access, execute, shareable, global }, software) =
            *self;
        let index = memory_type.index();
        write!(
            f,
            "AP {:03b}, XN {}, TEX {:02b}{}, C {}, B {}, S {}, nG {}",
            access.bits(),
            u32::from(execute == Execute::Never),
            software.as_u8(),
            index >> 2,
            index >> 1 & 1,
            index & 1,
            u32::from(shareable),
            u32::from(!global),
        )
    }
}

/// The bits of a first-level entry that are seldom set: those that are.
struct Bits(FirstLevelBits);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FirstLevelBits { pxn, non_secure, implementation_defined } = self.0;
        for (set, name) in [(pxn, "PXN"), (non_secure, "NS"), (implementation_defined, "bit 9")] {
            if set {
                write!(f, ", {name} 1")?;
            }
        }
        Ok(())
    }
}

/// A memory type as the manual calls it.
struct InWords(MemoryType);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            MemoryType::StronglyOrdered => "Strongly-ordered",
            MemoryType::NormalNonCacheable => "Normal, non-cacheable",
            MemoryType::WriteThrough => "Normal, write-through",
            MemoryType::WriteBack => "Normal, write-back",
            MemoryType::Device => "Device",
            MemoryType::Unused => "unused type",
            MemoryType::ImplementationDefined => "implementation defined type",
            MemoryType::WriteAllocate => "Normal, write-back, write-allocate",
        })
    }
}

#[cfg(test)]
mod tests;
