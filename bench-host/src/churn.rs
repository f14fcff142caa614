//! What large blocks a long life leaves.
//!
//! Memory is filled with small blocks, and half of it, at random, is given back: nowhere is a large
//! block free. Then random blocks are replaced, four times as many as are held. An allocator that fills
//! gaps before it breaks large blocks has grown large ones by the end; one that does not has none.
//! One block in [`KEPT`] is never replaced, as what a kernel holds for good, and is asked for as not
//! movable. At last all others are given back, as reclaim could: what then is not free in the largest
//! blocks is what the kept ones have spoilt.
//!
//! The sequence is the same on every run and for every allocator.

use anyhow::Result;
use mm::addr::Order;
use std::io::Write;
use workload::Random;

use crate::store::{Store, plain};

/// One block in so many is kept for good.
const KEPT: u32 = 64;
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

/// Lives such a life with a store of `pages` pages, all free.
pub fn run<S: Store>(store: &S, pages: u32) -> Outcome {
    store.enter(0);
    let random = Random::default();
    let mut life = Life { store, random, free: pages, movable: Vec::new(), kept: Vec::new() };
    let mut outcome = Outcome::default();
    loop {
        let (order, movable) = (life.order(), life.random.below(KEPT) != 0);
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

/// Writes the table.
pub fn write(out: &mut impl Write, outcomes: &[(&'static str, Outcome)]) -> Result<()> {
    writeln!(
        out,
        "A long life of random blocks of 1 to 8 pages in 256 MiB, one block in {KEPT} kept for good: pages\n\
         free, the largest block that could be had (its order), and how many blocks of 2 MiB, of how many\n\
         that the free pages would make.\n"
    )?;
    let header = ["", "half given back", "after the churn", "all but the kept given back"];
    let rows = outcomes.iter().map(|(name, outcome)| {
        let moments = [outcome.halved, outcome.churned, outcome.emptied];
        let cell = |moment: Moment| {
            let largest = moment.largest.map_or("none".into(), |order| format!("o{order}"));
            format!("{} free, {largest}, {}/{}", moment.free, moment.large, moment.free >> LARGE)
        };
        std::iter::once((*name).to_owned()).chain(moments.map(cell)).collect()
    });
    write!(out, "{}", plain(header.map(String::from).to_vec(), rows.collect()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ours::Ours;
    use crate::peers::{Bitmap, BuddySystem};

    const PAGES: u32 = 4096;

    #[test]
    fn every_store_gets_back_all_that_it_gave() {
        check(&Ours::new(PAGES).unwrap());
        check(&BuddySystem::new(PAGES).unwrap());
        check(&Bitmap::new(PAGES));
    }

    fn check<S: Store>(store: &S) {
        let outcome = run(store, PAGES);
        assert!(outcome.halved.free >= PAGES / 2, "{}: {outcome:?}", S::NAME);
        assert!(outcome.churned.free.abs_diff(PAGES / 2) <= 8, "{}: {outcome:?}", S::NAME);
        assert!(outcome.emptied.free > PAGES * 9 / 10, "{}: {outcome:?}", S::NAME);
        let blocks: Vec<_> = std::iter::from_fn(|| store.get(LARGE, true)).collect();
        assert_eq!(blocks.len() as u32, PAGES >> LARGE, "{}", S::NAME);
    }

    #[test]
    fn a_life_is_the_same_on_every_run() {
        let outcome = || run(&Bitmap::new(PAGES), PAGES);
        assert_eq!(outcome(), outcome());
    }
}
