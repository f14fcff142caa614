//! Reading and writing memory at an address that somebody typed.
//!
//! A fault is reported like one that ends the kernel, but it is an error of the command, and the
//! prompt comes back: every access is a probe.

use arch_arm::probe;
use mm::addr::VirtAddr;
use monitor::argument::Args;
use monitor::dump::{self, Unit};

use super::Kernel;
use super::failure::Failure;
use crate::console::Out;
use crate::exception::reporting;

/// The most units that one command shows.
pub const MAX_UNITS: u32 = 4096;

pub fn peek(_: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let (start, unit) = (VirtAddr::new(args.number("ADDR")?), unit(args));
    let count = args.number("COUNT").unwrap_or(unit.in_a_row());
    let bytes = count.saturating_mul(unit.bytes());
    // The last byte, for a range may end where addresses do.
    if start.checked_add(bytes.saturating_sub(1)).is_none() {
        return Err(Failure::PastTheEnd { start, bytes });
    }
    let read = |at| {
        let at = VirtAddr::new(at);
        // SAFETY: 1. whoever typed the address wants this read, with the effect that it has on a
        // device; no invariant of the kernel hangs on what a device answers.
        unsafe {
            match unit {
                Unit::Byte => probe::read_u8(at).map(u32::from),
                Unit::Half => probe::read_u16(at).map(u32::from),
                Unit::Word => probe::read_u32(at),
            }
        }
    };
    match reporting(|| dump::write(&mut Out, start.as_u32(), count, unit, read)) {
        Ok(Some(fault)) => Err(Failure::Access(fault)),
        Ok(None) | Err(_) => Ok(()),
    }
}

pub fn poke(_: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let (address, unit) = (VirtAddr::new(args.number("ADDR")?), unit(args));
    let value = args.number("VALUE")?;
    if value > unit.max() {
        return Err(Failure::TooWide { value, unit });
    }
    // SAFETY: 1. is waived, on purpose: this is the one write that nobody can vouch for. It may break
    // any invariant of the kernel, the compiler's assumptions included, and then anything may follow;
    // docs/decisions/0008-exceptions.md says why the monitor may.
    let write = || unsafe {
        match unit {
            Unit::Byte => probe::write_u8(address, value as u8),
            Unit::Half => probe::write_u16(address, value as u16),
            Unit::Word => probe::write_u32(address, value),
        }
    };
    reporting(write).map_err(Failure::Access)
}

/// The argument UNIT; words when there is none.
fn unit(args: &Args<'_>) -> Unit {
    let chosen = args.choice("UNIT").ok().and_then(|index| Unit::ALL.get(index).copied());
    chosen.unwrap_or(Unit::Word)
}
