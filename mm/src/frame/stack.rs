//! Stacks of free blocks that belong to one CPU: what makes a page cheap.
//!
//! A stack is one word: the frame number of its top block, and above it a count that says how full the
//! stack is. Each block keeps in its descriptor the word as it was below it. So a push is two stores, a
//! pop a load and a store, and the count comes along:
//!
//! ```text
//! word   31 ──── 24 │ 23 ──────────── 0
//!        255 − room │ top block's pfn        empty: pfn 0xffffff, which no table has
//!
//!   current[n] ──▶ 0x40010 ──▶ 0x40011 ──▶ 0x40012 ──▶ (empty)
//!                  (each link is `below` in the descriptor)
//! ```
//!
//! A push into a full stack carries out of the word; a pop from an empty one finds a frame that has no
//! descriptor. Neither needs a look at anything else. A stack with no room and no block is the state of
//! all those that must not be used: orders above 3, zones that do not exist, and all of them while the
//! machine debugs or a zone is short. So the quick paths need no test for those either.
//!
//! The number of a stack is bits 4 to 12 of its blocks' heads (order, zone, mobility). Behind each stack
//! lies a spare one, which is either empty or was full: when the current one overflows it becomes the
//! spare, and what the spare held goes back to the buddy; when it runs dry, the spare takes its place.
//!
//! Protocol: a CPU's stacks are touched by that CPU alone, with its interrupts masked. Others ask it to
//! empty them ([`CpuStacks::ask_to_drain`]). Stacked blocks are no longer the buddy's: nobody writes
//! their heads but the owner of the stack.

use core::ops::Range;

use super::page::{Head, Page, STACK_BITS};
use super::table::{FrameTable, LIMIT};
use crate::addr::{Order, Pfn};
use crate::sync::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use Ordering::Relaxed;

/// How many stacks a CPU has.
pub const STACKS: usize = 1 << STACK_BITS;

const PFN_BITS: u32 = 24;
const PFN_MASK: u32 = (1 << PFN_BITS) - 1;
const ONE_BLOCK: u32 = 1 << PFN_BITS;

const _: () = assert!(LIMIT.as_u32() == PFN_MASK);

/// Which stack: order, zone and mobility, as a head has them. Below [`STACKS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StackId(u32);

impl StackId {
    /// The stack for blocks with this head.
    #[inline(always)]
    pub(crate) const fn of(head: Head) -> Self {
        Self(head.stack())
    }

    /// The stack for blocks of `order` whose zone and mobility `class` has, as bits 8 to 12 of a head
    /// have them.
    #[inline(always)]
    pub(crate) const fn of_class(class: u8, order: Order) -> Self {
        Self((class as u32) << 4 | order.as_u8() as u32)
    }

    #[inline(always)]
    const fn index(self) -> usize {
        // Drops nothing, and lets the compiler see that it is below `STACKS`.
        (self.0 as usize) & (STACKS - 1)
    }
}

/// A stack as a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stack(u32);

impl Stack {
    /// Empty, with room for so many blocks.
    pub(crate) const fn empty(room: u8) -> Self {
        Self(((u8::MAX - room) as u32) << PFN_BITS | PFN_MASK)
    }

    /// The top block; the frame that no table has, if there is none.
    #[inline(always)]
    pub(crate) const fn top(self) -> Pfn {
        Pfn::new(self.0 & PFN_MASK)
    }

    /// Is there no block?
    pub(crate) const fn is_empty(self) -> bool {
        self.0 & PFN_MASK == PFN_MASK
    }

    /// With one block more, on top; `None` when there is no room.
    #[inline(always)]
    const fn with(self, pfn: Pfn) -> Option<Self> {
        match self.0.checked_add(ONE_BLOCK) {
            Some(word) => Some(Self(word & !PFN_MASK | (pfn.as_u32() & PFN_MASK))),
            None => None,
        }
    }

    /// How many blocks a stack has that began with room for so many.
    const fn len(self, room: u8) -> u32 {
        if self.is_empty() { 0 } else { (self.0 >> PFN_BITS) - (u8::MAX - room) as u32 }
    }
}

/// The stacks of one CPU.
pub struct CpuStacks {
    current: [AtomicU32; STACKS],
    spare: [AtomicU32; STACKS],
    /// For each stack how many blocks it has room for.
    room: [AtomicU8; STACKS],
    drain_asked: AtomicBool,
}

impl CpuStacks {
    /// Stacks without room.
    #[must_use]
    pub fn new() -> Self {
        let closed = || core::array::from_fn(|_| AtomicU32::new(Stack::empty(0).0));
        Self {
            current: closed(),
            spare: closed(),
            room: core::array::from_fn(|_| AtomicU8::new(0)),
            drain_asked: AtomicBool::new(false),
        }
    }

    /// Takes the top block off a stack: it is allocated then, with one owner.
    #[inline(always)]
    pub(crate) fn pop(&self, frames: &FrameTable<'_>, id: StackId) -> Option<Pfn> {
        let current = &self.current[id.index()];
        let pfn = Stack(current.load(Relaxed)).top();
        let page = frames.get(pfn)?;
        current.store(page.below(), Relaxed);
        page.set_head(page.head().toggle_stacked());
        Some(pfn)
    }

    /// Puts an allocated block with one owner, whose head this is, on its stack. Says `false`, and has
    /// changed nothing, when the stack is full.
    #[inline(always)]
    pub(crate) fn push(&self, page: &Page, pfn: Pfn, head: Head) -> bool {
        let current = &self.current[StackId::of(head).index()];
        let below = Stack(current.load(Relaxed));
        let Some(stack) = below.with(pfn) else { return false };
        page.set_below(below.0);
        page.set_head(head.toggle_stacked());
        current.store(stack.0, Relaxed);
        true
    }

    /// Takes as many blocks off a stack as `pfns` has places for, or as there are, and says how many.
    #[inline]
    pub(crate) fn pop_many(&self, frames: &FrameTable<'_>, id: StackId, pfns: &mut [Pfn]) -> usize {
        let current = &self.current[id.index()];
        let mut stack = Stack(current.load(Relaxed));
        let mut count = 0;
        for place in pfns {
            let pfn = stack.top();
            let Some(page) = frames.get(pfn) else { break };
            stack = Stack(page.below());
            page.set_head(page.head().toggle_stacked());
            *place = pfn;
            count += 1;
        }
        current.store(stack.0, Relaxed);
        count
    }

    /// Puts single pages on their stack, from the front, and says how many: up to the first that is not
    /// allocated with one owner, belongs on another stack than the first, or finds no room.
    #[inline]
    pub(crate) fn push_many(&self, frames: &FrameTable<'_>, pfns: &[Pfn]) -> usize {
        let first = pfns.first().and_then(|pfn| frames.get(*pfn));
        let Some(head) = first.map(Page::head).filter(|head| head.is_sole(Order::ZERO)) else {
            return 0;
        };
        let current = &self.current[StackId::of(head).index()];
        let mut stack = Stack(current.load(Relaxed));
        let mut count = 0;
        for pfn in pfns {
            let Some(page) = frames.get(*pfn) else { break };
            // A page that stands here twice is no longer allocated the second time.
            let (true, Some(more)) = (page.head() == head, stack.with(*pfn)) else { break };
            page.set_below(stack.0);
            page.set_head(head.toggle_stacked());
            stack = more;
            count += 1;
        }
        current.store(stack.0, Relaxed);
        count
    }

    /// Puts neighbouring blocks that the buddy gave up on their stack, the lowest of them on top: of
    /// those from `first` up, the ones with these numbers. There must be room for all of them.
    pub(crate) fn fill(
        &self,
        frames: &FrameTable<'_>,
        head: Head,
        order: Order,
        first: Pfn,
        numbers: Range<u32>,
    ) {
        let current = &self.current[StackId::of(head).index()];
        let mut stack = Stack(current.load(Relaxed));
        for number in numbers.rev() {
            let pfn = first.saturating_add(number << order.as_u8());
            let page = frames.at(pfn);
            let more = stack.with(pfn);
            debug_assert!(more.is_some(), "no room for what was taken from the buddy");
            page.set_below(stack.0);
            page.set_head(head);
            stack = more.unwrap_or(stack);
        }
        current.store(stack.0, Relaxed);
    }

    /// How many blocks a stack may hold, its spare not counted.
    pub(crate) fn room(&self, id: StackId) -> u8 {
        self.room[id.index()].load(Relaxed)
    }

    /// Gives an empty stack and its spare room for so many blocks each; none closes them.
    pub(crate) fn set_room(&self, id: StackId, room: u8) {
        let index = id.index();
        self.room[index].store(room, Relaxed);
        for word in [&self.current[index], &self.spare[index]] {
            debug_assert!(Stack(word.load(Relaxed)).is_empty());
            word.store(Stack::empty(room).0, Relaxed);
        }
    }

    /// How many blocks a stack and its spare hold. Anybody may ask; the answer may be old.
    #[must_use]
    pub(crate) fn len(&self, id: StackId) -> u32 {
        let (index, room) = (id.index(), self.room(id));
        [&self.current, &self.spare]
            .map(|words| Stack(words[index].load(Relaxed)).len(room))
            .iter()
            .sum()
    }

    /// The current stack ran dry: has the spare take its place. Says `false` if that is empty too.
    pub(crate) fn take_spare(&self, id: StackId) -> bool {
        let index = id.index();
        let spare = Stack(self.spare[index].load(Relaxed));
        if spare.is_empty() {
            return false;
        }
        self.current[index].store(spare.0, Relaxed);
        self.spare[index].store(Stack::empty(self.room(id)).0, Relaxed);
        true
    }

    /// The current stack is full: it becomes the spare. Returns what the spare held, for the buddy.
    pub(crate) fn retire(&self, id: StackId) -> Stack {
        let index = id.index();
        let spare = Stack(self.spare[index].load(Relaxed));
        self.spare[index].store(self.current[index].load(Relaxed), Relaxed);
        self.current[index].store(Stack::empty(self.room(id)).0, Relaxed);
        spare
    }

    /// Empties a stack and its spare. Returns what they held, for the buddy.
    pub(crate) fn empty(&self, id: StackId) -> [Stack; 2] {
        let index = id.index();
        let empty = Stack::empty(self.room(id)).0;
        [&self.current, &self.spare].map(|words| {
            let held = Stack(words[index].load(Relaxed));
            words[index].store(empty, Relaxed);
            held
        })
    }

    /// Any CPU: asks the owner to empty its stacks. It does at its next visit to the zones, or at its
    /// next tick.
    pub(crate) fn ask_to_drain(&self) {
        self.drain_asked.store(true, Ordering::Release);
    }

    /// The owner: was it asked? Asked once, answered once.
    pub(crate) fn is_asked_to_drain(&self) -> bool {
        self.drain_asked.load(Relaxed) && self.drain_asked.swap(false, Ordering::Acquire)
    }
}

impl Default for CpuStacks {
    fn default() -> Self {
        Self::new()
    }
}

/// The blocks of a stack that was taken out of its CPU's hands, from the top. Each is read before it is
/// handed out, so that whoever gets it may write it.
pub(crate) struct Blocks<'t, 'a> {
    frames: &'t FrameTable<'a>,
    rest: Stack,
}

impl<'t, 'a> Blocks<'t, 'a> {
    /// The blocks of `stack`.
    pub(crate) const fn of(frames: &'t FrameTable<'a>, stack: Stack) -> Self {
        Self { frames, rest: stack }
    }
}

impl<'a> Iterator for Blocks<'_, 'a> {
    type Item = (Pfn, &'a Page);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let pfn = self.rest.top();
        let page = self.frames.get(pfn)?;
        self.rest = Stack(page.below());
        Some((pfn, page))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::frame::Mobility;
    use crate::frame::page::{Kin, PageState, ZoneId};

    const KIN: Kin = Kin {
        order: Order::ZERO,
        zone: match ZoneId::new(1) {
            Some(zone) => zone,
            None => panic!("zone 1 has an id"),
        },
        mobility: Mobility::Movable,
    };

    fn with_frames(test: impl FnOnce(&FrameTable<'_>, &CpuStacks, StackId)) {
        let pages: Vec<_> = (0..300).map(|_| Page::RESERVED).collect();
        let frames = FrameTable::new(Pfn::new(0x40000), &pages, &[]).unwrap();
        test(&frames, &CpuStacks::new(), StackId::of(Head::allocated(KIN)));
    }

    fn give(frames: &FrameTable<'_>, stacks: &CpuStacks, number: u32) -> bool {
        let pfn = Pfn::new(0x40000 + number);
        let page = frames.at(pfn);
        page.set_head(Head::allocated(KIN));
        stacks.push(page, pfn, page.head())
    }

    #[test]
    fn a_closed_stack_neither_takes_nor_gives() {
        with_frames(|frames, stacks, id| {
            assert_eq!(stacks.pop(frames, id), None);
            assert!(!give(frames, stacks, 0));
            assert_eq!(frames.at(Pfn::new(0x40000)).head(), Head::allocated(KIN));
            assert_eq!(stacks.len(id), 0);
        });
    }

    #[test]
    fn what_was_pushed_last_is_popped_first_up_to_the_room() {
        for room in [1, 2, 63, 64, 254, 255] {
            with_frames(|frames, stacks, id| {
                stacks.set_room(id, room);
                for number in 0..u32::from(room) {
                    assert!(give(frames, stacks, number), "{number} of {room}");
                    assert_eq!(stacks.len(id), number + 1);
                }
                assert!(!give(frames, stacks, 299), "room for {room}");
                for number in (0..u32::from(room)).rev() {
                    let pfn = Pfn::new(0x40000 + number);
                    assert_eq!(frames.at(pfn).state(), PageState::Stacked(KIN));
                    assert_eq!(stacks.pop(frames, id), Some(pfn));
                    let state = PageState::Allocated { kin: KIN, further_references: 0 };
                    assert_eq!(frames.at(pfn).state(), state);
                }
                assert_eq!(stacks.pop(frames, id), None);
                assert_eq!(stacks.len(id), 0);
            });
        }
    }

    #[test]
    fn a_full_stack_retires_and_comes_back() {
        with_frames(|frames, stacks, id| {
            stacks.set_room(id, 2);
            assert!(give(frames, stacks, 0) && give(frames, stacks, 1));
            assert!(stacks.retire(id).is_empty());
            assert!(give(frames, stacks, 2) && give(frames, stacks, 3));
            let older: Vec<_> =
                Blocks::of(frames, stacks.retire(id)).map(|(pfn, _)| pfn.as_u32() & 0xff).collect();
            assert_eq!(older, [1, 0]);
            assert_eq!((stacks.pop(frames, id), stacks.take_spare(id)), (None, true));
            assert_eq!(stacks.len(id), 2);
            assert!(!stacks.take_spare(id));
            assert_eq!(stacks.empty(id).map(Stack::is_empty), [false, true]);
            assert_eq!(stacks.len(id), 0);
        });
    }

    #[test]
    fn a_filled_stack_gives_the_lowest_block_first() {
        with_frames(|frames, stacks, id| {
            stacks.set_room(id, 3);
            let first = Pfn::new(0x40010);
            stacks.fill(frames, Head::stacked(KIN), Order::ZERO, first, 1..4);
            for number in 1..4 {
                assert_eq!(stacks.pop(frames, id), Some(Pfn::new(0x40010 + number)));
            }
            assert_eq!(stacks.len(id), 0);
        });
    }

    #[test]
    fn a_request_to_drain_is_answered_once() {
        let stacks = CpuStacks::new();
        assert!(!stacks.is_asked_to_drain());
        stacks.ask_to_drain();
        stacks.ask_to_drain();
        assert!(stacks.is_asked_to_drain());
        assert!(!stacks.is_asked_to_drain());
    }
}
