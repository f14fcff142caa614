//! A request for a block, as the zones see it, and the table that leads a quick one to its stack.

use super::gfp::Gfp;
use super::span::ZoneKind;
use crate::addr::Order;
use crate::frame::Mobility;
use crate::sync::{AtomicU8, Ordering::Relaxed};

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

    /// May it use the page blocks that are set aside?
    pub(super) fn is_urgent(&self) -> bool {
        self.gfp.non_blocking_high()
    }
}

/// Bits of the flags that decide which stack a request goes to: the zone and mobility modifiers, and
/// those that need care or contradict each other.
const INDEX_BITS: u32 = 11;

/// Flags beyond those bits that the quick path must not see: what never fails has more rules than a
/// table can know.
const CAREFUL: Gfp = Gfp::__GFP_NOFAIL;

/// A class whose stacks nothing is ever put on: zone 3 does not exist.
const CLOSED: u8 = 0x1f;

const _: () = assert!(ZoneKind::COUNT <= 3);

/// For each combination of the low flags, the class of stacks to try first: bits 0 and 1 are the zone,
/// bits 2 to 4 the mobility, as in a descriptor's head. Zeroing, and flags that contradict each other,
/// lead to a class that has nothing, so a quick request needs no test for them.
pub(super) struct Classes {
    class: [AtomicU8; 1 << INDEX_BITS],
}

impl Classes {
    /// Nothing is quick.
    pub(super) fn new() -> Self {
        Self { class: core::array::from_fn(|_| AtomicU8::new(CLOSED)) }
    }

    /// The class for these flags.
    #[inline(always)]
    pub(super) fn of(&self, gfp: Gfp) -> u8 {
        if gfp.intersects(CAREFUL) {
            return CLOSED;
        }
        // Masked to the table's length, so there is no other bounds check.
        self.class[gfp.bits() as usize & ((1 << INDEX_BITS) - 1)].load(Relaxed)
    }

    /// Sets the table for a machine on which these zones have memory.
    pub(super) fn set(&self, has_memory: [bool; ZoneKind::COUNT]) {
        for (low_bits, place) in self.class.iter().enumerate() {
            let gfp = Gfp::from_bits_truncate(low_bits as u32);
            let highest = gfp.highest_zone();
            let zone = ZoneKind::ALL
                .into_iter()
                .rev()
                .find(|kind| *kind <= highest && has_memory[kind.index()]);
            let class = match zone {
                Some(kind) if gfp.check().is_ok() && !gfp.wants_zero() => {
                    kind.index() as u8 | (gfp.mobility() as u8) << 2
                }
                _ => CLOSED,
            };
            place.store(class, Relaxed);
        }
    }
}
