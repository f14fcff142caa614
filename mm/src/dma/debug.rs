//! `dma_debug=on`: a list of all live mappings of the attached devices, and what it shows.
//!
//! | found | when |
//! |---|---|
//! | a mapping that does not exist, another length, another direction | it is unmapped or synchronised |
//! | two mappings that share bytes, of which a device writes one | the second is made |
//! | mappings that are left | their device is detached |
//! | coherent buffers alike | |
//!
//! Entries are `kmalloc` objects, in buckets by bus address. Each is made before the lock is taken, dropped after it
//! was released, and what was found is reported then (F10 of `docs/model.md`). When there is no memory for one the
//! watching ends, as Linux's does: a list with holes accuses the innocent.
//!
//! When it is off nothing is asked for it: whether a device is watched and whether it looks into the caches is one
//! word, which quick paths look at anyway.

use super::address::DmaAddr;
use super::device::Device;
use super::direction::Direction;
use super::error::DmaFault;
use super::figures::SomeMappings;
use super::live::{Kind, LiveMapping, Watching};
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use super::streaming::memory_at;
use crate::platform::Lowmem;
use crate::sync::{AtomicBool, AtomicU32, Lock, LockGuard, Ordering::Relaxed};
use crate::zone::Gfp;

const BUCKETS: usize = 64;

/// The words of an entry.
type Entry = [AtomicU32; 8];
const ENTRY: usize = 8;
const NEXT: usize = 0;
const DEVICE: usize = 1;
const DMA: usize = 2;
const PHYS: usize = 3;
const BYTES: usize = 4;
const KIND: usize = 5;
const DIRECTION: usize = 6;
const SITE: usize = 7;

fn write(entry: &Entry, mapping: &LiveMapping, phys: u32) {
    let LiveMapping { device, kind, dma, direction, site, .. } = *mapping;
    let set = |word: usize, value: u32| entry[word].store(value, Relaxed);
    set(DEVICE, device);
    set(DMA, dma.as_u32());
    set(PHYS, phys);
    set(BYTES, mapping.bytes());
    set(KIND, kind as u32);
    set(DIRECTION, direction as u32);
    set(SITE, site);
}

fn read(entry: &Entry) -> LiveMapping {
    let get = |word: usize| entry[word].load(Relaxed);
    let kind = match get(KIND) {
        0 => Kind::Single,
        1 => Kind::Page,
        _ => Kind::Coherent,
    };
    LiveMapping {
        device: get(DEVICE),
        kind,
        dma: DmaAddr::new(get(DMA)),
        memory: memory_at(get(PHYS), get(BYTES)),
        direction: Direction::from_number(get(DIRECTION)).unwrap_or(Direction::Bidirectional),
        site: get(SITE),
    }
}

/// The list: for each bucket the address of its first entry, 0 for none.
struct Buckets {
    first: [u32; BUCKETS],
    count: u32,
}

/// The bucket of a bus address.
const fn bucket(dma: DmaAddr) -> usize {
    // By lines, and pages spread over all of them.
    let line = dma.as_u32() >> 6;
    (line ^ line >> 6) as usize % BUCKETS
}

/// The list, and whether it is kept.
pub(super) struct Watch {
    is_on: AtomicBool,
    buckets: Lock<Buckets>,
}

impl Watch {
    pub(super) fn new(watching: Watching) -> Self {
        Self {
            is_on: AtomicBool::new(watching == Watching::On),
            buckets: Lock::new(Buckets { first: [0; BUCKETS], count: 0 }),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }
}

/// Everything here is called without a lock, and reports without one.
impl<P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'_, '_, P, M, CPUS> {
    /// A mapping was made.
    #[cold]
    pub(super) fn watch_map(
        &self,
        device: &Device,
        kind: Kind,
        phys: u32,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) {
        let site = self.pages.platform().call_site();
        let memory = memory_at(phys, bytes);
        let new = LiveMapping { device: device.id(), kind, dma, memory, direction, site };
        let Ok(at) = self.make_words::<ENTRY>(Gfp::GFP_NOWAIT | Gfp::__GFP_NOWARN) else {
            return self.watch_no_more(device);
        };
        write(self.words::<ENTRY>(at), &new, phys);
        let overlap = self.with_buckets(|buckets| {
            let clashes = |is: &LiveMapping| {
                is.memory.overlaps(&new.memory)
                    && (is.direction.device_writes() || new.direction.device_writes())
            };
            let overlap = self.entries(buckets).map(|(_, _, is)| is).find(clashes);
            let first = &mut buckets.first[bucket(dma)];
            self.words::<ENTRY>(at)[NEXT].store(*first, Relaxed);
            *first = at;
            buckets.count += 1;
            overlap
        });
        if let Some(is) = overlap {
            // The mapping exists all the same.
            let _ = self.fault(device, DmaFault::Overlap { is, new });
        }
    }

    /// There is no memory for an entry: nothing is watched any more.
    fn watch_no_more(&self, device: &Device) {
        self.watch.is_on.store(false, Relaxed);
        for attached in self.devices() {
            attached.watch_no_more();
        }
        let all = self.with_buckets(|buckets| buckets.count);
        self.drop_entries(|_| true);
        // It is nobody's fault, and there is nothing to undo.
        let _ = self.fault(device, DmaFault::ListIsFull { all });
    }

    /// A mapping ends.
    #[cold]
    pub(super) fn watch_unmap(
        &self,
        device: &Device,
        kind: Kind,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let is_coherent = |kind: Kind| kind == Kind::Coherent;
        let of = |is: &LiveMapping| {
            (is.device, is.dma, is_coherent(is.kind)) == (device.id(), dma, is_coherent(kind))
        };
        // A buffer may be mapped twice to be read.
        let exactly = |is: &LiveMapping| is.bytes() == bytes && is.direction == direction;
        let found = self.with_buckets(|buckets| {
            let choose = |exact: bool| {
                let mut entries = self.bucket_entries(buckets.first[bucket(dma)]);
                entries.find(|(_, _, is)| of(is) && (!exact || exactly(is)))
            };
            let (before, at, is) = choose(true).or_else(|| choose(false))?;
            self.unlink(buckets, bucket(dma), before, at);
            Some((at, is))
        });
        let Some((at, is)) = found else {
            if !self.watch.is_on() {
                return Ok(());
            }
            return self.fault(device, DmaFault::NotMapped { dma, bytes, direction });
        };
        self.drop_words(at);
        if is.bytes() != bytes {
            return self.fault(device, DmaFault::OtherLength { is, bytes });
        }
        if is.direction != direction {
            return self.fault(device, DmaFault::OtherDirection { is, direction });
        }
        Ok(())
    }

    /// A part of a mapping is synchronised.
    #[inline]
    pub(super) fn watch_sync(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        if !device.is_watched() {
            return Ok(());
        }
        self.check_sync(device, dma, bytes, direction)
    }

    #[cold]
    fn check_sync(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let has = |is: &LiveMapping| {
            let offset = dma.as_u32().wrapping_sub(is.dma.as_u32());
            let left = is.bytes().checked_sub(offset);
            is.device == device.id() && left.is_some_and(|left| bytes <= left)
        };
        let found = self.with_buckets(|buckets| {
            let all = || self.entries(buckets).map(|(_, _, is)| is).filter(has);
            let same = all().find(|is| is.direction == direction);
            same.or_else(|| all().next())
        });
        match found {
            Some(is) if is.direction != direction => {
                self.fault(device, DmaFault::OtherDirection { is, direction })
            }
            Some(_) => Ok(()),
            None if !self.watch.is_on() => Ok(()),
            None => self.fault(device, DmaFault::NotMapped { dma, bytes, direction }),
        }
    }

    /// Reports the mappings that a device leaves behind, and forgets them.
    pub(super) fn forget_mappings(&self, device: &Device) -> Result<(), DmaFault> {
        let id = device.id();
        match self.drop_entries(|is| is.device == id) {
            (Some(is), all) => self.fault(device, DmaFault::Leaked { is, all }),
            (None, _) => Ok(()),
        }
    }

    /// Drops all entries that `are` such: the first of them, and how many there were.
    fn drop_entries(&self, are: impl Fn(&LiveMapping) -> bool) -> (Option<LiveMapping>, u32) {
        let (mut first, mut all) = (None, 0);
        loop {
            let found = self.with_buckets(|buckets| {
                let (before, at, is) = self.entries(buckets).find(|(_, _, is)| are(is))?;
                self.unlink(buckets, bucket(is.dma), before, at);
                Some((at, is))
            });
            let Some((at, is)) = found else { return (first, all) };
            self.drop_words(at);
            first = first.or(Some(is));
            all += 1;
        }
    }

    /// How many mappings are on the list; `None` if there is no list.
    pub(super) fn watched(&self) -> Option<u32> {
        self.watch.is_on().then(|| self.with_buckets(|buckets| buckets.count))
    }

    /// A few of the live mappings, behind the first `seen`. While others map and unmap, some may come twice, or not
    /// at all.
    #[must_use]
    pub fn live_mappings(&self, seen: usize) -> SomeMappings {
        self.with_buckets(|buckets| {
            let most = SomeMappings::new_const().capacity();
            self.entries(buckets).map(|(_, _, is)| is).skip(seen).take(most).collect()
        })
    }

    fn with_buckets<R>(&self, act: impl FnOnce(&mut Buckets) -> R) -> R {
        let platform = self.pages.platform();
        let _masked = platform.mask();
        let mut buckets: LockGuard<'_, Buckets> = self.watch.buckets.lock(|| platform.contended());
        act(&mut buckets)
    }

    /// All entries: of each the one before it in its bucket, 0 for none, its address, and what it says.
    fn entries(&self, buckets: &Buckets) -> impl Iterator<Item = (u32, u32, LiveMapping)> {
        buckets.first.into_iter().flat_map(|first| self.bucket_entries(first))
    }

    fn bucket_entries(&self, first: u32) -> impl Iterator<Item = (u32, u32, LiveMapping)> {
        let (mut before, mut at) = (0, first);
        core::iter::from_fn(move || {
            if at == 0 {
                return None;
            }
            let entry = self.words::<ENTRY>(at);
            let item = (before, at, read(entry));
            before = at;
            at = entry[NEXT].load(Relaxed);
            Some(item)
        })
    }

    fn unlink(&self, buckets: &mut Buckets, index: usize, before: u32, at: u32) {
        let next = self.words::<ENTRY>(at)[NEXT].load(Relaxed);
        if before == 0 {
            buckets.first[index] = next;
        } else {
            self.words::<ENTRY>(before)[NEXT].store(next, Relaxed);
        }
        buckets.count -= 1;
    }
}
