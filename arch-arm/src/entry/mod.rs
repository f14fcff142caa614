//! From the boot loader's first jump to Rust: the image header, the early page tables, the MMU.
//!
//! The image runs wherever a loader put it, on a 4 KiB boundary. The early tables map it, page by
//! page and with all rights, at the addresses it was linked for, so no byte has to be moved before
//! the device tree has been read and the move can be planned. `mover` then carries out that plan
//! and enters the image again, as if a loader had put it in its place.
//!
//! Contract with the linker script: `__image_start` and `__image_end` are page-aligned and hold
//! everything the loader must load, `.bss` included; the last page is `__entry_tail_page`, which
//! nothing else uses; `__early_l1` and `__early_l2_pool` are zeroed with `.bss`.
//!
//! Contract with the kernel: it provides `kernel_main` (see [`BootRegisters`]) and the word
//! `vmsplit_early_uart`, the physical base of a PL011 that may be written to before there is a
//! device tree, or 0.

mod mover;

use core::arch::global_asm;

use mm::addr::PhysAddr;

use crate::cp15::dacr::DACR;
use crate::cp15::sctlr;
use crate::cp15::ttbr0::WALK_ATTRIBUTES;
use crate::mmu::attributes::{self, Attributes};

pub use mover::{MoveJob, move_and_restart};

/// What the boot loader and the entry code hand to the kernel.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootRegisters {
    /// r2 of the boot protocol: the device tree's physical address, or 0.
    pub dtb: u32,
    /// Where the initial RAM disk was moved to before this entry, or 0.
    pub moved_initrd: u32,
    /// The physical address at which the image runs.
    pub image: u32,
    /// r1 of the boot protocol: the machine type, of no meaning with a device tree.
    pub machine_type: u32,
}

impl BootRegisters {
    /// Where the image runs.
    #[must_use]
    pub const fn image_start(&self) -> PhysAddr {
        PhysAddr::new(self.image as u64)
    }
}

/// The low bits of the small-page descriptor that the early tables map the image with.
const EARLY_PAGE: u32 = Attributes::KERNEL_RWX.small_page_bits();

global_asm!(
    include_str!("head.s"),
    prrr = const attributes::PRRR,
    nmrr = const attributes::NMRR,
    // V as well: the vectors are in the image until the vector page is mapped.
    sctlr_clear = const sctlr::KERNEL_CLEAR | sctlr::SCTLR::V::SET.value,
    sctlr_set = const sctlr::EARLY_SET,
    ttbr = const WALK_ATTRIBUTES,
    dacr = const DACR::D0::Client.value,
    page = const EARLY_PAGE,
);
