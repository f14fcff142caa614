//! Looking at device memory: the ranges that are mapped, or wait for a flush.

use super::map::IoMap;
use super::record::IoId;
use crate::addr::PhysRange;
use crate::map::area::{AreaState, Words};
use crate::map::mmu::Mmu;
use crate::map::prot::MemoryType;
use crate::platform::Lowmem;

/// A range of device memory that is mapped, or was, and waits for a flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoRange {
    /// Whole pages.
    pub range: PhysRange,
    /// The type.
    pub memory: MemoryType,
    /// How many users the mapping has; 0 if it waits.
    pub users: u32,
    /// The return address in who mapped it; 0 if it is not known, or boot.
    pub caller: u32,
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'_, '_, '_, P, T, CPUS> {
    /// Device memory that is mapped, or waits for a flush, by first pages: ranges from number `skip` on, as many as
    /// `into` holds. Returns how many those are. Any context.
    pub fn ranges(&self, skip: u32, into: &mut [Option<IoRange>]) -> usize {
        let words = self.region.words();
        self.region.with(|state| {
            let ranges = state.io.iter(&words).skip(skip as usize);
            let mut count = 0;
            for (place, io) in into.iter_mut().zip(ranges) {
                *place = Some(describe(&words, io));
                count += 1;
            }
            count
        })
    }

    /// Checks the invariants of the index; for tests, and for whoever looks at a machine. Returns how many ranges
    /// are mapped or wait.
    ///
    /// # Errors
    ///
    /// A range that something is wrong with.
    pub fn validate(&self) -> Result<u32, IoRange> {
        let words = self.region.words();
        self.region.with(|state| state.io.validate(&words).map_err(|io| describe(&words, io)))
    }
}

/// What a range's record says.
pub(super) fn describe(words: &impl Words, io: IoId) -> IoRange {
    let waits = io.area(words).is_none_or(|area| area.state(words) == AreaState::Waiting);
    IoRange {
        range: io.frames(words).as_phys(),
        memory: io.memory(words),
        users: if waits { 0 } else { io.references(words) },
        caller: io.caller(words),
    }
}
