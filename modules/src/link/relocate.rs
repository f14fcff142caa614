//! Relocations applied, with veneers for branches that do not reach.
//!
//! Invariant: a relocation changes its own bytes and at most one slot for a veneer, and both lie in
//! the area of the section that is relocated.

use super::memory::Memory;
use super::symbols::Resolved;
use crate::error::LoadError;
use crate::object::{Object, Relocation, RelocationFault};
use crate::plan::{Part, Place, Plan};
use crate::reloc::veneer::{self, VENEER_BYTES};
use crate::reloc::{self, Misfit};

/// Applies every relocation, and says how many veneers were written.
pub(super) fn relocate<'f>(
    object: &Object<'f>,
    plan: &Plan<'f>,
    symbols: &Resolved,
    memory: &mut Memory<'_>,
) -> Result<u32, LoadError<'f>> {
    let mut veneers = 0;
    object.each_relocation(|relocation| {
        veneers += apply(plan, symbols, memory, relocation)?;
        Ok(())
    })?;
    Ok(veneers)
}

/// Applies one, and says how many veneers were written for it.
fn apply<'f>(
    plan: &Plan<'f>,
    symbols: &Resolved,
    memory: &mut Memory<'_>,
    relocation: &Relocation<'f>,
) -> Result<u32, LoadError<'f>> {
    let Some(section) = plan.place(relocation.target.index) else { return Ok(0) };
    let kind = relocation.kind;
    let at = section.at.wrapping_add(relocation.offset);
    let place = Place { at, ..section };
    let address = memory.address(place);
    let misfit = |misfit| relocation.fault(RelocationFault::Misfit(misfit));

    let symbol = match &relocation.symbol {
        Some(symbol) => symbols.symbol(plan, memory, symbol, kind),
        // The symbol of index 0 is none, and its value is 0.
        None => Some(reloc::Symbol { address: 0, is_thumb: false }),
    };
    let Some(bytes) = memory.place_mut(place, kind.bytes()) else { return Ok(0) };
    let Some(symbol) = symbol else {
        kind.apply_undefined_weak(bytes, address).map_err(misfit)?;
        return Ok(0);
    };
    match kind.apply(bytes, address, symbol) {
        Ok(()) => return Ok(0),
        Err(Misfit::NeedsVeneer) => {}
        Err(other) => return Err(misfit(other)),
    }

    // The bytes are as they were: a relocation that does not fit changes nothing.
    let (addend, destination) = (kind.addend(bytes), kind.destination(bytes, symbol));
    let area = plan.area(place.home);
    let slot = kind.branch_from().zip(relocation.symbol).and_then(|(from, symbol)| {
        let slot = area.veneers.slot(symbol.index, addend, from)?;
        Some((from, area.veneers_at.checked_add(slot)?))
    });
    let (from, at) = slot.ok_or(misfit(Misfit::NeedsVeneer))?;
    let veneer = Place { home: place.home, part: Part::Text, at };
    let veneer_address = memory.address(veneer);
    let mut written = 0;
    if let Some(slot) = memory.place_mut(veneer, VENEER_BYTES as usize) {
        // A slot that was not written is zeros, which no veneer is.
        if slot.iter().all(|byte| *byte == 0) {
            slot.copy_from_slice(&veneer::write(from, destination));
            written = 1;
        }
    }
    let bytes = memory.place_mut(place, kind.bytes()).unwrap_or_default();
    kind.apply_veneer(bytes, address, veneer_address).map_err(misfit)?;
    Ok(written)
}
