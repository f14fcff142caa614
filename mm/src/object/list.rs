//! Lists of slabs: the neighbours stand in the records.
//!
//! A list is the address of its first record, which the caller keeps, under whatever protects the list. The
//! first one's `prev` is the last one, so that a list can be turned: who looks at it piece by piece puts what
//! it has seen behind the rest.

use super::memory::Books;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// Puts a slab that is on no list at the front.
pub(super) fn push(memory: &impl Books, first: &AtomicU32, at: u32) {
    let before = first.load(Relaxed);
    let header = memory.slab(at).header;
    header.next.store(before, Relaxed);
    if before == 0 {
        header.prev.store(at, Relaxed);
    } else {
        let prev = &memory.slab(before).header.prev;
        header.prev.store(prev.load(Relaxed), Relaxed);
        prev.store(at, Relaxed);
    }
    first.store(at, Relaxed);
}

/// Takes a slab off its list.
pub(super) fn remove(memory: &impl Books, first: &AtomicU32, at: u32) {
    let header = memory.slab(at).header;
    let (next, prev) = (header.next.load(Relaxed), header.prev.load(Relaxed));
    let front = first.load(Relaxed);
    let behind = if next == 0 { front } else { next };
    memory.slab(behind).header.prev.store(prev, Relaxed);
    if front == at {
        first.store(next, Relaxed);
    } else {
        memory.slab(prev).header.next.store(next, Relaxed);
    }
    header.next.store(0, Relaxed);
    header.prev.store(0, Relaxed);
}

/// The first slab of a list.
pub(super) fn first(first: &AtomicU32) -> Option<u32> {
    Some(first.load(Relaxed)).filter(|at| *at != 0)
}

/// Takes the first slab off a list.
pub(super) fn pop(memory: &impl Books, first: &AtomicU32) -> Option<u32> {
    let at = first.load(Relaxed);
    if at == 0 {
        return None;
    }
    remove(memory, first, at);
    Some(at)
}

/// Puts a slab that is on the list at the front, and those before it, as they are, behind the last one.
pub(super) fn turn_to(memory: &impl Books, first: &AtomicU32, at: u32) {
    let front = first.load(Relaxed);
    if front == at {
        return;
    }
    let prev = |record| memory.slab(record).header.prev.load(Relaxed);
    memory.slab(prev(front)).header.next.store(front, Relaxed);
    memory.slab(prev(at)).header.next.store(0, Relaxed);
    first.store(at, Relaxed);
}

/// The slabs of a list, from the front. Each may be taken off while it is looked at.
pub(super) fn iter<'m>(
    memory: &'m impl Books,
    first: &AtomicU32,
) -> impl Iterator<Item = u32> + 'm {
    let mut next = first.load(Relaxed);
    core::iter::from_fn(move || {
        let at = next;
        if at == 0 {
            return None;
        }
        next = memory.slab(at).header.next.load(Relaxed);
        Some(at)
    })
}
