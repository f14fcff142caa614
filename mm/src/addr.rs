//! Units: physical and virtual addresses, page frame numbers, orders and ranges.
//!
//! Every quantity that crosses a module boundary has one of these types, so that a page frame
//! number can never be taken for an address, nor a byte count for a page count. Physical addresses
//! are 64 bits wide: a device tree may describe memory above 4 GiB, and a 32-bit sum of two of its
//! cells would wrap silently. Virtual addresses are 32 bits wide, whatever the host's `usize` is,
//! so that the same arithmetic runs in the kernel and in host tests.
//!
//! Invariant: a [`PhysRange`] or [`VirtRange`] never ends before it starts.

use core::fmt;

/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page and in a page frame: 4096, the small page of the short-descriptor format.
pub const PAGE_SIZE: u32 = 1 << PAGE_SHIFT;
/// One kibibyte, in bytes.
pub const KIB: u64 = 1 << 10;
/// One mebibyte, in bytes.
pub const MIB: u64 = 1 << 20;
/// One gibibyte, in bytes.
pub const GIB: u64 = 1 << 30;
/// The first physical address that the short-descriptor format cannot map as ordinary memory.
pub const PHYS_LIMIT_32: PhysAddr = PhysAddr::new(1 << 32);

/// Rounds `value` down to a multiple of `align`, which must be a power of two.
#[must_use]
pub const fn align_down(value: u64, align: u64) -> u64 {
    debug_assert!(align.is_power_of_two());
    value & !(align - 1)
}

/// Rounds `value` up to a multiple of `align`, which must be a power of two; `None` when the
/// result does not fit 64 bits.
#[must_use]
pub const fn align_up(value: u64, align: u64) -> Option<u64> {
    debug_assert!(align.is_power_of_two());
    match value.checked_add(align - 1) {
        Some(sum) => Some(sum & !(align - 1)),
        None => None,
    }
}

/// A physical address, in bytes. May lie above 4 GiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// The address `value`.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The address as an integer.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The address as a 32-bit register holds it; `None` at or above 4 GiB.
    #[must_use]
    pub const fn as_u32(self) -> Option<u32> {
        if self.0 <= u32::MAX as u64 { Some(self.0 as u32) } else { None }
    }

    /// The address `bytes` higher; `None` past the end of 64 bits.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The address `bytes` higher, or the highest one.
    #[must_use]
    pub const fn saturating_add(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// Rounded down to a multiple of `align` (a power of two).
    #[must_use]
    pub const fn align_down(self, align: u64) -> Self {
        Self(align_down(self.0, align))
    }

    /// Rounded up to a multiple of `align` (a power of two), or the highest such multiple.
    #[must_use]
    pub const fn align_up(self, align: u64) -> Self {
        match align_up(self.0, align) {
            Some(value) => Self(value),
            None => Self(align_down(u64::MAX, align)),
        }
    }

    /// Is the address a multiple of `align` (a power of two)?
    #[must_use]
    pub const fn is_aligned(self, align: u64) -> bool {
        self.0 & (align - 1) == 0
    }

    /// The frame that holds this address.
    #[must_use]
    pub const fn pfn_down(self) -> Pfn {
        Pfn::saturating(self.0 >> PAGE_SHIFT)
    }

    /// The first frame that starts at or above this address.
    #[must_use]
    pub const fn pfn_up(self) -> Pfn {
        Pfn::saturating((self.0 >> PAGE_SHIFT) + (self.0 & (PAGE_SIZE as u64 - 1) != 0) as u64)
    }
}

/// A page frame number: a physical address divided by [`PAGE_SIZE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Pfn(u32);

impl Pfn {
    /// Frame number `value`.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    const fn saturating(value: u64) -> Self {
        if value > u32::MAX as u64 { Self(u32::MAX) } else { Self(value as u32) }
    }

    /// The number as an integer.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The physical address of the frame's first byte.
    #[must_use]
    pub const fn start(self) -> PhysAddr {
        PhysAddr((self.0 as u64) << PAGE_SHIFT)
    }

    /// The frame `pages` further up, or the last one there can be.
    #[must_use]
    pub const fn saturating_add(self, pages: u32) -> Self {
        Self(self.0.saturating_add(pages))
    }
}

/// A virtual address of the 32-bit machine, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct VirtAddr(u32);

impl VirtAddr {
    /// The address `value`.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The address as an integer.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The address `bytes` higher; `None` past the end of the address space.
    #[must_use]
    pub const fn checked_add(self, bytes: u32) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The address `bytes` lower; `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, bytes: u32) -> Option<Self> {
        match self.0.checked_sub(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Rounded down to a multiple of `align` (a power of two).
    #[must_use]
    pub const fn align_down(self, align: u32) -> Self {
        Self(self.0 & !(align - 1))
    }

    /// Is the address a multiple of `align` (a power of two)?
    #[must_use]
    pub const fn is_aligned(self, align: u32) -> bool {
        self.0 & (align - 1) == 0
    }
}

macro_rules! address_format {
    ($($name:ident: $display:literal),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $display, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    )*};
}

// Physical addresses print as Linux's %pa does on a 32-bit machine, and grow when they must.
address_format!(PhysAddr: "{:#010x}", VirtAddr: "{:#010x}", Pfn: "{:#07x}");

/// A half-open range of physical addresses, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PhysRange {
    start: PhysAddr,
    end: PhysAddr,
}

impl PhysRange {
    /// The range `start..end`; empty at `start` when `end` lies below it.
    #[must_use]
    pub const fn new(start: PhysAddr, end: PhysAddr) -> Self {
        Self { start, end: if end.0 < start.0 { start } else { end } }
    }

    /// The `len` bytes from `start`; `None` when they run past the end of 64 bits.
    #[must_use]
    pub const fn from_len(start: PhysAddr, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// The first byte.
    #[must_use]
    pub const fn start(&self) -> PhysAddr {
        self.start
    }

    /// The byte after the last.
    #[must_use]
    pub const fn end(&self) -> PhysAddr {
        self.end
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Is there no byte in the range?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start.0 == self.end.0
    }

    /// Does the range hold `address`?
    #[must_use]
    pub const fn contains(&self, address: PhysAddr) -> bool {
        self.start.0 <= address.0 && address.0 < self.end.0
    }

    /// Does the range hold all of `other`?
    #[must_use]
    pub const fn contains_range(&self, other: &Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// Do the two ranges share a byte? Ranges that only touch do not.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start.0 < other.end.0 && other.start.0 < self.end.0
    }

    /// What both ranges hold; `None` when they share no byte.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// The whole frames in the range: the first frame that starts in it, and the frame after the
    /// last that ends in it.
    #[must_use]
    pub fn whole_frames(&self) -> PfnRange {
        PfnRange::new(self.start.pfn_up(), self.end.pfn_down())
    }
}

/// Prints as Linux prints a memory range: the last byte is inside.
impl fmt::Display for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            write!(f, "[empty at {}]", self.start)
        } else {
            write!(f, "[{}-{}]", self.start, PhysAddr(self.end.0 - 1))
        }
    }
}

impl fmt::Debug for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A half-open range of page frames, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct PfnRange {
    start: Pfn,
    end: Pfn,
}

impl PfnRange {
    /// The frames `start..end`; empty at `start` when `end` lies below it.
    #[must_use]
    pub const fn new(start: Pfn, end: Pfn) -> Self {
        Self { start, end: if end.0 < start.0 { start } else { end } }
    }

    /// The first frame.
    #[must_use]
    pub const fn start(&self) -> Pfn {
        self.start
    }

    /// The frame after the last.
    #[must_use]
    pub const fn end(&self) -> Pfn {
        self.end
    }

    /// How many frames.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.end.0 - self.start.0
    }

    /// Is there no frame in the range?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start.0 == self.end.0
    }

    /// Does the range hold `pfn`?
    #[must_use]
    pub const fn contains(&self, pfn: Pfn) -> bool {
        self.start.0 <= pfn.0 && pfn.0 < self.end.0
    }

    /// What both ranges hold, which may be nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The same frames as physical addresses.
    #[must_use]
    pub const fn as_phys(&self) -> PhysRange {
        PhysRange::new(self.start.start(), self.end.start())
    }

    /// The frames one by one, upwards.
    pub fn iter(&self) -> impl Iterator<Item = Pfn> + use<> {
        (self.start.0..self.end.0).map(Pfn)
    }
}

/// A half-open range of virtual addresses, `start..end`.
///
/// The end is an address too, so no range can hold the last byte of the address space. None needs
/// to: the kernel uses nothing above the exception stubs at `0xffff1000`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VirtRange {
    start: VirtAddr,
    end: VirtAddr,
}

impl VirtRange {
    /// The range `start..end`; empty at `start` when `end` lies below it.
    #[must_use]
    pub const fn new(start: VirtAddr, end: VirtAddr) -> Self {
        Self { start, end: if end.0 < start.0 { start } else { end } }
    }

    /// The first byte.
    #[must_use]
    pub const fn start(&self) -> VirtAddr {
        self.start
    }

    /// The byte after the last.
    #[must_use]
    pub const fn end(&self) -> VirtAddr {
        self.end
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.end.0 - self.start.0
    }

    /// Is there no byte in the range?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start.0 == self.end.0
    }

    /// Does the range hold `address`?
    #[must_use]
    pub const fn contains(&self, address: VirtAddr) -> bool {
        self.start.0 <= address.0 && address.0 < self.end.0
    }

    /// Do the two ranges share a byte?
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start.0 < other.end.0 && other.start.0 < self.end.0
    }
}

/// Prints with an exclusive end, as the *Virtual kernel memory layout* table does.
impl fmt::Display for VirtRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.start, self.end)
    }
}

impl fmt::Debug for VirtRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The size of a buddy block as a power of two of pages, 0 to [`Order::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Order(u8);

impl Order {
    /// A single page.
    pub const ZERO: Self = Self(0);
    /// The largest block: 1024 pages, 4 MiB.
    pub const MAX: Self = Self(10);
    /// How many orders there are.
    pub const COUNT: usize = Self::MAX.0 as usize + 1;

    /// Order `value`; `None` above [`Order::MAX`].
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The exponent.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }

    /// The exponent as an array index, below [`Order::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Pages in a block of this order.
    #[must_use]
    pub const fn pages(self) -> u32 {
        1 << self.0
    }

    /// Bytes in a block of this order.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        PAGE_SIZE << self.0
    }

    /// The order above; `None` at the largest.
    #[must_use]
    pub const fn up(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// All orders, smallest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..=Self::MAX.0).map(Self)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order({})", self.0)
    }
}

const _: () = assert!(size_of::<Pfn>() == 4 && size_of::<VirtAddr>() == 4);
const _: () = assert!(Order::MAX.bytes() as u64 == 4 * MIB);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_towards_the_whole_frames_inside() {
        let range = PhysRange::new(PhysAddr::new(0x1001), PhysAddr::new(0x3fff));
        assert_eq!(range.whole_frames(), PfnRange::new(Pfn::new(2), Pfn::new(3)));
        let tiny = PhysRange::new(PhysAddr::new(0x1001), PhysAddr::new(0x1fff));
        assert!(tiny.whole_frames().is_empty());
    }

    #[test]
    fn four_gibibytes_is_a_number_like_any_other() {
        assert_eq!(PHYS_LIMIT_32.pfn_down(), Pfn::new(0x10_0000));
        assert_eq!(PHYS_LIMIT_32.as_u32(), None);
        assert_eq!(PhysAddr::new(u64::MAX).pfn_up(), Pfn::new(u32::MAX));
        assert_eq!(PhysAddr::new(u64::MAX).align_up(4096), PhysAddr::new(!0xfff));
    }

    #[test]
    fn ranges_print_as_linux_prints_them() {
        let range = PhysRange::new(PhysAddr::new(0x4000_0000), PhysAddr::new(0x8000_0000));
        assert_eq!(range.to_string(), "[0x40000000-0x7fffffff]");
        let high = PhysRange::new(PHYS_LIMIT_32, PhysAddr::new(0x1_4000_0000));
        assert_eq!(high.to_string(), "[0x100000000-0x13fffffff]");
        assert_eq!(
            VirtRange::new(VirtAddr::new(0xc000_0000), VirtAddr::new(0xf000_0000)).to_string(),
            "0xc0000000 - 0xf0000000"
        );
    }

    #[test]
    fn touching_ranges_do_not_overlap() {
        let a = PhysRange::new(PhysAddr::new(0), PhysAddr::new(4));
        let b = PhysRange::new(PhysAddr::new(4), PhysAddr::new(8));
        assert!(!a.overlaps(&b) && a.intersection(&b).is_none());
    }
}
