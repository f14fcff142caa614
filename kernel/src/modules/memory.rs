//! The memory of one half of a module, core or init: text, read-only data and data, each whole pages, in one area.
//!
//! ```text
//!             │ text │ rodata │ data │
//! Memory        RW       RW      RW     the loader fills it
//!   │ seal: text out of the data cache, old instructions dropped; then the rights
//!   ▼
//! Sealed        RX       R       RW     it runs
//!   │ drop: entries die, all TLBs forget them
//!   ▼           -        -       -
//! ```
//!
//! Invariant: T3 of `docs/model.md`, at each moment. Data never has the right to be executed; text loses the right to
//! be written before it gets that one.
//!
//! **Why no stale instruction is executed**, though addresses and frames are used again. Instruction caches and branch
//! predictors are filled by fetches only, also speculative ones, and nothing is fetched from memory that is not
//! executable. Each address of text is invalidated, after its last store and before it becomes executable again: so what
//! is found there then was fetched after the store. It does not matter which frame lay there before, nor which address
//! the frame had: a cache that is indexed by address may keep lines of the frame under another one, where a fetch
//! from this one does not look, and whoever is loaded there invalidates that one. Branch predictors are invalidated as
//! a whole (*ARM DDI 0406C, B2.2.5* and *B3.11*).
//!
//! The right to write is taken from this mapping. A frame of lowmem has another one, in the linear map, which stays
//! writable, as on Linux for ARM; a stray write through it is not caught. HighMem comes first, where there is any.

use core::fmt;
use core::slice;

use arch_arm::cache;
use arch_arm::mmu::live::ChangeError;
use mm::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use mm::map::module_area::ModuleAreaError;
use mm::map::vmalloc::VmallocError;
use mm::zone::Gfp;
use modules::Sizes;

use crate::maps::Maps;
use crate::vmalloc::Modules;

/// Which region is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// The modules region, and the vmalloc region when that is full.
    NearFirst,
    /// The vmalloc region.
    Far,
}

/// Where each lies, whole pages, side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Instructions.
    pub text: VirtRange,
    /// What is only read.
    pub rodata: VirtRange,
    /// What is read and written.
    pub data: VirtRange,
}

impl Parts {
    /// All of it.
    #[must_use]
    pub const fn whole(&self) -> VirtRange {
        VirtRange::new(self.text.start(), self.data.end())
    }
}

/// Why there is no memory for a module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryError {
    /// More than an address can say.
    TooLarge(Sizes),
    /// There is no such area; it was reported, unless who asked did not want that.
    NoArea(ModuleAreaError),
    /// There is none far away.
    NoFarArea(VmallocError),
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(Sizes { text, rodata, data }) => write!(
                f,
                "{text} bytes of text, {rodata} of read-only data and {data} of data are more than 4 GiB"
            ),
            Self::NoArea(error) => error.fmt(f),
            Self::NoFarArea(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MemoryError {}

/// An area of a module's, for as long as it lives.
struct Area {
    home: &'static Modules,
    parts: Parts,
    /// Somebody may still run what is there, so it is never given back.
    is_kept: bool,
}

impl Drop for Area {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // Nobody else can have given it back; if somebody did, that was reported.
        let _ = self.home.free(self.parts.whole().start());
    }
}

impl Area {
    /// The bytes of a part of it.
    ///
    /// # Safety
    ///
    /// 1. Nobody writes them while the slice lives.
    unsafe fn bytes(&self, range: VirtRange) -> &[u8] {
        let start = range.start().as_u32() as *const u8;
        // SAFETY: the area is mapped, readable and was zeroed, and lives as long as `self`; 1. the caller's.
        unsafe { slice::from_raw_parts(start, range.len() as usize) }
    }

    /// The bytes of a part of it, to change them.
    ///
    /// # Safety
    ///
    /// 1. They are mapped writable. 2. Nobody else reads or writes them while the slice lives.
    unsafe fn bytes_mut(&mut self, range: VirtRange) -> &mut [u8] {
        let start = range.start().as_u32() as *mut u8;
        // SAFETY: as in `bytes`; 1. and 2. the caller's.
        unsafe { slice::from_raw_parts_mut(start, range.len() as usize) }
    }
}

/// Memory that a module is about to be in: all of it can be written, nothing executed.
#[must_use = "the memory is given back when it is dropped"]
pub struct ModuleMemory {
    area: Area,
}

impl ModuleMemory {
    /// Takes memory of these sizes, all zero: from the modules region, or the vmalloc region if that is full. Context
    /// as `gfp` says. `caller` is named in reports.
    ///
    /// # Errors
    ///
    /// [`MemoryError`]. No bytes at all are refused.
    pub fn alloc(
        home: &'static Modules,
        sizes: Sizes,
        placement: Placement,
        gfp: Gfp,
        caller: u32,
    ) -> Result<Self, MemoryError> {
        let Sizes { text, rodata, data } = sizes;
        let pages = |bytes: u32| bytes.checked_next_multiple_of(PAGE_SIZE);
        let lengths = || {
            let (text, rodata, data) = (pages(text)?, pages(rodata)?, pages(data)?);
            Some((text, rodata, text.checked_add(rodata)?.checked_add(data)?))
        };
        let Some((text, rodata, all)) = lengths() else {
            return Err(MemoryError::TooLarge(sizes));
        };
        let zeroed = gfp | Gfp::__GFP_ZERO;
        let whole = match placement {
            Placement::NearFirst => home.alloc(all, zeroed, caller).map_err(MemoryError::NoArea)?,
            Placement::Far => {
                home.alloc_far(all, zeroed, caller).map_err(MemoryError::NoFarArea)?
            }
        };
        let at = |offset: u32| VirtAddr::new(whole.start().as_u32() + offset);
        let parts = Parts {
            text: VirtRange::new(at(0), at(text)),
            rodata: VirtRange::new(at(text), at(text + rodata)),
            data: VirtRange::new(at(text + rodata), whole.end()),
        };
        Ok(Self { area: Area { home, parts, is_kept: false } })
    }

    /// Where each part lies.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.area.parts
    }

    /// All of it, for the loader.
    pub fn as_area(&mut self) -> modules::Area<'_> {
        let base = self.area.parts.text.start();
        modules::Area { base, bytes: self.bytes_mut() }
    }

    /// All bytes, text first.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let whole = self.area.parts.whole();
        // SAFETY: 1. nothing is sealed; 2. nobody has been given the area but `self`, which is borrowed.
        unsafe { self.area.bytes_mut(whole) }
    }

    /// Ends the writing: from now on text can be read and executed, read-only data read, data read and written, by
    /// all CPUs.
    ///
    /// # Errors
    ///
    /// [`ChangeError`], for want of memory only if somebody had mapped the area by sections, which nobody does. The
    /// memory is given back.
    pub fn seal(self, maps: &Maps, gfp: Gfp) -> Result<SealedMemory, ChangeError> {
        let Parts { text, rodata, .. } = self.area.parts;
        cache::sync_instructions(text);
        maps.seal(text, rodata, gfp)?;
        Ok(SealedMemory { area: self.area })
    }
}

/// Memory that a module is in.
#[must_use = "the memory is given back when it is dropped"]
pub struct SealedMemory {
    area: Area,
}

impl SealedMemory {
    /// Where each part lies.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.area.parts
    }

    /// Never gives it back, since somebody may still run what is there.
    pub fn keep(&mut self) {
        self.area.is_kept = true;
    }

    /// Text and read-only data, which do not change any more.
    #[must_use]
    pub fn fixed(&self) -> &[u8] {
        let Parts { text, rodata, .. } = self.area.parts;
        // SAFETY: 1. nobody has the right to.
        unsafe { self.area.bytes(VirtRange::new(text.start(), rodata.end())) }
    }
}
