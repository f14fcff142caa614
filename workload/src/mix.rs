//! Requests of mixed sizes, as a kernel makes them: most are small, and some are large.
//!
//! ```text
//! size        8.. 16.. 32.. 64.. 128.. 256.. 512.. 1024.. 2048.. 4096..8192
//! of hundred   19   17   15   13    11     9     7      5      3      1
//! ```
//!
//! Within a step all sizes are equally likely; the mean is about 370 bytes, and half of all objects have
//! fewer than 64. [`live`] fills many places with such objects, and then gives a random one back and asks for
//! another, again and again: sizes change, places do not. The sequence is the same on every run and for
//! every allocator.

use crate::{Exhausted, Random};

/// How many objects are held at once.
pub const HELD: usize = 4096;

/// The largest size.
pub const LARGEST: u32 = 8192;
/// How many steps there are.
const STEPS: u32 = 10;
/// The smallest size.
const SMALLEST: u32 = 8;
/// How often every object is replaced, about.
const TURNS: u32 = 4;

const _: () = assert!(SMALLEST << STEPS == LARGEST);

/// Something that hands out bytes.
pub trait Heap {
    /// Takes so many.
    fn take(&mut self, size: u32) -> Option<u32>;

    /// Gives them back.
    fn give(&mut self, object: Object);
}

/// What was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Object {
    /// Where it lies.
    pub address: u32,
    /// How many bytes were asked for.
    pub size: u32,
}

/// When one looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// All places have been filled.
    Filled,
    /// Each object has been replaced several times.
    Churned,
}

/// The next request's size.
#[must_use]
pub fn size(random: &mut Random) -> u32 {
    // The lesser of two is small more often.
    let step = random.below(STEPS).min(random.below(STEPS));
    let least = SMALLEST << step;
    least + random.below(least + 1)
}

/// Fills all of `held`, replaces its objects, and gives them back. At each [`Moment`] one may `look`.
///
/// # Errors
///
/// [`Exhausted`] when there was no memory; what was taken has been given back.
pub fn live<H: Heap>(
    heap: &mut H,
    held: &mut [Object],
    mut look: impl FnMut(Moment, &mut H, &[Object]),
) -> Result<(), Exhausted> {
    let mut random = Random::default();
    for place in 0..held.len() {
        let Some(object) = take(heap, &mut random) else {
            held.iter().take(place).for_each(|&object| heap.give(object));
            return Err(Exhausted);
        };
        held[place] = object;
    }
    look(Moment::Filled, heap, held);
    for _ in 0..TURNS * held.len() as u32 {
        let place = random.below(held.len() as u32) as usize;
        heap.give(held[place]);
        let Some(object) = take(heap, &mut random) else {
            let others = held.iter().enumerate().filter(|&(other, _)| other != place);
            others.for_each(|(_, &object)| heap.give(object));
            return Err(Exhausted);
        };
        held[place] = object;
    }
    look(Moment::Churned, heap, held);
    held.iter().for_each(|&object| heap.give(object));
    Ok(())
}

fn take(heap: &mut impl Heap, random: &mut Random) -> Option<Object> {
    let size = size(random);
    Some(Object { address: heap.take(size)?, size })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::collections::BTreeMap;
    use std::vec;
    use std::vec::Vec;

    #[derive(Default)]
    struct Ledger {
        limit: usize,
        next: u32,
        out: BTreeMap<u32, u32>,
        log: Vec<u32>,
    }

    impl Heap for Ledger {
        fn take(&mut self, size: u32) -> Option<u32> {
            self.next += 1;
            self.log.push(size);
            (self.out.len() < self.limit).then(|| {
                self.out.insert(self.next, size);
                self.next
            })
        }

        fn give(&mut self, object: Object) {
            assert_eq!(self.out.remove(&object.address), Some(object.size), "{object:?}");
        }
    }

    #[test]
    fn sizes_are_as_the_table_says() {
        let mut random = Random::default();
        let sizes: Vec<_> = (0..100_000).map(|_| size(&mut random)).collect();
        assert!(sizes.iter().all(|size| (SMALLEST..=LARGEST).contains(size)));
        let up_to = |limit: u32| sizes.iter().filter(|&&size| size <= limit).count() / 1000;
        assert!((18..=21).contains(&up_to(16)), "{}", up_to(16));
        assert!((49..=53).contains(&up_to(64)), "{}", up_to(64));
        assert!((98..100).contains(&up_to(4096)), "{}", up_to(4096));
        let mean = sizes.iter().sum::<u32>() / 100_000;
        assert!((340..400).contains(&mean), "{mean}");
    }

    #[test]
    fn a_life_replaces_what_it_holds_and_gives_all_back() {
        let mut moments = Vec::new();
        let lives = [(), ()].map(|()| {
            let mut ledger = Ledger { limit: 50, ..Ledger::default() };
            let mut held = vec![Object::default(); 50];
            let done = live(&mut ledger, &mut held, |moment, ledger, held| {
                assert!(held.iter().all(|held| ledger.out[&held.address] == held.size));
                moments.push((moment, ledger.out.len()));
            });
            assert_eq!((done, ledger.out.len()), (Ok(()), 0));
            ledger.log
        });
        let expected = [(Moment::Filled, 50), (Moment::Churned, 50)];
        assert_eq!(moments, [expected, expected].concat());
        assert_eq!(lives[0].len(), 50 * (1 + TURNS as usize));
        assert_eq!(lives[0], lives[1], "the same on every run");
    }

    #[test]
    fn who_has_too_little_gets_it_all_back() {
        let mut ledger = Ledger { limit: 49, ..Ledger::default() };
        let mut held = vec![Object::default(); 50];
        assert_eq!(live(&mut ledger, &mut held, |_, _, _| panic!("not full")), Err(Exhausted));
        assert_eq!(ledger.out.len(), 0);
    }
}
