//! Text in the forms of `/proc`, one file for each form.
//!
//! Each form is a pure function of the values that it shows. Lines whose machinery does not exist
//! are left out rather than printed with invented figures.

pub mod buddyinfo;
pub mod explain;
pub mod iomem;
pub mod layout;
pub mod memblock;
pub mod meminfo;
pub mod memory_line;
pub mod show_mem;
pub mod zone_ranges;
pub mod zoneinfo;

/// Kibibytes in that many pages.
fn kib(pages: u32) -> u64 {
    u64::from(pages) * 4
}

#[cfg(test)]
mod test_machine;
