//! Elements that are given back by who does not have them.

use super::super::super::mempool::{Elements, Mempool};
use super::super::super::test_machine::{FIRST, Machine, with_slabs};
use super::super::super::{NotGiven, SlabAllocator, SlabFlags};
use super::free;
use crate::addr::{Order, PAGE_SIZE, VirtAddr};
use crate::zone::{AllocError, Gfp};

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

/// What is reported of an element: its address and its page's frame are put where the text has a place.
fn report_of(text: &str, element: VirtAddr) -> String {
    let pfn = FIRST + element.as_u32() % 0x4000_0000 / PAGE_SIZE;
    text.replace("{}", &element.to_string()).replace("{pfn}", &format!("{pfn:#x}"))
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
        assert_eq!(refused(slabs, pool, one), report_of(report, one));
        assert_eq!(free(pool, two), Ok(()));
        // It is.
        assert_eq!(pool.curr_nr(), pool.min_nr());
        for element in [one, two] {
            assert_eq!(refused(slabs, pool, element), report_of(report, element));
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

const IN_A_POOL: &str = "BUG: mempool: Element already free: {} is in a pool";
const PAGES_IN_A_POOL: &str = "BUG: Bad page state: double free: pfn {pfn} is in the block at {pfn} \
    (in a pool, order 1, Unmovable)";

/// Elements of an allocator that does not keep in mind what is parked.
struct Forgetful<'e, E>(&'e E);

impl<E: Elements> Elements for Forgetful<'_, E> {
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.0.take(gfp)
    }

    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        // SAFETY: 1. to 3. are the caller's.
        unsafe { self.0.give(element) }
    }
}

#[test]
fn an_element_in_the_pool_is_found_to_be_there() {
    with_slabs::<2>(2048, |slabs| {
        let cache = slabs.create("twice", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let pool = slabs.slab_pool(4, cache).unwrap();
        given_twice(slabs, &pool, IN_A_POOL);
        assert_eq!(pool.destroy(), Ok(()));
        for size in [128, 9000] {
            let pool = slabs.kmalloc_pool(4, size).unwrap();
            given_twice(slabs, &pool, IN_A_POOL);
            assert_eq!(pool.destroy(), Ok(()));
        }
        let order = Order::new(1).unwrap();
        let pool_of_one = slabs.page_pool(1, order).unwrap();
        let pool = slabs.page_pool(4, order).unwrap();
        given_twice(slabs, &pool, PAGES_IN_A_POOL);
        assert_eq!(pool.destroy(), Ok(()));
        let pool = Mempool::new(slabs, 4, Forgetful(pool_of_one.elements())).unwrap();
        given_twice(slabs, &pool, IN_A_POOL);
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
            let told = report_of(IN_A_POOL, element);
            assert_eq!(slabs.memory().told(), [told.clone(), told]);
        }
        assert_eq!((pool.curr_nr(), pool.destroy()), (2, Ok(())));
    });
}

#[test]
fn who_gives_pages_to_the_allocator_is_found_as_well() {
    with_slabs::<2>(2048, |slabs| {
        let order = Order::new(2).unwrap();
        let pages = slabs.page_pool(2, order).unwrap();
        let large = slabs.kmalloc_pool(2, order.bytes()).unwrap();
        let (block, piece) = (pages.pop_for_test(), large.pop_for_test());
        assert_eq!((free(&pages, block), free(&large, piece)), (Ok(()), Ok(())));
        for cpu in [0, 1] {
            slabs.memory().set_cpu(cpu);
            for element in [block, piece] {
                // SAFETY: it is the pool's, which must be found.
                let given = unsafe {
                    (
                        slabs.pages.free_pages(&slabs.linear, element, order).is_err(),
                        slabs.kfree(element),
                    )
                };
                assert_eq!(given, (true, Err(NotGiven { object: element })));
                assert_eq!((slabs.ksize(element), slabs.memory().told().len()), (None, 2));
            }
            // Nor does another pool take it, full or not.
            let other_pages = slabs.page_pool(1, order).unwrap();
            let other_large = slabs.kmalloc_pool(1, order.bytes()).unwrap();
            refused(slabs, &other_pages, block);
            refused(slabs, &other_large, piece);
            let held = (other_pages.pop_for_test(), other_large.pop_for_test());
            refused(slabs, &other_pages, block);
            refused(slabs, &other_large, piece);
            assert_eq!((free(&other_pages, held.0), free(&other_large, held.1)), (Ok(()), Ok(())));
        }
        assert_eq!((pages.destroy(), large.destroy(), slabs.validate()), (Ok(()), Ok(()), Ok(())));
        assert_eq!(slabs.pages.validate(), Ok(()));
    });
}

#[test]
fn a_block_that_others_have_is_not_set_aside() {
    with_slabs::<2>(2048, |slabs| {
        let pool = slabs.page_pool(1, Order::ZERO).unwrap();
        let page = pool.pop_for_test();
        let pfn = slabs.pfn_of(page);
        // SAFETY: 1. the page is allocated.
        unsafe { slabs.pages.get_page_raw(pfn) }.unwrap();
        assert_eq!((free(&pool, page), pool.curr_nr()), (Ok(()), 0));
        assert_eq!((free(&pool, page), pool.curr_nr()), (Ok(()), 1));
        refused(slabs, &pool, page);
        assert_eq!(pool.destroy(), Ok(()));
        assert_eq!(slabs.pages.validate(), Ok(()));
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
