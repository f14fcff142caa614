//! Random operations beside a plain map: no two objects overlap, and none changes while somebody has it.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::test_machine::{Machine, with_slabs};
use super::super::{CacheRef, SlabAllocator, SlabFlags};
use crate::addr::VirtAddr;
use crate::zone::Gfp;

#[derive(Clone, Debug)]
enum Op {
    /// Take from this cache, or by `kmalloc` of this many bytes.
    Take(Result<usize, u32>),
    /// Give back the object at this place of the map.
    Give(usize),
    /// Go on as this CPU.
    Cpu(usize),
    Shrink,
}

const SIZES: [(u32, u32); 6] = [(8, 0), (24, 0), (64, 64), (200, 0), (1000, 128), (5000, 0)];

fn ops(cpus: usize) -> impl Strategy<Value = Vec<Op>> {
    let size = prop_oneof![1_u32..300, 1_u32..9000, 8193_u32..40000];
    let op = prop_oneof![
        5 => (0..SIZES.len()).prop_map(|cache| Op::Take(Ok(cache))),
        3 => size.prop_map(|size| Op::Take(Err(size))),
        7 => any::<usize>().prop_map(Op::Give),
        1 => (0..cpus).prop_map(Op::Cpu),
        1 => Just(Op::Shrink),
    ];
    prop::collection::vec(op, 1..400)
}

/// An object that somebody has.
struct Held {
    bytes: u32,
    fill: u8,
    cache: Option<usize>,
}

fn run<const CPUS: usize>(ops: Vec<Op>) {
    with_slabs::<CPUS>(2048, |slabs| {
        let free = free_pages(slabs);
        let caches: Vec<CacheRef<'_, CPUS>> = SIZES
            .iter()
            .map(|(size, align)| {
                let name = format!("test-{size}");
                slabs.create(&name, *size, *align, SlabFlags::SLAB_NO_MERGE, None).unwrap()
            })
            .collect();
        let mut held: BTreeMap<u32, Held> = BTreeMap::new();
        let mut fill = 0_u8;
        for op in ops {
            match op {
                Op::Take(what) => {
                    fill = fill.wrapping_add(1);
                    let (object, bytes, cache) = match what {
                        Ok(cache) => {
                            let object = slabs.take_object(caches[cache], Gfp::GFP_KERNEL);
                            (object.unwrap(), SIZES[cache].0, Some(cache))
                        }
                        Err(bytes) => (slabs.kmalloc(bytes, Gfp::GFP_KERNEL).unwrap(), bytes, None),
                    };
                    let align = match cache {
                        Some(cache) => caches[cache].geometry().align,
                        None => 64,
                    };
                    assert!(object.is_aligned(align));
                    let below = held.range(..=object.as_u32()).next_back();
                    assert!(below.is_none_or(|(at, held)| at + held.bytes <= object.as_u32()));
                    let above = held.range(object.as_u32()..).next();
                    assert!(above.is_none_or(|(at, _)| object.as_u32() + bytes <= *at));
                    slabs.memory().fill_object(object, bytes, fill);
                    held.insert(object.as_u32(), Held { bytes, fill, cache });
                }
                Op::Give(index) => {
                    let Some(at) = held.keys().nth(index % held.len().max(1)).copied() else {
                        continue;
                    };
                    give(slabs, &caches, at, &held.remove(&at).unwrap());
                }
                Op::Cpu(cpu) => slabs.memory().set_cpu(cpu),
                Op::Shrink => {
                    caches.iter().for_each(|cache| {
                        slabs.shrink(cache);
                    });
                }
            }
            assert_eq!(slabs.validate(), Ok(()));
        }
        for (at, held) in held {
            give(slabs, &caches, at, &held);
        }
        for cpu in 0..CPUS {
            slabs.memory().set_cpu(cpu);
            slabs.shrink_all();
        }
        assert_eq!(slabs.validate(), Ok(()));
        assert!(slabs.memory().told().is_empty());
        // The cache of caches has a slab for those that the test made.
        let caches_have = slabs.objects_out(slabs.root());
        assert_eq!(caches_have, 27 + SIZES.len() as u32);
        assert!(free - free_pages(slabs) <= 3, "{free} pages were free");
    });
}

fn free_pages<const CPUS: usize>(slabs: &SlabAllocator<'_, '_, Machine, CPUS>) -> u64 {
    for cpu in 0..CPUS {
        slabs.memory().set_cpu(cpu);
        slabs.pages.drain();
    }
    slabs.pages.figures().free()
}

fn give<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    caches: &[CacheRef<'_, CPUS>],
    at: u32,
    held: &Held,
) {
    let object = VirtAddr::new(at);
    assert!(slabs.memory().is_filled(object, held.bytes, held.fill), "{object}");
    // SAFETY: 1. the test has taken it, once; 2. and forgets it; 3. no cache here has a constructor.
    let given = unsafe {
        match held.cache {
            Some(cache) => slabs.free_object(caches[cache], object),
            None => slabs.kfree(object),
        }
    };
    assert_eq!(given, Ok(()));
    // Nobody looks at what is free.
    slabs.memory().fill_object(object, held.bytes, 0xee);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_cpu(ops in ops(1)) {
        run::<1>(ops);
    }

    #[test]
    fn four_cpus(ops in ops(4)) {
        run::<4>(ops);
    }
}
