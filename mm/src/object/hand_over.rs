//! How objects go back to slabs that are another CPU's, and how slabs change hands: what several CPUs do to the
//! slabs of one cache, above the books of a single one ([`slab`](super::slab)).
//!
//! What a machine keeps for it is a trait, so that `loom` runs this code, and no copy of it.

use super::mailbox;
use super::slab::{Back, Owner, Slab};
use crate::sync::AtomicU32;

/// The slabs of one cache. Interrupts are masked whenever one of these functions is called.
pub(super) trait CacheSlabs {
    /// The slabs that no CPU owns, for as long as the cache's lock is held.
    type Shared<'l>
    where
        Self: 'l;

    /// The books of a slab.
    fn slab(&self, record: u32) -> Slab<'_>;

    /// The mailbox of a CPU.
    fn mailbox(&self, cpu: usize) -> &AtomicU32;

    /// Takes the cache's lock.
    fn shared(&self) -> Self::Shared<'_>;

    /// Makes an object of this CPU's current slab free. Says `false`, and has changed nothing, if there is
    /// nothing to give; as do the next two.
    fn give_to_current(&self, cpu: usize, back: Back) -> bool;

    /// Makes an object of another slab of this CPU free.
    fn give_to_own(&self, cpu: usize, record: u32, back: Back) -> bool;

    /// Makes an object of a slab that no CPU owns free, and ends the lock.
    fn give_to_shared(&self, shared: Self::Shared<'_>, record: u32, back: Back) -> bool;

    /// Puts a slab that is on no list on that of the shared ones.
    fn push_shared(&self, shared: &mut Self::Shared<'_>, record: u32);

    /// Takes a shared slab off its list.
    fn pop_shared(&self, shared: &mut Self::Shared<'_>) -> Option<u32>;
}

/// Gives an object to its slab, whosever that is. Says `false`, and has changed nothing, if there is nothing to
/// give.
pub(super) fn give_to(slabs: &impl CacheSlabs, cpu: usize, record: u32, back: Back) -> bool {
    let slab = slabs.slab(record);
    loop {
        let owner = slab.owner();
        match owner.of_cpu() {
            Some(owner_cpu) if owner_cpu == cpu && owner.is_current() => {
                return slabs.give_to_current(cpu, back);
            }
            Some(owner_cpu) if owner_cpu == cpu => return slabs.give_to_own(cpu, record, back),
            Some(owner_cpu) => {
                let Some(claimed) = slab.claim_back(back) else { return false };
                if slab.post(claimed) {
                    // Whose it was: if the slab has gone elsewhere meanwhile, that CPU sends its mail on.
                    let next_posted = &slab.header.next_posted;
                    mailbox::push(slabs.mailbox(owner_cpu), record, next_posted);
                }
                return true;
            }
            None => {
                let shared = slabs.shared();
                if slab.owner() != owner {
                    // A CPU has adopted it meanwhile.
                    continue;
                }
                return slabs.give_to_shared(shared, record, back);
            }
        }
    }
}

/// Takes back what other CPUs gave to slabs of this one, and says how many slabs that were.
pub(super) fn read_mail(slabs: &impl CacheSlabs, cpu: usize) -> usize {
    let next_posted = |record| &slabs.slab(record).header.next_posted;
    mailbox::take_all(slabs.mailbox(cpu), next_posted)
        .map(|record| {
            for claimed in slabs.slab(record).take_posted() {
                // To this CPU, or to where the slab has gone meanwhile.
                give_to(slabs, cpu, record, Back::Claimed(claimed));
            }
        })
        .count()
}

/// Leaves a slab to all CPUs. It is this CPU's, not its current one, and on no list.
pub(super) fn share(slabs: &impl CacheSlabs, record: u32) {
    let mut shared = slabs.shared();
    slabs.slab(record).set_owner(Owner::SHARED);
    slabs.push_shared(&mut shared, record);
}

/// A shared slab, which is this CPU's and on no list then.
pub(super) fn adopt(slabs: &impl CacheSlabs, cpu: usize) -> Option<u32> {
    let mut shared = slabs.shared();
    let record = slabs.pop_shared(&mut shared)?;
    // While the lock is held: who takes it next to give something to a shared slab looks once more.
    slabs.slab(record).set_owner(Owner::cpu(cpu));
    Some(record)
}
