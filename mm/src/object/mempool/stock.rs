//! The addresses of what lies in a pool: a stack in memory of `kmalloc`.

use super::super::memory::Books;
use crate::addr::VirtAddr;
use crate::sync::Ordering::Relaxed;

/// Bytes of an element's address.
pub(super) const WORD: u32 = 4;

/// A stack of addresses. What is on it is not touched.
#[derive(Debug)]
pub(super) struct Stock {
    /// The address of the array; 0 while there is none.
    array: u32,
    /// How many addresses it has room for.
    capacity: u32,
    min_nr: u32,
    curr_nr: u32,
}

impl Stock {
    /// Nothing, and room for nothing.
    pub(super) const EMPTY: Self = Self { array: 0, capacity: 0, min_nr: 0, curr_nr: 0 };

    /// An empty stock in an array of so many words, each of which holds something. The array is its
    /// own until [`array`](Self::array) is asked for, and the stock never used again.
    pub(super) const fn new(array: VirtAddr, capacity: u32) -> Self {
        Self { array: array.as_u32(), capacity, min_nr: capacity, curr_nr: 0 }
    }

    /// The array's address, to be given back; `None` when there is none.
    pub(super) const fn array(&self) -> Option<VirtAddr> {
        if self.array == 0 { None } else { Some(VirtAddr::new(self.array)) }
    }

    pub(super) const fn min_nr(&self) -> u32 {
        self.min_nr
    }

    pub(super) const fn curr_nr(&self) -> u32 {
        self.curr_nr
    }

    /// Sets how many elements make it full; there is room for no more than the array has.
    pub(super) const fn set_min_nr(&mut self, min_nr: u32) {
        self.min_nr = if min_nr < self.capacity { min_nr } else { self.capacity };
    }

    /// How many more elements it takes.
    pub(super) const fn missing(&self) -> u32 {
        self.min_nr.saturating_sub(self.curr_nr)
    }

    /// Puts an element on top; `false` when it is full.
    pub(super) fn push(&mut self, memory: &impl Books, element: VirtAddr) -> bool {
        if self.missing() == 0 {
            return false;
        }
        let Some(place) = self.words(memory).get(self.curr_nr as usize) else { return false };
        place.store(element.as_u32(), Relaxed);
        self.curr_nr += 1;
        true
    }

    /// Takes the element on top.
    pub(super) fn pop(&mut self, memory: &impl Books) -> Option<VirtAddr> {
        let top = self.curr_nr.checked_sub(1)?;
        let element = self.words(memory).get(top as usize)?.load(Relaxed);
        self.curr_nr = top;
        Some(VirtAddr::new(element))
    }

    /// Is the element there? Looks at each.
    pub(super) fn holds(&self, memory: &impl Books, element: VirtAddr) -> bool {
        let words = self.words(memory).iter().take(self.curr_nr as usize);
        words.map(|word| word.load(Relaxed)).any(|other| other == element.as_u32())
    }

    /// Puts the elements of another stock on top, in their order, from its top down as many as there is room
    /// for. The others stay where they are.
    pub(super) fn append(&mut self, memory: &impl Books, other: &mut Self) {
        let stay = other.curr_nr.saturating_sub(self.missing());
        let elements = other.words(memory).iter().take(other.curr_nr as usize);
        for word in elements.skip(stay as usize) {
            self.push(memory, VirtAddr::new(word.load(Relaxed)));
        }
        other.curr_nr = stay;
    }

    /// Takes the element on top, if there are more than make it full.
    pub(super) fn pop_excess(&mut self, memory: &impl Books) -> Option<VirtAddr> {
        if self.curr_nr > self.min_nr { self.pop(memory) } else { None }
    }

    fn words<'m>(&self, memory: &'m impl Books) -> &'m [crate::sync::AtomicU32] {
        if self.array == 0 { &[] } else { memory.words(self.array, self.capacity) }
    }
}
