//! The rules one by one.

use super::*;

#[test]
fn lowmem_has_its_address_and_no_slot() {
    with_pkmap::<1>(|pkmap, pages, table| {
        let block = pages.alloc_page(Gfp::GFP_KERNEL).unwrap();
        let map = pkmap.kmap(block.pfn()).unwrap();
        let virt = VirtAddr::new(PAGE_OFFSET + (block.pfn().as_u32() << PAGE_SHIFT));
        assert_eq!(map.address(), virt);
        assert_eq!(pkmap.kmap_to_pfn(virt), Some(block.pfn()));
        assert_eq!(pkmap.page_address(block.pfn()), Some(virt));
        assert_eq!(table.mapped(), 0);
        drop(map);
        pkmap.kunmap_raw(virt).unwrap();
        // Not even memory: lowmem is lowmem.
        assert!(pkmap.kmap_raw(Pfn::new(0)).is_ok());
    });
}

#[test]
fn a_frame_has_one_slot_whoever_maps_it() {
    with_pkmap::<1>(|pkmap, pages, table| {
        let block = high(pages);
        let pfn = block.pfn();
        assert_eq!(pkmap.page_address(pfn), None);
        let maps: Vec<_> = (0..5).map(|_| pkmap.kmap(pfn).unwrap()).collect();
        assert!(maps.iter().all(|map| map.address() == slot(1)), "the first slot is 1");
        assert_eq!(table.read(slot(1)), pfn);
        assert_eq!((pkmap.figures().used, pkmap.figures().users), (1, 5));
        assert_eq!(pkmap.page_address(pfn), Some(slot(1)));
        drop(maps);
        let figures = pkmap.figures();
        assert_eq!((figures.used, figures.idle, figures.free), (0, 1, 511));
        assert_eq!(table.read(slot(1)), pfn, "an idle slot stays mapped");
        assert_eq!(pkmap.kmap_to_pfn(VirtAddr::new(slot(1).as_u32() + 77)), Some(pfn));
        assert_eq!(pkmap.kmap(pfn).unwrap().address(), slot(1), "and is found again");
        assert!(table.flushes().is_empty());
        pkmap.flush_unused();
        assert_eq!(pkmap.page_address(pfn), None);
    });
}

#[test]
fn slots_go_round_with_one_flush_a_wrap() {
    with_pkmap::<1>(|pkmap, pages, table| {
        let blocks = highs(pages, 1200);
        let busy = pkmap.kmap(blocks[0].pfn()).unwrap();
        assert_eq!(busy.address(), slot(1));
        let (mut expected, mut wraps) = (2, 0);
        for block in &blocks[1..] {
            if expected == 512 {
                (expected, wraps) = (0, wraps + 1);
            }
            if expected == 1 {
                expected = 2;
            }
            let map = pkmap.kmap(block.pfn()).unwrap();
            assert_eq!(map.address(), slot(expected));
            assert_eq!(table.read(map.address()), block.pfn());
            expected += 1;
            let flushes = table.flushes();
            let is_wrap = expected == 1 && wraps > 0;
            assert_eq!(flushes.len(), usize::from(is_wrap), "exactly one at each wrap");
            if is_wrap {
                // All but slot 0, which was free at the first, and 1, which has a user, in one range.
                let first = if wraps == 1 { slot(2) } else { slot(0) };
                assert_eq!(flushes, [VirtRange::new(first, region().end())]);
                check(pkmap, table);
            }
        }
        assert_eq!((wraps, pkmap.figures().flushes), (2, 2));
        assert_eq!(table.read(busy.address()), blocks[0].pfn());
    });
}

#[test]
fn an_idle_slot_keeps_its_frame_until_the_flush() {
    with_pkmap::<1>(|pkmap, pages, table| {
        for order in [0, 3].into_iter().filter_map(Order::new) {
            let block = pages.alloc_pages(Gfp::GFP_HIGHUSER, order).unwrap();
            let inside = Pfn::new(block.frames().end().as_u32() - 1);
            drop(pkmap.kmap(inside).unwrap());
            let first = block.pfn();
            drop(block);
            assert!(!is_free(pages, first) && table.knows(inside));
            assert_eq!(pkmap.shrinker_count(), 1);
            assert_eq!(pkmap.shrink(1, Gfp::GFP_KERNEL), order.pages());
            assert!(is_free(pages, first) && !table.knows(inside));
            assert_eq!(pkmap.flush_unused(), 0);
        }
        // A flush that frees nothing, since the owner has the frame still.
        let block = high(pages);
        drop(pkmap.kmap(block.pfn()).unwrap());
        assert_eq!(pkmap.flush_unused(), 0);
        assert!(!table.knows(block.pfn()));
    });
}

impl<const CPUS: usize> Map<'_, '_, CPUS> {
    fn shrinker_count(&self) -> u32 {
        Shrinker::count(self)
    }
}

#[test]
fn a_request_that_finds_no_memory_gets_the_idle_slots_frames() {
    with_pkmap::<1>(|pkmap, pages, _| {
        let idle = highs(pages, 300);
        for block in &idle {
            drop(pkmap.kmap(block.pfn()).unwrap());
        }
        drop(idle);
        let before = pages.figures().free();
        assert_eq!(pkmap.shrink(32, Gfp::GFP_KERNEL), 300);
        pages.drain();
        assert_eq!(pages.figures().free(), before + 300);
    });
}

#[test]
fn when_all_are_pinned_there_is_an_error_unless_somebody_helps() {
    with_pkmap::<1>(|pkmap, pages, table| {
        let blocks = highs(pages, 514);
        let mut maps: Vec<_> =
            blocks[..512].iter().map(|block| Some(pkmap.kmap(block.pfn()).unwrap())).collect();
        let [one, two] = [blocks[512].pfn(), blocks[513].pfn()];
        let why = |pfn| pkmap.kmap(pfn).unwrap_err().why();
        assert_eq!(why(one), WhyNotMapped::AllPinned { pfn: one });
        assert_eq!(pages.platform().shortages().len(), 1);
        assert!(table.flushes().is_empty(), "nothing was idle, so nothing is flushed");
        // A frame that is mapped needs no slot.
        assert_eq!(pkmap.kmap(blocks[7].pfn()).unwrap().address(), slot(8));
        // Somebody may help, and does not.
        pages.platform().answer([Answer::Retry, Answer::Retry]);
        assert_eq!(why(two), WhyNotMapped::AllPinned { pfn: two });
        let rounds: Vec<_> = pages.platform().shortages().iter().map(|wait| wait.round).collect();
        assert_eq!(rounds, [0, 1, 2]);
        // One slot comes free.
        drop(maps[100].take());
        assert_eq!(pkmap.kmap(two).unwrap().address(), slot(101));
        assert!(pages.platform().shortages().is_empty());
        check(pkmap, table);
    });
}

#[test]
fn who_waited_looks_whether_the_frame_is_mapped_meanwhile() {
    let (pkmap, pages, table) = forever();
    let frames: Vec<_> = highs(pages, 513).into_iter().map(PageBlock::into_raw).collect();
    let maps: Vec<_> = frames[..512].iter().map(|pfn| pkmap.kmap_raw(*pfn).unwrap()).collect();
    let wanted = frames[512];
    // While the first waits, somebody gives up a slot and maps the very frame.
    pages.platform().on_wait(move |shortage| {
        assert_eq!((shortage.round, shortage.order), (0, Order::ZERO));
        pkmap.kunmap_raw(maps[3]).unwrap();
        assert_eq!(pkmap.kmap_raw(wanted).unwrap(), maps[3]);
        Answer::Retry
    });
    assert_eq!(pkmap.kmap_raw(wanted), Ok(slot(4)));
    assert_eq!(pkmap.slots().find(|slot| slot.pfn == wanted).map(|slot| slot.users), Some(2));
    let references = pages.frames().block_of(wanted).map(|block| block.state);
    assert!(
        matches!(references, Some(PageState::Allocated { further_references: 1, .. })),
        "the owner's reference and the slot's: {references:?}"
    );
    check(pkmap, &table);
}

#[test]
fn what_is_unmapped_wrongly_is_reported_and_nothing_changes() {
    with_pkmap::<1>(|pkmap, pages, table| {
        let block = high(pages);
        let virt = pkmap.kmap_raw(block.pfn()).unwrap();
        let pfn = block.pfn();
        pkmap.kunmap_raw(virt).unwrap();
        let lowmem_end = VirtAddr::new(PAGE_OFFSET + (BORDER << PAGE_SHIFT));
        let wrong = [
            (virt, WrongUnmap::NoUser { virt, pfn }),
            (slot(0), WrongUnmap::NotMapped { virt: slot(0) }),
            (slot(511), WrongUnmap::NotMapped { virt: slot(511) }),
            (VirtAddr::new(START - 1), WrongUnmap::NoSlot { virt: VirtAddr::new(START - 1) }),
            (lowmem_end, WrongUnmap::NoSlot { virt: lowmem_end }),
            (VirtAddr::new(0), WrongUnmap::NoSlot { virt: VirtAddr::new(0) }),
        ];
        for (virt, error) in wrong {
            assert_eq!(pkmap.kunmap_raw(virt), Err(NotUnmapped { virt }));
            assert_eq!(pages.platform().told(), [Told::WrongUnmap(error)]);
        }
        assert_eq!((pkmap.figures().idle, table.mapped()), (1, 1));
    });
}

#[test]
fn a_frame_that_is_not_allocated_is_not_mapped() {
    with_pkmap::<1>(|pkmap, pages, table| {
        let free = high(pages).pfn();
        for pfn in [free, Pfn::new(END), Pfn::new(1 << 20 | free.as_u32()), Pfn::new(u32::MAX >> 3)]
        {
            let error = pkmap.kmap(pfn).unwrap_err();
            assert_eq!(error.why(), WhyNotMapped::NotAllocated { pfn });
        }
        assert_eq!(table.mapped(), 0);
        let block = high(pages);
        let map = pkmap.kmap(block.pfn()).unwrap();
        let alias = Pfn::new(1 << 20 | block.pfn().as_u32());
        assert_eq!(pkmap.kmap(alias).unwrap_err().why(), WhyNotMapped::NotAllocated { pfn: alias });
        drop(map);
    });
}

#[test]
fn users_are_counted_up_to_the_most_there_can_be() {
    with_pkmap::<1>(|pkmap, pages, _| {
        let block = high(pages);
        let pfn = block.pfn();
        let maps: Vec<_> = (0..MAX_USERS).map(|_| pkmap.kmap(pfn).unwrap()).collect();
        assert_eq!(pkmap.figures().users, 2048);
        assert_eq!(pkmap.kmap(pfn).unwrap_err().why(), WhyNotMapped::TooManyUsers { pfn });
        assert_eq!(pkmap.figures().users, 2048, "what was one too many is taken back");
        drop(maps);
        assert_eq!((pkmap.figures().users, pkmap.figures().idle), (0, 1));
        assert_eq!(pkmap.slots().next().map(|slot| slot.pfn), Some(pfn));
    });
}

#[test]
fn references_that_can_not_be_counted_are_an_error() {
    with_pkmap::<1>(|pkmap, pages, table| {
        let block = high(pages);
        let more: Vec<_> = (0..65535).map(|_| block.share().unwrap()).collect();
        let pfn = block.pfn();
        assert_eq!(pkmap.kmap(pfn).unwrap_err().why(), WhyNotMapped::TooManyReferences { pfn });
        assert_eq!(table.mapped(), 0);
        drop(more);
        assert!(pkmap.kmap(pfn).is_ok());
    });
}

#[test]
fn frames_of_one_chain_are_told_apart() {
    with_pkmap::<1>(|pkmap, pages, table| {
        // Frames with the same low bits, so that all have one hint.
        let blocks = highs(pages, 2100);
        let one = blocks[0].pfn().as_u32() % 512;
        let same: Vec<_> =
            blocks.iter().map(PageBlock::pfn).filter(|pfn| pfn.as_u32() % 512 == one).collect();
        assert!(same.len() >= 4, "{same:?}");
        let maps: Vec<_> = same.iter().map(|pfn| pkmap.kmap(*pfn).unwrap()).collect();
        for (pfn, map) in same.iter().zip(&maps) {
            assert_eq!(table.read(map.address()), *pfn);
            assert_eq!(pkmap.kmap(*pfn).unwrap().address(), map.address());
        }
        // A flush keeps those with users in the chain.
        let mut maps = maps;
        drop(maps.remove(1));
        pkmap.flush_unused();
        for (index, pfn) in same.iter().enumerate().filter(|(index, _)| *index != 1) {
            let place = if index == 0 { 0 } else { index - 1 };
            assert_eq!(pkmap.kmap(*pfn).unwrap().address(), maps[place].address());
        }
        check(pkmap, table);
    });
}

#[test]
fn a_region_of_another_size_is_refused() {
    with_pkmap::<1>(|_, pages, table| {
        let page = START - PAGE_SIZE;
        for (start, end) in [
            (START, START),
            (START + 1, PAGE_OFFSET + 1),
            (START, PAGE_OFFSET - 1),
            (page, page + (PAGE_OFFSET - START)),
        ] {
            let region = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
            let made = Pkmap::new(pages, &linear(), region, table.clone());
            assert_eq!(made.err(), Some(BadRegion { region }));
        }
    });
}

#[test]
fn zones_are_what_these_tests_think() {
    with_pkmap::<1>(|_, pages, _| {
        assert_eq!(pages.zone(ZoneKind::HighMem).span().start(), Pfn::new(BORDER));
    });
}
