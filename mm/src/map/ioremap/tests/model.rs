//! Random ranges and types beside a plain list of what is mapped; and the tree beside a plain list of ranges.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Map { start: u32, pages: u32, memory: MemoryType },
    Unmap(usize),
    Purge,
    MakeRoom,
}

fn memory() -> impl Strategy<Value = MemoryType> {
    prop_oneof![
        4 => Just(MemoryType::Device),
        2 => Just(MemoryType::WriteCombine),
        1 => Just(MemoryType::WriteBack),
    ]
}

/// A few frames, so that ranges meet; and some long ranges around them.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let small = (0x9000_u32..0x9030, 1_u32..9);
    let middle = (0x8ff0_u32..0x9010, 1_u32..60);
    let large = (prop_oneof![Just(0x8f00_u32), Just(0x8f40), Just(0x9000)], 0x100_u32..0x400);
    let huge = (Just(0x8000_u32), Just(0x1000_u32));
    let range = prop_oneof![8 => small, 4 => middle, 2 => large, 1 => huge];
    let op = prop_oneof![
        8 => (range, memory())
            .prop_map(|((start, pages), memory)| Op::Map { start, pages, memory }),
        8 => any::<usize>().prop_map(Op::Unmap),
        1 => Just(Op::Purge),
        1 => Just(Op::MakeRoom),
    ];
    prop::collection::vec(op, 1..150)
}

#[derive(Clone, Debug)]
struct Live {
    start: u32,
    end: u32,
    memory: MemoryType,
    caller: u32,
    page: VirtAddr,
    users: u32,
}

/// A handle is an address and the number of the mapping that it leads to.
#[derive(Default)]
struct Model {
    live: BTreeMap<u32, Live>,
    handles: Vec<(VirtAddr, u32)>,
}

impl Model {
    fn map(&mut self, bench: &Bench<'_, '_>, number: u32, range: (u32, u32), memory: MemoryType) {
        let (start, end) = range;
        let phys = u64::from(start) << PAGE_SHIFT;
        let (len, caller) = ((end - start) * PAGE_SIZE, 0xc000_0000 + number);
        let phys = PhysAddr::new(phys);
        let mapped = match memory {
            MemoryType::Device => bench.io.ioremap(phys, len, caller),
            MemoryType::WriteCombine => bench.io.ioremap_wc(phys, len, caller),
            _ => bench.io.ioremap_cache(phys, len, caller),
        };
        let meets = |live: &&Live| live.start < end && start < live.end;
        let others: Vec<_> =
            self.live.values().filter(meets).filter(|live| live.memory != memory).collect();
        match mapped {
            Err(IoremapError::Conflict { wanted, has, range, caller }) => {
                let frames = range.whole_frames();
                let is_named = |live: &&Live| {
                    (live.start, live.end) == (frames.start().as_u32(), frames.end().as_u32())
                        && (live.memory, live.caller) == (has, caller)
                };
                assert_eq!(wanted, memory);
                assert!(
                    others.into_iter().any(|live| is_named(&live)),
                    "{range} {has} {caller:#x}"
                );
            }
            Err(error) => panic!("{error}"),
            Ok(virt) => {
                assert!(others.is_empty(), "{others:?} and now {memory}");
                let holders: Vec<_> = self
                    .live
                    .iter()
                    .filter(|(_, live)| {
                        live.memory == memory && live.start <= start && end <= live.end
                    })
                    .map(|(number, live)| {
                        (*number, live.page.as_u32() + (start - live.start) * PAGE_SIZE)
                    })
                    .collect();
                let shared = holders.iter().find(|(_, there)| *there == virt.as_u32());
                let number = match shared {
                    Some((number, _)) => {
                        self.live.get_mut(number).unwrap().users += 1;
                        *number
                    }
                    None => {
                        assert_eq!(holders, [], "mapped again at {virt}");
                        let new = Live { start, end, memory, caller, page: virt, users: 1 };
                        self.live.insert(number, new);
                        number
                    }
                };
                self.handles.push((virt, number));
            }
        }
    }

    fn unmap(&mut self, bench: &Bench<'_, '_>, index: usize) {
        if self.handles.is_empty() {
            return;
        }
        let (virt, number) = self.handles.swap_remove(index % self.handles.len());
        bench.io.iounmap(virt).unwrap();
        let live = self.live.get_mut(&number).unwrap();
        live.users -= 1;
        if live.users == 0 {
            assert_eq!(bench.phys(virt), None);
            self.live.remove(&number);
        }
    }

    fn check(&self, bench: &Bench<'_, '_>) {
        bench.io.validate().unwrap();
        bench.region.validate().unwrap();
        let mut ranges = bench.ranges();
        assert!(ranges.is_sorted_by_key(|range| range.0));
        // What waits is there for as long as a TLB may know.
        let tables = bench.mmu.tables.borrow();
        for entry in tables.stale.values() {
            let is_known = |range: &(u32, u32, MemoryType, u32)| {
                range.0 <= entry.pfn && entry.pfn < range.1 && range.2 == entry.memory
            };
            assert!(ranges.iter().any(is_known), "{entry:?} is forgotten");
        }
        drop(tables);
        ranges.retain(|range| range.3 > 0);
        let live = self.live.values();
        let mut expected: Vec<_> =
            live.map(|live| (live.start, live.end, live.memory, live.users)).collect();
        let key = |range: &(u32, u32, MemoryType, u32)| (range.0, range.1, range.3);
        ranges.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(ranges, expected);
        for live in self.live.values() {
            let last = live.page.checked_add((live.end - live.start) * PAGE_SIZE - 1).unwrap();
            let phys = |frame: u32| u64::from(frame) << PAGE_SHIFT;
            assert_eq!(bench.phys(live.page), Some(phys(live.start)));
            assert_eq!(bench.phys(last), Some(phys(live.end) - 1));
            let info = bench.region.area_at(live.page).unwrap();
            assert_eq!((info.memory, info.caller), (live.memory, live.caller));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn ranges_and_types_as_a_list(ops in ops()) {
        with_io(space(240), |bench| {
            let mut model = Model::default();
            for (number, op) in (1..).zip(ops) {
                match op {
                    Op::Map { start, pages, memory } => {
                        model.map(bench, number, (start, start + pages), memory);
                    }
                    Op::Unmap(index) => model.unmap(bench, index),
                    Op::Purge => _ = bench.region.purge(),
                    Op::MakeRoom => _ = bench.region.make_room(),
                }
                model.check(bench);
            }
            while !model.handles.is_empty() {
                model.unmap(bench, 0);
            }
            model.check(bench);
        });
    }
}
