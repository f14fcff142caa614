//! `/proc/meminfo`: memory in kibibytes, without the lines whose machinery does not exist.

use core::fmt::{Result, Write};

use super::kib;
use crate::addr::{KIB, VirtRange};
use crate::zone::{PageAllocator, ZoneKind};

/// The figures of the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemInfo {
    /// Pages that the page allocator manages.
    pub total: u32,
    /// Pages of them that are free.
    pub free: u32,
    /// Managed pages of HighMem.
    pub high_total: u32,
    /// Free pages of HighMem.
    pub high_free: u32,
    /// Size of the vmalloc area in bytes.
    pub vmalloc_total: u32,
}

impl MemInfo {
    /// The figures as they are now.
    #[must_use]
    pub fn new(allocator: &PageAllocator<'_>, vmalloc: VirtRange) -> Self {
        let high = allocator.zone(ZoneKind::HighMem);
        Self {
            total: allocator.managed_pages(),
            free: allocator.free_pages(),
            high_total: high.managed(),
            high_free: high.free_pages(),
            vmalloc_total: vmalloc.len(),
        }
    }
}

/// Writes the form.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, info: &MemInfo) -> Result {
    for (name, kib) in [
        ("MemTotal:", kib(info.total)),
        ("MemFree:", kib(info.free)),
        ("HighTotal:", kib(info.high_total)),
        ("HighFree:", kib(info.high_free)),
        ("LowTotal:", kib(info.total.saturating_sub(info.high_total))),
        ("LowFree:", kib(info.free.saturating_sub(info.high_free))),
        ("VmallocTotal:", u64::from(info.vmalloc_total) / KIB),
    ] {
        writeln!(out, "{name:<16}{kib:8} kB")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine;
    use super::*;
    use crate::addr::VirtAddr;

    #[test]
    fn golden() {
        let vmalloc = VirtRange::new(VirtAddr::new(0xf080_0000), VirtAddr::new(0xff80_0000));
        let mut text = String::new();
        test_machine::with(|machine| write(&mut text, &MemInfo::new(machine, vmalloc))).unwrap();
        assert_eq!(
            text,
            "\
MemTotal:           7156 kB
MemFree:            7152 kB
HighTotal:          1024 kB
HighFree:           1024 kB
LowTotal:           6132 kB
LowFree:            6128 kB
VmallocTotal:     245760 kB
"
        );
    }

    #[test]
    fn sixteen_tebibytes_fit_the_form() {
        let most = MemInfo {
            total: u32::MAX,
            free: u32::MAX,
            high_total: 0,
            high_free: 0,
            vmalloc_total: u32::MAX,
        };
        let mut text = String::new();
        write(&mut text, &most).unwrap();
        assert!(text.starts_with("MemTotal:       17179869180 kB\n"));
    }
}
