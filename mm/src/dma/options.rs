//! What boot parameters say of DMA memory.
//!
//! | parameter | value | without it |
//! |---|---|---|
//! | `coherent_pool=` | bytes of the atomic pool, with K, M or G | 256 KiB |
//! | `swiotlb=` | slots of 2 KiB of the bounce pool | 128, where a device needs them |
//! | `dma_debug=` | `on` or `off` | off |
//!
//! `dma_debug=on` is this kernel's: Linux has the list as a build option, and the parameter only turns it off.

use super::live::Watching;
use super::{MAX_PAGES, MAX_SLOTS, SLOT};
use crate::addr::{KIB, PAGE_SIZE};
use crate::boot::vmalloc_size::size_of_param;
use crate::boot::warning::{Sink, Warning};
use crate::param::params;

/// The atomic pool without `coherent_pool=`: 256 KiB.
pub const DEFAULT_POOL: u32 = 256 * KIB as u32;
/// The bounce pool without `swiotlb=`: 256 KiB.
pub const DEFAULT_BOUNCE: u32 = 256 * KIB as u32;

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DmaOptions {
    /// Bytes of the atomic pool, at most those of the DMA region; 0 for none.
    pub pool_bytes: u32,
    /// Bytes of the bounce pool, if a device needs one; 0 for none.
    pub bounce_bytes: u32,
    /// Whether mappings are watched.
    pub watching: Watching,
}

impl Default for DmaOptions {
    fn default() -> Self {
        Self {
            pool_bytes: DEFAULT_POOL,
            bounce_bytes: DEFAULT_BOUNCE,
            watching: Watching::default(),
        }
    }
}

impl DmaOptions {
    /// What a command line says. Of several of a parameter the last that can be read counts.
    pub fn read<'a>(command_line: &'a str, warn: Sink<'_, 'a>) -> Self {
        let mut options = Self::default();
        for param in params(command_line) {
            if param.is("coherent_pool") {
                // As large as the region: larger there can be none.
                let most = MAX_PAGES * PAGE_SIZE;
                if let Some(bytes) = size_of_param(&param, warn) {
                    options.pool_bytes = u32::try_from(bytes).unwrap_or(most).min(most);
                }
            } else if param.is("swiotlb") {
                if let Some(slots) = size_of_param(&param, warn) {
                    let slots = u32::try_from(slots).unwrap_or(MAX_SLOTS).min(MAX_SLOTS);
                    options.bounce_bytes = slots * SLOT;
                }
            } else if param.is("dma_debug") {
                options.watching = match param.value {
                    Some("on" | "1" | "y") => Watching::On,
                    Some("off" | "0" | "n") => Watching::Off,
                    Some(value) => {
                        let name = param.name;
                        warn(Warning::NotOneOf { name, value, choices: "on, off" });
                        options.watching
                    }
                    None => {
                        warn(Warning::MissingValue { name: param.name });
                        options.watching
                    }
                };
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (DmaOptions, Vec<String>) {
        let mut lines = Vec::new();
        let options = DmaOptions::read(line, &mut |warning| lines.push(warning.to_string()));
        (options, lines)
    }

    #[test]
    fn values_in_range_pass_in_silence() {
        assert_eq!(read("quiet"), (DmaOptions::default(), vec![]));
        let line = "coherent_pool=1M swiotlb=64 dma-debug=on";
        let expected =
            DmaOptions { pool_bytes: 1 << 20, bounce_bytes: 64 * 2048, watching: Watching::On };
        assert_eq!(read(line), (expected, vec![]));
        assert_eq!(read("coherent_pool=0").0.pool_bytes, 0);
        assert_eq!(read("coherent_pool=5000 coherent_pool=0x2000").0.pool_bytes, 0x2000);
        assert_eq!(read("dma_debug=on dma_debug=off").0.watching, Watching::Off);
    }

    #[test]
    fn too_much_is_as_much_as_there_can_be() {
        assert_eq!(read("coherent_pool=1G").0.pool_bytes, 3 << 20);
        assert_eq!(read("coherent_pool=99999999999999999999").0.pool_bytes, 3 << 20);
        assert_eq!(read("swiotlb=65536").0.bounce_bytes, 512 * 1024);
    }

    #[test]
    fn what_can_not_be_read_is_said() {
        for line in ["coherent_pool", "swiotlb", "dma_debug", "dma_debug=maybe"] {
            let (options, lines) = read(line);
            assert_eq!((options, lines.len()), (DmaOptions::default(), 1), "{line}: {lines:?}");
        }
        // As on Linux.
        let (options, lines) = read("coherent_pool=x swiotlb=,");
        assert_eq!((options.pool_bytes, options.bounce_bytes, lines.len()), (0, 0, 2));
        let (options, lines) = read("coherent_pool=128kB");
        assert_eq!((options.pool_bytes, lines.len()), (128 * 1024, 1));
    }
}
