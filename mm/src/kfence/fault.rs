//! What an access to a page of the pool was that faulted.
//!
//! An object's page faults while the object is free: use after free. A guard faults always, and which object the
//! access went beyond is a guess: the nearest one that somebody has, or else the nearest that somebody had. When it
//! has been said, the page is opened, so that the access is made, and the kernel goes on; then the
//! page's next accesses are not found, until its object changes its state.

use super::pool::Place;
use super::record::{Record, State};
pub(super) use super::report::SampledObject;
use super::report::{Access, KfenceReport, What};
use super::sampler::Sampler;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::object::Name;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;

/// Finds the name of a cache by its address. Called with the lock held, of caches that are alive.
pub(crate) type NameOf<'n> = &'n dyn Fn(u32) -> Name;

/// What there is to say about an object that was handed out at least once.
pub(super) fn describe(number: u32, record: &Record, name: NameOf<'_>) -> SampledObject {
    let cache = record.cache.load(Relaxed);
    let is_free = matches!(record.state(), State::Free | State::Leaving);
    SampledObject {
        number,
        object: record.object(),
        size: record.size.load(Relaxed),
        cache: (cache != 0).then(|| name(cache)),
        taken: record.taken.get(),
        given: is_free.then(|| record.given.get()),
    }
}

/// The object that an access to a guard went beyond.
struct Nearest<'r> {
    number: u32,
    record: &'r Record,
    /// Which of its guards that is.
    guard: u32,
}

/// One of the objects beside a guard.
fn beside(records: &[Record], number: Option<u32>, guard: u32) -> Option<Nearest<'_>> {
    let number = number?;
    Some(Nearest { number, record: records.get(number as usize)?, guard })
}

/// How far an access in a guard is from an object.
fn distance(at: VirtAddr, near: &Nearest<'_>) -> u32 {
    let object = near.record.object().as_u32();
    if near.guard == Record::LEFT {
        object.wrapping_sub(at.as_u32())
    } else {
        at.as_u32().wrapping_sub(object + near.record.size.load(Relaxed))
    }
}

impl Sampler {
    /// An access faulted. If it was to the pool, says what it was, and opens the page, so that the access can be
    /// made again.
    pub(crate) fn on_fault<P: Lowmem>(
        &self,
        memory: &P,
        access: Access,
        name: NameOf<'_>,
    ) -> Option<KfenceReport> {
        let place = self.pool().place(access.at)?;
        let guard = memory.page_guard()?;
        let (what, object) = self.with_records(memory, |records| match place {
            Place::Object(number) => {
                Some(in_page(records.get(number as usize)?, number, access, name))
            }
            Place::Guard { left, right } => Some(in_guard(records, [left, right], access, name)),
        })?;
        self.bugs.fetch_add(1, Relaxed);
        guard.unprotect(access.at.align_down(PAGE_SIZE));
        Some(KfenceReport { what, object, now: memory.now() })
    }
}

type Found = (What, Option<SampledObject>);

/// An access to the page of an object.
fn in_page(record: &Record, number: u32, access: Access, name: NameOf<'_>) -> Found {
    if matches!(record.state(), State::Free | State::Leaving) {
        record.add_open(Record::OWN);
    }
    if record.is_known() {
        (What::UseAfterFree(access), Some(describe(number, record, name)))
    } else {
        (What::InvalidAccess(access), None)
    }
}

/// An access to a guard with these neighbours.
fn in_guard(
    records: &[Record],
    [left, right]: [Option<u32>; 2],
    access: Access,
    name: NameOf<'_>,
) -> Found {
    let sides = || {
        [beside(records, left, Record::RIGHT), beside(records, right, Record::LEFT)]
            .into_iter()
            .flatten()
    };
    let is_free = |near: &Nearest<'_>| near.record.state() == State::Free;
    let nearest = sides()
        .filter(|near| near.record.is_known())
        .min_by_key(|near| (is_free(near), distance(access.at, near)));
    if let Some(Nearest { number, record, guard }) = nearest {
        record.add_open(guard);
        return (What::OutOfBounds(access), Some(describe(number, record, name)));
    }
    // Whoever is handed out next beside it closes it.
    if let Some(near) = sides().next() {
        near.record.add_open(near.guard);
    }
    (What::InvalidAccess(access), None)
}
