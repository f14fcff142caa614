//! The buddy's invariants, checked from the descriptors up.
//!
//! [`Buddy::validate`] believes nothing: it walks every descriptor of the zone, then every list,
//! and compares the two. Since each free head is on the list of its order, the lists are as long
//! as there are free heads, and links are symmetric, no frame is on two lists. Takes time in
//! proportion to the zone, so it is for tests, the monitor and self-tests.

use core::fmt;

use super::buddy::{Buddy, buddy_of};
use super::page::{Head, Link, PageState};
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
    /// A descriptor that should be all zero is not: the frame lies inside a block, or begins none.
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
    /// A block within the zone says that it is another's.
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
        /// Where the link leads.
        pfn: Pfn,
    },
    /// A list is not as long as it says, or not every free block is on it.
    ListLength {
        /// The order of the list.
        order: Order,
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
            Self::Stray { pfn } => write!(f, "pfn {pfn}: descriptor in use where no block begins"),
            Self::Misplaced { pfn, order } => {
                write!(f, "pfn {pfn}: no place for a block of order {order}")
            }
            Self::Foreign { pfn } => write!(f, "pfn {pfn}: block of another zone"),
            Self::Unmerged { pfn, order } => {
                write!(f, "pfn {pfn}: free beside its free buddy of order {order}")
            }
            Self::BrokenLink { order, pfn } => {
                write!(f, "list of order {order}: broken link at pfn {pfn}")
            }
            Self::ListLength { order, recorded, linked, found } => write!(
                f,
                "list of order {order}: length {recorded}, but {linked} linked of {found} free"
            ),
            Self::FreePages { recorded, found } => {
                write!(f, "{recorded} pages counted as free, but {found} are")
            }
        }
    }
}

impl core::error::Error for Inconsistency {}

impl Buddy {
    /// Checks every invariant over the frames of `span`, and returns how many of their pages are
    /// allocated. `span` must lie in the table.
    ///
    /// # Errors
    ///
    /// The first [`Inconsistency`] found.
    pub fn validate(&self, frames: &FrameTable<'_>, span: PfnRange) -> Result<u32, Inconsistency> {
        let mut found = [0; Order::COUNT];
        let mut allocated = 0;
        let mut pfn = span.start();
        while pfn < span.end() {
            let page = frames.at(pfn);
            let (order, zone) = match page.state() {
                PageState::NoHead if page.is_all_zero() => {
                    pfn = pfn.saturating_add(1);
                    continue;
                }
                PageState::NoHead => return Err(Inconsistency::Stray { pfn }),
                PageState::Corrupt { word } => return Err(Inconsistency::Corrupt { pfn, word }),
                PageState::Free { order, zone } => {
                    if order < Order::MAX
                        && frames.is(buddy_of(pfn, order), Head::free(zone, order))
                    {
                        return Err(Inconsistency::Unmerged { pfn, order });
                    }
                    found[order.index()] += 1;
                    (order, zone)
                }
                PageState::Allocated { order, zone } => {
                    allocated += order.pages();
                    (order, zone)
                }
            };
            if zone != self.zone {
                return Err(Inconsistency::Foreign { pfn });
            }
            let end = pfn.saturating_add(order.pages());
            if pfn.as_u32() & (order.pages() - 1) != 0 || end > span.end() {
                return Err(Inconsistency::Misplaced { pfn, order });
            }
            let inside = PfnRange::new(pfn.saturating_add(1), end);
            if let Some(pfn) = inside.iter().find(|&pfn| !frames.at(pfn).is_all_zero()) {
                return Err(Inconsistency::Stray { pfn });
            }
            pfn = end;
        }
        for order in Order::all() {
            self.validate_list(frames, order, found[order.index()])?;
        }
        let found = Order::all().map(|order| found[order.index()] * order.pages()).sum();
        if found != self.free_pages() {
            return Err(Inconsistency::FreePages { recorded: self.free_pages(), found });
        }
        Ok(allocated)
    }

    fn validate_list(
        &self,
        frames: &FrameTable<'_>,
        order: Order,
        found: u32,
    ) -> Result<(), Inconsistency> {
        let list = &self.lists[order.index()];
        let (mut linked, mut last, mut next) = (0, None, list.first());
        // One more than there can be is enough to tell a circle.
        while let Some(pfn) = next
            && linked <= found
        {
            let page = frames.get(pfn).filter(|page| {
                page.is(Head::free(self.zone, order))
                    && page.prev() == last.map_or(Link::NONE, Link::to)
            });
            let Some(page) = page else {
                return Err(Inconsistency::BrokenLink { order, pfn });
            };
            linked += 1;
            last = Some(pfn);
            next = page.next().pfn();
        }
        if linked != list.len() || linked != found {
            let recorded = list.len();
            return Err(Inconsistency::ListLength { order, recorded, linked, found });
        }
        match list.last() {
            end if end == last => Ok(()),
            end => Err(Inconsistency::BrokenLink { order, pfn: end.or(last).unwrap_or_default() }),
        }
    }
}
