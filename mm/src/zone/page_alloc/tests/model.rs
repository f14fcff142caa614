//! The page allocator against a model: a plain array that says of each frame whether it is free.
//!
//! Machines have each distribution of zones, borders anywhere, holes, and one, two or four CPUs, which
//! take turns. After every operation the allocator is valid and agrees with the model about how much is
//! free; what it hands out was free, in a zone that the request may use, and aligned; and what it refuses
//! the model refuses as well. In the end all is given back, and all free frames make the blocks that they
//! can make.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::zone::PageRun;
use crate::zone::debug::POISON;
use crate::zone::error::Why;
use crate::zone::request::Request;
use crate::zone::state::Mark;
use crate::zone::watermark::Watermarks;

/// Flags of requests, contradictions among them.
const FLAGS: [Gfp; 26] = [
    Gfp::GFP_KERNEL,
    Gfp::GFP_KERNEL,
    Gfp::GFP_ATOMIC,
    Gfp::GFP_ATOMIC,
    Gfp::GFP_NOWAIT,
    Gfp::GFP_HIGHUSER,
    Gfp::GFP_HIGHUSER_MOVABLE,
    Gfp::GFP_HIGHUSER_MOVABLE,
    Gfp::GFP_DMA,
    Gfp::GFP_DMA.union(Gfp::GFP_KERNEL),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_RECLAIMABLE),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_MOVABLE),
    Gfp::GFP_ATOMIC.union(Gfp::__GFP_MOVABLE),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_ZERO),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_HIGH),
    Gfp::GFP_NOWAIT.union(Gfp::__GFP_MEMALLOC),
    Gfp::GFP_HIGHUSER.union(Gfp::__GFP_MEMALLOC),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_NOFAIL),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_RETRY_MAYFAIL),
    Gfp::GFP_TRANSHUGE,
    Gfp::__GFP_DMA.union(Gfp::__GFP_HIGHMEM),
    Gfp::GFP_NOWAIT.union(Gfp::__GFP_NOFAIL),
    Gfp::GFP_ATOMIC.union(Gfp::__GFP_ATOMIC),
    Gfp::GFP_ATOMIC.union(Gfp::__GFP_HIGHMEM),
    Gfp::GFP_ATOMIC.union(Gfp::GFP_DMA),
    Gfp::GFP_DMA32.union(Gfp::GFP_KERNEL),
];

/// A machine as a property test makes it.
#[derive(Clone, Debug)]
struct Plan {
    base: u32,
    /// Pages in each zone; 0 for a zone that does not exist.
    sizes: [u32; 3],
    /// For each frame upwards in runs: is it handed over at boot, or a hole, or reserved?
    runs: Vec<(bool, u32)>,
    /// Poison and owners: no stacks.
    debugs: bool,
}

impl Plan {
    fn borders(&self) -> [u32; 4] {
        let mut at = self.base;
        let mut next = |size| {
            at += size;
            at
        };
        [self.base, next(self.sizes[0]), next(self.sizes[1]), next(self.sizes[2])]
    }

    /// Upwards, which frames are handed over at boot, and which are not.
    fn ranges(&self) -> Vec<(bool, PfnRange)> {
        let [mut at, .., end] = self.borders();
        let mut ranges = Vec::new();
        for &(is_free, len) in self.runs.iter().cycle() {
            let next = end.min(at + len);
            ranges.push((is_free, range(at, next)));
            at = next;
            if at == end {
                break;
            }
        }
        ranges
    }
}

fn plan(exists: [bool; 3]) -> impl Strategy<Value = Plan> {
    let size = |exists: bool| {
        if exists { prop_oneof![1..1400_u32, 1400..5000_u32] } else { prop_oneof![0..1_u32, 0..1] }
    };
    let runs = prop::collection::vec((prop::bool::weighted(0.8), 1..2500_u32), 1..6);
    // Frame numbers near 0, at 1 GiB, and above 4 GiB.
    let base = (prop::sample::select(vec![0, 0x40000, 0x10_0000]), 0..1500_u32);
    let sizes = [size(exists[0]), size(exists[1]), size(exists[2])];
    (base, sizes, runs, prop::bool::weighted(0.2)).prop_map(
        |((base, offset), sizes, runs, debugs)| Plan { base: base + offset, sizes, runs, debugs },
    )
}

#[derive(Clone, Debug)]
enum Op {
    Alloc {
        gfp: Gfp,
        size: u8,
    },
    AllocIn {
        kind: ZoneKind,
        gfp: Gfp,
        size: u8,
    },
    /// Until there is no more.
    Exhaust {
        gfp: Gfp,
        size: u8,
    },
    Bulk {
        gfp: Gfp,
        count: usize,
    },
    Exact {
        gfp: Gfp,
        pages: u32,
    },
    Contig {
        gfp: Gfp,
        pages: u32,
    },
    Free {
        nth: Index,
    },
    /// Each block whose place among the live ones, counted in steps, comes round to this one.
    FreeMany {
        step: usize,
    },
    /// So many single pages from the nth on, the last one perhaps twice.
    FreeBulk {
        nth: Index,
        count: usize,
        twice: bool,
    },
    FreeRun {
        nth: Index,
    },
    Share {
        nth: Index,
    },
    Split {
        nth: Index,
    },
    /// A frame and an order that are most likely wrong.
    WildFree {
        frame: Index,
        size: u8,
    },
    /// The same block twice.
    FreeTwice {
        nth: Index,
    },
    Switch {
        cpu: usize,
    },
    Tick,
    Drain,
    /// What boot kept for itself comes later.
    Release {
        nth: Index,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let gfp = || prop::sample::select(FLAGS.to_vec());
    let kind = prop::sample::select(ZoneKind::ALL.to_vec());
    // Small orders are common, as in life; each order is possible.
    let size = || prop_oneof![3 => 0..4_u8, 1 => 0..=10_u8];
    let nth = || any::<Index>();
    prop_oneof![
        14 => (gfp(), size()).prop_map(|(gfp, size)| Op::Alloc { gfp, size }),
        2 => (kind, gfp(), size()).prop_map(|(kind, gfp, size)| Op::AllocIn { kind, gfp, size }),
        2 => (gfp(), prop_oneof![0..4_u8, 5..=10_u8])
            .prop_map(|(gfp, size)| Op::Exhaust { gfp, size }),
        2 => (gfp(), 0..200_usize).prop_map(|(gfp, count)| Op::Bulk { gfp, count }),
        2 => (gfp(), 0..1030_u32).prop_map(|(gfp, pages)| Op::Exact { gfp, pages }),
        2 => (gfp(), prop_oneof![0..1030_u32, 1025..5000_u32])
            .prop_map(|(gfp, pages)| Op::Contig { gfp, pages }),
        8 => nth().prop_map(|nth| Op::Free { nth }),
        2 => (1..5_usize).prop_map(|step| Op::FreeMany { step }),
        2 => (nth(), 0..200_usize, any::<bool>())
            .prop_map(|(nth, count, twice)| Op::FreeBulk { nth, count, twice }),
        3 => nth().prop_map(|nth| Op::FreeRun { nth }),
        1 => nth().prop_map(|nth| Op::Share { nth }),
        1 => nth().prop_map(|nth| Op::Split { nth }),
        2 => (nth(), size()).prop_map(|(frame, size)| Op::WildFree { frame, size }),
        1 => nth().prop_map(|nth| Op::FreeTwice { nth }),
        3 => (0..4_usize).prop_map(|cpu| Op::Switch { cpu }),
        1 => Just(Op::Tick),
        1 => Just(Op::Drain),
        1 => nth().prop_map(|nth| Op::Release { nth }),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Never handed over.
    Absent,
    /// Free, in a buddy or in a stack.
    Free,
    Used,
}

/// A block that somebody has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Live {
    size: u8,
    /// Beyond the first.
    references: u32,
}

/// The allocator, and what the model says.
struct Rig<'p, 'a, const CPUS: usize> {
    allocator: &'p Allocator<'a, CPUS>,
    debugs: bool,
    cpu: usize,
    spans: [PfnRange; 3],
    first: u32,
    places: Vec<Place>,
    live: BTreeMap<u32, Live>,
    runs: Vec<PageRun<'p, 'a, TestMachine<'a>, CPUS>>,
    reserved: Vec<PfnRange>,
    marks: [Watermarks; 3],
    reserves: [[u32; 4]; 3],
}

type Outcome = Result<(), TestCaseError>;

impl<'p, 'a, const CPUS: usize> Rig<'p, 'a, CPUS> {
    fn place(&self, at: u32) -> Place {
        self.places.get(at.wrapping_sub(self.first) as usize).copied().unwrap_or(Place::Absent)
    }

    fn set(&mut self, frames: PfnRange, place: Place) {
        let start = (frames.start().as_u32() - self.first) as usize;
        self.places[start..start + frames.len() as usize].fill(place);
    }

    fn count(&self, kind: ZoneKind, is: impl Fn(u32, Place) -> bool) -> u32 {
        let span = self.spans[kind.index()];
        span.iter().filter(|at| is(at.as_u32(), self.place(at.as_u32()))).count() as u32
    }

    fn managed(&self) -> Managed {
        ZoneKind::ALL.map(|kind| self.count(kind, |_, place| place != Place::Absent))
    }

    fn start(&mut self) {
        self.allocator.start();
        let managed = self.managed();
        self.marks = watermarks(&managed, min_free_kbytes(&managed));
        self.reserves = lowmem_reserve(&managed);
    }

    fn zone_of(&self, frames: PfnRange) -> Option<ZoneKind> {
        let holds =
            |kind: &ZoneKind| self.spans[kind.index()].intersection(&frames).len() == frames.len();
        ZoneKind::ALL.into_iter().find(holds)
    }

    /// Is the frame in some stack?
    fn is_stacked(&self, at: u32) -> bool {
        let block = self.allocator.frames().block_of(pfn(at));
        block.is_some_and(|block| matches!(block.state, PageState::Stacked { .. }))
    }

    fn is_set_aside(&self, at: u32) -> bool {
        self.allocator.frames().blocks().get(pfn(at)) == Mobility::HighAtomic
    }

    /// Frames that a request could get out of the buddy of a zone, as a bit for each: `gets_all` if it
    /// could have what is set aside.
    fn available(&self, kind: ZoneKind, gets_all: bool) -> Vec<bool> {
        let is_available = |at: Pfn| {
            let at = at.as_u32();
            self.place(at) == Place::Free
                && !self.is_stacked(at)
                && (gets_all || !self.is_set_aside(at))
        };
        self.spans[kind.index()].iter().map(is_available).collect()
    }

    /// Is there an aligned block among these frames, or a row of `row` such blocks?
    fn has_room(&self, kind: ZoneKind, available: &[bool], size: u8, row: usize) -> bool {
        let (start, pages) = (self.spans[kind.index()].start().as_u32(), 1_usize << size);
        let skip = (start.next_multiple_of(1 << size) - start) as usize;
        let whole = available.get(skip..).unwrap_or(&[]).chunks_exact(pages);
        let whole: Vec<_> = whole.map(|block| block.iter().all(|free| *free)).collect();
        whole.windows(row).any(|row| row.iter().all(|whole| *whole))
    }

    /// The level that a request must leave a zone with, when it is hard to serve.
    fn level(&self, kind: ZoneKind, gfp: Gfp) -> u32 {
        let mut level = self.marks[kind.index()].min;
        // What must not fail gets as much as what is urgent, in the end.
        if gfp.min_reserve() || gfp.never_fails() {
            level -= level / 2;
            if gfp.non_blocking_high() {
                level -= level / 4;
            }
        }
        level + self.reserves[kind.index()][gfp.highest_zone().index()]
    }

    /// A request for a block was refused: was that right?
    fn check_refusal(&self, gfp: Gfp, size: u8, error: AllocError) -> Outcome {
        let highest = gfp.highest_zone();
        prop_assert_eq!(error, AllocError::no_memory(order(size), highest));
        self.check_told_failure(gfp, size)?;
        for kind in ZoneKind::ALL.into_iter().filter(|kind| *kind <= highest) {
            let zone = self.allocator.zone(kind);
            let stacked = self.allocator.figures().zone(kind).in_stacks_of(self.cpu as u32);
            prop_assert_eq!(stacked, 0, "this CPU still keeps pages back");
            let set_aside = zone.counts().all_blocks().map(|row| row[Mobility::HighAtomic.index()]);
            if gfp.may_reclaim() {
                prop_assert_eq!(set_aside, [0; 11], "something is still set aside");
            }
            // Who may reclaim has given up what was set aside before it was refused.
            let gets_all = gfp.may_reclaim() || gfp.non_blocking_high();
            let available = self.available(kind, gets_all);
            let mut usable = i64::from(
                self.count(kind, |at, place| place == Place::Free && !self.is_stacked(at)),
            );
            usable -= i64::from(order(size).pages()) - 1;
            if !gfp.min_reserve() {
                usable -= i64::from(zone.high_atomic_pages());
            }
            let is_allowed = gfp.ignores_watermarks() || usable > i64::from(self.level(kind, gfp));
            prop_assert!(
                !(is_allowed && self.has_room(kind, &available, size, 1)),
                "{} of order {} refused, but {} has one, and {} pages",
                gfp,
                size,
                kind,
                usable
            );
        }
        Ok(())
    }

    fn check_told_failure(&self, gfp: Gfp, size: u8) -> Outcome {
        let told = self.allocator.platform().told();
        if gfp.warns() {
            let is_it = matches!(
                told[..],
                [Told::Failed { gfp: asked, order: of, .. }] if asked == gfp && of == order(size)
            );
            prop_assert!(is_it, "{told:?}");
        } else {
            prop_assert_eq!(told, vec![]);
        }
        Ok(())
    }

    /// Flags that no request can have are refused, whatever is free; others are not.
    fn check_flags<T>(
        &self,
        gfp: Gfp,
        result: &Result<T, AllocError>,
    ) -> Result<bool, TestCaseError> {
        let check = gfp.check().map_err(AllocError::flags);
        let refused = matches!(result.as_ref().map_err(|error| error.why()), Err(Why::Flags(_)));
        prop_assert_eq!(refused, check.is_err());
        if let (Err(error), Err(expected)) = (result, check) {
            prop_assert_eq!(*error, expected);
        }
        Ok(!refused)
    }

    /// Notes what was handed out, if it is right.
    fn take(&mut self, gfp: Gfp, frames: PfnRange, align: u32, highest: ZoneKind) -> Outcome {
        prop_assert_eq!(frames.start().as_u32() % align, 0);
        let zone = self.zone_of(frames);
        prop_assert!(zone.is_some_and(|kind| kind <= highest), "{frames:?} is in {zone:?}");
        for at in frames.iter() {
            let place = self.place(at.as_u32());
            prop_assert_eq!(place, Place::Free, "frame {:#x}", at.as_u32());
        }
        self.set(frames, Place::Used);
        let machine = self.allocator.platform();
        if gfp.wants_zero() {
            prop_assert!(frames.iter().all(|at| machine.is_all(at, 0)));
        } else if self.debugs {
            prop_assert!(frames.iter().all(|at| machine.is_all(at, POISON)));
        }
        if self.debugs {
            machine.poke(frames.start(), 99, 99);
        }
        Ok(())
    }

    fn took_block(&mut self, gfp: Gfp, at: Pfn, size: u8, highest: ZoneKind) -> Outcome {
        let frames = PfnRange::new(at, at.saturating_add(1 << size));
        let before = self.zone_of(frames).map(|kind| (kind, self.free_in(kind)));
        self.take(gfp, frames, 1 << size, highest)?;
        self.live.insert(at.as_u32(), Live { size, references: 0 });
        // Blocks too large for a stack are held to the level in any case.
        if let Some((kind, free)) = before
            && size > Order::COSTLY.as_u8()
            && !gfp.ignores_watermarks()
            && highest == gfp.highest_zone()
        {
            prop_assert!(free - ((1 << size) - 1) > self.level(kind, gfp), "below the level");
        }
        Ok(())
    }

    fn free_in(&self, kind: ZoneKind) -> u32 {
        self.count(kind, |_, place| place == Place::Free)
    }

    fn alloc(&mut self, gfp: Gfp, size: u8) -> Result<bool, TestCaseError> {
        let result = self.allocator.alloc_block(gfp, order(size));
        if !self.check_flags(gfp, &result)? {
            return Ok(false);
        }
        match result {
            Ok(at) => self.took_block(gfp, at, size, gfp.highest_zone())?,
            Err(error) => self.check_refusal(gfp, size, error)?,
        }
        Ok(result.is_ok())
    }

    fn alloc_in(&mut self, kind: ZoneKind, gfp: Gfp, size: u8) -> Outcome {
        let result = self.allocator.alloc_raw_in(kind, gfp, order(size));
        if !self.check_flags(gfp, &result)? {
            return Ok(());
        }
        match result {
            Ok(at) => {
                let frames = PfnRange::new(at, at.saturating_add(1 << size));
                prop_assert_eq!(self.zone_of(frames), Some(kind));
                self.take(gfp, frames, 1 << size, kind)?;
                self.live.insert(at.as_u32(), Live { size, references: 0 });
            }
            Err(error) => {
                prop_assert_eq!(error, AllocError::no_memory(order(size), kind));
                // It does not reclaim, so what is set aside stays.
                let available = self.available(kind, gfp.non_blocking_high());
                prop_assert!(!self.has_room(kind, &available, size, 1), "{kind} has one");
            }
        }
        Ok(())
    }

    fn bulk(&mut self, gfp: Gfp, count: usize) -> Outcome {
        let mut pfns = vec![pfn(0); count];
        let result = self.allocator.alloc_bulk(gfp, &mut pfns);
        if let Err(error) = gfp.check() {
            prop_assert_eq!(result.err(), (count > 0).then_some(AllocError::flags(error)));
            return Ok(());
        }
        let got = match result {
            Ok(got) => got,
            Err(error) => return self.check_refusal(gfp, 0, error),
        };
        for at in &pfns[..got] {
            self.took_block(gfp, *at, 0, gfp.highest_zone())?;
        }
        prop_assert!(got > 0 || count == 0);
        if got < count {
            // All but the first are to be easy.
            let request = Request::new(gfp, order(0));
            let mark = if gfp.ignores_watermarks() { Mark::Nothing } else { Mark::Low };
            for zone in &self.allocator.zones()[..=gfp.highest_zone().index()] {
                let ordinary = |row: [u32; Mobility::COUNT]| {
                    row.iter().sum::<u32>() - row[Mobility::HighAtomic.index()]
                };
                let has_some =
                    zone.counts().all_blocks().map(ordinary).iter().any(|some| *some > 0);
                prop_assert!(!has_some || zone.above(&request, mark).is_none(), "{}", zone.kind());
            }
        }
        Ok(())
    }

    fn run(
        &mut self,
        gfp: Gfp,
        pages: u32,
        result: Result<PageRun<'p, 'a, TestMachine<'a>, CPUS>, AllocError>,
    ) -> Outcome {
        let size = Order::for_pages(pages);
        match (result, size) {
            (Ok(run), _) => {
                let align = pages.next_power_of_two().min(1024);
                prop_assert_eq!(run.frames().len(), pages);
                self.take(gfp, run.frames(), align, gfp.highest_zone())?;
                self.runs.push(run);
            }
            (Err(error), Some(size)) => self.check_refusal(gfp, size.as_u8(), error)?,
            (Err(error), None) if pages == 0 => {
                prop_assert_eq!(error, AllocError::too_large(pages));
            }
            (Err(_), None) => {
                self.check_told_failure(gfp, 10)?;
                for kind in ZoneKind::ALL.into_iter().filter(|kind| *kind <= gfp.highest_zone()) {
                    let zone = self.allocator.zone(kind);
                    let figures = self.allocator.figures();
                    prop_assert_eq!(figures.zone(kind).in_stacks_of(self.cpu as u32), 0);
                    let available = self.available(kind, false);
                    let free =
                        self.count(kind, |at, place| place == Place::Free && !self.is_stacked(at));
                    let kept = self.marks[kind.index()].low
                        + self.reserves[kind.index()][gfp.highest_zone().index()]
                        + zone.high_atomic_pages();
                    let row = pages.div_ceil(1024) as usize;
                    prop_assert!(
                        free < kept + pages || !self.has_room(kind, &available, 10, row),
                        "{} has a row of {} blocks",
                        kind,
                        row
                    );
                }
            }
        }
        Ok(())
    }

    fn exact(&mut self, gfp: Gfp, pages: u32) -> Outcome {
        let result = self.allocator.alloc_pages_exact(gfp, pages);
        if let Err(error) = gfp.check_exact() {
            prop_assert_eq!(result.err(), Some(AllocError::flags(error)));
            return Ok(());
        }
        if pages > 1024 {
            prop_assert_eq!(result.err(), Some(AllocError::too_large(pages)));
            return Ok(());
        }
        self.run(gfp, pages, result)
    }

    fn contig(&mut self, gfp: Gfp, pages: u32) -> Outcome {
        let result = self.allocator.alloc_contig(gfp, pages);
        if !self.check_flags(gfp, &result)? {
            return Ok(());
        }
        self.run(gfp, pages, result)
    }

    fn nth(&self, nth: Index) -> Option<(u32, Live)> {
        let place = (!self.live.is_empty()).then(|| nth.index(self.live.len()))?;
        self.live.iter().nth(place).map(|(at, live)| (*at, *live))
    }

    /// One reference less to a live block.
    fn dropped(&mut self, at: u32, live: Live) {
        if live.references > 0 {
            self.live.insert(at, Live { references: live.references - 1, ..live });
        } else {
            self.live.remove(&at);
            self.set(range(at, at + (1 << live.size)), Place::Free);
        }
    }

    fn free(&mut self, at: u32, live: Live) -> Outcome {
        prop_assert_eq!(self.allocator.free_block(pfn(at), order(live.size)), Ok(()));
        self.dropped(at, live);
        Ok(())
    }

    fn free_bulk(&mut self, nth: Index, count: usize, twice: bool) -> Outcome {
        let singles: Vec<_> = self.live.iter().filter(|(_, live)| live.size == 0).collect();
        let first = if singles.is_empty() { 0 } else { nth.index(singles.len()) };
        let chosen: Vec<_> =
            singles.iter().skip(first).take(count).map(|(at, live)| (**at, **live)).collect();
        let mut pfns: Vec<_> = chosen.iter().map(|(at, _)| pfn(*at)).collect();
        let mut is_wrong = false;
        if let Some((at, live)) = chosen.last().filter(|_| twice) {
            pfns.push(pfn(*at));
            is_wrong = live.references == 0;
            if !is_wrong {
                // The second time takes another reference.
                self.dropped(*at, *live);
            }
        }
        let result = self.allocator.free_bulk(&pfns);
        for (at, _) in &chosen {
            let live = self.live[at];
            self.dropped(*at, live);
        }
        let error = chosen.last().filter(|_| is_wrong).map(|(at, _)| NotFreed { pfn: pfn(*at) });
        prop_assert_eq!(result.err(), error);
        let told = self.allocator.platform().told();
        prop_assert_eq!(told.len(), usize::from(is_wrong));
        Ok(())
    }

    fn share(&mut self, at: u32, live: Live) -> Outcome {
        self.allocator.add_reference(pfn(at)).unwrap();
        self.live.insert(at, Live { references: live.references + 1, ..live });
        Ok(())
    }

    fn split(&mut self, at: u32, live: Live) -> Outcome {
        match self.allocator.block(pfn(at), order(live.size)).split() {
            Ok(run) => {
                prop_assert_eq!(live.references, 0);
                self.live.remove(&at);
                self.runs.push(run);
            }
            Err(block) => {
                prop_assert!(live.references > 0);
                let _ = block.into_raw();
            }
        }
        Ok(())
    }

    fn free_run(&mut self, nth: Index) {
        if !self.runs.is_empty() {
            let run = self.runs.swap_remove(nth.index(self.runs.len()));
            self.set(run.frames(), Place::Free);
            drop(run);
        }
    }

    /// What freeing this must say; `None` when it is no error, or the block is a run's.
    fn wrong(&self, at: u32, size: u8) -> Option<&'static str> {
        let in_run = self.runs.iter().any(|run| run.frames().contains(pfn(at)));
        let around = self.live.range(..=at).next_back();
        let around = around.filter(|(head, live)| at - **head < 1 << live.size);
        let is_aligned = at.is_multiple_of(1 << size);
        match self.place(at) {
            _ if !self.allocator.frames().range().contains(pfn(at)) => Some("NotCovered"),
            _ if !is_aligned => Some("Misaligned"),
            Place::Absent => Some("Reserved"),
            Place::Free => Some("DoubleFree"),
            Place::Used if in_run => {
                let block = self.allocator.frames().block_of(pfn(at))?;
                let is_it = block.head == pfn(at) && block.state.order() == Some(order(size));
                (!is_it).then_some("WrongOrder")
            }
            Place::Used => {
                let is_it = around.is_some_and(|(head, live)| *head == at && live.size == size);
                (!is_it).then_some("WrongOrder")
            }
        }
    }

    fn wild_free(&mut self, at: u32, size: u8) -> Outcome {
        let Some(name) = self.wrong(at, size) else {
            return match self.live.get(&at) {
                Some(live) if live.size == size => self.free(at, *live),
                _ => Ok(()),
            };
        };
        let before = self.allocator.figures();
        let result = self.allocator.free_block(pfn(at), order(size));
        prop_assert_eq!(result, Err(NotFreed { pfn: pfn(at) }));
        let error = self.allocator.why_not_free(pfn(at), order(size));
        let said = format!("{error:?}");
        prop_assert!(said.starts_with(name), "{} instead of {}", said, name);
        prop_assert_eq!(self.allocator.platform().told(), vec![Told::WrongFree(error)]);
        prop_assert_eq!(self.allocator.figures(), before);
        Ok(())
    }

    fn perform(&mut self, op: &Op) -> Outcome {
        match *op {
            Op::Alloc { gfp, size } => {
                self.alloc(gfp, size)?;
            }
            Op::AllocIn { kind, gfp, size } => self.alloc_in(kind, gfp, size)?,
            Op::Exhaust { gfp, size } => while self.alloc(gfp, size)? {},
            Op::Bulk { gfp, count } => self.bulk(gfp, count)?,
            Op::Exact { gfp, pages } => self.exact(gfp, pages)?,
            Op::Contig { gfp, pages } => self.contig(gfp, pages)?,
            Op::Free { nth } => {
                if let Some((at, live)) = self.nth(nth) {
                    self.free(at, live)?;
                }
            }
            Op::FreeMany { step } => {
                let blocks: Vec<_> = self.live.iter().map(|(at, live)| (*at, *live)).collect();
                for (at, live) in blocks.into_iter().step_by(step) {
                    self.free(at, live)?;
                }
            }
            Op::FreeBulk { nth, count, twice } => self.free_bulk(nth, count, twice)?,
            Op::FreeRun { nth } => self.free_run(nth),
            Op::Share { nth } => {
                if let Some((at, live)) = self.nth(nth) {
                    self.share(at, live)?;
                }
            }
            Op::Split { nth } => {
                if let Some((at, live)) = self.nth(nth) {
                    self.split(at, live)?;
                }
            }
            Op::WildFree { frame, size } => {
                // One frame beyond each end as well.
                let at = self.first + frame.index(self.places.len() + 2) as u32;
                self.wild_free(at.wrapping_sub(1), size)?;
            }
            Op::FreeTwice { nth } => {
                if let Some((at, live)) = self.nth(nth).filter(|(_, live)| live.references == 0) {
                    self.free(at, live)?;
                    self.wild_free(at, live.size)?;
                }
            }
            Op::Switch { cpu } => {
                self.cpu = cpu % CPUS;
                self.allocator.platform().set_cpu(self.cpu);
            }
            Op::Tick => self.allocator.tick(),
            Op::Drain => {
                self.allocator.drain();
                let figures = self.allocator.figures();
                let kept: u32 = figures.zones.iter().map(|z| z.in_stacks_of(self.cpu as u32)).sum();
                prop_assert_eq!(kept, 0);
            }
            Op::Release { nth } => {
                if !self.reserved.is_empty() {
                    let range = self.reserved.swap_remove(nth.index(self.reserved.len()));
                    prop_assert_eq!(self.allocator.release(range), Ok(()));
                    self.set(range, Place::Free);
                    self.start();
                }
            }
        }
        self.check()
    }

    /// The allocator is valid, and has as much as the model.
    fn check(&self) -> Outcome {
        prop_assert_eq!(self.allocator.validate(), Ok(()));
        prop_assert_eq!(self.allocator.platform().told(), vec![]);
        let figures = self.allocator.figures();
        for kind in ZoneKind::ALL {
            let zone = figures.zone(kind);
            let free = u64::from(zone.free) + zone.in_stacks();
            prop_assert_eq!(free, u64::from(self.free_in(kind)), "{}", kind);
            prop_assert_eq!(zone.pages_in_blocks(), u64::from(zone.free));
            for cpu in zone.cpus() {
                // While a zone is short its stacks have no room, but other CPUs may not know yet.
                let is_open = cpu.high > 0 || self.allocator.zone(kind).is_short();
                prop_assert!(is_open || cpu.count == 0);
                prop_assert!(cpu.high == 0 || cpu.count <= cpu.high);
            }
            prop_assert!(zone.managed <= zone.present);
            let set_aside =
                self.allocator.page_blocks()[kind.index()][Mobility::HighAtomic.index()];
            prop_assert_eq!(zone.high_atomic, set_aside * page_block::PAGES);
            let most = page_block::PAGES + zone.managed / 100;
            prop_assert!(zone.high_atomic < most + page_block::PAGES);
        }
        Ok(())
    }

    /// Gives all back. Then the free frames make the blocks that they can make.
    fn finish(&mut self) -> Outcome {
        for run in std::mem::take(&mut self.runs) {
            self.set(run.frames(), Place::Free);
            drop(run);
        }
        for (at, live) in self.live.clone() {
            for references in (0..=live.references).rev() {
                self.free(at, Live { references, ..live })?;
            }
        }
        self.check()?;
        for cpu in 0..CPUS {
            self.allocator.platform().set_cpu(cpu);
            self.allocator.drain();
        }
        self.check()?;
        prop_assert_eq!(free_blocks(self.allocator), ZoneKind::ALL.map(|kind| self.blocks(kind)));
        Ok(())
    }

    /// The blocks that the free frames of a zone make, by order.
    fn blocks(&self, kind: ZoneKind) -> [u32; Order::COUNT] {
        let span = self.spans[kind.index()];
        let is_whole = |at: u32, size: u8| {
            let block = range(at, at + (1 << size));
            span.intersection(&block) == block
                && block.iter().all(|at| self.place(at.as_u32()) == Place::Free)
        };
        let mut blocks = [0; Order::COUNT];
        let mut at = span.start().as_u32();
        while at < span.end().as_u32() {
            let largest =
                (0..=10_u8).rev().find(|size| at.is_multiple_of(1 << size) && is_whole(at, *size));
            if let Some(size) = largest {
                blocks[usize::from(size)] += 1;
            }
            at += largest.map_or(1, |size| 1 << size);
        }
        blocks
    }
}

fn run<const CPUS: usize>(plan: &Plan, ops: &[Op]) -> Outcome {
    let borders = plan.borders();
    // Descriptors reach beyond the zones on both sides.
    let (first, end) = (borders[0].saturating_sub(3), borders[3] + 5);
    let memory = Memory::new(first, end);
    let mut allocator: Allocator<'_, CPUS> = memory.allocator(borders);
    if plan.debugs {
        allocator.poison_free_pages();
        allocator.track_owners(&memory.owners);
    }
    let allocator = &allocator;
    let mut rig = Rig {
        allocator,
        debugs: plan.debugs,
        cpu: 0,
        spans: allocator.zones().each_ref().map(Zone::span),
        first,
        places: vec![Place::Absent; (end - first) as usize],
        live: BTreeMap::new(),
        runs: Vec::new(),
        reserved: Vec::new(),
        marks: [Watermarks::default(); 3],
        reserves: [[0; 4]; 3],
    };
    for (is_free, range) in plan.ranges() {
        if is_free {
            prop_assert_eq!(allocator.release(range), Ok(()));
            rig.set(range, Place::Free);
        } else {
            rig.reserved.push(range);
        }
    }
    let at_boot = ZoneKind::ALL.map(|kind| rig.blocks(kind));
    prop_assert_eq!(free_blocks(allocator), at_boot);
    rig.start();
    rig.check()?;
    for op in ops {
        rig.perform(op)?;
    }
    rig.finish()
}

macro_rules! model {
    ($($name:ident: $exists:expr, $cpus:literal;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(CASES))]
            $(
                #[test]
                fn $name(plan in plan($exists), ops in prop::collection::vec(op(), 0..100)) {
                    run::<$cpus>(&plan, &ops)?;
                }
            )*
        }
    };
}

const CASES: u32 = 600;

model! {
    dma_normal_and_highmem_on_one_cpu: [true, true, true], 1;
    dma_normal_and_highmem_on_two_cpus: [true, true, true], 2;
    dma_normal_and_highmem_on_four_cpus: [true, true, true], 4;
    dma_and_highmem_on_one_cpu: [true, false, true], 1;
    dma_and_highmem_on_two_cpus: [true, false, true], 2;
    dma_and_normal_on_one_cpu: [true, true, false], 1;
    dma_and_normal_on_four_cpus: [true, true, false], 4;
    dma_alone_on_one_cpu: [true, false, false], 1;
    dma_alone_on_two_cpus: [true, false, false], 2;
}
