//! The boot log's `Memory:` line: how much of the machine's memory is available, and what became
//! of the rest.
//!
//! Sizes are rounded down to kibibytes, as Linux does, so the parts may add up to a little less.

use core::fmt::{Result, Write};

use super::kib;
use crate::addr::KIB;
use crate::zone::{MemoryFigures, ZoneKind};

/// Sizes of the parts of the kernel's image, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ImageSizes {
    /// Code that stays after boot.
    pub code: u32,
    /// Writable data.
    pub rwdata: u32,
    /// Read-only data.
    pub rodata: u32,
    /// Code and data that only boot needs.
    pub init: u32,
    /// Writable data that starts as zero.
    pub bss: u32,
}

/// Writes the line. *Available* is what the page allocator has free now, *reserved* what it never
/// got. There is no contiguous-memory area, so `cma-reserved` is 0.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, figures: &MemoryFigures, image: &ImageSizes) -> Result {
    let present = figures.present();
    let reserved = present.saturating_sub(figures.managed());
    let bytes = |bytes: u32| u64::from(bytes) / KIB;
    writeln!(
        out,
        "Memory: {}K/{}K available ({}K kernel code, {}K rwdata, {}K rodata, {}K init, {}K bss, \
         {}K reserved, 0K cma-reserved, {}K highmem)",
        kib(figures.free()),
        kib(present),
        bytes(image.code),
        bytes(image.rwdata),
        bytes(image.rodata),
        bytes(image.init),
        bytes(image.bss),
        kib(reserved),
        kib(figures.zone(ZoneKind::HighMem).managed),
    )
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};
    use super::*;

    #[test]
    fn golden() {
        let image = ImageSizes {
            code: 0x3_2400,
            rwdata: 0x1fff,
            rodata: 0x2000,
            init: 0x1_0000,
            bss: 0x800,
        };
        assert_eq!(
            print(|out| write(out, &figures(), &image)),
            "Memory: 6756K/9216K available (201K kernel code, 7K rwdata, 8K rodata, 64K init, \
             2K bss, 2060K reserved, 0K cma-reserved, 1024K highmem)\n"
        );
    }
}
