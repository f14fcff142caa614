//! What holds for every layout, whatever machine and command line it was decided for.

use mm::{
    addr::PHYS_LIMIT_32,
    boot::{layout::Layout, memblock::Memblock},
};

/// Holds a layout to its promises: regions are in order and apart, lowmem is memory that addresses
/// reach, and the zones hold no frame twice and none that there is not.
///
/// # Panics
///
/// When a promise is broken.
pub fn check_layout(layout: &Layout, memblock: &Memblock<'_>) {
    let mut regions = layout.regions();
    regions.sort_by_key(|region| region.range.start());
    for pair in regions.windows(2) {
        assert!(pair[0].range.end() <= pair[1].range.start(), "{regions:?}");
    }
    assert!(regions.iter().all(|region| !region.range.is_empty()), "{regions:?}");
    assert!(layout.lowmem_end > layout.phys_offset && layout.lowmem_end <= PHYS_LIMIT_32);
    for pair in layout.zones.windows(2) {
        assert!(pair[0].range.end() <= pair[1].range.start(), "{:?}", layout.zones);
    }
    let memory = memblock.memory().regions().iter();
    let frames: u32 = memory.map(|region| region.range.whole_frames().len()).sum();
    let present: u32 = layout.zones.iter().map(|zone| zone.present).sum();
    assert!(layout.zones.iter().all(|zone| zone.present <= zone.range.len()));
    assert!(present <= frames, "{present} of {frames} frames are present");
}
