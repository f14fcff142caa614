use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::frame::{self, Page};
use crate::zone::Inconsistency;

fn pfn(value: u32) -> Pfn {
    Pfn::new(value)
}

fn order(value: u8) -> Order {
    Order::new(value).unwrap()
}

fn range(start: u32, end: u32) -> PfnRange {
    PfnRange::new(pfn(start), pfn(end))
}

fn span(kind: ZoneKind, start: u32, end: u32) -> ZoneSpan {
    ZoneSpan { kind, range: range(start, end), present: end - start }
}

/// DMA 0..8, Normal 8..12, HighMem 12..20: the borders fall inside what could be one block.
fn small(pages: &mut [Page]) -> PageAllocator<'_> {
    let frames = FrameTable::new(pfn(0), pages).unwrap();
    let spans =
        [span(ZoneKind::Dma, 0, 8), span(ZoneKind::Normal, 8, 12), span(ZoneKind::HighMem, 12, 20)];
    PageAllocator::new(frames, &spans).unwrap()
}

fn free_pages(allocator: &PageAllocator<'_>) -> [u32; 3] {
    allocator.zones().each_ref().map(Zone::free_pages)
}

fn free_blocks(allocator: &PageAllocator<'_>) -> Vec<Vec<u32>> {
    let of_zone = |zone: &Zone| Order::all().map(|order| zone.free_blocks(order)).collect();
    allocator.zones().iter().map(of_zone).collect()
}

#[test]
fn a_request_falls_back_downwards_only() {
    let mut pages = vec![Page::RESERVED; 20];
    let mut allocator = small(&mut pages);
    allocator.release(range(0, 20)).unwrap();
    assert_eq!(free_pages(&allocator), [8, 4, 8]);

    // HighMem is 12..20, whose blocks are of order 2.
    let mut got = || allocator.alloc(ZoneKind::HighMem, order(2)).map(Pfn::as_u32);
    assert_eq!([got(), got(), got(), got(), got()], [Ok(12), Ok(16), Ok(8), Ok(0), Ok(4)]);
    let error = OutOfPages { highest: ZoneKind::HighMem, order: order(2) };
    assert_eq!(got(), Err(error));
    assert_eq!(error.to_string(), "no free block of order 2 for zone HighMem");

    allocator.free(pfn(16), order(2)).unwrap();
    let below = OutOfPages { highest: ZoneKind::Normal, order: order(0) };
    assert_eq!(allocator.alloc(ZoneKind::Normal, order(0)), Err(below));
    let only = OutOfPages { highest: ZoneKind::Dma, order: order(0) };
    assert_eq!(allocator.alloc_in(ZoneKind::Dma, order(0)), Err(only));
    assert_eq!(allocator.alloc_in(ZoneKind::HighMem, order(0)), Ok(pfn(16)));
    allocator.validate().unwrap();
}

#[test]
fn buddies_do_not_merge_across_a_border() {
    let mut pages = vec![Page::RESERVED; 20];
    let mut allocator = small(&mut pages);
    allocator.release(range(0, 20)).unwrap();
    let at_boot = free_blocks(&allocator);
    assert_eq!(allocator.zone(ZoneKind::Normal).free_blocks(order(2)), 1);
    assert_eq!(allocator.zone(ZoneKind::HighMem).free_blocks(order(2)), 2);

    // 8 and 12 are buddies of order 2, but in two zones.
    let normal = allocator.alloc_in(ZoneKind::Normal, order(2)).unwrap();
    let high = allocator.alloc_in(ZoneKind::HighMem, order(2)).unwrap();
    assert_eq!((normal, high), (pfn(8), pfn(12)));
    allocator.free(high, order(2)).unwrap();
    allocator.free(normal, order(2)).unwrap();
    assert_eq!(free_blocks(&allocator), at_boot);
    allocator.validate().unwrap();
}

#[test]
fn release_takes_all_or_nothing() {
    let mut pages = vec![Page::RESERVED; 24];
    let frames = FrameTable::new(pfn(0), &mut pages).unwrap();
    let mut normal = span(ZoneKind::Normal, 10, 16);
    normal.present = 4;
    let spans = [span(ZoneKind::Dma, 0, 8), normal, ZoneSpan::empty(ZoneKind::HighMem)];
    let mut allocator = PageAllocator::new(frames, &spans).unwrap();
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
fn spans_must_ascend_and_be_covered() {
    let build = |spans: [ZoneSpan; 3]| {
        let mut pages = vec![Page::RESERVED; 16];
        let frames = FrameTable::new(pfn(4), &mut pages).unwrap();
        PageAllocator::new(frames, &spans).err()
    };
    let [dma, normal, high] = ZoneKind::ALL;
    let none = ZoneSpan::empty;
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
fn a_corrupt_zone_number_is_an_error() {
    let mut pages = vec![Page::RESERVED; 20];
    pages[3] = Page::allocated(frame::ZoneId::new(3).unwrap(), order(0));
    let frames = FrameTable::resume(pfn(0), &mut pages);
    let spans = [
        span(ZoneKind::Dma, 0, 3),
        ZoneSpan::empty(ZoneKind::Normal),
        ZoneSpan::empty(ZoneKind::HighMem),
    ];
    let mut allocator = PageAllocator::new(frames, &spans).unwrap();
    assert_eq!(allocator.free(pfn(3), order(0)), Err(FreeError::OtherZone { pfn: pfn(3) }));
    assert_eq!(allocator.validate(), Err(Inconsistency::NoZone { pfn: pfn(3) }));
}

#[test]
fn validate_adds_up_each_zone() {
    let mut pages = vec![Page::RESERVED; 20];
    let mut allocator = small(&mut pages);
    allocator.release(range(0, 20)).unwrap();
    let kind = ZoneKind::Normal;
    allocator.zones[kind.index()].managed = 5;
    let error = Inconsistency::Managed { kind, managed: 5, free: 4, allocated: 0 };
    assert_eq!(allocator.validate(), Err(error));
    allocator.zones[kind.index()].managed = 4;
    allocator.zones[kind.index()].present = 3;
    let error = Inconsistency::MoreThanPresent { kind, managed: 4, present: 3 };
    assert_eq!(allocator.validate(), Err(error));
}

/// A machine as a property test makes it: zones of odd sizes, and the frames handed over.
#[derive(Clone, Debug)]
struct Machine {
    base: u32,
    /// Pages in each zone; 0 for a zone that does not exist.
    sizes: [u32; 3],
    /// For each frame upwards in runs: is it handed over (or a hole, or reserved)?
    runs: Vec<(bool, u32)>,
}

impl Machine {
    fn frames(&self) -> u32 {
        self.sizes.iter().sum()
    }

    fn spans(&self) -> [ZoneSpan; 3] {
        let mut start = self.base;
        ZoneKind::ALL.map(|kind| {
            let end = start + self.sizes[kind.index()];
            let span = span(kind, start, end);
            start = end;
            span
        })
    }

    /// The ranges handed over, upwards.
    fn free_ranges(&self) -> Vec<PfnRange> {
        let end = self.base + self.frames();
        let mut at = self.base;
        let mut ranges = Vec::new();
        for &(free, len) in self.runs.iter().cycle() {
            let next = end.min(at + len);
            if free && at < next {
                ranges.push(range(at, next));
            }
            at = next;
            if at == end {
                return ranges;
            }
        }
        ranges
    }
}

fn machine(exists: [bool; 3]) -> impl Strategy<Value = Machine> {
    let size = |exists: bool| if exists { 1..1400u32 } else { 0..1 };
    let sizes = [size(exists[0]), size(exists[1]), size(exists[2])];
    let runs = prop::collection::vec((prop::bool::weighted(0.8), 1..900u32), 1..6);
    // Frame numbers near 0, at 1 GiB, and above 4 GiB.
    let base = prop::sample::select(vec![0, 0x40000, 0x100000]);
    (base, 0..1024u32, sizes, runs).prop_map(|(base, offset, sizes, runs)| Machine {
        base: base + offset,
        sizes,
        runs,
    })
}

#[derive(Clone, Debug)]
enum Op {
    /// From this kind or, where allowed, below.
    Alloc { kind: ZoneKind, fall_back: bool, order: u8 },
    /// The nth of the live blocks.
    Free { nth: prop::sample::Index },
    /// A frame and an order that are most likely wrong.
    WildFree { frame: prop::sample::Index, order: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop::sample::select(ZoneKind::ALL.to_vec());
    // Small orders are common, as in life; each order is possible.
    let order = || prop_oneof![3 => 0..3u8, 1 => 0..=10u8];
    prop_oneof![
        5 => (kind, any::<bool>(), order())
            .prop_map(|(kind, fall_back, order)| Op::Alloc { kind, fall_back, order }),
        4 => any::<prop::sample::Index>().prop_map(|nth| Op::Free { nth }),
        1 => (any::<prop::sample::Index>(), order())
            .prop_map(|(frame, order)| Op::WildFree { frame, order }),
    ]
}

/// The model: plain sets of frames.
struct Model {
    spans: [ZoneSpan; 3],
    free: BTreeSet<u32>,
    live: BTreeMap<u32, u8>,
}

impl Model {
    fn zone_of(&self, frame: u32) -> Option<ZoneKind> {
        self.spans.iter().find(|span| span.range.contains(pfn(frame))).map(|span| span.kind)
    }

    /// Has the zone an aligned run of free frames?
    fn has_room(&self, kind: ZoneKind, size: u8) -> bool {
        let zone = self.spans[kind.index()].range;
        let pages = 1usize << size;
        let first = zone.start().as_u32().next_multiple_of(1 << size);
        (first..zone.end().as_u32()).step_by(pages).any(|head| {
            let block = range(head, head + (1 << size));
            zone.intersection(&block) == block
                && self.free.range(head..head + (1 << size)).count() == pages
        })
    }

    fn free_in(&self, kind: ZoneKind) -> u32 {
        let zone = self.spans[kind.index()].range;
        self.free.range(zone.start().as_u32()..zone.end().as_u32()).count() as u32
    }
}

fn run(machine: &Machine, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut pages = vec![Page::RESERVED; machine.frames() as usize];
    let frames = FrameTable::new(pfn(machine.base), &mut pages).unwrap();
    let mut allocator = PageAllocator::new(frames, &machine.spans()).unwrap();
    let mut model = Model { spans: machine.spans(), free: BTreeSet::new(), live: BTreeMap::new() };
    for free in machine.free_ranges() {
        allocator.release(free).unwrap();
        model.free.extend(free.iter().map(Pfn::as_u32));
    }
    prop_assert_eq!(allocator.validate(), Ok(()));
    let at_boot = free_blocks(&allocator);

    for op in ops {
        match *op {
            Op::Alloc { kind, fall_back, order: size } => {
                let usable = ZoneKind::ALL[..=kind.index()].iter().rev().copied();
                let mut usable = usable.take(if fall_back { ZoneKind::COUNT } else { 1 });
                let expected = usable.find(|&kind| model.has_room(kind, size));
                let got = if fall_back {
                    allocator.alloc(kind, order(size))
                } else {
                    allocator.alloc_in(kind, order(size))
                };
                let zone = got.ok().and_then(|head| model.zone_of(head.as_u32()));
                prop_assert_eq!(zone, expected);
                if let Ok(head) = got {
                    let head = head.as_u32();
                    prop_assert_eq!(head % (1 << size), 0);
                    for frame in head..head + (1 << size) {
                        prop_assert!(model.free.remove(&frame), "frame {:#x} was not free", frame);
                        prop_assert_eq!(model.zone_of(frame), expected);
                    }
                    model.live.insert(head, size);
                }
            }
            Op::Free { nth } => {
                if model.live.is_empty() {
                    continue;
                }
                let (&head, &size) = model.live.iter().nth(nth.index(model.live.len())).unwrap();
                prop_assert_eq!(allocator.free(pfn(head), order(size)), Ok(()));
                model.live.remove(&head);
                model.free.extend(head..head + (1 << size));
            }
            Op::WildFree { frame, order: size } => {
                // One frame beyond each end as well.
                let frame = (machine.base + frame.index(machine.frames() as usize + 2) as u32)
                    .saturating_sub(1);
                let live = model.live.get(&frame) == Some(&size);
                let before = free_blocks(&allocator);
                let result = allocator.free(pfn(frame), order(size));
                prop_assert_eq!(result.is_ok(), live, "{:?}", result);
                match result {
                    Ok(()) => {
                        model.live.remove(&frame);
                        model.free.extend(frame..frame + (1 << size));
                    }
                    Err(_) => prop_assert_eq!(free_blocks(&allocator), before),
                }
            }
        }
        prop_assert_eq!(allocator.validate(), Ok(()));
        prop_assert_eq!(free_pages(&allocator), ZoneKind::ALL.map(|kind| model.free_in(kind)));
    }
    for (head, size) in model.live {
        prop_assert_eq!(allocator.free(pfn(head), order(size)), Ok(()));
    }
    prop_assert_eq!(allocator.validate(), Ok(()));
    prop_assert_eq!(free_blocks(&allocator), at_boot, "all free again, as at boot");
    Ok(())
}

proptest! {
    #[test]
    fn model_with_dma_normal_and_highmem(
        machine in machine([true, true, true]),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        run(&machine, &ops)?;
    }

    #[test]
    fn model_with_dma_and_highmem(
        machine in machine([true, false, true]),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        run(&machine, &ops)?;
    }

    #[test]
    fn model_with_dma_and_normal(
        machine in machine([true, true, false]),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        run(&machine, &ops)?;
    }

    #[test]
    fn model_with_dma_alone(
        machine in machine([true, false, false]),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        run(&machine, &ops)?;
    }
}
