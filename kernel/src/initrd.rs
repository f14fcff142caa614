//! The initial RAM disk: memory that a boot loader has filled, read where it lies.
//!
//! Boot keeps it out of the allocators for good (`boot::memory`), wherever it is. It has an address only as far as it is
//! lowmem, so it is read page by page: through the linear map, or through a slot of `kmap_local` for the moment that a
//! copy takes. One that crosses the end of lowmem is no special case. Nothing is unpacked: the archive in it is walked
//! anew by whoever wants a file, and there is no cache of what was found.
//!
//! Invariant: an [`Initrd`] is memory that is the kernel's, and that nobody writes to (P5 of `docs/model.md`).

use core::ptr;

use mm::addr::{PAGE_SIZE, PhysRange};
use mm::boot::initrd::pages_of;
use newc::{Archive, ArchiveError, Kind, OutOfBounds, Source};

use crate::kmap;

/// Why the initrd can not be read.
pub type InitrdError = ArchiveError<OutOfBounds>;

/// The initrd's bytes.
#[derive(Debug)]
pub struct Initrd {
    range: PhysRange,
}

impl Initrd {
    /// The initrd that lies at `range`, on any byte.
    ///
    /// # Safety
    ///
    /// 1. All of `range` is memory, and none of it must not be mapped.
    /// 2. Nobody else is given it, and nobody writes to it any more.
    pub const unsafe fn new(range: PhysRange) -> Self {
        Self { range }
    }

    /// The archive that it should be. Nothing is read yet.
    pub const fn archive(&self) -> Archive<&Self> {
        Archive::new(self)
    }

    /// Says where it is and what is in it, or why it can not be read.
    pub fn announce(&self) {
        let (range, kib) = (self.range, self.range.len().div_ceil(1 << 10));
        let mut files = 0;
        for entry in self.archive().entries() {
            match entry {
                Ok(entry) => files += u32::from(entry.kind() == Kind::File),
                Err(error) if files == 0 => {
                    log::error!("initrd: {range}, {kib} kB, can not be read: {error}");
                    return;
                }
                Err(error) => {
                    log::error!("initrd: {range}, {kib} kB, {files} files, then: {error}");
                    return;
                }
            }
        }
        log::info!("initrd: {range}, {kib} kB, {files} files");
    }

    /// The physical addresses of `len` bytes from `offset` on; `None` unless the initrd has all of them.
    fn part(&self, offset: u64, len: usize) -> Option<PhysRange> {
        let start = self.range.start().checked_add(offset)?;
        let part = PhysRange::from_len(start, len as u64)?;
        (part.end() <= self.range.end()).then_some(part)
    }
}

impl Source for Initrd {
    type Error = OutOfBounds;

    fn len(&self) -> u64 {
        self.range.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let part = self.part(offset, into.len()).ok_or(OutOfBounds { offset, len: into.len() })?;
        let mut rest = into;
        for piece in pages_of(part) {
            // The pieces are as long as `into`, all of them together.
            let Some(to) = rest.split_off_mut(..piece.len() as usize) else { break };
            let frame = piece.start().pfn_down();
            let in_page = (piece.start().as_u64() % u64::from(PAGE_SIZE)) as usize;
            let copy = |page: *mut u8| {
                // SAFETY: the piece lies in the page at `page`, which is mapped while this runs, and nobody writes
                // to it (duty 2 of `new`); `to` is as long as it, and is memory of somebody else's.
                unsafe {
                    ptr::copy_nonoverlapping(
                        page.add(in_page).cast_const(),
                        to.as_mut_ptr(),
                        to.len(),
                    )
                }
            };
            // SAFETY: 1. memory that may be mapped, by duty 1 of `new`; 2. `copy` keeps no pointer.
            unsafe { kmap::with_page(frame, copy) };
        }
        Ok(())
    }
}
