//! Where an element comes from and where it goes.

use super::super::super::SlabFlags;
use super::super::super::mempool::{
    Counted, Element, Elements, Mempool, NoElement, Outstanding, PageElements, PoolError,
    SlabElements,
};
use super::super::super::test_machine::with_slabs;
use super::{At, Limited, free, free_pages};
use crate::addr::{Order, VirtAddr};
use crate::platform::{Answer, Shortage};
use crate::zone::{AllocError, Gfp, GfpError};

const EASILY: Gfp = Gfp::__GFP_KSWAPD_RECLAIM
    .union(Gfp::__GFP_FS)
    .union(Gfp::__GFP_NOMEMALLOC)
    .union(Gfp::__GFP_NORETRY)
    .union(Gfp::__GFP_NOWARN);
const HARD: Gfp = EASILY.union(Gfp::__GFP_DIRECT_RECLAIM).union(Gfp::__GFP_IO);

#[test]
fn an_element_comes_from_where_it_costs_least() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("rules", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let limited = Limited::new(SlabElements::new(slabs, cache), 4);
        let pool = Mempool::new(slabs, 3, limited).unwrap();
        let elements = pool.elements();
        assert_eq!(elements.asked(), [Gfp::GFP_KERNEL; 3]);
        assert_eq!((pool.min_nr(), pool.curr_nr(), pool.outstanding()), (3, 3, 0));

        // 1. What the allocator has without effort.
        let first = pool.alloc(Gfp::GFP_KERNEL).unwrap();
        assert_eq!((elements.asked(), pool.curr_nr()), (vec![EASILY], 3));
        // 2. The pool.
        let second = pool.alloc(Gfp::GFP_KERNEL).unwrap();
        assert_eq!((elements.asked(), pool.curr_nr(), pool.outstanding()), (vec![EASILY], 2, 1));
        let third = pool.alloc(Gfp::GFP_ATOMIC).unwrap();
        let fourth = pool.alloc(Gfp::GFP_NOWAIT).unwrap();
        assert_eq!((elements.asked().len(), pool.curr_nr()), (2, 0));
        // 3. What it has with effort.
        elements.left_with_effort.set(1);
        let fifth = pool.alloc(Gfp::GFP_KERNEL).unwrap();
        assert_eq!(elements.asked(), [EASILY, HARD]);
        // 5. Who may not sleep; without leave to do more there is no second try.
        let nowait = Gfp::__GFP_KSWAPD_RECLAIM | HARD.difference(Gfp::GFP_KERNEL);
        assert_eq!(pool.alloc(Gfp::GFP_NOWAIT), Err(NoElement::Empty));
        assert_eq!(elements.asked(), [nowait]);
        let io = Gfp::GFP_NOWAIT | Gfp::__GFP_IO;
        assert_eq!(pool.alloc(io), Err(NoElement::Empty));
        assert_eq!(elements.asked(), [nowait, nowait | Gfp::__GFP_IO]);
        assert!(slabs.memory().shortages().is_empty());
        // 6. Who may.
        assert_eq!(pool.alloc(Gfp::GFP_KERNEL), Err(NoElement::NobodyCanHelp));
        assert_eq!(elements.asked(), [EASILY, HARD]);
        let shortage = Shortage { gfp: HARD, order: Order::ZERO, round: 0, freed: 0 };
        assert_eq!(slabs.memory().shortages(), [shortage]);

        // Back into the pool, as long as that is not full.
        for (element, curr_nr) in [(first, 1), (second, 2), (third, 3), (fourth, 3)] {
            assert_eq!(free(&pool, element), Ok(()));
            assert_eq!(pool.curr_nr(), curr_nr);
        }
        assert_eq!(elements.left.replace(0), 1);
        // Last in, first out.
        for element in [third, second, first] {
            assert_eq!(pool.alloc(Gfp::GFP_NOWAIT), Ok(element));
        }
        for element in [first, second, third, fifth] {
            assert_eq!(free(&pool, element), Ok(()));
        }
        assert_eq!(pool.destroy(), Ok(()));
        assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
        assert!(slabs.memory().told().is_empty());
    });
}

#[test]
fn who_waits_begins_again_at_the_first_step() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("waits", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let pool =
            Mempool::new(slabs, 1, Limited::new(SlabElements::new(slabs, cache), 1)).unwrap();
        let elements = pool.elements();
        elements.asked();
        let held = pool.alloc(Gfp::GFP_NOFS).unwrap();
        elements.asked();
        let nofs = |gfp: Gfp| gfp.difference(Gfp::__GFP_FS);
        let wait = |round: &Shortage| {
            if round.round == 2 {
                free(&pool, held).unwrap();
            }
            Answer::Retry
        };
        let again = slabs.memory().with_waits(wait, || pool.alloc(Gfp::GFP_NOFS));
        assert_eq!(again, Ok(held));
        let round = [EASILY, HARD].map(nofs);
        assert_eq!(elements.asked(), [&round[..], &round, &round, &round[..1]].concat());
        let rounds: Vec<u32> = slabs.memory().shortages().iter().map(|wait| wait.round).collect();
        assert_eq!(rounds, [0, 1, 2]);
        // The last to help comes back to the pool, and says that nobody can.
        let wait = |_: &Shortage| {
            free(&pool, held).unwrap();
            Answer::NobodyCanHelp
        };
        let again = slabs.memory().with_waits(wait, || pool.alloc(Gfp::GFP_KERNEL));
        assert_eq!(again, Ok(held));
        free(&pool, held).unwrap();
    });
}

#[test]
fn what_comes_back_while_the_allocator_tries_hard_is_found() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("meanwhile", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let pool =
            Mempool::new(slabs, 1, Limited::new(SlabElements::new(slabs, cache), 1)).unwrap();
        let held = pool.alloc(Gfp::GFP_ATOMIC).unwrap();
        pool.elements().asked();
        // 4. The pool again.
        let comes_back = || free(&pool, held).unwrap();
        let take = || pool.alloc(Gfp::GFP_KERNEL);
        assert_eq!(pool.elements().with_meanwhile(At::Take, &comes_back, take), Ok(held));
        assert_eq!(pool.elements().asked(), [EASILY, HARD]);
        assert!(slabs.memory().shortages().is_empty());
        free(&pool, held).unwrap();
    });
}

#[test]
fn two_who_resize_leave_one_of_the_sizes() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("two", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        for (one, other) in [(5, 9), (9, 5), (6, 2), (6, 1)] {
            let pool =
                Mempool::new(slabs, 3, Limited::new(SlabElements::new(slabs, cache), 20)).unwrap();
            let meanwhile = || assert_eq!(pool.resize(other), Ok(()));
            let resize = || pool.resize(one);
            assert_eq!(pool.elements().with_meanwhile(At::Take, &meanwhile, resize), Ok(()));
            assert_eq!((pool.min_nr(), pool.curr_nr()), (one, one));
            assert_eq!(pool.elements().left.get() + one, 20);
            assert_eq!((pool.destroy(), slabs.objects_out(cache)), (Ok(()), 0));
        }
        assert_eq!(slabs.validate(), Ok(()));
    });
}

/// One makes the pool smaller, and gives back what is too much; with the first of that the other comes, and has
/// its way. To be 9, it needs more elements than the pool has set aside; to be 5, not even those that lie there.
#[test]
fn who_resizes_a_pool_that_shrinks_leaves_no_element_behind() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("shrinks", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        for (one, other) in [(2, 5), (2, 9), (2, 12), (2, 1), (8, 3), (9, 10)] {
            let pool =
                Mempool::new(slabs, 10, Limited::new(SlabElements::new(slabs, cache), 40)).unwrap();
            let meanwhile = || assert_eq!(pool.resize(other), Ok(()));
            let resize = || pool.resize(one);
            assert_eq!(pool.elements().with_meanwhile(At::Give, &meanwhile, resize), Ok(()));
            assert_eq!((pool.min_nr(), pool.curr_nr(), pool.outstanding()), (other, other, 0));
            assert_eq!((slabs.objects_out(cache), pool.elements().left.get()), (other, 40 - other));
            assert_eq!((pool.destroy(), slabs.objects_out(cache)), (Ok(()), 0));
        }
        assert_eq!(slabs.validate(), Ok(()));
    });
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("flags", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let limited = Limited::new(SlabElements::new(slabs, cache), 1);
        let pool = Mempool::new(slabs, 1, limited).unwrap();
        pool.elements().asked();
        for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_ATOMIC] {
            assert_eq!(pool.alloc(gfp | Gfp::__GFP_ZERO), Err(NoElement::Zero));
            for flags in [
                Gfp::__GFP_DMA,
                Gfp::__GFP_HIGHMEM,
                Gfp::__GFP_DMA32,
                Gfp::__GFP_MOVABLE,
                Gfp::__GFP_RECLAIMABLE,
            ] {
                assert_eq!(pool.alloc(gfp | flags), Err(NoElement::Place { flags }));
            }
        }
        let refused = |error| Err(NoElement::Alloc(AllocError::flags(error)));
        let nofail = Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL;
        for flags in [Gfp::__GFP_NORETRY, Gfp::__GFP_RETRY_MAYFAIL] {
            let flags = flags | Gfp::__GFP_NOFAIL;
            let error = GfpError::NofailGivesUp { flags };
            assert_eq!(pool.alloc(nofail | flags), refused(error));
        }
        let never_waits = Gfp::GFP_ATOMIC | Gfp::__GFP_NOFAIL;
        assert_eq!(pool.alloc(never_waits), refused(GfpError::NofailCannotWait));
        let atomic = Gfp::GFP_KERNEL | Gfp::__GFP_ATOMIC;
        assert_eq!(pool.alloc(atomic), refused(GfpError::AtomicMaySleep));
        let unknown = Gfp::from_bits_retain(1 << 30);
        let error = GfpError::Unknown { flags: unknown };
        assert_eq!(pool.alloc(Gfp::GFP_KERNEL | unknown), refused(error));
        assert!(pool.elements().asked().is_empty());
        // These make sense: the pool says what is asked of the allocator.
        for flags in [Gfp::__GFP_RETRY_MAYFAIL, Gfp::__GFP_MEMALLOC, Gfp::__GFP_NOFAIL] {
            let element = pool.alloc(Gfp::GFP_KERNEL | flags).unwrap();
            let asked = flags.difference(Gfp::__GFP_NOFAIL) | EASILY;
            assert_eq!(pool.elements().asked(), [asked]);
            free(&pool, element).unwrap();
        }
        let element = pool.alloc(Gfp::GFP_ATOMIC).unwrap();
        assert_eq!(pool.alloc(nofail), Err(NoElement::NobodyCanHelp));
        free(&pool, element).unwrap();
        assert!(slabs.memory().told().is_empty());
    });
}

#[test]
fn a_fault_that_no_memory_mends_is_not_hidden_by_the_pool() {
    with_slabs::<1>(1024, |slabs| {
        let highmem = PageElements::new(slabs, Order::ZERO, Gfp::__GFP_HIGHMEM);
        let error = AllocError::flags(GfpError::NoAddress);
        let made = Mempool::new(slabs, 2, highmem);
        assert_eq!(made.err(), Some(PoolError::Element { taken: 0, error }));
        let nothing = PoolError::Element { taken: 0, error: AllocError::too_large(0) };
        assert_eq!(slabs.kmalloc_pool(2, 0).err(), Some(nothing));
        let huge = slabs.kmalloc_pool(2, (4 << 20) + 1).err();
        assert!(matches!(huge, Some(PoolError::Element { taken: 0, .. })), "{huge:?}");
        for min_nr in [1 << 20 | 1, u32::MAX] {
            let huge = slabs.page_pool(min_nr, Order::ZERO).err();
            assert!(matches!(huge, Some(PoolError::Array(_))), "{huge:?}");
        }
        assert_eq!(slabs.page_pool(0, Order::ZERO).err(), Some(PoolError::NoElements));
    });
}

#[test]
fn pools_of_all_kinds_take_and_give_their_own() {
    with_slabs::<2>(2048, |slabs| {
        let free_before = free_pages(slabs);
        let order = Order::new(3).unwrap();
        let blocks = slabs.page_pool(3, order).unwrap();
        let dma = Mempool::new(slabs, 2, PageElements::new(slabs, order, Gfp::GFP_DMA)).unwrap();
        let [small, large] = [100, 9000].map(|size| slabs.kmalloc_pool(3, size).unwrap());
        for _ in 0..3 {
            let [block, low] = [&blocks, &dma].map(|pool| pool.alloc_owned(Gfp::GFP_KERNEL));
            let (block, low) = (block.unwrap().address(), low.unwrap().address());
            assert!(block.is_aligned(order.bytes()) && low.is_aligned(order.bytes()));
            // A quarter of memory.
            assert!(low.as_u32() < 0xc000_0000 + 512 * 4096);
            let [small, large] = [&small, &large].map(|pool| pool.alloc_owned(Gfp::GFP_ATOMIC));
            let (small, large) = (small.unwrap(), large.unwrap());
            assert_eq!(slabs.ksize(small.address()), Some(128));
            assert_eq!(slabs.ksize(large.address()), Some(16384));
            slabs.memory().fill_object(large.address(), 9000, 1);
        }
        for pool in [blocks, dma] {
            assert_eq!(pool.destroy(), Ok(()));
        }
        for pool in [small, large] {
            assert_eq!(pool.destroy(), Ok(()));
        }
        assert!(slabs.memory().told().is_empty());
        assert_eq!(free_pages(slabs), free_before);
    });
}

#[test]
fn what_lies_in_a_pool_comes_first_from_the_top_after_any_resize() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("size", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let limited = Limited::new(SlabElements::new(slabs, cache), 10);
        let pool = Mempool::new(slabs, 4, limited).unwrap();
        assert_eq!(pool.resize(0), Err(PoolError::NoElements));
        let take_all = || {
            let left = pool.elements().left.replace(0);
            let all: Vec<VirtAddr> =
                std::iter::from_fn(|| pool.alloc(Gfp::GFP_ATOMIC).ok()).collect();
            pool.elements().left.set(left);
            all
        };
        let put_all = |all: &[VirtAddr]| {
            all.iter().rev().for_each(|element| assert_eq!(free(&pool, *element), Ok(())));
        };
        let four = take_all();
        assert_eq!(four.len(), 4);
        put_all(&four);
        assert_eq!(pool.resize(7), Ok(()));
        assert_eq!((pool.min_nr(), pool.curr_nr(), pool.elements().left.get()), (7, 7, 3));
        let seven = take_all();
        assert_eq!(seven[..4], four);
        put_all(&seven);
        // Those on top are given back.
        assert_eq!(pool.resize(3), Ok(()));
        assert_eq!((pool.min_nr(), pool.curr_nr(), pool.elements().left.get()), (3, 3, 7));
        let three = take_all();
        assert_eq!(three, seven[4..]);
        // What is missing, because somebody has it, is missing afterwards.
        assert_eq!(pool.resize(5), Ok(()));
        assert_eq!((pool.min_nr(), pool.curr_nr(), pool.outstanding()), (5, 2, 3));
        // More than there is: nothing changes.
        let error = pool.resize(11);
        assert!(matches!(error, Err(PoolError::Element { taken: 5, .. })), "{error:?}");
        assert_eq!((pool.min_nr(), pool.curr_nr(), pool.elements().left.get()), (5, 2, 5));
        put_all(&three);
        assert_eq!(pool.resize(5), Ok(()));
        assert_eq!((pool.destroy(), slabs.objects_out(cache)), (Ok(()), 0));
    });
}

#[test]
fn a_pool_that_ends_says_what_it_has_not_got_back() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("ends", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let elements = || SlabElements::new(slabs, cache);
        let give = |element| {
            // SAFETY: 1. the pool has forgotten it; 2. and 3. nobody has touched it.
            assert_eq!(unsafe { slabs.free_object(cache, element) }, Ok(()));
        };
        // Of the elements that were not set aside, a pool does not know.
        let pool = Mempool::new(slabs, 2, Limited::new(elements(), 3)).unwrap();
        let held: Vec<VirtAddr> = (0..2).map(|_| pool.alloc(Gfp::GFP_KERNEL).unwrap()).collect();
        assert_eq!(pool.outstanding(), 1);
        let error = Outstanding { elements: 1 };
        assert_eq!(pool.destroy(), Err(error));
        assert_eq!(error.to_string(), "1 elements of the pool were not given back");
        held.into_iter().for_each(give);
        // One that counts does.
        let pool = Mempool::new(slabs, 2, Counted::new(elements())).unwrap();
        let held: Vec<VirtAddr> = (0..5).map(|_| pool.alloc(Gfp::GFP_KERNEL).unwrap()).collect();
        assert_eq!((pool.outstanding(), pool.elements().taken()), (5, Some(7)));
        assert_eq!(pool.destroy(), Err(Outstanding { elements: 5 }));
        held.into_iter().for_each(give);
        assert_eq!(slabs.objects_out(cache), 0);
        // So does one that is dropped, without a word.
        drop(slabs.slab_pool(9, cache).unwrap());
        assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
        assert!(slabs.memory().told().is_empty());
    });
}

#[test]
fn an_owned_element_comes_back_by_itself() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("owned", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let limited = Limited::new(SlabElements::new(slabs, cache), 1);
        let pool = Mempool::new(slabs, 1, limited).unwrap();
        let element = pool.alloc_owned(Gfp::GFP_ATOMIC).unwrap();
        let at = element.address();
        assert_eq!(format!("{element:?}"), format!("Element({at:?})"));
        assert_eq!(pool.alloc_owned(Gfp::GFP_ATOMIC).err(), Some(NoElement::Empty));
        drop(element);
        let again = pool.alloc_owned(Gfp::GFP_ATOMIC).map(Element::into_raw);
        assert_eq!((again, pool.curr_nr()), (Ok(at), 0));
        assert_eq!(free(&pool, at), Ok(()));
        assert_eq!(pool.destroy(), Ok(()));
    });
}
