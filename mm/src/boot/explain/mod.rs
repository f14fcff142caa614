//! Where every byte of RAM went, why, and what would change it.
//!
//! ```text
//! banks ─┐                        ┌─▶ account     each byte of the tree's RAM in one class
//! who    ├─▶ Situation ───────────┼─▶ sum         why lowmem ends where it does
//! holds  │   (memblock, layout)   ├─▶ what_if     other settings, tried on the kernel's own rules
//! what  ─┘                        └─▶ placement   what a boot loader loaded, and where it is safe
//! ```
//!
//! All of it is a pure function of a [`Situation`]: what a kernel has booted with, or what a
//! prediction says. Nothing is stored, so nothing can run out: ranges come one by one to a
//! callback, whatever their number.
//!
//! Invariant: the classes are disjoint and their sums are the RAM in the tree, to the byte. RAM that
//! only `mem=` names is accounted apart.

pub mod account;
pub mod arithmetic;
pub mod class;
pub mod placement;
#[cfg(test)]
pub(crate) mod tests;
pub mod what_if;

use super::layout::{Layout, Request, Settings};
use super::memblock::Memblock;
use super::memory::{Given, mem_ranges};
use super::relocate::Loaded;
use crate::addr::PhysRange;
use class::Owner;

/// A range that somebody holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reservation<'a> {
    /// The range as it was set aside; it may lie outside RAM and overlap others.
    pub range: PhysRange,
    /// Who holds it.
    pub owner: Owner,
    /// The name in the device tree, for what has one.
    pub name: Option<&'a str>,
    /// It was asked for as memory that must not be mapped; [`memory::set_aside`] may have refused.
    ///
    /// [`memory::set_aside`]: super::memory::set_aside
    pub no_map: bool,
}

/// What a machine has, and who holds what of it. Both lists are asked for again and again and must
/// not change; neither has a limit.
pub trait Inventory {
    /// The memory banks of the device tree, which do not overlap.
    fn banks(&self) -> impl Iterator<Item = PhysRange>;

    /// Who holds what, the tree's reservations in the order in which they were set aside. Where
    /// several hold a byte, the first is named.
    fn reservations(&self) -> impl Iterator<Item = Reservation<'_>>;
}

/// A machine and what a kernel decided on it.
pub struct Situation<'a, 's, I> {
    /// Banks and reservations.
    pub inventory: &'a I,
    /// The memory that was described, and what is taken of it.
    pub memblock: &'a Memblock<'s>,
    /// What was decided.
    pub layout: &'a Layout,
    /// The kernel command line.
    pub command_line: &'a str,
    /// The board's own DMA limit, as in [`Settings`].
    pub board_dma_zone: Option<u64>,
    /// What the boot loader loaded, where it lies now; an empty range for an unknown device tree.
    pub loaded: Loaded,
    /// [`Layout::lost`] of the memory as it was described: whoever drops it from memblock keeps
    /// this.
    pub dropped: Option<PhysRange>,
}

impl<I: Inventory> Situation<'_, '_, I> {
    /// The numbers that decided the layout.
    #[must_use]
    pub fn request(&self) -> Request {
        let settings = Settings {
            split: self.layout.split,
            phys_offset: self.layout.phys_offset,
            command_line: self.command_line,
            board_dma_zone: self.board_dma_zone,
        };
        Request::read(settings, &mut |_| ())
    }

    /// Bytes of RAM in the tree, used or not.
    #[must_use]
    pub fn ram_bytes(&self) -> u64 {
        self.inventory.banks().map(|bank| bank.len()).sum()
    }

    /// How many banks the tree has.
    #[must_use]
    pub fn bank_count(&self) -> u32 {
        u32::try_from(self.inventory.banks().count()).unwrap_or(u32::MAX)
    }

    /// Is there a `mem=` that counts? Then what it names is the RAM, and not what the tree has.
    #[must_use]
    pub fn mem_given(&self) -> bool {
        mem_ranges(self.given()).next().is_some()
    }

    fn given(&self) -> Given<'_> {
        Given {
            command_line: self.command_line,
            phys_offset: self.layout.phys_offset,
            image: self.loaded.image,
        }
    }
}
