//! All that DMA memory asks of a machine, in one value: live tables, `kmap_local`, caches, sections of the linear map.

use mm::addr::{Pfn, PhysRange, VirtAddr, VirtRange};
use mm::dma::{DataCache, DmaMachine, HighPage, KernelMemory, LinearSections, NotTakenOut};

use crate::bridge::On;
use crate::kit::{Kit, Live, Local};
use crate::place::linear_map;

/// The machine under DMA memory.
#[derive(Clone, Copy)]
pub struct DmaParts<'w> {
    pub on: On<'w>,
    live: &'w Live<'w>,
    local: &'w Local<'w>,
}

impl<'w> DmaParts<'w> {
    pub fn new(kit: Kit<'_, 'w>) -> Self {
        Self { on: kit.on, live: kit.live, local: kit.local }
    }
}

impl DataCache for DmaParts<'_> {
    #[track_caller]
    fn clean(&self, range: VirtRange) {
        self.on.clean(range);
    }

    #[track_caller]
    fn invalidate(&self, range: VirtRange) {
        self.on.invalidate(range);
    }

    #[track_caller]
    fn clean_invalidate(&self, range: VirtRange) {
        self.on.clean_invalidate(range);
    }
}

impl KernelMemory for DmaParts<'_> {
    fn zero(&self, range: VirtRange) {
        self.on.zero(range);
    }

    fn copy(&self, from: VirtAddr, to: VirtAddr, bytes: u32) {
        self.on.copy(from, to, bytes);
    }
}

impl HighPage for DmaParts<'_> {
    fn with_page<R>(&self, pfn: Pfn, f: impl FnOnce(VirtAddr) -> R) -> R {
        self.local.with_page(pfn, f)
    }
}

/// The addresses in the linear map.
fn linear_range(range: PhysRange) -> Option<VirtRange> {
    let start = linear_map().phys_to_virt(range.start())?;
    let end = start.checked_add(u32::try_from(range.len()).ok()?)?;
    Some(VirtRange::new(start, end))
}

impl LinearSections for DmaParts<'_> {
    fn take_out(&self, range: PhysRange) -> Result<(), NotTakenOut> {
        let virt = linear_range(range).ok_or(NotTakenOut { range })?;
        self.live.take_out(virt).map_err(|_| NotTakenOut { range })
    }

    fn put_back(&self, range: PhysRange) {
        self.live.put_back(linear_range(range).unwrap()).unwrap();
    }
}

impl<'w> DmaMachine for DmaParts<'w> {
    type Tables = Live<'w>;

    fn tables(&self) -> &Live<'w> {
        self.live
    }
}
