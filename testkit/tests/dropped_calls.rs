//! Whole scenarios of which every maintenance call is left out once: each must be missed.

mod common;

use common::*;
use testkit::{
    Cpu, Dsb, Entries, LINE_BYTES, Machine, Op, Scope, Setup, every_dropped_call_is_noticed,
};

#[track_caller]
fn assert_all_noticed(setup: &Setup, scenario: impl Fn(&Machine)) {
    let unnoticed = every_dropped_call_is_noticed(setup, scenario);
    let text: Vec<_> = unnoticed.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "left out unnoticed: {text:#?}");
}

#[test]
fn a_page_comes_and_goes() {
    assert_all_noticed(&setup(2), |machine| {
        let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
        map(cpu, AREA, HIGH, WB);
        cpu.store_u32(virt(AREA), 7).unwrap();
        assert_eq!(other.load_u32(virt(AREA)), Ok(7));
        unmap(cpu, AREA);
        machine.range_reused(page(AREA));
        machine.frame_reused(phys(HIGH));
        map(other, AREA, HIGH + 0x1000, WB);
        other.store_u32(virt(AREA), 8).unwrap();
        assert_eq!(cpu.load_u32(virt(AREA)), Ok(8));
    });
}

/// Splits the section of the linear map at `at` into pages, with a table at `table`.
fn split(cpu: Cpu<'_>, at: u32, table: u32) {
    for index in 0..256 {
        write(cpu, table + index * 4, (at - LINEAR + 0x4000_0000 + (index << 12)) | WB);
    }
    write(cpu, l1(at), 0);
    cpu.dsb_ishst();
    cpu.tlbi_mva_all_asids_is(virt(at));
    cpu.dsb_ish();
    write(cpu, l1(at), table | 1);
    cpu.dsb_ishst();
    cpu.isb();
}

#[test]
fn a_section_breaks_into_pages_and_back() {
    let (section, table) = (LINEAR + 0x20_0000, TABLE + 0x400);
    assert_all_noticed(&setup(2), |machine| {
        let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
        cpu.store_u32(virt(section), 7).unwrap();
        split(cpu, section, table);
        // The CPU that made it and the other one.
        assert_eq!(cpu.load_u32(virt(section)), Ok(7));
        assert_eq!(other.load_u32(virt(section)), Ok(7));

        write(cpu, l1(section), 0);
        cpu.dsb_ishst();
        // Each page may be in a TLB by itself.
        for index in 0..256 {
            cpu.tlbi_mva_all_asids_is(virt(section + (index << 12)));
        }
        cpu.dsb_ish();
        machine.table_freed(phys(table));
        write(cpu, l1(section), (section - LINEAR + 0x4000_0000) | testkit::LINEAR_SECTION);
        cpu.dsb_ishst();
        cpu.isb();
        assert_eq!(cpu.load_u32(virt(section)), Ok(7));
        assert_eq!(other.load_u32(virt(section)), Ok(7));
    });
}

#[test]
fn a_table_is_made_and_freed() {
    let table = TABLE + 0x400;
    assert_all_noticed(&setup(3), |machine| {
        let cpu = machine.cpu(2);
        clear_table(cpu, table);
        write(cpu, l1(NEXT), table | 1);
        write(cpu, table, HIGH | WB);
        cpu.dsb_ishst();
        cpu.isb();
        for index in [2, 0, 1] {
            machine.cpu(index).store_u32(virt(NEXT), 3).unwrap();
        }
        write(cpu, table, 0);
        write(cpu, l1(NEXT), 0);
        cpu.dsb_ishst();
        cpu.tlbi_mva_all_asids_is(virt(NEXT));
        cpu.dsb_ish();
        cpu.isb();
        machine.range_reused(page(NEXT));
        machine.frame_freed(phys(HIGH));
        machine.table_freed(phys(table));
    });
}

/// One after another, each on its own CPU only.
#[test]
fn a_slot_of_one_cpu_is_flushed_locally() {
    assert_all_noticed(&setup(1), |machine| {
        let cpu = machine.cpu(0);
        for frame in [HIGH, HIGH + 0x1000] {
            write(cpu, l2(AREA), frame | WB);
            cpu.dsb_ishst();
            cpu.isb();
            cpu.store_u32(virt(AREA), frame).unwrap();
            assert_eq!(machine.peek(phys(frame)), frame);
            write(cpu, l2(AREA), 0);
            cpu.dsb_nsh();
            cpu.tlbi_mva_all_asids(virt(AREA));
            cpu.dsb_nsh();
            cpu.isb();
            machine.frame_freed(phys(frame));
        }
    });
}

const BUFFER: u32 = LINEAR + 0x30_0040;
const BUFFER_PHYS: u32 = 0x4030_0040;
const BYTES: u32 = 5 * LINE_BYTES;

fn lines() -> impl Iterator<Item = u32> {
    (BUFFER..BUFFER + BYTES).step_by(LINE_BYTES as usize)
}

fn pattern(seed: u8) -> Vec<u8> {
    (0..BYTES).map(|at| (at as u8).wrapping_mul(7) ^ seed).collect()
}

#[test]
fn a_buffer_goes_to_a_device() {
    assert_all_noticed(&setup(2), |machine| {
        let cpu = machine.cpu(0);
        cpu.store_bytes(virt(BUFFER), &pattern(1)).unwrap();
        for line in lines() {
            cpu.clean_line(virt(line)).unwrap();
        }
        cpu.dsb_sy();
        let mut read = pattern(0);
        machine.device_read(phys(BUFFER_PHYS), &mut read);
        assert_eq!(read, pattern(1));
    });
}

#[test]
fn a_buffer_comes_from_a_device() {
    assert_all_noticed(&setup(2), |machine| {
        let cpu = machine.cpu(0);
        cpu.store_bytes(virt(BUFFER), &pattern(1)).unwrap();
        for line in lines() {
            cpu.invalidate_line(virt(line)).unwrap();
        }
        cpu.dsb_sy();
        machine.device_write(phys(BUFFER_PHYS), &pattern(2));
        for line in lines() {
            cpu.invalidate_line(virt(line)).unwrap();
        }
        cpu.dsb_sy();
        let mut read = pattern(0);
        machine.cpu(1).load_bytes(virt(BUFFER), &mut read).unwrap();
        assert_eq!(read, pattern(2));
    });
}

#[test]
fn neighbours_of_a_buffer_keep_what_they_hold() {
    // A device writes half a line; the other half is the CPU's.
    assert_all_noticed(&setup(1), |machine| {
        let cpu = machine.cpu(0);
        cpu.store_u32(virt(BUFFER), 1).unwrap();
        cpu.store_u32(virt(BUFFER + 32), 2).unwrap();
        cpu.clean_invalidate_line(virt(BUFFER)).unwrap();
        cpu.dsb_sy();
        machine.device_write(phys(BUFFER_PHYS + 32), &[9; 32]);
        cpu.invalidate_line(virt(BUFFER)).unwrap();
        cpu.dsb_sy();
        assert_eq!(cpu.load_u32(virt(BUFFER)), Ok(1));
        assert_eq!(cpu.load_u8(virt(BUFFER + 33)), Ok(9));
    });
}

#[test]
fn a_page_becomes_coherent_memory_and_ordinary_again() {
    assert_all_noticed(&setup(2), |machine| {
        let [cpu, other] = [0, 1].map(|index| machine.cpu(index));
        // Cleared through the cache, and out of it.
        map(cpu, AREA, HIGH, WB);
        cpu.store_bytes(virt(AREA), &[0; 128]).unwrap();
        for line in [0, 64] {
            cpu.clean_invalidate_line(virt(AREA + line)).unwrap();
        }
        cpu.dsb_sy();
        unmap(cpu, AREA);
        machine.range_reused(page(AREA));
        machine.frame_reused(phys(HIGH));

        map(cpu, AREA, HIGH, NC);
        assert_eq!(cpu.load_u32(virt(AREA)), Ok(0));
        assert_eq!(other.load_u32(virt(AREA + 64)), Ok(0));
        machine.device_write(phys(HIGH), &[5; 8]);
        assert_eq!(cpu.load_u32(virt(AREA)), Ok(0x0505_0505));
        cpu.store_u32(virt(AREA + 64), 6).unwrap();
        let mut read = [0];
        machine.device_read(phys(HIGH + 64), &mut read);
        assert_eq!(read, [6]);
        unmap(cpu, AREA);
        machine.range_reused(page(AREA));
        machine.frame_reused(phys(HIGH));
    });
}

#[test]
fn an_address_spaces_number_is_flushed_before_it_is_given_again() {
    let [first, second] = [0x4000_8000, 0x4000_c000];
    let user = 0x0010_0000;
    assert_all_noticed(&setup(2), |machine| {
        let cpu = machine.cpu(0);
        for (root, table, frame) in
            [(first, TABLE + 0x400, HIGH), (second, TABLE + 0x800, HIGH + 0x1000)]
        {
            let words = (0..4096).map(|index| machine.peek(phys(ROOT + index * 4)));
            let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
            cpu.store_bytes(virt(root - 0x4000_0000 + LINEAR), &bytes).unwrap();
            for index in 0..256 {
                let word = if index == 0 { frame | WB | 0x800 } else { 0 };
                write(cpu, table + index * 4, word);
            }
            // Nobody walks this root yet: one barrier for both levels will do.
            write(cpu, root + (user >> 20) * 4, table | 1);
            cpu.dsb_ishst();
            // The other CPU runs it, with the same number as the one before.
            let other = machine.cpu(1);
            other.switch_space(phys(root), 9);
            other.store_u32(virt(user), root).unwrap();
            assert_eq!(machine.peek(phys(frame)), root);
            other.switch_space(phys(ROOT), 0);
            cpu.tlbi_asid_is(9);
            cpu.dsb_ish();
            machine.root_freed(phys(root));
            machine.frame_reused(phys(frame));
            machine.table_freed(phys(table));
        }
    });
}

#[test]
fn what_is_not_needed_is_told() {
    let unnoticed = every_dropped_call_is_noticed(&setup(1), |machine| {
        let cpu = machine.cpu(0);
        cpu.tlbi_all_is();
        map(cpu, AREA, HIGH, WB);
        cpu.isb();
        cpu.store_u32(virt(AREA), 1).unwrap();
    });
    // One ISB of the two is enough, so neither is missed.
    let ops: Vec<_> = unnoticed.iter().map(|call| call.op).collect();
    assert_eq!(ops, [Op::Tlbi(Scope::InnerShareable, Entries::All), Op::Isb, Op::Isb]);
}

#[test]
fn calls_are_counted_in_order() {
    let machine = setup(1).build(testkit::Adversary::Eager);
    map(machine.cpu(0), AREA, HIGH, WB);
    let ops: Vec<_> = machine.calls().iter().map(|call| (call.number, call.op)).collect();
    assert_eq!(ops, [(0, Op::Dsb(Dsb::InnerStores)), (1, Op::Isb)]);
}
