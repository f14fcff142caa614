//! What large blocks a long life leaves.
//!
//! Memory is filled with small blocks, and half of it, at random, is given back: nowhere is a large
//! block free. Then random blocks are replaced, four times as many as are held. An allocator that fills
//! gaps before it breaks large blocks has grown large ones by the end; one that does not has none.
//! One block in so many is never replaced, as what a kernel holds for good, and is asked for as not
//! movable. At last all others are given back, as reclaim could: what then is not free in the largest
//! blocks is what the kept ones have spoilt. In a life of its own no block is kept.
//!
//! The sequence is the same on every run and for every allocator.

use anyhow::Result;
use mm::addr::Order;
use std::io::Write;
use workload::Random;

use crate::store::{Store, plain};

/// One block in so many is kept for good; none at all.
pub const LIVES: [Option<u32>; 2] = [Some(64), None];
/// How often the held blocks are replaced, all in all.
const TURNS: u32 = 4;
/// A large block: 2 MiB.
const LARGE: u8 = 9;

/// What an allocator could hand out at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Pages that nobody holds.
    pub free: u32,
    /// The order of the largest block that it could give; none when it had nothing.
    pub largest: Option<u8>,
    /// How many blocks of order [`LARGE`] it could give.
    pub large: u32,
}

/// How an allocator's memory looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// With half of memory given back at random.
    pub halved: Moment,
    /// After the churn.
    pub churned: Moment,
    /// With only the kept blocks left.
    pub emptied: Moment,
}

struct Held {
    page: u32,
    order: u8,
}

struct Life<'s, S> {
    store: &'s S,
    random: Random,
    /// Pages that nobody holds.
    free: u32,
    movable: Vec<Held>,
    kept: Vec<Held>,
}

impl<S: Store> Life<'_, S> {
    /// Nine in ten blocks are a page; the others two, four or eight.
    fn order(&mut self) -> u8 {
        match self.random.below(30) {
            0 => 3,
            1 => 2,
            2 => 1,
            _ => 0,
        }
    }

    fn get(&mut self, order: u8, movable: bool) -> bool {
        let Some(page) = self.store.get(order, movable) else { return false };
        let held = if movable { &mut self.movable } else { &mut self.kept };
        held.push(Held { page, order });
        self.free -= 1 << order;
        true
    }

    fn give_one(&mut self) {
        let place = self.random.below(self.movable.len() as u32) as usize;
        if place < self.movable.len() {
            let Held { page, order } = self.movable.swap_remove(place);
            self.store.put(page, order);
            self.free += 1 << order;
        }
    }

    fn moment(&self) -> Moment {
        let try_one = |order: &u8| match self.store.get(*order, true) {
            Some(page) => {
                self.store.put(page, *order);
                true
            }
            None => false,
        };
        let largest = (0..=Order::MAX.as_u8()).rev().find(try_one);
        let large: Vec<_> = std::iter::from_fn(|| self.store.get(LARGE, true)).collect();
        large.iter().for_each(|&page| self.store.put(page, LARGE));
        Moment { free: self.free, largest, large: large.len() as u32 }
    }
}

/// Lives such a life with a store of `pages` pages, all free, where one block in `kept` stays for good.
pub fn run<S: Store>(store: &S, pages: u32, kept: Option<u32>) -> Outcome {
    store.enter(0);
    let random = Random::default();
    let mut life = Life { store, random, free: pages, movable: Vec::new(), kept: Vec::new() };
    let mut outcome = Outcome::default();
    loop {
        let order = life.order();
        let movable = kept.is_none_or(|kept| life.random.below(kept) != 0);
        if !life.get(order, movable) && !life.get(0, movable) {
            break;
        }
    }
    while life.free < pages / 2 && !life.movable.is_empty() {
        life.give_one();
    }
    outcome.halved = life.moment();
    let steps = TURNS * life.movable.len() as u32;
    for _ in 0..steps {
        life.give_one();
        let order = life.order();
        if !life.get(order, true) {
            // As a kernel does that has been refused a block.
            let _ = (0..1 << order).all(|_| life.get(0, true));
        }
        // Half of memory stays held, whatever sizes chance has chosen.
        while life.free < pages / 2 && !life.movable.is_empty() {
            life.give_one();
        }
        while life.free > pages / 2 + 8 && life.get(0, true) {}
    }
    outcome.churned = life.moment();
    while !life.movable.is_empty() {
        life.give_one();
    }
    outcome.emptied = life.moment();
    for Held { page, order } in life.kept.drain(..) {
        store.put(page, order);
    }
    outcome
}

/// What became of every allocator in one life.
pub type Outcomes = Vec<(&'static str, Outcome)>;

/// Writes the tables, in the order of [`LIVES`].
pub fn write(out: &mut impl Write, lives: &[Outcomes; LIVES.len()]) -> Result<()> {
    writeln!(
        out,
        "A long life of random blocks of 1 to 8 pages in 256 MiB: pages free, the largest block that could\n\
         be had (its order), and how many blocks of 2 MiB, of how many that the free pages would make."
    )?;
    for (kept, outcomes) in LIVES.iter().zip(lives) {
        let (first, last) = match kept {
            Some(kept) => (format!("1 in {kept} kept for good"), "all but the kept given back"),
            None => ("none kept".to_owned(), "all given back"),
        };
        let header = [&first, "half given back", "after the churn", last];
        let rows = outcomes.iter().map(row).collect();
        write!(out, "\n{}", plain(header.map(String::from).to_vec(), rows))?;
    }
    Ok(())
}

fn row((name, outcome): &(&'static str, Outcome)) -> Vec<String> {
    let cell = |moment: Moment| {
        let largest = moment.largest.map_or("none".into(), |order| format!("o{order}"));
        format!("{} free, {largest}, {}/{}", moment.free, moment.large, moment.free >> LARGE)
    };
    let moments = [outcome.halved, outcome.churned, outcome.emptied].map(cell);
    std::iter::once((*name).to_owned()).chain(moments).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ours::Ours;
    use crate::peers::{Bitmap, BuddySystem};

    const PAGES: u32 = 4096;

    #[test]
    fn every_store_gets_back_all_that_it_gave() {
        for kept in LIVES {
            check(&Ours::new(PAGES).unwrap(), kept);
            check(&BuddySystem::new(PAGES).unwrap(), kept);
            check(&Bitmap::new(PAGES), kept);
        }
    }

    fn check<S: Store>(store: &S, kept: Option<u32>) {
        let outcome = run(store, PAGES, kept);
        assert!(outcome.halved.free >= PAGES / 2, "{}: {outcome:?}", S::NAME);
        assert!(outcome.churned.free.abs_diff(PAGES / 2) <= 8, "{}: {outcome:?}", S::NAME);
        assert!(outcome.emptied.free > PAGES * 9 / 10, "{}: {outcome:?}", S::NAME);
        assert_eq!(kept.is_none(), outcome.emptied.free == PAGES, "{}: {outcome:?}", S::NAME);
        let blocks: Vec<_> = std::iter::from_fn(|| store.get(LARGE, true)).collect();
        assert_eq!(blocks.len() as u32, PAGES >> LARGE, "{}", S::NAME);
    }

    #[test]
    fn what_stays_is_kept_apart_from_what_moves() {
        let spoilt = |outcome: Outcome| (outcome.emptied.free >> LARGE) - outcome.emptied.large;
        let pages = 1 << 14;
        let ours = spoilt(run(&Ours::new(pages).unwrap(), pages, LIVES[0]));
        let theirs = spoilt(run(&Bitmap::new(pages), pages, LIVES[0]));
        assert!(ours <= 4 && theirs > 20, "{ours} of ours, {theirs} where nobody looks");
    }

    #[test]
    fn a_life_is_the_same_on_every_run() {
        let outcome = || run(&Ours::new(PAGES).unwrap(), PAGES, LIVES[0]);
        assert_eq!(outcome(), outcome());
    }
}
