//! Disks: sectors that are looked at, summed and filled.

use crc32fast::Hasher;
use monitor::argument::Args;
use monitor::dump::{self, Unit};

use super::Kernel;
use super::failure::Failure;
use crate::console::{self, Out, println};
use crate::virtio::block::{Disk, MOST, SECTOR};

/// The most sectors that one command shows.
pub const MOST_SHOWN: u32 = 8;

pub fn list(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    for (number, disk) in kernel.disks.iter().enumerate() {
        println!("{number}: {disk}");
    }
    if kernel.disks.is_empty() {
        println!("no disks");
    }
    Ok(())
}

pub fn read(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let (sector, count) = (args.number("SECTOR")?, args.number("COUNT").unwrap_or(1));
    let shown = disk(kernel, args)?.read(sector, count, |bytes| {
        let words = bytes.as_chunks::<4>().0;
        let word = |at: u32| {
            Ok::<_, ()>(words.get(at as usize / 4).map_or(0, |word| u32::from_le_bytes(*word)))
        };
        dump::write(&mut Out, 0, words.len() as u32, Unit::Word, word)
    });
    // The console can not fail.
    let _ = shown.map_err(Failure::Disk)?;
    Ok(())
}

pub fn write(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let (sector, pattern) = (args.number("SECTOR")?, args.number("PATTERN")?);
    let count = args.number("COUNT").unwrap_or(1);
    let disk = disk(kernel, args)?;
    disk.check_range(sector, count).map_err(Failure::Disk)?;
    let mut done = 0;
    while done < count {
        let some = MOST.min(count - done);
        let fill = |bytes: &mut [u8]| {
            for word in bytes.as_chunks_mut::<4>().0 {
                *word = pattern.to_le_bytes();
            }
        };
        disk.write(sector + done, some, fill).map_err(Failure::Disk)?;
        done += some;
        goes_on(done)?;
    }
    println!("{count} sectors from {sector} on: {pattern:#010x}");
    Ok(())
}

pub fn sum(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let disk = disk(kernel, args)?;
    let mut hasher = Hasher::new();
    // More sectors than a word counts would take hours to read.
    let sectors = u32::try_from(disk.capacity()).unwrap_or(u32::MAX);
    let mut sector = 0;
    while sector < sectors {
        let some = MOST.min(sectors - sector);
        disk.read(sector, some, |bytes| hasher.update(bytes)).map_err(Failure::Disk)?;
        sector += some;
        goes_on(sector)?;
    }
    let bytes = u64::from(sectors) * u64::from(SECTOR);
    let first = if u64::from(sectors) < disk.capacity() { "the first " } else { "" };
    println!("CRC-32 of {first}{bytes} bytes: {:08x}", hasher.finalize());
    Ok(())
}

/// Ends a command when Ctrl-C was typed.
fn goes_on(sectors: u32) -> Result<(), Failure> {
    if console::stop_was_typed() { Err(Failure::Stopped { sectors }) } else { Ok(()) }
}

/// The disk that DISK names, or the first.
fn disk<'k>(kernel: &'k mut Kernel, args: &Args<'_>) -> Result<&'k mut Disk, Failure> {
    let number = args.number("DISK").unwrap_or(0);
    let count = kernel.disks.len() as u32;
    kernel.disks.get_mut(number as usize).ok_or(Failure::NoDisk { number, count })
}
