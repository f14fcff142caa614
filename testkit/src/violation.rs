//! What the code under test may not do, whether or not it went wrong this time.

use std::fmt;
use std::panic::Location;

use mm::addr::{PhysAddr, VirtAddr, VirtRange};

use crate::attributes::MemoryType;

/// Who may still use a translation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Holder {
    /// A walker, from this word.
    Tables(PhysAddr),
    /// The TLB of this CPU.
    Tlb(usize),
    /// This CPU keeps the first-level word that leads to it.
    WalkCache(usize),
    /// Instructions of this CPU that no ISB has stopped.
    Pipeline(usize),
    /// This CPU's TTBR0.
    Ttbr(usize),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables(word) => write!(f, "the word at {word}"),
            Self::Tlb(cpu) => write!(f, "the TLB of CPU {cpu}"),
            Self::WalkCache(cpu) => write!(f, "the walk cache of CPU {cpu}"),
            Self::Pipeline(cpu) => write!(f, "CPU {cpu}, which has had no ISB since"),
            Self::Ttbr(cpu) => write!(f, "TTBR0 of CPU {cpu}"),
        }
    }
}

/// What was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A word became valid while another translation of its addresses may be in use, with another output, size, type
    /// or owner. *ARM DDI 0406C, B3.10.1*.
    BreakBeforeMake {
        /// The first address that has two.
        virt: VirtAddr,
        /// The word's new value.
        value: u32,
        /// Who may use the other.
        holder: Holder,
    },
    /// Two mappings of one frame that may both be in use differ in their type. *ARM DDI 0406C, A3.5.7*.
    MixedTypes {
        /// The first address that the newer maps.
        phys: PhysAddr,
        /// The type of the newer.
        newer: MemoryType,
        /// The type of the older, which may differ in being shareable alone.
        older: MemoryType,
        /// Who may use the older.
        holder: Holder,
    },
    /// A frame is used anew, and may be reached as what it was before.
    FrameInUse {
        /// The frame.
        phys: PhysAddr,
        /// Where it may be reached.
        virt: VirtAddr,
        /// By whom.
        holder: Holder,
    },
    /// Addresses are used anew, and may still lead somewhere.
    AddressesInUse {
        /// All of them.
        range: VirtRange,
        /// The block that does.
        virt: VirtAddr,
        /// For whom.
        holder: Holder,
    },
    /// A table is freed, and may still be walked.
    TableInUse {
        /// The table.
        table: PhysAddr,
        /// By whom.
        holder: Holder,
    },
    /// A table is linked, or a root is switched to, and walkers may see in it what was there before it was made.
    TableNotVisible {
        /// The word that they may see.
        word: PhysAddr,
        /// What they may see there.
        value: u32,
    },
    /// Device or strongly-ordered memory may be fetched from, also by speculation. *ARM DDI 0406C, B3.7.2*.
    ExecutableDevice {
        /// The address of the word.
        word: PhysAddr,
        /// The word.
        value: u32,
    },
    /// Somebody may both write and run it.
    WritableExecutable {
        /// The address of the word.
        word: PhysAddr,
        /// The word.
        value: u32,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BreakBeforeMake { virt, value, holder } => write!(
                f,
                "{virt} becomes {value:#010x}, while {holder} may lead elsewhere: no break before make"
            ),
            Self::MixedTypes { phys, newer, older, holder } => write!(
                f,
                "{phys} is mapped {newer}, while {holder} may use it {older} or with other sharers"
            ),
            Self::FrameInUse { phys, virt, holder } => {
                write!(f, "the frame at {phys} is used anew, while {holder} may reach it at {virt}")
            }
            Self::AddressesInUse { range, virt, holder } => {
                write!(f, "{range} is used anew, while {holder} may translate {virt}")
            }
            Self::TableInUse { table, holder } => {
                write!(f, "the table at {table} is freed, while {holder} may lead to it")
            }
            Self::TableNotVisible { word, value } => write!(
                f,
                "a table comes into use, while walkers may see {value:#010x} at {word}, from before it was made"
            ),
            Self::ExecutableDevice { word, value } => {
                write!(f, "the word {value:#010x} at {word} makes device memory executable")
            }
            Self::WritableExecutable { word, value } => {
                write!(f, "the word {value:#010x} at {word} makes memory writable and executable")
            }
        }
    }
}

/// What was wrong, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// What.
    pub kind: Kind,
    /// The CPU that did it; `None` for a call that is no CPU's.
    pub cpu: Option<usize>,
    /// The call that did it.
    pub at: &'static Location<'static>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if let Some(cpu) = self.cpu {
            write!(f, "CPU {cpu}: ")?;
        }
        write!(f, "{}", self.kind)
    }
}

/// What happens at a violation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnViolation {
    /// The call panics.
    #[default]
    Panic,
    /// It is kept for [`Machine::violations`](crate::Machine::violations), and the call goes on.
    Collect,
}
