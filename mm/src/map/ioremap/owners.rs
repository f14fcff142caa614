//! Whose a use of a mapping is: an owner's, who ends it himself, or that of somebody who keeps an address.
//!
//! One mapping serves all who ask for the same range and type, and counts them. Linux has one for each call, so a second
//! `iounmap` of an address finds nothing there; here it would end the use of somebody else. So two kinds of users
//! are counted apart:
//!
//! | user | begins with | ends with |
//! |---|---|---|
//! | owner | [`map`](IoMap::map), [`map_registers`](IoMap::map_registers) | the drop of his `IoMapping`, if ever |
//! | keeps an address | [`ioremap`](IoMap::ioremap) and its like | [`iounmap`](IoMap::iounmap) |
//!
//! Invariant (A5 of `docs/model.md`): `iounmap` ends the use of who keeps an address, and of nobody else. So no mistake
//! with addresses, in code that is otherwise safe, takes away what an [`Mmio`](crate::map::Mmio) or an `IoMapping` leads
//! to. Keepers of addresses can still take each other's use: who wants to be safe from that is an owner.

use super::error::IoremapError;
use super::map::{IoMap, mapped_pages};
use super::record::IoId;
use crate::addr::{PhysRange, VirtAddr};
use crate::map::area::AreaState;
use crate::map::mmu::Mmu;
use crate::map::prot::MemoryType;
use crate::map::vmalloc::state::State;
use crate::platform::Lowmem;

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'_, '_, '_, P, T, CPUS> {
    /// Maps `range` for an owner, and returns where it starts. May sleep.
    pub(super) fn map_owned(
        &self,
        range: PhysRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        loop {
            let start = self.map_as(range.start(), range.len(), memory, caller)?;
            let is_owned = self.region.with(|state| {
                let words = self.region.words();
                let io = self.live_at(state, start)?;
                let (held, owners) = (io.frames(&words), io.owners(&words));
                let is_it = io.is_memory(&words, memory)
                    && held.start() <= range.start().pfn_down()
                    && range.end().pfn_up() <= held.end();
                // A use of this call, or of another whose use somebody took who meant neither.
                (is_it && owners < io.references(&words)).then(|| io.set_owners(&words, owners + 1))
            });
            if is_owned.is_some() {
                return Ok(start);
            }
            // Somebody has unmapped, between the two, what was not his.
        }
    }

    /// Ends an owner's use of the mapping at `virt`. Any context.
    pub(super) fn unmap_owned(&self, virt: VirtAddr) {
        let unmapped = self.region.with(|state| {
            let words = self.region.words();
            // An owner's mapping is live.
            if let Some(io) = self.live_at(state, virt) {
                io.set_owners(&words, io.owners(&words).saturating_sub(1));
            }
            self.let_go(state, virt)
        });
        // What can go wrong would have been reported.
        let _ = self.end(unmapped, virt);
    }

    /// Is there a mapping at `virt` whose users are all owners?
    pub(super) fn is_owners_alone(&self, virt: VirtAddr) -> bool {
        self.region.with(|state| {
            let words = self.region.words();
            let io = self.live_at(state, virt);
            io.is_some_and(|io| io.owners(&words) > 0 && io.owners(&words) == io.references(&words))
        })
    }

    /// The range that is mapped at `virt`, which is an address of its own and not of the lead before it.
    fn live_at(&self, state: &mut State, virt: VirtAddr) -> Option<IoId> {
        let words = self.region.words();
        let area = state.find(&words, virt)?;
        if !area.kind(&words).is_ioremap() || area.state(&words) != AreaState::Live {
            return None;
        }
        let io = IoId::from_word(area.note(&words));
        mapped_pages(&words, io, area.end_word(&words).end()).contains(virt).then_some(io)
    }
}
