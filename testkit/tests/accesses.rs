//! What a CPU's own accesses come to: aborts, addresses, what may be stale and what may not.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use testkit::{Abort, Adversary, Machine, Setup, Status, Wanted, under_every_adversary};

fn status<T>(result: Result<T, Abort>) -> Option<Status> {
    result.err().map(|abort| abort.status)
}

fn machine(adversary: Adversary) -> Machine {
    setup(2).build(adversary)
}

#[test]
fn each_abort_has_its_status() {
    let machine = machine(Adversary::Eager);
    let cpu = machine.cpu(0);
    let nowhere = virt(0x0800_0000);
    assert_eq!(status(cpu.load_u32(nowhere)), Some(Status::SectionTranslation));
    assert_eq!(status(cpu.load_u32(virt(AREA))), Some(Status::PageTranslation));
    assert_eq!(status(cpu.load_u32(virt(LINEAR + 2))), Some(Status::Alignment));
    assert_eq!(status(cpu.fetch(virt(LINEAR))), Some(Status::SectionPermission));
    assert_eq!(status(cpu.clean_line(nowhere)), Some(Status::SectionTranslation));
    map(cpu, AREA, HIGH, WB_RO);
    assert_eq!(status(cpu.store_u32(virt(AREA), 1)), Some(Status::PagePermission));
    assert_eq!(status(cpu.load_u32(virt(AREA))), None);
    assert_eq!(status(cpu.fetch(virt(AREA))), Some(Status::PagePermission));
    // There is no memory at 2 GiB.
    map(cpu, AREA + 0x1000, 0x8000_0000, WB);
    assert_eq!(status(cpu.load_u32(virt(AREA + 0x1000))), Some(Status::External));
    write(cpu, l1(NEXT), 0x8000_0001);
    cpu.dsb_ishst();
    cpu.isb();
    let abort = cpu.store_u32(virt(NEXT), 1).unwrap_err();
    assert_eq!((abort.status, abort.wanted), (Status::ExternalOnSecondWalk, Wanted::Store));
    assert_eq!(
        abort.to_string(),
        "CPU 0: Store at 0xf0100000 aborts: ExternalOnSecondWalk, status 0x0e"
    );
}

#[test]
fn domains_are_asked_first() {
    // Domain 0 is a client, 1 a manager, 2 none.
    let section = |domain: u32, bits: u32| 0x4200_0000 | bits | domain << 5;
    let setup = Setup::new(1, phys(ROOT))
        .bank(phys_range(0x4000_0000, 0x4400_0000))
        .dacr(0b1101)
        .first_level(virt(0x100_0000), section(0, 0x1101e))
        .first_level(virt(0x110_0000), section(1, 0x1101e))
        .first_level(virt(0x120_0000), section(2, 0x1141e));
    let machine = setup.build(Adversary::Lazy);
    let at = |address| status(machine.cpu(0).load_u32(virt(address)));
    assert_eq!(at(0x100_0000), Some(Status::SectionPermission));
    assert_eq!(at(0x110_0000), None);
    assert_eq!(at(0x120_0000), Some(Status::SectionDomain));
}

#[test]
fn a_supersection_reaches_forty_bits() {
    let high = mm::addr::PhysAddr::new(0xa5_0000_0000);
    let bank = mm::addr::PhysRange::from_len(high, 0x100_0000).unwrap();
    // PA[35:32] = 5 and PA[39:36] = 0xa.
    let word = 0x0050_0000 | 0xa << 5 | 0x5141e;
    let setup = Setup::new(1, phys(ROOT)).bank(phys_range(0x4000_0000, 0x4010_0000)).bank(bank);
    let setup = (0..16_u32)
        .fold(setup, |setup, mib| setup.first_level(virt(0x1000_0000 + (mib << 20)), word));
    let machine = setup.build(Adversary::Lazy);
    machine.cpu(0).store_u32(virt(0x1034_5678), 7).unwrap();
    assert_eq!(machine.peek(mm::addr::PhysAddr::new(0xa5_0034_5678)), 7);
}

#[test]
fn large_pages_are_read_by_their_sixteen_words() {
    let machine = machine(Adversary::Lazy);
    let cpu = machine.cpu(0);
    let word = HIGH | 0xd41d; // WBWA, shareable, RW, XN.
    for page in 0..16 {
        write(cpu, l2(AREA + (page << 12)), word);
    }
    cpu.dsb_ishst();
    cpu.isb();
    cpu.store_u32(virt(AREA + 0xabcc), 9).unwrap();
    assert_eq!(machine.peek(phys(HIGH + 0xabcc)), 9);
    for page in 0..16 {
        write(cpu, l2(AREA + (page << 12)), 0);
    }
    // Any address of the 64 KiB will do.
    flush(cpu, AREA + 0x7000);
    machine.frames_reused(phys_range(HIGH, HIGH + 0x1_0000));
}

#[test]
fn a_new_mapping_may_fault_until_barrier_and_isb() {
    for (adversary, faults) in [(Adversary::Lazy, true), (Adversary::Eager, false)] {
        let machine = machine(adversary);
        let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
        let fault = faults.then_some(Status::PageTranslation);
        write(cpu, l2(AREA), HIGH | WB);
        assert_eq!(status(cpu.load_u32(virt(AREA))), fault);
        assert_eq!(status(other.load_u32(virt(AREA))), fault);
        cpu.dsb_ishst();
        assert_eq!(status(cpu.load_u32(virt(AREA))), fault);
        assert_eq!(status(other.load_u32(virt(AREA))), None);
        cpu.isb();
        assert_eq!(status(cpu.load_u32(virt(AREA))), None);
    }
}

#[test]
fn an_old_mapping_may_serve_until_the_flush_and_the_isb() {
    for (adversary, serves) in [(Adversary::Lazy, true), (Adversary::Eager, false)] {
        let machine = machine(adversary);
        let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
        map(cpu, AREA, HIGH, WB);
        let check = |own: bool, others: bool| {
            assert_eq!(cpu.load_u32(virt(AREA)).is_ok(), own && serves);
            assert_eq!(other.load_u32(virt(AREA)).is_ok(), others && serves);
        };
        write(cpu, l2(AREA), 0);
        check(true, true);
        cpu.dsb_ishst();
        check(true, true);
        cpu.tlbi_mva_all_asids_is(virt(AREA));
        check(true, true);
        cpu.dsb_ish();
        check(true, false);
        cpu.isb();
        check(false, false);
    }
}

#[test]
fn a_cpu_sees_its_own_stores_to_tables_at_once() {
    let machine = machine(Adversary::Lazy);
    let cpu = machine.cpu(0);
    write(cpu, l2(AREA), HIGH | WB);
    let word = virt(l2(AREA) - 0x4000_0000 + LINEAR);
    assert_eq!(cpu.load_u32(word), Ok(HIGH | WB));
}

#[test]
fn who_breaks_the_section_of_the_table_can_not_mend_it_through_it() {
    let word = virt(l1(LINEAR) - 0x4000_0000 + LINEAR);
    let eager = machine(Adversary::Eager);
    eager.cpu(0).store_u32(word, 0).unwrap();
    assert_eq!(
        status(eager.cpu(0).store_u32(word, 0x4000_0000 | testkit::LINEAR_SECTION)),
        Some(Status::SectionTranslation)
    );
    // Whoever waits may still be served, but not after the flush.
    let lazy = machine(Adversary::Lazy);
    let cpu = lazy.cpu(0);
    cpu.store_u32(word, 0).unwrap();
    assert_eq!(status(cpu.load_u32(word)), None);
    flush(cpu, LINEAR);
    assert_eq!(status(cpu.load_u32(word)), Some(Status::SectionTranslation));
}

#[test]
fn permissions_may_be_stale_in_both_directions() {
    let machine = machine(Adversary::Lazy);
    let cpu = machine.cpu(0);
    map(cpu, AREA, HIGH, WB);
    write(cpu, l2(AREA), HIGH | WB_RO);
    cpu.dsb_ishst();
    assert_eq!(status(cpu.store_u32(virt(AREA), 1)), None);
    flush(cpu, AREA);
    assert_eq!(status(cpu.store_u32(virt(AREA), 1)), Some(Status::PagePermission));
}

#[test]
fn entries_of_another_address_space_do_not_serve() {
    let machine = machine(Adversary::Lazy);
    let cpu = machine.cpu(0);
    // The same root under two numbers; a page that is not global, and is unmapped under the second.
    cpu.switch_space(phys(ROOT), 1);
    write(cpu, l2(AREA), HIGH | WB | 0x800);
    cpu.dsb_ishst();
    cpu.isb();
    assert_eq!(status(cpu.load_u32(virt(AREA))), None);
    cpu.switch_space(phys(ROOT), 2);
    write(cpu, l2(AREA), 0);
    cpu.dsb_ishst();
    cpu.tlbi_mva_is(virt(AREA), 2);
    cpu.dsb_ish();
    cpu.isb();
    assert_eq!(status(cpu.load_u32(virt(AREA))), Some(Status::PageTranslation));
    cpu.switch_space(phys(ROOT), 1);
    assert_eq!(
        status(cpu.load_u32(virt(AREA))),
        None,
        "the entry of address space 1 is still there"
    );
}

#[test]
fn bytes_go_where_they_belong() {
    testkit::under_every_adversary(&setup(2), |machine| {
        let cpu = machine.cpu(0);
        map(cpu, AREA, HIGH + 0x3000, WB);
        map(cpu, AREA + 0x1000, HIGH, NC);
        let bytes: Vec<u8> = (0..200).collect();
        cpu.store_bytes(virt(AREA + 0xf9d), &bytes).unwrap();
        let mut back = vec![0; 200];
        machine.cpu(1).load_bytes(virt(AREA + 0xf9d), &mut back).unwrap();
        assert_eq!(back, bytes);
        assert_eq!(cpu.load_u8(virt(AREA + 0x1000)), Ok(99));
        assert_eq!(machine.peek(phys(HIGH)), u32::from_le_bytes([99, 100, 101, 102]));
        cpu.store_u8(virt(AREA + 0x1001), 1).unwrap();
        assert_eq!(machine.peek(phys(HIGH)), u32::from_le_bytes([99, 1, 101, 102]));
        // The third page is not mapped: what comes before it is written.
        let abort = cpu.store_bytes(virt(AREA + 0x1ff0), &[3; 32]).unwrap_err();
        assert_eq!(abort.virt, virt(AREA + 0x2000));
        assert_eq!(cpu.load_u8(virt(AREA + 0x1fff)), Ok(3));
    });
}

#[test]
fn a_device_is_outside_the_inner_shareable_domain() {
    let machine = machine(Adversary::Lazy);
    let cpu = machine.cpu(0);
    let seen = || {
        let mut bytes = [0; 4];
        machine.device_read(phys(0x4010_0000), &mut bytes);
        u32::from_le_bytes(bytes)
    };
    let at = virt(LINEAR + 0x10_0000);
    cpu.store_u32(at, 7).unwrap();
    cpu.clean_line(at).unwrap();
    for barrier in [testkit::Cpu::dsb_ishst, testkit::Cpu::dsb_nsh, testkit::Cpu::dsb_ish] {
        barrier(&cpu);
        assert_ne!(seen(), 7);
    }
    machine.cpu(1).dsb_sy();
    assert_ne!(seen(), 7, "another CPU's barrier");
    cpu.dsb_sy();
    assert_eq!(seen(), 7);
}

#[test]
fn the_machine_is_shared_by_threads() {
    let machine = machine(Adversary::Random(5));
    std::thread::scope(|scope| {
        for index in 0..2 {
            let cpu = machine.cpu(index);
            scope.spawn(move || {
                let at = AREA + ((index as u32) << 12);
                for round in 0..50 {
                    map(cpu, at, HIGH + ((index as u32) << 12), WB);
                    cpu.store_u32(virt(at), round).unwrap();
                    unmap(cpu, at);
                    cpu.machine().range_reused(page(at));
                }
            });
        }
    });
    assert_eq!(machine.peek(phys(HIGH + 0x1000)), 49);
}

/// One CPU takes a page away, another one does what `flush` says, and the page is used anew.
fn flush_by_another(machine: &Machine, flush: impl Fn(testkit::Cpu<'_>)) {
    let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
    map(cpu, AREA, HIGH, WB);
    cpu.store_u32(virt(AREA), 7).unwrap();
    write(cpu, l2(AREA), 0);
    flush(other);
    machine.frame_reused(phys(HIGH));
}

/// A flush without the barrier before it.
fn flush_alone(cpu: testkit::Cpu<'_>) {
    cpu.tlbi_mva_all_asids_is(virt(AREA));
    cpu.dsb_ish();
    cpu.isb();
}

#[test]
fn a_barrier_speaks_for_stores_that_were_observed() {
    under_every_adversary(&setup(2), |machine| {
        flush_by_another(machine, |cpu| {
            cpu.observe(0);
            flush(cpu, AREA);
        });
    });
}

/// The flush of another CPU that has observed the store, without its barrier before the TLB operation: the walker may have
/// found the old entry in between.
#[test]
#[should_panic(expected = "is used anew")]
fn what_was_observed_wants_a_barrier_before_the_flush() {
    flush_by_another(&setup(2).build(Adversary::Lazy), |cpu| {
        cpu.observe(0);
        flush_alone(cpu);
    });
}

/// Nor does a barrier count that was there before the store was observed.
#[test]
#[should_panic(expected = "is used anew")]
fn a_barrier_before_the_observing_speaks_for_nothing() {
    flush_by_another(&setup(2).build(Adversary::Lazy), |cpu| {
        cpu.dsb_ishst();
        cpu.observe(0);
        flush_alone(cpu);
    });
}

#[test]
#[should_panic(expected = "is used anew")]
fn a_barrier_does_not_speak_for_others() {
    flush_by_another(&setup(2).build(Adversary::Lazy), |cpu| flush(cpu, AREA));
}

#[test]
fn who_stores_a_fault_over_a_fault_finds_what_another_makes_of_it() {
    under_every_adversary(&setup(2), |machine| {
        let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
        // Faults: a dead entry, and none.
        write(cpu, l2(AREA), HIGH);
        write(cpu, l2(AREA), 0);
        cpu.dsb_ishst();
        map(other, AREA, HIGH, WB);
        other.store_u32(virt(AREA), 7).unwrap();
        assert_eq!(cpu.load_u32(virt(AREA)), Ok(7));
    });
}
