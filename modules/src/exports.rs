//! What a module exports to other modules: the table `__ksymtab`, records of an address and a name.
//!
//! The loader sorts it by name, so that a symbol is found in logarithmic time.
//!
//! Invariant: in a module that was linked, each record's address and name lie in its core, and no
//! name is there twice. The reader never panics, whatever the bytes are.

use alloc::vec::Vec;
use core::cmp::Ordering;

use mm::addr::{VirtAddr, VirtRange};

use crate::bytes::{name_at, set_word, word};
use crate::error::{LoadError, RecordFault};
use crate::link::Memory;
use crate::plan::{Home, KSYMTAB, Part, Place, Plan, push};

/// Bytes of a record.
const RECORD_BYTES: u32 = KSYMTAB.entry_bytes;

/// A module's exports, read from its core.
#[derive(Clone, Copy, Debug)]
pub struct Exports<'m> {
    core: &'m [u8],
    base: VirtAddr,
    table: VirtRange,
}

impl<'m> Exports<'m> {
    /// The exports in `table` ([`Linked::exports`](crate::Linked::exports)) of a core whose `bytes`
    /// lie at `base`.
    #[must_use]
    pub const fn new(bytes: &'m [u8], base: VirtAddr, table: VirtRange) -> Self {
        Self { core: bytes, base, table }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.table.len() / RECORD_BYTES
    }

    /// Is nothing exported?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names and addresses, sorted by name. Bit 0 of a function's address says that it is in Thumb
    /// state. A record that makes no sense is left out.
    pub fn iter(&self) -> impl Iterator<Item = (&'m str, VirtAddr)> + use<'m> {
        let exports = *self;
        (0..self.len()).filter_map(move |number| exports.record(number))
    }

    /// The address of `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<VirtAddr> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, address) = self.record(middle)?;
            match found.cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(address),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn record(&self, number: u32) -> Option<(&'m str, VirtAddr)> {
        let at = self.table.start().checked_add(number.checked_mul(RECORD_BYTES)?)?;
        let offset = |address: u32| address.checked_sub(self.base.as_u32());
        let at = offset(at.as_u32())? as usize;
        let (address, name) = (word(self.core, at)?, word(self.core, at.checked_add(4)?)?);
        Some((name_at(self.core, offset(name)?)?, VirtAddr::new(address)))
    }
}

/// Checks the records of a module that is being linked, and sorts them.
pub(crate) fn finish<'f>(plan: &Plan<'f>, memory: &mut Memory<'_>) -> Result<(), LoadError<'f>> {
    let place = Place { home: Home::Core, part: Part::Rodata, at: plan.ksymtab.at };
    let core = memory.area(Home::Core);
    let start = memory.address(place);
    let mut records = Vec::new();
    for index in 0..plan.ksymtab.bytes / RECORD_BYTES {
        let fault = |fault| LoadError::Record { table: KSYMTAB.name, index, fault };
        let at = start.wrapping_add(index * RECORD_BYTES);
        let record = memory.bytes(at, RECORD_BYTES).unwrap_or_default();
        let (address, name_at) = (word(record, 0).unwrap_or(0), word(record, 4).unwrap_or(0));
        if !core.contains(&(address & !1)) {
            return Err(fault(RecordFault::Outside { at: VirtAddr::new(address), size: 1 }));
        }
        let name = memory.name(name_at).filter(|name| core.contains(&name_at) && !name.is_empty());
        let name = name.ok_or(fault(RecordFault::Name(VirtAddr::new(name_at))))?;
        push(&mut records, (name, name_at, address, index))?;
    }
    records.sort_unstable();
    for pair in records.windows(2) {
        if let [(first, ..), (second, name_at, _, index)] = *pair
            && first == second
        {
            let fault = RecordFault::Twice(VirtAddr::new(name_at));
            return Err(LoadError::Record { table: KSYMTAB.name, index, fault });
        }
    }
    let mut sorted = Vec::new();
    for (_, name_at, address, _) in records {
        push(&mut sorted, (address, name_at))?;
    }
    let table = memory.place_mut(place, plan.ksymtab.bytes as usize).unwrap_or_default();
    for (number, (address, name)) in sorted.into_iter().enumerate() {
        let at = number * RECORD_BYTES as usize;
        set_word(table, at, address);
        set_word(table, at + 4, name);
    }
    Ok(())
}
