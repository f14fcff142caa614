//! Slabs that several CPUs give objects back to, in every order.
//!
//! The code is that of the kernel: `slab`, `mailbox` and `hand_over`. Only what finds books by their addresses
//! is not: the [`Machine`] has them in ordinary Rust values.
//!
//! Objects and lists are cells in which nothing lies, and which `loom` watches: it fails a model in which two
//! have the same object, or both write the same list, or one has an object before the last owner's writes
//! have arrived. Each model ends the same way ([`come_to_rest`]): all mail is read, and every object is free,
//! and in its slab's list once.
//!
//! Each test says what it was seen to find: faults that were put into the code on purpose.

use std::collections::BTreeSet;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread::{self, JoinHandle};

use super::hand_over::{self, CacheSlabs};
use super::slab::{Back, Constants, Header, NONE, Owner, Slab};
use crate::addr::VirtAddr;
use crate::sync::loom_support::{outcomes, outcomes_within, quietly};
use crate::sync::{AtomicU32, Lock, LockGuard, Ordering::Relaxed};

const CPUS: usize = 3;
/// Bytes from one object to the next.
const STRIDE: u32 = 64;
const RECIPROCAL: u32 = (1_u64 << 32).div_ceil(STRIDE as u64) as u32;
/// The first object of the first slab.
const FIRST: u32 = 0xc000_1000;
/// Bytes from one slab to the next.
const SLAB_BYTES: u32 = 0x1000;

/// A slab, and what `loom` watches of it.
struct Books {
    header: Header,
    entries: Vec<AtomicU32>,
    /// Written by whoever may write the list.
    list: UnsafeCell<()>,
    /// Written by whoever has the object.
    memory: Vec<UnsafeCell<()>>,
}

/// One cache on a machine whose CPUs nothing interrupts. A record's address is the slab's number, from 1 on.
struct Machine {
    slabs: Vec<Books>,
    mailboxes: [AtomicU32; CPUS],
    /// The cache's lock, and the list of shared slabs.
    shared: Lock<Vec<u32>>,
}

#[expect(unsafe_code, reason = "cells that are only watched")]
// SAFETY: no access ever touches the values, which have no bytes.
unsafe impl Sync for Machine {}

/// An object: the record of its slab, and how many there are before it.
type At = (u32, u32);

/// A machine with slabs of so many objects, all of them allocated, which are CPU 0's.
fn machine<const SLABS: usize>(objects: [usize; SLABS]) -> Arc<Machine> {
    quietly(|| {
        let books = |(index, objects): (usize, usize)| {
            let is = Constants {
                origin: FIRST + index as u32 * SLAB_BYTES - STRIDE,
                reciprocal: RECIPROCAL,
                entries: objects as u32 + 1,
                ..Constants::NOTHING
            };
            let books = Books {
                header: Header::new(is),
                entries: (0..=objects).map(|_| AtomicU32::new(NONE)).collect(),
                list: UnsafeCell::new(()),
                memory: (0..objects).map(|_| UnsafeCell::new(())).collect(),
            };
            let slab = Slab { header: &books.header, entries: &books.entries };
            slab.free_all();
            while slab.take(STRIDE).is_some() {}
            books.header.left.store(objects as u32, Relaxed);
            slab.set_owner(Owner::cpu(0));
            books
        };
        Arc::new(Machine {
            slabs: objects.into_iter().enumerate().map(books).collect(),
            mailboxes: std::array::from_fn(|_| AtomicU32::new(0)),
            shared: Lock::new(Vec::new()),
        })
    })
}

/// Another CPU does something.
fn on_another_cpu<T: 'static>(
    machine: &Arc<Machine>,
    act: impl FnOnce(&Machine) -> T + 'static,
) -> JoinHandle<T> {
    let machine = Arc::clone(machine);
    thread::spawn(move || act(&machine))
}

impl Machine {
    fn books(&self, record: u32) -> &Books {
        &self.slabs[record as usize - 1]
    }

    fn object(&self, (record, number): At) -> VirtAddr {
        self.slab(record).object(number + 1, STRIDE)
    }

    /// Who has the object writes there.
    fn write(&self, (record, number): At) {
        self.books(record).memory[number as usize].with_mut(|_| ());
    }

    /// Who may write the list: takes an object from it.
    fn take(&self, record: u32) -> Option<At> {
        self.books(record).list.with_mut(|_| ());
        let slab = self.slab(record);
        let at = slab.take(STRIDE).map(|object| (record, slab.number(object) - 1));
        at.into_iter().for_each(|at| {
            slab.header.left.store(slab.header.left.load(Relaxed) + 1, Relaxed);
            self.write(at);
        });
        at
    }

    /// Who may write the list: makes an object free.
    fn give_back(&self, record: u32, back: Back) -> bool {
        self.books(record).list.with_mut(|_| ());
        let slab = self.slab(record);
        if let Back::Claimed(claimed) = &back {
            self.write((record, claimed.number() - 1));
        }
        let is_given = slab.give_back(back);
        if is_given {
            // A model's slab counts what is out, as one that is on a list does.
            let _ = slab.one_came_back();
        }
        is_given
    }

    /// Gives back an object that the CPU may not have.
    fn give(&self, cpu: usize, at: At) -> bool {
        hand_over::give_to(self, cpu, at.0, Back::Allocated(self.object(at)))
    }

    /// Gives back an object that the CPU has.
    fn free(&self, cpu: usize, at: At) {
        self.write(at);
        assert!(self.give(cpu, at));
    }

    /// How many slabs were in the mailbox.
    fn read_mail(&self, cpu: usize) -> usize {
        hand_over::read_mail(self, cpu)
    }
}

impl CacheSlabs for Machine {
    type Shared<'l> = LockGuard<'l, Vec<u32>>;

    fn slab(&self, record: u32) -> Slab<'_> {
        let Books { header, entries, .. } = self.books(record);
        Slab { header, entries }
    }

    fn mailbox(&self, cpu: usize) -> &AtomicU32 {
        &self.mailboxes[cpu]
    }

    fn shared(&self) -> LockGuard<'_, Vec<u32>> {
        self.shared.lock(thread::yield_now)
    }

    fn give_to_current(&self, _: usize, _: Back) -> bool {
        panic!("no slab is current here");
    }

    fn give_to_own(&self, _: usize, record: u32, back: Back) -> bool {
        self.give_back(record, back)
    }

    fn give_to_shared(&self, _shared: LockGuard<'_, Vec<u32>>, record: u32, back: Back) -> bool {
        self.give_back(record, back)
    }

    fn push_shared(&self, shared: &mut LockGuard<'_, Vec<u32>>, record: u32) {
        self.books(record).list.with_mut(|_| ());
        shared.push(record);
    }

    fn pop_shared(&self, shared: &mut LockGuard<'_, Vec<u32>>) -> Option<u32> {
        shared.pop()
    }
}

/// All threads but the model's own have ended.
fn come_to_rest(machine: &Machine) {
    quietly(|| {
        // What is read may be posted once more, to another CPU.
        while (0..CPUS).map(|cpu| machine.read_mail(cpu)).sum::<usize>() > 0 {}
        for record in 1..=machine.slabs.len() as u32 {
            let slab = machine.slab(record);
            assert!(!slab.is_posted(), "a slab is posted and in no mailbox");
            assert_eq!(slab.header.left.load(Relaxed), 0, "objects that are out");
            let objects = slab.objects().count();
            let taken: BTreeSet<At> = (0..objects).filter_map(|_| machine.take(record)).collect();
            assert_eq!(taken.len(), objects, "objects are lost, or come twice");
            assert_eq!(machine.take(record), None, "objects come twice");
        }
    });
}

/// Finds: a claim that loads, compares and stores.
#[test]
fn of_two_cpus_that_free_the_same_object_one_may() {
    let ends = outcomes(|| {
        let machine = machine([1]);
        let other = on_another_cpu(&machine, |machine| machine.give(2, (1, 0)));
        let mine = machine.give(1, (1, 0));
        let end = (mine, other.join().unwrap());
        come_to_rest(&machine);
        end
    });
    assert_eq!(ends, BTreeSet::from([(true, false), (false, true)]));
}

/// Finds: a mailbox that makes what it holds allocated again before it is free.
#[test]
fn an_object_is_freed_again_while_its_owner_reads_the_mail() {
    let ends = outcomes(|| {
        let machine = machine([1]);
        quietly(|| machine.free(1, (1, 0)));
        let other = on_another_cpu(&machine, |machine| machine.give(2, (1, 0)));
        machine.read_mail(0);
        let end = other.join().unwrap();
        come_to_rest(&machine);
        end
    });
    assert_eq!(ends, BTreeSet::from([false]));
}

/// What is not found: the owner compares and then stores, since an exchange would cost every free. It is
/// here so that nobody relies on it.
#[test]
fn the_owner_and_another_cpu_that_free_the_same_object_at_once_both_may() {
    let ends = outcomes(|| {
        let machine = machine([1]);
        let other = on_another_cpu(&machine, |machine| machine.give(2, (1, 0)));
        let mine = machine.give(0, (1, 0));
        (mine, other.join().unwrap())
    });
    assert_eq!(ends, BTreeSet::from([(true, false), (false, true), (true, true)]));
}

/// Finds: a post that loads and stores (an object is lost), a take that loads and stores (an object comes
/// twice), either without its half of the ordering (an object comes before what was written there), and one
/// that leaves the slab posted (nobody is told).
#[test]
fn two_cpus_post_while_the_owner_takes_what_was_posted() {
    let ends = outcomes(|| {
        let machine = machine([2]);
        let post = |machine: &Machine, number| {
            let slab = machine.slab(1);
            machine.write((1, number));
            slab.post(slab.claim(machine.object((1, number))).unwrap())
        };
        let take = |machine: &Machine| -> Vec<u32> {
            let slab = machine.slab(1);
            let give = |claimed: super::slab::Claimed| {
                let number = claimed.number() - 1;
                assert!(machine.give_back(1, Back::Claimed(claimed)));
                number
            };
            slab.take_posted().map(give).collect()
        };
        let posters =
            [0, 1].map(|number| on_another_cpu(&machine, move |machine| post(machine, number)));
        let first = take(&machine);
        let told = posters.map(|poster| poster.join().unwrap());
        let rest = quietly(|| take(&machine));
        // The first one after the slab was made, and the first one after it was taken out.
        let expected = [&first, &rest].iter().filter(|taken| !taken.is_empty()).count();
        assert_eq!(told.iter().filter(|told| **told).count(), expected);
        come_to_rest(&machine);
        first
    });
    let none = vec![];
    assert_eq!(ends, BTreeSet::from([none, vec![0], vec![1], vec![0, 1], vec![1, 0]]));
}

/// Finds: a post that writes the owner's list, and not the remote one.
#[test]
fn the_owner_frees_and_takes_while_another_cpu_posts() {
    let ends = outcomes(|| {
        let machine = machine([3]);
        let other = on_another_cpu(&machine, |machine| machine.free(1, (1, 1)));
        machine.free(0, (1, 0));
        // Not what the other has given back, which is still in the mail.
        let again = machine.take(1).unwrap();
        assert_eq!(again, (1, 0));
        let mail = machine.read_mail(0);
        machine.free(0, (1, 2));
        let next = machine.take(1).unwrap();
        machine.free(0, next);
        machine.free(0, again);
        other.join().unwrap();
        come_to_rest(&machine);
        mail
    });
    assert_eq!(ends, BTreeSet::from([0, 1]), "late, or in time");
}

/// Finds: a mailbox whose reader looks for the next slab when it is done with one (the second slab is lost, or
/// the first comes twice), and a slab that is posted each time that it gets something.
#[test]
fn a_slab_is_posted_again_while_the_mail_is_read() {
    let ends = outcomes(|| {
        let machine = machine([2, 1]);
        quietly(|| {
            machine.free(1, (2, 0));
            machine.free(1, (1, 0));
        });
        let other = on_another_cpu(&machine, |machine| machine.free(1, (1, 1)));
        assert_eq!(machine.read_mail(0), 2);
        other.join().unwrap();
        let late = quietly(|| machine.read_mail(0));
        come_to_rest(&machine);
        late
    });
    assert_eq!(ends, BTreeSet::from([0, 1]), "in time, or late");
}

/// Finds: a push that stores, a reader that loads and stores, and either without its half of the ordering.
#[test]
fn two_cpus_mail_while_the_owner_reads() {
    let ends = outcomes(|| {
        let machine = machine([2, 1]);
        let first = on_another_cpu(&machine, |machine| machine.free(1, (1, 0)));
        let second = on_another_cpu(&machine, |machine| {
            machine.free(2, (2, 0));
            machine.free(2, (1, 1));
        });
        let mail = machine.read_mail(0);
        first.join().unwrap();
        second.join().unwrap();
        come_to_rest(&machine);
        mail
    });
    assert_eq!(ends, BTreeSet::from([0, 1, 2]), "how many slabs were there in time");
}

/// Finds: a CPU that says that a slab is its own when it has let go of the lock (two write the list), an owner
/// that is not looked at again under the lock, and mail that is taken for this CPU's wherever the slab is.
#[test]
fn a_slab_goes_to_another_cpu_while_a_third_one_frees() {
    // A third preemption was tried: 72000 runs, and nothing new.
    let ends = outcomes_within(2, || {
        let machine = machine([3]);
        quietly(|| machine.free(0, (1, 0)));
        let adopter = on_another_cpu(&machine, |machine| {
            if hand_over::adopt(machine, 1).is_none() {
                return (false, 0);
            }
            let taken: Vec<At> = std::iter::from_fn(|| machine.take(1)).collect();
            taken.iter().for_each(|at| machine.free(1, *at));
            (true, taken.len())
        });
        let other = on_another_cpu(&machine, |machine| machine.free(2, (1, 1)));
        hand_over::share(&*machine, 1);
        let mail = machine.read_mail(0);
        // The CPU that had the slab gives its last object to whose it is now.
        machine.free(0, (1, 2));
        let (is_adopted, taken) = adopter.join().unwrap();
        other.join().unwrap();
        come_to_rest(&machine);
        (is_adopted, taken, mail)
    });
    // It has taken the object that was free, or also those that the others gave back before it came.
    let must = [(false, 0), (true, 1), (true, 2), (true, 3)];
    let must = must.into_iter().flat_map(|(is, taken)| [(is, taken, 0), (is, taken, 1)]);
    assert_eq!(ends, must.collect());
}
