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
    let expected;
    let mut is_right = true;
    if direction.device_reads() {
        is_right &= world.device_read(at, bytes) == before;
    }
    if direction.device_writes() {
        let mut written = pattern(bytes, 11);
        world.device_write(at, &written);
        // A look at the first half, and one line more, before it ends.
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
        } else {
            mapping.sync_for_device(0, half).unwrap();
            let again = pattern(half, 13);
            world.device_write(at, &again);
            written[..half as usize].copy_from_slice(&again);
        }
        expected = written;
    } else {
        let more = pattern(bytes, 17);
        world.frame_write(phys, &more);
        mapping.sync_for_device(0, bytes).unwrap();
        is_right &= world.device_read(at, bytes) == more;
        expected = more;
    }
    mapping.unmap();
    is_right &= world.frame_read(phys, bytes) == expected;
    is_right &= world.frame_read(phys - AROUND, AROUND) == all[..AROUND as usize];
    let end = phys + bytes;
    is_right && world.frame_read(end, AROUND) == all[(AROUND + bytes) as usize..]
}

#[derive(Clone, Copy, Debug)]
enum Reaches {
    All,
    /// Everything is bounced.
    Dma,
    /// It looks into the caches, which the machine does not model: only copies are right.
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
