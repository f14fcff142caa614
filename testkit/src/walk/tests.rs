//! Every word against a table-driven second reading of the manual: all 2^20 low bits of first-level words, all 2^16
//! of second-level ones, under each address bit and each pointer.

use super::*;
use crate::attributes::{Access, MemoryType};

/// A field: its name, its lowest bit, how many bits.
type Field = (&'static str, u32, u32);

const SECTION: &[Field] = &[
    ("C:B", 2, 2),
    ("XN", 4, 1),
    ("domain", 5, 4),
    ("AP", 10, 2),
    ("TEX0", 12, 1),
    ("APX", 15, 1),
    ("S", 16, 1),
    ("nG", 17, 1),
    ("PXN", 0, 1),
];
const SUPERSECTION: &[Field] = &[
    ("C:B", 2, 2),
    ("XN", 4, 1),
    ("AP", 10, 2),
    ("TEX0", 12, 1),
    ("APX", 15, 1),
    ("S", 16, 1),
    ("nG", 17, 1),
    ("PXN", 0, 1),
];
const LARGE: &[Field] = &[
    ("C:B", 2, 2),
    ("AP", 4, 2),
    ("APX", 9, 1),
    ("S", 10, 1),
    ("nG", 11, 1),
    ("TEX0", 12, 1),
    ("XN", 15, 1),
];
const SMALL: &[Field] = &[
    ("XN", 0, 1),
    ("C:B", 2, 2),
    ("AP", 4, 2),
    ("TEX0", 6, 1),
    ("APX", 9, 1),
    ("S", 10, 1),
    ("nG", 11, 1),
];

/// Each memory type beside its TEX0, C and B: the table of section 4.1 of our rules.
const TYPES: [MemoryType; 8] = [
    MemoryType::StronglyOrdered,
    MemoryType::NonCacheable,
    MemoryType::WriteThrough,
    MemoryType::WriteBack,
    MemoryType::Device,
    MemoryType::StronglyOrdered,
    MemoryType::StronglyOrdered,
    MemoryType::WriteBack,
];

/// Privileged and user rights beside APX, AP1 and AP0.
const RIGHTS: [(Access, Access); 8] = [
    (Access::None, Access::None),
    (Access::ReadWrite, Access::None),
    (Access::ReadWrite, Access::Read),
    (Access::ReadWrite, Access::ReadWrite),
    (Access::None, Access::None),
    (Access::Read, Access::None),
    (Access::Read, Access::Read),
    (Access::Read, Access::Read),
];

fn get(word: u32, fields: &[Field], name: &str) -> u32 {
    fields
        .iter()
        .find(|field| field.0 == name)
        .map_or(0, |(_, low, bits)| (word >> low) & ((1 << bits) - 1))
}

fn expected(word: u32, fields: &[Field], domain: u32, pointer_pxn: bool) -> Attributes {
    let get = |name| get(word, fields, name);
    let memory = TYPES[(get("TEX0") * 4 + get("C:B")) as usize];
    let (privileged, user) = RIGHTS[(get("APX") * 4 + get("AP")) as usize];
    let runs = get("XN") == 0;
    Attributes {
        memory,
        shareable: get("S") == 1 || memory == MemoryType::StronglyOrdered,
        privileged,
        user,
        privileged_execute: runs && privileged != Access::None && get("PXN") == 0 && !pointer_pxn,
        user_execute: runs && user != Access::None,
        global: get("nG") == 0,
        domain: domain as u8,
    }
}

/// Addresses of blocks: each bit alone, all, none.
fn blocks(low: u32) -> impl Iterator<Item = u32> {
    (low..32).map(|bit| 1 << bit).chain([0, u32::MAX << low])
}

#[test]
fn every_first_level_word() {
    for low in 0..1 << 20 {
        match low & 3 {
            0 => assert_eq!(first(low), First::Fault),
            1 => {
                let pointer = TablePointer {
                    table: PhysAddr::new(u64::from(low >> 10 << 10)),
                    domain: ((low >> 5) & 15) as u8,
                    privileged_execute_never: low & 4 != 0,
                };
                assert_eq!(first(low), First::Table(pointer), "{low:#x}");
            }
            _ => {
                let is_super = low & (1 << 18) != 0;
                let (fields, size) = if is_super {
                    (SUPERSECTION, LeafSize::Supersection)
                } else {
                    (SECTION, LeafSize::Section)
                };
                let high = if is_super { u64::from((low >> 5) & 15) << 36 } else { 0 };
                let attributes = expected(low, fields, get(low, fields, "domain"), false);
                let leaf = Leaf { size, phys: PhysAddr::new(high), attributes };
                assert_eq!(first(low), First::Leaf(leaf), "{low:#x}");
            }
        }
    }
}

#[test]
fn every_address_bit_of_the_first_level() {
    for block in blocks(20) {
        for low in [0x1141e_u32, 0x1541e, 0x5141e, 0x555fe] {
            let First::Leaf(leaf) = first(block | low) else { panic!("{low:#x} is a leaf") };
            let phys = if low & (1 << 18) == 0 {
                u64::from(block)
            } else {
                u64::from(block >> 24) << 24
                    | u64::from((block >> 20) & 15) << 32
                    | u64::from((low >> 5) & 15) << 36
            };
            assert_eq!(leaf.phys.as_u64(), phys, "{:#x}", block | low);
        }
    }
    for block in blocks(10) {
        let First::Table(pointer) = first(block | 1) else { panic!("{block:#x} is a table") };
        assert_eq!(pointer.table.as_u64(), u64::from(block));
    }
}

#[test]
fn every_second_level_word() {
    for (domain, pxn) in (0..16).flat_map(|domain| [(domain, false), (domain, true)]) {
        let table = PhysAddr::new(0x4000_0400);
        let pointer = TablePointer { table, domain: domain as u8, privileged_execute_never: pxn };
        for low in 0..1_u32 << 16 {
            // Only one domain sees all words; the others a sample.
            if domain > 0 && !low.is_multiple_of(37) {
                continue;
            }
            let (fields, size, phys) = match low & 3 {
                0 => {
                    assert_eq!(second(low, &pointer), None);
                    continue;
                }
                1 => (LARGE, LeafSize::LargePage, 0),
                _ => (SMALL, LeafSize::SmallPage, low >> 12 << 12),
            };
            let attributes = expected(low, fields, domain, pxn);
            let leaf = Leaf { size, phys: PhysAddr::new(u64::from(phys)), attributes };
            assert_eq!(second(low, &pointer), Some(leaf), "{low:#x}");
        }
    }
}

#[test]
fn every_address_bit_of_the_second_level() {
    let table = PhysAddr::new(0);
    let pointer = TablePointer { table, domain: 0, privileged_execute_never: false };
    let phys = |word| second(word, &pointer).unwrap().phys.as_u64();
    for block in blocks(12) {
        assert_eq!(phys(block | 0x45f), u64::from(block));
    }
    for block in blocks(16) {
        assert_eq!(phys(block | 0xd41d), u64::from(block));
    }
}

#[test]
fn an_address_in_a_block_keeps_its_offset() {
    let leaf = |word| match first(word) {
        First::Leaf(leaf) => leaf,
        other => panic!("{other:?}"),
    };
    assert_eq!(leaf(0x4010_0000 | 0x1141e).translate(0xc012_3456), 0x4012_3456);
    assert_eq!(leaf(0x4080_0000 | 0x5141e).translate(0xc123_4567), 0x8_4023_4567);
}
