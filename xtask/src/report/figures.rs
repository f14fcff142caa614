//! The few numbers by which rows are told apart.
//!
//! They are read off the answer, not computed by rules: zones' pages, sums of the account.

use experiment::answer::Answer;
use experiment::results::Given;

/// Bytes of a page.
const PAGE: u64 = 4096;

/// What the table shows of an answer. Sizes are bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// RAM in the linear map.
    pub lowmem: u64,
    /// RAM above it that is used.
    pub highmem: u64,
    /// RAM that is not used.
    pub lost: u64,
    /// The vmalloc region.
    pub vmalloc: u64,
    /// User space.
    pub user: u64,
}

impl Figures {
    /// The figures of `answer`.
    pub fn of(answer: &Answer) -> Self {
        let layout = &answer.layout;
        let present = |high| {
            let zones = layout.zones.iter().filter(|(name, _)| (*name == "HighMem") == high);
            zones.map(|(_, zone)| u64::from(zone.present) * PAGE).sum()
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

/// A row in a line: `1G, 3g, vmalloc=16M, nohighmem`.
pub fn title(given: &Given) -> String {
    let mut parts = vec![given.mem.clone(), given.vmsplit.clone()];
    parts.extend(given.vmalloc.as_ref().map(|value| format!("vmalloc={value}")));
    parts.extend(given.dma_zone.as_ref().map(|value| format!("dma_zone={value}")));
    parts.extend((!given.highmem).then(|| "nohighmem".to_owned()));
    parts.push(given.cpu.clone());
    parts.join(", ")
}
