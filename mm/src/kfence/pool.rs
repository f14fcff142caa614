//! Which page of the pool is an object's, and which one a guard: arithmetic.
//!
//! Two pages come first that are nobody's, then each object's page and a guard behind it. So every object has a
//! guard on either side, and each guard but the first has an object on one side at least. Linux's layout.

use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};

/// A pool in the linear map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool {
    start: VirtAddr,
    objects: u32,
}

/// What a page of the pool is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The page of the object with this number.
    Object(u32),
    /// A guard, with the objects whose pages are its neighbours.
    Guard {
        /// At the lower addresses.
        left: Option<u32>,
        /// At the higher ones.
        right: Option<u32>,
    },
}

impl Pool {
    /// Linux's default: a pool of 2 MiB.
    pub const USUAL_OBJECTS: u32 = 255;
    /// The most: with their guards they fill the largest block of pages, 4 MiB.
    pub const MOST_OBJECTS: u32 = 511;

    /// The pool of so many objects that begins at a page. One of 0 objects holds no address.
    #[must_use]
    pub const fn new(start: VirtAddr, objects: u32) -> Self {
        Self { start, objects }
    }

    /// Pages of a pool of so many objects.
    #[must_use]
    pub const fn pages_for(objects: u32) -> u32 {
        2 * (objects + 1)
    }

    /// How many objects it has, by numbers from 0.
    #[must_use]
    pub const fn objects(&self) -> u32 {
        self.objects
    }

    /// All its addresses.
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        let pages = if self.objects == 0 { 0 } else { Self::pages_for(self.objects) };
        let end = self.start.as_u32().wrapping_add(pages * PAGE_SIZE);
        VirtRange::new(self.start, VirtAddr::new(end))
    }

    /// Its pages, by ascending address.
    pub fn pages(&self) -> impl Iterator<Item = VirtAddr> {
        let range = self.range();
        (0..range.len() / PAGE_SIZE).map(move |page| at(range.start(), page))
    }

    /// What the page around an address is; `None` outside the pool.
    #[must_use]
    pub fn place(&self, virt: VirtAddr) -> Option<Place> {
        if !self.range().contains(virt) {
            return None;
        }
        let page = (virt.as_u32() - self.start.as_u32()) / PAGE_SIZE;
        Some(match page {
            0 => Place::Guard { left: None, right: None },
            1 => Place::Guard { left: None, right: Some(0) },
            page if page.is_multiple_of(2) => Place::Object(page / 2 - 1),
            page => {
                let right = page.div_ceil(2) - 1;
                let is_there = right < self.objects;
                Place::Guard { left: Some(page / 2 - 1), right: is_there.then_some(right) }
            }
        })
    }

    /// The number of the object whose page holds an address.
    #[must_use]
    pub fn object_at(&self, virt: VirtAddr) -> Option<u32> {
        match self.place(virt)? {
            Place::Object(number) => Some(number),
            Place::Guard { .. } => None,
        }
    }

    /// The page of an object.
    #[must_use]
    pub fn page(&self, number: u32) -> VirtAddr {
        at(self.start, 2 * (number + 1))
    }

    /// The guard before an object's page.
    #[must_use]
    pub fn left_guard(&self, number: u32) -> VirtAddr {
        at(self.start, 2 * number + 1)
    }

    /// The guard behind it.
    #[must_use]
    pub fn right_guard(&self, number: u32) -> VirtAddr {
        at(self.start, 2 * number + 3)
    }
}

fn at(start: VirtAddr, page: u32) -> VirtAddr {
    VirtAddr::new(start.as_u32() + page * PAGE_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: VirtAddr = VirtAddr::new(0xc070_0000);

    #[test]
    fn each_object_lies_between_two_guards() {
        for objects in [1, 2, 3, Pool::USUAL_OBJECTS, Pool::MOST_OBJECTS] {
            let pool = Pool::new(START, objects);
            assert_eq!(pool.pages().count() as u32, Pool::pages_for(objects));
            let mut seen = 0;
            for page in pool.pages() {
                for byte in [page, VirtAddr::new(page.as_u32() + PAGE_SIZE - 1)] {
                    match pool.place(byte).unwrap() {
                        Place::Object(number) => {
                            assert_eq!((pool.page(number), number), (page, seen));
                            assert_eq!(pool.object_at(byte), Some(number));
                        }
                        Place::Guard { left, right } => {
                            assert!(left.is_none_or(|left| pool.right_guard(left) == page));
                            assert!(right.is_none_or(|right| pool.left_guard(right) == page));
                            // Only the first page and the last guard lack a neighbour more than the others.
                            let first = page.as_u32() - START.as_u32() < 2 * PAGE_SIZE;
                            assert_eq!(left.is_none(), first, "{page}");
                            assert_eq!(pool.object_at(byte), None);
                        }
                    }
                }
                seen += u32::from(pool.object_at(page).is_some());
            }
            assert_eq!(seen, objects);
            let end = pool.range().end();
            assert_eq!(pool.place(end), None);
            assert_eq!(pool.place(VirtAddr::new(START.as_u32() - 1)), None);
        }
    }

    #[test]
    fn a_pool_of_nothing_holds_no_address() {
        let pool = Pool::new(VirtAddr::new(0), 0);
        for virt in [0, 1, PAGE_SIZE, u32::MAX] {
            assert_eq!(pool.place(VirtAddr::new(virt)), None);
        }
    }
}
