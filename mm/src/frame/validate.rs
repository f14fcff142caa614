//! The buddy's invariants, checked from the descriptors up.
//!
//! [`Buddy::validate`] believes nothing: it walks every descriptor of the zone, then every list,
//! and compares the two. Since each free head is on the list of its order, the lists are as long
//! as there are free heads, and links are symmetric, no frame is on two lists. Takes time in
//! proportion to the zone, so it is for tests, the monitor and self-tests.

use core::fmt;

use super::buddy::{Buddy, buddy_of};
use super::counts::Counts;
use super::head::{Head, PageState};
use super::mobility::Mobility;
use super::page::Link;
use super::table::FrameTable;
use crate::addr::{Order, Pfn, PfnRange};

/// A broken invariant of a buddy or of the frames beneath it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inconsistency {
    /// A descriptor's first word is one that nothing writes.
    Corrupt {
        /// The frame.
        pfn: Pfn,
        /// Its first word.
        word: u32,
    },
    /// The frame lies inside a block, yet its descriptor says that one begins there.
    Stray {
        /// The frame.
        pfn: Pfn,
    },
    /// A block is not aligned to its size, or passes the end of its zone.
    Misplaced {
        /// Its first frame.
        pfn: Pfn,
        /// Its size.
        order: Order,
    },
    /// A free block within the zone says that it is another's.
    Foreign {
        /// Its first frame.
        pfn: Pfn,
    },
    /// Two free buddies have not been merged.
    Unmerged {
        /// The first frame of one of them.
        pfn: Pfn,
        /// The size of each.
        order: Order,
    },
    /// A link leads to a block that is not free with this order, or whose link back disagrees.
    BrokenLink {
        /// The order of the list.
        order: Order,
        /// Its mobility.
        mobility: Mobility,
        /// Where the link leads.
        pfn: Pfn,
    },
    /// A list is not as long as it says, or not every free block is on it.
    ListLength {
        /// The order of the list.
        order: Order,
        /// Its mobility.
        mobility: Mobility,
        /// Its recorded length.
        recorded: u32,
        /// How many links it has.
        linked: u32,
        /// How many free blocks of that order the zone has.
        found: u32,
    },
    /// The count of free pages is wrong.
    FreePages {
        /// As recorded.
        recorded: u32,
        /// As found.
        found: u32,
    },
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { pfn, word } => write!(f, "pfn {pfn}: corrupt descriptor {word:#010x}"),
            Self::Stray { pfn } => write!(f, "pfn {pfn}: a block's head inside another block"),
            Self::Misplaced { pfn, order } => {
                write!(f, "pfn {pfn}: no place for a block of order {order}")
            }
            Self::Foreign { pfn } => write!(f, "pfn {pfn}: block of another zone"),
            Self::Unmerged { pfn, order } => {
                write!(f, "pfn {pfn}: free beside its free buddy of order {order}")
            }
            Self::BrokenLink { order, mobility, pfn } => {
                write!(f, "list of order {order}, {mobility}: broken link at pfn {pfn}")
            }
            Self::ListLength { order, mobility, recorded, linked, found } => write!(
                f,
                "list of order {order}, {mobility}: length {recorded}, but {linked} linked of {found} \
                 free"
            ),
            Self::FreePages { recorded, found } => {
                write!(f, "{recorded} pages counted as free, but {found} are")
            }
        }
    }
}

impl core::error::Error for Inconsistency {}

/// Where the pages of a zone are that its buddy does not have. In pages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Elsewhere {
    /// Allocated.
    pub allocated: u32,
    /// In the stacks of CPUs.
    pub stacked: u32,
    /// Kept out of circulation.
    pub bad: u32,
}

impl Buddy {
    /// Checks every invariant over the frames of its zone, and returns where the other pages are. Under the
    /// zone's lock; the stacks of all CPUs must be at rest.
    ///
    /// # Errors
    ///
    /// The first [`Inconsistency`] found.
    pub fn validate(
        &self,
        frames: &FrameTable<'_>,
        counts: &Counts,
    ) -> Result<Elsewhere, Inconsistency> {
        let span = self.span;
        let mut found = [[0; Mobility::COUNT]; Order::COUNT];
        let mut elsewhere = Elsewhere::default();
        let mut pfn = span.start();
        while pfn < span.end() {
            let order = match frames.at(pfn).state() {
                PageState::NoHead => {
                    pfn = pfn.saturating_add(1);
                    continue;
                }
                PageState::Corrupt { word } => return Err(Inconsistency::Corrupt { pfn, word }),
                PageState::Free { zone, .. } if zone != self.zone => {
                    return Err(Inconsistency::Foreign { pfn });
                }
                PageState::Free { order, zone, mobility } => {
                    if order < Order::MAX && frames.is_free(buddy_of(pfn, order), zone, order) {
                        return Err(Inconsistency::Unmerged { pfn, order });
                    }
                    found[order.index()][mobility.index()] += 1;
                    order
                }
                PageState::Allocated { order, .. }
                | PageState::Parked { order, .. }
                | PageState::Slab { order, .. } => {
                    elsewhere.allocated += order.pages();
                    order
                }
                PageState::Stacked { order, .. } => {
                    elsewhere.stacked += order.pages();
                    order
                }
                PageState::Bad { order, .. } => {
                    elsewhere.bad += order.pages();
                    order
                }
            };
            let end = pfn.saturating_add(order.pages());
            if pfn.as_u32() & (order.pages() - 1) != 0 || end > span.end() {
                return Err(Inconsistency::Misplaced { pfn, order });
            }
            let inside = PfnRange::new(pfn.saturating_add(1), end);
            if let Some(pfn) = inside.iter().find(|&pfn| !frames.at(pfn).is_no_head()) {
                return Err(Inconsistency::Stray { pfn });
            }
            pfn = end;
        }
        for order in Order::all() {
            for mobility in Mobility::ALL {
                let found = found[order.index()][mobility.index()];
                self.validate_list(frames, counts, order, mobility, found)?;
            }
        }
        let pages = |order: Order| found[order.index()].iter().sum::<u32>() * order.pages();
        let found = Order::all().map(pages).sum();
        if found != counts.free_pages() {
            return Err(Inconsistency::FreePages { recorded: counts.free_pages(), found });
        }
        Ok(elsewhere)
    }

    fn validate_list(
        &self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        order: Order,
        mobility: Mobility,
        found: u32,
    ) -> Result<(), Inconsistency> {
        let list = &self.lists[order.index()][mobility.index()];
        let head = Head::free(order, self.zone, mobility);
        let (mut linked, mut last, mut next) = (0, None, list.first());
        // One more than there can be is enough to tell a circle.
        while let Some(pfn) = next
            && linked <= found
        {
            let page = frames.get(pfn).filter(|page| {
                page.head() == head && page.prev() == last.map_or(Link::NONE, Link::to)
            });
            let Some(page) = page else {
                return Err(Inconsistency::BrokenLink { order, mobility, pfn });
            };
            linked += 1;
            last = Some(pfn);
            next = page.next().pfn();
        }
        let recorded = counts.blocks(order, mobility);
        let is_filled = self.filled[mobility.index()] >> order.as_u8() & 1 != 0;
        if linked != recorded || linked != found || is_filled != (linked > 0) {
            return Err(Inconsistency::ListLength { order, mobility, recorded, linked, found });
        }
        match list.last() {
            end if end == last => Ok(()),
            end => {
                let pfn = end.or(last).unwrap_or_default();
                Err(Inconsistency::BrokenLink { order, mobility, pfn })
            }
        }
    }
}
