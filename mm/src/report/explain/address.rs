//! One physical address: what became of it, why, and what would change it.

use core::fmt::{self, Write};

use super::{WhyLost, WhyZone, change};
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange};
use crate::boot::explain::account::Finding;
use crate::boot::explain::class::{Class, Lost};
use crate::boot::explain::what_if::WhatIf;
use crate::boot::explain::{Inventory, Situation};
use crate::boot::memblock::Region;

/// Writes what is known of `address`. `scratch` is for [`Situation::what_if`].
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
    let what_if = match situation.what_if(scratch) {
        Ok(what_if) => what_if,
        Err(error) => return writeln!(out, "  what would change it could not be tried: {error}"),
    };
    let WhatIf { lower_bank, whole_page, .. } = &what_if;
    match (reason, lower_bank, whole_page) {
        (Lost::BelowPhysOffset, Some(other), _) if other.bank.start() <= address => {
            writeln!(out, "  a kernel loaded into bank {} uses it", other.bank)
        }
        (Lost::BelowPhysOffset, ..) => writeln!(out, "  no place of the kernel makes it usable"),
        (Lost::Above4G, ..) => writeln!(out, "  no setting reaches it"),
        (Lost::PartialPage, ..) => writeln!(out, "  a bank of whole pages in the tree saves it"),
        (Lost::LeftOut, ..) => writeln!(out, "  without mem= it is used"),
        (Lost::LimitPage, _, Some((bytes, _))) => writeln!(out, "  vmalloc={bytes} saves it"),
        (Lost::LimitPage, _, None) => Ok(()),
        (Lost::NoHighMem, ..) => {
            writeln!(out, "  without nohighmem it is HighMem")?;
            change::write_place_of(out, situation, page_of(address), scratch)
        }
    }
}
