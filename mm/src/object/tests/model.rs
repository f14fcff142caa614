//! Random operations beside a plain map: no two objects overlap, and none changes while somebody has it. What a
//! constructor made is there at each taking, and free objects of guarded caches hold poison and nothing else.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use std::collections::BTreeMap;
use std::ptr::NonNull;

use proptest::prelude::*;

use super::super::cache::Constructor;
use super::super::guard::{POISON_END, POISON_FREE};
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

/// A cache of the test.
struct Kind {
    size: u32,
    align: u32,
    flags: SlabFlags,
    constructor: Option<Constructor>,
}

const fn plain(size: u32, align: u32) -> Kind {
    Kind { size, align, flags: SlabFlags::empty(), constructor: None }
}

const fn guarded(size: u32, align: u32) -> Kind {
    Kind { flags: SlabFlags::DEBUG_DEFAULT, ..plain(size, align) }
}

const fn made(kind: Kind) -> Kind {
    Kind { constructor: Some(construct), ..kind }
}

const KINDS: [Kind; 12] = [
    plain(8, 0),
    plain(24, 0),
    plain(64, 64),
    plain(200, 0),
    plain(1000, 128),
    plain(5000, 0),
    made(plain(40, 0)),
    made(plain(MADE, 256)),
    guarded(13, 0),
    guarded(64, 64),
    guarded(3000, 0),
    made(guarded(100, 0)),
];

/// What constructors write, to so many bytes of an object.
const CONSTRUCTED: u8 = 0xc5;
const MADE: u32 = 40;

extern "C" fn construct(object: NonNull<u8>) {
    // SAFETY: no cache with this constructor has smaller objects.
    unsafe { object.write_bytes(CONSTRUCTED, MADE as usize) };
}

fn ops(cpus: usize) -> impl Strategy<Value = Vec<Op>> {
    let size = prop_oneof![1_u32..300, 1_u32..9000, 8193_u32..40000];
    let op = prop_oneof![
        5 => (0..KINDS.len()).prop_map(|cache| Op::Take(Ok(cache))),
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
        let caches: Vec<CacheRef<'_, CPUS>> = KINDS
            .iter()
            .enumerate()
            .map(|(number, Kind { size, align, flags, constructor })| {
                let flags = *flags | SlabFlags::SLAB_NO_MERGE;
                let name = format!("test-{number}");
                slabs.create(&name, *size, *align, flags, *constructor).unwrap()
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
                            (object.unwrap(), KINDS[cache].size, Some(cache))
                        }
                        Err(bytes) => (slabs.kmalloc(bytes, Gfp::GFP_KERNEL).unwrap(), bytes, None),
                    };
                    let align = match cache {
                        Some(cache) => caches[cache].geometry().align,
                        None => 64,
                    };
                    assert!(object.is_aligned(align));
                    check_taken(slabs, cache, object);
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
        assert_eq!(caches_have, 27 + KINDS.len() as u32);
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

/// An object that was taken just now is as its constructor made it; that of a guarded cache is poisoned.
fn check_taken<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    cache: Option<usize>,
    object: VirtAddr,
) {
    let Some(Kind { size, flags, constructor, .. }) = cache.map(|cache| &KINDS[cache]) else {
        return;
    };
    if constructor.is_some() {
        assert!(slabs.memory().is_filled(object, MADE, CONSTRUCTED), "{object}");
    } else if flags.contains(SlabFlags::SLAB_POISON) {
        assert_poisoned(slabs, object, *size);
    }
}

fn assert_poisoned<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    object: VirtAddr,
    size: u32,
) {
    let end = VirtAddr::new(object.as_u32() + size - 1);
    assert!(slabs.memory().is_filled(object, size - 1, POISON_FREE), "{object}");
    assert!(slabs.memory().is_filled(end, 1, POISON_END), "{object}");
}

fn give<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    caches: &[CacheRef<'_, CPUS>],
    at: u32,
    held: &Held,
) {
    let object = VirtAddr::new(at);
    assert!(slabs.memory().is_filled(object, held.bytes, held.fill), "{object}");
    let kind = held.cache.map(|cache| &KINDS[cache]);
    let is_made = kind.is_some_and(|kind| kind.constructor.is_some());
    if is_made {
        slabs.memory().fill_object(object, MADE, CONSTRUCTED);
    }
    // SAFETY: 1. the test has taken it, once; 2. and forgets it; 3. it is as its constructor made it.
    let given = unsafe {
        match held.cache {
            Some(cache) => slabs.free_object(caches[cache], object),
            None => slabs.kfree(object),
        }
    };
    assert_eq!(given, Ok(()));
    match kind {
        Some(kind) if kind.flags.contains(SlabFlags::SLAB_POISON) && !is_made => {
            assert_poisoned(slabs, object, held.bytes);
        }
        _ if is_made => {
            assert!(slabs.memory().is_filled(object, MADE, CONSTRUCTED), "{object}");
        }
        // Nobody looks at what is free.
        _ => slabs.memory().fill_object(object, held.bytes, 0xee),
    }
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
