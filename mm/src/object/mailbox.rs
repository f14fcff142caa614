//! The mailbox of a CPU: slabs of its own to which others gave something back.
//!
//! A list of records, as each slab's remote list is one of objects: the first is in the mailbox's word, and
//! each has the next one in its header. Anybody pushes; its CPU takes all at once, so no
//! exchange can find a word that was something else meanwhile.
//!
//! Invariant: a slab is in one mailbox at most. Who was told so by [`post`](super::slab::Slab::post) puts it
//! there, and nobody is told again before [`take_posted`](super::slab::Slab::take_posted).

use crate::sync::AtomicU32;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};

/// Puts a record into a mailbox, 0 being none. It is in no mailbox; `next_posted` is the word in its
/// header.
pub(super) fn push(mailbox: &AtomicU32, record: u32, next_posted: &AtomicU32) {
    let mut first = mailbox.load(Relaxed);
    loop {
        next_posted.store(first, Relaxed);
        match mailbox.compare_exchange(first, record, AcqRel, Relaxed) {
            Ok(_) => return,
            Err(now) => first = now,
        }
    }
}

/// The mailbox's CPU: takes all records out. `next_posted` finds the word in the header of a record.
///
/// What a slab was posted for is to be taken after its record has come out of here: then it may be put
/// into a mailbox again, and the word has changed.
pub(super) fn take_all<'h>(
    mailbox: &AtomicU32,
    next_posted: impl Fn(u32) -> &'h AtomicU32,
) -> impl Iterator<Item = u32> {
    let mut next = mailbox.swap(0, Acquire);
    core::iter::from_fn(move || {
        let record = next;
        if record == 0 {
            return None;
        }
        next = next_posted(record).load(Relaxed);
        Some(record)
    })
}
