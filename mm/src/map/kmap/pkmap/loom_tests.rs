//! Several CPUs at a pkmap of two slots, over a real page allocator, in every order.
//!
//! The words, the books, the lock and the counts of the frames are the kernel's. Made up are the machine, the table
//! ([`Table`]) and memory, which are cells that `loom` watches: it fails a model in which an entry is used before the
//! one who wrote it is done, or taken away before a use is over, or in which two have a page.
//!
//! The table knows what TLBs may hold: an entry from its clearing to its flush, whoever used it. It is a panic to map
//! there, and to map a frame in a second slot. Whoever is given a page looks whether it is still mapped (T4 of
//! `docs/model.md`).
//!
//! Each model ends the same way ([`come_to_rest`]): nothing is mapped, no frame waits, and all pages but the model's are
//! free. Each test says what it was seen to find: faults that were put into the code on purpose.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use loom::cell::UnsafeCell;
use loom::thread::{self, JoinHandle};

use super::*;
use crate::addr::{PhysAddr, PhysRange};
use crate::map::duty::Fresh;
use crate::map::kmap::WhyNotMapped;
use crate::map::slots::page_at;
use crate::sync::loom_support::{outcomes, outcomes_within, quietly};
use crate::zone::loom_machine::{self, CPUS, FIRST, Listener, Machine, become_cpu};
use crate::zone::{PageBlock, ZoneKind};

/// A zone so small is all below its levels.
const GFP: Gfp = Gfp::GFP_HIGHUSER.union(Gfp::__GFP_MEMALLOC);
/// Frames of HighMem; those before them would be lowmem.
const FRAMES: u32 = 8;
const PAGE_OFFSET: u32 = 0xc000_0000;
const REGION: VirtRange =
    VirtRange::new(VirtAddr::new(PAGE_OFFSET - REGION_BYTES), VirtAddr::new(PAGE_OFFSET));

type Model = Machine<Told>;
type Pages = PageAllocator<'static, Model, CPUS>;
type Map = Pkmap<'static, 'static, Model, &'static Table, CPUS>;
type Block = PageBlock<'static, 'static, Model, CPUS>;

/// What a model's thread was told, and how often it waited. No part of what is tried.
#[derive(Default)]
struct Seen {
    waits: u32,
    mistakes: u32,
    /// Nobody holds a slot any more.
    is_over: bool,
    waits_after: u32,
}

/// Who keeps that, and what he tells who waits.
struct Told {
    seen: Mutex<Seen>,
    answer: Answer,
}

/// What is mapped in a slot, and what TLBs may hold of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Fault,
    Written(Pfn),
    Published(Pfn),
    /// A fault, that TLBs take for a mapping still.
    Unflushed(Pfn),
}

/// A table whose entries `loom` watches: written by who maps and clears, read by each use.
struct Table {
    cells: [UnsafeCell<()>; SLOTS],
    entries: Mutex<[Entry; SLOTS]>,
}

#[expect(unsafe_code, reason = "cells that are only watched")]
// SAFETY: no access ever touches the values, which have no bytes.
unsafe impl Sync for Table {}

impl Told {
    fn seen<T>(&self, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Listener for Told {
    fn fills(&self) {
        panic!("nobody wants it filled");
    }

    fn waits(&self) {
        self.seen(|seen| {
            seen.waits += 1;
            seen.waits_after += u32::from(seen.is_over);
        });
    }

    fn answer(&self) -> Answer {
        self.answer
    }

    fn report(&self, report: &Report<'_>) {
        match report {
            Report::WrongUnmap { .. } => self.seen(|seen| seen.mistakes += 1),
            _ => panic!("{report}"),
        }
    }
}

impl Table {
    fn at<T>(&self, virt: VirtAddr, f: impl FnOnce(&mut [Entry; SLOTS], usize) -> T) -> T {
        let index = Place::at_page(virt).index();
        f(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner), index)
    }

    /// Is the frame mapped, or may a TLB hold it?
    fn knows(&self, pfn: Pfn) -> bool {
        self.at(REGION.start(), |entries, _| {
            entries.iter().any(|entry| match *entry {
                Entry::Fault => false,
                Entry::Written(known) | Entry::Published(known) | Entry::Unflushed(known) => {
                    known == pfn
                }
            })
        })
    }
}

impl SlotTable for &'static Table {
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> Fresh {
        self.cells[Place::at_page(virt).index()].with_mut(|_| ());
        assert!(!self.knows(pfn), "pfn {pfn} has two slots");
        self.at(virt, |entries, index| {
            assert!(entries[index] == Entry::Fault, "{virt} is live, or not flushed");
            entries[index] = Entry::Written(pfn);
        });
        Fresh::owed()
    }

    fn publish(&self, fresh: Fresh) {
        self.at(REGION.start(), |entries, _| {
            for entry in entries {
                if let Entry::Written(pfn) = *entry {
                    *entry = Entry::Published(pfn);
                }
            }
        });
        fresh.paid();
    }

    fn clear(&self, virt: VirtAddr) -> Stale {
        self.cells[Place::at_page(virt).index()].with_mut(|_| ());
        self.at(virt, |entries, index| match entries[index] {
            Entry::Published(pfn) => entries[index] = Entry::Unflushed(pfn),
            _ => panic!("{virt} is not mapped"),
        });
        Stale::owed(page_at(virt))
    }

    fn flush(&self, stale: Stale) {
        let range = stale.paid();
        for slot in (0..SLOTS as u32)
            .map(|number| VirtAddr::new(REGION.start().as_u32() + (number << PAGE_SHIFT)))
        {
            self.at(slot, |entries, index| {
                if range.contains(slot) && matches!(entries[index], Entry::Unflushed(_)) {
                    entries[index] = Entry::Fault;
                }
            });
        }
    }
}

/// A machine with a pkmap.
#[derive(Clone, Copy)]
struct World {
    pages: &'static Pages,
    table: &'static Table,
    map: &'static Map,
}

/// All frames are free, all slots are. Who waits is told `answer`.
fn world(answer: Answer) -> World {
    let told = Told { seen: Mutex::default(), answer };
    let pages = loom_machine::pages(ZoneKind::HighMem, FRAMES, told);
    // Lost in each run, since `loom`'s threads want what lives for ever.
    let pages: &'static Pages = Box::leak(Box::new(pages));
    let table = Table {
        cells: std::array::from_fn(|_| UnsafeCell::new(())),
        entries: Mutex::new([Entry::Fault; SLOTS]),
    };
    let table: &'static Table = Box::leak(Box::new(table));
    let lowmem = PhysRange::new(PhysAddr::new(0), FIRST.start());
    let linear = LinearMap::new(VirtAddr::new(PAGE_OFFSET), lowmem);
    let map = Box::leak(Box::new(Map::new(pages, &linear, REGION, table).unwrap()));
    World { pages, table, map }
}

impl World {
    /// A page of the caller's, in which he writes.
    fn page(self) -> Block {
        let block = self.pages.alloc_page(GFP).unwrap();
        let pfn = block.pfn();
        assert!(!self.table.knows(pfn), "pfn {pfn} is free, and mapped");
        self.pages.platform().write(pfn, Order::ZERO);
        block
    }

    /// Reads the page through a mapping of it.
    fn read(self, virt: VirtAddr, pfn: Pfn) {
        self.table.cells[Place::at_page(virt).index()].with(|_| ());
        let is_there =
            self.table.at(virt, |entries, index| entries[index] == Entry::Published(pfn));
        assert!(is_there, "{virt} is used, and is not pfn {pfn}'s");
        self.pages.platform().read(pfn);
    }

    /// Maps, reads, unmaps; says in which slot.
    fn visit(self, pfn: Pfn) -> u32 {
        let mapped = self.map.kmap(pfn).unwrap();
        let virt = mapped.address();
        self.read(virt, pfn);
        drop(mapped);
        Place::at_page(virt).number()
    }

    fn mistakes(self) -> u32 {
        self.pages.platform().listener.seen(|seen| seen.mistakes)
    }

    /// Runs `act` on the other CPU.
    fn on_cpu_1<T: 'static>(self, act: impl FnOnce(Self) -> T + 'static) -> JoinHandle<T> {
        thread::spawn(move || {
            become_cpu(1);
            act(self)
        })
    }

    /// The other threads have ended, and who mapped has unmapped.
    fn come_to_rest(self, blocks: Vec<Block>) {
        quietly(|| {
            let figures = self.map.figures();
            assert_eq!((figures.used, figures.users), (0, 0));
            self.map.flush_unused();
            let figures = self.map.figures();
            assert_eq!((figures.idle, figures.free, figures.waiting), (0, SLOTS as u32, 0));
            let is_empty = |entries: &mut [Entry; SLOTS], _| *entries == [Entry::Fault; SLOTS];
            assert!(self.table.at(REGION.start(), is_empty));
            drop(blocks);
            for cpu in (0..CPUS).chain([0]) {
                become_cpu(cpu);
                self.pages.tick();
                self.pages.drain();
            }
            assert_eq!(self.pages.validate(), Ok(()));
            let zone = self.pages.zone(ZoneKind::HighMem);
            assert_eq!(zone.free_pages(), zone.managed(), "a reference to a page is left");
        });
    }
}

/// A world in which these frames are somebody's, and mapped without a user if `MAPPED`.
fn with_frames<const FRAMES: usize>(mapped: usize) -> (World, [Pfn; FRAMES], Vec<Block>) {
    quietly(|| {
        let world = world(Answer::Retry);
        let blocks: Vec<_> = (0..FRAMES).map(|_| world.page()).collect();
        let frames = std::array::from_fn(|index| blocks[index].pfn());
        frames.iter().take(mapped).for_each(|pfn| _ = world.visit(*pfn));
        (world, frames, blocks)
    })
}

/// Two map a frame that has no slot yet, and read there.
///
/// Finds: `Relaxed` in `map_in` and in `add_user`; no second look for the frame's slot under the lock.
#[test]
fn a_frame_has_one_slot_whoever_comes_first() {
    let slots = outcomes(|| {
        let (world, [pfn], blocks) = with_frames(0);
        let other = world.on_cpu_1(move |world| world.visit(pfn));
        let slots = (world.visit(pfn), other.join().unwrap());
        world.come_to_rest(blocks);
        slots
    });
    assert_eq!(slots, BTreeSet::from([(1, 1)]));
}

/// Two map two frames, neither of which has a slot.
///
/// Finds: a flush that is left out.
#[test]
fn two_frames_have_two_slots() {
    let slots = outcomes(|| {
        let (world, [a, b], blocks) = with_frames(0);
        let other = world.on_cpu_1(move |world| {
            let mapped = world.map.kmap(b).unwrap();
            let virt = mapped.address();
            world.read(virt, b);
            (virt, mapped)
        });
        let mine = world.map.kmap(a).unwrap();
        world.read(mine.address(), a);
        let (virt, theirs) = other.join().unwrap();
        let slots = [mine.address(), virt].map(|virt| Place::at_page(virt).number());
        drop((mine, theirs));
        world.come_to_rest(blocks);
        slots
    });
    assert_eq!(slots, BTreeSet::from([[0, 1], [1, 0]]), "whoever comes first has slot 1");
}

/// Both slots are idle. One maps the frame that is in the first again, while the other wants a slot for a third frame,
/// and so flushes.
///
/// Finds: `Relaxed` in `kunmap_raw` and in `flush_idle`, where it stores *free* without looking, and a flush that is left
/// out.
#[test]
fn a_slot_is_taken_back_only_while_it_is_idle() {
    let slots = outcomes_within(2, || {
        let (world, [a, _, c], blocks) = with_frames(2);
        let other = world.on_cpu_1(move |world| world.visit(c));
        let slots = (world.visit(a), other.join().unwrap());
        world.come_to_rest(blocks);
        slots
    });
    // The third frame has the first slot that is free from the first on: 0, unless it is the other's by then.
    assert!(slots.contains(&(1, 0)), "the first was in use, or used before: {slots:?}");
    assert!(slots.iter().any(|&(a, c)| a != c), "{slots:?}");
    assert!(slots.iter().any(|&(a, _)| a == 0) || slots.len() == 1, "{slots:?}");
}

/// One reads a page, unmaps it and lets go of it; the other flushes, and takes a page, which may be that one.
///
/// Finds: `Relaxed` in `kunmap_raw` and in `flush_idle`; a flush that is left out.
#[test]
fn a_page_is_free_after_the_flush_and_after_the_last_use() {
    let answers = outcomes_within(2, || {
        let (world, [pfn], mut blocks) = with_frames(0);
        let block = blocks.pop().unwrap();
        let other = world.on_cpu_1(move |world| {
            let freed = world.map.flush_unused();
            // Unless it is still in a stack of this CPU, or of the other.
            let page = world.page();
            (freed, page.pfn() == pfn, page)
        });
        world.visit(pfn);
        drop(block);
        let (freed, is_same, page) = other.join().unwrap();
        world.come_to_rest(vec![page]);
        (freed, is_same)
    });
    assert!(answers.contains(&(0, false)), "{answers:?}");
    assert!(answers.contains(&(1, true)), "the flush freed it, and it was the next: {answers:?}");
}

/// Both slots are in use, and one wants a third. He has it as soon as a user is gone; how long he waits is the machine's
/// to say, whose wait ends by itself.
///
/// Finds: a look that flushes nothing; `Relaxed` in `kunmap_raw` and in `flush_idle`.
#[test]
fn who_waits_for_a_slot_gets_the_one_that_is_given_up() {
    let answers = outcomes_within(2, || {
        let (world, [a, b, c], blocks) = with_frames(0);
        let (first, second) = quietly(|| (world.map.kmap(a).unwrap(), world.map.kmap(b).unwrap()));
        let slot = Place::at_page(first.address()).number();
        let other = world.on_cpu_1(move |world| world.visit(c));
        world.read(first.address(), a);
        drop(first);
        world.pages.platform().listener.seen(|seen| seen.is_over = true);
        assert_eq!(other.join().unwrap(), slot, "the other one is in use");
        world.read(second.address(), b);
        drop(second);
        world.come_to_rest(blocks);
        world.pages.platform().listener.seen(|seen| (seen.waits.min(1), seen.waits_after))
    });
    assert!(answers.iter().any(|&(waits, _)| waits == 0), "the user was gone before: {answers:?}");
    assert!(answers.iter().any(|&(waits, _)| waits == 1), "{answers:?}");
    // A look made while the user was going; after one wait more it is seen.
    assert!(answers.iter().all(|&(_, after)| after <= 1), "{answers:?}");
}

/// Nobody can help: two want the one slot that is left, and one of them is told that there is none.
///
/// Finds: a reference to a frame that was not mapped, and is kept.
#[test]
fn of_two_who_want_the_last_slot_one_is_refused() {
    let answers = outcomes(|| {
        let (world, blocks) = quietly(|| {
            let world = world(Answer::NobodyCanHelp);
            (world, [(); 3].map(|()| world.page()))
        });
        let [a, b, c] = blocks.each_ref().map(Block::pfn);
        let pinned = quietly(|| world.map.kmap(a).unwrap());
        let wants = |world: World, pfn| match world.map.kmap(pfn) {
            Ok(mapped) => {
                world.read(mapped.address(), pfn);
                Some(mapped)
            }
            Err(error) => {
                assert_eq!(error.why(), WhyNotMapped::AllPinned { pfn });
                None
            }
        };
        let other = world.on_cpu_1(move |world| wants(world, c));
        let mine = wants(world, b);
        let theirs = other.join().unwrap();
        let answer = (mine.is_some(), theirs.is_some());
        drop((pinned, mine, theirs));
        world.come_to_rest(blocks.into());
        answer
    });
    assert_eq!(answers, BTreeSet::from([(true, false), (false, true)]));
}

/// Somebody unmaps a frame that he has not mapped, while others map it, or flush it, or look for a free slot.
///
/// Finds: a `map_in` that stores; a report that takes nothing back; who looks for a free slot and stays at the one that
/// was unmapped; who takes a frame unmapped once too often for one with too many users.
#[test]
fn a_mistaken_kunmap_hurts_nobody_else() {
    let answers = outcomes_within(2, || {
        let (world, [a, b], blocks) = with_frames(1);
        let slots = [1, 0].map(|number| REGION.start().as_u32() + number * crate::addr::PAGE_SIZE);
        let other = world.on_cpu_1(move |world| {
            slots.map(|virt| world.map.kunmap_raw(VirtAddr::new(virt)).is_err())
        });
        // Into the free slot, and then all that is idle goes.
        let slot = world.visit(b);
        world.visit(a);
        world.map.flush_unused();
        let wrong = other.join().unwrap();
        // To him, or to the user whose use he took.
        assert_eq!(world.mistakes(), 2, "each mistake is told once");
        world.come_to_rest(blocks);
        (slot, wrong)
    });
    assert!(answers.iter().any(|(_, wrong)| *wrong == [true, true]), "{answers:?}");
}
