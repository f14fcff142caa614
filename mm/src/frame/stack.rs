//! Stacks of free blocks that belong to one CPU: what makes a page cheap.
//!
//! A stack is one word: the place of its top block in the frame table, and above it a count that says how full the
//! stack is. Each block keeps in its descriptor the word as it was below it. So a push is two stores, a
//! pop a load and a store, and the count comes along:
//!
//! ```text
//! word   31 │ 30 ──── 24 │ 23 ──────────── 0
//!         0 │ 127 − room │ top block's place      empty: 0xffffff, which no table has
//!
//!   current[n] ──▶ 0x40010 ──▶ 0x40011 ──▶ 0x40012 ──▶ (empty)
//!                  (each link is `below` in the descriptor)
//! ```
//!
//! A push into a full stack carries into bit 31; a pop from an empty one finds a frame that has no
//! descriptor. Neither needs a look at anything else. A stack with no room and no block is the state of
//! all those that must not be used: orders above 3, flags that contradict each other, and all of them
//! while the machine debugs or a zone is short. So the quick paths need no test for those either.
//!
//! The number of a stack is the low nine bits of its blocks' heads: what they were asked for, and their
//! order. So what was asked for as one thing is handed out again as the same thing. Behind each stack
//! lies a spare one, which is either empty or was full: when the current one overflows it becomes the
//! spare, and what the spare held goes back to the buddy; when it runs dry, the spare takes its place.
//!
//! Protocol: a CPU's stacks are touched by that CPU alone, with its interrupts masked. Others ask it to
//! empty them, or to look at their room again (`Behind::ask`). Stacked blocks are no longer the buddy's: nobody writes
//! their heads but the owner of the stack.

use core::ops::Range;

use super::head::Head;
use super::page::Page;
use super::stack_word::{MAX_ROOM, STACKS, Stack, StackId};
use super::table::{FrameTable, Place};
use crate::addr::{Order, Pfn};
use crate::sync::{AtomicU8, AtomicU32, Ordering};

use Ordering::Relaxed;

/// The current stacks of one CPU: the words that every request looks at, and nothing else.
pub struct Current([AtomicU32; STACKS]);

impl Current {
    /// Stacks without room.
    #[must_use]
    pub fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU32::new(Stack::empty(0).0)))
    }
}

impl Default for Current {
    fn default() -> Self {
        Self::new()
    }
}

/// What lies behind the current stacks of one CPU: first what everybody asks who comes past them.
#[repr(C)]
pub struct Behind {
    asked: AtomicU8,
    /// For each stack how many blocks it has room for.
    room: [AtomicU8; STACKS],
    spare: [AtomicU32; STACKS],
}

impl Behind {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            spare: core::array::from_fn(|_| AtomicU32::new(Stack::empty(0).0)),
            room: core::array::from_fn(|_| AtomicU8::new(0)),
            asked: AtomicU8::new(0),
        }
    }

    /// Any CPU: asks something of the owner. It answers at its next visit to the zones, or at its next
    /// tick.
    pub(crate) fn ask(&self, what: Asked) {
        self.asked.fetch_or(what.0, Ordering::Release);
    }

    /// Any CPU: asks for something no more.
    pub(crate) fn ask_no_more(&self, what: Asked) {
        self.asked.fetch_and(!what.0, Ordering::Release);
    }

    /// Is anything asked of the owner?
    #[inline(always)]
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Relaxed) != 0
    }
}

impl Default for Behind {
    fn default() -> Self {
        Self::new()
    }
}

/// The stacks of one CPU, in two places: what the quick paths look at lies close to the start of the
/// allocator.
#[derive(Clone, Copy)]
pub(crate) struct CpuStacks<'s> {
    pub(crate) current: &'s Current,
    pub(crate) behind: &'s Behind,
}

impl Current {
    /// Takes the top block off a stack: it is allocated then, with one owner.
    #[inline(always)]
    pub(crate) fn pop(&self, frames: &FrameTable<'_>, id: StackId) -> Option<Pfn> {
        let current = &self.0[id.index()];
        let place = Stack(current.load(Relaxed)).top();
        let page = frames.page(place)?;
        current.store(page.below(), Relaxed);
        page.set_head(page.head().toggle_stacked());
        Some(frames.pfn(place))
    }

    /// Puts an allocated block with one owner, whose head this is, on its stack. Says `false`, and has
    /// changed nothing, when the stack is full.
    #[inline(always)]
    pub(crate) fn push(&self, page: &Page, place: Place, head: Head) -> bool {
        let current = &self.0[StackId::of(head).index()];
        let below = Stack(current.load(Relaxed));
        let Some(stack) = below.with(place) else { return false };
        page.set_below(below.0);
        page.set_head(head.toggle_stacked());
        current.store(stack.0, Relaxed);
        true
    }

    /// Takes as many blocks of this head off their stack as `pfns` has places for, or as there are, and
    /// says how many.
    ///
    /// A function of its own, so that what it looks at stays in registers; eight at a time, since the
    /// counting of a loop is a third of what there is to do.
    #[inline(never)]
    pub(crate) fn pop_many(
        &self,
        frames: &FrameTable<'_>,
        allocated: Head,
        pfns: &mut [Pfn],
    ) -> usize {
        let current = &self.0[StackId::of(allocated).index()];
        let mut stack = Stack(current.load(Relaxed));
        let mut pop = |pfn: &mut Pfn| {
            let place = stack.top();
            let Some(page) = frames.page(place) else { return false };
            stack = Stack(page.below());
            page.set_head(allocated);
            *pfn = frames.pfn(place);
            true
        };
        let (eights, rest) = pfns.as_chunks_mut::<8>();
        let count =
            each(eights.iter_mut().map(|eight| eight.iter_mut()), rest.iter_mut(), &mut pop);
        current.store(stack.0, Relaxed);
        count
    }

    /// Puts single pages on their stack, from the front, and says how many: up to the first that is not
    /// allocated with one owner, belongs on another stack than the first, or finds no room.
    ///
    /// Made as [`pop_many`](Self::pop_many) is.
    #[inline(never)]
    pub(crate) fn push_many(&self, frames: &FrameTable<'_>, pfns: &[Pfn]) -> usize {
        let first = pfns.first().and_then(|pfn| frames.get(*pfn));
        let Some(head) = first.map(Page::head).filter(|head| head.is_sole(Order::ZERO)) else {
            return 0;
        };
        let current = &self.0[StackId::of(head).index()];
        let mut stack = Stack(current.load(Relaxed));
        let fitting = pfns.get(..stack.room_left() as usize).unwrap_or(pfns);
        let mut push = |pfn: &Pfn| {
            let place = frames.place(*pfn);
            // A page that stands here twice is no longer allocated the second time.
            let Some(page) = frames.page(place).filter(|page| page.head() == head) else {
                return false;
            };
            page.set_below(stack.0);
            page.set_head(head.toggle_stacked());
            stack = stack.over(place);
            true
        };
        let (eights, rest) = fitting.as_chunks::<8>();
        let count = each(eights.iter().map(|eight| eight.iter()), rest.iter(), &mut push);
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
        let current = &self.0[StackId::of(head).index()];
        let mut stack = Stack(current.load(Relaxed));
        debug_assert!(stack.room_left() >= numbers.len() as u32, "no room for what the buddy gave");
        let mut place = frames.place(first).after(numbers.end << order.as_u32());
        for _ in numbers {
            place = place.before(order.pages());
            let page = frames.at_place(place);
            page.set_below(stack.0);
            page.set_head(head);
            stack = stack.over(place);
        }
        current.store(stack.0, Relaxed);
    }
}

impl CpuStacks<'_> {
    /// How many blocks a stack may hold, its spare not counted.
    pub(crate) fn room(&self, id: StackId) -> u8 {
        self.behind.room[id.index()].load(Relaxed)
    }

    /// Gives an empty stack and its spare room for so many blocks each; none closes them.
    pub(crate) fn set_room(&self, id: StackId, room: u8) {
        let index = id.index();
        let room = room.min(MAX_ROOM);
        self.behind.room[index].store(room, Relaxed);
        for word in [&self.current.0[index], &self.behind.spare[index]] {
            debug_assert!(Stack(word.load(Relaxed)).is_empty());
            word.store(Stack::empty(room).0, Relaxed);
        }
    }

    /// How many blocks a stack and its spare hold. Anybody may ask; the answer may be old, and wrong while
    /// the owner changes their room.
    #[must_use]
    pub(crate) fn len(self, id: StackId) -> u32 {
        let (index, room) = (id.index(), self.room(id));
        [&self.current.0, &self.behind.spare]
            .map(|words| Stack(words[index].load(Relaxed)).len(room))
            .iter()
            .sum()
    }

    /// The current stack ran dry: has the spare take its place. Says `false` if that is empty too.
    pub(crate) fn take_spare(&self, id: StackId) -> bool {
        let index = id.index();
        let spare = Stack(self.behind.spare[index].load(Relaxed));
        if spare.is_empty() {
            return false;
        }
        self.current.0[index].store(spare.0, Relaxed);
        self.behind.spare[index].store(Stack::empty(self.room(id)).0, Relaxed);
        true
    }

    /// The current stack is full: it becomes the spare. Returns what the spare held, for the buddy.
    pub(crate) fn retire(&self, id: StackId) -> Stack {
        let index = id.index();
        let spare = Stack(self.behind.spare[index].load(Relaxed));
        self.behind.spare[index].store(self.current.0[index].load(Relaxed), Relaxed);
        self.current.0[index].store(Stack::empty(self.room(id)).0, Relaxed);
        spare
    }

    /// Empties a stack and its spare. Returns what they held, for the buddy.
    pub(crate) fn empty(&self, id: StackId) -> [Stack; 2] {
        let index = id.index();
        let empty = Stack::empty(self.room(id)).0;
        [&self.current.0, &self.behind.spare].map(|words| {
            let held = Stack(words[index].load(Relaxed));
            words[index].store(empty, Relaxed);
            held
        })
    }

    /// The owner: is anything asked of it?
    #[inline(always)]
    pub(crate) fn is_asked(&self) -> bool {
        self.behind.is_asked()
    }

    /// The owner: what is asked of it. Asked once, answered once, but for what stays.
    pub(crate) fn take_asked(&self) -> Asked {
        Asked(self.behind.asked.fetch_and(Asked::CARE.0, Ordering::Acquire))
    }
}

/// Does `act` to one after the other until it says `false`, and says how many it was done to.
#[inline(always)]
fn each<T, I: Iterator<Item = T>>(
    eights: impl Iterator<Item = I>,
    rest: impl Iterator<Item = T>,
    act: &mut impl FnMut(T) -> bool,
) -> usize {
    let mut done = 0;
    for eight in eights {
        for (number, one) in eight.enumerate() {
            if !act(one) {
                return done + number;
            }
        }
        done += 8;
    }
    for one in rest {
        if !act(one) {
            break;
        }
        done += 1;
    }
    done
}

/// What the owner of stacks is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked(u8);

impl Asked {
    /// To give back what they hold.
    pub(crate) const DRAIN: Self = Self(1);
    /// To give them the room that they should have now.
    pub(crate) const ROOM: Self = Self(2);
    /// To take care with every request from now on: somebody debugs.
    pub(crate) const CARE: Self = Self(4);

    /// Is this among it?
    pub(crate) const fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::blocks::Blocks;
    use super::super::head::Class;
    use super::super::stack_word::PLACE_MASK;
    use super::*;
    use crate::frame::PageState;

    const ORDER: Order = Order::ZERO;
    const CLASS: Class = Class::of_flags(8);
    const ALLOCATED: Head = Head::allocated(ORDER, CLASS);

    fn with_frames(test: impl FnOnce(&FrameTable<'_>, CpuStacks<'_>, StackId)) {
        let pages: Vec<_> = (0..300).map(|_| Page::RESERVED).collect();
        let frames = FrameTable::new(Pfn::new(0x40000), &pages, &[]).unwrap();
        let (current, behind) = (Current::new(), Behind::new());
        test(&frames, CpuStacks { current: &current, behind: &behind }, StackId::of(ALLOCATED));
    }

    fn give(frames: &FrameTable<'_>, stacks: CpuStacks<'_>, number: u32) -> bool {
        let pfn = Pfn::new(0x40000 + number);
        let page = frames.at(pfn);
        page.set_head(ALLOCATED);
        stacks.current.push(page, frames.place(pfn), page.head())
    }

    #[test]
    fn a_closed_stack_neither_takes_nor_gives() {
        with_frames(|frames, stacks, id| {
            assert_eq!(stacks.current.pop(frames, id), None);
            assert!(!give(frames, stacks, 0));
            assert_eq!(frames.at(Pfn::new(0x40000)).head(), ALLOCATED);
            assert_eq!(stacks.len(id), 0);
        });
    }

    #[test]
    fn what_was_pushed_last_is_popped_first_up_to_the_room() {
        for room in [1, 2, 63, 64, 126, 127] {
            with_frames(|frames, stacks, id| {
                stacks.set_room(id, room);
                for number in 0..u32::from(room) {
                    assert!(give(frames, stacks, number), "{number} of {room}");
                    assert_eq!(stacks.len(id), number + 1);
                }
                assert!(!give(frames, stacks, 299), "room for {room}");
                for number in (0..u32::from(room)).rev() {
                    let pfn = Pfn::new(0x40000 + number);
                    assert_eq!(
                        frames.at(pfn).state(),
                        PageState::Stacked { order: ORDER, class: CLASS }
                    );
                    assert_eq!(stacks.current.pop(frames, id), Some(pfn));
                    let state = ALLOCATED.decode();
                    assert_eq!(frames.at(pfn).state(), state);
                }
                assert_eq!(stacks.current.pop(frames, id), None);
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
            let older: Vec<_> = Blocks::of(frames, stacks.retire(id), id)
                .map(|(pfn, _)| pfn.as_u32() & 0xff)
                .collect();
            assert_eq!(older, [1, 0]);
            assert_eq!((stacks.current.pop(frames, id), stacks.take_spare(id)), (None, true));
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
            stacks.current.fill(frames, ALLOCATED.toggle_stacked(), Order::ZERO, first, 1..4);
            for number in 1..4 {
                assert_eq!(stacks.current.pop(frames, id), Some(Pfn::new(0x40010 + number)));
            }
            assert_eq!(stacks.len(id), 0);
        });
    }

    /// As the drain does it: each block is no longer stacked when the next one is asked for.
    #[test]
    fn a_walk_ends_whatever_the_links_say() {
        // From the last block on top down to the first: the link of one that leads elsewhere.
        for (from, to, walked) in
            [(2, 3, 2), (2, 2, 2), (1, 3, 3), (0, 3, 4), (3, 5, 1), (3, 200, 1), (3, 500, 1)]
        {
            with_frames(|frames, stacks, id| {
                stacks.set_room(id, 4);
                (0..4).for_each(|number| assert!(give(frames, stacks, number)));
                let [stack, _] = stacks.empty(id);
                frames.at(Pfn::new(0x40005)).set_head(Head::stacked(ORDER, Class::of_flags(9)));
                frames.at(Pfn::new(0x40000 + from)).set_below(stack.0 & !PLACE_MASK | to);
                let mut blocks = Blocks::of(frames, stack, id);
                let blocks_walked =
                    blocks.by_ref().take(1000).inspect(|(_, page)| page.set_head(Head::NONE));
                assert_eq!(blocks_walked.count(), walked, "{from} to {to}");
                assert_eq!(blocks.cut_at(), Some(Pfn::new(0x40000 + to)));
            });
        }
    }

    #[test]
    fn what_is_asked_is_answered_once() {
        let (current, behind) = (Current::new(), Behind::new());
        let stacks = CpuStacks { current: &current, behind: &behind };
        assert!(!stacks.is_asked());
        behind.ask(Asked::DRAIN);
        behind.ask(Asked::DRAIN);
        assert!(stacks.is_asked());
        let asked = stacks.take_asked();
        assert_eq!((asked.has(Asked::DRAIN), asked.has(Asked::ROOM)), (true, false));
        assert!(!stacks.is_asked());
        behind.ask(Asked::ROOM);
        behind.ask(Asked::DRAIN);
        let asked = stacks.take_asked();
        assert!(asked.has(Asked::DRAIN) && asked.has(Asked::ROOM));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::super::head::Class;
    use super::*;
    use crate::sync::loom_support::outcomes;
    use loom::thread;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// A report reads the stacks of other CPUs.
    #[test]
    fn blocks_are_counted_while_their_stack_gets_room_and_one_more() {
        let seen = outcomes(|| {
            let pages: &[Page] = vec![Page::reserved()].leak();
            let frames = FrameTable::new(Pfn::new(7), pages, &[]).unwrap();
            let head = Head::allocated(Order::ZERO, Class::of_flags(0));
            let id = StackId::of(head);
            let cpu = Arc::new((Current::new(), Behind::new()));
            let of = |cpu: &(Current, Behind)| {
                let stacks = CpuStacks { current: &cpu.0, behind: &cpu.1 };
                stacks.len(id)
            };
            let owner = {
                let cpu = Arc::clone(&cpu);
                thread::spawn(move || {
                    CpuStacks { current: &cpu.0, behind: &cpu.1 }.set_room(id, 2);
                    assert!(cpu.0.push(&pages[0], frames.place(Pfn::new(7)), head));
                })
            };
            let seen = of(&cpu);
            owner.join().unwrap();
            (seen, of(&cpu))
        });
        assert_eq!(seen, BTreeSet::from([(0, 1), (1, 1)]));
    }
}
