//! What a user describes on the command line: numbers, banks, and a kernel's settings, for every command that predicts.
//!
//! Invariant: what is accepted is a value that the rules can be asked about; the rest is refused with the text that was
//! given.

use experiment::configuration::{Configuration, Shorthands};
use mm::addr::{PhysAddr, PhysRange};
use mm::param::read_size;

use crate::build::Split;

/// A kernel's settings.
#[derive(Clone, Default, Debug, clap::Args)]
pub struct KernelArgs {
    /// The kernel's command line; every boot parameter in it counts
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Short for --append vmalloc=ARG
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    vmalloc: Option<String>,
    /// Short for --append dma_zone=SIZE
    #[arg(long, value_name = "SIZE")]
    dma_zone: Option<String>,
    /// Short for --append nohighmem
    #[arg(long)]
    no_highmem: bool,
    /// Where the kernel's half of the address space begins
    #[arg(long, value_enum, default_value_t = Split::ThreeG, value_name = "SPLIT")]
    pub vmsplit: Split,
}

impl KernelArgs {
    /// A command line without shorthands, under `vmsplit`.
    pub fn of_line(line: &str, vmsplit: Split) -> Self {
        Self { append: Some(line.to_owned()), vmsplit, ..Self::default() }
    }

    /// The settings, with the shorthands behind the command line: `--append`, or `otherwise` where that is not given.
    pub fn configuration(&self, otherwise: &str) -> Configuration {
        let short = Shorthands {
            vmalloc: self.vmalloc.as_deref(),
            dma_zone: self.dma_zone.as_deref(),
            no_highmem: self.no_highmem,
        };
        let line = self.append.as_deref().unwrap_or(otherwise);
        Configuration::new(self.vmsplit.into(), line, short)
    }
}

/// A number with an optional size suffix, and nothing behind it.
pub fn number(text: &str) -> Result<u64, String> {
    let size = read_size(text);
    if size.is_number && size.rest.is_empty() && size.bytes != u64::MAX {
        Ok(size.bytes)
    } else {
        Err(format!("'{text}' is no number: expected such as 0x40000000, 512M or 1G"))
    }
}

/// A physical address.
pub fn address(text: &str) -> Result<PhysAddr, String> {
    number(text).map(PhysAddr::new)
}

/// A memory bank.
pub fn bank(text: &str) -> Result<PhysRange, String> {
    range(text, "bank")
}

/// An initrd's place.
pub fn initrd(text: &str) -> Result<PhysRange, String> {
    range(text, "initrd")
}

/// `START+SIZE`, not empty.
fn range(text: &str, what: &str) -> Result<PhysRange, String> {
    let expected =
        || format!("'{text}' is no {what}: expected START+SIZE, such as 0x40000000+512M");
    let (start, len) = text.split_once('+').ok_or_else(expected)?;
    let (start, len) = (address(start)?, number(len)?);
    if len == 0 {
        return Err(format!("{what} {text} is empty"));
    }
    PhysRange::from_len(start, len).ok_or_else(|| format!("{what} {text} ends beyond 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_a_start_and_a_size() {
        let found = bank("0x40000000+512M").unwrap();
        assert_eq!((found.start().as_u64(), found.len()), (0x4000_0000, 512 << 20));
        for (bad, why) in [
            ("0x40000000", "'0x40000000' is no bank: expected START+SIZE"),
            ("x+1M", "'x' is no number"),
            ("1G+", "'' is no number"),
            ("1G+0", "bank 1G+0 is empty"),
            ("0xffffffffffffffff+1", "is no number"),
            ("0xfffffffffffffffe+2M", "ends beyond 64 bits"),
        ] {
            let error = bank(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        assert!(initrd("1G+0").unwrap_err().contains("initrd 1G+0 is empty"));
    }
}
