//! The few numbers by which answers are told apart.
//!
//! They are read off the answer, of a booted kernel off what it reads back: zones' pages, regions, sums of the account.
//! Nothing is computed by rules.

use mm::addr::PAGE_SIZE;
use serde::Serialize;

use crate::answer::Answer;

/// Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Figures {
    /// RAM in the linear map, in pages.
    pub lowmem: u64,
    /// RAM above it that is used.
    pub highmem: u64,
    /// RAM that is not used, whyever.
    pub lost: u64,
    /// The vmalloc region.
    pub vmalloc: u64,
    /// User space.
    pub user: u64,
}

impl Figures {
    /// The figures of `answer`.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let layout = &answer.layout;
        let present = |high| {
            let zones = layout.zones.iter().filter(|(name, _)| (*name == "HighMem") == high);
            zones.map(|(_, zone)| u64::from(zone.present) * u64::from(PAGE_SIZE)).sum()
        };
        let user = layout.regions.iter().find(|region| region.name == "user");
        Self {
            lowmem: present(false),
            highmem: present(true),
            lost: answer.account.tree.lost.values().fold(0, |a, b| a.saturating_add(*b)),
            vmalloc: layout.vmalloc_end.0.saturating_sub(layout.vmalloc_start.0),
            user: user.map_or(0, |region| region.end.0.saturating_sub(region.start.0)),
        }
    }
}
