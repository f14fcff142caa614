//! Memory by layout.
#![expect(unsafe_code, reason = "memory is given back by its address")]

use std::alloc::Layout;

use proptest::prelude::*;

use super::super::heap::{Heap, LARGEST};
use super::super::test_machine::{Machine, with_options, with_slabs};
use super::super::{NotGiven, SlabAllocator, SlabOptions};
use crate::addr::PAGE_SIZE;
use crate::fault::FailConfig;
use crate::zone::Gfp;

/// A layout without any particular alignment.
fn bytes(size: u32) -> Layout {
    Layout::from_size_align(size as usize, 1).unwrap()
}

#[test]
fn sizes_have_the_class_above_them() {
    with_slabs::<1>(8192, |slabs| {
        let heap = Heap::new(slabs).unwrap();
        let size_of_class = |size| {
            let object = heap.alloc(bytes(size), Gfp::GFP_KERNEL).unwrap();
            let class = slabs.ksize(object).unwrap();
            // SAFETY: the test's.
            assert_eq!(unsafe { heap.free(object, bytes(size)) }, Ok(()));
            class
        };
        let mut below = 0;
        let classes = [
            8, 16, 32, 48, 64, 96, 128, 192, 256, 336, 408, 512, 680, 816, 1024, 1360, 1632, 2048,
            LARGEST, 4096, 8192, 16384,
        ];
        for class in classes {
            for size in [below + 1, class] {
                assert_eq!(size_of_class(size), class, "{size}");
            }
            below = class;
        }
        assert_eq!(size_of_class(4 << 20), 4 << 20);
        assert!(heap.alloc(bytes((4 << 20) + 1), Gfp::GFP_KERNEL).is_err());
    });
}

/// On any machine. With debugging objects are larger, and one of 2048 bytes does not fit a page any more.
#[test]
fn slabs_are_small_and_have_no_room_left() {
    fn look<const CPUS: usize>(options: SlabOptions<'static>) {
        let is_plain = options == SlabOptions::default();
        with_options::<CPUS>(4096, options, |slabs| {
            let _heap = Heap::new(slabs).unwrap();
            let own = slabs.caches().filter(|cache| cache.name().as_str().starts_with("heap-"));
            let mut count = 0;
            for cache in own {
                let (name, geometry) = (cache.name().as_str(), cache.geometry());
                let pages = if ["heap-1632", "heap-2728"].contains(&name) { 2 } else { 1 };
                assert_eq!(geometry.order.pages(), pages.max(geometry.min_order.pages()), "{name}");
                assert!(!is_plain || geometry.order.pages() == pages, "{name}");
                let (size, objects) = (cache.object_size(), geometry.objects(geometry.order));
                // Smaller ones end where the next class begins.
                if is_plain && size > 256 {
                    assert_eq!(pages * PAGE_SIZE / objects / 8 * 8, size, "{name}");
                }
                assert!(is_plain || geometry.stride > size, "{name}");
                count += 1;
            }
            assert_eq!(count, 14);
        });
    }
    look::<1>(SlabOptions::default());
    look::<4>(SlabOptions::default());
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZPU,heap-*"), |bad| panic!("{bad}"));
    look::<1>(options);
}

#[test]
fn mistakes_with_pages_are_found() {
    with_slabs::<1>(4096, |slabs| {
        let heap = Heap::new(slabs).unwrap();
        for size in [LARGEST + 1, 4096, 8192, 100_000] {
            let taken = heap.alloc(bytes(size), Gfp::GFP_KERNEL).unwrap();
            let inside = taken.checked_add(64).unwrap();
            let refused = |object| Err(NotGiven { object });
            // SAFETY: what is given back wrongly changes nothing.
            let free = |object| unsafe { heap.free(object, bytes(size)) };
            assert_eq!(free(inside), refused(inside), "{size}");
            assert_eq!(free(taken), Ok(()), "{size}");
            assert_eq!(slabs.ksize(taken), None, "{size}");
            assert_eq!(free(taken), refused(taken), "{size}");
            let told = slabs.memory().told();
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(told[0].contains("is inside the pages"), "{told:?}");
            assert!(told[1].contains("is in no slab"), "{told:?}");
        }
        assert_eq!(slabs.validate(), Ok(()));
    });
}

#[test]
fn pages_are_no_objects_that_fail_on_purpose() {
    with_slabs::<1>(4096, |slabs| {
        let heap = Heap::new(slabs).unwrap();
        slabs.inject_failures(FailConfig::parse("failslab", "1,100,0,-1").unwrap());
        assert!(heap.alloc(bytes(LARGEST), Gfp::GFP_KERNEL).is_err());
        let taken = heap.alloc(bytes(LARGEST + 1), Gfp::GFP_KERNEL).unwrap();
        // SAFETY: it was just taken.
        assert_eq!(unsafe { heap.free(taken, bytes(LARGEST + 1)) }, Ok(()));
    });
}

/// What to do: take memory of a layout, or give back what was taken, somewhere in the list.
#[derive(Clone, Debug)]
enum Step {
    Take { size: u32, shift: u32, is_zeroed: bool },
    Give { which: prop::sample::Index },
}

fn any_step() -> impl Strategy<Value = Step> {
    // Each class, and what has none, about as often.
    let size = prop_oneof![1_u32..300, 256..1100_u32, 1000..3000_u32, 2700..20_000_u32];
    let take = (size, 0_u32..14, any::<bool>()).prop_map(|(size, shift, is_zeroed)| Step::Take {
        size,
        shift,
        is_zeroed,
    });
    let give = any::<prop::sample::Index>().prop_map(|which| Step::Give { which });
    prop_oneof![3 => take, 2 => give]
}

/// Does the steps. What is held keeps its bytes, and in the end every page is back.
fn live(slabs: &SlabAllocator<'_, '_, Machine>, steps: Vec<Step>) {
    let heap = Heap::new(slabs).unwrap();
    let free_pages = || {
        slabs.shrink_all();
        slabs.pages.drain();
        slabs.pages.figures().free()
    };
    let before = free_pages();
    let mut held = Vec::new();
    let give = |(object, layout, byte): (_, Layout, u8)| {
        assert!(slabs.memory().is_filled(object, layout.size() as u32, byte), "{layout:?}");
        // SAFETY: it was taken with this layout, and has left the list.
        assert_eq!(unsafe { heap.free(object, layout) }, Ok(()));
    };
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Take { size, shift, is_zeroed } => {
                let layout = Layout::from_size_align(size as usize, 1 << shift).unwrap();
                let zero = if is_zeroed { Gfp::__GFP_ZERO } else { Gfp::empty() };
                let object = heap.alloc(layout, Gfp::GFP_KERNEL | zero).unwrap();
                assert!(object.is_aligned(1 << shift), "{object}: {layout:?}");
                assert!(slabs.ksize(object).unwrap() >= size, "{object}: {layout:?}");
                assert!(!is_zeroed || slabs.memory().is_filled(object, size, 0), "{layout:?}");
                slabs.memory().fill_object(object, size, number as u8);
                held.push((object, layout, number as u8));
            }
            Step::Give { which } if !held.is_empty() => {
                give(held.swap_remove(which.index(held.len())));
            }
            Step::Give { .. } => {}
        }
    }
    held.into_iter().for_each(give);
    assert!(slabs.memory().told().is_empty());
    assert_eq!(slabs.validate(), Ok(()));
    assert_eq!(free_pages(), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_layout_is_kept(
        steps in prop::collection::vec(any_step(), 1..120),
        is_debugging in any::<bool>(),
    ) {
        let mut options = SlabOptions::default();
        if is_debugging {
            options.read_debug(Some("FZPU"), |bad| panic!("{bad}"));
        }
        with_options::<1>(4096, options, |slabs| live(slabs, steps));
    }
}
