//! Random operations on memblock and on a plain model of it: a map from each kibibyte to its
//! flags, and a set of the kibibytes that are taken. After each operation both must tell the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Bytes that the model knows as one.
const UNIT: u64 = 1024;
/// Units in which ranges lie.
const UNITS: u64 = 256;
const UNITS_PER_PAGE: u64 = 4096 / UNIT;
/// Where the first of these units may be: at 0, across 4 GiB, and near the highest address.
const FIRST_UNITS: [u64; 3] = [0, (1 << 22) - UNITS / 2, u64::MAX / UNIT - 2 * UNITS + 1];

#[derive(Clone, Copy, Debug)]
enum Op {
    Add(Span, u32),
    Remove(Span),
    Reserve(Span),
    Free(Span),
    MarkNomap(Span),
    ClearNomap(Span),
    Trim { align: u64 },
    Alloc { size: u64, align: u64, min: u64, max: Option<u64>, strict: bool },
    SetDirection(bool),
    SetLimit(Option<u64>),
}

/// Some units: the first and how many.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u64,
    count: u64,
}

fn spans() -> impl Strategy<Value = Span> {
    let counts = prop_oneof![4 => 0..8_u64, 1 => 0..UNITS];
    (0..UNITS, counts).prop_map(|(first, count)| Span { first, count: count.min(UNITS - first) })
}

fn aligns() -> impl Strategy<Value = u64> {
    (0..4_u32).prop_map(|shift| 1 << shift)
}

fn ops() -> impl Strategy<Value = Op> {
    let limits = || prop::option::of(0..=UNITS);
    prop_oneof![
        5 => (spans(), prop_oneof![4 => Just(0), 1 => 0..16_u32]).prop_map(|(s, f)| Op::Add(s, f)),
        2 => spans().prop_map(Op::Remove),
        4 => spans().prop_map(Op::Reserve),
        3 => spans().prop_map(Op::Free),
        1 => spans().prop_map(Op::MarkNomap),
        1 => spans().prop_map(Op::ClearNomap),
        1 => aligns().prop_map(|align| Op::Trim { align }),
        6 => (1..12_u64, aligns(), 0..UNITS, limits(), any::<bool>())
            .prop_map(|(size, align, min, max, strict)| Op::Alloc { size, align, min, max, strict }),
        1 => any::<bool>().prop_map(Op::SetDirection),
        1 => limits().prop_map(Op::SetLimit),
    ]
}

/// What memblock should know.
struct Model {
    first_unit: u64,
    memory: BTreeMap<u64, Flags>,
    /// Taken by whoever called; memblock's own arrays are not here.
    reserved: BTreeSet<u64>,
    direction: Direction,
    limit: u64,
}

/// What an operation should do.
#[derive(Debug, PartialEq)]
enum Expected {
    Done,
    Place(u64),
    ArrayInUse,
    NoSpace,
}

impl Model {
    fn units(&self, span: Span) -> std::ops::Range<u64> {
        self.first_unit + span.first..self.first_unit + span.first + span.count
    }

    fn phys(&self, span: Span) -> PhysRange {
        let units = self.units(span);
        range(units.start * UNIT, (units.end - units.start) * UNIT)
    }

    /// An end of ranges in units: that of `limit`, or the highest.
    fn end(&self, limit: Option<u64>) -> u64 {
        limit.map_or(u64::MAX / UNIT, |limit| self.first_unit + limit)
    }

    /// The first place that a search should find, by trying them all.
    fn search(
        &self,
        (size, align): (u64, u64),
        (min, max): (u64, u64),
        is_taken: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let fits = |first: &u64| {
            let flags = self.memory.get(first);
            flags.is_some_and(|flags| !flags.intersects(Flags::NOMAP | Flags::DRIVER_MANAGED))
                && (*first..first + size)
                    .all(|unit| self.memory.get(&unit) == flags && !is_taken(unit))
        };
        let lowest = min.max(UNITS_PER_PAGE).max(self.first_unit);
        let highest = max.min(self.first_unit + UNITS).saturating_sub(size);
        let mut places = (lowest..=highest).filter(|unit| unit % align == 0);
        match self.direction {
            Direction::BottomUp => places.find(fits),
            Direction::TopDown => places.rfind(fits),
        }
    }

    /// The units that trimming to multiples of `align` units loses.
    fn trimmed_off(&self, align: u64) -> Vec<u64> {
        let mut lost = Vec::new();
        for (start, end, _) in runs(self.memory.iter().map(|(unit, flags)| (*unit, *flags))) {
            let kept = start.next_multiple_of(align)..end / align * align;
            lost.extend((start..end).filter(|unit| !kept.contains(unit)));
        }
        lost
    }

    /// What `op` should do while memblock's own arrays lie in the units `arrays`.
    fn expect(&self, op: Op, arrays: &BTreeSet<u64>) -> Expected {
        let clear_of_arrays = |mut units: std::ops::Range<u64>| {
            if units.any(|unit| arrays.contains(&unit)) {
                Expected::ArrayInUse
            } else {
                Expected::Done
            }
        };
        match op {
            Op::Remove(span) | Op::Reserve(span) | Op::Free(span) | Op::MarkNomap(span) => {
                clear_of_arrays(self.units(span))
            }
            Op::Trim { align } if self.trimmed_off(align).iter().any(|u| arrays.contains(u)) => {
                Expected::ArrayInUse
            }
            Op::Alloc { size, align, min, max, strict } => {
                let min = self.first_unit + min;
                let max = match (max, strict) {
                    (None, _) => self.limit,
                    (Some(_), true) => self.end(max),
                    (Some(_), false) => self.end(max).min(self.limit),
                };
                let is_taken = |unit| self.reserved.contains(&unit) || arrays.contains(&unit);
                let place = self.search((size, align), (min, max), is_taken);
                let below_min = || self.search((size, align), (0, max), is_taken);
                let place = if strict { place } else { place.or_else(below_min) };
                place.map_or(Expected::NoSpace, Expected::Place)
            }
            _ => Expected::Done,
        }
    }

    /// Does what `op` does when it succeeds, an allocation at unit `place`.
    fn apply(&mut self, op: Op, place: u64) {
        match op {
            Op::Add(span, flags) => {
                for unit in self.units(span) {
                    self.memory.entry(unit).or_insert(Flags::from_bits_retain(flags));
                }
            }
            Op::Remove(span) => {
                let units = self.units(span);
                self.memory.retain(|unit, _| !units.contains(unit));
            }
            Op::Reserve(span) => self.reserved.extend(self.units(span)),
            Op::Free(span) => {
                let units = self.units(span);
                self.reserved.retain(|unit| !units.contains(unit));
            }
            Op::MarkNomap(span) | Op::ClearNomap(span) => {
                let units = self.units(span);
                for (_, flags) in self.memory.range_mut(units) {
                    flags.set(Flags::NOMAP, matches!(op, Op::MarkNomap(_)));
                }
            }
            Op::Trim { align } => {
                for unit in self.trimmed_off(align) {
                    self.memory.remove(&unit);
                }
            }
            Op::Alloc { size, .. } => self.reserved.extend(place..place + size),
            Op::SetDirection(bottom_up) => {
                self.direction = if bottom_up { Direction::BottomUp } else { Direction::TopDown };
            }
            Op::SetLimit(limit) => self.limit = self.end(limit),
        }
    }

    /// Does to memblock what `op` says; gives the unit of an allocation.
    fn perform(&self, op: Op, memblock: &mut Memblock<'static>) -> Result<u64, MemblockError> {
        match op {
            Op::Add(span, flags) => memblock.add(self.phys(span), Flags::from_bits_retain(flags)),
            Op::Remove(span) => memblock.remove(self.phys(span)),
            Op::Reserve(span) => memblock.reserve(self.phys(span)),
            Op::Free(span) => memblock.free(self.phys(span)),
            Op::MarkNomap(span) => memblock.mark_nomap(self.phys(span)),
            Op::ClearNomap(span) => memblock.clear_nomap(self.phys(span)),
            Op::Trim { align } => memblock.trim_memory(align * UNIT),
            Op::SetDirection(bottom_up) => {
                memblock.set_direction(match bottom_up {
                    true => Direction::BottomUp,
                    false => Direction::TopDown,
                });
                Ok(())
            }
            Op::SetLimit(limit) => {
                memblock.set_current_limit(addr(self.end(limit) * UNIT));
                Ok(())
            }
            Op::Alloc { size, align, min, max, strict } => {
                let (size, align) = (size * UNIT, align * UNIT);
                let min = addr((self.first_unit + min) * UNIT);
                let max = max.map_or(Limit::Accessible, |_| Limit::At(addr(self.end(max) * UNIT)));
                let place = match strict {
                    true => memblock.alloc_range(size, align, min, max)?,
                    false => memblock.alloc_preferring(size, align, min, max)?,
                };
                assert_eq!(place.len(), size);
                return Ok(place.start().as_u64() / UNIT);
            }
        }
        .map(|()| 0)
    }

    /// Holds what memblock tells against the model, `arrays` being the units of its own arrays.
    fn check(&self, memblock: &Memblock<'_>, arrays: &BTreeSet<u64>) {
        assert_eq!(memblock.validate(), Ok(()));
        assert!(arrays.is_disjoint(&self.reserved));
        let taken: BTreeSet<_> = self.reserved.union(arrays).copied().collect();

        let memory = self.memory.iter().map(|(unit, flags)| (*unit, *flags));
        assert_eq!(memblock.memory().regions(), region_list(memory));
        let reserved = taken.iter().map(|unit| (*unit, Flags::empty()));
        assert_eq!(memblock.reserved().regions(), region_list(reserved));

        let allocatable = |unit: &(u64, Flags)| {
            !taken.contains(&unit.0) && !unit.1.intersects(Flags::NOMAP | Flags::DRIVER_MANAGED)
        };
        let memory = self.memory.iter().map(|(unit, flags)| (*unit, *flags));
        let free: Vec<_> =
            region_list(memory.filter(allocatable)).iter().map(|r| r.range).collect();
        assert_eq!(memblock.free_ranges().collect::<Vec<_>>(), free);

        for unit in self.first_unit..self.first_unit + UNITS {
            let flags = self.memory.get(&unit);
            let address = addr(unit * UNIT + unit % UNIT);
            assert_eq!(memblock.is_memory(address), flags.is_some());
            let mapped = flags.is_some_and(|flags| !flags.contains(Flags::NOMAP));
            assert_eq!(memblock.is_map_memory(address), mapped);
            assert_eq!(memblock.is_reserved(address), taken.contains(&unit));
            let three = range(unit * UNIT, 3 * UNIT);
            let in_memory = |unit: u64| self.memory.contains_key(&unit);
            assert_eq!(memblock.memory().overlaps(three), (unit..unit + 3).any(in_memory));
            assert_eq!(memblock.memory().covers(three), (unit..unit + 3).all(in_memory));
        }
        let end = self.memory.last_key_value().map(|(unit, _)| addr((unit + 1) * UNIT));
        assert_eq!(memblock.end_of_dram(), end);
        let start = self.memory.first_key_value().map(|(unit, _)| addr(unit * UNIT));
        assert_eq!(memblock.start_of_dram(), start);
        assert_eq!(memblock.phys_mem_size(), self.memory.len() as u64 * UNIT);
        assert_eq!(memblock.reserved_size(), taken.len() as u64 * UNIT);
    }
}

/// Runs of neighbouring units with equal flags: start, end and flags.
fn runs(units: impl Iterator<Item = (u64, Flags)>) -> Vec<(u64, u64, Flags)> {
    let mut runs: Vec<(u64, u64, Flags)> = Vec::new();
    for (unit, flags) in units {
        match runs.last_mut() {
            Some((_, end, last)) if *end == unit && *last == flags => *end += 1,
            _ => runs.push((unit, unit + 1, flags)),
        }
    }
    runs
}

fn region_list(units: impl Iterator<Item = (u64, Flags)>) -> Vec<Region> {
    let region = |(start, end, flags)| Region {
        range: PhysRange::new(addr(start * UNIT), addr(end * UNIT)),
        flags,
    };
    runs(units).into_iter().map(region).collect()
}

/// The units in which the lists themselves lie.
fn array_units(memblock: &Memblock<'_>) -> BTreeSet<u64> {
    let arrays = [memblock.memory().array(), memblock.reserved().array()];
    let units = |a: PhysRange| a.start().as_u64() / UNIT..a.end().as_u64() / UNIT;
    let units: Vec<_> = arrays.into_iter().flatten().flat_map(units).collect();
    let set: BTreeSet<_> = units.iter().copied().collect();
    assert_eq!(set.len(), units.len(), "the two arrays overlap");
    set
}

/// Performs `ops` on both. With `refusals`, the first arrays have one slot each, and the storage
/// refuses request n when bit n is set; without, nothing has to grow.
fn run(first_unit: u64, ops: &[Op], refusals: Option<u64>) {
    let mut memblock = empty_machine(if refusals.is_some() { 1 } else { 2 * UNITS as usize });
    if let Some(refusals) = refusals {
        allow_growth(&mut memblock, move |n| n < 64 && refusals >> n & 1 == 1);
    }
    let (memory, reserved) = Default::default();
    let limit = u64::MAX / UNIT;
    let mut model = Model { first_unit, memory, reserved, direction: Direction::TopDown, limit };
    for op in ops {
        let arrays = array_units(&memblock);
        let expected = model.expect(*op, &arrays);
        let before = snapshot(&memblock);
        let result = model.perform(*op, &mut memblock);
        match result {
            Ok(place) => {
                let expected_place = if let Expected::Place(place) = expected { place } else { 0 };
                assert_eq!(place, expected_place, "{op:?}, {expected:?}");
                assert!(matches!(expected, Expected::Done | Expected::Place(_)), "{op:?}");
                model.apply(*op, place);
            }
            Err(error) => {
                assert_eq!(snapshot(&memblock), before, "{op:?} failed and changed something");
                match error {
                    MemblockError::ArrayInUse { .. } => assert_eq!(expected, Expected::ArrayInUse),
                    MemblockError::NoSpace { .. } => assert_eq!(expected, Expected::NoSpace),
                    _ => {
                        assert!(refusals.is_some(), "{op:?}: {error}");
                        assert!(matches!(expected, Expected::Done | Expected::Place(_)), "{op:?}");
                        check_growth_error(&model, *op, error, &arrays);
                    }
                }
            }
        }
        model.check(&memblock, &array_units(&memblock));
    }
}

/// Where memblock found no room for a longer list, there must have been none.
fn check_growth_error(model: &Model, op: Op, error: MemblockError, arrays: &BTreeSet<u64>) {
    let MemblockError::NoRoomForArray { list, bytes } = error else {
        assert!(matches!(error, MemblockError::StorageRefused { .. }), "{op:?}: {error}");
        return;
    };
    let avoided = match op {
        Op::Add(span, _) | Op::Remove(span) | Op::MarkNomap(span) | Op::ClearNomap(span) => {
            if list == ListKind::Reserved {
                // The memory list's new array, whose place is not known here, is avoided as well.
                return;
            }
            model.units(span)
        }
        Op::Reserve(span) | Op::Free(span) => model.units(span),
        // The place that was found is avoided, and what is left may be too small.
        _ => return,
    };
    let is_taken = |unit: u64| {
        model.reserved.contains(&unit) || arrays.contains(&unit) || avoided.contains(&unit)
    };
    let place = model.search((bytes / UNIT, UNITS_PER_PAGE), (0, model.limit), is_taken);
    assert_eq!(place, None, "{op:?}: there was room for {bytes:#x} bytes");
}

proptest! {
    #[test]
    fn random_operations_agree_with_the_model(
        first_unit in prop::sample::select(&FIRST_UNITS[..]),
        ops in prop::collection::vec(ops(), 1..80),
    ) {
        run(first_unit, &ops, None);
    }

    #[test]
    fn random_operations_with_growth_agree_with_the_model(
        first_unit in prop::sample::select(&FIRST_UNITS[..]),
        ops in prop::collection::vec(ops(), 1..80),
        refusals in prop_oneof![Just(0), any::<u64>()],
    ) {
        run(first_unit, &ops, Some(refusals));
    }
}
