//! What each kind of damage is reported as. A checker that sees nothing would pass every other test.

use super::*;
use crate::frame::page::Link;

type Damage<'a> = &'a dyn Fn(&mut Buddy, &FrameTable<'_>, &Counts);

#[test]
fn validate_sees_damage() {
    let allocated = |size| allocated(size, Movable);
    let foreign = |size| Head::free(order(size), OTHER_ZONE, Movable);
    let list_length = |mobility, size, recorded, linked, found| Inconsistency::ListLength {
        order: order(size),
        mobility,
        recorded,
        linked,
        found,
    };
    let broken_link = |mobility, size, at| Inconsistency::BrokenLink {
        order: order(size),
        mobility,
        pfn: pfn(at),
    };
    // 0: allocated page; 1, 2, 4: free blocks of orders 0, 1, 2; 8: free block of order 3.
    let cases: [(&str, Damage<'_>, Inconsistency); 20] = [
        (
            "a word that nothing writes",
            &|_, frames, _| frames.at(pfn(3)).set_head(Page::of_words([0xff, 0, 0, 0]).head()),
            Inconsistency::Stray { pfn: pfn(3) },
        ),
        (
            "such a word where a block begins",
            &|_, frames, _| frames.at(pfn(0)).set_head(Page::of_words([0xff, 0, 0, 0]).head()),
            Inconsistency::Corrupt { pfn: pfn(0), word: 0xff },
        ),
        (
            "a head inside a free block",
            &|_, frames, _| frames.at(pfn(9)).set_head(allocated(0)),
            Inconsistency::Stray { pfn: pfn(9) },
        ),
        (
            "another zone's block",
            &|_, frames, _| frames.at(pfn(0)).set_head(foreign(0)),
            Inconsistency::Foreign { pfn: pfn(0) },
        ),
        (
            "a block beyond the end",
            &|_, frames, _| frames.at(pfn(8)).set_head(allocated(4)),
            Inconsistency::Misplaced { pfn: pfn(8), order: order(4) },
        ),
        (
            "a block that is not aligned",
            &|_, frames, _| frames.at(pfn(1)).set_head(allocated(1)),
            Inconsistency::Misplaced { pfn: pfn(1), order: order(1) },
        ),
        (
            "two free buddies",
            &|buddy, frames, counts| {
                buddy.enlist_back(frames, counts, pfn(0), order(0), Movable);
            },
            Inconsistency::Unmerged { pfn: pfn(0), order: order(0) },
        ),
        (
            "two free buddies on different lists",
            &|buddy, frames, counts| {
                buddy.enlist_back(frames, counts, pfn(0), order(0), Unmovable);
            },
            Inconsistency::Unmerged { pfn: pfn(0), order: order(0) },
        ),
        (
            "an allocated block on a list",
            &|_, frames, _| frames.at(pfn(1)).set_head(allocated(0)),
            broken_link(Movable, 0, 1),
        ),
        (
            "a stacked block on a list",
            &|_, frames, _| frames.at(pfn(1)).set_head(stacked(0, Movable)),
            broken_link(Movable, 0, 1),
        ),
        (
            "a block on another mobility's list than it says",
            &|_, frames, _| frames.at(pfn(1)).set_head(free(0, Reclaimable)),
            broken_link(Movable, 0, 1),
        ),
        (
            "a link back that disagrees",
            &|_, frames, _| frames.at(pfn(2)).set_prev(Link::to(pfn(1))),
            broken_link(Movable, 1, 2),
        ),
        (
            "a link to outside the table",
            &|_, frames, _| {
                // The walk stops at one more than there are, so the block must not count.
                frames.at(pfn(2)).set_next(Link::to(pfn(77)));
            },
            broken_link(Movable, 1, 77),
        ),
        (
            "a list that bites its tail",
            &|_, frames, _| {
                frames.at(pfn(2)).set_next(Link::to(pfn(2)));
            },
            broken_link(Movable, 1, 2),
        ),
        (
            "a free block on no list",
            &|buddy, frames, counts| {
                buddy.unlist(frames, counts, pfn(4), order(2), Movable);
            },
            list_length(Movable, 2, 0, 0, 1),
        ),
        (
            "a count of blocks too high",
            &|_, _, counts| counts.add(order(1), HighAtomic),
            list_length(HighAtomic, 1, 1, 0, 0),
        ),
        (
            "a bit that says filled",
            &|buddy, _, _| buddy.filled[Reclaimable.index()] |= 1 << 7,
            list_length(Reclaimable, 7, 0, 0, 0),
        ),
        (
            "a bit that says empty",
            &|buddy, _, _| buddy.filled[Movable.index()] &= !(1 << 3),
            list_length(Movable, 3, 1, 1, 1),
        ),
        (
            "a list whose end is elsewhere",
            &|buddy, frames, counts| {
                // Taken off through a copy of the list, whose end then is not the list's.
                let mut copy = buddy.lists[2][Movable.index()].clone();
                copy.remove(frames, pfn(4));
                copy.push_back(frames, pfn(4), free(2, Movable));
                copy.push_back(frames, pfn(0), free(2, Unmovable));
                frames.at(pfn(4)).set_next(Link::NONE);
                frames.at(pfn(0)).set_head(allocated(0));
                buddy.lists[2][Movable.index()] = copy;
                let _ = counts;
            },
            broken_link(Movable, 2, 0),
        ),
        (
            "a wrong count of pages",
            &|_, _, counts| counts.add_pages(1),
            Inconsistency::FreePages { recorded: 16, found: 15 },
        ),
    ];
    for (name, damage, expected) in cases {
        let mut arena = Arena::free(0, 16);
        assert_eq!(arena.alloc(0), Some(0));
        arena.check();
        arena.with(damage);
        assert_eq!(arena.validate(), Err(expected), "{name}");
    }
}

#[test]
fn validate_says_where_the_other_pages_are() {
    let mut arena = Arena::free(0, 16);
    let (one, two, four) = (arena.alloc(0), arena.alloc(1), arena.alloc(2));
    assert_eq!((one, two, four), (Some(0), Some(2), Some(4)));
    arena.frames().at(pfn(2)).set_head(stacked(1, Movable));
    arena.frames().at(pfn(4)).set_head(bad(2, Movable));
    assert_eq!(arena.validate(), Ok(Elsewhere { allocated: 1, stacked: 2, bad: 4 }));
}

#[test]
fn each_inconsistency_says_where() {
    let (at, size) = (pfn(0x40010), order(2));
    let mobility = Movable;
    for (inconsistency, text) in [
        (
            Inconsistency::Corrupt { pfn: at, word: 0xff },
            "pfn 0x40010: corrupt descriptor 0x000000ff",
        ),
        (Inconsistency::Stray { pfn: at }, "pfn 0x40010: a block's head inside another block"),
        (
            Inconsistency::Misplaced { pfn: at, order: size },
            "pfn 0x40010: no place for a block of order 2",
        ),
        (Inconsistency::Foreign { pfn: at }, "pfn 0x40010: block of another zone"),
        (
            Inconsistency::Unmerged { pfn: at, order: size },
            "pfn 0x40010: free beside its free buddy of order 2",
        ),
        (
            Inconsistency::BrokenLink { order: size, mobility, pfn: at },
            "list of order 2, Movable: broken link at pfn 0x40010",
        ),
        (
            Inconsistency::ListLength { order: size, mobility, recorded: 1, linked: 2, found: 3 },
            "list of order 2, Movable: length 1, but 2 linked of 3 free",
        ),
        (Inconsistency::FreePages { recorded: 1, found: 2 }, "1 pages counted as free, but 2 are"),
    ] {
        assert_eq!(inconsistency.to_string(), text);
    }
}
