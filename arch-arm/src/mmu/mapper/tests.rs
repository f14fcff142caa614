//! The mapper against a plain model of pages, with a walker of its own that shares no code with
//! the crate's.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::arena::Arena;
use super::super::walk::Level;
use super::*;

const MIB: u32 = 1 << 20;
const GIB: u64 = 1 << 30;

fn map(
    arena: &mut Arena,
    virt: u32,
    phys: u64,
    len_bytes: u64,
    granule: Granule,
) -> Result<(), MapError> {
    map_as(arena, virt, phys, len_bytes, Attributes::KERNEL_DATA, granule)
}

fn map_as(
    arena: &mut Arena,
    virt: u32,
    phys: u64,
    len_bytes: u64,
    attributes: Attributes,
    granule: Granule,
) -> Result<(), MapError> {
    let (virt, phys) = (VirtAddr::new(virt), PhysAddr::new(phys));
    Mapper::new(Arena::root(), arena).map(virt, phys, len_bytes, attributes, granule)
}

/// Level, first address and memory of each mapping.
fn mapped(arena: &Arena) -> Vec<(Level, u32, u64)> {
    let mappings = arena.walker().mappings();
    mappings.map(|m| (m.level, m.virt.as_u32(), m.phys.as_u64())).collect()
}

#[test]
fn sections_where_everything_is_aligned_and_pages_elsewhere() {
    let mut arena = Arena::new(2);
    let (start, end) = (0xc00f_e000_u32, 0xc030_1000_u32);
    map(&mut arena, start, 0x400f_e000, u64::from(end - start), Granule::Sections).unwrap();
    assert_eq!(
        mapped(&arena),
        [
            (Level::SmallPage, 0xc00f_e000, 0x400f_e000),
            (Level::SmallPage, 0xc00f_f000, 0x400f_f000),
            (Level::Section, 0xc010_0000, 0x4010_0000),
            (Level::Section, 0xc020_0000, 0x4020_0000),
            (Level::SmallPage, 0xc030_0000, 0x4030_0000),
        ]
    );
    assert_eq!(arena.peek_l1(0xc010_0000), 0x4011_141e);
}

#[test]
fn no_section_where_physical_memory_is_aligned_otherwise_or_pages_are_asked_for() {
    let mut arena = Arena::new(3);
    map(&mut arena, 0xc000_0000, 0x4000_1000, u64::from(MIB), Granule::Sections).unwrap();
    map(&mut arena, 0xc010_0000, 0x4020_0000, u64::from(MIB), Granule::Pages).unwrap();
    let pages = mapped(&arena);
    assert_eq!(pages.len(), 512);
    assert!(pages.iter().all(|(level, ..)| *level == Level::SmallPage));
    assert_eq!(pages[255], (Level::SmallPage, 0xc00f_f000, 0x4010_0000));
}

#[test]
fn a_prepared_table_is_used_instead_of_a_section() {
    let mut arena = Arena::new(1);
    let range = VirtRange::new(VirtAddr::new(0xc010_0000), VirtAddr::new(0xc010_0001));
    Mapper::new(Arena::root(), &mut arena).prepare_tables(range, Domain::KERNEL).unwrap();
    map(&mut arena, 0xc000_0000, 0x4000_0000, u64::from(2 * MIB), Granule::Sections).unwrap();
    let mappings = mapped(&arena);
    assert_eq!(mappings.len(), 1 + 256);
    assert_eq!(mappings[0].0, Level::Section);
    assert_eq!(mappings[256], (Level::SmallPage, 0xc01f_f000, 0x401f_f000));
}

#[test]
fn the_last_page_below_four_gibibytes_can_be_mapped_to_the_last_frame() {
    let mut arena = Arena::new(1);
    map(&mut arena, 0xffff_f000, 0xffff_f000, 0x1000, Granule::Sections).unwrap();
    assert_eq!(mapped(&arena), [(Level::SmallPage, 0xffff_f000, 0xffff_f000)]);
    let mut arena = Arena::new(0);
    map(&mut arena, 0, 0, 4 * GIB, Granule::Sections).unwrap();
    assert_eq!(mapped(&arena).len(), 4096);
}

#[test]
fn an_empty_range_maps_nothing() {
    let mut arena = Arena::new(0);
    map(&mut arena, 0xc000_0000, 0x4000_0000, 0, Granule::Pages).unwrap();
    map(&mut arena, 0xffff_f000, 4 * GIB, 0, Granule::Pages).unwrap();
    assert_eq!(mapped(&arena), []);
}

#[test]
fn arguments_that_cannot_be_mapped_are_refused_with_their_value() {
    let cases: [(u32, u64, u64, &str); 9] = [
        (0xc000_0800, 0, 0x1000, "virtual address 0xc0000800 is not page aligned"),
        (0xc000_0000, 0x4000_0010, 0x1000, "physical address 0x40000010 is not page aligned"),
        (0xc000_0000, 0, 0x1fff, "length 0x1fff is not a multiple of the page size"),
        (
            0xffff_f000,
            0,
            0x2000,
            "0x2000 bytes at 0xfffff000 run past the end of the address space",
        ),
        (
            0xc000_0000,
            0,
            u64::MAX - 0xfff,
            "0xfffffffffffff000 bytes at 0xc0000000 run past the end of the address space",
        ),
        (
            0,
            0,
            4 * GIB + 0x1000,
            "0x100001000 bytes at 0x00000000 run past the end of the address space",
        ),
        (0xc000_0000, 4 * GIB, 0x1000, "0x1000 bytes of memory at 0x100000000 run past 4 GiB"),
        (0xc000_0000, 0xffff_f000, 0x2000, "0x2000 bytes of memory at 0xfffff000 run past 4 GiB"),
        (
            0xc000_0000,
            u64::MAX - 0xfff,
            0x1000,
            "0x1000 bytes of memory at 0xfffffffffffff000 run past 4 GiB",
        ),
    ];
    for (virt, phys, len_bytes, message) in cases {
        let mut arena = Arena::new(1);
        let error = map(&mut arena, virt, phys, len_bytes, Granule::Sections).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!((mapped(&arena), arena.tables_left()), (vec![], 1));
    }

    let mut arena = Arena::new(1);
    let mut attributes = Attributes::DEVICE;
    attributes.leaf.execute = super::super::attributes::Execute::Allowed;
    let error = map_as(&mut arena, 0, 0, 0x1000, attributes, Granule::Pages).unwrap_err();
    assert_eq!(error.to_string(), "Device memory must be execute-never");
    assert_eq!((mapped(&arena), arena.tables_left()), (vec![], 1));
}

#[test]
fn what_is_mapped_stays_and_nothing_is_added_beside_it() {
    let mut arena = Arena::new(3);
    map(&mut arena, 0xc010_0000, 0x4010_0000, u64::from(MIB), Granule::Sections).unwrap();
    map(&mut arena, 0xc030_5000, 0x5000_0000, 0x1000, Granule::Pages).unwrap();
    let before = mapped(&arena);
    for (virt, len_bytes, clash) in [
        (0xc000_0000, 4 * MIB, 0xc010_0000),
        (0xc01f_f000, 0x1000, 0xc01f_f000),
        (0xc020_0000, 2 * MIB, 0xc030_5000),
        (0xc030_5000, 0x1000, 0xc030_5000),
    ] {
        for granule in [Granule::Pages, Granule::Sections] {
            let virt_clash = VirtAddr::new(clash);
            assert_eq!(
                map(&mut arena, virt, 0x6000_0000, u64::from(len_bytes), granule),
                Err(MapError::AlreadyMapped { virt: virt_clash })
            );
        }
    }
    assert_eq!((mapped(&arena), arena.tables_left()), (before, 2));
    assert_eq!(
        MapError::AlreadyMapped { virt: VirtAddr::new(0xc030_5000) }.to_string(),
        "0xc0305000 is already mapped"
    );
}

#[test]
fn pages_of_another_domain_do_not_go_into_a_table() {
    let mut arena = Arena::new(2);
    map(&mut arena, 0xc000_0000, 0x4000_0000, 0x1000, Granule::Pages).unwrap();
    let mut user = Attributes::KERNEL_DATA;
    user.domain = Domain::new(1).unwrap();
    let error = map_as(&mut arena, 0xc000_1000, 0, 0x1000, user, Granule::Pages).unwrap_err();
    assert_eq!(error.to_string(), "the table for 0xc0001000 is in domain 0, not 1");
    map_as(&mut arena, 0xc010_0000, 0, 0x1000, user, Granule::Pages).unwrap();
    let range = VirtRange::new(VirtAddr::new(0xc000_0000), VirtAddr::new(0xc020_0000));
    let mut mapper = Mapper::new(Arena::root(), &mut arena);
    let error = mapper.prepare_tables(range, Domain::KERNEL).unwrap_err();
    assert_eq!(error.to_string(), "the table for 0xc0100000 is in domain 1, not 0");
    assert_eq!(mapper.walker().mappings().count(), 2);
}

#[test]
fn tables_are_prepared_for_every_mebibyte_touched_and_only_once() {
    let mut arena = Arena::new(3);
    let prepare = |arena: &mut Arena, start, end| {
        let range = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
        Mapper::new(Arena::root(), arena).prepare_tables(range, Domain::KERNEL)
    };
    let slots = |arena: &Arena| -> Vec<u32> {
        arena.walker().tables().map(|slot| slot.virt.as_u32()).collect()
    };
    prepare(&mut arena, 0xfff0_1000, 0xfff0_1000).unwrap();
    assert_eq!(slots(&arena), []);
    prepare(&mut arena, 0xffef_f000, 0xfffe_0000).unwrap();
    prepare(&mut arena, 0xfff0_0000, 0xffff_ffff).unwrap();
    assert_eq!(slots(&arena), [0xffe0_0000, 0xfff0_0000]);
    assert_eq!((mapped(&arena), arena.tables_left()), (vec![], 1));

    // A section in the way is found before anything is made.
    map(&mut arena, 0xbf10_0000, 0x4000_0000, u64::from(MIB), Granule::Sections).unwrap();
    let clash = VirtAddr::new(0xbf10_0000);
    assert_eq!(
        prepare(&mut arena, 0xbf00_0000, 0xbf20_0000),
        Err(MapError::AlreadyMapped { virt: clash })
    );
    let clash = VirtAddr::new(0xbf10_1000);
    assert_eq!(
        prepare(&mut arena, 0xbf10_1000, 0xbf20_0000),
        Err(MapError::AlreadyMapped { virt: clash })
    );
    assert_eq!(arena.tables_left(), 1);
    let error = prepare(&mut arena, 0xbf20_0000, 0xbf60_0000).unwrap_err();
    assert_eq!(error.to_string(), "no memory for the second-level table of 0xbf300000");
    assert_eq!(slots(&arena), [0xbf20_0000, 0xffe0_0000, 0xfff0_0000]);
}

/// For n = 0, 1, 2 … allocation n fails, until none does. Nothing is mapped until then, and the
/// tables that a failed call made are not lost.
#[test]
fn when_a_table_cannot_be_had_nothing_is_mapped() {
    let len_bytes = u64::from(4 * MIB + 0x2000);
    for tables in 0..=6 {
        let mut arena = Arena::new(tables);
        let result = map(&mut arena, 0xc00f_f000, 0x4000_0000, len_bytes, Granule::Pages);
        if tables == 6 {
            assert_eq!((result, mapped(&arena).len()), (Ok(()), 1026));
            continue;
        }
        let virt =
            VirtAddr::new(if tables == 0 { 0xc00f_f000 } else { 0xc000_0000 + tables * MIB });
        assert_eq!(result, Err(MapError::NoTable { virt }));
        assert_eq!(mapped(&arena), []);
        assert_eq!(arena.walker().tables().count(), tables as usize);
        let first = u64::from(tables * MIB);
        assert_eq!(map(&mut arena, 0xc000_0000, 0x4000_0000, first, Granule::Sections), Ok(()));
        assert_eq!(mapped(&arena).len(), 256 * tables as usize);
    }
}

/// The model: for each mapped page number the frame number and the attributes.
type Model = BTreeMap<u32, (u64, Attributes)>;

/// A translation written from the manual's pictures of the two walks (ARM DDI 0406C, B3.5.2) with
/// shifts alone. Gives the physical address and the permissions as raw bits: AP, XN, index, S, nG.
fn translate_by_hand(arena: &Arena, virt: u32) -> Option<(u64, [u32; 5])> {
    let l1 = arena.read(PhysAddr::new(Arena::ROOT + u64::from(virt >> 20 << 2)));
    if l1 & 0x4_0003 == 2 {
        let ap = l1 >> 13 & 4 | l1 >> 10 & 3;
        let index = l1 >> 10 & 4 | l1 >> 2 & 3;
        let address = u64::from(l1 & 0xfff0_0000 | virt & 0x000f_ffff);
        assert_eq!(l1 >> 5 & 0xf, 0, "domain");
        return Some((address, [ap, l1 >> 4 & 1, index, l1 >> 16 & 1, l1 >> 17 & 1]));
    }
    if l1 & 3 != 1 {
        assert_eq!(l1, 0);
        return None;
    }
    assert_eq!(l1 & 0x3fe, 0, "domain, PXN, NS and bit 9");
    let l2 = arena.read(PhysAddr::new(u64::from(l1 & !0x3ff | virt >> 10 & 0x3fc)));
    if l2 & 2 == 0 {
        assert_eq!(l2, 0);
        return None;
    }
    let ap = l2 >> 7 & 4 | l2 >> 4 & 3;
    let index = l2 >> 4 & 4 | l2 >> 2 & 3;
    let address = u64::from(l2 & 0xffff_f000 | virt & 0xfff);
    Some((address, [ap, l2 & 1, index, l2 >> 10 & 1, l2 >> 11 & 1]))
}

fn raw(attributes: Attributes) -> [u32; 5] {
    let leaf = attributes.leaf;
    [
        leaf.access as u32,
        u32::from(leaf.execute == super::super::attributes::Execute::Never),
        leaf.memory_type as u32,
        u32::from(leaf.shareable),
        u32::from(!leaf.global),
    ]
}

#[derive(Clone, Debug)]
struct Request {
    page: u32,
    frame: u64,
    pages: u32,
    attributes: Attributes,
    granule: Granule,
}

/// The window that requests fall into: six mebibytes, the last six of the address space, so that
/// its end is 4 GiB.
const WINDOW: u32 = 0xffa0_0000 >> 12;
const WINDOW_PAGES: u32 = 6 * 256;

fn request() -> impl Strategy<Value = Request> {
    let attributes = prop_oneof![
        Just(Attributes::KERNEL_TEXT),
        Just(Attributes::KERNEL_RODATA),
        Just(Attributes::KERNEL_DATA),
        Just(Attributes::DEVICE),
        Just(Attributes::NORMAL_NC),
        Just(Attributes::VECTORS),
    ];
    // Half of the addresses and lengths are whole mebibytes, or sections would be rare.
    let place = prop_oneof![(0..6_u32).prop_map(|mib| mib * 256), 0..WINDOW_PAGES];
    let pages = prop_oneof![(0..3_u32).prop_map(|mib| mib * 256), 0..600_u32];
    let frame =
        prop_oneof![(0..0x1000_u64).prop_map(|mib| mib * 256), 0..0x10_0000_u64, Just(0xf_ff00),];
    let granule = prop_oneof![Just(Granule::Pages), Just(Granule::Sections)];
    (place, frame, pages, attributes, granule).prop_map(
        |(place, frame, pages, attributes, granule)| Request {
            page: WINDOW + place,
            frame,
            pages,
            attributes,
            granule,
        },
    )
}

/// What the request should do, told by the model.
fn expected(model: &Model, request: &Request) -> Result<(), MapError> {
    let (virt, phys) = (VirtAddr::new(request.page << 12), PhysAddr::new(request.frame << 12));
    let len_bytes = u64::from(request.pages) << 12;
    if request.page + request.pages > 1 << 20 {
        return Err(MapError::VirtTooLong { virt, len_bytes });
    }
    if request.frame + u64::from(request.pages) > 1 << 20 {
        return Err(MapError::PhysTooHigh { phys, len_bytes });
    }
    match model.range(request.page..request.page + request.pages).next() {
        Some((page, _)) => Err(MapError::AlreadyMapped { virt: VirtAddr::new(page << 12) }),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_sequence_of_maps_agrees_with_a_plain_map_of_pages(
        requests in prop::collection::vec(request(), 1..12),
    ) {
        let mut arena = Arena::new(6);
        let mut model = Model::new();
        for request in &requests {
            let expected = expected(&model, request);
            let result = map_as(
                &mut arena,
                request.page << 12,
                request.frame << 12,
                u64::from(request.pages) << 12,
                request.attributes,
                request.granule,
            );
            prop_assert_eq!(result, expected);
            if result.is_ok() {
                model.extend((0..request.pages).map(|n| {
                    (request.page + n, (request.frame + u64::from(n), request.attributes))
                }));
            }
        }

        let walker = arena.walker();
        for page in WINDOW - 2..WINDOW + WINDOW_PAGES {
            let virt = page << 12 | 0x123;
            let wanted = model.get(&page).map(|(frame, attributes)| (frame << 12, *attributes));
            let translation = walker.translate(VirtAddr::new(virt));
            prop_assert_eq!(
                translation.phys(),
                wanted.map(|(phys, _)| PhysAddr::new(phys | 0x123))
            );
            prop_assert_eq!(
                translation.mapping.map(|mapping| mapping.attributes),
                wanted.map(|(_, attributes)| attributes)
            );
            prop_assert_eq!(
                translate_by_hand(&arena, virt),
                wanted.map(|(phys, attributes)| (phys | 0x123, raw(attributes)))
            );
        }

        let mut walked = Model::new();
        for mapping in walker.mappings() {
            for offset in (0..mapping.len_bytes).step_by(4096) {
                let page = (mapping.virt.as_u32() + offset) >> 12;
                let frame = (mapping.phys.as_u64() + u64::from(offset)) >> 12;
                prop_assert!(walked.insert(page, (frame, mapping.attributes)).is_none());
            }
        }
        prop_assert_eq!(walked, model);
    }
}
