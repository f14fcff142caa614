//! Elements that are given back by who does not have them.

use super::super::super::mempool::{Elements, Mempool};
use super::super::super::test_machine::{Machine, with_slabs};
use super::super::super::{NotGiven, SlabAllocator, SlabFlags};
use super::free;
use crate::addr::{Order, VirtAddr};
use crate::zone::Gfp;

type Slabs<'p, 'a> = SlabAllocator<'p, 'a, Machine, 2>;

/// That a free of `element` is refused and reported.
fn refused<E: Elements>(
    slabs: &Slabs<'_, '_>,
    pool: &Mempool<'_, '_, '_, Machine, E, 2>,
    element: VirtAddr,
) -> String {
    let before = pool.curr_nr();
    assert_eq!(free(pool, element), Err(NotGiven { object: element }));
    assert_eq!((pool.curr_nr(), slabs.validate()), (before, Ok(())));
    let [report] = &slabs.memory().told()[..] else { panic!() };
    report.clone()
}

/// A pool with elements of which one lies in it, and is found at a second free wherever the pool
/// would put it.
fn given_twice<E: Elements>(
    slabs: &Slabs<'_, '_>,
    pool: &Mempool<'_, '_, '_, Machine, E, 2>,
    report: &str,
) {
    // The pool is full again at once: fresh elements are the allocator's.
    let is_lost = |_: usize| pool.alloc(Gfp::GFP_KERNEL).unwrap();
    let held: Vec<VirtAddr> = (0..3).map(is_lost).collect();
    let one = pool.pop_for_test();
    let two = pool.pop_for_test();
    for cpu in [0, 1] {
        slabs.memory().set_cpu(cpu);
        assert_eq!(free(pool, one), Ok(()));
        // The pool is not full.
        let told = refused(slabs, pool, one);
        assert_eq!(told, report.replace("{}", &one.to_string()));
        assert_eq!(free(pool, two), Ok(()));
        // It is.
        assert_eq!(pool.curr_nr(), pool.min_nr());
        for element in [one, two] {
            let told = refused(slabs, pool, element);
            assert_eq!(told, report.replace("{}", &element.to_string()));
        }
        assert_eq!([pool.pop_for_test(), pool.pop_for_test()], [two, one]);
    }
    for element in [one, two] {
        assert_eq!(free(pool, element), Ok(()));
    }
    // To the allocator, and again.
    for element in held {
        assert_eq!(free(pool, element), Ok(()));
        refused(slabs, pool, element);
    }
    for wrong in [0_u32, 1, 16, 0xffff_fff0, one.as_u32() + 1, one.as_u32() + 8] {
        // Of `kfree` nothing is something to give back.
        if free(pool, VirtAddr::new(wrong)).is_ok() {
            assert!([0, 16].contains(&wrong) && slabs.memory().told().is_empty());
        } else {
            assert_eq!(slabs.memory().told().len(), 1);
        }
    }
}

#[test]
fn an_element_in_the_pool_is_found_to_be_there() {
    with_slabs::<2>(2048, |slabs| {
        let cache = slabs.create("twice", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let pool = slabs.slab_pool(4, cache).unwrap();
        given_twice(slabs, &pool, "BUG: twice: Object already free: {}");
        assert_eq!(pool.destroy(), Ok(()));
        for (size, report) in [
            (128, "BUG: kmalloc-128: Object already free: {}"),
            (9000, "BUG: mempool: Element already free: {} is in the pool"),
        ] {
            let pool = slabs.kmalloc_pool(4, size).unwrap();
            given_twice(slabs, &pool, report);
            assert_eq!(pool.destroy(), Ok(()));
        }
        let pool = slabs.page_pool(4, Order::new(1).unwrap()).unwrap();
        given_twice(slabs, &pool, "BUG: mempool: Element already free: {} is in the pool");
        assert_eq!(pool.destroy(), Ok(()));
        assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
    });
}

#[test]
fn who_gives_it_to_the_allocator_is_found_as_well() {
    with_slabs::<2>(2048, |slabs| {
        let cache = slabs.create("behind", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let pool = slabs.slab_pool(2, cache).unwrap();
        let element = pool.pop_for_test();
        assert_eq!(free(&pool, element), Ok(()));
        for cpu in [0, 1] {
            slabs.memory().set_cpu(cpu);
            assert_eq!(slabs.ksize(element), None);
            // SAFETY: it is the pool's, which must be found.
            let given = unsafe { [slabs.free_object(cache, element), slabs.kfree(element)] };
            assert_eq!(given, [Err(NotGiven { object: element }); 2]);
            let told = format!("BUG: behind: Object already free: {element}");
            assert_eq!(slabs.memory().told(), [told.clone(), told]);
        }
        assert_eq!((pool.curr_nr(), pool.destroy()), (2, Ok(())));
    });
}

#[test]
fn what_is_no_element_does_not_get_into_the_pool() {
    with_slabs::<2>(2048, |slabs| {
        let [one, two] = ["one", "two"]
            .map(|name| slabs.create(name, 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap());
        let pool = slabs.slab_pool(2, one).unwrap();
        let element = pool.pop_for_test();
        // It goes home instead.
        let other = slabs.take_object(two, Gfp::GFP_KERNEL).unwrap();
        assert_eq!((free(&pool, other), pool.curr_nr()), (Ok(()), 1));
        let report = format!("BUG: one: Wrong slab cache: {other} is an object of two");
        assert_eq!((slabs.memory().told(), slabs.objects_out(two)), (vec![report], 0));
        assert_eq!(free(&pool, element), Ok(()));
        assert_eq!(pool.destroy(), Ok(()));

        // Memory of another size is as good for `kfree`, but not for the pool.
        for (size, other) in [(100, 300), (100, 9000), (9000, 100), (9000, 20000)] {
            let pool = slabs.kmalloc_pool(2, size).unwrap();
            let element = pool.pop_for_test();
            let other = slabs.kmalloc(other, Gfp::GFP_KERNEL).unwrap();
            assert_eq!((free(&pool, other), pool.curr_nr()), (Ok(()), 1));
            assert_eq!(slabs.ksize(other), None);
            assert_eq!(free(&pool, element), Ok(()));
            assert_eq!(pool.destroy(), Ok(()));
        }
        assert!(slabs.memory().told().is_empty());

        let pool = slabs.page_pool(2, Order::new(1).unwrap()).unwrap();
        let element = pool.pop_for_test();
        let single = slabs.page_pool(1, Order::ZERO).unwrap();
        let page = single.pop_for_test();
        for wrong in [page, VirtAddr::new(element.as_u32() + 4096)] {
            refused(slabs, &pool, wrong);
        }
        assert_eq!((free(&single, page), free(&pool, element)), (Ok(()), Ok(())));
    });
}
