//! What is done to the memory of whole pages, wherever they are: clear, fill, copy, compare.
//!
//! A frame of lowmem is done at its address. One of HighMem is mapped for this CPU in one more level of
//! [`KmapLocal`], interrupts as they are. Where all levels are in use, and it must be done all the same (the page
//! allocator zeroes what it hands out, whoever asks), it is mapped in the slot above them, interrupts masked for one
//! page. So none of this allocates, locks, waits or fails, and it may be called in any context; but for a copy from page to page, which
//! wants two levels at once.
//!
//! Lengths that a caller gives are checked against the page: no call reaches into the next frame.
//!
//! | Linux | here |
//! |---|---|
//! | `clear_highpage` | [`KmapLocal::clear_highpage`] |
//! | `copy_highpage` | [`KmapLocal::copy_highpage`] |
//! | `memcpy_from_page`, `memcpy_to_page` | [`KmapLocal::copy_from_page`], [`KmapLocal::copy_to_page`] |
//! | `memzero_page` | [`KmapLocal::zero_page_part`] |

use core::fmt;

use super::error::TooDeep;
use super::local::KmapLocal;
use crate::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr, VirtAddr};
use crate::map::slots::SlotTable;
use crate::platform::Platform;

/// Bytes that are mapped, as memory. What the quickest instructions for it are is the machine's to know.
///
/// Every address is mapped, writable memory for as many bytes as the call says, and nobody else uses them.
pub trait MappedBytes {
    /// Stores `word` again and again; `at` and `bytes` are multiples of 4.
    fn fill(&self, at: VirtAddr, bytes: u32, word: u32);

    /// Copies a page; neither overlaps the other.
    fn copy_page(&self, to: VirtAddr, from: VirtAddr);

    /// Reads bytes.
    fn read(&self, at: VirtAddr, into: &mut [u8]);

    /// Writes bytes.
    fn write(&self, at: VirtAddr, from: &[u8]);

    /// Zeroes bytes, from anywhere on.
    fn zero(&self, at: VirtAddr, bytes: u32);

    /// The first of `bytes` bytes that is not `byte`: how far from `at`, and what it is. `at` and `bytes` are
    /// multiples of 32.
    fn first_other_than(&self, at: VirtAddr, bytes: u32, byte: u8) -> Option<(u32, u8)>;
}

/// A part of a page that reaches beyond it. Nothing has been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BeyondPage {
    /// The frame.
    pub pfn: Pfn,
    /// Where the part begins in it.
    pub offset: u32,
    /// Its bytes; those beyond 32 bits are not told.
    pub bytes: u32,
}

impl fmt::Display for BeyondPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pfn, offset, bytes } = self;
        write!(f, "{bytes} bytes from offset {offset:#x} on reach beyond pfn {pfn}")
    }
}

impl core::error::Error for BeyondPage {}

impl<P: Platform, T: SlotTable, const CPUS: usize> KmapLocal<P, T, CPUS> {
    /// Runs `f` where the frame is mapped, for as long as `f` runs. Any context. Interrupts are as they were, unless
    /// this CPU has no level left.
    ///
    /// `f` may call this again: within the levels that there are, and one more.
    #[inline]
    pub fn with_page<R>(&self, pfn: Pfn, f: impl FnOnce(VirtAddr) -> R) -> R {
        match self.kmap_local(pfn) {
            Ok(page) => f(page.address()),
            Err(TooDeep { .. }) => self.above_all(pfn, f),
        }
    }
}

impl<P: Platform, T: SlotTable + MappedBytes, const CPUS: usize> KmapLocal<P, T, CPUS> {
    /// Zeroes the frame, which nobody else uses. Any context.
    #[inline]
    pub fn clear_highpage(&self, pfn: Pfn) {
        self.with_page(pfn, |at| self.table.fill(at, PAGE_SIZE, 0));
    }

    /// Copies a frame to another one, which nobody else uses. Any context.
    ///
    /// # Errors
    ///
    /// [`TooDeep`] when this CPU has not two levels left.
    #[inline]
    pub fn copy_highpage(&self, to: Pfn, from: Pfn) -> Result<(), TooDeep> {
        if to == from {
            return Ok(());
        }
        let source = self.kmap_local(from)?;
        let target = self.kmap_local(to)?;
        self.table.copy_page(target.address(), source.address());
        Ok(())
    }

    /// Reads bytes of the frame, from `offset` on. Any context.
    ///
    /// # Errors
    ///
    /// [`BeyondPage`] when that is not all in the page.
    pub fn copy_from_page(&self, pfn: Pfn, offset: u32, into: &mut [u8]) -> Result<(), BeyondPage> {
        let offset = part_of(pfn, offset, into.len())?;
        self.with_page(pfn, |at| self.table.read(plus(at, offset), into));
        Ok(())
    }

    /// Writes bytes into the frame, from `offset` on. Any context.
    ///
    /// # Errors
    ///
    /// As of [`copy_from_page`](Self::copy_from_page).
    pub fn copy_to_page(&self, pfn: Pfn, offset: u32, from: &[u8]) -> Result<(), BeyondPage> {
        let offset = part_of(pfn, offset, from.len())?;
        self.with_page(pfn, |at| self.table.write(plus(at, offset), from));
        Ok(())
    }

    /// Zeroes bytes of the frame, from `offset` on. Any context.
    ///
    /// # Errors
    ///
    /// As of [`copy_from_page`](Self::copy_from_page).
    pub fn zero_page_part(&self, pfn: Pfn, offset: u32, bytes: u32) -> Result<(), BeyondPage> {
        let offset = part_of(pfn, offset, bytes as usize)?;
        self.with_page(pfn, |at| self.table.zero(plus(at, offset), bytes));
        Ok(())
    }

    /// Puts `byte` into every byte of a block, which nobody else uses. Any context. In lowmem in one go, in HighMem
    /// page by page.
    pub fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
        let word = u32::from_ne_bytes([byte; 4]);
        for (page, bytes) in self.pieces(pfn, order) {
            self.with_page(page, |at| self.table.fill(at, bytes, word));
        }
    }

    /// The first byte of a block that is not `byte`: where it is, and what it is. Any context.
    pub fn first_other_than(&self, pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
        self.pieces(pfn, order).find_map(|(page, bytes)| {
            let look = |at| self.table.first_other_than(at, bytes, byte);
            let (offset, found) = self.with_page(page, look)?;
            Some((page.start().saturating_add(u64::from(offset)), found))
        })
    }

    /// A block as pieces that lie side by side when their first page is mapped: all of it in lowmem, else pages. A
    /// block lies in one zone (F2 of `docs/model.md`), so its first and last page tell.
    fn pieces(&self, pfn: Pfn, order: Order) -> impl Iterator<Item = (Pfn, u32)> + use<P, T, CPUS> {
        let last = pfn.saturating_add(order.pages() - 1);
        let lowmem = self.lowmem();
        let is_lowmem = lowmem.address(pfn).is_some() && lowmem.address(last).is_some();
        let (pieces, bytes) =
            if is_lowmem { (1, PAGE_SIZE << order.as_u32()) } else { (order.pages(), PAGE_SIZE) };
        PfnRange::new(pfn, pfn.saturating_add(pieces)).iter().map(move |page| (page, bytes))
    }
}

/// The offset, if so many bytes from there on are all in a page.
fn part_of(pfn: Pfn, offset: u32, bytes: usize) -> Result<u32, BeyondPage> {
    let is_inside = offset <= PAGE_SIZE && bytes <= (PAGE_SIZE - offset) as usize;
    if is_inside {
        return Ok(offset);
    }
    Err(BeyondPage { pfn, offset, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) })
}

const fn plus(at: VirtAddr, offset: u32) -> VirtAddr {
    VirtAddr::new(at.as_u32() + offset)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
