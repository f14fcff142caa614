//! Relocations applied, with veneers for branches that do not reach.
//!
//! Invariant: a relocation changes its own bytes and at most one slot for a veneer, and both lie in
//! the area of the section that is relocated.

use super::memory::Memory;
use super::symbols::{Resolved, Value};
use crate::error::{LoadError, RelocationFault};
use crate::object::{Object, Relocation};
use crate::plan::{Part, Place, Plan};
use crate::reloc::veneer::{self, VENEER_BYTES};
use crate::reloc::{self, Misfit, State};

/// `NOP` (*ARM DDI 0406C, A8.8.119*, A1), and the wide one of Thumb (T2) with its first half first.
const NOP_ARM: [u8; 4] = 0xe320_f000_u32.to_le_bytes();
const NOP_THUMB: [u8; 4] = [0xaf, 0xf3, 0x00, 0x80];

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
    let branch = kind.branch_from();
    let value = relocation.symbol.map(|symbol| symbols.value(plan, memory, &symbol));
    let misfit = |misfit| relocation.fault(RelocationFault::Misfit(misfit));

    let Some(bytes) = memory.place_mut(place, kind.bytes()) else { return Ok(0) };
    let symbol = match (value, branch) {
        (Some(Value::At(symbol)), _) => symbol,
        (Some(Value::Import(address)), Some(_)) => {
            reloc::Symbol { address: address & !1, is_thumb: address & 1 != 0 }
        }
        // What is at an odd address may be a byte as well as a function in Thumb state. The address
        // alone is right for both, and a byte's neighbour is right only so.
        (Some(Value::Import(address)), None) => reloc::Symbol { address, is_thumb: false },
        (Some(Value::Nowhere), Some(state)) => {
            // A branch to a weak symbol that nobody has goes on to the next instruction
            // (*IHI 0044*, 4.6.1.1).
            let nop = if state == State::Arm { NOP_ARM } else { NOP_THUMB };
            bytes.copy_from_slice(nop.get(..bytes.len()).unwrap_or_default());
            return Ok(0);
        }
        (Some(Value::Nowhere) | None, _) => reloc::Symbol { address: 0, is_thumb: false },
    };
    match kind.apply(bytes, address, symbol) {
        Ok(()) => return Ok(0),
        Err(Misfit::NeedsVeneer) => {}
        Err(other) => return Err(misfit(other)),
    }

    // The bytes are as they were: a relocation that does not fit changes nothing.
    let (addend, destination) = (kind.addend(bytes), kind.destination(bytes, symbol));
    let area = plan.area(place.home);
    let slot = branch.zip(relocation.symbol).and_then(|(from, symbol)| {
        let slot = area.veneers.slot(symbol.index, addend, from)?;
        Some((from, area.veneers_at.checked_add(slot)?))
    });
    let (from, at) = slot.ok_or(misfit(Misfit::NeedsVeneer))?;
    let veneer = Place { home: place.home, part: Part::Text, at };
    let veneer_address = memory.address(veneer);
    let mut written = 0;
    if let Some(slot) = memory.place_mut(veneer, VENEER_BYTES) {
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
