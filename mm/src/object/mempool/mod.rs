//! Pools that always have something left: elements set aside for who must get on when memory is
//! short. Linux's `mempool`.
//!
//! | file | idea |
//! |---|---|
//! | [`elements`] | what a pool is filled with, and where it comes from |
//! | `resize` | a pool is made, grows, shrinks and ends |
//! | `element` | an element that gives itself back |
//! | `stock` | the addresses of what lies in the pool |
//! | [`error`] | what is refused |
//!
//! ```text
//! alloc ─▶ (1) allocator, no effort ─▶ (2) pool ─▶ (3) allocator, the caller's flags ─▶ (4) pool
//!             ▲                                                                           │
//!             └────────────── (6) wait, if the caller may sleep ◀─────────────────────────┤
//!                             (5) an error, if not ◀──────────────────────────────────────┘
//! free  ─▶ pool, while that lacks something ─▶ allocator
//! ```
//!
//! Whoever takes one element, finishes with it and gives it back needs a pool of one element to get
//! on for ever: no request of the allocator has to succeed for it. Who holds one and waits for a
//! second has no such promise.
//!
//! What lies in the pool is *parked*: the allocator still counts it as allocated, and its books say
//! that nobody may give it back. So a second free of an element is found, also when the pool is
//! full and the element goes to the allocator without a look at the pool. Objects are parked in
//! their slab's books, pages in their descriptors. Of allocators without such books, which only
//! somebody else's [`Elements`] can have, the pool looks through its own addresses at each free.
//!
//! Protocol: the lock guards the stock, interrupts masked. With it held nothing is allocated, given
//! back, waited for or reported, and no function of [`Elements`] is called. Only how many elements
//! are missing is read without it: by who frees one. That is enough. If an element comes from the
//! pool, the count of the missing was raised before it was handed out; who has the element, has it
//! by way of something that orders memory, and sees that count or a later one.

mod element;
pub mod elements;
pub mod error;
mod resize;
mod stock;

pub use element::Element;
pub use elements::{Counted, Elements, KmallocElements, PageElements, SlabElements};
pub use error::{NoElement, Outstanding, PoolError};

use self::stock::Stock;
use super::allocator::SlabAllocator;
use super::error::{NotGiven, ObjectError};
use crate::addr::{Order, VirtAddr};
use crate::platform::{Answer, Lowmem, Report, Shortage};
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, Lock};
use crate::zone::{AllocError, Gfp, Why};

/// Flags that say where memory lies. A pool's elements lie where they lie.
const PLACES: Gfp = Gfp::__GFP_DMA
    .union(Gfp::__GFP_HIGHMEM)
    .union(Gfp::__GFP_DMA32)
    .union(Gfp::__GFP_MOVABLE)
    .union(Gfp::__GFP_RECLAIMABLE);
/// Bits that need a look before the allocator is asked: what makes no sense here, what may
/// contradict others, and what is left out. One test for the quick path.
const UNUSUAL: u32 = !Gfp::all().bits()
    | PLACES.bits()
    | Gfp::__GFP_ZERO.bits()
    | Gfp::__GFP_NOFAIL.bits()
    | Gfp::__GFP_ATOMIC.bits();
/// What every request is, whatever the caller says: modest, since there is the pool.
const MODEST: Gfp = Gfp::__GFP_NOMEMALLOC.union(Gfp::__GFP_NORETRY).union(Gfp::__GFP_NOWARN);
/// What the first try of a request does without.
const EFFORT: Gfp = Gfp::__GFP_DIRECT_RECLAIM.union(Gfp::__GFP_IO);

/// A pool of elements. Linux's `mempool_t`.
///
/// It may stay where it is or move: nobody knows its address. When it is dropped, what lies in it
/// is given back; [`destroy`](Self::destroy) also says what does not.
#[repr(C)]
pub struct Mempool<'s, 'p, 'a, P: Lowmem, E: Elements, const CPUS: usize = 1> {
    /// How many elements are missing until the pool is full: all that freeing looks at. Written
    /// with the stock's lock held.
    missing: AtomicU32,
    elements: E,
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    stock: Lock<Stock>,
}

impl<'s, 'p, 'a, P: Lowmem, E: Elements, const CPUS: usize> Mempool<'s, 'p, 'a, P, E, CPUS> {
    /// Takes an element, which holds whatever it held. Who takes it gives it back with
    /// [`free`](Self::free). Linux's `mempool_alloc`.
    ///
    /// A request that may sleep (`__GFP_DIRECT_RECLAIM`) waits until there is an element, without a
    /// lock held. `__GFP_NOFAIL` asks for that and no more, so it is left out of what the allocator
    /// is asked, where it would contradict `__GFP_NORETRY`.
    ///
    /// Any context if `gfp` has no `__GFP_DIRECT_RECLAIM`; otherwise one that may sleep. Interrupts
    /// stay as they are.
    ///
    /// # Errors
    ///
    /// [`NoElement`] when the flags make no sense, or when the pool is empty and the caller may not
    /// sleep or nobody can help.
    #[inline(always)]
    pub fn alloc(&self, gfp: Gfp) -> Result<VirtAddr, NoElement> {
        // The rest is a call at the end, so that the quick path has nothing to save.
        if gfp.bits() & UNUSUAL == 0
            && let Some(element) = self.elements.take_at_hand()
        {
            return Ok(element);
        }
        self.alloc_slow(gfp)
    }

    /// As [`alloc`](Self::alloc), but the element gives itself back. The pool can not be destroyed
    /// before.
    ///
    /// # Errors
    ///
    /// As `alloc`.
    #[inline]
    pub fn alloc_owned(&self, gfp: Gfp) -> Result<Element<'_, 's, 'p, 'a, P, E, CPUS>, NoElement> {
        self.alloc(gfp).map(|at| Element::new(self, at))
    }

    /// A request that wants more than what is at hand, or whose flags need a look.
    #[inline(never)]
    fn alloc_slow(&self, gfp: Gfp) -> Result<VirtAddr, NoElement> {
        if gfp.bits() & UNUSUAL != 0 {
            check(gfp)?;
        }
        match self.elements.take(easily(gfp)) {
            Ok(element) => Ok(element),
            Err(error) => self.alloc_hard(gfp, error),
        }
    }

    /// Steps 2 to 6, and 1 again; the first try ended with `error`.
    #[cold]
    #[inline(never)]
    fn alloc_hard(&self, gfp: Gfp, error: AllocError) -> Result<VirtAddr, NoElement> {
        let (easily, hard) = (easily(gfp), hard(gfp));
        let mut round = 0_u32;
        let mut first_try = Err(error);
        loop {
            let mut order = match first_try {
                Ok(element) => return Ok(element),
                Err(error) => order_of_shortage(error)?,
            };
            if let Some(element) = self.pop() {
                return Ok(element);
            }
            if hard != easily {
                match self.elements.take(hard) {
                    Ok(element) => return Ok(element),
                    Err(error) => order = order_of_shortage(error)?,
                }
                if let Some(element) = self.pop() {
                    return Ok(element);
                }
            }
            if !gfp.may_reclaim() {
                return Err(NoElement::Empty);
            }
            // How much the shrinkers freed is known to the allocator alone.
            let shortage = Shortage { gfp: hard, order, round, freed: 0 };
            if self.slabs.memory().wait(&shortage) == Answer::NobodyCanHelp {
                // The last to help may have come to the pool.
                return self.pop().ok_or(NoElement::NobodyCanHelp);
            }
            round = round.saturating_add(1);
            first_try = self.elements.take(easily);
        }
    }

    /// Gives back an element: to the pool if that is not full, otherwise to the allocator. Any
    /// context. Linux's `mempool_free`, but a null pointer is as wrong as any other.
    ///
    /// Elements come back last in, first out. A full pool of elements that are parked costs one load
    /// more than their allocator without a pool.
    ///
    /// # Errors
    ///
    /// [`NotGiven`] when there is no such element, or when it lies in the pool already. Nothing has
    /// changed then, and the fault has been reported.
    ///
    /// # Safety
    ///
    /// 1. The element is the caller's: it came from [`alloc`](Self::alloc) or [`Element::into_raw`]
    ///    of this pool, and was not given back since.
    /// 2. Nobody reads or writes it from now on. That includes devices.
    /// 3. If the elements are objects of a cache with a constructor, it is in the state that this
    ///    leaves it in.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the duties of who gives back an element by its address")]
    pub unsafe fn free(&self, element: VirtAddr) -> Result<(), NotGiven> {
        if self.missing.load(Relaxed) == 0 && self.elements.parks() {
            // SAFETY: duties 1 to 3 are the caller's. What lies in the pool is parked, and refused.
            return unsafe { self.elements.give(element) };
        }
        self.free_with_care(element)
    }

    /// The caller answers for the element, as in [`free`](Self::free).
    #[inline(never)]
    fn free_with_care(&self, element: VirtAddr) -> Result<(), NotGiven> {
        let parks = self.elements.parks();
        // Before the lock is taken: of two who free the same element, one parks it.
        let is_element = self.elements.park(element);
        let put = {
            let memory = self.slabs.memory();
            let _masked = memory.mask();
            let mut stock = self.stock.lock(|| memory.contended());
            if !parks && stock.holds(memory, element) {
                Put::Again
            } else if is_element && stock.push(memory, element) {
                self.missing.store(stock.missing(), Relaxed);
                Put::InPool
            } else {
                Put::Allocator
            }
        };
        match put {
            Put::InPool => Ok(()),
            Put::Again => {
                let error = ObjectError::InPool { object: element };
                self.slabs.memory().report(&Report::WrongObject { error });
                Err(NotGiven { object: element })
            }
            Put::Allocator => {
                if is_element {
                    self.elements.unpark(element);
                }
                self.give(element)
            }
        }
    }

    /// Hands an element that is not in the pool to the allocator, which says what is wrong if it is
    /// none.
    fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        // SAFETY: 1. to 3. who gave it to the pool has answered for it, and nobody else has it: it
        // has just been taken out, or not been put in.
        #[expect(unsafe_code, reason = "the pool hands on what it was given")]
        unsafe {
            self.elements.give(element)
        }
    }

    /// The element that came into the pool last.
    fn pop(&self) -> Option<VirtAddr> {
        self.take_out(|stock| stock.pop(self.slabs.memory()))
    }

    /// The element that came last, if there are more than the pool sets aside now.
    fn pop_excess(&self) -> Option<VirtAddr> {
        self.take_out(|stock| stock.pop_excess(self.slabs.memory()))
    }

    /// Takes an element out, which is allocated then and no more.
    #[inline]
    fn take_out(&self, pop: impl FnOnce(&mut Stock) -> Option<VirtAddr>) -> Option<VirtAddr> {
        let element = {
            let memory = self.slabs.memory();
            let _masked = memory.mask();
            let mut stock = self.stock.lock(|| memory.contended());
            let element = pop(&mut stock)?;
            self.missing.store(stock.missing(), Relaxed);
            element
        };
        self.elements.unpark(element);
        Some(element)
    }

    /// Takes the element on top, as a request does that the allocator could not serve.
    #[cfg(test)]
    pub(in crate::object) fn pop_for_test(&self) -> VirtAddr {
        self.pop().unwrap()
    }

    /// What the pool is filled with.
    #[must_use]
    pub const fn elements(&self) -> &E {
        &self.elements
    }

    /// How many elements the pool sets aside.
    #[must_use]
    pub fn min_nr(&self) -> u32 {
        self.look(Stock::min_nr)
    }

    /// How many elements lie in the pool now: [`min_nr`](Self::min_nr) at most.
    #[must_use]
    pub fn curr_nr(&self) -> u32 {
        self.look(Stock::curr_nr)
    }

    /// How many elements somebody has, if they are [`Counted`]; otherwise how many of those that
    /// were set aside are missing, so at least so many. While others take and give, about.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        match self.elements.taken() {
            Some(taken) => taken.saturating_sub(self.curr_nr()),
            None => self.look(Stock::missing),
        }
    }

    fn look(&self, at: impl FnOnce(&Stock) -> u32) -> u32 {
        let _masked = self.slabs.memory().mask();
        at(&self.stock.lock(|| self.slabs.memory().contended()))
    }
}

/// Where an element went.
enum Put {
    InPool,
    /// Nowhere: it is there already.
    Again,
    Allocator,
}

/// What the allocator is asked for first.
#[inline(always)]
const fn easily(gfp: Gfp) -> Gfp {
    hard(gfp).difference(EFFORT)
}

/// What it is asked for when the pool is empty.
#[inline(always)]
const fn hard(gfp: Gfp) -> Gfp {
    gfp.difference(Gfp::__GFP_NOFAIL).union(MODEST)
}

/// Do the flags make sense, together and for a pool?
#[cold]
fn check(gfp: Gfp) -> Result<(), NoElement> {
    gfp.check().map_err(|error| NoElement::Alloc(AllocError::flags(error)))?;
    if gfp.wants_zero() {
        return Err(NoElement::Zero);
    }
    let flags = gfp.intersection(PLACES);
    if flags.is_empty() { Ok(()) } else { Err(NoElement::Place { flags }) }
}

/// The order of the block that was missing. Any other fault than want of memory stays one however
/// long the caller waits, and is not hidden by what the pool has.
fn order_of_shortage(error: AllocError) -> Result<Order, NoElement> {
    match error.why() {
        Why::NoMemory { order, .. } => Ok(order),
        Why::Flags(_) | Why::TooLarge { .. } => Err(NoElement::Alloc(error)),
    }
}
