//! A device, as DMA memory knows it: what it reaches, and whether it looks into the caches.
//!
//! Masks are set by the driver when it probes, before the first buffer; Linux's `dma_set_mask` and
//! `dma_set_coherent_mask`. A mask is turned into the last physical address at once, so that a mapping compares two
//! words, and needs no 64-bit arithmetic.

use core::fmt;

use arrayvec::ArrayString;

use super::address::{DmaAddr, DmaMask, DmaWindow};
use super::figures::DeviceFigures;
use crate::addr::{PAGE_SIZE, Pfn, PfnRange, PhysAddr, PhysRange};
use crate::sync::{AtomicU32, Ordering::Relaxed};

/// The most bytes of a device's name.
pub const NAME_BYTES: usize = 32;

/// Does a device see what CPUs' caches hold? The device tree's `dma-coherent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coherency {
    /// It sees memory only: caches are maintained for it.
    Software,
    /// It looks into the caches: there is nothing to maintain, and coherent memory is ordinary memory.
    Hardware,
}

/// No memory of the device's window is reached with a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotReachable {
    /// The mask.
    pub mask: DmaMask,
    /// The window.
    pub window: DmaWindow,
}

impl fmt::Display for NotReachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a DMA mask of {} reaches no memory of the window {}", self.mask, self.window)
    }
}

impl core::error::Error for NotReachable {}

const HARDWARE_COHERENT: u32 = 1;
const WATCHED: u32 = 2;

/// A device that does DMA.
pub struct Device {
    /// Why its mappings are not the ordinary ones: 0, or [`HARDWARE_COHERENT`], [`WATCHED`].
    flags: AtomicU32,
    /// The window's first physical address.
    first: u32,
    /// The last one that streaming mappings may use.
    streaming_last: AtomicU32,
    /// What is added to a physical address.
    offset: u32,
    coherent_last: AtomicU32,
    /// Its number among those that are attached; 0 for none.
    id: AtomicU32,
    window: DmaWindow,
    coherent_pages: AtomicU32,
    bounced: AtomicU32,
    refused: AtomicU32,
    name: ArrayString<NAME_BYTES>,
}

impl Device {
    /// A device with masks of 32 bits. What does not fit [`NAME_BYTES`] of its name is cut off.
    #[must_use]
    pub fn new(name: &str, window: DmaWindow, coherency: Coherency) -> Self {
        let mut short = ArrayString::new();
        for letter in name.chars() {
            if short.try_push(letter).is_err() {
                break;
            }
        }
        let last = window.last_reached(DmaMask::BITS_32).unwrap_or(window.first());
        let flags = match coherency {
            Coherency::Software => 0,
            Coherency::Hardware => HARDWARE_COHERENT,
        };
        Self {
            flags: AtomicU32::new(flags),
            first: window.first(),
            streaming_last: AtomicU32::new(last),
            offset: window.offset(),
            coherent_last: AtomicU32::new(last),
            id: AtomicU32::new(0),
            window,
            coherent_pages: AtomicU32::new(0),
            bounced: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            name: short,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its bus shows it of memory.
    #[must_use]
    pub const fn window(&self) -> DmaWindow {
        self.window
    }

    /// Whether it looks into the caches.
    #[must_use]
    pub fn coherency(&self) -> Coherency {
        if self.is_hardware_coherent() { Coherency::Hardware } else { Coherency::Software }
    }

    /// Sets the mask for streaming mappings. Before the first of them.
    ///
    /// # Errors
    ///
    /// [`NotReachable`]; the old mask stays.
    pub fn set_mask(&self, mask: DmaMask) -> Result<(), NotReachable> {
        self.streaming_last.store(self.last(mask)?, Relaxed);
        Ok(())
    }

    /// Sets the mask for coherent memory. Before the first of it.
    ///
    /// # Errors
    ///
    /// [`NotReachable`]; the old mask stays.
    pub fn set_coherent_mask(&self, mask: DmaMask) -> Result<(), NotReachable> {
        self.coherent_last.store(self.last(mask)?, Relaxed);
        Ok(())
    }

    fn last(&self, mask: DmaMask) -> Result<u32, NotReachable> {
        let window = self.window;
        window.last_reached(mask).ok_or(NotReachable { mask, window })
    }

    /// The bus address of a physical one in the window.
    #[inline(always)]
    pub(super) const fn dma(&self, phys: u32) -> DmaAddr {
        DmaAddr::new(phys.wrapping_add(self.offset))
    }

    /// The physical address of a bus address in the window.
    #[inline(always)]
    pub(super) const fn phys(&self, dma: DmaAddr) -> u32 {
        dma.as_u32().wrapping_sub(self.offset)
    }

    /// Do streaming mappings reach all of these bytes, of which there is one at least, and which end below 4 GiB?
    #[inline(always)]
    pub(super) fn streams(&self, phys: u32, bytes: u32) -> bool {
        reaches(self.first, self.streaming_last.load(Relaxed), phys, bytes)
    }

    /// Does coherent memory of the device lie within its mask there? As [`streams`](Self::streams).
    #[inline(always)]
    pub(super) fn holds_coherent(&self, phys: u32, bytes: u32) -> bool {
        reaches(self.first, self.coherent_last.load(Relaxed), phys, bytes)
    }

    /// What of memory its coherent buffers may lie in.
    #[must_use]
    pub fn coherent_reach(&self) -> PhysRange {
        self.reach(self.coherent_last.load(Relaxed))
    }

    /// What of memory its streaming mappings may be of.
    #[must_use]
    pub fn streaming_reach(&self) -> PhysRange {
        self.reach(self.streaming_last.load(Relaxed))
    }

    fn reach(&self, last: u32) -> PhysRange {
        let address = |phys: u32| PhysAddr::new(phys.into());
        PhysRange::new(address(self.first), address(last).saturating_add(1))
    }

    /// Is there nothing special about it: caches are maintained, and nobody keeps a list of its mappings?
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.peculiarities() == 0
    }

    /// What keeps it from the quick ways, as bits.
    #[inline(always)]
    pub(super) fn peculiarities(&self) -> u32 {
        self.flags.load(Relaxed)
    }

    #[inline]
    pub(super) fn is_hardware_coherent(&self) -> bool {
        self.flags.load(Relaxed) & HARDWARE_COHERENT != 0
    }

    /// Is there a list of its mappings?
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.flags.load(Relaxed) & WATCHED != 0
    }

    pub(super) fn watch(&self) {
        self.flags.fetch_or(WATCHED, Relaxed);
    }

    pub(super) fn watch_no_more(&self) {
        self.flags.fetch_and(!WATCHED, Relaxed);
    }

    pub(super) fn id(&self) -> u32 {
        self.id.load(Relaxed)
    }

    pub(super) fn set_id(&self, id: u32) {
        self.id.store(id, Relaxed);
    }

    pub(super) fn add_coherent(&self, pages: u32) {
        self.coherent_pages.fetch_add(pages, Relaxed);
    }

    pub(super) fn sub_coherent(&self, pages: u32) {
        self.coherent_pages.fetch_sub(pages, Relaxed);
    }

    pub(super) fn note_bounced(&self) {
        self.bounced.fetch_add(1, Relaxed);
    }

    pub(super) fn note_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Its figures.
    #[must_use]
    pub fn figures(&self) -> DeviceFigures {
        DeviceFigures {
            name: self.name,
            coherency: self.coherency(),
            offset: self.offset,
            streaming: self.streaming_reach(),
            coherent: self.coherent_reach(),
            coherent_bytes: self.coherent_pages.load(Relaxed).saturating_mul(PAGE_SIZE),
            bounced: self.bounced.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

/// The whole frames that a device's coherent memory may lie in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reach(PfnRange);

impl Reach {
    /// The whole frames of `memory`.
    pub(super) fn new(memory: PhysRange) -> Self {
        Self(memory.whole_frames())
    }

    /// Is all of a run in reach?
    pub(super) fn holds(self, run: PfnRange) -> bool {
        self.0.start() <= run.start() && run.end() <= self.0.end()
    }

    /// Is some of it?
    pub(super) const fn overlaps(self, run: PfnRange) -> bool {
        self.0.overlaps(&run)
    }

    /// The frame behind the last.
    pub(super) const fn end(self) -> Pfn {
        self.0.end()
    }

    pub(super) const fn as_phys(self) -> PhysRange {
        self.0.as_phys()
    }
}

#[inline(always)]
const fn reaches(first: u32, last: u32, phys: u32, bytes: u32) -> bool {
    // Of 0 bytes, the last one is far beyond.
    first <= phys && phys <= last && bytes.wrapping_sub(1) <= last - phys
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.name)
    }
}
