//! Which of a row of equal pieces are taken: a bit each, claimed and released without a lock.
//!
//! Pages of the DMA region, pages of a carved section, pages of the atomic pool and slots of the bounce pool are all
//! handed out like this: first fit, `count` pieces at a multiple of the next power of two, so that a buffer's address
//! is aligned to its size.
//!
//! Up to 32 pieces lie in one word, and are claimed by one compare-and-swap. More are claimed word by word, and given
//! back if one of them turns out to be taken: who asks meanwhile may find them gone, as if they had been taken and
//! released.
//!
//! Invariant: a bit is set exactly while its piece is somebody's, or there is no such piece. Who claims sees what the
//! one before did with the piece (acquire after release).

use core::array;

use crate::sync::{AtomicU32, Ordering};

/// Pieces in a word.
const BITS: u32 = u32::BITS;
/// The largest alignment of a claim, in pieces: of pages 1 MiB, as Linux's `CONFIG_CMA_ALIGNMENT`.
const MAX_ALIGN: u32 = 256;

/// A row of at most `32 * WORDS` pieces.
pub(super) struct AtomicBits<const WORDS: usize> {
    words: [AtomicU32; WORDS],
}

/// The lowest `count` bits; `count` is at most 32.
const fn low(count: u32) -> u32 {
    if count >= BITS { u32::MAX } else { (1 << count) - 1 }
}

/// The lowest place of `count` free bits, 1 to 32, at a multiple of the next power of two.
#[inline(always)]
const fn find(taken: u32, count: u32) -> Option<u32> {
    const STARTS: [u32; 6] =
        [u32::MAX, 0x5555_5555, 0x1111_1111, 0x0101_0101, 0x0001_0001, 0x0000_0001];
    let mut free = !taken;
    if count > 1 {
        // Bit i stays set if the `have` bits from i on are free.
        let mut have = 1;
        while have < count {
            let step = if have < count - have { have } else { count - have };
            free &= free >> step;
            have += step;
        }
        free &= STARTS[(BITS - (count - 1).leading_zeros()) as usize % STARTS.len()];
    }
    if free == 0 { None } else { Some(free.trailing_zeros()) }
}

impl<const WORDS: usize> AtomicBits<WORDS> {
    /// A row of no piece: each bit is set.
    pub(super) fn none() -> Self {
        Self { words: array::from_fn(|_| AtomicU32::new(u32::MAX)) }
    }

    /// A row of `len` free pieces, or as many as there is room for.
    pub(super) fn new(len: u32) -> Self {
        let bits = Self::none();
        bits.open(0, len);
        bits
    }

    /// Makes the pieces from `start` to `end` free, which were not there, or claimed by the caller.
    pub(super) fn open(&self, start: u32, end: u32) {
        if start < end {
            self.release(start, end - start);
        }
    }

    /// Claims `count` pieces, at a multiple of the next power of two or of 256: the first that fit.
    #[inline(always)]
    pub(super) fn claim(&self, count: u32) -> Option<u32> {
        if count == 1 {
            return self.claim_one();
        }
        if count.wrapping_sub(1) < BITS {
            return (0..WORDS).find_map(|index| self.claim_in_word(index, count));
        }
        self.claim_many(count)
    }

    /// The first piece that is free: what is mostly asked for, and counted.
    #[inline(always)]
    fn claim_one(&self) -> Option<u32> {
        let mut first = 0;
        for word in &self.words {
            let mut taken = word.load(Ordering::Relaxed);
            while taken != u32::MAX {
                let place = taken.trailing_ones();
                let more = taken | 1 << place;
                match word.compare_exchange_weak(taken, more, Ordering::Acquire, Ordering::Relaxed)
                {
                    Ok(_) => return Some(first + place),
                    Err(now) => taken = now,
                }
            }
            first += BITS;
        }
        None
    }

    fn claim_in_word(&self, index: usize, count: u32) -> Option<u32> {
        let word = &self.words[index];
        let mut taken = word.load(Ordering::Relaxed);
        loop {
            let place = find(taken, count)?;
            let more = taken | low(count) << place;
            match word.compare_exchange_weak(taken, more, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(index as u32 * BITS + place),
                Err(now) => taken = now,
            }
        }
    }

    #[inline(never)]
    fn claim_many(&self, count: u32) -> Option<u32> {
        if count == 0 || count > WORDS as u32 * BITS {
            return None;
        }
        let align = count.next_power_of_two().min(MAX_ALIGN);
        let places = (0..WORDS as u32 * BITS - count + 1).step_by(align as usize);
        places.into_iter().find(|start| self.is_free(*start, count) && self.claim_at(*start, count))
    }

    /// Claims just these pieces, and says whether it could. They are pieces of the row.
    pub(super) fn claim_at(&self, start: u32, count: u32) -> bool {
        let mut claimed = 0;
        for (word, mask) in self.masks(start, count) {
            let all = |taken: u32| (taken & mask == 0).then_some(taken | mask);
            if word.fetch_update(Ordering::Acquire, Ordering::Relaxed, all).is_err() {
                self.open(start, start + claimed);
                return false;
            }
            claimed += mask.count_ones();
        }
        true
    }

    fn is_free(&self, start: u32, count: u32) -> bool {
        self.masks(start, count).all(|(word, mask)| word.load(Ordering::Relaxed) & mask == 0)
    }

    /// Gives back claimed pieces.
    #[inline(always)]
    pub(super) fn release(&self, start: u32, count: u32) {
        let shift = start % BITS;
        if count == 1 {
            if let Some(word) = self.words.get((start / BITS) as usize) {
                word.fetch_and(!(1 << shift), Ordering::Release);
            }
            return;
        }
        if count <= BITS - shift {
            if let Some(word) = self.words.get((start / BITS) as usize) {
                word.fetch_and(!(low(count) << shift), Ordering::Release);
            }
            return;
        }
        self.release_many(start, count);
    }

    #[inline(never)]
    fn release_many(&self, start: u32, count: u32) {
        for (word, mask) in self.masks(start, count) {
            word.fetch_and(!mask, Ordering::Release);
        }
    }

    /// The words that hold these pieces, each with the bits of those.
    fn masks(&self, start: u32, count: u32) -> impl Iterator<Item = (&AtomicU32, u32)> {
        let end = start.saturating_add(count);
        let first = start / BITS;
        self.words.iter().enumerate().skip(first as usize).map_while(move |(index, word)| {
            let base = index as u32 * BITS;
            let (from, to) = (start.max(base) - base, end.min(base + BITS).saturating_sub(base));
            (from < to).then(|| (word, low(to - from) << from))
        })
    }

    /// How many of the first `len` pieces are free. While others claim and release, about.
    pub(super) fn free(&self, len: u32) -> u32 {
        self.masks(0, len)
            .map(|(word, mask)| (!word.load(Ordering::Relaxed) & mask).count_ones())
            .sum()
    }

    /// The longest row of free pieces, wherever it starts. While others claim and release, about.
    pub(super) fn largest_free(&self) -> u32 {
        let (mut largest, mut run) = (0, 0);
        for word in &self.words {
            let taken = word.load(Ordering::Relaxed);
            for bit in 0..BITS {
                run = if taken >> bit & 1 == 0 { run + 1 } else { 0 };
                largest = largest.max(run);
            }
        }
        largest
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_claim_is_aligned_to_its_size() {
        let bits = AtomicBits::<24>::new(768);
        assert_eq!([1, 1, 2, 3, 1].map(|count| bits.claim(count).unwrap()), [0, 1, 2, 4, 7]);
        assert_eq!(bits.claim(32), Some(32));
        assert_eq!(bits.claim(33), Some(64));
        assert_eq!(bits.claim(300), Some(256), "of more than a MiB the start is at a MiB");
        assert_eq!(bits.claim(213), None, "256 are free from 512 on, but 300 end at 556");
        assert_eq!(bits.claim(0), None);
        assert_eq!(bits.claim(u32::MAX), None);
    }

    #[test]
    fn a_row_has_no_more_pieces_than_it_has() {
        let bits = AtomicBits::<2>::new(33);
        assert_eq!((bits.free(33), bits.largest_free()), (33, 33));
        assert!(bits.claim_at(0, 33));
        assert_eq!(bits.claim(1), None);
        bits.release(0, 33);
        assert_eq!(bits.claim(34), None);
        assert!(!AtomicBits::<2>::none().claim_at(0, 1));
    }

    #[test]
    fn a_claim_that_fails_leaves_nothing_behind() {
        let bits = AtomicBits::<4>::new(128);
        assert!(bits.claim_at(100, 1));
        assert!(!bits.claim_at(0, 128) && bits.claim(128).is_none());
        assert_eq!(bits.free(128), 127);
    }

    proptest! {
        #[test]
        fn as_a_plain_list_would(ops in proptest::collection::vec((1_u32..200, any::<proptest::sample::Index>(), any::<bool>()), 1..200)) {
            const LEN: u32 = 300;
            let bits = AtomicBits::<10>::new(LEN);
            let mut taken = [false; LEN as usize];
            let mut live: Vec<(u32, u32)> = Vec::new();
            for (count, which, gives) in ops {
                if gives && !live.is_empty() {
                    let (start, count) = live.swap_remove(which.index(live.len()));
                    bits.release(start, count);
                    taken[start as usize..][..count as usize].fill(false);
                } else {
                    // Mostly small ones.
                    let count = if count > 100 { count } else { count % 9 + 1 };
                    let align = count.next_power_of_two().min(256);
                    let fits = |start: &u32| {
                        *start + count <= LEN
                            && !taken[*start as usize..][..count as usize].contains(&true)
                    };
                    let expected = (0..LEN).step_by(align as usize).find(fits);
                    prop_assert_eq!(bits.claim(count), expected);
                    if let Some(start) = expected {
                        taken[start as usize..][..count as usize].fill(true);
                        live.push((start, count));
                    }
                }
                let free = taken.iter().filter(|is_taken| !**is_taken).count();
                prop_assert_eq!(bits.free(LEN) as usize, free);
                let runs = taken.split(|is_taken| *is_taken).map(<[bool]>::len);
                prop_assert_eq!(bits.largest_free() as usize, runs.max().unwrap_or(0));
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::loom_support::outcomes;
    use loom::thread;
    use std::sync::Arc;

    /// Two CPUs claim, write into the piece, and release: neither ever sees the other inside.
    #[test]
    fn nobody_shares_a_piece() {
        let answers = outcomes(|| {
            let shared = Arc::new((AtomicBits::<1>::new(1), AtomicU32::new(0)));
            let visit = |shared: &(AtomicBits<1>, AtomicU32)| {
                let Some(piece) = shared.0.claim(1) else { return false };
                assert_eq!(shared.1.load(Ordering::Relaxed), 0);
                shared.1.store(1, Ordering::Relaxed);
                shared.1.store(0, Ordering::Relaxed);
                shared.0.release(piece, 1);
                true
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || visit(&shared))
            };
            let mine = visit(&shared);
            (mine, other.join().unwrap())
        });
        assert!(answers.contains(&(true, true)) && answers.contains(&(true, false)));
        assert!(!answers.contains(&(false, false)), "a single piece is found by one at least");
    }

    /// Of two who want all of a row, and one who wants a piece, no two have the same; and a claim that failed has
    /// given everything back.
    #[test]
    fn claims_of_several_words_are_undone() {
        let answers = outcomes(|| {
            let bits = Arc::new(AtomicBits::<2>::new(64));
            let other = {
                let bits = Arc::clone(&bits);
                thread::spawn(move || bits.claim_at(0, 64))
            };
            let piece = bits.claim_at(40, 1);
            let all = other.join().unwrap();
            let free = bits.free(64);
            assert_eq!(free, 64 - if all { 64 } else { 0 } - u32::from(piece));
            (piece, all)
        });
        assert!(answers.contains(&(true, false)) && answers.contains(&(false, true)));
        assert!(!answers.contains(&(true, true)));
    }
}
