//! Each violation has a tiny scenario that commits it, and a correct one beside it that does not.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use mm::addr::VirtRange;
use testkit::{Holder, Kind, MemoryType};

#[track_caller]
fn assert_clean(cpus: usize, scenario: impl Fn(&testkit::Machine)) {
    assert_eq!(kinds(cpus, scenario), []);
}

const A: u32 = HIGH;
const B: u32 = HIGH + 0x1000;

fn no_break(at: u32, value: u32, holder: Holder) -> Kind {
    Kind::BreakBeforeMake { virt: virt(at), value, holder }
}

#[test]
fn a_live_word_gets_no_other_frame() {
    let found = kinds(2, |machine| {
        let cpu = machine.cpu(0);
        map(cpu, AREA, A, WB);
        map(cpu, AREA, B, WB);
    });
    assert_eq!(found, [no_break(AREA, B | WB, Holder::Tables(phys(TABLE)))]);
    assert_clean(2, |machine| {
        let cpu = machine.cpu(0);
        map(cpu, AREA, A, WB);
        unmap(cpu, AREA);
        map(cpu, AREA, B, WB);
    });
}

#[test]
fn a_fault_between_is_not_enough() {
    // Neither without a flush, nor with one that comes before the fault is seen, nor with one that is not complete.
    let tlb = no_break(AREA, B | WB, Holder::Tlb(0));
    let tables = no_break(AREA, B | WB, Holder::Tables(phys(TABLE)));
    type Between = fn(testkit::Cpu<'_>);
    let cases: [(Between, Kind); 5] = [
        (|_| {}, tables),
        (|cpu| cpu.dsb_ishst(), tlb),
        (
            |cpu| {
                cpu.tlbi_mva_all_asids_is(virt(AREA));
                cpu.dsb_ish();
            },
            tlb,
        ),
        (
            |cpu| {
                cpu.dsb_ishst();
                cpu.tlbi_mva_all_asids_is(virt(AREA));
                cpu.dsb_ishst();
            },
            tlb,
        ),
        (
            |cpu| {
                cpu.dsb_ishst();
                cpu.tlbi_mva_all_asids_is(virt(AREA + 0x1000));
                cpu.dsb_ish();
            },
            tlb,
        ),
    ];
    for (number, (between, kind)) in cases.into_iter().enumerate() {
        let found = kinds(2, |machine| {
            let cpu = machine.cpu(0);
            map(cpu, AREA, A, WB);
            write(cpu, l2(AREA), 0);
            between(cpu);
            map(cpu, AREA, B, WB);
        });
        assert_eq!(found, [kind], "case {number}");
    }
}

#[test]
fn a_local_flush_is_for_one_cpu() {
    let local = |cpu: testkit::Cpu<'_>| {
        cpu.dsb_ishst();
        cpu.tlbi_mva_all_asids(virt(AREA));
        cpu.dsb_nsh();
    };
    let scenario = |machine: &testkit::Machine| {
        let cpu = machine.cpu(0);
        map(cpu, AREA, A, WB);
        write(cpu, l2(AREA), 0);
        local(cpu);
        map(cpu, AREA, B, WB);
    };
    assert_clean(1, scenario);
    assert_eq!(kinds(2, scenario), [no_break(AREA, B | WB, Holder::Tlb(1))]);
    // A broadcast one that is only waited for locally is no better.
    let found = kinds(2, |machine| {
        let cpu = machine.cpu(0);
        map(cpu, AREA, A, WB);
        write(cpu, l2(AREA), 0);
        cpu.dsb_ishst();
        cpu.tlbi_mva_all_asids_is(virt(AREA));
        cpu.dsb_nsh();
        map(cpu, AREA, B, WB);
    });
    assert_eq!(found, [no_break(AREA, B | WB, Holder::Tlb(1))]);
}

#[test]
fn size_type_and_owner_count_and_permissions_do_not() {
    for other in [A | NC, A | DEV, A | (WB & !0x400), A | WB | 0x800, A | 0x145c | 0x8001] {
        let found = kinds(1, |machine| {
            let cpu = machine.cpu(0);
            map(cpu, AREA, A, WB);
            map(cpu, AREA, other, 0);
        });
        let first = no_break(AREA, other, Holder::Tables(phys(TABLE)));
        assert_eq!(found.first(), Some(&first), "{other:#x}");
    }
    assert_clean(1, |machine| {
        let cpu = machine.cpu(0);
        map(cpu, AREA, A, WB);
        write(cpu, l2(AREA), A | WB_RO);
        flush(cpu, AREA);
        map(cpu, AREA, A, WB);
        map(cpu, AREA, A, WB_RO & !1);
    });
}

#[test]
fn a_section_does_not_become_a_table_at_once() {
    let section = LINEAR + 0x10_0000;
    let table = TABLE + 0x400;
    let found = kinds(1, |machine| {
        let cpu = machine.cpu(0);
        clear_table(cpu, table);
        write(cpu, l1(section), table | 1);
    });
    assert_eq!(found, [no_break(section, table | 1, Holder::Tables(phys(l1(section))))]);
    // Nor a table a section, nor one table another.
    for value in [0x4210_0000 | testkit::LINEAR_SECTION, (TABLE + 0x400) | 1] {
        let scenario = |flushes: bool| {
            kinds(1, |machine| {
                let cpu = machine.cpu(0);
                clear_table(cpu, TABLE + 0x400);
                write(cpu, l1(AREA), 0);
                cpu.dsb_ishst();
                if flushes {
                    flush(cpu, AREA);
                }
                write(cpu, l1(AREA), value);
            })
        };
        assert_eq!(scenario(false), [no_break(AREA, value, Holder::WalkCache(0))]);
        assert_eq!(scenario(true), []);
    }
}

#[test]
fn pages_of_a_table_that_is_gone_are_flushed_one_by_one() {
    let pages = |flushed: &'static [u32]| {
        kinds(1, move |machine| {
            let cpu = machine.cpu(0);
            map(cpu, AREA, A, WB);
            map(cpu, AREA + 0x5000, B, WB);
            write(cpu, l1(AREA), 0);
            for &at in flushed {
                flush(cpu, at);
            }
            write(cpu, l1(AREA), 0x4210_0000 | testkit::LINEAR_SECTION);
        })
    };
    let value = 0x4210_0000 | testkit::LINEAR_SECTION;
    assert_eq!(pages(&[AREA]), [no_break(AREA + 0x5000, value, Holder::Tlb(0))]);
    assert_eq!(pages(&[AREA, AREA + 0x5000]), []);
}

#[test]
fn one_frame_has_one_type() {
    let found = kinds(1, |machine| map(machine.cpu(0), AREA, 0x4010_0000, NC));
    let mixed = Kind::MixedTypes {
        phys: phys(0x4010_0000),
        newer: MemoryType::NonCacheable,
        older: MemoryType::WriteBack,
        holder: Holder::Tables(phys(l1(LINEAR + 0x10_0000))),
    };
    assert_eq!(found, [mixed]);
    assert_clean(1, |machine| {
        map(machine.cpu(0), AREA, 0x4010_0000, WB);
        map(machine.cpu(0), AREA + 0x1000, HIGH, NC);
    });
}

#[test]
fn a_type_changes_after_the_flush() {
    let scenario = |flushes: bool| {
        kinds(2, move |machine| {
            let cpu = machine.cpu(0);
            map(cpu, AREA, A, WB);
            write(cpu, l2(AREA), 0);
            cpu.dsb_ishst();
            if flushes {
                flush(cpu, AREA);
            }
            map(cpu, AREA + 0x1000, A, NC);
        })
    };
    let mixed = Kind::MixedTypes {
        phys: phys(A),
        newer: MemoryType::NonCacheable,
        older: MemoryType::WriteBack,
        holder: Holder::Tlb(0),
    };
    assert_eq!(scenario(false), [mixed]);
    assert_eq!(scenario(true), []);
}

#[test]
fn a_section_out_of_the_linear_map_takes_another_type() {
    let section = LINEAR + 0x10_0000;
    let word = 0x4010_0000 | 0x10416; // Non-cacheable, XN, shareable.
    assert_clean(2, |machine| {
        let cpu = machine.cpu(0);
        write(cpu, l1(section), 0);
        flush(cpu, section);
        write(cpu, l1(NEXT), word);
        cpu.dsb_ishst();
        cpu.isb();
        cpu.store_u32(virt(NEXT), 7).unwrap();
    });
    let found = kinds(2, |machine| write(machine.cpu(0), l1(NEXT), word));
    assert!(matches!(found[..], [Kind::MixedTypes { .. }]), "{found:?}");
}

#[test]
fn a_frame_is_not_used_anew_before_it_is_out_of_reach() {
    let in_use = |holder| Kind::FrameInUse { phys: phys(A), virt: virt(AREA), holder };
    let scenario = |steps: usize| {
        kinds(2, move |machine| {
            let cpu = machine.cpu(1);
            map(cpu, AREA, A, WB);
            let all: [&dyn Fn(); 5] = [
                &|| write(cpu, l2(AREA), 0),
                &|| cpu.dsb_ishst(),
                &|| cpu.tlbi_mva_all_asids_is(virt(AREA)),
                &|| cpu.dsb_ish(),
                &|| cpu.isb(),
            ];
            all[..steps].iter().for_each(|step| step());
            machine.frame_reused(phys(A));
        })
    };
    let tables = in_use(Holder::Tables(phys(TABLE)));
    assert_eq!(scenario(0), [tables]);
    assert_eq!(scenario(1), [tables]);
    assert_eq!(scenario(2), [in_use(Holder::Tlb(0))]);
    assert_eq!(scenario(3), [in_use(Holder::Tlb(0))]);
    assert_eq!(scenario(4), [in_use(Holder::Pipeline(1))]);
    assert_eq!(scenario(5), []);
}

#[test]
fn addresses_are_not_used_anew_before_they_lead_nowhere() {
    let in_use = |holder| Kind::AddressesInUse { range: page(AREA), virt: virt(AREA), holder };
    let scenario = |steps: usize| {
        kinds(2, move |machine| {
            let cpu = machine.cpu(1);
            map(cpu, AREA, A, WB);
            map(cpu, AREA + 0x1000, B, WB);
            let all: [&dyn Fn(); 5] = [
                &|| write(cpu, l2(AREA), 0),
                &|| cpu.dsb_ishst(),
                &|| cpu.tlbi_mva_all_asids_is(virt(AREA)),
                &|| cpu.dsb_ish(),
                &|| cpu.isb(),
            ];
            all[..steps].iter().for_each(|step| step());
            machine.range_reused(page(AREA));
        })
    };
    let tables = in_use(Holder::Tables(phys(TABLE)));
    assert_eq!(scenario(0), [tables]);
    assert_eq!(scenario(1), [tables]);
    assert_eq!(scenario(2), [in_use(Holder::Tlb(0))]);
    assert_eq!(scenario(3), [in_use(Holder::Tlb(0))]);
    assert_eq!(scenario(4), [in_use(Holder::Pipeline(1))]);
    assert_eq!(scenario(5), []);
}

#[test]
fn the_linear_map_does_not_keep_a_frame_in_use() {
    assert_clean(2, |machine| {
        let cpu = machine.cpu(0);
        machine.frame_reused(phys(0x4010_3000));
        map(cpu, AREA, 0x4010_3000, WB);
        unmap(cpu, AREA);
        machine.frame_freed(phys(0x4010_3000));
        machine.frames_reused(phys_range(0x4010_0000, 0x4020_0000));
    });
    let found = kinds(1, |machine| {
        map(machine.cpu(0), AREA, 0x4010_3000, WB);
        machine.frame_reused(phys(0x4010_3000));
    });
    let holder = Holder::Tables(phys(TABLE));
    let kind = Kind::FrameInUse { phys: phys(0x4010_3000), virt: virt(AREA), holder };
    assert_eq!(found, [kind]);
}

#[test]
fn one_word_of_a_supersection_holds_all_of_its_addresses() {
    let word = 0x4200_0000 | 0x5141e;
    let found = kinds(1, |machine| {
        let cpu = machine.cpu(0);
        for mib in 0..16 {
            write(cpu, ROOT + (0xf10 + mib) * 4, word);
        }
        cpu.dsb_ishst();
        // The last one stays.
        for mib in 0..15 {
            write(cpu, ROOT + (0xf10 + mib) * 4, 0);
        }
        flush(cpu, 0xf100_0000);
        machine.range_reused(page(0xf120_0000));
        write(cpu, ROOT + 0xf1f * 4, 0);
        flush(cpu, 0xf1f0_0000);
        machine.range_reused(VirtRange::new(virt(0xf100_0000), virt(0xf200_0000)));
    });
    assert!(
        matches!(found[..], [Kind::AddressesInUse { holder: Holder::Tables(_), .. }]),
        "{found:?}"
    );
}

#[test]
fn a_table_is_freed_when_nothing_leads_to_it() {
    let in_use = |holder| Kind::TableInUse { table: phys(TABLE), holder };
    let scenario = |steps: usize| {
        kinds(2, move |machine| {
            let cpu = machine.cpu(1);
            let all: [&dyn Fn(); 4] = [
                &|| write(cpu, l1(AREA), 0),
                &|| cpu.dsb_ishst(),
                &|| cpu.tlbi_mva_all_asids_is(virt(AREA)),
                &|| cpu.dsb_ish(),
            ];
            all[..steps].iter().for_each(|step| step());
            machine.table_freed(phys(TABLE));
        })
    };
    let tables = in_use(Holder::Tables(phys(l1(AREA))));
    assert_eq!(scenario(0), [tables]);
    assert_eq!(scenario(1), [tables]);
    assert_eq!(scenario(2), [in_use(Holder::WalkCache(0))]);
    assert_eq!(scenario(3), [in_use(Holder::WalkCache(0))]);
    assert_eq!(scenario(4), []);
}

#[test]
fn pages_that_go_together_with_their_table_stay_in_tlbs() {
    // In either order, and with one barrier for both.
    for table_first in [false, true] {
        let scenario = |flushes: bool| {
            kinds(2, move |machine| {
                let cpu = machine.cpu(0);
                map(cpu, AREA, A, WB);
                let words = [l2(AREA), l1(AREA)];
                write(cpu, words[usize::from(table_first)], 0);
                write(cpu, words[usize::from(!table_first)], 0);
                cpu.dsb_ishst();
                if flushes {
                    flush(cpu, AREA);
                }
                machine.frame_reused(phys(A));
            })
        };
        let holder = Holder::Tlb(0);
        let kind = Kind::FrameInUse { phys: phys(A), virt: virt(AREA), holder };
        assert_eq!(scenario(false), [kind]);
        assert_eq!(scenario(true), []);
    }
}

/// A second root beside the first, with the same kernel tables.
const OTHER_ROOT: u32 = 0x4000_8000;

fn make_other_root(cpu: testkit::Cpu<'_>) {
    let words = (0..4096).map(|index| cpu.machine().peek(phys(ROOT + index * 4)));
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    cpu.store_bytes(virt(OTHER_ROOT - 0x4000_0000 + LINEAR), &bytes).unwrap();
    cpu.dsb_ishst();
    cpu.machine().add_root(phys(OTHER_ROOT));
}

#[test]
fn a_table_leaves_every_address_space() {
    let scenario = |everywhere: bool| {
        kinds(2, move |machine| {
            let cpu = machine.cpu(0);
            make_other_root(cpu);
            machine.cpu(1).switch_space(phys(OTHER_ROOT), 1);
            write(cpu, l1(AREA), 0);
            if everywhere {
                write(cpu, l1(AREA) - ROOT + OTHER_ROOT, 0);
            }
            flush(cpu, AREA);
            machine.table_freed(phys(TABLE));
        })
    };
    assert_eq!(scenario(true), []);
    let holder = Holder::Tables(phys(l1(AREA) - ROOT + OTHER_ROOT));
    assert_eq!(scenario(false), [Kind::TableInUse { table: phys(TABLE), holder }]);
}

#[test]
fn a_root_is_freed_when_no_cpu_uses_it() {
    let scenario = |leaves: bool| {
        kinds(2, move |machine| {
            make_other_root(machine.cpu(0));
            machine.cpu(1).switch_space(phys(OTHER_ROOT), 1);
            if leaves {
                machine.cpu(1).switch_space(phys(ROOT), 0);
            }
            machine.root_freed(phys(OTHER_ROOT));
            // It is memory now, and says nothing.
            if leaves {
                write(machine.cpu(0), OTHER_ROOT, 0x4200_0c0e);
            }
        })
    };
    assert_eq!(scenario(true), []);
    let kind = Kind::TableInUse { table: phys(OTHER_ROOT), holder: Holder::Ttbr(1) };
    assert_eq!(scenario(false), [kind]);
}

#[test]
fn an_address_space_that_was_left_is_flushed_before_its_pages_go() {
    let user = 0x0010_0000;
    let frame = Kind::FrameInUse { phys: phys(A), virt: virt(user), holder: Holder::Tlb(1) };
    let scenario = |flush: fn(testkit::Cpu<'_>)| {
        kinds(2, move |machine| {
            let cpu = machine.cpu(0);
            make_other_root(cpu);
            clear_table(cpu, TABLE + 0x400);
            write(cpu, TABLE + 0x400, A | WB | 0x800); // nG
            write(cpu, OTHER_ROOT + 4, (TABLE + 0x400) | 1);
            cpu.dsb_ishst();
            machine.cpu(1).switch_space(phys(OTHER_ROOT), 7);
            machine.cpu(1).switch_space(phys(ROOT), 0);
            // Nobody walks it now, and its tables go; the TLB of CPU 1 may remember.
            machine.root_freed(phys(OTHER_ROOT));
            flush(cpu);
            machine.frame_reused(phys(A));
        })
    };
    assert_eq!(scenario(|_| {}), [frame]);
    let other = |cpu: testkit::Cpu<'_>| {
        cpu.tlbi_asid_is(8);
        cpu.dsb_ish();
    };
    assert_eq!(scenario(other), [frame]);
    let right = |cpu: testkit::Cpu<'_>| {
        cpu.tlbi_asid_is(7);
        cpu.dsb_ish();
    };
    assert_eq!(scenario(right), []);
}

#[test]
fn a_table_is_seen_before_it_is_linked() {
    let table = TABLE + 0x400;
    let scenario = |barrier: bool| {
        kinds(1, move |machine| {
            let cpu = machine.cpu(0);
            for word in (table..table + 0x400).step_by(4) {
                write(cpu, word, 0);
            }
            if barrier {
                cpu.dsb_ishst();
            }
            write(cpu, l1(NEXT), table | 1);
        })
    };
    assert_eq!(scenario(true), []);
    let found = scenario(false);
    let value = machine_garbage();
    assert_eq!(found[0], Kind::TableNotVisible { word: phys(table), value });
}

#[test]
fn a_root_is_seen_before_it_is_switched_to() {
    let scenario = |barrier: bool| {
        kinds(1, move |machine| {
            let cpu = machine.cpu(0);
            let words = (0..4096).map(|index| machine.peek(phys(ROOT + index * 4)));
            let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
            cpu.store_bytes(virt(OTHER_ROOT - 0x4000_0000 + LINEAR), &bytes).unwrap();
            machine.add_root(phys(OTHER_ROOT));
            if barrier {
                cpu.dsb_ishst();
            }
            cpu.switch_space(phys(OTHER_ROOT), 1);
        })
    };
    assert_eq!(scenario(true), []);
    let (word, value) = (phys(OTHER_ROOT), machine_garbage());
    assert_eq!(scenario(false)[0], Kind::TableNotVisible { word, value });
}

#[test]
fn a_root_that_nobody_walks_may_change_before_its_barrier() {
    assert_clean(1, |machine| {
        let cpu = machine.cpu(0);
        clear_table(cpu, TABLE + 0x400);
        let words = (0..4096).map(|index| machine.peek(phys(ROOT + index * 4)));
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        cpu.store_bytes(virt(OTHER_ROOT - 0x4000_0000 + LINEAR), &bytes).unwrap();
        machine.add_root(phys(OTHER_ROOT));
        write(cpu, l1(NEXT) - ROOT + OTHER_ROOT, (TABLE + 0x400) | 1);
        cpu.dsb_ishst();
        cpu.switch_space(phys(OTHER_ROOT), 1);
    });
}

#[test]
fn what_is_on_its_way_out_of_a_live_table_is_no_garbage() {
    assert_clean(2, |machine| {
        let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
        make_other_root(cpu);
        map(cpu, AREA, A, WB);
        write(cpu, l2(AREA), 0);
        write(cpu, l1(AREA), 0);
        write(cpu, l1(AREA) - ROOT + OTHER_ROOT, 0);
        other.switch_space(phys(OTHER_ROOT), 1);
        flush(cpu, AREA);
        machine.frame_reused(phys(A));
        machine.table_freed(phys(TABLE));
    });
}

/// What memory holds that nobody wrote.
fn machine_garbage() -> u32 {
    setup(1).build(testkit::Adversary::Lazy).peek(phys(HIGH))
}

#[test]
fn a_table_that_nobody_cleared_is_found() {
    let found = kinds(1, |machine| write(machine.cpu(0), l1(NEXT), (TABLE + 0x400) | 1));
    assert!(!found.is_empty());
}

#[test]
fn devices_are_not_executable() {
    let found = kinds(1, |machine| map(machine.cpu(0), AREA, DEVICE, DEV & !1 | 2));
    let (word, value) = (phys(TABLE), DEVICE | 0x452);
    assert_eq!(found, [Kind::ExecutableDevice { word, value }]);
    let section = DEVICE | 0x11442;
    let found = kinds(1, |machine| write(machine.cpu(0), l1(NEXT), section));
    assert_eq!(found, [Kind::ExecutableDevice { word: phys(l1(NEXT)), value: section }]);
    assert_clean(1, |machine| {
        map(machine.cpu(0), AREA, DEVICE, DEV);
        write(machine.cpu(0), l1(NEXT), section | 0x10);
    });
}

#[test]
fn nothing_is_writable_and_executable() {
    let value = A | 0x45e;
    let found = kinds(1, |machine| map(machine.cpu(0), AREA, A, 0x45e));
    assert_eq!(found, [Kind::WritableExecutable { word: phys(TABLE), value }]);
    // Also when it becomes so.
    let found = kinds(1, |machine| {
        map(machine.cpu(0), AREA, A, WB);
        map(machine.cpu(0), AREA, A, 0x45e);
    });
    assert_eq!(found, [Kind::WritableExecutable { word: phys(TABLE), value }]);
    assert_clean(1, |machine| map(machine.cpu(0), AREA, A, WB_RO & !1 | 2));
}

#[test]
#[should_panic(expected = "no break before make")]
fn a_violation_panics_where_it_happens() {
    let machine = setup(1).build(testkit::Adversary::Lazy);
    map(machine.cpu(0), AREA, A, WB);
    map(machine.cpu(0), AREA, B, WB);
}

#[test]
fn a_violation_says_who_and_where() {
    let machine = setup(2).build(testkit::Adversary::Lazy);
    machine.on_violation(testkit::OnViolation::Collect);
    map(machine.cpu(1), AREA, A, 0x45e);
    let violation = machine.violations()[0];
    assert_eq!(violation.cpu, Some(1));
    let text = violation.to_string();
    assert!(text.contains("violations.rs"), "{text}");
}
