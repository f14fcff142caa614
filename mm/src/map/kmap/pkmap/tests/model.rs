//! Random maps, unmaps and flushes against a plain map of frames to users.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Maps the frame with this number.
    Map(usize),
    /// Unmaps the use with this number.
    Unmap(usize),
    /// Unmaps what nothing is mapped at, or nobody uses.
    UnmapWrongly(u32),
    /// The owner gives the frame up and takes another one.
    Replace(usize),
    Flush,
}

/// Few frames, so that slots are found again, or many, so that they go round.
fn steps(frames: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..frames).prop_map(Step::Map),
        9 => any::<usize>().prop_map(Step::Unmap),
        1 => (0..516_u32).prop_map(Step::UnmapWrongly),
        2 => (0..frames).prop_map(Step::Replace),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 0..1500)
}

fn run(frames: usize, steps: &[Step]) {
    with_pkmap::<1>(|pkmap, pages, table| {
        let mut blocks = highs(pages, frames);
        // Who uses what, and how often each frame is used.
        let mut uses: Vec<(Pfn, VirtAddr)> = Vec::new();
        let mut users: BTreeMap<Pfn, (VirtAddr, u32)> = BTreeMap::new();
        for step in steps {
            match *step {
                Step::Map(number) => {
                    let pfn = blocks[number].pfn();
                    match pkmap.kmap_raw(pfn) {
                        Ok(virt) => {
                            uses.push((pfn, virt));
                            let (at, count) = users.entry(pfn).or_insert((virt, 0));
                            assert_eq!(*at, virt, "a frame in use stays where it is");
                            *count += 1;
                        }
                        Err(error) => {
                            assert_eq!(error.why(), WhyNotMapped::AllPinned { pfn });
                            assert_eq!((users.len(), users.get(&pfn)), (512, None));
                        }
                    }
                }
                Step::Unmap(number) if !uses.is_empty() => {
                    let (pfn, virt) = uses.swap_remove(number % uses.len());
                    pkmap.kunmap_raw(virt).unwrap();
                    let (_, count) = users.get_mut(&pfn).unwrap();
                    *count -= 1;
                    if *count == 0 {
                        users.remove(&pfn);
                    }
                }
                Step::Unmap(_) => {}
                Step::UnmapWrongly(number) => {
                    let virt = VirtAddr::new(START - 4 * PAGE_SIZE + number * PAGE_SIZE);
                    if !users.values().any(|(at, _)| *at == virt) {
                        assert_eq!(pkmap.kunmap_raw(virt), Err(NotUnmapped { virt }));
                        assert!(matches!(pages.platform().told()[..], [Told::WrongUnmap(_)]));
                    }
                }
                Step::Replace(number) => {
                    let pfn = blocks[number].pfn();
                    if !users.contains_key(&pfn) {
                        let new = high(pages);
                        assert!(!users.contains_key(&new.pfn()));
                        blocks[number] = new;
                        // Free and still mapped is what must never be.
                        assert!(!(is_free(pages, pfn) && table.knows(pfn)));
                    }
                }
                Step::Flush => {
                    pkmap.flush_unused();
                    assert_eq!(table.mapped(), users.len());
                    table.flushes();
                }
            }
            for (pfn, virt) in uses.iter().rev().take(3) {
                assert_eq!(table.read(*virt), *pfn);
            }
        }
        let figures = pkmap.figures();
        assert_eq!((figures.used as usize, figures.users as usize), (users.len(), uses.len()));
        check(pkmap, table);
        for (_, virt) in uses {
            pkmap.kunmap_raw(virt).unwrap();
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn few_frames(steps in steps(24)) {
        run(24, &steps);
    }

    #[test]
    fn more_frames_than_slots(steps in steps(1500)) {
        run(1500, &steps);
    }
}
