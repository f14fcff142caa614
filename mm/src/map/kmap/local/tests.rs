//! Levels against a table whose TLBs go stale, with handlers that come in between.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::super::test_slots::{OneThread, TestSlots};
use super::*;
use crate::addr::PhysAddr;
use crate::addr::PhysRange;
use crate::map::fixmap::MAX_CPUS;

/// Lowmem is the first 16 frames, at address 0 on.
const LOWMEM: u32 = 16;

fn linear() -> LinearMap {
    let end = Pfn::new(LOWMEM).start();
    LinearMap::new(VirtAddr::new(0), PhysRange::new(PhysAddr::new(0), end))
}

fn with_levels<const CPUS: usize>(
    f: impl FnOnce(&KmapLocal<OneThread, TestSlots, CPUS>, &TestSlots),
) {
    let table = TestSlots::default();
    let levels = KmapLocal::new(&linear(), OneThread::default(), table.clone());
    f(&levels, &table);
    assert_eq!(levels.platform.told(), []);
}

#[test]
fn levels_nest_up_to_fifteen() {
    with_levels::<1>(|levels, table| {
        let mut pages = Vec::new();
        for level in 0..MAX_DEPTH {
            let page = levels.kmap_local(Pfn::new(100 + level)).unwrap();
            assert_eq!(page.address(), Slot::kmap_local(0, level).unwrap().address());
            assert_eq!(table.read(page.address()), Pfn::new(100 + level));
            pages.push(page);
        }
        let pfn = Pfn::new(7000);
        assert_eq!(levels.kmap_local(pfn).unwrap_err(), TooDeep { pfn });
        assert_eq!(levels.depth(0), Some(Depth { now: 15, most: 15 }));
        for (level, page) in pages.iter().enumerate() {
            assert_eq!(table.read(page.address()), Pfn::new(100 + level as u32));
        }
        while pages.pop().is_some() {}
        assert_eq!(levels.depth(0), Some(Depth { now: 0, most: 15 }));
        assert_eq!(table.mapped(), 0);
        assert_eq!(table.flushes().len(), 15);
    });
}

#[test]
fn lowmem_costs_nothing() {
    with_levels::<1>(|levels, table| {
        let pages: Vec<_> =
            (0..LOWMEM).map(|pfn| levels.kmap_local(Pfn::new(pfn)).unwrap()).collect();
        for (pfn, page) in pages.iter().enumerate() {
            assert_eq!(page.address(), VirtAddr::new((pfn as u32) << PAGE_SHIFT));
        }
        // In whatever order.
        drop(pages);
        assert_eq!((table.mapped(), table.flushes().len()), (0, 0));
        assert_eq!(levels.depth(0), Some(Depth { now: 0, most: 0 }));
    });
}

#[test]
fn each_cpu_has_its_own_levels() {
    with_levels::<8>(|levels, table| {
        let mut addresses = std::collections::BTreeSet::new();
        for cpu in 0..MAX_CPUS {
            levels.platform.set_cpu(cpu as usize);
            for level in 0..MAX_DEPTH {
                let virt = levels.kmap_local_raw(Pfn::new(1000 + cpu * 16 + level)).unwrap();
                assert_eq!(virt, Slot::kmap_local(cpu, level).unwrap().address());
                assert!(addresses.insert(virt));
            }
        }
        assert!(levels.depths().all(|depth| depth == Depth { now: 15, most: 15 }));
        for virt in addresses {
            // Upwards in address is down in levels, from the last CPU on.
            levels.kunmap_local_raw(virt).unwrap();
        }
        assert_eq!(table.mapped(), 0);
    });
}

#[test]
fn a_level_below_another_is_not_given_up() {
    let table = TestSlots::default();
    let levels = KmapLocal::<_, _, 2>::new(&linear(), OneThread::default(), table.clone());
    let [outer, inner] = [200, 201].map(|pfn| levels.kmap_local_raw(Pfn::new(pfn)).unwrap());
    let after = VirtAddr::new(inner.as_u32() - PAGE_SIZE);
    let other_cpu = Slot::kmap_local(1, 0).unwrap().address();
    let no_cpu = Slot::kmap_local(2, 0).unwrap().address();
    let above = Slot::EARLY_CONSOLE.address();
    let wrong = [
        WrongUnmap::NotInnermost { virt: outer, depth: 2 },
        WrongUnmap::NotMapped { virt: after },
        WrongUnmap::NotMapped { virt: other_cpu },
        WrongUnmap::NoSlot { virt: no_cpu },
        WrongUnmap::NoSlot { virt: above },
        WrongUnmap::NoSlot { virt: VirtAddr::new(LOWMEM << PAGE_SHIFT) },
        WrongUnmap::NoSlot { virt: VirtAddr::new(u32::MAX) },
    ];
    for error in wrong {
        let (WrongUnmap::NotInnermost { virt, .. }
        | WrongUnmap::NotMapped { virt }
        | WrongUnmap::NoSlot { virt }
        | WrongUnmap::NoUser { virt, .. }) = error;
        assert_eq!(levels.kunmap_local_raw(virt), Err(NotUnmapped { virt }));
        assert_eq!(levels.platform.told(), [error]);
    }
    assert_eq!([outer, inner].map(|virt| table.read(virt)), [200, 201].map(Pfn::new));
    // Any byte of the page will do.
    levels.kunmap_local_raw(VirtAddr::new(inner.as_u32() + 4095)).unwrap();
    levels.kunmap_local_raw(outer).unwrap();
    assert_eq!(table.mapped(), 0);
}

#[test]
#[cfg(debug_assertions)]
fn guards_that_end_in_another_order_are_a_panic() {
    let levels = KmapLocal::<_, _, 1>::new(&linear(), OneThread::default(), TestSlots::default());
    let outer = levels.kmap_local(Pfn::new(300)).unwrap();
    let inner = levels.kmap_local(Pfn::new(301)).unwrap();
    catch_unwind(AssertUnwindSafe(|| drop(outer))).unwrap_err();
    drop(inner);
}

/// A step of a program, or of the handler that interrupts it.
#[derive(Clone, Debug)]
enum Step {
    Map(u32),
    Unmap,
    Read(usize),
    /// A handler, which gives back what it takes.
    Interrupt(Vec<Step>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        3 => (0..40_u32).prop_map(|pfn| Step::Map(LOWMEM / 2 + pfn)),
        2 => Just(Step::Unmap),
        1 => (0..15_usize).prop_map(Step::Read),
    ];
    let step = leaf.prop_recursive(3, 64, 12, |inner| {
        prop_oneof![4 => inner.clone(), 1 => prop::collection::vec(inner, 0..12).prop_map(Step::Interrupt)]
    });
    prop::collection::vec(step, 0..60)
}

/// Does the steps against a plain stack of frames.
fn run<P: Platform>(
    levels: &KmapLocal<P, TestSlots, 1>,
    table: &TestSlots,
    steps: &[Step],
    below: u32,
) {
    let mut mine: Vec<(Pfn, LocalPage<'_, P, TestSlots, 1>)> = Vec::new();
    let high = |mine: &[(Pfn, LocalPage<'_, P, TestSlots, 1>)]| {
        below + mine.iter().filter(|(pfn, _)| pfn.as_u32() >= LOWMEM).count() as u32
    };
    for step in steps {
        match step {
            Step::Map(pfn) => {
                let pfn = Pfn::new(*pfn);
                let has_room = pfn.as_u32() < LOWMEM || high(&mine) < MAX_DEPTH;
                match levels.kmap_local(pfn) {
                    Ok(page) => mine.push((pfn, page)),
                    Err(error) => assert_eq!((error, has_room), (TooDeep { pfn }, false)),
                }
            }
            Step::Unmap => drop(mine.pop()),
            Step::Read(index) => {
                if let Some((pfn, page)) = mine.get(*index)
                    && pfn.as_u32() >= LOWMEM
                {
                    assert_eq!(table.read(page.address()), *pfn);
                }
            }
            Step::Interrupt(handler) => run(levels, table, handler, high(&mine)),
        }
        assert_eq!(levels.depth(0).unwrap().now, high(&mine));
        assert_eq!(table.mapped() as u32, high(&mine));
    }
    while mine.pop().is_some() {}
}

proptest! {
    #[test]
    fn any_nesting_of_programs_and_handlers(steps in steps()) {
        with_levels::<1>(|levels, table| {
            run(levels, table, &steps, 0);
            assert_eq!(table.mapped(), 0);
        });
    }
}

/// A handler that comes at each single access to the table uses levels of its own and leaves all as it was.
#[test]
fn a_handler_may_come_at_any_instruction() {
    struct Interrupted<'l> {
        table: TestSlots,
        levels: std::cell::OnceCell<&'l KmapLocal<OneThread, Interrupted<'l>, 1>>,
        is_inside: std::cell::Cell<bool>,
        came: std::cell::Cell<u32>,
    }
    impl Interrupted<'_> {
        fn interrupt(&self) {
            let Some(levels) = self.levels.get() else { return };
            if self.is_inside.replace(true) {
                return;
            }
            let before = levels.depth(0);
            let (one, two) = (Pfn::new(500), Pfn::new(501));
            let outer = levels.kmap_local(one).unwrap();
            let inner = levels.kmap_local(two).unwrap();
            assert_eq!(self.table.read(inner.address()), two);
            assert_eq!(self.table.read(outer.address()), one);
            drop(inner);
            drop(outer);
            assert_eq!(levels.depth(0).map(|depth| depth.now), before.map(|depth| depth.now));
            self.came.set(self.came.get() + 1);
            self.is_inside.set(false);
        }
    }
    impl SlotTable for Interrupted<'_> {
        fn map(&self, virt: VirtAddr, pfn: Pfn) -> crate::map::Fresh {
            self.interrupt();
            let fresh = self.table.map(virt, pfn);
            // Not published yet: the handler must not touch it, and publishes its own.
            self.interrupt();
            fresh
        }
        fn publish(&self, fresh: crate::map::Fresh) {
            self.table.publish(fresh);
            self.interrupt();
        }
        fn clear(&self, virt: VirtAddr) -> crate::map::Stale {
            self.interrupt();
            let stale = self.table.clear(virt);
            self.interrupt();
            stale
        }
        fn flush(&self, stale: crate::map::Stale) {
            self.table.flush(stale);
            self.interrupt();
        }
    }
    let table = Interrupted {
        table: TestSlots::default(),
        levels: std::cell::OnceCell::new(),
        is_inside: std::cell::Cell::new(false),
        came: std::cell::Cell::new(0),
    };
    let levels = KmapLocal::new(&linear(), OneThread::default(), table);
    levels.table.levels.set(&levels).ok().unwrap();
    for _ in 0..3 {
        let outer = levels.kmap_local(Pfn::new(400)).unwrap();
        let inner = levels.kmap_local(Pfn::new(401)).unwrap();
        assert_eq!(levels.table.table.read(outer.address()), Pfn::new(400));
        assert_eq!(levels.table.table.read(inner.address()), Pfn::new(401));
    }
    assert_eq!(levels.table.came.get(), 3 * 2 * 6);
    assert_eq!(levels.table.table.mapped(), 0);
}
