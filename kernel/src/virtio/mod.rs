//! Virtio devices: the transports of the device tree, and the disks behind them.
//!
//! The protocol is the crate [`virtio_drivers`]'. Here is what it runs on: registers that `ioremap` has mapped, memory
//! of [`mm::dma`] ([`hal`]), the barriers that a device needs which does not look into the caches ([`transport`]),
//! and disks, with time-outs ([`block`]).
//!
//! | parameter | value | without it |
//! |---|---|---|
//! | `virtio.noncoherent=` | `on`: caches are maintained whatever the tree says | as the tree says |
//! | `virtio.dma_mask=` | ones from bit 0 on: what the devices can address | 32 bits |
//!
//! QEMU's devices look into the caches, as its tree says, and have wide addresses; the parameters make worse ones of
//! them, so that what such devices need is done, and seen to do no harm.

pub mod block;
mod hal;
mod transport;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use board::Machine;
use board::dt::VirtioMmio;
use mm::addr::PhysRange;
use mm::dma::{BadWindow, Coherency, Device, DmaMask, DmaWindow};
use mm::map::MemoryType;
use mm::map::ioremap::IoremapError;
use mm::param::params;
use monitor::words;
use virtio_drivers::transport::mmio::{MmioError, MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};

use self::block::{Disk, DiskError};
use self::transport::Ordered;
use crate::dma;
use crate::monitor::Kernel;

/// In reports, boot is nobody's return address.
const BOOT: u32 = 0;

/// What the command line says of the devices.
#[derive(Clone, Copy)]
struct Options {
    mask: DmaMask,
    coherency: Option<Coherency>,
}

impl Options {
    /// What the command line says. With a line for each value that can not be read, if `is_told`.
    fn read(command_line: &str, is_told: Told) -> Self {
        let mut options = Self { mask: DmaMask::BITS_32, coherency: None };
        let warn = |name: &str, value: &str, wanted: &str| {
            if let Told::Yes = is_told {
                log::warn!("{value:?} in {name}=: {wanted} expected");
            }
        };
        for param in params(command_line) {
            let value = param.value.unwrap_or("");
            if param.is("virtio.noncoherent") {
                match value {
                    "on" | "1" | "y" => options.coherency = Some(Coherency::Software),
                    "off" | "0" | "n" => options.coherency = None,
                    _ => warn(param.name, value, "on or off was"),
                }
            } else if param.is("virtio.dma_mask") {
                let mask = words::number(value).ok().map(u64::from).map(DmaMask::new);
                match mask {
                    Some(Ok(mask)) => options.mask = mask,
                    _ => warn(param.name, value, "ones from bit 0 on were"),
                }
            }
        }
        options
    }
}

/// Are mistakes said? Once is enough.
#[derive(Clone, Copy)]
enum Told {
    Yes,
    No,
}

/// The memory that all transports reach; `None` if there is no transport that can be used.
pub fn least_reach(machine: &Machine<'_>, command_line: &str) -> Option<PhysRange> {
    let options = Options::read(command_line, Told::No);
    let mut least: Option<PhysRange> = None;
    machine.virtio(&mut |found| {
        let Some(device) = found.ok().and_then(|found| device(&found, options).ok()) else {
            return;
        };
        let reach = device.streaming_reach();
        least = match least {
            Some(others) => others.intersection(&reach).or(Some(others)),
            None => Some(reach),
        };
    });
    least
}

/// Is there a transport whose device does not look into the caches?
pub fn needs_maintenance(machine: &Machine<'_>, command_line: &str) -> bool {
    let options = Options::read(command_line, Told::No);
    let mut is_needed = false;
    machine.virtio(&mut |found| {
        let device = found.ok().and_then(|found| device(&found, options).ok());
        is_needed |= device.is_some_and(|device| device.coherency() == Coherency::Software);
    });
    is_needed
}

/// A device as DMA memory knows it, named as Linux names it.
fn device(found: &VirtioMmio, options: Options) -> Result<Device, BadWindow> {
    let window = DmaWindow::new(found.dma.device_start, found.dma.memory)?;
    let by_tree = if found.dma.is_coherent { Coherency::Hardware } else { Coherency::Software };
    let name = format!("{:x}.virtio_mmio", found.registers.start().as_u64());
    let device = Device::new(&name, window, options.coherency.unwrap_or(by_tree));
    // A mask that reaches nothing leaves the widest, and the command line has been told what to say.
    let masks = device.set_mask(options.mask).and_then(|()| device.set_coherent_mask(options.mask));
    if let Err(error) = masks {
        log::warn!("{name}: {error}");
    }
    Ok(device)
}

/// Why a transport is not used.
enum NoDevice {
    /// Its registers can not be mapped.
    NotMapped(IoremapError),
    /// It is none, or of another version.
    Transport(MmioError),
    /// Its DMA window.
    Window(BadWindow),
    /// There is no DMA memory.
    NoDma,
    /// The disk.
    Disk(DiskError),
}

impl fmt::Display for NoDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMapped(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
            Self::Window(error) => error.fmt(f),
            Self::NoDma => f.write_str("there is no DMA memory"),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

/// Finds the disks. After interrupts have started, whose clock ends the wait for a device that does not answer.
pub fn start(kernel: &Kernel) -> Vec<Disk> {
    let options = Options::read(kernel.memory.command_line, Told::Yes);
    let mut disks = Vec::new();
    kernel.machine.virtio(&mut |found| match found {
        Err(error) => log::warn!("virtio: {error}"),
        Ok(found) => match probe(kernel, &found, options) {
            Ok(None) => {}
            Ok(Some(disk)) if disks.try_reserve(1).is_ok() => {
                log::info!("{disk}");
                disks.push(disk);
            }
            Ok(Some(_)) => log::warn!("virtio: no memory for one disk more"),
            Err(error) => {
                log::warn!("virtio: the transport at {}: {error}", found.registers.start());
            }
        },
    });
    disks
}

/// The disk behind a transport; `None` if there is nothing, or something else.
fn probe(kernel: &Kernel, found: &VirtioMmio, options: Options) -> Result<Option<Disk>, NoDevice> {
    // Eight transports share a page, and so its mapping.
    let mapping = kernel.io.map(found.registers, MemoryType::Device, BOOT);
    let mapping = mapping.map_err(NoDevice::NotMapped)?;
    let range = mapping.range();
    let header = NonNull::new(range.start().as_u32() as *mut VirtIOHeader);
    let Some(header) = header.filter(|header| header.is_aligned()) else { return Ok(None) };
    // SAFETY: the tree says that a transport's registers are there. They have just been mapped, as a device, and stay so:
    // dropped, the transport is gone before the mapping. Nobody else drives it: a tree names it once.
    let transport = unsafe { MmioTransport::new(header, range.len() as usize) };
    let transport = match transport {
        Ok(transport) => transport,
        // Nothing is plugged in here, or something that this crate has no name for.
        Err(MmioError::InvalidDeviceID(_)) => return Ok(None),
        Err(error) => return Err(NoDevice::Transport(error)),
    };
    if transport.device_type() != DeviceType::Block {
        return Ok(None);
    }
    let dma = dma::get().ok_or(NoDevice::NoDma)?;
    let device = Box::leak(Box::new(device(found, options).map_err(NoDevice::Window)?));
    if let Err(error) = dma.attach(device) {
        log::warn!("{}: {error}", device.name());
    }
    let disk = Disk::new(Ordered::new(transport), device, dma, kernel.pages, kernel.vmalloc);
    match disk {
        Ok(disk) => {
            mapping.leak();
            Ok(Some(disk))
        }
        Err(error) => {
            // What it left behind is said by who is asked.
            let _ = dma.detach(device);
            Err(NoDevice::Disk(error))
        }
    }
}
