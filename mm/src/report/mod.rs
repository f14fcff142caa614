//! Text in the forms of `/proc`, one file for each form.
//!
//! Each form is a pure function of the values that it shows; those of the page allocator are
//! functions of [`MemoryFigures`](crate::zone::MemoryFigures), and print whatever it says. Lines
//! whose machinery does not exist are left out rather than printed with invented figures, but for
//! those that a script made for Linux would miss and that are 0 by construction: the form's own doc
//! names them.

pub mod buddyinfo;
#[cfg(not(loom))]
pub mod dmainfo;
pub mod explain;
pub mod fragment;
pub mod iomem;
pub mod kfence;
#[cfg(not(loom))]
pub mod kmapinfo;
pub mod layout;
pub mod memblock;
pub mod meminfo;
pub mod memory_line;
pub mod page;
pub mod page_owner;
pub mod pagetypeinfo;
pub mod show_mem;
pub mod slab_bug;
pub mod slab_occupancy;
pub mod slabinfo;
pub mod vmalloc_holes;
pub mod vmallocinfo;
pub mod zone_ranges;
pub mod zoneinfo;

/// Kibibytes in that many pages.
fn kib(pages: impl Into<u64>) -> u64 {
    pages.into() * 4
}

#[cfg(test)]
mod test_machine;
#[cfg(test)]
mod tests;
