//! Every state that any sequence of operations can reach on a few frames, of any length: from each
//! state, every allocation, every free and every wrong free is tried.

use std::collections::HashSet;

use super::*;

/// Are page blocks kept apart by mobility?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grouping {
    On,
    Off,
}

/// Searches all states on frames `start..end`, for requests of these mobilities and of orders up to
/// `largest`. Returns how many there are.
fn exhaust(
    (start, end): (u32, u32),
    largest: u8,
    mobilities: &[Mobility],
    grouping: Grouping,
) -> usize {
    let mut boot = Arena::free(start, end);
    boot.buddy.set_grouping(grouping == Grouping::On);
    let at_boot = boot.free_blocks();
    let boot = boot.state();
    let mut seen = HashSet::from([boot.clone()]);
    let mut todo = vec![boot];
    while let Some(state) = todo.pop() {
        let mut visit = |next: &Arena| {
            next.check();
            let next = next.state();
            if !seen.contains(&next) {
                seen.insert(next.clone());
                todo.push(next);
            }
        };
        let before = Arena::of(&state);
        for size in 0..=largest {
            for &mobility in mobilities {
                let mut next = Arena::of(&state);
                match next.alloc_for(mobility, size) {
                    Some(at) => {
                        assert_eq!(at % (1 << size), 0);
                        assert!((at..at + (1 << size)).all(|at| before.is_free(at)));
                        visit(&next);
                    }
                    None => {
                        assert!(!before.has_room(size), "{mobility} {size}: {:?}", state.live);
                        assert!(next.state() == state);
                    }
                }
            }
            for at in start.saturating_sub(1)..=end {
                let mut next = Arena::of(&state);
                let result = next.free_block(at, size);
                assert_eq!(result.is_ok(), state.live.get(&at).is_some_and(|b| b.size == size));
                if result.is_ok() {
                    visit(&next);
                } else {
                    assert!(next.state() == state);
                }
            }
        }
        if state.live.is_empty() {
            assert_eq!(before.free_blocks(), at_boot);
        }
    }
    seen.len()
}

#[test]
fn every_sequence_on_an_aligned_arena() {
    let states = exhaust((8, 16), 4, &[Movable], Grouping::On);
    assert!(states > 500, "{states}");
}

#[test]
fn every_sequence_on_an_arena_with_odd_borders() {
    let states = exhaust((5, 13), 3, &[Movable], Grouping::On);
    assert!(states > 500, "{states}");
}

/// Here a page block's border lies among the frames as well, so that their lists differ.
#[test]
fn every_sequence_of_two_mobilities_across_page_blocks() {
    let states = exhaust((1021, 1027), 2, &[Movable, Unmovable], Grouping::On);
    assert!(states > 500, "{states}");
}

#[test]
fn every_sequence_of_all_mobilities() {
    let states = exhaust((0, 4), 2, &[Unmovable, Movable, Reclaimable], Grouping::On);
    assert!(states > 500, "{states}");
}

/// Without grouping every steal takes the page block, so its byte is part of the state.
#[test]
fn every_sequence_without_grouping() {
    let states = exhaust((0, 4), 2, &[Unmovable, Movable, Reclaimable], Grouping::Off);
    assert!(states > 500, "{states}");
}
