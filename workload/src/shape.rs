//! The shapes of LLFree's benchmarks, repeat, bulk and random, and one in which much is free.
//!
//! | shape | does | shows |
//! |---|---|---|
//! | repeat | take one, give it back, again | the shortest way |
//! | batch | take many, then give them back in the order in which they came | what is behind the shortest way |
//! | reverse, scatter | the same, given back in the reverse order, or all over the place | what the order costs |
//! | random | hold many, and replace one at random, again | a system that has run for a while |
//! | churn | give and take at random, so that half of many are held | what free blocks between held ones cost |
//!
//! What stands around a call that is measured is the meter's business; here is only the order of calls.

use crate::{Exhausted, Random};

/// The most blocks that a shape holds at once.
pub const MAX_HELD: usize = 15_000;

/// In which order blocks are taken and given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Take one, give it back.
    Repeat,
    /// Take so many, give them back in the same order.
    Batch(u32),
    /// Take so many, give them back from the last to the first.
    Reverse(u32),
    /// Take so many, a power of two, give them back far from each other.
    Scatter(u32),
    /// Hold so many, give a random one back and take another.
    Random(u32),
    /// Of so many places fill a random one that is empty, or empty it.
    Churn(u32),
}

impl Shape {
    /// How many blocks are held at once, at most.
    #[must_use]
    pub const fn held(self) -> u32 {
        match self {
            Self::Repeat => 1,
            Self::Batch(count)
            | Self::Reverse(count)
            | Self::Scatter(count)
            | Self::Random(count)
            | Self::Churn(count) => count,
        }
    }
}

/// Something that hands out blocks and takes them back.
pub trait Subject {
    /// What it hands out.
    type Block: Copy;
    /// What both calls are given. A meter has it ready, in registers, before it begins to count.
    type Given<'a>
    where
        Self: 'a;

    /// What the call that takes a block answers. A meter has stopped counting when it is looked at.
    type Got;

    /// What the next call is given.
    fn given(&mut self) -> Self::Given<'_>;

    /// Takes a block.
    fn get(given: Self::Given<'_>) -> Self::Got;

    /// The block in the answer, if there is one.
    fn block(got: Self::Got) -> Option<Self::Block>;

    /// Gives a block back.
    fn put(given: Self::Given<'_>, block: Self::Block);
}

/// What is done around each call.
pub trait Meter {
    /// Takes a block.
    fn get<S: Subject>(&mut self, subject: &mut S) -> Option<S::Block>;

    /// Gives a block back.
    fn put<S: Subject>(&mut self, subject: &mut S, block: S::Block);
}

/// Measures nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Meter for Silent {
    #[inline(always)]
    fn get<S: Subject>(&mut self, subject: &mut S) -> Option<S::Block> {
        S::block(S::get(subject.given()))
    }

    #[inline(always)]
    fn put<S: Subject>(&mut self, subject: &mut S, block: S::Block) {
        S::put(subject.given(), block);
    }
}

/// Does `shape`: `warm_up` pairs or a little more without a meter, then `pairs` with it. At the end
/// everything is given back. `held` has room for all that is held at once.
///
/// # Errors
///
/// [`Exhausted`] when the subject has no block, or `held` no room; what was taken has been given back.
#[inline(always)]
pub fn run<S: Subject>(
    shape: Shape,
    (warm_up, pairs): (u32, u32),
    subject: &mut S,
    meter: &mut impl Meter,
    held: &mut [S::Block],
) -> Result<(), Exhausted> {
    match shape {
        Shape::Repeat => {
            repeat(warm_up, subject, &mut Silent)?;
            repeat(pairs, subject, meter)
        }
        Shape::Batch(count) => {
            batches(count, (warm_up, pairs), subject, meter, held, |index| index)
        }
        Shape::Reverse(count) => {
            batches(count, (warm_up, pairs), subject, meter, held, |index| count - 1 - index)
        }
        // Odd, so every place of a power of two has its turn.
        Shape::Scatter(count) => {
            batches(count, (warm_up, pairs), subject, meter, held, |index| index * 389 % count)
        }
        Shape::Random(count) => {
            let held = held.get_mut(..count as usize).ok_or(Exhausted)?;
            let mut random = Random::default();
            fill(subject, &mut Silent, held)?;
            replace(warm_up, &mut random, subject, &mut Silent, held)?;
            replace(pairs, &mut random, subject, meter, held)?;
            held.iter().for_each(|&block| Silent.put(subject, block));
            Ok(())
        }
        Shape::Churn(count) => {
            let held = held.get_mut(..count as usize).ok_or(Exhausted)?;
            let mut random = Random::default();
            let mut len = 0;
            // Enough to come to where half of the places are filled.
            let first = warm_up.max(4 * count);
            let done = churn(first, &mut random, subject, &mut Silent, held, &mut len)
                .and_then(|()| churn(2 * pairs, &mut random, subject, meter, held, &mut len));
            held.iter().take(len).for_each(|&block| Silent.put(subject, block));
            done
        }
    }
}

#[inline(always)]
fn repeat<S: Subject>(
    pairs: u32,
    subject: &mut S,
    meter: &mut impl Meter,
) -> Result<(), Exhausted> {
    for _ in 0..pairs {
        let block = meter.get(subject).ok_or(Exhausted)?;
        meter.put(subject, block);
    }
    Ok(())
}

/// Batches of `count`, whose blocks are given back in an order: `nth` says which is the next.
#[inline(always)]
fn batches<S: Subject>(
    count: u32,
    (warm_up, pairs): (u32, u32),
    subject: &mut S,
    meter: &mut impl Meter,
    held: &mut [S::Block],
    nth: impl Fn(u32) -> u32,
) -> Result<(), Exhausted> {
    let held = held.get_mut(..count as usize).ok_or(Exhausted)?;
    for _ in 0..warm_up.div_ceil(count) {
        batch(subject, &mut Silent, held, &nth)?;
    }
    (0..pairs.div_ceil(count)).try_for_each(|_| batch(subject, meter, held, &nth))
}

#[inline(always)]
fn batch<S: Subject>(
    subject: &mut S,
    meter: &mut impl Meter,
    held: &mut [S::Block],
    nth: impl Fn(u32) -> u32,
) -> Result<(), Exhausted> {
    fill(subject, meter, held)?;
    for index in 0..held.len() as u32 {
        if let Some(&block) = held.get(nth(index) as usize) {
            meter.put(subject, block);
        }
    }
    Ok(())
}

#[inline(always)]
fn fill<S: Subject>(
    subject: &mut S,
    meter: &mut impl Meter,
    held: &mut [S::Block],
) -> Result<(), Exhausted> {
    for index in 0..held.len() {
        let Some(block) = meter.get(subject) else {
            held.iter().take(index).for_each(|&block| Silent.put(subject, block));
            return Err(Exhausted);
        };
        held[index] = block;
    }
    Ok(())
}

#[inline(always)]
fn replace<S: Subject>(
    pairs: u32,
    random: &mut Random,
    subject: &mut S,
    meter: &mut impl Meter,
    held: &mut [S::Block],
) -> Result<(), Exhausted> {
    for _ in 0..pairs {
        let place = random.below(held.len() as u32) as usize;
        let Some(&block) = held.get(place) else { return Err(Exhausted) };
        meter.put(subject, block);
        let Some(block) = meter.get(subject) else {
            let others = held.iter().enumerate().filter(|&(other, _)| other != place);
            others.for_each(|(_, &block)| Silent.put(subject, block));
            return Err(Exhausted);
        };
        held[place] = block;
    }
    Ok(())
}

/// Fills or empties a place `steps` times. The first `len` of the places are filled.
#[inline(always)]
fn churn<S: Subject>(
    steps: u32,
    random: &mut Random,
    subject: &mut S,
    meter: &mut impl Meter,
    held: &mut [S::Block],
    len: &mut usize,
) -> Result<(), Exhausted> {
    for _ in 0..steps {
        let place = random.below(held.len() as u32) as usize;
        if place < *len {
            *len -= 1;
            held.swap(place, *len);
            let block = held[*len];
            meter.put(subject, block);
        } else {
            held[*len] = meter.get(subject).ok_or(Exhausted)?;
            *len += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    /// Blocks 0 to `limit`, and what became of them.
    #[derive(Default)]
    struct Ledger {
        limit: usize,
        out: BTreeSet<usize>,
        most: usize,
        log: Vec<(bool, usize)>,
    }

    impl Subject for Ledger {
        type Block = usize;
        type Given<'a> = &'a mut Self;
        type Got = Option<usize>;

        fn given(&mut self) -> &mut Self {
            self
        }

        fn get(ledger: &mut Self) -> Option<usize> {
            let block = (0..ledger.limit).find(|block| !ledger.out.contains(block))?;
            ledger.out.insert(block);
            ledger.most = ledger.most.max(ledger.out.len());
            ledger.log.push((true, block));
            Some(block)
        }

        fn block(got: Option<usize>) -> Option<usize> {
            got
        }

        fn put(ledger: &mut Self, block: usize) {
            assert!(ledger.out.remove(&block), "{block} is not out");
            ledger.log.push((false, block));
        }
    }

    #[derive(Default)]
    struct Count {
        gets: u32,
        puts: u32,
    }

    impl Meter for Count {
        fn get<S: Subject>(&mut self, subject: &mut S) -> Option<S::Block> {
            self.gets += 1;
            S::block(S::get(subject.given()))
        }

        fn put<S: Subject>(&mut self, subject: &mut S, block: S::Block) {
            self.puts += 1;
            S::put(subject.given(), block);
        }
    }

    fn done(shape: Shape, limit: usize) -> (Result<(), Exhausted>, Ledger, Count) {
        let mut ledger = Ledger { limit, ..Ledger::default() };
        let mut count = Count::default();
        let result = run(shape, (20, 100), &mut ledger, &mut count, &mut vec![0; MAX_HELD]);
        assert!(ledger.out.is_empty(), "{shape:?} gives everything back: {:?}", ledger.out);
        (result, ledger, count)
    }

    #[test]
    fn each_shape_measures_its_pairs_and_holds_what_it_says() {
        for shape in [Shape::Repeat, Shape::Batch(10), Shape::Random(10)] {
            let (result, ledger, count) = done(shape, 10);
            assert_eq!((result, count.gets, count.puts), (Ok(()), 100, 100), "{shape:?}");
            assert_eq!(ledger.most, shape.held() as usize, "{shape:?}");
        }
    }

    #[test]
    fn a_churn_takes_as_much_as_it_gives_with_half_of_the_places_filled() {
        let (result, ledger, count) = done(Shape::Churn(64), 64);
        assert_eq!((result, count.gets + count.puts), (Ok(()), 200));
        assert!(count.gets.abs_diff(count.puts) < 40, "{} and {}", count.gets, count.puts);
        assert!((25..50).contains(&ledger.most), "{} at most", ledger.most);
        assert_eq!(done(Shape::Churn(64), 20).0, Err(Exhausted));
    }

    #[test]
    fn a_batch_goes_back_in_the_order_in_which_it_came() {
        let (_, ledger, _) = done(Shape::Batch(3), 3);
        let once = [(true, 0), (true, 1), (true, 2), (false, 0), (false, 1), (false, 2)];
        assert!(ledger.log.chunks(6).all(|chunk| chunk == once));
    }

    #[test]
    fn a_random_shape_is_the_same_on_every_run() {
        let ((_, one, _), (_, other, _)) = (done(Shape::Random(7), 9), done(Shape::Random(7), 9));
        assert_eq!(one.log, other.log);
        let given: BTreeSet<_> = one.log.iter().filter(|(taken, _)| !taken).collect();
        assert_eq!(given.len(), 7, "each place has been chosen");
    }

    #[test]
    fn a_subject_with_too_little_gets_it_all_back() {
        for shape in [Shape::Repeat, Shape::Batch(10), Shape::Random(10)] {
            let (result, ..) = done(shape, shape.held() as usize - 1);
            assert_eq!(result, Err(Exhausted), "{shape:?}");
        }
        let mut nothing = Ledger { limit: 99, ..Ledger::default() };
        let result = run(Shape::Batch(2), (1, 1), &mut nothing, &mut Silent, &mut [0]);
        assert_eq!(result, Err(Exhausted), "no room");
    }
}
