//! Objects of the pool come, go, and are parked.
//!
//! Who takes and gives is the slab allocator, in `mm::object::sampled`: it knows caches, which are words here. An
//! object that comes back does so in two steps, since its cache's destructor runs between them.
//!
//! Protocol: the lock guards the records, the quarantine and the random numbers. Pages are protected and opened
//! without it, by who has the object: it took it out of quarantine, or made it leaving. So of two that give back
//! the same object, one is refused.

use core::fmt;

use super::PageGuard;
use super::canary;
use super::fault::{self, NameOf};
use super::gate::{Gate, GateState};
use super::memory::PoolMemory;
use super::pool::Pool;
use super::quarantine::Quarantine;
use super::random::{Random, Side};
use super::record::{RECORD_BYTES, Record, State};
use super::report::{KfenceReport, What};
use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use crate::object::guarded::Track;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, Lock};
use crate::zone::AllocError;

/// Why nothing is sampled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BeginError {
    /// The machine can not have single pages fault.
    NoGuard,
    /// There is a pool already.
    Begun,
    /// The pool has too few or too many objects, does not begin with a page, or does not lie in lowmem.
    Pool {
        /// The pool.
        pool: Pool,
    },
    /// There is no memory for the records.
    NoMemory(AllocError),
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGuard => f.write_str("no page of this machine can be made to fault"),
            Self::Begun => f.write_str("there is a pool already"),
            Self::Pool { pool } => write!(
                f,
                "a pool of {} objects at {} is not possible",
                pool.objects(),
                pool.range().start()
            ),
            Self::NoMemory(error) => write!(f, "no memory for the records: {error}"),
        }
    }
}

impl core::error::Error for BeginError {}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Objects that the pool has; 0 if there is none.
    pub objects: u32,
    /// Objects that are not free now.
    pub allocated: u32,
    /// Objects taken since boot.
    pub taken: u32,
    /// Objects given back since boot.
    pub given: u32,
    /// Mistakes found.
    pub bugs: u32,
    /// Requests that found the gate open, but do not fit the pool.
    pub skipped_unfit: u32,
    /// Requests that found no free object.
    pub skipped_full: u32,
    /// The gate.
    pub gate: GateState,
    /// Ticks from one opening to the next; 0 for none.
    pub interval: u32,
}

/// What a request wants.
pub(crate) struct Want {
    /// Bytes.
    pub(crate) size: u32,
    /// A power of two, a page at most.
    pub(crate) align: u32,
    /// The address of the cache.
    pub(crate) cache: u32,
    /// Who asks.
    pub(crate) site: u32,
}

/// Why an object was not given back. Nothing has changed.
pub(crate) enum Refused {
    /// It lies in a pool of elements.
    InPool,
    /// It is none, or free.
    Invalid,
}

/// An object on its way back: the caller's, and nobody else's.
#[must_use = "the object is lost until its way back has ended"]
pub(crate) struct Leaving {
    number: u32,
    object: VirtAddr,
    size: u32,
    /// The address of its cache, which lives at least until the way back has ended.
    pub(crate) cache: u32,
    /// Pages to be closed, as in a record.
    open: u32,
}

/// What the lock guards, beside the records.
struct Books {
    quarantine: Quarantine,
    random: Random,
}

/// The pool and all that belongs to it. Without one, no address is of it, and the gate never opens.
pub(crate) struct Sampler {
    pub(super) gate: Gate,
    start: AtomicU32,
    objects: AtomicU32,
    records: AtomicU32,
    books: Lock<Books>,
    taken: AtomicU32,
    given: AtomicU32,
    pub(super) bugs: AtomicU32,
    skipped_unfit: AtomicU32,
    skipped_full: AtomicU32,
}

impl Sampler {
    /// Without a pool.
    pub(crate) const fn off() -> Self {
        let zero = AtomicU32::new;
        Self {
            gate: Gate::off(),
            start: zero(0),
            objects: zero(0),
            records: zero(0),
            books: Lock::new(Books { quarantine: Quarantine::EMPTY, random: Random::new(0) }),
            taken: zero(0),
            given: zero(0),
            bugs: zero(0),
            skipped_unfit: zero(0),
            skipped_full: zero(0),
        }
    }

    /// Bytes of the records of a pool.
    pub(crate) const fn record_bytes(pool: &Pool) -> u32 {
        pool.objects() * RECORD_BYTES
    }

    /// Begins with a pool of free objects, whose pages are nobody else's for good; `records` is zeroed memory for
    /// as long, of [`record_bytes`](Self::record_bytes). Called once.
    pub(crate) fn begin<P: Lowmem>(
        &self,
        memory: &P,
        guard: &dyn PageGuard,
        pool: Pool,
        records: VirtAddr,
        seed: u32,
    ) {
        pool.pages().for_each(|page| guard.protect(page));
        let _masked = memory.mask();
        let mut books = self.books.lock(|| memory.contended());
        self.start.store(pool.range().start().as_u32(), Relaxed);
        self.records.store(records.as_u32(), Relaxed);
        self.objects.store(pool.objects(), Relaxed);
        books.random = Random::new(seed);
        let records = self.records(memory);
        for number in 0..pool.objects() {
            books.quarantine.push(records, number);
        }
    }

    /// The pool; one of nothing before there is one.
    pub(crate) fn pool(&self) -> Pool {
        Pool::new(VirtAddr::new(self.start.load(Relaxed)), self.objects.load(Relaxed))
    }

    pub(super) fn records<'m, P: Lowmem>(&self, memory: &'m P) -> &'m [Record] {
        memory.records(VirtAddr::new(self.records.load(Relaxed)), self.objects.load(Relaxed))
    }

    /// Runs `f` on all records, with the lock held.
    pub(super) fn with_records<P: Lowmem, R>(
        &self,
        memory: &P,
        f: impl FnOnce(&[Record]) -> R,
    ) -> R {
        let _masked = memory.mask();
        let _books = self.books.lock(|| memory.contended());
        f(self.records(memory))
    }

    /// Runs `f` on the record of the object whose page holds an address, with the lock held.
    fn with_record<P: Lowmem, R>(
        &self,
        memory: &P,
        at: VirtAddr,
        f: impl FnOnce(&Record) -> Option<R>,
    ) -> Option<R> {
        let number = self.pool().object_at(at)?;
        self.with_records(memory, |records| records.get(number as usize).and_then(f))
    }

    /// Is a request to be looked at? One load.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// May the gate ever open by itself?
    #[inline(always)]
    pub(crate) fn is_on(&self) -> bool {
        self.gate.interval() != 0
    }

    /// As [`Gate::tick`].
    pub(crate) fn tick(&self, now: u32) -> Option<u32> {
        self.gate.tick(now)
    }

    /// Has the gate open every so many ticks from now on; 0 has it never open again.
    pub(crate) fn set_interval(&self, ticks: u32, now: u32) {
        // Without a pool there is nothing behind it.
        let ticks = if self.pool().objects() == 0 { 0 } else { ticks };
        self.gate.set_interval(ticks, now);
    }

    /// Opens the gate now, if there is a pool behind it.
    pub(crate) fn open(&self) {
        if self.pool().objects() > 0 {
            self.gate.open();
        }
    }

    /// A request came by that does not fit.
    pub(crate) fn skip(&self) {
        self.skipped_unfit.fetch_add(1, Relaxed);
    }

    /// Takes an object for a request that fits, if it is the one that closes the gate.
    pub(crate) fn take<P: Lowmem>(&self, memory: &P, want: &Want) -> Option<VirtAddr> {
        let guard = memory.page_guard()?;
        if !self.gate.close() {
            return None;
        }
        let pool = self.pool();
        let taken = {
            let masked = memory.mask();
            let cpu = memory.cpu(&masked) as u32;
            let mut books = self.books.lock(|| memory.contended());
            let records = self.records(memory);
            books.quarantine.pop(records).and_then(|number| {
                let record = records.get(number as usize)?;
                let page = pool.page(number);
                let object = place(page, want, books.random.coin());
                record.object.store(object.as_u32(), Relaxed);
                record.size.store(want.size, Relaxed);
                record.cache.store(want.cache, Relaxed);
                record.taken.set(Track { site: want.site, cpu, when: memory.now() });
                record.set_state(State::Allocated);
                Some((number, page, object, record.take_open()))
            })
        };
        let Some((number, page, object, open)) = taken else {
            self.skipped_full.fetch_add(1, Relaxed);
            return None;
        };
        self.taken.fetch_add(1, Relaxed);
        close_guards(guard, &pool, number, open);
        guard.unprotect(page);
        surroundings(page, object, want.size).for_each(|range| canary::fill(memory, range));
        Some(object)
    }

    /// An object begins its way back: the first of two steps.
    pub(crate) fn begin_give<P: Lowmem>(
        &self,
        memory: &P,
        object: VirtAddr,
        site: u32,
    ) -> Result<Leaving, Refused> {
        let pool = self.pool();
        let number = pool.object_at(object);
        let now = memory.now();
        let masked = memory.mask();
        let cpu = memory.cpu(&masked) as u32;
        let _books = self.books.lock(|| memory.contended());
        let records = self.records(memory);
        let found = number.and_then(|number| Some((number, records.get(number as usize)?)));
        match found {
            Some((number, record)) if record.is_out_at(object) => {
                if record.state() == State::Parked {
                    return Err(Refused::InPool);
                }
                record.set_state(State::Leaving);
                record.given.set(Track { site, cpu, when: now });
                Ok(Leaving {
                    number,
                    object,
                    size: record.size.load(Relaxed),
                    cache: record.cache.load(Relaxed),
                    open: record.take_open(),
                })
            }
            _ => Err(Refused::Invalid),
        }
    }

    /// What there is to say of a free that was refused as invalid.
    #[cold]
    pub(crate) fn invalid_free<P: Lowmem>(
        &self,
        memory: &P,
        at: VirtAddr,
        site: u32,
        name: NameOf<'_>,
    ) -> KfenceReport {
        self.bugs.fetch_add(1, Relaxed);
        let object = self.pool().object_at(at).and_then(|number| {
            self.with_records(memory, |records| {
                let record = records.get(number as usize).filter(|record| record.is_known())?;
                Some(fault::describe(number, record, name))
            })
        });
        KfenceReport { what: What::InvalidFree { at, site }, object, now: memory.now() }
    }

    /// What somebody wrote beside an object that is on its way back: on either side of it.
    pub(crate) fn corruption<P: Lowmem>(
        &self,
        memory: &P,
        leaving: &Leaving,
        site: u32,
        name: NameOf<'_>,
    ) -> impl Iterator<Item = KfenceReport> {
        let Leaving { number, object, size, .. } = *leaving;
        surroundings(self.pool().page(number), object, size).filter_map(move |range| {
            let bytes = canary::check(memory, range)?;
            self.bugs.fetch_add(1, Relaxed);
            let object = self.with_records(memory, |records| {
                let record = records.get(number as usize)?;
                // Until now it was not free.
                Some(fault::SampledObject { given: None, ..fault::describe(number, record, name) })
            });
            let what = What::Corruption { bytes, site };
            Some(KfenceReport { what, object, now: memory.now() })
        })
    }

    /// The second step: the object is free, and whoever uses it is found.
    pub(crate) fn finish_give<P: Lowmem>(&self, memory: &P, leaving: Leaving) {
        let Leaving { number, open, .. } = leaving;
        let pool = self.pool();
        if let Some(guard) = memory.page_guard() {
            close_guards(guard, &pool, number, open);
            guard.protect(pool.page(number));
        }
        self.given.fetch_add(1, Relaxed);
        let _masked = memory.mask();
        let mut books = self.books.lock(|| memory.contended());
        let records = self.records(memory);
        if let Some(record) = records.get(number as usize) {
            record.set_state(State::Free);
            books.quarantine.push(records, number);
        }
    }

    /// Parks an allocated object of this cache; says `false`, and has changed nothing, if there is none.
    pub(crate) fn park<P: Lowmem>(&self, memory: &P, object: VirtAddr, cache: u32) -> bool {
        let is_of = |record: &Record| record.cache.load(Relaxed) == cache;
        self.exchange(memory, object, [State::Allocated, State::Parked], is_of)
    }

    /// Makes a parked object an allocated one.
    pub(crate) fn unpark<P: Lowmem>(&self, memory: &P, object: VirtAddr) -> bool {
        self.exchange(memory, object, [State::Parked, State::Allocated], |_| true)
    }

    fn exchange<P: Lowmem>(
        &self,
        memory: &P,
        object: VirtAddr,
        [from, to]: [State; 2],
        fits: impl Fn(&Record) -> bool,
    ) -> bool {
        let exchanged = self.with_record(memory, object, |record| {
            let is_it = record.object() == object && record.state() == from && fits(record);
            is_it.then(|| record.set_state(to))
        });
        exchanged.is_some()
    }

    /// Bytes of the allocated object that begins at an address.
    pub(crate) fn size_of<P: Lowmem>(&self, memory: &P, object: VirtAddr) -> Option<u32> {
        self.with_record(memory, object, |record| {
            let is_allocated = record.is_out_at(object) && record.state() == State::Allocated;
            is_allocated.then(|| record.size.load(Relaxed))
        })
    }

    /// The cache of the object, allocated or parked, that begins at an address: its address.
    pub(crate) fn cache_of<P: Lowmem>(&self, memory: &P, object: VirtAddr) -> Option<u32> {
        self.with_record(memory, object, |record| {
            record.is_out_at(object).then(|| record.cache.load(Relaxed))
        })
    }

    /// Who took the object, allocated or parked, that begins at an address.
    pub(crate) fn taken_by<P: Lowmem>(&self, memory: &P, object: VirtAddr) -> Option<Track> {
        self.with_record(memory, object, |record| {
            record.is_out_at(object).then(|| record.taken.get())
        })
    }

    /// The object of a cache, allocated or parked, whose page this is.
    pub(crate) fn live_at<P: Lowmem>(
        &self,
        memory: &P,
        page: VirtAddr,
        cache: u32,
    ) -> Option<VirtAddr> {
        self.with_record(memory, page, |record| {
            let is_live = record.is_out_at(record.object()) && record.cache.load(Relaxed) == cache;
            is_live.then(|| record.object())
        })
    }

    /// How many objects of a cache are not free.
    pub(crate) fn objects_of<P: Lowmem>(&self, memory: &P, cache: u32) -> u32 {
        let is_of =
            |record: &&Record| record.state() != State::Free && record.cache.load(Relaxed) == cache;
        self.with_records(memory, |records| records.iter().filter(is_of).count() as u32)
    }

    /// A cache ends, of which no object is out: the free ones are nobody's from now on.
    pub(crate) fn forget_cache<P: Lowmem>(&self, memory: &P, cache: u32) {
        self.with_records(memory, |records| {
            for record in records.iter().filter(|record| record.cache.load(Relaxed) == cache) {
                record.cache.store(0, Relaxed);
            }
        });
    }

    pub(crate) fn figures<P: Lowmem>(&self, memory: &P) -> Figures {
        let count = |count: &AtomicU32| count.load(Relaxed);
        let is_out = |record: &&Record| record.state() != State::Free;
        Figures {
            objects: self.pool().objects(),
            allocated: self
                .with_records(memory, |records| records.iter().filter(is_out).count() as u32),
            taken: count(&self.taken),
            given: count(&self.given),
            bugs: count(&self.bugs),
            skipped_unfit: count(&self.skipped_unfit),
            skipped_full: count(&self.skipped_full),
            gate: self.gate.state(),
            interval: self.gate.interval(),
        }
    }

    /// Checks that each object is in quarantine exactly while it is free.
    ///
    /// # Errors
    ///
    /// The number of the first one that is not as it must be, or of none if there are too many.
    pub(crate) fn validate<P: Lowmem>(&self, memory: &P) -> Result<(), u32> {
        let _masked = memory.mask();
        let books = self.books.lock(|| memory.contended());
        let records = self.records(memory);
        let mut queued = 0;
        for number in books.quarantine.iter(records) {
            queued += 1;
            let is_free = |record: &Record| record.state() == State::Free;
            if !records.get(number as usize).is_some_and(is_free) {
                return Err(number);
            }
        }
        let free = records.iter().filter(|record| record.state() == State::Free).count() as u32;
        if queued == free && books.quarantine.len() == free { Ok(()) } else { Err(u32::MAX) }
    }
}

/// Where in its page an object lies that is to be at one end of it.
fn place(page: VirtAddr, want: &Want, side: Side) -> VirtAddr {
    let most = PAGE_SIZE.saturating_sub(want.size);
    match side {
        Side::Left => page,
        Side::Right => VirtAddr::new(page.as_u32() + (most & !(want.align - 1))),
    }
}

/// The parts of an object's page before and behind it.
fn surroundings(page: VirtAddr, object: VirtAddr, size: u32) -> impl Iterator<Item = VirtRange> {
    let range = |start, end| VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
    let (page, object) = (page.as_u32(), object.as_u32());
    [range(page, object), range(object + size, page + PAGE_SIZE)]
        .into_iter()
        .filter(|range| !range.is_empty())
}

/// Guards fault again that an access to was reported.
fn close_guards(guard: &dyn PageGuard, pool: &Pool, number: u32, open: u32) {
    if open & Record::LEFT != 0 {
        guard.protect(pool.left_guard(number));
    }
    if open & Record::RIGHT != 0 {
        guard.protect(pool.right_guard(number));
    }
}
