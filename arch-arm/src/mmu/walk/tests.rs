//! The walker on tables made by hand.

use super::super::arena::Arena;
use super::*;

const KERNEL_DATA: u32 = 0x1141e;

fn range(start: u32, end: u32) -> VirtRange {
    VirtRange::new(VirtAddr::new(start), VirtAddr::new(end))
}

#[test]
fn a_translation_shows_each_word_and_where_it_was_read() {
    let mut arena = Arena::new(1);
    arena.poke_l1(0xc010_0000, 0x4010_0000 | KERNEL_DATA);
    arena.poke_page(0xffff_0000, 0x4765_467e);
    let walker = arena.walker();

    let section = walker.translate(VirtAddr::new(0xc01a_bcde));
    assert_eq!(section.first.entry, PhysAddr::new(Arena::ROOT + 0xc01 * 4));
    assert_eq!(section.first.word, 0x4011_141e);
    assert_eq!(section.second, None);
    assert_eq!(section.phys(), Some(PhysAddr::new(0x401a_bcde)));

    let page = walker.translate(VirtAddr::new(0xffff_0fff));
    assert_eq!(page.first.word, Arena::TABLES as u32 | 1);
    let second = Step { entry: PhysAddr::new(Arena::TABLES + 0xf0 * 4), word: 0x4765_467e };
    assert_eq!(page.second, Some(second));
    assert_eq!(page.phys(), Some(PhysAddr::new(0x4765_4fff)));

    let beside = walker.translate(VirtAddr::new(0xffff_1000));
    assert_eq!(beside.second.map(|step| step.word), Some(0));
    assert_eq!((beside.phys(), beside.mapping), (None, None));
    assert_eq!(walker.translate(VirtAddr::new(0xc000_0000)).second, None);
}

#[test]
fn sixteen_equal_words_are_sixteen_parts_of_one_block() {
    let mut arena = Arena::new(1);
    // PA 0x12_3400_0000: bits 35:32 = 2, bits 39:36 = 1.
    let supersection = 0x3400_0000 | 2 << 20 | 1 << 18 | 0x1_1400 | 1 << 5 | 0x1e;
    for slot in 0..16 {
        arena.poke_l1(0xd100_0000 + slot * SECTION_SIZE, supersection);
        arena.poke_page(0xe001_0000 + slot * PAGE_SIZE, 0x5678_941d);
    }
    let walker = arena.walker();
    let mappings: Vec<_> = walker.mappings().collect();
    assert_eq!(mappings.len(), 32);
    for (n, mapping) in mappings.iter().enumerate() {
        let n = n as u32;
        if n < 16 {
            assert_eq!(mapping.level, Level::Supersection);
            assert_eq!(mapping.virt, VirtAddr::new(0xd100_0000 + n * SECTION_SIZE));
            assert_eq!(mapping.phys, PhysAddr::new(0x12_3400_0000 + u64::from(n) * (1 << 20)));
            assert_eq!(mapping.attributes.domain, Domain::KERNEL);
        } else {
            assert_eq!(mapping.level, Level::LargePage);
            assert_eq!(mapping.virt, VirtAddr::new(0xe001_0000 + (n - 16) * PAGE_SIZE));
            assert_eq!(mapping.phys, PhysAddr::new(0x5678_0000 + u64::from(n - 16) * 4096));
        }
    }
    let inside = walker.translate(VirtAddr::new(0xd1f1_2345));
    assert_eq!(inside.phys(), Some(PhysAddr::new(0x12_34f1_2345)));
    let inside = walker.translate(VirtAddr::new(0xe001_f234));
    assert_eq!(inside.phys(), Some(PhysAddr::new(0x5678_f234)));
}

#[test]
fn the_first_and_the_last_byte_of_the_address_space_are_walked() {
    let mut arena = Arena::new(1);
    arena.poke_l1(0, KERNEL_DATA);
    arena.poke_page(0xffff_f000, 0x4000_045f);
    let starts: Vec<_> = arena.walker().mappings().map(|mapping| mapping.virt).collect();
    assert_eq!(starts, [VirtAddr::new(0), VirtAddr::new(0xffff_f000)]);
}

#[test]
fn an_extent_is_clipped_to_the_range_and_skips_what_lies_outside() {
    let mut arena = Arena::new(2);
    arena.poke_l1(0xc000_0000, 0x4000_0000 | KERNEL_DATA);
    arena.poke_page(0xc010_2000, 0x4010_245f);
    arena.poke_l1(0xc030_0000, 0x4030_0000 | KERNEL_DATA);
    arena.poke_page(0xffff_f000, 0x4000_045f);
    let walker = arena.walker();
    let extent = |start, end| walker.mapped_extent(range(start, end));
    assert_eq!(extent(0xb000_0000, 0xf000_0000), Some(range(0xc000_0000, 0xc040_0000)));
    assert_eq!(extent(0xc008_0000, 0xc030_0800), Some(range(0xc008_0000, 0xc030_0800)));
    assert_eq!(extent(0xc010_0000, 0xc030_0000), Some(range(0xc010_2000, 0xc010_3000)));
    assert_eq!(extent(0xc010_3000, 0xc030_0000), None);
    assert_eq!(extent(0xfff0_0000, 0xffff_ffff), Some(range(0xffff_f000, 0xffff_ffff)));
    assert_eq!(extent(0xc000_0000, 0xc000_0000), None);
    assert_eq!(walker.mappings_in(range(0xc00f_ffff, 0xc010_2001)).count(), 2);
}

#[test]
fn a_table_that_maps_nothing_is_still_seen() {
    let mut arena = Arena::new(3);
    arena.poke_l1(0xbef0_0000, 0x4000_0000 | KERNEL_DATA);
    arena.poke_page(0xbf00_0000, 0);
    arena.poke_page(0xbfd0_0000, 0);
    arena.poke_page(0xfff0_0000, 0);
    let walker = arena.walker();
    let slots: Vec<_> = walker.tables().map(|slot| slot.virt.as_u32()).collect();
    assert_eq!(slots, [0xbf00_0000, 0xbfd0_0000, 0xfff0_0000]);
    assert_eq!(walker.mapped_extent(range(0xbf00_0000, 0xbfe0_0000)), None);
    let extent = |start, end| walker.table_extent(range(start, end));
    assert_eq!(extent(0xbe00_0000, 0xc000_0000), Some(range(0xbf00_0000, 0xbfe0_0000)));
    assert_eq!(extent(0xfff0_0000, 0xfffe_0000), Some(range(0xfff0_0000, 0xfffe_0000)));
    assert_eq!(extent(0xbe00_0000, 0xbf00_0000), None);
}

/// The tables may hold anything: a walk of garbage ends, in order.
#[test]
fn a_walk_of_garbage_ends() {
    struct Garbage;
    impl TableRead for Garbage {
        fn read(&self, entry: PhysAddr) -> u32 {
            (entry.as_u64() as u32).wrapping_mul(0x9e37_79b9).rotate_left(13)
        }
    }
    let walker = Walker::new(Arena::root(), &Garbage);
    let mut end = 0;
    for mapping in walker.mappings() {
        assert!(u64::from(mapping.virt.as_u32()) >= end);
        end = u64::from(mapping.virt.as_u32()) + u64::from(mapping.len_bytes);
    }
    assert!(end <= ADDRESS_SPACE);
}
