//! The sizes and orders of Linux's `lib/test_meminit.c`, and of it what is promised here: memory is zeroed
//! when `__GFP_ZERO` asks for that, whoever dirtied it before; what a constructor made stays as it is left.
//! Nothing is zeroed unasked (`init_on_alloc`), and no cache keeps what RCU readers may look at.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use std::ptr::NonNull;

use super::super::test_machine::{Machine, with_options, with_slabs};
use super::super::{CreateError, SlabAllocator, SlabFlags, SlabOptions};
use crate::addr::{Order, PAGE_SIZE, VirtAddr};
use crate::zone::{Gfp, GfpError};

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const ZERO: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_ZERO);
/// `kmalloc` of 2^0 to 2^22 bytes, all that there is.
const SHIFTS: std::ops::RangeInclusive<u32> = 0..=22;
/// Caches of 8 to 2^12 bytes, as in Linux, and more.
const SIZES: std::ops::RangeInclusive<u32> = 3..=16;
/// Linux's garbage.
const GARBAGE: u8 = 0xaa;
const CONSTRUCTED: u8 = b'A';
const BULK: usize = 1000;

type Slabs<'p, 'a> = SlabAllocator<'p, 'a, Machine>;

/// Caches with debugging promise the same.
fn with_and_without_debugging(pages: u32, test: impl Fn(&Slabs<'_, '_>)) {
    with_slabs(pages, &test);
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZPU"), |bad| panic!("{bad}"));
    with_options(pages, options, |slabs| {
        test(slabs);
        assert!(slabs.memory().told().is_empty());
    });
}

/// `do_alloc_pages_order`.
#[test]
fn pages_of_each_order() {
    with_slabs::<1>(4096, |slabs| {
        for order in Order::all() {
            // Twice: the same block, most likely, and dirty the second time.
            for _ in 0..2 {
                let pfn = slabs.pages.alloc_raw(ZERO, order).unwrap();
                let block = slabs.address(pfn, order).unwrap();
                assert!(slabs.memory().is_filled(block, order.bytes(), 0), "{order}");
                slabs.memory().fill_object(block, order.bytes(), GARBAGE);
                // SAFETY: 1, 2. the test's.
                unsafe { slabs.pages.free_raw(pfn, order) }.unwrap();
            }
        }
    });
}

/// `do_kmalloc_size`.
#[test]
fn memory_of_each_size() {
    with_and_without_debugging(4096, |slabs| {
        for bytes in SHIFTS.map(|shift| 1 << shift).flat_map(|size| [size, size - size / 3]) {
            let dirty = slabs.kmalloc(bytes, KERNEL).unwrap();
            slabs.memory().fill_object(dirty, slabs.ksize(dirty).unwrap(), GARBAGE);
            // SAFETY: 1, 2. the test's.
            assert_eq!(unsafe { slabs.kfree(dirty) }, Ok(()));
            let zeroed = slabs.kzalloc(bytes, KERNEL).unwrap();
            // The usable bytes are the caller's, too.
            let usable = slabs.ksize(zeroed).unwrap();
            assert!(slabs.memory().is_filled(zeroed, usable, 0), "{bytes}");
            // SAFETY: as above.
            assert_eq!(unsafe { slabs.kfree(zeroed) }, Ok(()));
        }
        assert_eq!(slabs.validate(), Ok(()));
    });
}

unsafe extern "C" fn construct<const BYTES: usize>(object: NonNull<u8>) {
    // SAFETY: objects have so many bytes.
    unsafe { object.write_bytes(CONSTRUCTED, BYTES) };
}

/// `do_kmem_cache_size` without a constructor: zeroed or not.
#[test]
fn objects_of_each_size() {
    with_and_without_debugging(4096, |slabs| {
        for size in SIZES.map(|shift| 1 << shift).flat_map(|size| [size, size + 1]) {
            let cache = slabs.create("size", size, 1, SlabFlags::SLAB_NO_MERGE, None).unwrap();
            for _ in 0..10 {
                let [dirty, zeroed] =
                    [KERNEL, ZERO].map(|gfp| slabs.take_object(cache, gfp).unwrap());
                assert!(slabs.memory().is_filled(zeroed, size, 0), "{size}");
                for object in [zeroed, dirty] {
                    slabs.memory().fill_object(object, size, GARBAGE);
                    // SAFETY: 1, 2. the test's; 3. nothing was constructed.
                    assert_eq!(unsafe { slabs.free_object(cache, object) }, Ok(()));
                }
            }
            // SAFETY: 1. created above; 2. nobody uses it.
            assert_eq!(unsafe { slabs.destroy(cache) }, Ok(()));
        }
    });
}

/// `do_kmem_cache_size` with a constructor, and what is left of `do_kmem_cache_rcu_persistent`: an object
/// lies there, in the state that it is given back in, until it is taken again.
#[test]
fn what_was_constructed_persists() {
    fn persists<const BYTES: usize>(slabs: &Slabs<'_, '_>) {
        let bytes = BYTES as u32;
        let create = |flags| slabs.create("ctor", bytes, 1, flags, Some(construct::<BYTES>));
        let cache = create(SlabFlags::empty()).unwrap();
        for _ in 0..10 {
            let object = slabs.take_object(cache, KERNEL).unwrap();
            assert!(slabs.memory().is_filled(object, bytes, CONSTRUCTED), "{bytes}");
            slabs.memory().fill_object(object, bytes, GARBAGE);
            slabs.memory().fill_object(object, bytes, CONSTRUCTED);
            // SAFETY: 1, 2. the test's; 3. it is as it was constructed.
            assert_eq!(unsafe { slabs.free_object(cache, object) }, Ok(()));
            assert!(slabs.memory().is_filled(object, bytes, CONSTRUCTED), "{bytes}: it is free");
        }
        // Zeroes would undo it.
        let refused = slabs.take_object(cache, ZERO).map_err(|error| error.to_string());
        assert_eq!(refused, Err(GfpError::ZeroOfConstructed.to_string()));
        // SAFETY: 1. created above; 2. nobody uses it.
        assert_eq!(unsafe { slabs.destroy(cache) }, Ok(()));
        let flags = SlabFlags::SLAB_TYPESAFE_BY_RCU;
        assert_eq!(create(flags).map(|_| ()), Err(CreateError::Flags { flags }));
    }
    with_and_without_debugging(4096, |slabs| {
        persists::<8>(slabs);
        persists::<16>(slabs);
        persists::<33>(slabs);
        persists::<64>(slabs);
        persists::<200>(slabs);
        persists::<1024>(slabs);
        persists::<4096>(slabs);
        persists::<10_000>(slabs);
    });
}

/// `do_kmem_cache_size_bulk`.
#[test]
fn many_zeroed_at_once() {
    with_and_without_debugging(8192, |slabs| {
        for size in [8, 64, 600, 4096] {
            let cache = slabs.create("bulk", size, 8, SlabFlags::SLAB_NO_MERGE, None).unwrap();
            for _ in 0..4 {
                let mut objects = vec![VirtAddr::new(0); BULK];
                slabs.take_objects(cache, ZERO, &mut objects).unwrap();
                for object in &objects {
                    assert!(slabs.memory().is_filled(*object, size, 0), "{size}");
                    slabs.memory().fill_object(*object, size, GARBAGE);
                }
                // SAFETY: 1, 2. the test's; 3. nothing was constructed.
                assert_eq!(unsafe { slabs.free_objects(cache, &objects) }, Ok(()));
            }
            // SAFETY: 1. created above; 2. nobody uses it.
            assert_eq!(unsafe { slabs.destroy(cache) }, Ok(()));
        }
    });
}

/// Any block of pages that a large `kmalloc` does not fill is zeroed to its end.
#[test]
fn the_last_page_as_well() {
    with_slabs::<1>(4096, |slabs| {
        for bytes in [8193, 3 * PAGE_SIZE, 5 * PAGE_SIZE + 1, (1 << 20) + 1] {
            let object = slabs.kcalloc(1, bytes, KERNEL).unwrap();
            let usable = slabs.ksize(object).unwrap();
            assert!(usable >= bytes && slabs.memory().is_filled(object, usable, 0), "{bytes}");
            // SAFETY: 1, 2. the test's.
            assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
        }
    });
}
