//! Where everything lies in the emulated machine.
//!
//! ```text
//! 0x0900_0000  a device's registers, 32 MiB
//! 0x4000_0000  ┌ lowmem, 8 MiB: the first has the boot tables and those of `LiveTables`, nobody allocates it
//! 0x4080_0000  └ HighMem, 4 MiB
//! ```

use mm::addr::{PAGE_SIZE, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::map::fixmap::Slot;
use mm::map::linear::LinearMap;
use testkit::Setup;

/// The first byte of memory.
pub const RAM: u32 = 0x4000_0000;
/// Bytes of lowmem.
pub const LOW_BYTES: u32 = 8 << 20;
/// Bytes of lowmem that are the DMA zone.
pub const DMA_ZONE_BYTES: u32 = LOW_BYTES / 2;
/// The first byte of HighMem.
pub const HIGH: u32 = RAM + LOW_BYTES;
/// The byte after HighMem.
pub const RAM_END: u32 = HIGH + (4 << 20);
/// Memory from here on is for allocators.
pub const FREE: u32 = RAM + (1 << 20);
/// The kernel's first-level table.
pub const ROOT: u32 = RAM + 0x4000;
/// Room for those of two other address spaces.
pub const ROOTS: [u32; 2] = [RAM + 0x8000, RAM + 0xc000];
/// The second-level tables that boot makes: of the fixmap, and two of the pkmap.
const BOOT_TABLES: u32 = RAM + 0x1_0000;
/// The second-level tables of `LiveTables`.
pub const TABLES: u32 = RAM + 0x2_0000;
/// The byte after them.
pub const TABLES_END: u32 = TABLES + 0x1_0000;

/// PAGE_OFFSET.
pub const LINEAR: u32 = 0xc000_0000;
/// The first address that all address spaces share: the modules'.
pub const KERNEL_START: u32 = 0xbf00_0000;
/// The pkmap, 512 pages.
pub const PKMAP: u32 = LINEAR - (2 << 20);
/// The vmalloc region: 32 MiB.
pub const VMALLOC: VirtRange =
    VirtRange::new(VirtAddr::new(0xf000_0000), VirtAddr::new(0xf200_0000));

/// A device's registers.
pub const DEVICE: u32 = 0x0900_0000;
const DEVICE_BYTES: u32 = 32 << 20;

/// The word of the fixmap slot that another mapping of a table's page is made in.
pub const ALIAS_WORD: u32 = BOOT_TABLES + (Slot::TABLE_ALIAS.address().as_u32() >> 12) % 256 * 4;

pub fn phys(address: u32) -> PhysAddr {
    PhysAddr::new(u64::from(address))
}

pub fn virt(address: u32) -> VirtAddr {
    VirtAddr::new(address)
}

/// Bytes from `start` on.
pub fn range(start: u32, bytes: u32) -> VirtRange {
    VirtRange::new(virt(start), virt(start + bytes))
}

/// Memory from `start` on.
pub fn memory(start: u32, bytes: u32) -> PhysRange {
    PhysRange::new(phys(start), phys(start + bytes))
}

/// The frame at `address`.
pub fn pfn(address: u32) -> Pfn {
    Pfn::new(address / PAGE_SIZE)
}

/// Frames from `start` on.
pub fn frames(start: u32, count: u32) -> PfnRange {
    PfnRange::new(pfn(start), pfn(start + count * PAGE_SIZE))
}

/// Where the linear map has `address`, which lies in lowmem.
pub fn linear(address: u32) -> VirtAddr {
    assert!((RAM..HIGH).contains(&address), "{address:#x} is not lowmem");
    virt(address - RAM + LINEAR)
}

/// The linear map.
pub fn linear_map() -> LinearMap {
    LinearMap::new(virt(LINEAR), memory(RAM, LOW_BYTES))
}

/// The machine as boot leaves it.
pub fn setup(cpus: usize) -> Setup {
    Setup::new(cpus, phys(ROOT))
        .bank(PhysRange::new(phys(RAM), phys(RAM_END)))
        .bank(memory(DEVICE, DEVICE_BYTES))
        .linear_map(virt(LINEAR), memory(RAM, LOW_BYTES))
        .second_level(virt(0xfff0_0000), phys(BOOT_TABLES))
        .second_level(virt(PKMAP), phys(BOOT_TABLES + 0x400))
        .second_level(virt(PKMAP + (1 << 20)), phys(BOOT_TABLES + 0x800))
}
