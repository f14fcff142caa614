//! Slots on the emulated machine, which panics where a flush or a barrier is missing.

use mm::addr::{PAGE_SIZE, Pfn, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::map::linear::LinearMap;
use mm::map::{Mmu, Prot, SlotTable, Stale};
use mm::zone::Gfp;

use super::super::descriptor::RootBase;
use super::emulated::{Emulated, pages};
use super::{LiveTables, Machine, SlotStore, SlotWords};
use crate::tlb::Operations;

/// 2 MiB below the linear map, and a slot of the fixmap.
const PKMAP: (u32, u32) = (0xbfe0_0000, 0xc000_0000);
const BITS: u32 = 0x45f;

/// The machine reaches words by their physical addresses, so a place is one.
impl SlotStore for &Emulated {
    fn store(&self, place: u32, word: u32) {
        Machine::write(*self, PhysAddr::new(u64::from(place)), word);
    }
}

fn range((start, end): (u32, u32)) -> VirtRange {
    VirtRange::new(VirtAddr::new(start), VirtAddr::new(end))
}

fn adopt(machine: &Emulated) -> LiveTables<&Emulated> {
    let lowmem = PhysRange::new(PhysAddr::new(0x4000_0000), PhysAddr::new(0x4100_0000));
    let linear = LinearMap::new(VirtAddr::new(0xc000_0000), lowmem);
    let root = RootBase::new(PhysAddr::new(u64::from(Emulated::ROOT))).unwrap();
    LiveTables::adopt(machine, root, VirtAddr::new(0xbf00_0000), linear)
}

/// The machine after boot, whose tables do not lie side by side.
fn with_tables() -> Emulated {
    let machine = Emulated::new();
    machine.boot_table(0xbff0_0000);
    machine.boot_table(0xbfe0_0000);
    machine.boot_table(0xffd0_0000);
    machine
}

fn mapped(machine: &Emulated) -> Vec<(u32, (u32, u32))> {
    pages(machine, Emulated::ROOT, PKMAP.0, PKMAP.1).into_iter().collect()
}

#[test]
fn a_frame_is_mapped_by_a_store_and_taken_away_by_a_flush() {
    let machine = with_tables();
    let live = adopt(&machine);
    let slots: SlotWords<_, 2> = live.slot_words(&machine, range(PKMAP), PhysAddr::as_u32).unwrap();
    for virt in [0xbfe0_0000, 0xbfef_f000, 0xbff0_0000, 0xbfff_f000].map(VirtAddr::new) {
        for pfn in [0x41234, 0x54321].map(Pfn::new) {
            machine.log();
            slots.publish(slots.map(virt, pfn));
            assert_eq!(machine.log()[1..], ["dsb ishst", "isb"]);
            let frame = pfn.as_u32() << 12;
            assert_eq!(mapped(&machine), [(virt.as_u32(), (frame, BITS))]);
            let found = live.lookup(virt).unwrap();
            assert_eq!((found.phys, found.prot), (pfn.start(), Some(Prot::KERNEL)));
            slots.flush(slots.clear(virt));
            assert!(!machine.is_stale(PKMAP.0, PKMAP.1));
            assert_eq!(mapped(&machine), []);
        }
    }
}

/// What boot finds by itself is what the live tables give.
#[test]
fn before_there_are_live_tables_the_words_are_the_same() {
    let machine = with_tables();
    let place_of = |virt: VirtAddr| {
        let first = machine.peek(Emulated::ROOT + (virt.as_u32() >> 20) * 4);
        let entry = (first & !0x3ff) + (virt.as_u32() >> 12) % 256 * 4;
        (first & 3 == 1).then_some(entry)
    };
    let early: SlotWords<_, 1> =
        SlotWords::find(&machine, range((0xffde_0000, 0xffdf_0000)), place_of).unwrap();
    let virt = VirtAddr::new(0xffde_3000);
    early.publish(early.map(virt, Pfn::new(0x50000)));
    let live = adopt(&machine);
    let late: SlotWords<_, 1> =
        live.slot_words(&machine, range((0xffde_0000, 0xffdf_0000)), PhysAddr::as_u32).unwrap();
    late.flush(late.clear(virt));
    late.publish(late.map(virt, Pfn::new(0x50001)));
    early.flush(early.clear(virt));
    assert_eq!(live.lookup(virt), None);
}

#[test]
fn a_long_range_is_flushed_at_once_and_a_short_one_by_pages() {
    let machine = with_tables();
    let slots: SlotWords<_, 2> =
        adopt(&machine).slot_words(&machine, range(PKMAP), PhysAddr::as_u32).unwrap();
    for (count, operations) in [(1, 1), (2, 2), (64, 64), (65, 1), (512, 1)] {
        let virts = || (0..count).map(|slot| VirtAddr::new(PKMAP.0 + slot * PAGE_SIZE));
        virts().for_each(|virt| slots.publish(slots.map(virt, Pfn::new(0x41000))));
        let stale = virts().map(|virt| slots.clear(virt)).reduce(Stale::and).unwrap();
        machine.log();
        slots.flush(stale);
        let log = machine.log();
        assert_eq!(log.iter().filter(|line| line.starts_with("tlbi")).count(), operations);
        assert_eq!((&*log[0], &*log[log.len() - 1]), ("dsb ishst", "isb"));
        assert!(!machine.is_stale(PKMAP.0, PKMAP.1));
    }
}

#[test]
#[should_panic(expected = "is remembered")]
fn without_the_flush_the_next_frame_is_refused() {
    let machine = with_tables();
    let slots: SlotWords<_, 2> =
        adopt(&machine).slot_words(&machine, range(PKMAP), PhysAddr::as_u32).unwrap();
    let virt = VirtAddr::new(PKMAP.0);
    slots.publish(slots.map(virt, Pfn::new(0x41000)));
    slots.clear(virt).put_off();
    machine.dsb_ishst();
    slots.map(virt, Pfn::new(0x41001)).not_used();
}

#[test]
fn tables_that_may_go_are_refused() {
    let machine = with_tables();
    let live = adopt(&machine);
    let find = |start, end| {
        live.slot_words::<_, 1>(&machine, range((start, end)), PhysAddr::as_u32).is_some()
    };
    assert!(!find(0xf000_0000, 0xf000_1000), "no table");
    live.hold_tables(range((0xf000_0000, 0xf000_1000)), Gfp::GFP_KERNEL).unwrap();
    assert!(!find(0xf000_0000, 0xf000_1000), "held, but not for good");
    assert!(!find(PKMAP.0, PKMAP.1), "two tables");
    assert!(find(PKMAP.0, 0xbff0_0000) && find(0xbff0_0000, PKMAP.1));
    live.drop_tables(range((0xf000_0000, 0xf000_1000)));
}
