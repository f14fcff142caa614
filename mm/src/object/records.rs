//! Where records come from: pages cut into equal pieces.
//!
//! ```text
//! page  │ head: next, prev, free, used │ piece │ piece │ … │
//!         free: the first free piece, each of which begins with the next
//! ```
//!
//! A pool for each of a few sizes, of which a page holds a whole number. A pool lists the pages that have a
//! free piece; a page with no piece in use is kept only if it is the last such. Used when a slab is made or given
//! back, under one lock.

use super::geometry::MAX_OBJECTS;
use super::memory::{Books, record_size};
use crate::addr::PAGE_SIZE;
use crate::sync::Ordering::Relaxed;

/// Bytes at the start of a page that its pieces leave free: a cache line.
const HEAD: u32 = 64;
/// How many pieces a page holds, for each size.
const PIECES: [u32; 12] = [31, 21, 15, 12, 10, 9, 7, 6, 5, 4, 3, 2];

const NEXT: u32 = 0;
const PREV: u32 = 4;
const FREE: u32 = 8;
const USED: u32 = 12;

/// Bytes of a piece: a multiple of the cache line.
const fn piece(size: usize) -> u32 {
    ((PAGE_SIZE - HEAD) / PIECES[size]) & !63
}

// The largest record there can be.
const _: () = assert!(record_size(MAX_OBJECTS) <= piece(PIECES.len() - 1));

/// One of the sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Size(u8);

impl Size {
    /// The smallest that holds so many bytes.
    pub(super) fn for_bytes(bytes: u32) -> Option<Self> {
        (0..PIECES.len()).find(|size| piece(*size) >= bytes).map(|size| Self(size as u8))
    }

    const fn pieces(self) -> u32 {
        PIECES[self.0 as usize]
    }
}

/// The pools. Addresses of pages are those in the linear map; 0 is none.
#[derive(Debug)]
pub(super) struct Records {
    /// For each size the first page with a free piece.
    partial: [u32; PIECES.len()],
    pages: u32,
}

impl Records {
    pub(super) const fn new() -> Self {
        Self { partial: [0; PIECES.len()], pages: 0 }
    }

    /// How many pages the pools have.
    pub(super) const fn pages(&self) -> u32 {
        self.pages
    }

    /// A piece; `None` when a page must be [`add`](Self::add)ed first.
    pub(super) fn take(&mut self, memory: &impl Books, size: Size) -> Option<u32> {
        let page = self.partial[size.0 as usize];
        if page == 0 {
            return None;
        }
        let word = |offset| memory.word(page + offset);
        let taken = word(FREE).load(Relaxed);
        let next = memory.word(taken).load(Relaxed);
        word(FREE).store(next, Relaxed);
        word(USED).store(word(USED).load(Relaxed) + 1, Relaxed);
        if next == 0 {
            self.unlink(memory, size, page);
        }
        Some(taken)
    }

    /// Gives a pool a page, by its address in the linear map. All of it is the pool's until
    /// [`give`](Self::give) hands it out again.
    pub(super) fn add(&mut self, memory: &impl Books, size: Size, page: u32) {
        let bytes = piece(size.0 as usize);
        let at = |number: u32| page + HEAD + number * bytes;
        for number in 0..size.pieces() {
            let next = if number + 1 < size.pieces() { at(number + 1) } else { 0 };
            memory.word(at(number)).store(next, Relaxed);
        }
        memory.word(page + FREE).store(at(0), Relaxed);
        memory.word(page + USED).store(0, Relaxed);
        self.link(memory, size, page);
        self.pages += 1;
    }

    /// Takes a piece back. Returns the address of a page that the pool needs no more.
    #[must_use = "the page is the caller's to give back"]
    pub(super) fn give(&mut self, memory: &impl Books, size: Size, piece: u32) -> Option<u32> {
        let page = piece & !(PAGE_SIZE - 1);
        let word = |offset| memory.word(page + offset);
        let free = word(FREE).load(Relaxed);
        memory.word(piece).store(free, Relaxed);
        word(FREE).store(piece, Relaxed);
        let used = word(USED).load(Relaxed) - 1;
        word(USED).store(used, Relaxed);
        if free == 0 {
            self.link(memory, size, page);
        }
        let is_only = word(NEXT).load(Relaxed) == 0 && word(PREV).load(Relaxed) == 0;
        (used == 0 && !is_only).then(|| self.drop_page(memory, size, page))
    }

    /// Returns a page in which no piece is used, if there is one.
    #[must_use = "the page is the caller's to give back"]
    pub(super) fn shrink(&mut self, memory: &impl Books) -> Option<u32> {
        (0..PIECES.len()).find_map(|index| {
            let size = Size(index as u8);
            let mut page = self.partial[index];
            while page != 0 && memory.word(page + USED).load(Relaxed) != 0 {
                page = memory.word(page + NEXT).load(Relaxed);
            }
            (page != 0).then(|| self.drop_page(memory, size, page))
        })
    }

    fn drop_page(&mut self, memory: &impl Books, size: Size, page: u32) -> u32 {
        self.unlink(memory, size, page);
        self.pages -= 1;
        page
    }

    fn link(&mut self, memory: &impl Books, size: Size, page: u32) {
        let first = &mut self.partial[size.0 as usize];
        memory.word(page + NEXT).store(*first, Relaxed);
        memory.word(page + PREV).store(0, Relaxed);
        if *first != 0 {
            memory.word(*first + PREV).store(page, Relaxed);
        }
        *first = page;
    }

    fn unlink(&mut self, memory: &impl Books, size: Size, page: u32) {
        let [next, prev] = [NEXT, PREV].map(|offset| memory.word(page + offset).load(Relaxed));
        if next != 0 {
            memory.word(next + PREV).store(prev, Relaxed);
        }
        if prev != 0 {
            memory.word(prev + NEXT).store(next, Relaxed);
        } else {
            self.partial[size.0 as usize] = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fit_their_page() {
        for (size, pieces) in PIECES.iter().enumerate() {
            assert!(HEAD + pieces * piece(size) <= PAGE_SIZE && piece(size) >= 128);
            assert_eq!(Size::for_bytes(piece(size)), Some(Size(size as u8)));
        }
        assert_eq!(Size::for_bytes(piece(PIECES.len() - 1) + 1), None);
    }
}
