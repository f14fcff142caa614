//! One slab's books: a header, and an entry for each object. Decision record 0013 has the picture.
//!
//! Invariant: an entry is its object's address while that is allocated, and while it is free the number of
//! the next free one, or [`NONE`], or, of an object that another CPU gave back, that number with
//! [`REMOTE`]. Of an allocated object that lies in a pool, where nobody may give it back, it is
//! [`PARKED`]; of a free one that is not to be handed out any more, [`ISOLATED`]. Numbers are at most [`MAX_OBJECTS`](super::geometry::MAX_OBJECTS), so none looks like
//! an address of lowmem.
//!
//! Objects are counted from 1. Entry 0 is no object's, and always [`NONE`]: who follows a list beyond its end
//! stays there.
//!
//! Who may write what is said by the owner word, and each function says whom it is for. The protocol for
//! other CPUs than the owner is all in this file: an object is *claimed* by exchanging its entry, which
//! only one of two can do, and is then *posted*: pushed to the slab's remote list. The first one there
//! finds the list empty, and must tell the owner.

use crate::addr::{Order, VirtAddr};
use crate::sync::AtomicU32;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// The number of no object: the end of a list.
pub(super) const NONE: u32 = 0;
/// In an entry: the object was given back by another CPU than the slab's owner. No address has it
/// without being above the last object's number, and lowmem begins far above.
const REMOTE: u32 = 1 << 16;
/// An entry: the object lies in a pool. It is no address either: one that differs from the object's in
/// a bit would be taken for an object there.
const PARKED: u32 = 1 << 17;
/// An entry: the object was free when its slab was taken out of use. It is on no list.
const ISOLATED: u32 = 1 << 18;
/// In the remote list's word: the slab is in a mailbox.
const POSTED: u32 = 1 << 16;
const NUMBER_MASK: u32 = 0xffff;

/// Who may write a slab's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(super) struct Owner(u32);

impl Owner {
    /// Who holds the cache's lock; the slab is on the cache's list of partial ones.
    pub(super) const SHARED: Self = Self(0);
    /// Who holds the cache's lock: a cache with debugging.
    pub(super) const GUARDED: Self = Self(u32::MAX);
    const CURRENT: u32 = 1 << 16;

    /// This CPU; the slab is on its list of partial ones, or on none when all objects are allocated.
    #[inline(always)]
    pub(super) const fn cpu(cpu: usize) -> Self {
        Self(cpu as u32 + 1)
    }

    /// This CPU; it takes objects from the slab, whose list is in its hands.
    pub(super) const fn current(cpu: usize) -> Self {
        Self(Self::CURRENT | (cpu as u32 + 1))
    }

    /// The CPU that owns the slab, current or not.
    pub(super) const fn of_cpu(self) -> Option<usize> {
        match self {
            Self::SHARED | Self::GUARDED => None,
            Self(word) => Some((word & !Self::CURRENT) as usize - 1),
        }
    }

    /// Is the slab some CPU's current one?
    pub(super) const fn is_current(self) -> bool {
        self.of_cpu().is_some() && self.0 & Self::CURRENT != 0
    }
}

/// The header of a slab's record.
#[repr(C)]
pub(super) struct Header {
    pub(super) is: Constants,
    owner: AtomicU32,
    /// The first free object; not of a current slab, whose CPU knows.
    head: AtomicU32,
    /// How many more objects may come back before the slab needs attention: of a full one the first, of
    /// a partial one the last.
    pub(super) left: AtomicU32,
    /// Is it on a list? 0 or 1; the owner's to know.
    pub(super) listed: AtomicU32,
    /// Neighbours on a [`list`](super::list), by the addresses of their records; 0 for none.
    pub(super) next: AtomicU32,
    pub(super) prev: AtomicU32,
    /// What other CPUs gave back: the number of the last one, and [`POSTED`].
    remote: AtomicU32,
    /// The next slab in a mailbox.
    pub(super) next_posted: AtomicU32,
}

/// What of a slab never changes. The first ones stand as they do so that the compiler loads them with one
/// instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Constants {
    /// Where object 0 would be: the address of the first object, less a stride.
    pub(super) origin: u32,
    /// The cache's, close at hand.
    pub(super) reciprocal: u32,
    /// Number of entries.
    pub(super) entries: u32,
    /// The address of the cache.
    pub(super) cache: u32,
    /// The address of the first page.
    pub(super) start: VirtAddr,
    /// How many pages there are, as a power of two.
    pub(super) order: Order,
}

impl Constants {
    /// Of a slab without even an entry 0: every number is beyond its end.
    pub(super) const NOTHING: Self = Self {
        origin: 0,
        reciprocal: 0,
        entries: 0,
        cache: 0,
        start: VirtAddr::new(0),
        order: Order::ZERO,
    };

    /// Number of objects.
    pub(super) const fn objects(&self) -> u32 {
        self.entries.saturating_sub(1)
    }
}

impl Header {
    /// A header of a slab that nobody may write yet.
    pub(super) fn new(is: Constants) -> Self {
        let zero = || AtomicU32::new(0);
        Self {
            is,
            owner: AtomicU32::new(Owner::GUARDED.0),
            head: AtomicU32::new(NONE),
            left: zero(),
            listed: zero(),
            next: zero(),
            prev: zero(),
            remote: AtomicU32::new(NONE),
            next_posted: zero(),
        }
    }
}

/// What an address is to a slab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Is {
    /// The address of an allocated object.
    Allocated,
    /// The address of one that lies in a pool.
    InPool,
    /// The address of a free one.
    Free,
    /// No address of an object.
    NoObject,
}

/// A slab's books, wherever they lie.
#[derive(Clone, Copy)]
pub(super) struct Slab<'s> {
    pub(super) header: &'s Header,
    pub(super) entries: &'s [AtomicU32],
}

impl<'s> Slab<'s> {
    /// Who may write the list.
    #[inline(always)]
    pub(super) fn owner(&self) -> Owner {
        Owner(self.header.owner.load(Acquire))
    }

    /// Does this CPU own the slab, which is not its current one? For that CPU, interrupts masked: nobody else
    /// can make it so, or change it.
    #[inline(always)]
    pub(super) fn is_of(&self, cpu: usize) -> bool {
        self.header.owner.load(Relaxed) == Owner::cpu(cpu).0
    }

    /// The owner: hands the slab on. What was written before is seen by the next one.
    pub(super) fn set_owner(&self, owner: Owner) {
        self.header.owner.store(owner.0, Release);
    }

    /// Makes all objects free, by ascending address. For who makes the slab.
    pub(super) fn free_all(&self) {
        let mut next = NONE;
        for (number, entry) in self.objects().rev() {
            entry.store(next, Relaxed);
            next = number;
        }
        self.all_are_free(next);
    }

    /// Makes all objects free, in an order that the seed begins. For who makes the slab.
    ///
    /// Sattolo's shuffle makes the entries one ring, each ring as likely as any other. It goes through entry 0:
    /// there it is cut open.
    pub(super) fn free_all_shuffled(&self, seed: u32) {
        // Never 0, where it would stay.
        let mut state = seed | 1;
        let mut random = |below: u32| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            ((u64::from(state) * u64::from(below)) >> 32) as u32
        };
        for (number, entry) in self.entries.iter().enumerate() {
            entry.store(number as u32, Relaxed);
        }
        for (number, entry) in self.entries.iter().enumerate().skip(1).rev() {
            if let Some(other) = self.entries.get(random(number as u32) as usize) {
                let there = other.swap(entry.load(Relaxed), Relaxed);
                entry.store(there, Relaxed);
            }
        }
        let first = self.entries.first().map_or(NONE, |entry| entry.swap(NONE, Relaxed));
        self.all_are_free(first);
    }

    fn all_are_free(&self, head: u32) {
        self.header.head.store(head, Relaxed);
        self.header.remote.store(NONE, Relaxed);
        self.header.left.store(0, Relaxed);
    }

    /// The objects' numbers, with their entries.
    pub(super) fn objects(self) -> impl DoubleEndedIterator<Item = (u32, &'s AtomicU32)> {
        self.entries.iter().enumerate().skip(1).map(|(number, entry)| (number as u32, entry))
    }

    /// The owner: the list, which the slab has no longer.
    pub(super) fn take_list(&self) -> u32 {
        let head = self.header.head.load(Relaxed);
        self.header.head.store(NONE, Relaxed);
        head
    }

    /// The owner: gives the slab its list back.
    pub(super) fn put_list(&self, head: u32) {
        self.header.head.store(head, Relaxed);
    }

    /// The first free object's number, or [`NONE`].
    pub(super) fn head(&self) -> u32 {
        self.header.head.load(Relaxed)
    }

    /// The number of the object at an address; of no object any number.
    #[inline(always)]
    pub(super) fn number(&self, object: VirtAddr) -> u32 {
        let offset = object.as_u32().wrapping_sub(self.header.is.origin);
        number(offset, self.header.is.reciprocal)
    }

    /// The entry of the object with a number that a list has.
    fn entry(&self, number: u32) -> Option<&'s AtomicU32> {
        self.entries.get(number as usize).filter(|_| number != NONE)
    }

    /// The address of an object.
    pub(super) fn object(&self, number: u32, stride: u32) -> VirtAddr {
        let origin = self.header.is.origin;
        VirtAddr::new(origin.wrapping_add(number.wrapping_mul(stride)))
    }

    /// What is at an address? Anybody may ask; of an object that is not the asker's the answer may be old.
    pub(super) fn what(&self, object: VirtAddr, stride: u32) -> Is {
        let number = self.number(object);
        match self.entries.get(number as usize) {
            Some(entry) if self.object(number, stride) == object => match entry.load(Relaxed) {
                entry if entry == object.as_u32() => Is::Allocated,
                PARKED => Is::InPool,
                _ => Is::Free,
            },
            _ => Is::NoObject,
        }
    }

    /// The owner: takes the first free object.
    pub(super) fn take(&self, stride: u32) -> Option<VirtAddr> {
        let number = self.header.head.load(Relaxed);
        let entry = self.entry(number)?;
        let object = self.object(number, stride);
        self.header.head.store(entry.load(Relaxed), Relaxed);
        entry.store(object.as_u32(), Relaxed);
        Some(object)
    }

    /// The owner: makes an allocated object free. Says `false`, and has changed nothing, if there is none
    /// at that address.
    #[inline(always)]
    pub(super) fn give(&self, object: VirtAddr) -> bool {
        let number = self.number(object);
        let Some(entry) = self.entries.get(number as usize) else { return false };
        if entry.load(Relaxed) != object.as_u32() {
            return false;
        }
        entry.store(self.header.head.load(Relaxed), Relaxed);
        self.header.head.store(number, Relaxed);
        true
    }

    /// The owner: makes allocated objects free, from the front, up to the first that is none, or the one
    /// that makes the slab need attention. Says how many, and whether it does.
    pub(super) fn give_many(&self, objects: &[VirtAddr]) -> (usize, bool) {
        let left = self.header.left.load(Relaxed);
        let objects = objects.get(..left as usize).unwrap_or(objects);
        let mut head = self.header.head.load(Relaxed);
        let mut count = 0;
        for object in objects {
            let number = self.number(*object);
            match self.entries.get(number as usize) {
                Some(entry) if entry.load(Relaxed) == object.as_u32() => entry.store(head, Relaxed),
                _ => break,
            }
            head = number;
            count += 1;
        }
        self.header.head.store(head, Relaxed);
        let left = left - count;
        self.header.left.store(left, Relaxed);
        (count as usize, left == 0 && count > 0)
    }

    /// The owner: one object more came back. Does the slab need attention?
    #[inline(always)]
    pub(super) fn one_came_back(&self) -> bool {
        let left = self.header.left.load(Relaxed).wrapping_sub(1);
        self.header.left.store(left, Relaxed);
        left == 0
    }

    /// The owner: how many objects are free, counted along a list. Stops at the number of objects, whatever
    /// the list is like.
    pub(super) fn count(&self, head: u32) -> u32 {
        let mut count = 0;
        let mut number = head;
        while let Some(entry) = self.entry(number)
            && count < self.entries.len() as u32
        {
            count += 1;
            number = entry.load(Relaxed);
        }
        count
    }

    /// How many objects are on the remote list. For a machine on which nothing else runs.
    pub(super) fn count_remote(&self) -> u32 {
        let mut number = self.header.remote.load(Relaxed) & NUMBER_MASK;
        let mut count = 0;
        while let Some(entry) = self.entry(number) {
            count += 1;
            number = entry.load(Relaxed) & NUMBER_MASK;
        }
        count
    }

    /// Another CPU than the owner: makes an allocated object its own to post. Of two that try, one
    /// succeeds; none does if there is no allocated object at that address.
    pub(super) fn claim(&self, object: VirtAddr) -> Option<Claimed> {
        let number = self.number(object);
        let entry = self.entries.get(number as usize)?;
        let claimed = entry.compare_exchange(object.as_u32(), REMOTE | NONE, AcqRel, Relaxed);
        claimed.ok().map(|_| Claimed { number })
    }

    /// Who has an allocated object, on any CPU: nobody can give it back until it is
    /// [`unpark`](Self::unpark)ed. Of two that try, one succeeds; none does if there is no allocated
    /// object at that address.
    pub(super) fn park(&self, object: VirtAddr) -> bool {
        self.exchange(object, object.as_u32(), PARKED)
    }

    /// Who has a parked object, on any CPU: makes it allocated again. Says `false`, and has changed nothing,
    /// if it is not parked.
    pub(super) fn unpark(&self, object: VirtAddr) -> bool {
        self.exchange(object, PARKED, object.as_u32())
    }

    fn exchange(&self, object: VirtAddr, from: u32, to: u32) -> bool {
        let entry = self.entries.get(self.number(object) as usize);
        entry.is_some_and(|entry| entry.compare_exchange(from, to, AcqRel, Relaxed).is_ok())
    }

    /// Is this the entry of an object that is allocated, parked or not?
    pub(super) fn is_out(entry: u32, object: VirtAddr) -> bool {
        entry == object.as_u32() || entry == PARKED
    }

    /// The owner: none of the objects that are free now is handed out any more.
    pub(super) fn isolate(&self) {
        let mut number = self.take_list();
        while let Some(entry) = self.entry(number) {
            number = entry.swap(ISOLATED, Relaxed);
        }
    }

    /// How many free objects are not handed out any more.
    pub(super) fn count_isolated(&self) -> u32 {
        self.objects().filter(|(_, entry)| entry.load(Relaxed) == ISOLATED).count() as u32
    }

    /// Another CPU than the owner: pushes a claimed object to the remote list. Says `true` when the slab is
    /// in no mailbox, and the caller must put it into one.
    #[must_use]
    pub(super) fn post(&self, claimed: Claimed) -> bool {
        let number = claimed.number;
        let Some(entry) = self.entries.get(number as usize) else { return false };
        let mut before = self.header.remote.load(Relaxed);
        loop {
            entry.store(REMOTE | before & NUMBER_MASK, Relaxed);
            let now = number | POSTED;
            match self.header.remote.compare_exchange(before, now, AcqRel, Relaxed) {
                Ok(_) => return before & POSTED == 0,
                Err(changed) => before = changed,
            }
        }
    }

    /// Who has the slab in hand from a mailbox: takes all that was posted, and the slab is in no mailbox
    /// any more.
    pub(super) fn take_posted(&self) -> Posted<'s> {
        let remote = self.header.remote.swap(NONE, AcqRel);
        Posted { entries: self.entries, next: remote & NUMBER_MASK }
    }

    /// Is the slab in a mailbox?
    #[cfg(all(test, loom))]
    pub(super) fn is_posted(&self) -> bool {
        self.header.remote.load(Acquire) & POSTED != 0
    }

    /// The owner: makes an object free. Says `false`, and has changed nothing, if there is nothing to give.
    pub(super) fn give_back(&self, back: Back) -> bool {
        match back {
            Back::Allocated(object) => self.give(object),
            Back::Claimed(claimed) => self.give_claimed(&claimed),
        }
    }

    fn give_claimed(&self, claimed: &Claimed) -> bool {
        let Some(entry) = self.entries.get(claimed.number as usize) else { return false };
        entry.store(self.header.head.load(Relaxed), Relaxed);
        self.header.head.store(claimed.number, Relaxed);
        true
    }

    /// Another CPU than the owner: the object to [`post`](Self::post), as [`claim`](Self::claim) says.
    pub(super) fn claim_back(&self, back: Back) -> Option<Claimed> {
        match back {
            Back::Allocated(object) => self.claim(object),
            Back::Claimed(claimed) => Some(claimed),
        }
    }
}

/// An object that is to go back to its slab.
#[derive(Debug)]
pub(super) enum Back {
    /// From who had it, or says so.
    Allocated(VirtAddr),
    /// Out of a mailbox. It does not become allocated on the way: who gives it back a second time would
    /// find it so.
    Claimed(Claimed),
}

/// An object that is neither allocated nor free: on its way back.
#[derive(Debug)]
#[must_use = "the object is lost until it is posted or given"]
pub(super) struct Claimed {
    number: u32,
}

impl Claimed {
    /// Its number.
    pub(super) const fn number(&self) -> u32 {
        self.number
    }
}

/// Objects that other CPUs gave back, taken off the remote list.
pub(super) struct Posted<'s> {
    entries: &'s [AtomicU32],
    next: u32,
}

impl Iterator for Posted<'_> {
    type Item = Claimed;

    fn next(&mut self) -> Option<Claimed> {
        let number = self.next;
        let entry = self.entries.get(number as usize).filter(|_| number != NONE)?;
        self.next = entry.load(Relaxed) & NUMBER_MASK;
        Some(Claimed { number })
    }
}

/// The number of the object at this offset from where object 0 would be.
#[inline(always)]
pub(super) const fn number(offset: u32, reciprocal: u32) -> u32 {
    ((offset as u64 * reciprocal as u64) >> 32) as u32
}
