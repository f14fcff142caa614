//! Transfers in each direction: what one side wrote is what the other reads, and nothing beside it changes.

use proptest::prelude::*;

use super::machine::{BOARD, Dma, FIRST, LINE, Op, World, with_dma};
use super::{device, linear, reaching};
use crate::addr::{PAGE_SIZE, Pfn, PhysAddr, PhysRange, VirtAddr};
use crate::dma::address::{DmaMask, DmaWindow};
use crate::dma::{Coherency, Device, Direction, MapError, NotInMapping, Watching};
use crate::zone::ZoneKind;

const BOTH: Direction = Direction::Bidirectional;
const TO: Direction = Direction::ToDevice;
const FROM: Direction = Direction::FromDevice;

/// Where a buffer lies: 16 pages that nobody has, in each zone.
fn place(kind: ZoneKind) -> u32 {
    BOARD.end(kind) - 16 * PAGE_SIZE
}

/// Bytes on either side of a buffer that must stay.
const AROUND: u32 = 2 * LINE;

/// One transfer of `bytes` bytes at `offset` of a place, and whether all was as it should be.
fn transfer(
    world: &World,
    dma: &Dma<'_, '_>,
    device: &Device,
    phys: u32,
    bytes: u32,
    direction: Direction,
    salt: u8,
) -> bool {
    let pattern = |len: u32, step: u8| -> Vec<u8> {
        (0..len).map(|at| (at as u8).wrapping_mul(step).wrapping_add(salt)).collect()
    };
    world.read_ahead(phys - AROUND, bytes + 2 * AROUND);
    // What is around was written by the CPU, and may be dirty in its caches.
    let all = pattern(bytes + 2 * AROUND, 3);
    world.frame_write(phys - AROUND, &all);
    let before = pattern(bytes, 7);
    world.frame_write(phys, &before);
    let (pfn, inside) = (Pfn::new(phys / PAGE_SIZE), phys % PAGE_SIZE);
    // SAFETY: the place is nobody's.
    let mapping = unsafe { dma.map_page(device, pfn, inside, bytes, direction) }.unwrap();
    let at = device.phys(mapping.dma());
    world.read_ahead(at, bytes);
    let mut is_right = true;
    if direction.device_reads() {
        is_right &= world.device_read(at, bytes) == before;
    }
    let expected = if direction.device_writes() {
        let mut written = pattern(bytes, 11);
        world.device_write(at, &written);
        // A look at the first half before it ends.
        let half = bytes / 2;
        mapping.sync_for_cpu(0, half).unwrap();
        is_right &= world.frame_read(phys, half) == written[..half as usize];
        if direction.device_reads() {
            let (from, to) = (half - LINE, half);
            let turned: Vec<u8> = (from..to).map(|at| at as u8 ^ 0x5a).collect();
            world.frame_write(phys + from, &turned);
            written[from as usize..to as usize].copy_from_slice(&turned);
            mapping.sync_for_device(0, half).unwrap();
            is_right &= world.device_read(at, half) == written[..half as usize];
            // And the device writes the other half once more.
            let again = pattern(bytes - half, 19);
            world.device_write(at + half, &again);
            written[half as usize..].copy_from_slice(&again);
        } else {
            // The CPU may write there while it looks; what it wrote is lost.
            world.frame_write(phys, &vec![0xc3; half as usize]);
            mapping.sync_for_device(0, half).unwrap();
            let again = pattern(half, 13);
            world.device_write(at, &again);
            written[..half as usize].copy_from_slice(&again);
        }
        written
    } else {
        let more = pattern(bytes, 17);
        world.frame_write(phys, &more);
        mapping.sync_for_device(0, bytes).unwrap();
        is_right &= world.device_read(at, bytes) == more;
        more
    };
    mapping.unmap();
    is_right &= world.frame_read(phys, bytes) == expected;
    is_right &= world.frame_read(phys - AROUND, AROUND) == all[..AROUND as usize];
    let end = phys + bytes;
    is_right && world.frame_read(end, AROUND) == all[(AROUND + bytes) as usize..]
}

#[derive(Clone, Copy, Debug)]
enum Reaches {
    All,
    /// The DMA zone: the rest is bounced.
    Dma,
    /// Half of Normal, too.
    Some,
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(TO), Just(FROM), Just(BOTH)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_see_the_same_bytes(
        seed in any::<u64>(),
        kind in prop_oneof![Just(ZoneKind::Dma), Just(ZoneKind::Normal), Just(ZoneKind::HighMem)],
        reaches in prop_oneof![Just(Reaches::All), Just(Reaches::Dma), Just(Reaches::Some)],
        offset in AROUND..2 * PAGE_SIZE,
        bytes in 1_u32..2 * PAGE_SIZE,
        direction in any_direction(),
    ) {
        let world = World::new(BOARD, seed);
        with_dma(&world, Watching::On, |dma| {
            dma.make_bounce_pool(64 * 1024, dma_zone()).unwrap();
            let device = match reaches {
                Reaches::All => device(),
                Reaches::Dma => reaching(8 << 20),
                Reaches::Some => reaching(16 << 20),
            };
            // A part that is looked at ends with a line, or somebody else's line is written over it.
            let bytes = if direction == BOTH { bytes.next_multiple_of(2 * LINE) } else { bytes };
            let offset = if direction == BOTH { offset / LINE * LINE } else { offset };
            let phys = place(kind) + offset;
            prop_assert!(transfer(&world, dma, &device, phys, bytes, direction, seed as u8));
            let is_bounced = match reaches {
                Reaches::All => false,
                Reaches::Dma => kind != ZoneKind::Dma,
                Reaches::Some => kind == ZoneKind::HighMem
                    || kind == ZoneKind::Normal && phys + bytes > (FIRST * PAGE_SIZE) + (16 << 20),
            };
            prop_assert_eq!(device.figures().bounced, u32::from(is_bounced));
            prop_assert_eq!(world.wrong(), Vec::<String>::new());
            prop_assert_eq!(world.told(), Vec::<String>::new());
            Ok(())
        })?;
    }
}

fn dma_zone() -> PhysRange {
    PhysRange::new(Pfn::new(FIRST).start(), PhysAddr::new(BOARD.end(ZoneKind::Dma).into()))
}

/// Runs one transfer, and says whether anything was noticed.
fn is_noticed(
    seed: u64,
    kind: ZoneKind,
    device: &Device,
    direction: Direction,
    skip: Option<(Op, u32)>,
) -> (bool, [u32; 2]) {
    let world = World::new(BOARD, seed);
    with_dma(&world, Watching::Off, |dma| {
        dma.make_bounce_pool(64 * 1024, dma_zone()).unwrap();
        if let Some((op, nth)) = skip {
            world.skip(op, nth);
        }
        if kind == ZoneKind::HighMem {
            world.pin(Pfn::new(place(kind) / PAGE_SIZE));
        }
        let before = [Op::Clean, Op::Invalidate].map(|op| world.done(op));
        let is_right = transfer(&world, dma, device, place(kind) + LINE * 2, 512, direction, 1);
        let after = [Op::Clean, Op::Invalidate].map(|op| world.done(op));
        (!is_right || !world.wrong().is_empty(), [after[0] - before[0], after[1] - before[1]])
    })
}

#[test]
fn each_maintenance_is_needed() {
    let devices = [
        (device(), ZoneKind::Dma),
        (device(), ZoneKind::HighMem),
        (reaching(8 << 20), ZoneKind::Normal),
    ];
    let mut tried = 0;
    for ((device, kind), direction) in
        devices.iter().flat_map(|d| [TO, FROM, BOTH].map(|way| (d, way)))
    {
        let (is_wrong, counts) = is_noticed(1, *kind, device, direction, None);
        assert!(!is_wrong);
        for (op, count) in [Op::Clean, Op::Invalidate].into_iter().zip(counts) {
            for nth in 1..=count {
                let seen = (1..100)
                    .any(|seed| is_noticed(seed, *kind, device, direction, Some((op, nth))).0);
                assert!(seen, "{device:?} {kind} {direction}: {op:?} {nth} of {count}");
                tried += 1;
            }
        }
    }
    // To: 2. From: 4. Both: 2 cleans and 2 invalidations. A bounced one that is filled: 1 and 2.
    assert_eq!(tried, 2 * (2 + 4 + 4) + (2 + 3 + 4));
}

#[test]
fn the_last_byte_in_reach_and_the_one_behind_it() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let end = BOARD.end(ZoneKind::Dma);
        let narrow = reaching(8 << 20);
        // SAFETY: nobody has these bytes.
        let map = |phys: u32, bytes| unsafe { dma.map_single(&narrow, linear(phys), bytes, TO) };
        assert_eq!(map(end - PAGE_SIZE, PAGE_SIZE).unwrap().dma().as_u32(), (8 << 20) - PAGE_SIZE);
        assert_eq!(map(end - 1, 1).unwrap().dma().as_u32(), (8 << 20) - 1);
        let error = map(end - 1, 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the buffer at [0x407fffff-0x40800000] is out of the device's reach, \
             [0x40000000-0x407fffff], and so is the bounce pool, if any"
        );
        assert!(map(end, 1).is_err());
        assert_eq!(narrow.figures().refused, 2);
        dma.make_bounce_pool(4096, dma_zone()).unwrap();
        // SAFETY: nobody has these bytes.
        let mapping = unsafe { dma.map_single(&narrow, linear(end - 1), 2, TO) }.unwrap();
        assert!(narrow.streams(narrow.phys(mapping.dma()), 2));
    });
    // At the end of 32 bits.
    let whole = device();
    assert!(whole.streams(0xffff_f000, PAGE_SIZE) && whole.streams(u32::MAX, 1));
    assert!(!whole.streams(u32::MAX, 2) && whole.streams(0, u32::MAX));
    let below = Device::new("31 bits", DmaWindow::WHOLE, Coherency::Software);
    below.set_mask(DmaMask::new(0x7fff_ffff).unwrap()).unwrap();
    assert!(below.streams(0x7fff_f000, PAGE_SIZE) && !below.streams(0x7fff_f000, PAGE_SIZE + 1));
    assert!(!below.streams(0x8000_0000, 1));
    let pi = DmaWindow::new(3 << 30, PhysRange::new(PhysAddr::new(0), PhysAddr::new(1 << 30)));
    let pi = Device::new("above", pi.unwrap(), Coherency::Software);
    let error = pi.set_mask(DmaMask::new(0x3fff_ffff).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a DMA mask of 0x3fffffff reaches no memory of the window 0x00000000-0x3fffffff at 0xc0000000"
    );
    assert!(pi.streams(0x3fff_ffff, 1), "the old mask stays");
}

#[test]
fn what_is_no_memory_is_refused() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::On, |dma| {
        let device = device();
        let high = linear(BOARD.end(ZoneKind::Normal)).as_u32();
        for (virt, bytes) in [
            (0xf080_0000, 64),
            (0xffc0_0000, 64),
            (0, 64),
            (high - 1, 2),
            (high, 1),
            (high - 1, u32::MAX),
            (super::PAGE_OFFSET, u32::MAX),
            (super::PAGE_OFFSET - 1, 2),
        ] {
            let virt = VirtAddr::new(virt);
            // SAFETY: it is refused.
            let error = unsafe { dma.map_single(&device, virt, bytes, FROM) }.unwrap_err();
            assert_eq!(error, MapError::NotLinear { virt, bytes });
        }
        // SAFETY: there are no bytes.
        let none = unsafe { dma.map_single(&device, VirtAddr::new(super::PAGE_OFFSET), 0, TO) };
        assert_eq!(none.unwrap_err(), MapError::NoBytes);
        // SAFETY: these are refused.
        let page = |pfn, offset, bytes| unsafe {
            dma.map_page(&device, Pfn::new(pfn), offset, bytes, TO).map(|mapping| mapping.dma())
        };
        let end = BOARD.end(ZoneKind::HighMem) / PAGE_SIZE;
        assert_eq!(page(end - 1, 0, 0), Err(MapError::NoBytes));
        assert!(page(end - 1, PAGE_SIZE - 1, 1).is_ok());
        for (pfn, offset, bytes) in [
            (end - 1, PAGE_SIZE - 1, 2),
            (end, 0, 1),
            (FIRST - 1, 0, PAGE_SIZE),
            (FIRST - 1, 0, 2 * PAGE_SIZE),
            (0xf_ffff, 0, PAGE_SIZE + 1),
            (0x10_0000, 0, 1),
            (u32::MAX, u32::MAX, u32::MAX),
        ] {
            assert!(
                matches!(page(pfn, offset, bytes), Err(MapError::NotMemory { .. })),
                "{pfn:#x}"
            );
        }
        assert_eq!(device.figures().refused, 8 + 1 + 1 + 7);
        assert_eq!((world.done(Op::Invalidate), world.done(Op::Clean)), (0, 1));
    });
}

#[test]
fn a_part_lies_in_its_mapping() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = device();
        // SAFETY: nobody has these bytes.
        let mapping = unsafe { dma.map_single(&device, linear(place(ZoneKind::Dma)), 100, BOTH) };
        let mapping = mapping.unwrap();
        for (offset, bytes) in [(0, 100), (100, 0), (99, 1), (0, 0)] {
            assert_eq!(mapping.sync_for_cpu(offset, bytes), Ok(()));
            assert_eq!(mapping.sync_for_device(offset, bytes), Ok(()));
        }
        for (offset, bytes) in [(0, 101), (100, 1), (101, 0), (1, u32::MAX), (u32::MAX, 1)] {
            let error = NotInMapping { offset, bytes, mapped: 100 };
            assert_eq!(mapping.sync_for_cpu(offset, bytes), Err(error));
            assert_eq!(mapping.sync_for_device(offset, bytes), Err(error));
        }
    });
}

#[test]
fn who_looks_into_the_caches_needs_no_maintenance() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        dma.make_bounce_pool(4096, dma_zone()).unwrap();
        let device = Device::new("coherent", DmaWindow::WHOLE, Coherency::Hardware);
        for kind in ZoneKind::ALL {
            let pfn = Pfn::new(place(kind) / PAGE_SIZE);
            for direction in [TO, FROM, BOTH] {
                // SAFETY: nobody has these bytes.
                let mapping = unsafe { dma.map_page(&device, pfn, 0, 100, direction) }.unwrap();
                mapping.sync_for_cpu(0, 100).unwrap();
                mapping.sync_for_device(0, 100).unwrap();
            }
        }
        assert_eq!((world.done(Op::Invalidate), world.done(Op::Clean)), (0, 0));
    });
}

#[test]
fn a_transfer_that_is_short_leaves_what_the_buffer_held() {
    let world = World::new(BOARD, 7);
    with_dma(&world, Watching::Off, |dma| {
        dma.make_bounce_pool(4096, dma_zone()).unwrap();
        let (device, phys) = (reaching(8 << 20), place(ZoneKind::HighMem));
        // Somebody else's bytes have been in the slots.
        world.frame_write(phys, &[0xaa; 2048]);
        let map = |direction| {
            // SAFETY: nobody has these bytes.
            unsafe { dma.map_page(&device, Pfn::new(phys / PAGE_SIZE), 0, 2048, direction) }
                .unwrap()
        };
        map(TO).unmap();
        world.frame_write(phys, &[0x11; 2048]);
        let mapping = map(FROM);
        world.device_write(device.phys(mapping.dma()), &[0x22; 100]);
        mapping.unmap();
        let expected = [[0x22_u8; 100].as_slice(), &[0x11; 1948]].concat();
        assert_eq!(world.frame_read(phys, 2048), expected);
    });
}

#[test]
fn a_bounce_pool_has_an_end() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        dma.make_bounce_pool(512 * 1024, dma_zone()).unwrap();
        let (device, phys) = (reaching(8 << 20), place(ZoneKind::Normal) - (1 << 20));
        // SAFETY: nobody has these bytes.
        let map = |bytes| unsafe { dma.map_single(&device, linear(phys), bytes, TO) };
        let error = map(256 * 1024 + 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "262145 bytes out of the device's reach: at most 262144 can be bounced"
        );
        let all = [map(256 * 1024).unwrap(), map(128 * 1024).unwrap(), map(127 * 1024).unwrap()];
        let error = map(2049).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the bounce pool has no 2049 bytes in one piece: of its 512 KiB 0 bytes are free, 0 in one \
             piece; swiotlb= makes it larger"
        );
        drop(all);
        let usage = dma.figures().bounce.unwrap().usage;
        assert_eq!((usage.in_use, usage.largest_free), (0, 512 * 1024));
        // By address, twice.
        let dma_addr = map(3000).unwrap().into_raw();
        // SAFETY: it is the mapping's address; nothing uses it. The others are wrong, which must be found.
        let unmap = |at, bytes| unsafe { dma.unmap_raw(&device, at, bytes, TO) };
        assert!(unmap(dma_addr, 2999).is_err());
        assert!(unmap(dma_addr.checked_add(2048).unwrap(), 952).is_err(), "inside a mapping");
        assert_eq!(unmap(dma_addr, 3000), Ok(()));
        assert!(unmap(dma_addr, 3000).is_err());
        assert_eq!(world.told().len(), 3);
    });
}
