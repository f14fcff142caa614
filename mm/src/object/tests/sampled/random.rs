//! Against a model: many objects of several caches, of which every other one is of the pool. Each keeps what was
//! written to it, no mistake is found where none was made, and each page faults exactly while its object is free.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::kfence::pool::Place;

const SIZES: [u32; 6] = [1, 24, 61, 200, 2000, 4096];

#[derive(Clone, Copy, Debug)]
enum Op {
    Take {
        cache: usize,
        is_next: bool,
        zeroed: bool,
    },
    Give {
        which: usize,
    },
    /// A mistake: an access to the page of a free object, or to a guard.
    Stray {
        page: usize,
        write: bool,
    },
    Shrink,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..SIZES.len(), any::<bool>(), any::<bool>())
            .prop_map(|(cache, is_next, zeroed)| Op::Take { cache, is_next, zeroed }),
        5 => any::<usize>().prop_map(|which| Op::Give { which }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(page, write)| Op::Stray { page, write }),
        1 => Just(Op::Shrink),
    ]
}

fn run(slabs: &Slabs<'_, '_>, ops: &[Op]) {
    let memory = slabs.memory();
    let pool = slabs.kfence_pool();
    let caches = SIZES.map(|size| cache_of(slabs, size));
    // Objects by address: the cache, and the byte that they hold.
    let mut live: BTreeMap<u32, (usize, u8)> = BTreeMap::new();
    // Pages that an access was reported of, and the object whose record says so.
    let mut open: Vec<(VirtAddr, Option<u32>)> = Vec::new();
    for (step, op) in ops.iter().enumerate() {
        let byte = step as u8;
        match *op {
            Op::Take { cache, is_next, zeroed } => {
                if is_next {
                    slabs.sample_next(caches[cache]);
                }
                let gfp = if zeroed { KERNEL | Gfp::__GFP_ZERO } else { KERNEL };
                let object = slabs.take_object(caches[cache], gfp).unwrap();
                assert!(!zeroed || memory.is_filled(object, SIZES[cache], 0));
                memory.fill_object(object, SIZES[cache], byte);
                assert!(live.insert(object.as_u32(), (cache, byte)).is_none());
                if let Some(number) = pool.object_at(object) {
                    open.retain(|(_, by)| *by != Some(number));
                }
            }
            Op::Give { which } => {
                let Some((at, (cache, byte))) = live.iter().nth(which % live.len().max(1)) else {
                    continue;
                };
                let (object, cache) = (VirtAddr::new(*at), *cache);
                assert!(memory.is_filled(object, SIZES[cache], *byte));
                give(slabs, caches[cache], object).unwrap();
                live.remove(&object.as_u32());
                if let Some(number) = pool.object_at(object) {
                    assert!(memory.is_protected(object));
                    open.retain(|(_, by)| *by != Some(number));
                }
            }
            Op::Stray { page, write } => {
                let page = pool.pages().nth(page % pool.pages().count()).unwrap();
                let is_out = live.keys().any(|at| VirtAddr::new(*at).align_down(PAGE_SIZE) == page);
                if is_out || !memory.is_protected(page) {
                    continue;
                }
                let kind = if write { AccessKind::Write } else { AccessKind::Read };
                let at = plus(page, step as i32 * 37 % PAGE_SIZE as i32);
                let report = faults(slabs, at, kind);
                // Whoever is named lies next to the page, or in it.
                if let Some(info) = report.object {
                    let near = [pool.page(info.number), pool.left_guard(info.number)]
                        .into_iter()
                        .chain([pool.right_guard(info.number)]);
                    assert!(near.into_iter().any(|near| near == page));
                    let is_free = !live.contains_key(&info.object.as_u32());
                    assert_eq!(info.given.is_some(), is_free);
                }
                let by = report.object.map(|info| info.number).or(match pool.place(page) {
                    Some(Place::Object(number)) => Some(number),
                    Some(Place::Guard { left, right }) => left.or(right),
                    None => None,
                });
                open.push((page, by));
            }
            Op::Shrink => _ = slabs.shrink_all(),
        }
        assert_eq!(slabs.validate(), Ok(()));
        assert!(memory.told().is_empty(), "a mistake is found that nobody made");
        for page in pool.pages() {
            let is_out = live.keys().any(|at| VirtAddr::new(*at).align_down(PAGE_SIZE) == page);
            let may_be_open = is_out || open.iter().any(|(open, _)| *open == page);
            assert!(memory.is_protected(page) || may_be_open, "{page} does not fault");
            assert!(!(is_out && memory.is_protected(page)), "{page} faults");
        }
        for (cache, kmem_cache) in caches.iter().enumerate() {
            let out: Vec<_> = slabs.live_objects(kmem_cache).map(VirtAddr::as_u32).collect();
            let expected = live.iter().filter(|(_, (of, _))| *of == cache).map(|(at, _)| *at);
            assert_eq!(out, expected.collect::<Vec<_>>());
        }
    }
    for (at, (cache, byte)) in live {
        assert!(memory.is_filled(VirtAddr::new(at), SIZES[cache], byte));
        give(slabs, caches[cache], VirtAddr::new(at)).unwrap();
    }
    for cache in caches {
        // SAFETY: 1. it was created once; 2. and 3. nobody uses it.
        unsafe { slabs.destroy(cache) }.unwrap();
    }
    check(slabs);
    assert_eq!(slabs.kfence_figures().allocated, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_object_is_an_object(ops in prop::collection::vec(op(), 1..120)) {
        with_pool(PAGES, OBJECTS, |slabs| run(slabs, &ops));
    }
}
