//! Making an allocator, and handing memory over to it.

use super::*;
use crate::frame::head::Head;
use crate::frame::validate::Elsewhere;
use crate::frame::{self, PageBlocks};

/// DMA 0..8, Normal 8..12, HighMem 12..20: the borders fall inside what could be one block.
const SMALL: [u32; 4] = [0, 8, 12, 20];

#[test]
fn buddies_do_not_merge_across_a_border() {
    let memory = Memory::new(0, 20);
    let allocator = memory.allocator::<1>(SMALL);
    allocator.release(range(0, 20)).unwrap();
    assert_eq!(free_pages(&allocator), [8, 4, 8]);
    let at_boot = free_blocks(&allocator);
    assert_eq!((at_boot[0][3], at_boot[1][2], at_boot[2][2]), (1, 1, 2));

    // 8 and 12 are buddies of order 2, but in two zones.
    let gfp = Gfp::GFP_NOWAIT;
    let normal = allocator.alloc_raw_in(ZoneKind::Normal, gfp, order(2)).unwrap();
    let high = allocator.alloc_raw_in(ZoneKind::HighMem, gfp, order(2)).unwrap();
    assert_eq!((normal, high), (pfn(8), pfn(12)));
    allocator.free_block(high, order(2)).unwrap();
    allocator.free_block(normal, order(2)).unwrap();
    assert_eq!(free_blocks(&allocator), at_boot);
    allocator.validate().unwrap();
}

#[test]
fn before_it_starts_every_request_goes_to_the_zones() {
    let memory = Memory::new(0, 4096);
    let allocator = memory.allocator::<1>([0, 0, 4096, 4096]);
    assert_eq!(allocator.managed(), [0; 3]);
    assert!(allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).is_err());
    allocator.release(range(0, 4096)).unwrap();
    // Without watermarks down to the last page.
    let taken = exhaust(&allocator, Gfp::GFP_NOWAIT, order(0));
    assert_eq!((taken.len(), free_pages(&allocator)), (4096, [0; 3]));
    allocator.start();
    give_back(&allocator, taken, order(0));
    assert_eq!(allocator.figures().managed(), 4096);
}

#[test]
fn release_takes_all_or_nothing() {
    let memory = Memory::new(0, 24);
    let mut spans = spans([0, 8, 8, 8]);
    spans[1] = ZoneSpan { kind: ZoneKind::Normal, range: range(10, 16), present: 4 };
    let machine = memory.allocator::<1>([0; 4]).platform;
    let allocator: Allocator<'_> = PageAllocator::new(memory.table(), &spans, machine).unwrap();
    allocator.release(range(2, 4)).unwrap();

    let owned = ReleaseError::Frames(frame::ReleaseError::Owned { pfn: pfn(3) });
    let too_many = ReleaseError::MoreThanPresent { kind: ZoneKind::Normal, managed: 5, present: 4 };
    for (start, end, error) in [
        (4, 11, ReleaseError::NoZone { pfn: pfn(8) }),
        (9, 11, ReleaseError::NoZone { pfn: pfn(9) }),
        (15, 20, ReleaseError::NoZone { pfn: pfn(16) }),
        (30, 31, ReleaseError::NoZone { pfn: pfn(30) }),
        (10, 15, too_many),
        (3, 5, owned),
    ] {
        assert_eq!(allocator.release(range(start, end)), Err(error), "{start}..{end}");
        assert_eq!(allocator.managed(), [2, 0, 0]);
        allocator.validate().unwrap();
    }
    allocator.release(range(12, 16)).unwrap();
    allocator.release(range(7, 7)).unwrap();
    assert_eq!(allocator.managed(), [2, 4, 0]);
}

#[test]
fn memory_that_comes_later_moves_the_watermarks() {
    let memory = Memory::new(0, 8192);
    let allocator = memory.allocator::<1>([0, 0, 8192, 8192]);
    allocator.release(range(0, 4096)).unwrap();
    allocator.start();
    let before = allocator.zone(ZoneKind::Normal).watermarks();
    let page = allocator.alloc_page(Gfp::GFP_KERNEL).unwrap();
    allocator.release(range(4096, 8192)).unwrap();
    assert_eq!(allocator.zone(ZoneKind::Normal).watermarks(), before, "not by itself");
    allocator.start();
    assert!(allocator.zone(ZoneKind::Normal).watermarks().min > before.min);
    allocator.validate().unwrap();
    drop(page);
    allocator.validate().unwrap();
}

/// What lower zones gave in its place still goes back to their stacks.
#[test]
fn memory_may_come_to_a_zone_that_had_none() {
    let memory = Memory::new(0, 12288);
    let allocator = memory.allocator::<1>([0, 4096, 8192, 12288]);
    allocator.release(range(0, 4096)).unwrap();
    allocator.start();
    let mut pages = vec![];
    for (gfp, start) in [(Gfp::GFP_KERNEL, 4096), (Gfp::GFP_HIGHUSER, 8192)] {
        let take = || allocator.alloc_page(gfp).unwrap();
        pages.extend((0..3).map(|_| take()));
        drop(pages.swap_remove(0));
        allocator.release(range(start, start + 4096)).unwrap();
        allocator.validate().unwrap();
        // Between the two calls, too.
        drop(take());
        drop(pages.pop());
        allocator.validate().unwrap();
        allocator.start();
        allocator.validate().unwrap();
        assert!(take().pfn() >= pfn(start));
        let page = pages.pop().unwrap();
        let lower = zone_of(&allocator, page.pfn()).unwrap();
        let held = || allocator.figures().zone(lower).in_stacks();
        let before = held();
        drop(page);
        assert_eq!(held(), before + 1, "in its own zone's stack");
        allocator.validate().unwrap();
    }
}

#[test]
fn spans_must_ascend_and_be_covered() {
    let memory = Memory::new(4, 20);
    let build = |spans: [ZoneSpan; 3]| {
        let machine = memory.allocator::<1>([0; 4]).platform;
        PageAllocator::<_, 1>::new(memory.table(), &spans, machine).err()
    };
    let [dma, normal, high] = ZoneKind::ALL;
    let none = ZoneSpan::empty;
    let span = |kind, start, end| ZoneSpan { kind, range: range(start, end), present: end - start };
    assert_eq!(build([none(dma), none(normal), none(high)]), None);
    assert_eq!(build([span(dma, 4, 8), none(normal), span(high, 8, 20)]), None);
    assert_eq!(
        build([none(normal), none(dma), none(high)]),
        Some(SpanError::WrongKind { expected: dma, given: normal })
    );
    assert_eq!(
        build([span(dma, 4, 9), none(normal), span(high, 8, 20)]),
        Some(SpanError::Overlap { kind: high, start: pfn(8) })
    );
    for (start, end) in [(3, 8), (4, 21), (20, 22)] {
        assert_eq!(
            build([span(dma, start, end), none(normal), none(high)]),
            Some(SpanError::NotCovered { kind: dma })
        );
    }
    let mut greedy = span(dma, 4, 8);
    greedy.present = 5;
    assert_eq!(
        build([greedy, none(normal), none(high)]),
        Some(SpanError::TooManyPresent { kind: dma, present: 5, spanned: 4 })
    );
}

#[test]
fn validate_adds_up_each_zone() {
    let memory = Memory::new(0, 20);
    let mut allocator = memory.allocator::<1>(SMALL);
    allocator.release(range(0, 20)).unwrap();
    let kind = ZoneKind::Normal;
    allocator.zone(kind).add_managed(1);
    let elsewhere = Elsewhere::default();
    let error = Inconsistency::Managed { kind, managed: 5, free: 4, elsewhere };
    assert_eq!(allocator.validate(), Err(error));
    assert_eq!(
        error.to_string(),
        "zone Normal: 5 pages managed, but 4 free, 0 allocated, 0 in stacks and 0 bad"
    );

    // As many pages as are managed, but more than are there.
    let mut spans = spans(SMALL);
    spans[1].present = 3;
    allocator.zones[1] = Zone::new(&spans[1]);
    allocator.zone(kind).add_managed(4);
    let taken = memory.table();
    {
        let buddy = allocator.zones[1].buddy.get_mut();
        let counts = &allocator.zones[1].counts;
        taken.at(pfn(8)).set_head(Head::NONE);
        buddy.release(&taken, counts, range(8, 12)).unwrap();
    }
    let error = Inconsistency::MoreThanPresent { kind, managed: 4, present: 3 };
    assert_eq!(allocator.validate(), Err(error));
}

#[test]
fn validate_counts_the_stacks() {
    let memory = Memory::new(0, 4096);
    let allocator = started::<1>(&memory, [0, 0, 4096, 4096]);
    let page = allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).unwrap();
    let held = allocator.figures().zone(ZoneKind::Normal).in_stacks() as u32;
    allocator.validate().unwrap();
    let head = memory.table().at(page).head();
    memory.table().at(page).set_head(head.toggle_stacked());
    let kind = ZoneKind::Normal;
    let error = Inconsistency::Stacked { kind, counted: held, found: held + 1 };
    assert_eq!(allocator.validate(), Err(error));
    memory.table().at(page).set_head(head);
    allocator.validate().unwrap();
}

#[test]
fn validate_sees_blocks_outside_every_zone() {
    let memory = Memory::new(0, 24);
    let allocator = memory.allocator::<1>([2, 8, 8, 20]);
    allocator.release(range(2, 20)).unwrap();
    for at in [0, 1, 20, 23] {
        allocator.validate().unwrap();
        memory.table().at(pfn(at)).set_head(Head::allocated(order(0), Class::of_flags(0)));
        assert_eq!(allocator.validate(), Err(Inconsistency::NoZone { pfn: pfn(at) }));
        memory.table().at(pfn(at)).set_head(Head::NONE);
    }
}

/// Requests of a class that contradicts itself are refused, so nothing has a head with such a class; one
/// that was overwritten leads to a stack that is always closed. The frame says whose the block is.
#[test]
fn a_block_of_a_corrupt_class_goes_back_to_its_own_zone() {
    let memory = Memory::new(0, 4096);
    let allocator = started::<1>(&memory, [0, 2048, 4096, 4096]);
    let contradictions =
        (0..Class::COUNT).filter(|bits| Gfp::from_bits_retain(*bits).check().is_err());
    let mut count = 0;
    for (class, size) in contradictions.flat_map(|bits| [0, 3, 4].map(|size| (bits, size))) {
        let at = allocator.alloc_raw_in(ZoneKind::Dma, Gfp::GFP_NOWAIT, order(size)).unwrap();
        allocator.drain();
        let free = free_pages(&allocator);
        memory.table().at(at).set_head(Head::allocated(order(size), Class::of_flags(class)));
        assert_eq!(allocator.free_block(at, order(size)), Ok(()), "{class:#x}");
        assert_eq!(free_pages(&allocator), [free[0] + (1 << size), free[1], 0], "{class:#x}");
        allocator.validate().unwrap();
        count += 1;
    }
    assert!(count > 0);
}

/// Where a stack is open for such a block nobody looks further than at its head, and there not at bit 0.
#[test]
fn a_corrupt_head_is_an_error() {
    let memory = Memory::new(0, 4200);
    let allocator = started::<1>(&memory, [0, 2048, 4096, 4096]);
    let wrong = |at: Pfn, size, error| {
        let before = memory.table().at(at).head();
        assert_eq!(allocator.free_block(at, order(size)), Err(NotFreed { pfn: at }), "{size}");
        assert_eq!(allocator.platform().told(), [Told::WrongFree(error)]);
        assert_eq!(memory.table().at(at).head(), before);
    };
    // A bit that nothing sets, and further references to what was never shared.
    let at = allocator.alloc_block(Gfp::GFP_DMA, order(1)).unwrap();
    let page = memory.table().at(at);
    let good = page.head();
    for bit in [15, 16] {
        let word = page.words()[0] | 1 << bit;
        page.set_head(frame::Page::of_words([word, 0, 0, 0]).head());
        let block = frame::Block { head: at, state: PageState::Corrupt { word } };
        wrong(at, 1, FreeError::Corrupt { pfn: at, block });
        page.set_head(good);
    }
    allocator.free_block(at, order(1)).unwrap();

    // A frame of no zone.
    let beyond = pfn(4096);
    for (size, class) in [(0, 3), (3, 3), (4, 0), (4, 3), (5, 0x12)] {
        let head = Head::allocated(order(size), Class::of_flags(class));
        memory.table().at(beyond).set_head(head);
        wrong(beyond, size, FreeError::OtherZone { pfn: beyond });
        assert_eq!(allocator.validate(), Err(Inconsistency::NoZone { pfn: beyond }));
    }
    memory.table().at(beyond).set_head(Head::NONE);
    allocator.validate().unwrap();
}

/// The quick way looks at the head only, and takes a small block of no zone. That one is lost, and no other.
#[test]
fn a_stray_block_in_a_stack_takes_no_other_with_it() {
    let memory = Memory::new(0, 4200);
    let allocator = started::<1>(&memory, [0, 0, 4096, 4096]);
    let at_boot = free_blocks(&allocator);
    let pages = [0, 1].map(|_| allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).unwrap());
    let head = memory.table().at(pages[0]).head();
    memory.table().at(pfn(4100)).set_head(head);
    for at in [pages[0], pfn(4100), pages[1]] {
        allocator.free_block(at, order(0)).unwrap();
    }
    allocator.drain();
    assert_eq!(free_blocks(&allocator), at_boot);
    memory.table().at(pfn(4100)).set_head(Head::NONE);
    allocator.validate().unwrap();
}

/// A descriptor is 16 bytes, which `frame::page` asserts. All else that the allocator needs is less than a
/// thousandth of memory: itself, with the stacks of as many CPUs as it may have, and page blocks.
#[test]
fn beside_descriptors_a_thousandth_of_memory_is_never_reached() {
    let machine = size_of::<TestMachine<'_>>();
    let itself = [
        size_of::<Allocator<'_, 1>>(),
        size_of::<Allocator<'_, 2>>(),
        size_of::<Allocator<'_, 4>>(),
        size_of::<Allocator<'_, MAX_CPUS>>(),
    ];
    for mebibytes in [48, 64, 100, 256, 512, 1024, 2048, 3072, 4095] {
        let frames = range(0x40000, 0x40000 + mebibytes * 256);
        let blocks = PageBlocks::bytes_for(frames);
        for bytes in itself.map(|bytes| bytes - machine + blocks) {
            let limit = mebibytes as usize * (1 << 20) / 1000;
            assert!(bytes < limit, "{bytes} bytes of {limit} at {mebibytes} MiB");
        }
    }
}
