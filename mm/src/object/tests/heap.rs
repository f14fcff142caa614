//! Memory by layout.
#![expect(unsafe_code, reason = "memory is given back by its address")]

use std::alloc::Layout;

use proptest::prelude::*;

use super::super::heap::{Heap, LARGEST};
use super::super::test_machine::with_slabs;
use crate::zone::Gfp;

#[test]
fn sizes_have_the_class_above_them() {
    with_slabs::<1>(8192, |slabs| {
        let heap = Heap::new(slabs).unwrap();
        let size_of_class = |size| {
            let layout = Layout::from_size_align(size, 1).unwrap();
            let object = heap.alloc(layout, Gfp::GFP_KERNEL).unwrap();
            let class = slabs.ksize(object).unwrap();
            // SAFETY: the test's.
            assert_eq!(unsafe { heap.free(object, layout) }, Ok(()));
            class
        };
        let mut below = 0;
        let classes = [
            8, 16, 32, 48, 64, 96, 128, 192, 256, 336, 408, 512, 680, 816, 1024, 1360, 1632, 2048,
            LARGEST, 4096, 8192, 16384,
        ];
        for class in classes {
            for size in [below + 1, class as usize] {
                assert_eq!(size_of_class(size), class, "{size}");
            }
            below = class as usize;
        }
        assert_eq!(size_of_class(4 << 20), 4 << 20);
        let too_large = Layout::from_size_align((4 << 20) + 1, 1).unwrap();
        assert!(heap.alloc(too_large, Gfp::GFP_KERNEL).is_err());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_layout_is_kept(
        layouts in prop::collection::vec((1_usize..20_000, 0_u32..16), 1..60),
    ) {
        with_slabs::<1>(4096, |slabs| {
            let heap = Heap::new(slabs).unwrap();
            let mut held = Vec::new();
            for (size, shift) in layouts {
                let layout = Layout::from_size_align(size, 1 << shift).unwrap();
                let object = heap.alloc(layout, Gfp::GFP_KERNEL).unwrap();
                assert!(object.is_aligned(1 << shift), "{object}: {layout:?}");
                slabs.memory().fill_object(object, size as u32, held.len() as u8);
                held.push((object, layout));
            }
            for (index, (object, layout)) in held.into_iter().enumerate() {
                assert!(slabs.memory().is_filled(object, layout.size() as u32, index as u8));
                // SAFETY: the test's.
                assert_eq!(unsafe { heap.free(object, layout) }, Ok(()));
            }
            assert!(slabs.memory().told().is_empty());
            assert_eq!(slabs.validate(), Ok(()));
        });
    }
}
