//! Rights of what is mapped: `set_memory_ro`, `rw`, `x`, `nx`, as Linux calls them.
//!
//! A range is checked as a whole before anything changes. Sections that it holds all of are changed as sections;
//! of others the mebibyte is split first. Then each word gets its new rights by one store, and all CPUs forget the
//! range, before the call returns: also where rights are added, since a TLB may hold the old entry, and this kernel
//! takes no fault that only waits for a TLB.
//!
//! Invariant: T3 of `docs/model.md`, nothing is writable and executable. So a page is made read-only before it is made
//! executable, and the other way round before it is written again; whoever asks in the wrong order is told so.
//!
//! Rights are those of *this* mapping. A frame that is mapped elsewhere as well, as every frame of lowmem is in the
//! linear map, keeps what it has there.

use core::fmt;

use mm::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use mm::map::NoTable;
use mm::zone::Gfp;

use super::super::attributes::{Access, Execute, LeafAttributes, MemoryType};
use super::super::descriptor::{L1Entry, L2Entry, SECTION_SIZE, TableBase};
use super::{LiveTables, Machine, is_whole, mebibytes};

/// Why rights were not changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeError {
    /// The range is not whole pages, or begins below the kernel's part of the address space.
    NotPages {
        /// The range.
        range: VirtRange,
    },
    /// Nothing is mapped.
    NotMapped {
        /// The lowest address of the range where nothing is.
        virt: VirtAddr,
    },
    /// A supersection or a large page, whose words can not be changed one by one.
    Repeated {
        /// The lowest address of the range that is mapped so.
        virt: VirtAddr,
    },
    /// The mapping is not the kernel's alone.
    NotKernel {
        /// The lowest such address of the range.
        virt: VirtAddr,
        /// Who may do what there.
        access: Access,
    },
    /// It would become writable and executable at once.
    WriteAndExecute {
        /// The lowest such address of the range.
        virt: VirtAddr,
    },
    /// A device would become executable.
    ExecutableDevice {
        /// The lowest such address of the range.
        virt: VirtAddr,
        /// Its memory type.
        memory_type: MemoryType,
    },
    /// There is no memory to split a section with.
    NoTable(NoTable),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPages { range } => write!(f, "{range} is not whole pages of the kernel"),
            Self::NotMapped { virt } => write!(f, "nothing is mapped at {virt}"),
            Self::Repeated { virt } => {
                write!(f, "{virt} is mapped by a supersection or a large page")
            }
            Self::NotKernel { virt, access } => {
                write!(f, "{virt} is not the kernel's alone: {access:?}")
            }
            Self::WriteAndExecute { virt } => {
                write!(f, "{virt} would be writable and executable")
            }
            Self::ExecutableDevice { virt, memory_type } => {
                write!(f, "{virt} would be executable, and is {memory_type:?}")
            }
            Self::NoTable(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ChangeError {}

/// A change of rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    ReadOnly,
    ReadWrite,
    Execute,
    NeverExecute,
}

impl Change {
    /// What `leaf`, which maps `virt`, becomes.
    fn of(self, leaf: LeafAttributes, virt: VirtAddr) -> Result<LeafAttributes, ChangeError> {
        let LeafAttributes { access, execute, memory_type, .. } = leaf;
        if !matches!(access, Access::KernelRead | Access::KernelReadWrite) {
            return Err(ChangeError::NotKernel { virt, access });
        }
        let (access, execute) = match self {
            Self::ReadOnly => (Access::KernelRead, execute),
            Self::ReadWrite => (Access::KernelReadWrite, execute),
            Self::Execute => (access, Execute::Allowed),
            Self::NeverExecute => (access, Execute::Never),
        };
        let is_device = matches!(memory_type, MemoryType::Device | MemoryType::StronglyOrdered);
        if execute == Execute::Allowed && is_device {
            return Err(ChangeError::ExecutableDevice { virt, memory_type });
        }
        if execute == Execute::Allowed && access == Access::KernelReadWrite {
            return Err(ChangeError::WriteAndExecute { virt });
        }
        Ok(LeafAttributes { access, execute, ..leaf })
    }

    /// What the section's or the table's word for `virt` becomes.
    fn of_first_level(self, word: u32, virt: VirtAddr) -> Result<L1Entry, ChangeError> {
        match L1Entry::decode(word) {
            L1Entry::Fault => Err(ChangeError::NotMapped { virt }),
            L1Entry::Supersection { .. } => Err(ChangeError::Repeated { virt }),
            table @ L1Entry::Table { .. } => Ok(table),
            L1Entry::Section { base, leaf, domain, bits, software } => {
                let leaf = self.of(leaf, virt)?;
                Ok(L1Entry::Section { base, leaf, domain, bits, software })
            }
        }
    }

    /// What the page's word for `virt` becomes.
    fn of_page(self, word: u32, virt: VirtAddr) -> Result<u32, ChangeError> {
        match L2Entry::decode(word) {
            L2Entry::Fault => Err(ChangeError::NotMapped { virt }),
            L2Entry::LargePage { .. } => Err(ChangeError::Repeated { virt }),
            L2Entry::SmallPage { base, leaf, software } => {
                let leaf = self.of(leaf, virt)?;
                Ok(L2Entry::SmallPage { base, leaf, software }.encode())
            }
        }
    }
}

impl<M: Machine + Copy> LiveTables<M> {
    /// Takes away the right to write `range`, whole pages of the linear map or of an area of the caller's. When
    /// it returns no CPU writes there any more.
    ///
    /// A section of which `range` is a part is split, with memory that is taken as `gfp` says. Any context,
    /// if `gfp` does not sleep.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; nothing has changed then. Should others [join](Self::join) the range meanwhile, and should
    /// there be no memory to split it again, a part of it may have changed.
    pub fn set_memory_ro(&self, range: VirtRange, gfp: Gfp) -> Result<(), ChangeError> {
        self.change(range, Change::ReadOnly, gfp)
    }

    /// Gives the right to write `range`; see [`set_memory_ro`](Self::set_memory_ro).
    ///
    /// # Errors
    ///
    /// [`ChangeError::WriteAndExecute`] while it is executable, and the others.
    pub fn set_memory_rw(&self, range: VirtRange, gfp: Gfp) -> Result<(), ChangeError> {
        self.change(range, Change::ReadWrite, gfp)
    }

    /// Gives the right to execute `range`; see [`set_memory_ro`](Self::set_memory_ro). Whoever wrote code there
    /// has the caches agree about it first (`cache::sync_instructions`).
    ///
    /// # Errors
    ///
    /// [`ChangeError::WriteAndExecute`] while it is writable, and the others.
    pub fn set_memory_x(&self, range: VirtRange, gfp: Gfp) -> Result<(), ChangeError> {
        self.change(range, Change::Execute, gfp)
    }

    /// Takes away the right to execute `range`; see [`set_memory_ro`](Self::set_memory_ro).
    ///
    /// # Errors
    ///
    /// [`ChangeError`].
    pub fn set_memory_nx(&self, range: VirtRange, gfp: Gfp) -> Result<(), ChangeError> {
        self.change(range, Change::NeverExecute, gfp)
    }

    /// Ends the writing of a module: `text` becomes what is read and executed, and `rodata`, right behind it, what is
    /// read. Both are whole pages that are writable and not executable; either may be empty. See
    /// [`set_memory_ro`](Self::set_memory_ro), and [`set_memory_x`](Self::set_memory_x) for the caches.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; where it is about the second step, both are read-only.
    pub fn seal(&self, text: VirtRange, rodata: VirtRange, gfp: Gfp) -> Result<(), ChangeError> {
        debug_assert!(text.end() == rodata.start(), "{text} and {rodata} are apart");
        let both = VirtRange::new(text.start(), rodata.end());
        if both.is_empty() {
            return Ok(());
        }
        self.set_memory_ro(both, gfp)?;
        if text.is_empty() { Ok(()) } else { self.set_memory_x(text, gfp) }
    }

    fn change(&self, range: VirtRange, change: Change, gfp: Gfp) -> Result<(), ChangeError> {
        let is_pages = range.start().is_aligned(PAGE_SIZE) && range.end().is_aligned(PAGE_SIZE);
        if !is_pages || range.start() < self.kernel_start {
            return Err(ChangeError::NotPages { range });
        }
        for piece in mebibytes(range) {
            self.change_piece(piece, change, Pass::Check)?;
        }
        for piece in mebibytes(range).filter(|piece| !is_whole(*piece)) {
            if let Err(error) = self.split_one(piece.start(), gfp) {
                // The pieces before, if they were split just now, are whole again.
                self.join(covering(VirtRange::new(range.start(), piece.start())));
                return Err(ChangeError::NoTable(error));
            }
        }
        let written = mebibytes(range).try_for_each(|piece| self.write_change(piece, change, gfp));
        // Also where somebody came in between: what was written before that is in the tables.
        self.forget(range);
        written
    }

    /// Changes the part of a mebibyte, which was looked at before.
    fn write_change(&self, piece: VirtRange, change: Change, gfp: Gfp) -> Result<(), ChangeError> {
        while self.change_piece(piece, change, Pass::Write)? == Outcome::IsSection {
            // Somebody has joined it in between.
            self.split_one(piece.start(), gfp).map_err(ChangeError::NoTable)?;
        }
        Ok(())
    }

    /// Looks whether the part of a mebibyte can be changed, or changes it.
    fn change_piece(
        &self,
        piece: VirtRange,
        change: Change,
        pass: Pass,
    ) -> Result<Outcome, ChangeError> {
        let start = piece.start();
        let shared = self.shared.lock();
        match change.of_first_level(self.first_level(start), start)? {
            L1Entry::Table { base, .. } => self.change_pages(base, piece, change, pass)?,
            _ if !is_whole(piece) => return Ok(Outcome::IsSection),
            section if pass == Pass::Write => {
                self.set_first_level(&shared.roots, start, section.encode());
            }
            _ => {}
        }
        Ok(Outcome::Done)
    }

    fn change_pages(
        &self,
        table: TableBase,
        piece: VirtRange,
        change: Change,
        pass: Pass,
    ) -> Result<(), ChangeError> {
        for virt in (piece.start().as_u32()..piece.end().as_u32()).step_by(PAGE_SIZE as usize) {
            let virt = VirtAddr::new(virt);
            let entry = table.entry(virt);
            let word = change.of_page(self.machine.read(entry), virt)?;
            if pass == Pass::Write {
                self.machine.write(entry, word);
            }
        }
        Ok(())
    }
}

/// First all of a range is looked at, then all of it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Check,
    Write,
}

/// What has come of a part of a mebibyte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It can be changed, or is.
    Done,
    /// It can be, when the section that it is part of has been split.
    IsSection,
}

/// The mebibytes that `range` has a byte of.
fn covering(range: VirtRange) -> VirtRange {
    let end = range.end().as_u32().div_ceil(SECTION_SIZE).saturating_mul(SECTION_SIZE);
    VirtRange::new(range.start().align_down(SECTION_SIZE), VirtAddr::new(end))
}
