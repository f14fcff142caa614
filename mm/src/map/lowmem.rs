//! Is a frame lowmem, and where: the question that every kmap begins with, in four instructions.
//!
//! [`LinearMap`] answers it for 64-bit addresses. A frame's number has 32 bits, and all of lowmem lies below
//! 4 GiB of addresses, so its first frame and their number do.

use super::linear::LinearMap;
use crate::addr::{PAGE_SHIFT, Pfn, VirtAddr, VirtRange};

/// The whole frames of the linear map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LowmemFrames {
    first: u32,
    pages: u32,
    /// Where the first one is mapped.
    start: VirtAddr,
}

impl LowmemFrames {
    /// The frames that `linear` holds wholly.
    #[must_use]
    pub fn of(linear: &LinearMap) -> Self {
        let frames = linear.lowmem().whole_frames();
        let mapped = |pfn: &Pfn| linear.page_address(*pfn).is_some();
        let start = linear.page_address(frames.start());
        // Lowmem may be larger than what is left of the address space.
        let room = start.map_or(0, |start| ((u32::MAX - start.as_u32()) >> PAGE_SHIFT) + 1);
        let pages = frames.len().min(room);
        let last = frames.start().saturating_add(pages.saturating_sub(1));
        debug_assert!(pages == 0 || mapped(&last));
        Self { first: frames.start().as_u32(), pages, start: start.unwrap_or_default() }
    }

    /// The address of the frame; `None` if it is not lowmem.
    #[inline(always)]
    #[must_use]
    pub const fn address(&self, pfn: Pfn) -> Option<VirtAddr> {
        let number = pfn.as_u32().wrapping_sub(self.first);
        if number < self.pages {
            Some(VirtAddr::new(self.start.as_u32() + (number << PAGE_SHIFT)))
        } else {
            None
        }
    }

    /// The frame that is mapped at the address; `None` outside lowmem.
    #[inline(always)]
    #[must_use]
    pub const fn frame(&self, virt: VirtAddr) -> Option<Pfn> {
        let number = virt.as_u32().wrapping_sub(self.start.as_u32()) >> PAGE_SHIFT;
        if number < self.pages { Some(Pfn::new(self.first + number)) } else { None }
    }

    /// Where they are mapped, but for the last byte of the address space.
    #[must_use]
    pub const fn addresses(&self) -> VirtRange {
        let bytes = (self.pages as u64) << PAGE_SHIFT;
        let end = self.start.as_u32() as u64 + bytes;
        let end = if end > u32::MAX as u64 { u32::MAX } else { end as u32 };
        VirtRange::new(self.start, VirtAddr::new(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{GIB, MIB, PhysAddr, PhysRange};

    /// Both sides say the same of every frame around the edges, and of its addresses.
    #[test]
    fn it_agrees_with_the_linear_map() {
        let cases = [
            (0xc000_0000, 0x4000_0000, 768 * MIB),
            (0xc000_0000, 0x4000_0000, 0x1801),
            (0xc000_0000, 0, MIB),
            (0x8000_0000, 4 * GIB - MIB, 2 * MIB),
            (0xffff_f000, 0x4000_0000, 8 * GIB),
            (0xc000_0000, 0x4000_0000, 0),
        ];
        for (page_offset, start, bytes) in cases {
            let range = PhysRange::from_len(PhysAddr::new(start), bytes).unwrap();
            let linear = LinearMap::new(VirtAddr::new(page_offset), range);
            let frames = LowmemFrames::of(&linear);
            let (first, end) = (range.start().pfn_down(), range.end().pfn_up());
            for edge in [first.as_u32(), end.as_u32()] {
                for pfn in edge.saturating_sub(3)..edge.saturating_add(3) {
                    let pfn = Pfn::new(pfn);
                    assert_eq!(frames.address(pfn), linear.page_address(pfn), "{pfn}");
                    if let Some(virt) = frames.address(pfn) {
                        assert!(frames.addresses().contains(virt));
                        for offset in [0, 1, 4095] {
                            let virt = VirtAddr::new(virt.as_u32() + offset);
                            assert_eq!(frames.frame(virt), linear.virt_to_page(virt));
                        }
                    }
                }
            }
            for virt in [0, page_offset - 1, 0xffdf_0000].map(VirtAddr::new) {
                assert_eq!(frames.frame(virt), linear.virt_to_page(virt), "{virt}");
            }
        }
    }
}
