//! What the page allocator has free when a suite begins, and must have again when it ends.

use core::fmt;

use mm::addr::Order;
use mm::zone::{Zone, ZoneKind};

use super::Checks;
use crate::pages::Pages;

/// Free blocks of each order in each zone: what `buddyinfo` shows.
type Blocks = [[u32; Order::COUNT]; ZoneKind::COUNT];

/// The free blocks at the beginning.
pub struct Ledger {
    pages: &'static Pages,
    before: Blocks,
}

impl Ledger {
    /// Looks at what there is, with nothing in the CPU's stacks.
    pub fn open(pages: &'static Pages) -> Self {
        Self { pages, before: free_blocks(pages) }
    }

    /// Every page is back, and every block is as large as it was.
    pub fn check(&self, checks: &mut Checks, when: fmt::Arguments<'_>) {
        let (before, after) = (self.before, free_blocks(self.pages));
        checks.that(
            before == after,
            format_args!("{when}: free blocks were {before:?}, are {after:?}"),
        );
        let valid = self.pages.validate();
        checks.that(valid.is_ok(), format_args!("{when}: {valid:?}"));
    }
}

fn free_blocks(pages: &Pages) -> Blocks {
    pages.drain();
    let of_zone = |zone: &Zone| zone.counts().all_blocks().map(|lists| lists.iter().sum());
    pages.zones().each_ref().map(of_zone)
}
