//! What the page allocator does to find the mistakes of others: poison, owners, and made-up failures.
//!
//! | parameter | what it does |
//! |---|---|
//! | `page_poison=1` | fills what is free with a byte, and looks when it is taken whether somebody wrote there |
//! | `page_owner=1` | remembers who took each block, and who gave it back last |
//! | `fail_page_alloc=` | makes requests fail: [`fault`](crate::fault) |
//!
//! All of it stands on the way to the zones, where a request only comes when its CPU's stack has
//! nothing. While one of them is on, stacks have no room, so that every request comes this way; while
//! none is, the quick paths know nothing of it.

use super::page_alloc::PageAllocator;
use super::request::Request;
use crate::addr::{Order, Pfn, PfnRange};
use crate::fault::{FailConfig, Fault};
use crate::frame::head::Head;
use crate::frame::stack::Asked;
use crate::platform::{Platform, Report};
use crate::sync::{AtomicU32, Ordering::Relaxed};

/// What a free byte holds: Linux's `PAGE_POISON`.
pub const POISON: u8 = 0xaa;

/// What is on.
pub(super) struct Debugging<'a> {
    poisons: bool,
    /// For each frame of the table, who took or gave back the block that begins there.
    owners: Option<&'a [AtomicU32]>,
    fault: Fault,
}

impl Debugging<'_> {
    /// Nothing is.
    pub(super) fn off() -> Self {
        Self { poisons: false, owners: None, fault: Fault::off() }
    }

    /// Is anything on?
    pub(super) fn is_on(&self) -> bool {
        self.poisons || self.owners.is_some() || self.fault.is_on()
    }

    /// Is this request to fail?
    pub(super) fn fails(&self, request: &Request) -> bool {
        self.fault.is_on() && self.fault.fails(request.gfp, request.order.pages())
    }
}

impl<'a, P: Platform, const CPUS: usize> PageAllocator<'a, P, CPUS> {
    /// Poisons what is free from now on. Before the first [`release`](Self::release), since free memory
    /// that was never poisoned would look as if somebody had written there.
    pub fn poison_free_pages(&mut self) {
        debug_assert!(self.managed().iter().all(|pages| *pages == 0), "pages are free already");
        self.debug.poisons = true;
        self.ask_for_care();
    }

    /// Remembers from now on who takes each block, in `owners`, which has a zero word for each frame of
    /// the table. Before [`start`](Self::start).
    pub fn track_owners(&mut self, owners: &'a [AtomicU32]) {
        debug_assert!(owners.len() >= self.frames.range().len() as usize);
        self.debug.owners = Some(owners);
        self.ask_for_care();
    }

    /// From now on, and not only from [`start`](Self::start), every request comes to where debugging looks
    /// at it.
    fn ask_for_care(&self) {
        self.behind.iter().for_each(|stacks| stacks.ask(Asked::CARE));
    }

    /// The words of [`track_owners`](Self::track_owners); none when owners are not tracked.
    #[must_use]
    pub fn owner_words(&self) -> &'a [AtomicU32] {
        self.debug.owners.unwrap_or_default()
    }

    /// Is somebody told apart from others by [`owner`](Self::owner)?
    #[must_use]
    pub fn tracks_owners(&self) -> bool {
        self.debug.owners.is_some()
    }

    /// Are free pages poisoned?
    #[must_use]
    pub const fn poisons(&self) -> bool {
        self.debug.poisons
    }

    /// Do requests fail on purpose, or would if their turn came?
    #[must_use]
    pub fn injects_failures(&self) -> bool {
        self.debug.fault.is_on()
    }

    /// Makes requests fail as `config` says; those that do not are served as ever. One at a time. Another
    /// CPU goes on without failures until it has nothing in a stack, or its next [`tick`](Self::tick).
    pub fn inject_failures(&self, config: FailConfig) {
        self.debug.fault.set(config);
        // Stacks lose their room, or get it back.
        self.start();
    }

    /// Which requests still are to fail; interval 0 when none is.
    #[must_use]
    pub fn failures_to_come(&self) -> FailConfig {
        self.debug.fault.config()
    }

    /// How many requests were made to fail since [`inject_failures`](Self::inject_failures).
    #[must_use]
    pub fn injected_failures(&self) -> u32 {
        self.debug.fault.failed()
    }

    /// Who took the block that begins at `pfn`, or gave it back last: a return address. `None` when
    /// owners are not tracked or it is not known.
    #[must_use]
    pub fn owner(&self, pfn: Pfn) -> Option<u32> {
        self.owner_word(pfn).map(|word| word.load(Relaxed)).filter(|site| *site != 0)
    }

    fn owner_word(&self, pfn: Pfn) -> Option<&'a AtomicU32> {
        let base = self.frames.range().start().as_u32();
        self.debug.owners?.get(pfn.as_u32().wrapping_sub(base) as usize)
    }

    /// Frames become free for the first time.
    pub(super) fn debug_release(&self, range: PfnRange) {
        if self.debug.poisons {
            range.iter().for_each(|pfn| self.platform.fill(pfn, Order::ZERO, POISON));
        }
    }

    /// A block has been taken. Says `false` when somebody wrote into it while it was free: then it is
    /// kept out of circulation.
    pub(super) fn debug_alloc(&self, pfn: Pfn, order: Order) -> bool {
        if self.debug.poisons
            && let Some((at, found)) = self.platform.first_other_than(pfn, order, POISON)
        {
            let page = self.frames.at(pfn);
            page.set_head(Head::bad(order, page.head().class()));
            let freed_by = self.owner(pfn);
            let report = Report::WrittenWhileFree { pfn, order, at, found, freed_by };
            self.platform.report(&report);
            return false;
        }
        self.note_owner(pfn);
        true
    }

    /// A block is about to be given back.
    pub(super) fn debug_free(&self, pfn: Pfn, order: Order) {
        if self.debug.poisons {
            self.platform.fill(pfn, order, POISON);
        }
        self.note_owner(pfn);
    }

    /// The block that begins where `run` does, and ends at `end`, is about to become the blocks of `run`:
    /// its owner has taken them all. The rest is about to be given back.
    pub(super) fn debug_carve(&self, run: PfnRange, end: Pfn) {
        let owner = self.owner(run.start()).unwrap_or(0);
        for pfn in PfnRange::new(run.start(), end).iter() {
            if let Some(word) = self.owner_word(pfn) {
                word.store(owner, Relaxed);
            }
        }
        if self.debug.poisons {
            let rest = PfnRange::new(run.end(), end);
            rest.iter().for_each(|pfn| self.platform.fill(pfn, Order::ZERO, POISON));
        }
    }

    fn note_owner(&self, pfn: Pfn) {
        if let Some(word) = self.owner_word(pfn) {
            word.store(self.platform.call_site(), Relaxed);
        }
    }
}
