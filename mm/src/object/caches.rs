//! The list of all caches, and who walks it.
//!
//! A cache may be destroyed while others walk the list: a tick does, on whichever CPU, and whoever wants
//! memory back. It leaves the list at once, but keeps its memory, and what comes behind it there, until all
//! walks have ended that were under way when it left. So who stands at a cache may go on, and may do to it
//! what walks do, since it has no slab.
//!
//! Protocol: the lock guards `prev`, `first`, the count of walks and the caches that have left. `next` is
//! written with it held, and read without by who walks.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;

/// All caches there are. Caches are named by their addresses; 0 is none.
#[derive(Debug)]
pub(super) struct Caches {
    /// The newest.
    pub(super) first: u32,
    /// How many walks are under way.
    walks: u32,
    /// The last cache that left during a walk; it has the one before in its `prev`.
    left: u32,
}

impl Caches {
    pub(super) const fn new() -> Self {
        Self { first: 0, walks: 0, left: 0 }
    }
}

/// A walk along the list.
struct Walk<'s, 'p, 'a, P: Lowmem, const CPUS: usize> {
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    next: u32,
}

impl<'s, P: Lowmem, const CPUS: usize> Iterator for Walk<'s, '_, '_, P, CPUS> {
    type Item = &'s KmemCache<CPUS>;

    fn next(&mut self) -> Option<&'s KmemCache<CPUS>> {
        if self.next == 0 {
            return None;
        }
        let cache = self.slabs.cache(self.next);
        self.next = cache.next.load(Relaxed);
        Some(cache)
    }
}

impl<P: Lowmem, const CPUS: usize> Drop for Walk<'_, '_, '_, P, CPUS> {
    fn drop(&mut self) {
        self.slabs.end_walk();
    }
}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// All caches, the newest first. Any context.
    ///
    /// Caches may be made and destroyed meanwhile. One that is destroyed may be handed out all the same: until
    /// the iterator is dropped it is there, without a slab.
    pub fn caches(&self) -> impl Iterator<Item = &KmemCache<CPUS>> {
        let _masked = self.memory().mask();
        let mut caches = self.caches.lock(|| self.memory().contended());
        caches.walks += 1;
        Walk { slabs: self, next: caches.first }
    }

    /// The caches from one on, with the lock held.
    pub(super) fn chain(&self, first: u32) -> impl Iterator<Item = &KmemCache<CPUS>> {
        let cache = |at| (at != 0).then(|| self.cache(at));
        core::iter::successors(cache(first), move |before| cache(before.next.load(Relaxed)))
    }

    /// Puts a cache on the list.
    pub(super) fn list(&self, at: u32) {
        let _masked = self.memory().mask();
        let mut caches = self.caches.lock(|| self.memory().contended());
        let cache = self.cache(at);
        cache.next.store(caches.first, Relaxed);
        cache.prev.store(0, Relaxed);
        if caches.first != 0 {
            self.cache(caches.first).prev.store(at, Relaxed);
        }
        caches.first = at;
    }

    /// Takes a cache without slabs off the list, and gives its memory back as soon as no walk can come by.
    pub(super) fn unlist(&self, at: u32) {
        let is_walked = {
            let _masked = self.memory().mask();
            let mut caches = self.caches.lock(|| self.memory().contended());
            let cache = self.cache(at);
            // `next` stays as it is, for who stands here.
            let (next, prev) = (cache.next.load(Relaxed), cache.prev.load(Relaxed));
            if next != 0 {
                self.cache(next).prev.store(prev, Relaxed);
            }
            if prev != 0 {
                self.cache(prev).next.store(next, Relaxed);
            } else {
                caches.first = next;
            }
            let is_walked = caches.walks > 0;
            if is_walked {
                cache.prev.store(caches.left, Relaxed);
                caches.left = at;
            }
            is_walked
        };
        if !is_walked {
            self.give_cache(at);
        }
    }

    /// A walk ends: with the last one goes what has left the list meanwhile.
    fn end_walk(&self) {
        let mut left = {
            let _masked = self.memory().mask();
            let mut caches = self.caches.lock(|| self.memory().contended());
            caches.walks -= 1;
            if caches.walks > 0 { 0 } else { core::mem::take(&mut caches.left) }
        };
        while left != 0 {
            let before = self.cache(left).prev.load(Relaxed);
            self.give_cache(left);
            left = before;
        }
    }

    /// Gives back the memory of a cache that nobody can reach.
    fn give_cache(&self, at: u32) {
        // It was an object of that cache, and nobody else gives it back.
        let _ = self.give_object(self.root(), VirtAddr::new(at));
    }
}
