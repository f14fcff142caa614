//! Objects that are given back by who does not have them.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use super::super::test_machine::with_slabs;
use super::super::{NotGiven, SlabFlags};
use crate::addr::{Order, VirtAddr};
use crate::zone::{AllocError, Gfp, GfpError, NotFreed};

#[test]
fn any_free_object_is_found_to_be_free() {
    with_slabs::<2>(1024, |slabs| {
        let cache = slabs.create("any", 40, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let objects: Vec<VirtAddr> =
            (0..300).map(|_| slabs.take_object(cache, Gfp::GFP_KERNEL).unwrap()).collect();
        // SAFETY: nobody has them after that, and each is given back twice on purpose.
        let give = |object| unsafe { slabs.free_object(cache, object) };
        for object in &objects[50..250] {
            assert_eq!(give(*object), Ok(()));
        }
        assert!(slabs.memory().told().is_empty());
        for cpu in [0, 1] {
            slabs.memory().set_cpu(cpu);
            for object in &objects[50..250] {
                // Whatever was written into it.
                slabs.memory().fill_object(*object, 40, 0xff);
                let told = format!("BUG: any: Object already free: {object}");
                // Or its slab is gone.
                let gone = format!("BUG: free of {object}, which is in no slab: pfn ");
                assert_eq!(give(*object), Err(NotGiven { object: *object }));
                let [report] = &slabs.memory().told()[..] else { panic!() };
                assert!(*report == told || report.starts_with(&gone), "{report}");
            }
        }
        for object in objects[..50].iter().chain(&objects[250..]) {
            assert_eq!(give(*object), Ok(()));
        }
        assert_eq!(slabs.validate(), Ok(()));
    });
}

#[test]
fn what_is_no_object_is_refused() {
    with_slabs::<1>(1024, |slabs| {
        let object = slabs.kmalloc(100, Gfp::GFP_KERNEL).unwrap();
        let large = slabs.kmalloc(10000, Gfp::GFP_KERNEL).unwrap();
        // SAFETY: nothing is given back that anybody has.
        let free = |at: u32| unsafe { slabs.kfree(VirtAddr::new(at)) };
        let at = object.as_u32();
        for wrong in
            [at + 1, at + 8, at + 64, at - 64, at + 127, large.as_u32() + 64, 1, 0xffff_fff0]
        {
            assert_eq!(free(wrong), Err(NotGiven { object: VirtAddr::new(wrong) }), "{wrong:#x}");
            let [report] = &slabs.memory().told()[..] else { panic!() };
            assert!(report.starts_with("BUG: "), "{report}");
        }
        for nothing in [0, 16] {
            assert_eq!(free(nothing), Ok(()));
        }
        assert_eq!(free(large.as_u32()), Ok(()));
        assert!(free(large.as_u32()).is_err());
        assert_eq!(free(at), Ok(()));
        assert!(free(at).is_err());
        assert_eq!(slabs.memory().told().len(), 2);
    });
}

/// Its pages are the slab's, whoever has an address of them.
#[test]
fn pages_of_slabs_are_not_freed_as_pages() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("pages", 4096, 4096, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let object = slabs.take_object(cache, Gfp::GFP_KERNEL).unwrap();
        let order = cache.geometry().order;
        let pfn = slabs.linear.virt_to_page(object).unwrap();
        for order in [Order::ZERO, order] {
            assert_eq!(slabs.pages.free_block(pfn, order), Err(NotFreed { pfn }));
        }
        let pool = slabs.page_pool(1, Order::ZERO).unwrap();
        let element = pool.alloc(Gfp::GFP_ATOMIC).unwrap();
        for order in [Order::ZERO, order] {
            let other = slabs.page_pool(1, order).unwrap();
            // SAFETY: none: it is refused.
            let given = unsafe { other.free(object) };
            assert_eq!(given, Err(NotGiven { object }));
            assert_eq!(other.destroy(), Ok(()));
        }
        // SAFETY: 1. it came from there; 2. nobody looks at it.
        assert_eq!(unsafe { pool.free(element) }, Ok(()));
        assert_eq!(pool.destroy(), Ok(()));
        assert_eq!(slabs.validate(), Ok(()));
        // SAFETY: 1. to 3. it came from there, and nobody looks at it.
        assert_eq!(unsafe { slabs.free_object(cache, object) }, Ok(()));
        slabs.memory().told();
    });
}

#[test]
fn an_object_of_another_cache_goes_home() {
    with_slabs::<1>(1024, |slabs| {
        let [one, two] = ["one", "two"]
            .map(|name| slabs.create(name, 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap());
        let object = slabs.take_object(one, Gfp::GFP_KERNEL).unwrap();
        // SAFETY: nobody has it any more.
        assert_eq!(unsafe { slabs.free_object(two, object) }, Ok(()));
        let report = format!("BUG: two: Wrong slab cache: {object} is an object of one");
        assert_eq!(slabs.memory().told(), [report]);
        assert_eq!(slabs.take_object(one, Gfp::GFP_KERNEL), Ok(object));
    });
}

#[test]
fn flags_that_an_object_can_not_have_are_refused() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("flags", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let take = |flags| slabs.take_object(cache, Gfp::GFP_KERNEL | flags);
        let refused = |error| Err(AllocError::flags(error));
        assert_eq!(take(Gfp::__GFP_HIGHMEM), refused(GfpError::NoAddress));
        assert_eq!(take(Gfp::__GFP_DMA), refused(GfpError::NotDmaCache));
        assert_eq!(
            slabs.kmalloc(64, Gfp::GFP_KERNEL | Gfp::__GFP_HIGHMEM),
            refused(GfpError::NoAddress)
        );
        assert!(slabs.kmalloc(64, Gfp::GFP_KERNEL | Gfp::__GFP_DMA).is_ok());
        assert_eq!(slabs.kmalloc((4 << 20) + 1, Gfp::GFP_KERNEL), Err(AllocError::too_large(1025)));
        assert_eq!(slabs.kmalloc(u32::MAX, Gfp::GFP_KERNEL), Err(AllocError::too_large(1 << 20)));
    });
}
