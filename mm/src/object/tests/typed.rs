//! Caches of values.

use std::cell::Cell;
use std::rc::Rc;

use super::super::SlabFlags;
use super::super::test_machine::with_slabs;
use super::super::typed::{Cache, Construct, ReadyCache};
use crate::zone::{AllocError, Gfp, GfpError};

const KERNEL: Gfp = Gfp::GFP_KERNEL;

#[test]
fn values_live_in_objects_and_are_dropped_there() {
    with_slabs::<1>(256, |slabs| {
        let cache = Cache::new(slabs, "values", SlabFlags::empty()).unwrap();
        let seen = Rc::new(());
        let mut boxes: Vec<_> = (0..100_u64)
            .map(|number| cache.alloc(KERNEL, (number, Rc::clone(&seen))).unwrap())
            .collect();
        boxes.iter_mut().for_each(|value| value.0 *= 2);
        assert!(boxes.iter().zip(0..).all(|(value, number)| value.0 == 2 * number));
        assert_eq!((Rc::strong_count(&seen), slabs.objects_out(cache.as_ref())), (101, 100));
        drop(boxes);
        assert_eq!((Rc::strong_count(&seen), slabs.objects_out(cache.as_ref())), (1, 0));
        let before = slabs.caches().count();
        assert_eq!(cache.destroy(), Ok(()));
        assert_eq!(slabs.caches().count(), before - 1);
    });
}

#[test]
fn a_value_without_room_comes_back() {
    with_slabs::<1>(64, |slabs| {
        let cache = Cache::new(slabs, "large", SlabFlags::empty()).unwrap();
        let mut boxes = Vec::new();
        let error = loop {
            match cache.alloc(KERNEL | Gfp::__GFP_NOWARN, [7_u8; 30_000]) {
                Ok(value) => boxes.push(value),
                Err(error) => break error,
            }
        };
        assert_eq!((error.value, boxes.is_empty()), ([7; 30_000], false));
        assert!(boxes.iter().all(|value| **value == [7; 30_000]));
    });
}

#[test]
fn a_cache_with_a_leaked_value_stays_and_is_reported() {
    with_slabs::<1>(256, |slabs| {
        let cache = Cache::new(slabs, "leaky", SlabFlags::empty()).unwrap();
        std::mem::forget(cache.alloc(KERNEL, 5_u32).unwrap());
        drop(cache);
        assert_eq!(slabs.memory().told().len(), 1);
        assert!(slabs.caches().any(|cache| cache.name().as_str() == "leaky"));
    });
}

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
}

struct Counted(u32);

impl Construct for Counted {
    fn construct() -> Self {
        MADE.set(MADE.get() + 1);
        Self(0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        MADE.set(MADE.get() - 1);
    }
}

#[test]
fn a_ready_value_is_as_the_last_user_left_it() {
    with_slabs::<1>(256, |slabs| {
        let cache = ReadyCache::<Counted, _>::new(slabs, "ready", SlabFlags::empty()).unwrap();
        for uses in 0..10 {
            let mut value = cache.take(KERNEL).unwrap();
            assert_eq!(value.0, uses);
            value.0 += 1;
        }
        assert!(MADE.get() > 0);
        let refused = cache.take(KERNEL | Gfp::__GFP_ZERO).map(|_| ());
        assert_eq!(refused, Err(AllocError::flags(GfpError::ZeroOfConstructed)));
        assert_eq!(cache.destroy(), Ok(()));
        assert_eq!(MADE.get(), 0);
    });
}
