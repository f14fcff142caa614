//! Two pages of user memory in the live tables, for as long as a test runs: one with code, one with
//! data.
//!
//! There are no user address spaces yet, so the pages go into the kernel's own tables, at addresses
//! below `TASK_SIZE` where nothing else is. Before the test they are made, as any mapping is, from
//! fault entries; afterwards the one first-level entry that leads to them is cleared, the TLB forgets
//! them, and only then do their frames go back (break before make, *ARM DDI 0406C, B3.10.1*).
//!
//! Invariant: what was free before is free again, and nothing is mapped below `TASK_SIZE`.

use core::fmt;
use core::ptr;

use arch_arm::barrier;
use arch_arm::cache;
use arch_arm::mmu::attributes::{Access, Attributes, Execute, LeafAttributes};
use arch_arm::mmu::descriptor::TableBase;
use arch_arm::mmu::mapper::{Granule, MapError, Mapper, TableMemory};
use arch_arm::mmu::walk::TableRead;
use arch_arm::tlb;
use arrayvec::ArrayVec;
use mm::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, VirtAddr, VirtRange};
use mm::zone::{AllocError, Gfp, NotFreed};

use super::LinearMap;
use crate::monitor::Kernel;
use crate::pages;

/// User mode reads and executes this page, and so does the kernel.
pub const CODE: VirtAddr = VirtAddr::new(0x0001_0000);
/// User mode and the kernel read and write this page, and it is not executable.
pub const DATA: VirtAddr = VirtAddr::new(CODE.as_u32() + PAGE_SIZE);

/// Both.
const PAGES: VirtRange = VirtRange::new(CODE, VirtAddr::new(DATA.as_u32() + PAGE_SIZE));

const USER: LeafAttributes = LeafAttributes { global: false, ..Attributes::KERNEL_DATA.leaf };
const USER_CODE: LeafAttributes =
    LeafAttributes { access: Access::Read, execute: Execute::Allowed, ..USER };
const USER_DATA: LeafAttributes = LeafAttributes { access: Access::ReadWrite, ..USER };

/// Why there are no user pages.
#[derive(Debug)]
pub enum UserPagesError {
    /// No frames for them, or for their table.
    NoPages(AllocError),
    /// A frame that the linear map does not hold.
    Outside(Pfn),
    /// Something is mapped there already.
    Map(MapError),
    /// Their frames could not be given back.
    Free(NotFreed),
}

impl fmt::Display for UserPagesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPages(error) => error.fmt(f),
            Self::Outside(pfn) => write!(f, "frame {pfn} lies outside the linear map"),
            Self::Map(error) => error.fmt(f),
            Self::Free(error) => error.fmt(f),
        }
    }
}

/// The pages, mapped at [`CODE`] and [`DATA`] and zeroed.
pub struct UserPages {
    /// The code page in the linear map, where it can be written.
    code: VirtAddr,
}

impl UserPages {
    /// Puts `words` at the start of the code page, as many as it holds, ready to be executed.
    pub fn load(&self, words: &[u32]) {
        for (index, word) in words.iter().take(PAGE_SIZE as usize / 4).enumerate() {
            let at = self.code.as_u32() as usize + 4 * index;
            // SAFETY: a word of the frame that `with` took, at its address in the linear map; no
            // reference to it exists, and user mode is not running.
            unsafe { ptr::write_volatile(at as *mut u32, *word) };
        }
        // The data caches are physically tagged: lines written there are found at this address.
        cache::sync_instructions(VirtRange::new(CODE, DATA));
    }

    /// The word of the data page at byte `offset`, a multiple of 4 within the page.
    pub fn word(&self, offset: u32) -> u32 {
        // SAFETY: the page is mapped for as long as `self` lives, and user mode is not running.
        unsafe { ptr::read_volatile(Self::data(offset)) }
    }

    /// Stores `word` in the data page at byte `offset`, a multiple of 4 within the page.
    pub fn set_word(&self, offset: u32, word: u32) {
        // SAFETY: as in `word`; no reference to the page exists.
        unsafe { ptr::write_volatile(Self::data(offset), word) };
    }

    fn data(offset: u32) -> *mut u32 {
        assert!(offset < PAGE_SIZE && offset.is_multiple_of(4), "{offset:#x} in a page of words");
        (DATA.as_u32() + offset) as *mut u32
    }
}

/// Maps the pages, runs `body`, and takes them back.
///
/// # Errors
///
/// See [`UserPagesError`]. Without the pages, `body` has not run.
pub fn with<R>(
    kernel: &mut Kernel,
    body: impl FnOnce(&mut Kernel, &UserPages) -> R,
) -> Result<R, UserPagesError> {
    // The pages have a table of their own, so that one entry takes all of it back.
    let entry = kernel.tables.root.entry(CODE);
    if kernel.tables.linear.read(entry) != 0 {
        return Err(UserPagesError::Map(MapError::AlreadyMapped { virt: CODE }));
    }
    let mut frames = ArrayVec::<Pfn, 3>::new();
    let outcome = map(kernel, &mut frames).map(|pages| body(kernel, &pages));
    // Also where only a part could be mapped: no entry leads to a frame that is free.
    write(kernel.tables.linear, entry, 0);
    tlb::flush_kernel_range(PAGES);
    for frame in frames {
        // SAFETY: 1. `map` took it; 2. nothing maps it any more.
        let freed = unsafe { pages::free(kernel.pages, frame, Order::ZERO) };
        freed.map_err(UserPagesError::Free)?;
    }
    outcome
}

/// Takes frames, leaving them in `frames` whatever happens, and maps them.
fn map(kernel: &mut Kernel, frames: &mut ArrayVec<Pfn, 3>) -> Result<UserPages, UserPagesError> {
    let linear = kernel.tables.linear;
    let root = kernel.tables.root;
    let mut zeroed = || {
        let frame = pages::alloc(kernel.pages, Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, Order::ZERO);
        let frame = frame.map_err(UserPagesError::NoPages)?;
        frames.push(frame);
        let at = linear.phys_to_virt(frame.start()).ok_or(UserPagesError::Outside(frame))?;
        // SAFETY: the allocator gave the frame to nobody else, and the linear map holds it.
        unsafe { ptr::write_bytes(at.as_u32() as *mut u8, 0, PAGE_SIZE as usize) };
        Ok((frame.start(), at))
    };
    let ((table, _), (code, code_at), (data, _)) = (zeroed()?, zeroed()?, zeroed()?);
    let mut tables = OneTable { linear, table: TableBase::new(table) };
    let mut mapper = Mapper::new(root, &mut tables);
    for (virt, phys, leaf) in [(CODE, code, USER_CODE), (DATA, data, USER_DATA)] {
        let attributes = Attributes { leaf, ..Attributes::KERNEL_DATA };
        mapper
            .map(virt, phys, u64::from(PAGE_SIZE), attributes, Granule::Pages)
            .map_err(UserPagesError::Map)?;
    }
    barrier::dsb_ishst();
    barrier::isb();
    Ok(UserPages { code: code_at })
}

/// The live tables, and one second-level table to add to them.
struct OneTable {
    linear: LinearMap,
    table: Option<TableBase>,
}

impl TableRead for OneTable {
    fn read(&self, entry: PhysAddr) -> u32 {
        self.linear.read(entry)
    }
}

impl TableMemory for OneTable {
    fn write(&mut self, entry: PhysAddr, word: u32) {
        write(self.linear, entry, word);
    }

    fn alloc_table(&mut self) -> Option<TableBase> {
        barrier::dsb_ishst();
        self.table.take()
    }
}

/// Stores a table word: of the live first-level table, or of the table that [`map`] made.
fn write(linear: LinearMap, entry: PhysAddr, word: u32) {
    if let Some(virt) = linear.phys_to_virt(entry) {
        // SAFETY: the two tables are words of lowmem that nothing else writes: the monitor runs one
        // command at a time, and the kernel is not written to by any other hand after boot.
        unsafe { ptr::write_volatile(virt.as_u32() as *mut u32, word) };
    }
}

const _: () = assert!(CODE.as_u32().is_multiple_of(PAGE_SIZE));
// One table maps both.
const _: () = assert!(CODE.as_u32() >> 20 == DATA.as_u32() >> 20);
