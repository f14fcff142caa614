//! `dma_debug=on`: what somebody does wrongly is found and named, and who does it right is left alone.

use super::machine::{BOARD, Dma, World, with_dma};
use super::{device, linear};
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::dma::live::Kind;
use crate::dma::memory::{MAX_DEVICES, TooManyDevices};
use crate::dma::{Device, Direction, DmaAddr, DmaFault, Watching};
use crate::fault::FailConfig;
use crate::zone::{Gfp, ZoneKind};

const TO: Direction = Direction::ToDevice;
const FROM: Direction = Direction::FromDevice;
const BOTH: Direction = Direction::Bidirectional;

fn buffer() -> VirtAddr {
    linear(BOARD.end(ZoneKind::Normal) - 16 * PAGE_SIZE)
}

fn at(offset: u32) -> VirtAddr {
    VirtAddr::new(buffer().as_u32() + offset)
}

/// Runs a test with a device that is watched.
fn watching(test: impl FnOnce(&World, &Dma<'_, '_>, &Device)) {
    let world = World::new(BOARD, 1);
    let device = device();
    // SAFETY: it lives as long as the test's DMA memory.
    let longer: &'static Device = unsafe { &*std::ptr::from_ref(&device) };
    with_dma(&world, Watching::On, |dma| {
        dma.attach(longer).unwrap();
        test(&world, dma, longer);
    });
    assert_eq!(world.wrong(), Vec::<String>::new());
}

fn map(dma: &Dma<'_, '_>, device: &Device, offset: u32, bytes: u32, way: Direction) -> DmaAddr {
    // SAFETY: nobody has these bytes.
    unsafe { dma.map_single_raw(device, at(offset), bytes, way) }.unwrap()
}

#[test]
fn who_does_it_right_is_left_alone() {
    watching(|world, dma, device| {
        let first = map(dma, device, 0, 100, TO);
        // Twice the same to be read, and one beside it.
        let second = map(dma, device, 0, 100, TO);
        let third = map(dma, device, 100, 100, FROM);
        assert_eq!(first, second);
        assert_eq!(dma.figures().watched, Some(3));
        assert_eq!(dma.give_to_cpu(device, third.checked_add(50).unwrap(), 50, FROM), Ok(()));
        assert_eq!(dma.give_to_device(device, third, 100, FROM), Ok(()));
        let buffer = dma.alloc_coherent(device, 5000, Gfp::GFP_KERNEL).unwrap();
        let live = dma.live_mappings(0);
        assert_eq!(live.len(), 4);
        let coherent = live.iter().find(|is| is.kind == Kind::Coherent).unwrap();
        assert_eq!((coherent.dma, coherent.bytes()), (buffer.dma(), 5000));
        assert!(live.iter().all(|is| is.site == 0xc020_0000 && is.device == device.id()));
        assert_eq!(dma.live_mappings(3).len(), 1);
        drop(buffer);
        for (at, way) in [(first, TO), (third, FROM), (second, TO)] {
            assert_eq!(dma.unmap(device, at, 100, way), Ok(()));
        }
        assert_eq!((dma.figures().watched, dma.live_mappings(0).len()), (Some(0), 0));
        // SAFETY: it is not attached any more when the test is over.
        let longer: &'static Device = unsafe { &*std::ptr::from_ref(device) };
        assert_eq!(dma.detach(longer), Ok(()));
        assert_eq!(world.told(), Vec::<String>::new());
    });
}

#[test]
fn each_mistake_is_named() {
    watching(|world, dma, device| {
        let told = |fault: DmaFault| {
            assert_eq!(world.told(), [format!("DMA-API: device: {fault}")]);
        };
        // Not mapped.
        let none = DmaAddr::new(0x4000_0000);
        let fault = DmaFault::NotMapped { dma: none, bytes: 64, direction: FROM };
        assert_eq!(dma.unmap(device, none, 64, FROM), Err(fault));
        told(fault);
        assert_eq!(dma.give_to_cpu(device, none, 64, FROM), Err(fault));
        told(fault);
        assert_eq!(dma.give_to_device(device, none, 64, FROM), Err(fault));
        told(fault);
        // Another length, and then it is gone.
        let dma_at = map(dma, device, 0, 100, BOTH);
        let is = dma.live_mappings(0)[0];
        let fault = DmaFault::OtherLength { is, bytes: 99 };
        assert_eq!(dma.unmap(device, dma_at, 99, BOTH), Err(fault));
        told(fault);
        let text = "the single mapping of 100 bytes at 0x417f0000, bidirectional, by 0xc0200000 is unmapped as 99 bytes";
        assert_eq!(fault.to_string(), text);
        assert!(dma.unmap(device, dma_at, 100, BOTH).is_err());
        world.told();
        // Another direction.
        let dma_at = map(dma, device, 0, 100, FROM);
        let is = dma.live_mappings(0)[0];
        let fault = DmaFault::OtherDirection { is, direction: TO };
        assert_eq!(dma.give_to_cpu(device, dma_at, 10, TO), Err(fault));
        told(fault);
        assert_eq!(dma.unmap(device, dma_at, 100, TO), Err(fault));
        told(fault);
        // A part that goes beyond the end, and one that begins before.
        let dma_at = map(dma, device, 64, 100, FROM);
        for (offset, bytes) in [(0, 101), (1, 100), (100, 1), (0u32.wrapping_sub(1), 1)] {
            let part = DmaAddr::new(dma_at.as_u32().wrapping_add(offset));
            assert!(dma.give_to_cpu(device, part, bytes, FROM).is_err(), "{offset} {bytes}");
        }
        assert_eq!(world.told().len(), 4);
        // Overlaps, of which somebody writes.
        for (offset, bytes, way, clashes) in [
            (163, 1, TO, true),
            (164, 10, FROM, false),
            (0, 64, FROM, false),
            (0, 65, BOTH, true),
            (100, 1, FROM, true),
        ] {
            let other = map(dma, device, offset, bytes, way);
            let lines = world.told();
            assert_eq!(lines.len(), usize::from(clashes), "{offset}: {lines:?}");
            assert!(
                lines.iter().all(|line| line.contains(" overlaps the single mapping of 100 bytes"))
            );
            assert_eq!(dma.unmap(device, other, bytes, way), Ok(()));
        }
        // What is left.
        let second = map(dma, device, 1000, 8, TO);
        let buffer = dma.alloc_coherent_raw(device, 100, Gfp::GFP_KERNEL).unwrap();
        // SAFETY: as in `watching`.
        let longer: &'static Device = unsafe { &*std::ptr::from_ref(device) };
        let left = dma.detach(longer).unwrap_err();
        assert!(matches!(left, DmaFault::Leaked { all: 3, .. }), "{left}");
        let lines = world.told();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[1],
            "DMA-API: device: 4096 bytes of coherent memory are left of a device that goes"
        );
        assert_eq!(dma.figures().watched, Some(0));
        // It is not watched any more.
        assert_eq!(dma.unmap(device, second, 8, TO), Ok(()));
        assert_eq!(dma.unmap(device, dma_at, 100, FROM), Ok(()));
        assert_eq!(dma.free_coherent(device, buffer), Ok(()));
        assert_eq!(dma.detach(longer), Ok(()));
        assert_eq!(world.told(), Vec::<String>::new());
    });
}

#[test]
fn without_memory_nobody_is_watched_and_nobody_accused() {
    watching(|world, dma, device| {
        let first = map(dma, device, 0, 64, FROM);
        dma.slabs.inject_failures(FailConfig::one_in(1));
        let second = map(dma, device, 64, 64, FROM);
        dma.slabs.inject_failures(FailConfig::OFF);
        assert_eq!(
            world.told(),
            ["DMA-API: device: no memory to watch more than 1 mappings: none is watched any more"]
        );
        assert_eq!(dma.figures().watched, None);
        assert!(dma.live_mappings(0).is_empty());
        assert_eq!(dma.unmap(device, first, 64, FROM), Ok(()));
        assert_eq!(dma.unmap(device, second, 64, FROM), Ok(()));
        assert_eq!(world.told(), Vec::<String>::new());
    });
}

#[test]
fn devices_are_listed_while_they_are_attached() {
    let world = World::new(BOARD, 1);
    let devices: Vec<Device> = (0..=MAX_DEVICES).map(|_| device()).collect();
    with_devices(&world, &devices, |dma, devices| {
        for device in &devices[..MAX_DEVICES] {
            dma.attach(device).unwrap();
        }
        assert_eq!(dma.attach(&devices[MAX_DEVICES]), Err(TooManyDevices));
        assert_eq!(dma.detach(&devices[7]), Ok(()));
        assert_eq!(dma.devices().count(), MAX_DEVICES - 1);
        assert!(dma.device(8).is_none());
        dma.attach(&devices[MAX_DEVICES]).unwrap();
        assert!(std::ptr::eq(dma.device(8).unwrap(), &devices[MAX_DEVICES]));
        let long = Device::new(&"ö".repeat(20), devices[0].window(), devices[0].coherency());
        assert_eq!(long.name(), "ö".repeat(16));
    });
}

fn with_devices(
    world: &World,
    devices: &[Device],
    test: impl FnOnce(&Dma<'_, '_>, &'static [Device]),
) {
    // SAFETY: they live longer than the DMA memory.
    let longer: &'static [Device] = unsafe { &*std::ptr::from_ref(devices) };
    with_dma(world, Watching::Off, |dma| test(dma, longer));
}
