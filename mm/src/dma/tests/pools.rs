//! The atomic pool, and pools of small blocks.

use proptest::prelude::*;

use super::machine::{BOARD, Dma, FIRST, LOW, Op, World, with_dma};
use super::{device, free_pages, reaching};
use crate::addr::{PAGE_SIZE, Pfn, PhysAddr, PhysRange, VirtAddr};
use crate::dma::{
    BounceError, CoherentBuffer, CoherentError, Device, DmaAddr, DmaFault, DmaPool, PoolBlock,
    Watching,
};
use crate::fault::FailConfig;
use crate::zone::Gfp;

const KIB: u32 = 1024;
const ATOMIC: Gfp = Gfp::GFP_ATOMIC;

fn first_mib(mib: u64) -> PhysRange {
    let start = Pfn::new(FIRST).start();
    PhysRange::new(start, start.saturating_add(mib << 20))
}

#[test]
fn who_can_not_wait_is_served_from_the_pool() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = device();
        let error = dma.alloc_coherent(&device, 1, ATOMIC).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no atomic pool for 1 bytes that can not be waited for: coherent_pool= makes one"
        );
        dma.make_atomic_pool(64 * KIB, first_mib(8)).unwrap();
        let free = free_pages(dma);
        let before = [Op::Publish, Op::Flush, Op::Invalidate].map(|op| world.done(op));
        let mut buffers: Vec<_> =
            [4, 8, 16, 1].map(|kib| dma.alloc_coherent(&device, kib * KIB, ATOMIC).unwrap()).into();
        // First fit, aligned to the size, at the top of the region.
        let start = 0xfff0_0000 - 64 * KIB;
        let offsets: Vec<u32> =
            buffers.iter().map(|buffer| buffer.virt().as_u32() - start).collect();
        assert_eq!(offsets, [0, 8 * KIB, 16 * KIB, 4 * KIB]);
        assert!(
            buffers.iter().all(|buffer| buffer.dma().as_u32() < (FIRST * PAGE_SIZE) + (8 << 20))
        );
        assert!(buffers.iter().all(|buffer| buffer.dma().is_aligned(buffer.bytes().min(4096))));
        let pool = |dma: &Dma<'_, '_>| dma.figures().pool.unwrap();
        assert_eq!((pool(dma).usage.in_use, pool(dma).high_water), (32 * KIB, 32 * KIB));
        buffers.push(dma.alloc_coherent(&device, 32 * KIB, ATOMIC).unwrap());
        let error = dma.alloc_coherent(&device, 5000, ATOMIC).unwrap_err();
        assert_eq!(
            error,
            CoherentError::PoolExhausted { bytes: 5000, pool: 64 * KIB, free: 0, largest_free: 0 }
        );
        drop(buffers.remove(0));
        let error = dma.alloc_coherent(&device, 5000, ATOMIC).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the atomic pool has no 5000 bytes in one piece: of its 64 KiB 4096 bytes are free, 4096 \
             in one piece; coherent_pool= makes it larger"
        );
        drop(buffers);
        assert_eq!((pool(dma).usage.in_use, pool(dma).high_water), (0, 64 * KIB));
        assert_eq!(pool(dma).usage.largest_free, 64 * KIB);
        // No page table was touched, and no page was taken.
        assert_eq!([Op::Publish, Op::Flush, Op::Invalidate].map(|op| world.done(op)), before);
        assert_eq!(free_pages(dma), free);
        // It is somebody else's reach.
        let tiny = reaching(1 << 20);
        let error = dma.alloc_coherent(&tiny, 1, ATOMIC).unwrap_err();
        assert!(matches!(error, CoherentError::PoolOutOfReach { .. }), "{error}");
        // The pool's section stays.
        assert_eq!(dma.shrink_sections(u32::MAX), 0);
        assert_eq!(device.figures().coherent_bytes, 0);
        // A second pool there is not.
        dma.make_atomic_pool(128 * KIB, first_mib(8)).unwrap();
        assert_eq!(pool(dma).usage.bytes, 64 * KIB);
        assert_eq!(world.wrong(), Vec::<String>::new());
    });
}

#[test]
fn a_buffer_of_the_pool_is_zeroed_each_time() {
    let world = World::new(LOW, 3);
    with_dma(&world, Watching::Off, |dma| {
        dma.make_atomic_pool(16 * KIB, first_mib(8)).unwrap();
        let device = device();
        for _ in 0..3 {
            let buffer = dma.alloc_coherent(&device, 100, ATOMIC).unwrap();
            assert_eq!(world.cpu_read(buffer.virt(), 100), [0; 100]);
            assert_eq!(world.device_read(device.phys(buffer.dma()), 100), [0; 100]);
            world.cpu_write(buffer.virt(), &[0xff; 100]);
            assert_eq!(world.device_read(device.phys(buffer.dma()), 100), [0xff; 100]);
        }
        assert_eq!(world.wrong(), Vec::<String>::new());
    });
}

#[test]
fn there_may_be_no_pool() {
    let world = World::new(LOW, 1);
    with_dma(&world, Watching::Off, |dma| {
        let before = free_pages(dma);
        dma.pages.inject_failures(FailConfig::one_in(1));
        let made = dma.make_atomic_pool(256 * KIB, first_mib(8));
        let bounced = dma.make_bounce_pool(256 * KIB, first_mib(8));
        dma.pages.inject_failures(FailConfig::OFF);
        assert!(matches!(made, Err(CoherentError::NoMemory { .. })), "{made:?}");
        assert!(matches!(bounced, Err(BounceError::NoMemory { .. })), "{bounced:?}");
        assert_eq!((free_pages(dma), dma.figures().usage.in_use), (before, 0));
        assert_eq!(dma.make_atomic_pool(0, first_mib(8)), Ok(()));
        assert_eq!(dma.make_bounce_pool(0, first_mib(8)), Ok(()));
        assert_eq!(free_pages(dma), before);
    });
    let world = World::new(LOW, 1);
    with_dma(&world, Watching::Off, |dma| {
        let error = dma.make_atomic_pool(4 << 20, first_mib(8)).unwrap_err();
        assert!(matches!(error, CoherentError::NoAddresses { .. }), "{error}");
        let error =
            dma.make_atomic_pool(64 * KIB, PhysRange::new(PhysAddr::new(0), PhysAddr::new(4096)));
        assert!(matches!(error, Err(CoherentError::OutOfReach { .. })), "{error:?}");
        let error = dma.make_bounce_pool(513 * KIB, first_mib(8)).unwrap_err();
        assert_eq!(error, BounceError::TooLarge { bytes: 513 * KIB, most: 512 * KIB });
        let error =
            dma.make_bounce_pool(4096, PhysRange::new(PhysAddr::new(0), PhysAddr::new(4096)));
        assert!(matches!(error, Err(BounceError::OutOfReach { .. })), "{error:?}");
        let figures = dma.figures();
        assert_eq!((figures.pool, figures.bounce, figures.usage.in_use), (None, None, 0));
        dma.make_atomic_pool(3 << 20, first_mib(8)).unwrap();
        assert!(dma.alloc_coherent(&device(), 3 << 20, ATOMIC).is_ok());
        assert_eq!(world.wrong(), Vec::<String>::new());
    });
}

type Pool<'d, 's, 'w> =
    DmaPool<'d, 's, 'w, super::machine::Machine<'w>, super::machine::Machine<'w>>;

/// Blocks of `bytes` bytes are pairwise disjoint, aligned, cross no boundary, and keep what is written to them.
fn check_pool(
    world: &World,
    dma: &Dma<'_, '_>,
    device: &Device,
    sizes: (u32, u32, Option<u32>),
    ops: Vec<(bool, usize)>,
) -> Result<(), TestCaseError> {
    let (bytes, align, boundary) = sizes;
    let pool: Pool<'_, '_, '_> = match DmaPool::new(dma, device, "blocks", bytes, align, boundary) {
        Ok(pool) => pool,
        Err(_) => return Ok(()),
    };
    let mut live: Vec<(PoolBlock, u8)> = Vec::new();
    for (number, (gives, which)) in ops.into_iter().enumerate() {
        if gives && !live.is_empty() {
            let (block, byte) = live.swap_remove(which % live.len());
            let phys = device.phys(block.dma);
            prop_assert_eq!(world.device_read(phys, bytes), vec![byte; bytes as usize]);
            // A device that wrote all over it breaks nothing.
            world.device_write(phys, &vec![0xff; bytes as usize]);
            prop_assert_eq!(pool.give_back(block), Ok(()));
            prop_assert_eq!(pool.give_back(block), Err(DmaFault::FreeBlock { virt: block.virt }));
        } else {
            let block = pool.zalloc(Gfp::GFP_KERNEL).unwrap();
            prop_assert_eq!(world.cpu_read(block.virt, bytes), vec![0; bytes as usize]);
            let at = block.dma.as_u32();
            prop_assert!(at.is_multiple_of(align.max(8)));
            if let Some(boundary) = boundary {
                prop_assert_eq!(at / boundary, (at + bytes - 1) / boundary);
            }
            for (other, _) in &live {
                prop_assert!(at.abs_diff(other.dma.as_u32()) >= bytes);
            }
            world.cpu_write(block.virt, &vec![number as u8; bytes as usize]);
            live.push((block, number as u8));
        }
        prop_assert_eq!(pool.usage().0 as usize, live.len());
    }
    world.told();
    let busy = live.len() as u32;
    if busy.is_multiple_of(2) {
        for (block, _) in live.drain(..) {
            prop_assert_eq!(pool.give_back(block), Ok(()));
        }
        prop_assert_eq!(pool.destroy(), Ok(()));
        prop_assert_eq!(device.figures().coherent_bytes, 0);
    } else {
        prop_assert_eq!(pool.destroy(), Err(DmaFault::PoolBusy { blocks: busy }));
        prop_assert!(world.told()[0].starts_with("DMA-API: blocks: the pool ends while"));
        prop_assert!(device.figures().coherent_bytes > 0, "their pages are lost");
    }
    prop_assert_eq!(world.wrong(), Vec::<String>::new());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn blocks_come_and_go(
        seed in any::<u64>(),
        bytes in prop_oneof![1_u32..200, 1000_u32..5000],
        align in 0_u32..9,
        boundary in proptest::option::of(5_u32..13),
        ops in proptest::collection::vec((any::<bool>(), any::<usize>()), 1..60),
    ) {
        let world = World::new(BOARD, seed);
        with_dma(&world, Watching::Off, |dma| {
            let sizes = (bytes, 1 << align, boundary.map(|shift| 1 << shift));
            check_pool(&world, dma, &device(), sizes, ops)
        })?;
    }
}

#[test]
fn what_is_no_block_is_not_taken() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = device();
        let pool: Pool<'_, '_, '_> = DmaPool::new(dma, &device, "td", 100, 0, Some(1024)).unwrap();
        let block = pool.alloc(Gfp::GFP_KERNEL).unwrap();
        let PoolBlock { virt, dma: at } = block;
        for (by, to) in [(8, 8), (4096, 4096), (1 << 30, 0), (0, 4), (936, 936), (1, 1)] {
            let wrong = PoolBlock {
                virt: VirtAddr::new(virt.as_u32().wrapping_add(by)),
                dma: DmaAddr::new(at.as_u32().wrapping_add(to)),
            };
            let fault = DmaFault::NoBlock { virt: wrong.virt, dma: wrong.dma };
            assert_eq!(pool.give_back(wrong), Err(fault));
            assert_eq!(world.told(), [format!("DMA-API: td: {fault}")]);
        }
        // The second block was never out.
        let second = PoolBlock {
            virt: VirtAddr::new(virt.as_u32() + 104),
            dma: DmaAddr::new(at.as_u32() + 104),
        };
        assert_eq!(pool.give_back(second), Err(DmaFault::FreeBlock { virt: second.virt }));
        assert_eq!(pool.usage(), (1, 1));
        assert_eq!(pool.give_back(block), Ok(()));
        // Nine blocks between two multiples of 1024.
        let all: Vec<_> = (0..37).map(|_| pool.alloc(Gfp::GFP_KERNEL).unwrap()).collect();
        assert_eq!(pool.usage(), (37, 2));
        for block in all {
            assert_eq!(pool.give_back(block), Ok(()));
        }
        // By C's form of a buffer its pages are not to be had.
        let page = CoherentBuffer { virt, dma: at, bytes: 1 };
        assert_eq!(dma.free_coherent(&device, page), Ok(()), "who frees a pool's page has it");
        drop(pool);
        assert_eq!(world.told().len(), 2, "of the second block, and of the page");
    });
}

#[test]
fn a_pool_without_memory_says_so() {
    let world = World::new(LOW, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = device();
        let before = free_pages(dma);
        let mut failures = 0;
        for n in 1.. {
            let pool: Pool<'_, '_, '_> = DmaPool::new(dma, &device, "td", 64, 64, None).unwrap();
            dma.pages.inject_failures(FailConfig::nth(n));
            let failed = match pool.alloc(Gfp::GFP_KERNEL) {
                Ok(block) => pool.give_back(block).is_err(),
                Err(error) => matches!(error, CoherentError::NoMemory { .. }),
            };
            let injected = dma.pages.injected_failures() > 0;
            dma.pages.inject_failures(FailConfig::OFF);
            drop(pool);
            dma.shrink_sections(u32::MAX);
            assert_eq!(free_pages(dma), before);
            assert_eq!(failed, injected);
            if !injected {
                break;
            }
            failures += 1;
        }
        assert!(failures >= 2, "books and a section");
        // And who can not wait has the pool's page from the atomic pool.
        dma.make_atomic_pool(8 * KIB, first_mib(8)).unwrap();
        let pool: Pool<'_, '_, '_> = DmaPool::new(dma, &device, "td", 4096, 0, None).unwrap();
        let blocks = [(); 2].map(|()| pool.alloc(ATOMIC).unwrap());
        assert!(matches!(pool.alloc(ATOMIC), Err(CoherentError::PoolExhausted { .. })));
        for block in blocks {
            assert_eq!(pool.give_back(block), Ok(()));
        }
        drop(pool);
        assert_eq!(dma.figures().pool.unwrap().usage.in_use, 0);
    });
}
