//! A pool is made, grows, shrinks and ends. Making one is growing from nothing.
//!
//! Growing makes a whole new stock first, with as many elements as are to be added, and then moves
//! the others over in one step. So if memory is short nothing has changed; and what is missing
//! before, because somebody has it, is missing after. If the pool has just been made smaller, and not
//! all that was too much is out yet, there are others for which there is no room: they go back with
//! the old array.
#![expect(unsafe_code, reason = "the array is given back by its address")]

use core::mem;

use super::Mempool;
use super::elements::{Elements, KmallocElements, PageElements, SlabElements};
use super::error::{Outstanding, PoolError};
use super::stock::{Stock, WORD};
use crate::addr::{Order, PAGE_SIZE, VirtAddr};
use crate::object::{CacheRef, SlabAllocator};
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, Lock};
use crate::zone::{AllocError, Gfp};

impl<'s, 'p, 'a, P: Lowmem, E: Elements, const CPUS: usize> Mempool<'s, 'p, 'a, P, E, CPUS> {
    /// Makes a pool, and fills it with `min_nr` elements. Their addresses lie in memory of `slabs`.
    /// Linux's `mempool_create`. Context: may sleep.
    ///
    /// # Errors
    ///
    /// [`PoolError`] when `min_nr` is 0 or memory is short. What was taken has been given back
    /// then.
    pub fn new(
        slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
        min_nr: u32,
        elements: E,
    ) -> Result<Self, PoolError> {
        let missing = AtomicU32::new(0);
        let this = Self { missing, elements, slabs, stock: Lock::new(Stock::EMPTY) };
        this.resize(min_nr)?;
        Ok(this)
    }

    /// Has the pool set aside `min_nr` elements from now on: takes more, or gives back what is too
    /// much. Others may take and give meanwhile. Linux's `mempool_resize`. Context: may sleep.
    ///
    /// A pool that shrinks keeps its array, as in Linux, and can not fail.
    ///
    /// # Errors
    ///
    /// [`PoolError`] when `min_nr` is 0 or memory is short. The pool is as large as before then,
    /// where Linux leaves it larger and not full.
    pub fn resize(&self, min_nr: u32) -> Result<(), PoolError> {
        if min_nr == 0 {
            return Err(PoolError::NoElements);
        }
        loop {
            let before = self.min_nr();
            let is_done = if min_nr > before {
                self.grow(before, min_nr)?
            } else {
                self.reduce(before, min_nr)
            };
            if is_done {
                return Ok(());
            }
            // Somebody else has made it another size meanwhile.
        }
    }

    /// Says `false`, and has changed nothing, if the pool does not have the size `before` any more.
    fn reduce(&self, before: u32, min_nr: u32) -> bool {
        {
            let _masked = self.slabs.memory().mask();
            let mut stock = self.stock.lock(|| self.slabs.memory().contended());
            if stock.min_nr() != before {
                return false;
            }
            stock.set_min_nr(min_nr);
            self.missing.store(stock.missing(), Relaxed);
        }
        // Somebody may make it another size meanwhile: what is too much is asked each time.
        while let Some(element) = self.pop_excess() {
            // What can go wrong is somebody else's mistake, and has been reported.
            let _ = self.give(element);
        }
        true
    }

    /// Says `false`, and has changed nothing, if the pool does not have the size `before` any more.
    fn grow(&self, before: u32, min_nr: u32) -> Result<bool, PoolError> {
        let mut stock = self.make_stock(min_nr, min_nr - before)?;
        let is_done = {
            let memory = self.slabs.memory();
            let _masked = memory.mask();
            let mut current = self.stock.lock(|| memory.contended());
            let is_same = current.min_nr() == before;
            if is_same {
                // What there is no room for stays in the old stock, and is given up with it.
                stock.append(memory, &mut current);
                mem::swap(&mut *current, &mut stock);
                self.missing.store(current.missing(), Relaxed);
            }
            is_same
        };
        self.give_up(stock);
        Ok(is_done)
    }

    /// A stock with room for `min_nr` elements and `count` in it.
    fn make_stock(&self, min_nr: u32, count: u32) -> Result<Stock, PoolError> {
        let too_large = || AllocError::too_large(min_nr / (PAGE_SIZE / WORD));
        let bytes = min_nr.checked_mul(WORD).ok_or_else(too_large).map_err(PoolError::Array)?;
        let array = self.slabs.kzalloc(bytes, Gfp::GFP_KERNEL).map_err(PoolError::Array)?;
        let mut stock = Stock::new(array, min_nr);
        while stock.curr_nr() < count {
            match self.elements.take(Gfp::GFP_KERNEL) {
                Ok(element) => {
                    // It was just taken, so it is an element.
                    self.elements.park(element);
                    stock.push(self.slabs.memory(), element);
                }
                Err(error) => {
                    let taken = stock.curr_nr();
                    self.give_up(stock);
                    return Err(PoolError::Element { taken, error });
                }
            }
        }
        Ok(stock)
    }

    /// Gives back the elements of a stock that nobody else knows, and its array.
    fn give_up(&self, mut stock: Stock) {
        while let Some(element) = stock.pop(self.slabs.memory()) {
            self.elements.unpark(element);
            // What can go wrong is somebody else's mistake, and has been reported.
            let _ = self.give(element);
        }
        if let Some(array) = stock.array() {
            self.free_array(array);
        }
    }

    fn free_array(&self, array: VirtAddr) {
        // SAFETY: 1. it came from `kzalloc` for a stock, which is never used again; 2. and which
        // alone looked at it.
        let _ = unsafe { self.slabs.kfree(array) };
    }

    /// Ends the pool: gives back all that lies in it, and its own memory. Linux's
    /// `mempool_destroy`. Any context in which the elements may be given back.
    ///
    /// # Errors
    ///
    /// [`Outstanding`] when somebody still has elements. The pool has ended all the same.
    pub fn destroy(self) -> Result<(), Outstanding> {
        let missing = self.missing.load(Relaxed);
        self.empty();
        // What was counted and is not given back now, somebody has.
        match self.elements.taken().unwrap_or(missing) {
            0 => Ok(()),
            elements => Err(Outstanding { elements }),
        }
    }

    /// Gives back all that lies in the pool, which then has no room for anything.
    fn empty(&self) {
        let stock = {
            let _masked = self.slabs.memory().mask();
            let mut stock = self.stock.lock(|| self.slabs.memory().contended());
            self.missing.store(0, Relaxed);
            mem::replace(&mut *stock, Stock::EMPTY)
        };
        self.give_up(stock);
    }
}

impl<P: Lowmem, E: Elements, const CPUS: usize> Drop for Mempool<'_, '_, '_, P, E, CPUS> {
    fn drop(&mut self) {
        self.empty();
    }
}

/// Pools of what there is anyway.
impl<'p, 'a, P: Lowmem, const CPUS: usize> SlabAllocator<'p, 'a, P, CPUS> {
    /// A pool of `min_nr` objects of a cache. Linux's `mempool_create_slab_pool`. Context: may
    /// sleep.
    ///
    /// # Errors
    ///
    /// As [`Mempool::new`].
    pub fn slab_pool<'s>(
        &'s self,
        min_nr: u32,
        cache: CacheRef<'s, CPUS>,
    ) -> Result<Mempool<'s, 'p, 'a, P, SlabElements<'s, 'p, 'a, P, CPUS>, CPUS>, PoolError> {
        Mempool::new(self, min_nr, SlabElements::new(self, cache))
    }

    /// A pool of `min_nr` pieces of `size` bytes of `kmalloc`. Linux's
    /// `mempool_create_kmalloc_pool`. Context: may sleep.
    ///
    /// # Errors
    ///
    /// As [`Mempool::new`].
    pub fn kmalloc_pool<'s>(
        &'s self,
        min_nr: u32,
        size: u32,
    ) -> Result<Mempool<'s, 'p, 'a, P, KmallocElements<'s, 'p, 'a, P, CPUS>, CPUS>, PoolError> {
        Mempool::new(self, min_nr, KmallocElements::new(self, size, Gfp::empty()))
    }

    /// A pool of `min_nr` blocks of lowmem pages, each of `order`. Linux's
    /// `mempool_create_page_pool`. Context: may sleep.
    ///
    /// # Errors
    ///
    /// As [`Mempool::new`].
    pub fn page_pool<'s>(
        &'s self,
        min_nr: u32,
        order: Order,
    ) -> Result<Mempool<'s, 'p, 'a, P, PageElements<'s, 'p, 'a, P, CPUS>, CPUS>, PoolError> {
        Mempool::new(self, min_nr, PageElements::new(self, order, Gfp::empty()))
    }
}
