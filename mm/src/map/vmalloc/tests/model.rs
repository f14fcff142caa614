//! Random operations beside a plain map of what is allocated.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::map::area::{AreaKind, AreaState};

#[derive(Clone, Debug)]
enum Op {
    Alloc { pages: u32, shift: u32, is_module: bool },
    Map { pages: u32 },
    Free(usize),
    Resize(usize, u32),
    Purge,
    MakeRoom,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let pages = || prop_oneof![4 => Just(1_u32), 4 => 1_u32..18, 2 => 1_u32..200];
    let shift = prop_oneof![3 => Just(12_u32), 1 => 12_u32..22];
    let op = prop_oneof![
        6 => (pages(), shift, any::<bool>())
            .prop_map(|(pages, shift, is_module)| Op::Alloc { pages, shift, is_module }),
        2 => (1_u32..40).prop_map(|pages| Op::Map { pages }),
        6 => any::<usize>().prop_map(Op::Free),
        2 => (any::<usize>(), pages()).prop_map(|(area, pages)| Op::Resize(area, pages)),
        1 => Just(Op::Purge),
        1 => Just(Op::MakeRoom),
    ];
    prop::collection::vec(op, 1..120)
}

struct Held {
    frames: Vec<Pfn>,
    kind: AreaKind,
}

fn check(bench: &Bench<'_, '_>, held: &BTreeMap<VirtAddr, Held>) {
    bench.region.validate().unwrap();
    let live: Vec<_> = bench
        .region
        .areas()
        .filter(|info| info.state == AreaState::Live)
        .map(|info| (info.range.start(), info.range.len() >> PAGE_SHIFT, info.kind))
        .collect();
    let expected: Vec<_> =
        held.iter().map(|(start, held)| (*start, held.frames.len() as u32, held.kind)).collect();
    assert_eq!(live, expected);
    for (start, Held { frames, .. }) in held {
        assert_eq!(bench.frames(*start, frames.len() as u32), *frames);
        let guard = start.checked_add(frames.len() as u32 * PAGE_SIZE).unwrap();
        assert_eq!(bench.region.vmalloc_to_pfn(guard), None, "{guard} is a guard page");
        assert_eq!(bench.region.guard_of(guard).map(|info| info.range.start()), Some(*start));
    }
    let own = held.values().filter(|held| held.kind != AreaKind::Vmap);
    let used = own.map(|held| held.frames.len() as u32 * PAGE_SIZE).sum::<u32>();
    assert_eq!(bench.region.used_bytes(), used);
    bench.all_frames();
}

fn play(bench: &Bench<'_, '_>, ops: Vec<Op>) {
    let region = bench.region;
    let mut held: BTreeMap<VirtAddr, Held> = BTreeMap::new();
    let mut lent: Vec<crate::zone::PageBlock<'_, '_, Machine>> = Vec::new();
    for op in ops {
        match op {
            Op::Alloc { pages, shift, is_module } => {
                let kind = if is_module { AreaKind::Module } else { AreaKind::Vmalloc };
                let spec = AreaSpec { align_shift: shift, ..AreaSpec::new(kind, Prot::KERNEL, 1) };
                // Any size up to the last byte of the last page.
                let bytes = pages * PAGE_SIZE - pages % 7;
                if let Ok(start) = region.alloc(bytes, QUIET, &spec) {
                    assert!(start.is_aligned(1 << shift));
                    held.insert(start, Held { frames: bench.frames(start, pages), kind });
                }
            }
            Op::Map { pages } => {
                let blocks: Vec<_> =
                    (0..pages).map_while(|_| bench.pages.alloc_page(QUIET).ok()).collect();
                let frames: Vec<_> = blocks.iter().map(|block| block.pfn()).collect();
                if let Ok(start) = region.vmap(&frames, Prot::KERNEL_RO, QUIET, 2) {
                    held.insert(start, Held { frames, kind: AreaKind::Vmap });
                    lent.extend(blocks);
                }
            }
            Op::Free(_) | Op::Resize(..) if held.is_empty() => {}
            Op::Free(index) => {
                let start = *held.keys().nth(index % held.len()).unwrap();
                let Held { frames, kind } = held.remove(&start).unwrap();
                if kind == AreaKind::Vmap {
                    region.vunmap(start).unwrap();
                    lent.retain(|block| !frames.contains(&block.pfn()));
                } else {
                    region.free(start, kind).unwrap();
                }
            }
            Op::Resize(index, pages) => {
                let start = *held.keys().nth(index % held.len()).unwrap();
                if held[&start].kind != AreaKind::Vmalloc {
                    continue;
                }
                if let Ok(now) = region.vrealloc(start, pages * PAGE_SIZE, QUIET, 3) {
                    let old = held.remove(&start).unwrap().frames;
                    let frames = bench.frames(now, pages);
                    let common = old.len().min(frames.len());
                    assert_eq!(old[..common], frames[..common], "what both have has moved");
                    held.insert(now, Held { frames, kind: AreaKind::Vmalloc });
                }
            }
            Op::Purge => _ = region.purge(),
            Op::MakeRoom => _ = region.make_room(),
        }
        check(bench, &held);
    }
    for (start, Held { kind, .. }) in held {
        match kind {
            AreaKind::Vmap => region.vunmap(start).unwrap(),
            kind => region.free(start, kind).unwrap(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_region_as_a_map(ops in ops()) {
        with_region(2048, space(16), |bench| play(bench, ops));
    }

    /// So little of each that much fails.
    #[test]
    fn a_small_region_with_little_memory_as_a_map(ops in ops()) {
        with_region(400, space(1), |bench| play(bench, ops));
    }
}
