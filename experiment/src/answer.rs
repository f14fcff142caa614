//! What a kernel decided, or would: the text of `layout --json` and `explain --json`, read.
//!
//! The text has one writer, [`mm::report`], for a booted kernel and for a prediction. Every key is named here and an
//! unknown one is an error, so that a change of the text does not go by unseen.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Range};

/// Both objects.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The layout.
    pub layout: Layout,
    /// Where RAM went.
    pub account: Account,
}

/// The object of `layout --json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// `PAGE_OFFSET`.
    pub page_offset: Address,
    /// `PHYS_OFFSET`.
    pub phys_offset: Address,
    /// The end of the linear map.
    pub high_memory: Address,
    /// The end of lowmem, physical.
    pub lowmem_end_phys: Address,
    /// `VMALLOC_START`.
    pub vmalloc_start: Address,
    /// `VMALLOC_END`.
    pub vmalloc_end: Address,
    /// `MODULES_VADDR`.
    pub modules_start: Address,
    /// `MODULES_END`.
    pub modules_end: Address,
    /// `PKMAP_BASE`; `None` without HighMem.
    pub pkmap_base: Option<Address>,
    /// The regions, in the order of the table.
    pub regions: Vec<Region>,
    /// The lines of warning.
    pub warnings: Vec<String>,
    /// Zones that span anything, by name.
    pub zones: BTreeMap<String, Zone>,
}

/// A region of the address space.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name in the *Virtual kernel memory layout* table.
    pub name: String,
    /// Its first address.
    pub start: Address,
    /// The address behind its last.
    pub end: Address,
}

/// A zone, in page frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its first frame.
    pub start_pfn: u32,
    /// The frame behind its last.
    pub end_pfn: u32,
    /// Frames from the first to the last.
    pub spanned: u32,
    /// Those that are memory.
    pub present: u32,
    /// Those that the allocator got; `None` in a prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<u32>,
}

/// The object of `explain --json`. Sizes are bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// RAM in the tree.
    pub ram: u64,
    /// Banks in the tree.
    pub banks: u32,
    /// The tree's RAM by class.
    pub tree: Totals,
    /// RAM that only `mem=` names, by class.
    pub beyond_tree: Totals,
    /// The split's name.
    pub split: String,
    /// `PHYS_OFFSET`.
    pub phys_offset: Address,
    /// The end of lowmem.
    pub lowmem_end: Address,
    /// Where `vmalloc=` lets lowmem end at the most.
    pub limit: Address,
    /// Why lowmem ends where it does: `limit`, `ram_ends` or `gap`.
    pub because: String,
    /// The vmalloc region.
    pub vmalloc: Vmalloc,
    /// Other settings, tried; `None` when that was not possible.
    pub what_if: Option<WhatIf>,
    /// What the boot loader loaded.
    pub loaded: Loaded,
    /// The largest range of lowmem in which a boot loader's things are in nobody's way.
    pub safe: Option<Range>,
    /// The allocator's zones, of a kernel that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<BTreeMap<String, ZonePages>>,
    /// Every range of RAM, with its class.
    pub ranges: Vec<Piece>,
}

/// Bytes by class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Usable, by zone.
    pub usable: BTreeMap<String, u64>,
    /// In use since boot, by owner.
    pub reserved: BTreeMap<String, u64>,
    /// Must not be mapped.
    pub no_map: u64,
    /// Not used, by reason.
    pub lost: BTreeMap<String, u64>,
}

/// The vmalloc region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vmalloc {
    /// What `vmalloc=`, or the default, keeps for it.
    pub kept: u64,
    /// Its first address.
    pub start: Address,
    /// The address behind its last.
    pub end: Address,
    /// Bytes that are taken, of a kernel that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    /// The largest area by alignment, of a kernel that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<BTreeMap<String, u64>>,
}

/// Other settings, tried on the kernel's own rules.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// The largest `vmalloc=` with which all RAM is lowmem.
    pub vmalloc_all_lowmem: Option<u64>,
    /// RAM that is above lowmem with the least `vmalloc=`.
    pub above_lowmem_with_vmalloc_16m: u64,
    /// The settings as they are.
    pub now: Outcome,
    /// HighMem if there is none, none if there is.
    pub other_highmem: Option<Outcome>,
    /// A `dma_zone=` that makes all lowmem DMA, if it is not.
    pub all_dma: Option<Outcome>,
    /// A `vmalloc=` of whole pages, if it is not one.
    pub whole_page: Option<Outcome>,
    /// Each split.
    pub splits: Vec<Option<Outcome>>,
    /// Without `mem=`, if there is one.
    pub without_mem: Option<Outcome>,
    /// The kernel in a lower bank, if that gives more RAM.
    pub lower_bank: Option<Outcome>,
}

/// What settings give.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The split's name.
    pub split: String,
    /// `PHYS_OFFSET`.
    pub phys_offset: Address,
    /// What is kept for vmalloc.
    pub vmalloc_kept: u64,
    /// The DMA limit from `PHYS_OFFSET` on.
    pub dma_zone: Option<u64>,
    /// Is RAM above lowmem used?
    pub highmem_used: bool,
    /// RAM in the linear map.
    pub lowmem: u64,
    /// RAM above lowmem that is used.
    pub highmem: u64,
    /// RAM above lowmem that is not.
    pub lost: u64,
    /// RAM in the page in which lowmem ends.
    pub limit_page: u64,
    /// The vmalloc region.
    pub vmalloc: u64,
    /// User space.
    pub user: u64,
}

/// What a boot loader put into memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loaded {
    /// The image.
    pub kernel: Option<Placed>,
    /// The device tree.
    pub device_tree: Option<Placed>,
    /// The initrd.
    pub initrd: Option<Placed>,
}

/// A range, and where it lies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Its first address.
    pub start: Address,
    /// The address behind its last.
    pub end: Address,
    /// `lowmem`, `highmem`, `across`, `unused` or `outside_ram`.
    pub place: String,
}

/// The pages of a zone of a kernel that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonePages {
    /// Pages that the allocator got.
    pub managed: u32,
    /// Pages that are free.
    pub free: u32,
}

/// A range of RAM, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Its first address.
    pub start: Address,
    /// The address behind its last.
    pub end: Address,
    /// Does the tree have it? Otherwise only `mem=` does.
    pub in_tree: bool,
    /// `usable`, `reserved`, `no_map` or `lost`.
    pub class: String,
    /// The zone, of usable RAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The owner, of reserved RAM: the key of an [`Owner`](mm::boot::explain::class::Owner).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The reason, of lost RAM: the key of a [`Lost`](mm::boot::explain::class::Lost).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The name in the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
