//! Random operations against a plain map of pages.
//!
//! Areas and blocks go through their lives in random order, rights of the linear map change, its sections are split,
//! joined, taken out and put back, address spaces come and go, and any operation may find no memory for a table. After
//! each one the first root maps just what the map says, the others have the same words, and tables are as many as
//! there are mebibytes that want one. The machine watches break before make meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use mm::addr::{Pfn, PfnRange, VirtAddr, VirtRange};
use mm::map::{MemoryType, Mmu, Prot, Rights, Stale};
use mm::zone::Gfp;
use proptest::prelude::*;

use super::super::attributes::{Access, Attributes, Execute};
use super::emulated::{Emulated, pages};
use super::tests::{LINEAR, LINEAR_MIB, PHYS, START, live, machine, phys, range, root, virt};
use super::words::{attributes, page_bits};
use super::{ChangeError, LiveTables};

const GFP: Gfp = Gfp::GFP_KERNEL;
const END: u32 = 0xff00_0000;

/// Areas of small pages: first address and pages. Some share mebibytes, some straddle them.
const AREAS: [(u32, u32); 7] = [
    (0xf080_0000, 1),
    (0xf080_2000, 3),
    (0xf08f_e000, 5),
    (0xf094_0000, 17),
    (0xf09f_f000, 258),
    (0xf0b0_2000, 254),
    (0xbf00_1000, 4),
];

/// Blocks: first address, pages, first frame's address.
const BLOCKS: [(u32, u32, u32); 6] = [
    (0xf100_0000, 256, 0x1000_0000),
    (0xf11f_f000, 258, 0x100f_f000),
    (0xf140_0000, 300, 0x2000_0000),
    (0xf152_d000, 8, 0x0900_0000),
    (0xf200_0000, 16 * 256, 0x1100_0000),
    (0xf300_0000, 17 * 256 + 3, 0x3000_0000),
];

const ROOTS: [u32; 3] = [0x4001_0000, 0x4002_0000, 0x4003_0000];

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The area, or the block, goes on to its next state. `bits` choose how.
    Area {
        which: usize,
        bits: u32,
    },
    Block {
        which: usize,
        bits: u32,
    },
    /// Rights of so many pages of the linear map from a page on.
    Rights {
        change: u32,
        page: u32,
        pages: u32,
    },
    Split {
        page: u32,
        pages: u32,
    },
    Join,
    TakeOut {
        mib: u32,
        mibs: u32,
    },
    PutBack {
        mib: u32,
        mibs: u32,
    },
    Root {
        which: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let page = 0..LINEAR_MIB * 256;
    // Whole mebibytes as often as any pages.
    let part = prop_oneof![
        (page, 1..600_u32).prop_map(|(page, pages)| (page, pages.min(LINEAR_MIB * 256 - page))),
        (0..LINEAR_MIB, 1..3_u32).prop_map(|(mib, n)| (mib * 256, n.min(LINEAR_MIB - mib) * 256)),
    ];
    let mibs = (0..LINEAR_MIB, 1..3_u32).prop_map(|(mib, n)| (mib, n.min(LINEAR_MIB - mib)));
    prop_oneof![
        6 => (0..AREAS.len(), any::<u32>()).prop_map(|(which, bits)| Op::Area { which, bits }),
        3 => (0..BLOCKS.len(), any::<u32>()).prop_map(|(which, bits)| Op::Block { which, bits }),
        3 => (0..4_u32, part.clone())
            .prop_map(|(change, (page, pages))| Op::Rights { change, page, pages }),
        1 => part.prop_map(|(page, pages)| Op::Split { page, pages }),
        2 => Just(Op::Join),
        1 => mibs.clone().prop_map(|(mib, mibs)| Op::TakeOut { mib, mibs }),
        1 => mibs.prop_map(|(mib, mibs)| Op::PutBack { mib, mibs }),
        1 => (0..ROOTS.len()).prop_map(|which| Op::Root { which }),
    ]
}

/// Where an area is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Free,
    Held,
    Mapped,
    /// Retired, and forgotten by all TLBs.
    Dead,
}

struct Model {
    /// What maps each page: the frame's address, and a small page's low bits.
    pages: Pages,
    areas: [Life; AREAS.len()],
    blocks: [bool; BLOCKS.len()],
    /// The dead entries of each area, in order.
    dead: [Vec<Pfn>; AREAS.len()],
    split: BTreeSet<u32>,
    out: BTreeSet<u32>,
    roots: BTreeSet<u32>,
}

const RIGHTS: [Rights; 3] = [Rights::ReadWrite, Rights::Read, Rights::ReadExecute];
const TYPES: [MemoryType; 4] = [
    MemoryType::WriteBack,
    MemoryType::WriteCombine,
    MemoryType::Device,
    MemoryType::StronglyOrdered,
];

fn prot(bits: u32) -> Prot {
    Prot { memory: TYPES[(bits & 3) as usize], rights: RIGHTS[(bits >> 2) as usize % 3] }
}

impl Model {
    fn new(machine: &Emulated) -> Self {
        Self {
            pages: pages(machine, Emulated::ROOT, START, END),
            areas: [Life::Free; AREAS.len()],
            blocks: [false; BLOCKS.len()],
            dead: [const { Vec::new() }; AREAS.len()],
            split: BTreeSet::new(),
            out: BTreeSet::new(),
            roots: BTreeSet::new(),
        }
    }

    fn run(&mut self, machine: &Emulated, live: &LiveTables<&Emulated>, op: Op) {
        match op {
            Op::Area { which, bits } => self.area(machine, live, which, bits),
            Op::Block { which, bits } => self.block(machine, live, which, bits),
            Op::Rights { change, page, pages } => {
                self.rights(machine, live, change, range(LINEAR + page * 4096, pages));
            }
            Op::Split { page, pages } => {
                let part = range(LINEAR + page * 4096, pages);
                let done = live.split(part, GFP);
                for mib in
                    mebibytes_of(part).filter(|mib| self.is_section(*mib)).collect::<Vec<_>>()
                {
                    if done.is_err() && live.first_level(virt(mib)) & 3 == 2 {
                        break;
                    }
                    self.split.insert(mib);
                }
            }
            Op::Join => {
                let joined = live.join(range(LINEAR, LINEAR_MIB * 256));
                let before = self.split.len();
                let same = |mib: u32| {
                    let first = self.pages[&mib];
                    (0..256).all(|n| self.pages[&(mib + n * 4096)] == (first.0 + n * 4096, first.1))
                };
                let kept: BTreeSet<u32> =
                    self.split.iter().copied().filter(|mib| !same(*mib)).collect();
                self.split = kept;
                assert_eq!(joined as usize, before - self.split.len());
            }
            Op::TakeOut { mib, mibs } => {
                let part = range(LINEAR + (mib << 20), mibs * 256);
                let whole = mebibytes_of(part).all(|mib| {
                    self.is_section(mib)
                        && self.pages.get(&mib).is_some_and(|p| p.1 == page_bits(Prot::KERNEL))
                });
                assert_eq!(live.take_out(part).is_ok(), whole);
                if whole {
                    self.out.extend(mebibytes_of(part));
                    self.unmap(part);
                    assert!(!machine.is_stale(part.start().as_u32(), part.end().as_u32()));
                }
            }
            Op::PutBack { mib, mibs } => {
                let part = range(LINEAR + (mib << 20), mibs * 256);
                let all = mebibytes_of(part).all(|mib| self.out.contains(&mib));
                assert_eq!(live.put_back(part).is_ok(), all);
                if all {
                    self.out.retain(|mib| !part.contains(virt(*mib)));
                    self.map(part, part.start().as_u32() - LINEAR + PHYS, Prot::KERNEL);
                }
            }
            Op::Root { which } => {
                let at = ROOTS[which];
                if self.roots.remove(&at) {
                    live.remove_root(root(at)).unwrap();
                    machine.remove_root(at);
                } else {
                    machine.add_root(at);
                    live.add_root(root(at)).unwrap();
                    self.roots.insert(at);
                }
            }
        }
    }

    fn is_section(&self, mib: u32) -> bool {
        self.pages.contains_key(&mib) && !self.split.contains(&mib)
    }

    fn map(&mut self, part: VirtRange, phys: u32, prot: Prot) {
        for (n, page) in pages_of(part).enumerate() {
            let bits = attributes(prot).small_page_bits();
            assert_eq!(self.pages.insert(page, (phys + n as u32 * 4096, bits)), None);
        }
    }

    fn unmap(&mut self, part: VirtRange) {
        for page in pages_of(part) {
            self.pages.remove(&page).unwrap();
        }
    }

    fn area(&mut self, machine: &Emulated, live: &LiveTables<&Emulated>, which: usize, bits: u32) {
        let (start, len) = AREAS[which];
        let area = range(start, len);
        self.areas[which] = match self.areas[which] {
            Life::Free => match live.hold_tables(area, GFP) {
                Ok(()) => Life::Held,
                Err(error) => {
                    assert_eq!(machine.fail_after.get(), Some(0), "{error}");
                    Life::Free
                }
            },
            Life::Held if bits & 1 == 0 => {
                live.drop_tables(area);
                Life::Free
            }
            Life::Held => {
                let prot = prot(bits >> 1);
                let first = bits >> 12;
                if bits & 2 == 0 {
                    let frames: Vec<Pfn> = (0..len).map(|n| Pfn::new(first ^ n)).collect();
                    live.publish(live.map_pages(area.start(), &frames, prot));
                    for (page, pfn) in pages_of(area).zip(frames) {
                        self.pages.insert(page, (pfn.as_u32() << 12, page_bits(prot)));
                    }
                } else {
                    let first = Pfn::new(first & 0x7_ffff);
                    let run = PfnRange::new(first, first.saturating_add(len));
                    live.publish(live.map_run(area.start(), run, prot));
                    self.map(area, first.as_u32() << 12, prot);
                }
                Life::Mapped
            }
            Life::Mapped if bits & 3 == 0 => {
                live.flush(live.clear(area));
                self.unmap(area);
                Life::Held
            }
            Life::Mapped => {
                // In two parts, whose flushes are one.
                let middle = virt(start + bits % len * 4096);
                let below = live.retire(VirtRange::new(area.start(), middle));
                let stale = below.and(live.retire(VirtRange::new(middle, area.end())));
                flush(machine, live, stale, bits);
                let frame = |page: u32| Pfn::new(self.pages[&page].0 >> 12);
                self.dead[which] = pages_of(area).map(frame).collect();
                self.unmap(area);
                Life::Dead
            }
            Life::Dead => {
                let mut from = area.start();
                let mut found = Vec::new();
                while from < area.end() {
                    let mut some = [Pfn::new(0); 100];
                    let size = 1 + bits as usize % some.len();
                    let (taken, next) =
                        live.take_dead(VirtRange::new(from, area.end()), &mut some[..size]);
                    assert!(taken > 0 || next == area.end());
                    found.extend_from_slice(&some[..taken]);
                    from = next;
                }
                assert_eq!(found, std::mem::take(&mut self.dead[which]));
                Life::Held
            }
        };
    }

    fn block(&mut self, machine: &Emulated, live: &LiveTables<&Emulated>, which: usize, bits: u32) {
        let (start, len, first) = BLOCKS[which];
        let area = range(start, len);
        if self.blocks[which] {
            flush(machine, live, live.unmap_blocks(area), bits);
            self.unmap(area);
            self.blocks[which] = false;
            return;
        }
        match live.map_blocks(area.start(), phys(first, len), prot(bits), GFP) {
            Ok(fresh) => {
                live.publish(fresh);
                self.map(area, first, prot(bits));
                self.blocks[which] = true;
            }
            Err(error) => assert_eq!(machine.fail_after.get(), Some(0), "{error}"),
        }
    }

    fn rights(
        &mut self,
        machine: &Emulated,
        live: &LiveTables<&Emulated>,
        change: u32,
        part: VirtRange,
    ) {
        let done = match change {
            0 => live.set_memory_ro(part, GFP),
            1 => live.set_memory_rw(part, GFP),
            2 => live.set_memory_x(part, GFP),
            _ => live.set_memory_nx(part, GFP),
        };
        assert!(!machine.is_stale(part.start().as_u32(), part.end().as_u32()));
        let mut after = BTreeMap::new();
        let mut expected = Ok(());
        for page in pages_of(part) {
            let Some(&(frame, bits)) = self.pages.get(&page) else {
                expected = Err(ChangeError::NotMapped { virt: virt(page) });
                break;
            };
            let mut rights = RIGHTS[0];
            for candidate in RIGHTS {
                if page_bits(Prot { rights: candidate, ..Prot::KERNEL }) == bits {
                    rights = candidate;
                }
            }
            let (mut write, mut execute) =
                (rights == Rights::ReadWrite, rights == Rights::ReadExecute);
            match change {
                0 => write = false,
                1 => write = true,
                2 => execute = true,
                _ => execute = false,
            }
            if write && execute {
                expected = Err(ChangeError::WriteAndExecute { virt: virt(page) });
                break;
            }
            let mut now = Attributes::KERNEL_DATA;
            now.leaf.access = if write { Access::KernelReadWrite } else { Access::KernelRead };
            now.leaf.execute = if execute { Execute::Allowed } else { Execute::Never };
            after.insert(page, (frame, now.small_page_bits()));
        }
        if let Err(ChangeError::NoTable(_)) = done {
            assert_eq!((machine.fail_after.get(), expected), (Some(0), Ok(())));
            // What it had split it has joined, and with it what was there to be joined.
            self.split.retain(|mib| live.first_level(virt(*mib)) & 3 == 1);
            return;
        }
        assert_eq!(done, expected);
        if done.is_ok() {
            for mib in mebibytes_of(part) {
                let whole = part.start().as_u32() <= mib
                    && mib - LINEAR + (1 << 20) <= part.end().as_u32() - LINEAR;
                if !whole {
                    self.split.insert(mib);
                }
            }
            self.pages.extend(after);
        }
    }

    fn check(&self, machine: &Emulated) {
        let seen = pages(machine, Emulated::ROOT, START, END);
        assert!(seen == self.pages, "{:?}", difference(&seen, &self.pages));
        for at in &self.roots {
            for mib in START >> 20..4096 {
                let words = [Emulated::ROOT, *at].map(|root| machine.peek(root + mib * 4));
                assert_eq!(words[0], words[1], "{:#x}", mib << 20);
            }
        }
        let mut tables = self.split.clone();
        for (which, (start, len)) in AREAS.into_iter().enumerate() {
            if self.areas[which] != Life::Free {
                tables.extend(mebibytes_of(range(start, len)));
            }
        }
        for (which, (start, len, _)) in BLOCKS.into_iter().enumerate() {
            if self.blocks[which] {
                let area = range(start, len);
                let (first, end) = (area.start().as_u32(), area.end().as_u32());
                let part = |mib: &u32| *mib < first || *mib + (1 << 20) > end;
                tables.extend(mebibytes_of(area).filter(part));
            }
        }
        tables.retain(|mib| *mib != START);
        assert_eq!(machine.tables(), tables.len());
    }

    /// Everything ends; then no table is left.
    fn end(&mut self, machine: &Emulated, live: &LiveTables<&Emulated>) {
        machine.fail_after.set(None);
        for which in 0..AREAS.len() {
            while self.areas[which] != Life::Free {
                self.area(machine, live, which, 4);
            }
        }
        for which in 0..BLOCKS.len() {
            if self.blocks[which] {
                self.block(machine, live, which, 0);
            }
        }
        for mib in std::mem::take(&mut self.out) {
            live.put_back(range(mib, 256)).unwrap();
            self.map(range(mib, 256), mib - LINEAR + PHYS, Prot::KERNEL);
        }
        let all = range(LINEAR, LINEAR_MIB * 256);
        self.rights(machine, live, 3, all);
        self.rights(machine, live, 1, all);
        self.run(machine, live, Op::Join);
        self.check(machine);
        assert_eq!(machine.tables(), 0);
    }
}

/// One of the ways to pay.
fn flush(machine: &Emulated, live: &LiveTables<&Emulated>, stale: Stale, bits: u32) {
    let range = stale.range();
    if bits & 1 << 20 == 0 {
        live.flush(stale);
    } else {
        let _ = stale.put_off();
        live.flush_all();
    }
    assert!(!machine.is_stale(range.start().as_u32(), range.end().as_u32()));
}

fn pages_of(part: VirtRange) -> impl Iterator<Item = u32> {
    (part.start().as_u32()..part.end().as_u32()).step_by(4096)
}

/// The first addresses of the mebibytes that have a byte of `part`.
fn mebibytes_of(part: VirtRange) -> impl Iterator<Item = u32> {
    let first: VirtAddr = part.start().align_down(1 << 20);
    (first.as_u32()..part.end().as_u32()).step_by(1 << 20)
}

type Page = (u32, u32);
type Pages = BTreeMap<u32, Page>;

/// The first page that is not the same in both: where, what was seen, what was expected.
fn difference(seen: &Pages, expected: &Pages) -> Option<(u32, [Option<Page>; 2])> {
    let all: BTreeSet<_> = seen.keys().chain(expected.keys()).collect();
    let other = all.into_iter().find(|page| seen.get(page) != expected.get(page))?;
    Some((*other, [seen, expected].map(|pages| pages.get(other).copied())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_maps_what_the_map_of_pages_says(
        ops in prop::collection::vec((op(), prop::option::weighted(0.15, 0..3_u32)), 1..60),
    ) {
        let machine = machine();
        let live = live(&machine);
        let mut model = Model::new(&machine);
        for (op, fail_after) in ops {
            machine.fail_after.set(fail_after);
            model.run(&machine, &live, op);
            model.check(&machine);
        }
        model.end(&machine, &live);
    }
}

/// Each table that an operation takes may be the one that is not there: it fails, changes nothing, and leaves nothing
/// behind.
#[test]
fn every_table_may_be_the_one_that_is_missing() {
    let ops = [
        Op::Area { which: 4, bits: 0 },
        Op::Block { which: 1, bits: 0 },
        Op::Block { which: 2, bits: 0 },
        Op::Rights { change: 0, page: 3, pages: 600 },
    ];
    for op in ops {
        let mut failures = 0;
        loop {
            let machine = machine();
            let live = live(&machine);
            let mut model = Model::new(&machine);
            machine.fail_after.set(Some(failures));
            model.run(&machine, &live, op);
            model.check(&machine);
            if machine.tables() > 0 {
                break;
            }
            failures += 1;
        }
        assert!(failures > 0, "{op:?} takes tables");
    }
}
