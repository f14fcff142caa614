//! Pools: each rule, mistakes of others, memory that is short, and a plain model.
#![expect(unsafe_code, reason = "elements are given back by their address")]

mod model;
mod rules;
mod short;
mod wrong;

use std::cell::{Cell, RefCell};

use super::super::mempool::{Elements, Mempool};
use super::super::test_machine::Machine;
use super::super::{NotGiven, SlabAllocator};
use crate::addr::{Order, VirtAddr};
use crate::zone::{AllocError, Gfp, ZoneKind};

/// Elements of which there are only so many, and that keep a log of requests.
struct Limited<E> {
    inner: E,
    left: Cell<u32>,
    /// The same, but for who may reclaim.
    left_with_effort: Cell<u32>,
    asked: RefCell<Vec<Gfp>>,
    /// What happens once, and at which call.
    meanwhile: Cell<Option<Meanwhile>>,
}

/// Something that happens once.
type Meanwhile = (At, &'static dyn Fn());

/// A call in which something else happens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Somebody takes an element, and may reclaim.
    Take,
    /// Somebody gives one back.
    Give,
}

impl<E> Limited<E> {
    fn new(inner: E, left: u32) -> Self {
        Self {
            inner,
            left: Cell::new(left),
            left_with_effort: Cell::new(0),
            asked: RefCell::default(),
            meanwhile: Cell::default(),
        }
    }

    /// Runs `run`, while `act` happens once: in the first such call.
    fn with_meanwhile<T>(&self, at: At, act: &dyn Fn(), run: impl FnOnce() -> T) -> T {
        // SAFETY: it is called while `run` runs, and forgotten then.
        let act = unsafe { std::mem::transmute::<&dyn Fn(), &'static dyn Fn()>(act) };
        self.meanwhile.set(Some((at, act)));
        let got = run();
        assert!(self.meanwhile.take().is_none(), "there was no such call");
        got
    }

    /// Something happens here, if this is the call for it.
    fn happen(&self, here: At) {
        if let Some((_, act)) = self.meanwhile.get().filter(|(at, _)| *at == here) {
            self.meanwhile.set(None);
            act();
        }
    }

    /// The requests since it was asked last.
    fn asked(&self) -> Vec<Gfp> {
        self.asked.take()
    }
}

fn one_less(count: &Cell<u32>) -> bool {
    let less = count.get().checked_sub(1);
    count.set(less.unwrap_or(0));
    less.is_some()
}

impl<E: Elements> Elements for Limited<E> {
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.asked.borrow_mut().push(gfp);
        if gfp.may_reclaim() {
            self.happen(At::Take);
        }
        if one_less(&self.left) || gfp.may_reclaim() && one_less(&self.left_with_effort) {
            self.inner.take(gfp)
        } else {
            Err(AllocError::no_memory(Order::ZERO, ZoneKind::Normal))
        }
    }

    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        self.happen(At::Give);
        // SAFETY: 1. to 3. are the caller's.
        unsafe { self.inner.give(element)? };
        self.left.set(self.left.get() + 1);
        Ok(())
    }

    fn parks(&self) -> bool {
        self.inner.parks()
    }

    fn park(&self, element: VirtAddr) -> bool {
        self.inner.park(element)
    }

    fn unpark(&self, element: VirtAddr) {
        self.inner.unpark(element);
    }
}

/// Gives back an element, whosever it is.
fn free<E: Elements, const CPUS: usize>(
    pool: &Mempool<'_, '_, '_, Machine, E, CPUS>,
    element: VirtAddr,
) -> Result<(), NotGiven> {
    // SAFETY: 1. it is the test's, or must be refused; 2. nobody looks at it; 3. no constructor.
    unsafe { pool.free(element) }
}

/// Pages that are free when all that may be given back is.
fn free_pages<const CPUS: usize>(slabs: &SlabAllocator<'_, '_, Machine, CPUS>) -> u64 {
    for cpu in (0..CPUS).rev() {
        slabs.memory().set_cpu(cpu);
        slabs.shrink_all();
        slabs.pages.drain();
    }
    assert_eq!(slabs.validate(), Ok(()));
    slabs.pages.figures().free()
}
