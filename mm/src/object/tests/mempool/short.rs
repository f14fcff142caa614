//! Memory is short: what a pool promises, and what it leaves behind.

use std::cell::{Cell, RefCell};

use super::super::super::mempool::{Elements, Mempool, NoElement, PoolError, SlabElements};
use super::super::super::test_machine::{Machine, with_slabs};
use super::super::super::{SlabAllocator, SlabFlags};
use super::{Limited, free, free_pages};
use crate::addr::{Order, Pfn, VirtAddr};
use crate::fault::FailConfig;
use crate::platform::{Answer, Shortage};
use crate::zone::{Gfp, ZoneKind};

/// Takes all memory there is, to the last page.
fn take_all(slabs: &SlabAllocator<'_, '_, Machine, 1>) -> Vec<Pfn> {
    let take = |kind| slabs.pages.alloc_raw_in(kind, Gfp::GFP_KERNEL, Order::ZERO).ok();
    let mut all = Vec::new();
    for kind in [ZoneKind::Normal, ZoneKind::Dma] {
        all.extend(std::iter::from_fn(|| take(kind)));
    }
    all
}

#[test]
fn who_waits_gets_on_without_a_free_page() {
    const WAITERS: usize = 5;
    with_slabs::<1>(1024, |slabs| {
        // One object for each slab.
        let cache = slabs.create("page", 8192, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let pool = slabs.slab_pool(WAITERS as u32, cache).unwrap();
        let pages = take_all(slabs);
        assert_eq!(slabs.pages.figures().free(), 0);
        let fill = || -> Vec<VirtAddr> {
            std::iter::from_fn(|| pool.alloc(Gfp::GFP_ATOMIC).ok()).collect()
        };
        let held = RefCell::new(fill());
        assert!(held.borrow().len() >= WAITERS);
        assert_eq!(pool.alloc(Gfp::GFP_ATOMIC), Err(NoElement::Empty));

        // One after the other.
        for _ in 0..100 {
            let wait = |_: &Shortage| {
                free(&pool, held.borrow_mut().remove(0)).unwrap();
                Answer::Retry
            };
            let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL;
            let got = slabs.memory().with_waits(wait, || pool.alloc(gfp)).unwrap();
            held.borrow_mut().push(got);
            assert_eq!(pool.curr_nr(), 0);
        }

        // All at once: each begins while the one before waits, and the last to wait has them all
        // served.
        let waiting = Cell::new(0);
        let wait = |_: &Shortage| {
            waiting.set(waiting.get() + 1);
            if waiting.get() < WAITERS {
                let got = pool.alloc(Gfp::GFP_NOIO).unwrap();
                held.borrow_mut().push(got);
            } else {
                for element in held.borrow_mut().drain(..WAITERS) {
                    free(&pool, element).unwrap();
                }
            }
            Answer::Retry
        };
        let before = held.borrow().len();
        let got = slabs.memory().with_waits(wait, || pool.alloc(Gfp::GFP_NOIO)).unwrap();
        held.borrow_mut().push(got);
        assert_eq!((waiting.get(), held.borrow().len(), pool.curr_nr()), (WAITERS, before, 0));

        assert_eq!(slabs.pages.figures().free(), 0);
        for element in held.into_inner() {
            free(&pool, element).unwrap();
        }
        assert_eq!(pool.destroy(), Ok(()));
        for page in pages {
            // SAFETY: the test's own.
            unsafe { slabs.pages.free_raw(page, Order::ZERO) }.unwrap();
        }
        assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
    });
}

/// Has one request after the other fail while `make` makes a pool or resizes one. Each time there
/// is as much as before. Says how many there were.
fn fail_each<T>(
    slabs: &SlabAllocator<'_, '_, Machine, 1>,
    make: impl Fn() -> Result<T, PoolError>,
    check: impl Fn(),
) -> u32 {
    let whole = free_pages(slabs);
    for n in 1.. {
        slabs.pages.inject_failures(FailConfig::nth(n));
        let made = make();
        let failed = slabs.pages.injected_failures();
        slabs.pages.inject_failures(FailConfig::OFF);
        if failed == 0 {
            assert!(made.is_ok());
            return n - 1;
        }
        // A slab of fewer pages may have done as well.
        drop(made);
        check();
        assert_eq!(free_pages(slabs), whole, "after failure {n}");
    }
    unreachable!()
}

#[test]
fn a_pool_that_can_not_be_made_leaves_nothing_behind() {
    with_slabs::<1>(2048, |slabs| {
        let cache = slabs.create("fails", 1000, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        // What is kept once, is kept.
        drop(slabs.slab_pool(100, cache).unwrap());
        let order = Order::new(1).unwrap();
        let nothing = || assert_eq!(slabs.objects_out(cache), 0);
        let tries = [
            // Two arrays are in pages of their own.
            fail_each(slabs, || slabs.slab_pool(100, cache), nothing),
            fail_each(slabs, || slabs.kmalloc_pool(50, 3000), nothing),
            fail_each(slabs, || slabs.kmalloc_pool(10, 9000), nothing),
            fail_each(slabs, || slabs.page_pool(20, order), nothing),
            fail_each(slabs, || slabs.slab_pool(2100, cache), nothing),
        ];
        assert!(tries.iter().all(|tries| *tries >= 5), "{tries:?}");
        assert!(tries[2] >= 11 && tries[3] >= 21, "{tries:?}");
    });
}

#[test]
fn a_pool_that_can_not_grow_is_as_it_was() {
    with_slabs::<1>(2048, |slabs| {
        let order = Order::new(1).unwrap();
        drop(slabs.page_pool(40, order).unwrap());
        let pool = slabs.page_pool(5, order).unwrap();
        let lent = [pool.pop_for_test(), pool.pop_for_test()];
        let as_it_was = || {
            if pool.min_nr() == 5 {
                assert_eq!((pool.curr_nr(), pool.outstanding()), (3, 2));
            }
            assert_eq!(pool.resize(5), Ok(()));
        };
        let tries = fail_each(slabs, || pool.resize(40), as_it_was);
        assert!(tries >= 35, "{tries}");
        assert_eq!((pool.min_nr(), pool.curr_nr()), (40, 38));
        for element in lent {
            assert_eq!(free(&pool, element), Ok(()));
        }
        assert_eq!(pool.destroy(), Ok(()));
    });
}

#[test]
fn each_element_may_be_the_one_that_is_missing() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("nth", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let elements = || SlabElements::new(slabs, cache);
        for left in 0..10 {
            let made = Mempool::new(slabs, 10, Limited::new(elements(), left));
            let error = made.err();
            assert!(matches!(error, Some(PoolError::Element { taken, .. }) if taken == left));
            assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
        }
        let pool = Mempool::new(slabs, 10, Limited::new(elements(), 19)).unwrap();
        assert!(matches!(pool.resize(20), Err(PoolError::Element { taken: 9, .. })));
        assert_eq!((pool.curr_nr(), pool.elements().left.get()), (10, 9));
        assert!(pool.elements().parks());
    });
}
