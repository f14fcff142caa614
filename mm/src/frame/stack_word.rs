//! A per-CPU stack as the one word that it is, and which of them is for what. [`stack`](super::stack) has the
//! picture, and says who may write one.
//!
//! Invariant: the lower 24 bits are the place of the top block in the frame table, or the one that no table has;
//! those above count up with each block, and carry into bit 31 when there is no room.

use super::head::{Class, Head, STACK_BITS};
use super::table::{MAX_FRAMES, Place};
use crate::addr::Order;

/// How many stacks a CPU has.
pub const STACKS: usize = if cfg!(loom) { LOOM_STACKS } else { 1 << STACK_BITS };

/// A model makes every atomic anew in each of its runs, and three of four stacks are those of orders
/// that have none: there, one stands for all of them. Class is below order, so they are the last.
const LOOM_STACKS: usize = (Class::COUNT << 2) as usize + 1;

const PLACE_BITS: u32 = 24;
pub(super) const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
const ONE_BLOCK: u32 = 1 << PLACE_BITS;

/// The most blocks that a stack can have room for.
pub(crate) const MAX_ROOM: u8 = 127;

const _: () = assert!(MAX_FRAMES == PLACE_MASK);

/// Which stack: class and order, as a head has them. Below [`STACKS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StackId(pub(super) u32);

impl StackId {
    /// The stack for blocks with this head.
    #[inline(always)]
    pub(crate) const fn of(head: Head) -> Self {
        Self(head.stack())
    }

    /// The stack for blocks of `order` that were asked for as `class`.
    #[inline(always)]
    pub(crate) const fn new(class: Class, order: Order) -> Self {
        Self(Head::allocated(order, class).stack())
    }

    #[inline(always)]
    pub(super) const fn index(self) -> usize {
        let index = self.0 as usize;
        if cfg!(loom) {
            return if index < STACKS { index } else { STACKS - 1 };
        }
        // Drops nothing, and lets the compiler see that it is below `STACKS`.
        index & (STACKS - 1)
    }
}

/// A stack as a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stack(pub(super) u32);

impl Stack {
    /// Empty, with room for so many blocks.
    pub(crate) const fn empty(room: u8) -> Self {
        let room = if room < MAX_ROOM { room } else { MAX_ROOM };
        Self(((MAX_ROOM - room) as u32) << PLACE_BITS | PLACE_MASK)
    }

    /// The top block; the place that no table has, if there is none.
    #[inline(always)]
    pub(crate) const fn top(self) -> Place {
        Place::new(self.0 & PLACE_MASK)
    }

    /// Is there no block?
    pub(crate) const fn is_empty(self) -> bool {
        self.0 & PLACE_MASK == PLACE_MASK
    }

    /// With one block more, which is in the table, on top. The caller knows that there is room.
    #[inline(always)]
    pub(super) const fn over(self, place: Place) -> Self {
        // A sum and not a union: a place in the table has no higher bits.
        Self((self.0 & !PLACE_MASK).wrapping_add(place.as_u32()).wrapping_add(ONE_BLOCK))
    }

    /// With one block more, which is in the table, on top; `None` when there is no room.
    #[inline(always)]
    pub(super) const fn with(self, place: Place) -> Option<Self> {
        let more = self.over(place);
        // The carry is the sign: an addition that sets the flags answers.
        if (more.0 as i32) < 0 { None } else { Some(more) }
    }

    /// For how many blocks more there is room.
    pub(super) const fn room_left(self) -> u32 {
        MAX_ROOM as u32 - (self.0 >> PLACE_BITS)
    }

    /// How many blocks a stack has that began with room for so many. Never more than that, even when the
    /// owner has just given it other room.
    pub(super) const fn len(self, room: u8) -> u32 {
        if self.is_empty() {
            return 0;
        }
        let len = (self.0 >> PLACE_BITS).saturating_sub((MAX_ROOM - room) as u32);
        if len < room as u32 { len } else { room as u32 }
    }
}
