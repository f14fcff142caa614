//! One physical address: what became of it, why, and what would change it.

use core::fmt::{self, Write};

use super::{WhyLost, WhyZone, change};
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange};
use crate::boot::explain::account::Finding;
use crate::boot::explain::class::{Class, Lost};
use crate::boot::explain::{Inventory, Situation};
use crate::boot::memblock::Region;

/// Writes what is known of `address`. `scratch` is for [`Situation::trials`].
///
/// # Errors
///
/// Only those of `out`.
pub fn write_address<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    address: PhysAddr,
    scratch: &mut [Region],
) -> fmt::Result {
    let Some(Finding { range, class, bank }) = situation.find(address) else {
        return writeln!(out, "{address}: no RAM, neither of the device tree nor of mem=");
    };
    write!(out, "{address}: ")?;
    match bank {
        Some(bank) => writeln!(out, "RAM of bank {bank}")?,
        None => writeln!(out, "RAM that mem= names and the device tree does not")?,
    }
    write!(out, "  {range} ")?;
    match class {
        Class::Usable(kind) => {
            let dma_bytes = situation.request().dma_bytes;
            let why = WhyZone { kind, situation, dma_bytes };
            writeln!(out, "is usable, in zone {kind}\n  {why}")?;
        }
        Class::Reserved { owner, name } => {
            write!(out, "is reserved: {}", owner.name())?;
            match name {
                Some(name) => writeln!(out, " {name:.40}")?,
                None => writeln!(out)?,
            }
        }
        Class::NoMap(name) => {
            writeln!(out, "must not be mapped: {:.40}", name.unwrap_or("no-map"))?;
            return Ok(());
        }
        Class::Lost(reason) => {
            writeln!(out, "is {}\n  {}", reason.name(), WhyLost { reason, situation })?;
            return write_rescue(out, situation, reason, address, scratch);
        }
    }
    change::write_place_of(out, situation, page_of(address), scratch)
}

fn page_of(address: PhysAddr) -> PhysRange {
    let start = address.align_down(u64::from(PAGE_SIZE));
    PhysRange::new(start, start.saturating_add(u64::from(PAGE_SIZE)))
}

/// What would save a lost byte.
fn write_rescue<I: Inventory>(
    out: &mut dyn Write,
    situation: &Situation<'_, '_, I>,
    reason: Lost,
    address: PhysAddr,
    scratch: &mut [Region],
) -> fmt::Result {
    let trials = match situation.trials(scratch) {
        Ok(trials) => trials,
        Err(error) => return change::untried(out, error),
    };
    match reason {
        Lost::BelowPhysOffset => {
            let now = trials.now().clone();
            match situation.lower_bank(&now, scratch) {
                Ok(Some(other)) if other.bank.start() <= address => {
                    writeln!(out, "  a kernel loaded into bank {} uses it", other.bank)
                }
                Ok(_) => writeln!(out, "  no place of the kernel makes it usable"),
                Err(error) => change::untried(out, error),
            }
        }
        Lost::Above4G => writeln!(out, "  no setting reaches it"),
        Lost::PartialPage => writeln!(out, "  a bank of whole pages in the tree saves it"),
        Lost::LeftOut => writeln!(out, "  without mem= it is used"),
        Lost::LimitPage => match trials.whole_page() {
            Some((bytes, _)) => writeln!(out, "  vmalloc={bytes} saves it"),
            None => Ok(()),
        },
        Lost::NoHighMem => {
            writeln!(out, "  without nohighmem it is HighMem")?;
            change::write_place_of(out, situation, page_of(address), scratch)
        }
    }
}
