//! The user/kernel split: where the kernel half of the address space begins.
//!
//! A split is chosen at build time, because the kernel is linked at an address of its upper half.
//! Everything that does not depend on memory or on the command line is derived from it here.

use crate::addr::{MIB, VirtAddr};

/// The four splits of 32-bit ARM Linux (`CONFIG_VMSPLIT_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Split {
    /// 3 GiB user, 1 GiB kernel: `PAGE_OFFSET` 0xc0000000.
    #[default]
    ThreeG,
    /// 2.75 GiB user: `PAGE_OFFSET` 0xb0000000. All of a 1 GiB board is lowmem.
    ThreeGOpt,
    /// 2 GiB user, 2 GiB kernel: `PAGE_OFFSET` 0x80000000.
    TwoG,
    /// 1 GiB user, 3 GiB kernel: `PAGE_OFFSET` 0x40000000.
    OneG,
}

/// Bytes between the end of user space and [`Split::page_offset`]: the modules region, and in its
/// top 2 MiB, with HighMem, the pkmap. A branch instruction reaches 32 MiB.
pub const MODULES_SIZE: u32 = 16 * MIB as u32;
/// Bytes of the pkmap: 512 slots of a page, two second-level tables.
pub const PKMAP_SIZE: u32 = 2 * MIB as u32;

impl Split {
    /// All splits, in Linux's order.
    pub const ALL: [Self; 4] = [Self::ThreeG, Self::ThreeGOpt, Self::TwoG, Self::OneG];

    /// The split of that name, as the host tool and the build spell it: `3g`, `3g-opt`, `2g`, `1g`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.name() == name)
    }

    /// The name that [`Split::from_name`] takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ThreeG => "3g",
            Self::ThreeGOpt => "3g-opt",
            Self::TwoG => "2g",
            Self::OneG => "1g",
        }
    }

    /// `PAGE_OFFSET`: the first address of the kernel's half, where the linear map begins.
    #[must_use]
    pub const fn page_offset(self) -> VirtAddr {
        VirtAddr::new(match self {
            Self::ThreeG => 0xc000_0000,
            Self::ThreeGOpt => 0xb000_0000,
            Self::TwoG => 0x8000_0000,
            Self::OneG => 0x4000_0000,
        })
    }

    /// `TASK_SIZE`, the end of user space, and `MODULES_VADDR`, the start of the modules region.
    #[must_use]
    pub const fn task_size(self) -> VirtAddr {
        VirtAddr::new(self.page_offset().as_u32() - MODULES_SIZE)
    }

    /// `PKMAP_BASE`: the start of the pkmap of a kernel with HighMem.
    #[must_use]
    pub const fn pkmap_base(self) -> VirtAddr {
        VirtAddr::new(self.page_offset().as_u32() - PKMAP_SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_four_splits() {
        let figures = Split::ALL
            .map(|s| [s.page_offset(), s.task_size(), s.pkmap_base()].map(VirtAddr::as_u32));
        assert_eq!(
            figures,
            [
                [0xc000_0000, 0xbf00_0000, 0xbfe0_0000],
                [0xb000_0000, 0xaf00_0000, 0xafe0_0000],
                [0x8000_0000, 0x7f00_0000, 0x7fe0_0000],
                [0x4000_0000, 0x3f00_0000, 0x3fe0_0000],
            ]
        );
    }

    #[test]
    fn names_round_trip() {
        for split in Split::ALL {
            assert_eq!(Split::from_name(split.name()), Some(split));
        }
        assert_eq!(Split::from_name("4g"), None);
    }
}
