//! The pkmap's figures, and what is wrong with it if anything is.
//!
//! Figures are read word by word while others map and unmap: they may not all be of one moment.

use super::{Pkmap, SLOTS, is_free, pfn_of, users_of};
use crate::addr::{PAGE_SHIFT, Pfn, VirtAddr};
use crate::map::slots::SlotTable;
use crate::platform::Platform;
use crate::sync::Ordering::Relaxed;

/// How many slots there are of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PkmapFigures {
    /// Slots with users.
    pub used: u32,
    /// Slots that are mapped, and have no user.
    pub idle: u32,
    /// Slots that nothing is mapped in.
    pub free: u32,
    /// The users of all slots.
    pub users: u32,
    /// The slot that was handed out last.
    pub last: u32,
    /// Flushes so far.
    pub flushes: u32,
    /// Frames whose slots have been flushed, and that are about to be given up.
    pub waiting: u32,
}

/// A slot that is not free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotUse {
    /// Its number.
    pub slot: u32,
    /// Its page.
    pub virt: VirtAddr,
    /// The frame that is mapped there.
    pub pfn: Pfn,
    /// How many users it has; 0 if it is idle.
    pub users: u32,
}

impl<P: Platform, T: SlotTable, const CPUS: usize> Pkmap<'_, '_, P, T, CPUS> {
    /// The figures as they are now. Any context.
    #[must_use]
    pub fn figures(&self) -> PkmapFigures {
        let mut figures = {
            let _masked = self.pages.platform().mask();
            let books = self.books();
            PkmapFigures {
                last: books.last().number(),
                flushes: books.flushes(),
                waiting: books.waiting.count() as u32,
                ..PkmapFigures::default()
            }
        };
        for slot in self.slots() {
            figures.used += u32::from(slot.users > 0);
            figures.idle += u32::from(slot.users == 0);
            figures.users += slot.users;
        }
        figures.free = SLOTS as u32 - figures.used - figures.idle;
        figures
    }

    /// Where the frame is mapped, in lowmem or in a slot; `None` if it is not. A slot that is idle may be flushed at any
    /// time, so its address is good for its users alone. Any context. Linux's `page_address`.
    #[must_use]
    pub fn page_address(&self, pfn: Pfn) -> Option<VirtAddr> {
        self.lowmem.address(pfn).or_else(|| {
            let _masked = self.pages.platform().mask();
            let books = self.books();
            self.place_of(&books, pfn).map(|place| self.address(place))
        })
    }

    /// The slots that are not free, upwards.
    pub fn slots(&self) -> impl Iterator<Item = SlotUse> {
        self.words.iter().zip(0..).filter_map(|(word, slot)| {
            let seen = word.load(Relaxed);
            let virt = VirtAddr::new(self.start().as_u32() + (slot << PAGE_SHIFT));
            let (pfn, users) = (pfn_of(seen), users_of(seen).max(0) as u32);
            (!is_free(seen)).then_some(SlotUse { slot, virt, pfn, users })
        })
    }
}
