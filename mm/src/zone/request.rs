//! A request for a block, as the zones see it.

use super::gfp::Gfp;
use super::span::ZoneKind;
use crate::addr::Order;
use crate::frame::{Class, Mobility};

/// What is asked for, taken apart once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Request {
    /// The flags.
    pub gfp: Gfp,
    /// The block's order.
    pub order: Order,
    /// Whose lists it takes from first.
    pub mobility: Mobility,
    /// The highest zone that it may use.
    pub highest: ZoneKind,
}

impl Request {
    #[inline]
    pub(super) const fn new(gfp: Gfp, order: Order) -> Self {
        Self { gfp, order, mobility: gfp.mobility(), highest: gfp.highest_zone() }
    }

    /// What its block is asked for.
    #[inline]
    pub(super) const fn class(&self) -> Class {
        Class::of_flags(self.gfp.bits())
    }

    /// May it use the page blocks that are set aside?
    #[inline]
    pub(super) const fn is_urgent(&self) -> bool {
        self.gfp.non_blocking_high()
    }
}

/// Flags that the quick path does not take: zeroing is more work, and these two have rules of their own
/// about other flags. The zone and mobility modifiers need no test, since those that contradict each
/// other lead to a stack that has nothing.
pub(super) const NOT_QUICK: Gfp = Gfp::__GFP_ZERO.union(Gfp::__GFP_ATOMIC).union(Gfp::__GFP_NOFAIL);

/// The classes that make sense, each of which has stacks.
pub(super) fn classes() -> impl Iterator<Item = Gfp> {
    (0..Class::COUNT).map(Gfp::from_bits_retain).filter(|gfp| gfp.check().is_ok())
}

/// The class of a block of `mobility` that came from this zone, but was asked for as something else: so
/// that a stack holds blocks of one zone only.
pub(super) const fn class_in(kind: ZoneKind, mobility: Mobility) -> Class {
    let zone = match kind {
        ZoneKind::Dma => Gfp::__GFP_DMA,
        ZoneKind::Normal => Gfp::empty(),
        ZoneKind::HighMem => Gfp::__GFP_HIGHMEM,
    };
    let mobility = match mobility {
        Mobility::Movable => Gfp::__GFP_MOVABLE,
        Mobility::Reclaimable => Gfp::__GFP_RECLAIMABLE,
        _ => Gfp::empty(),
    };
    Class::of_flags(zone.union(mobility).bits())
}
