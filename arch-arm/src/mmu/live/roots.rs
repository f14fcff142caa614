//! The address spaces: each has a first-level table of its own, and the kernel's entries in it.
//!
//! Their roots are registered. Each change of a kernel entry is made in all of them under the lock, so there is no
//! copy that is out of date, and no fault that brings one up to date. Linux copies top-level entries on demand, in its
//! fault handler; that can not serve a stack that is not mapped yet, nor a section that goes.
//!
//! Invariant: the first root is the kernel's own, and stays.

use core::fmt;

use mm::addr::{PhysAddr, VirtAddr};

use super::super::descriptor::{L1_ENTRIES, RootBase, SECTION_SHIFT};
use super::{LiveTables, Machine, at, low};

/// Address spaces that there can be, the kernel's own included.
pub const MAX_ROOTS: usize = 64;

/// Why an address space was not registered, or not let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RootError {
    /// There are [`MAX_ROOTS`].
    Full {
        /// The root that was to be added.
        root: PhysAddr,
    },
    /// It is registered already.
    Known {
        /// The root.
        root: PhysAddr,
    },
    /// It is not registered, or the kernel's own.
    Unknown {
        /// The root.
        root: PhysAddr,
    },
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { root } => {
                write!(f, "no place for the first-level table at {root}: there are {MAX_ROOTS}")
            }
            Self::Known { root } => write!(f, "the first-level table at {root} is known already"),
            Self::Unknown { root } => {
                write!(f, "no address space has a first-level table at {root}")
            }
        }
    }
}

impl core::error::Error for RootError {}

/// The first-level tables of all address spaces.
pub(super) struct Roots {
    tables: [u32; MAX_ROOTS],
    len: usize,
}

impl Roots {
    /// The kernel's own.
    pub(super) const fn new(kernel: u32) -> Self {
        let mut tables = [0; MAX_ROOTS];
        tables[0] = kernel;
        Self { tables, len: 1 }
    }

    /// Where they lie.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.tables.iter().take(self.len).copied()
    }

    fn add(&mut self, root: u32) -> Result<(), RootError> {
        if self.iter().any(|known| known == root) {
            return Err(RootError::Known { root: at(root) });
        }
        let place = self.tables.get_mut(self.len).ok_or(RootError::Full { root: at(root) })?;
        *place = root;
        self.len += 1;
        Ok(())
    }

    fn remove(&mut self, root: u32) -> Result<(), RootError> {
        let place = self.iter().skip(1).position(|known| known == root);
        let place = place.ok_or(RootError::Unknown { root: at(root) })? + 1;
        self.len -= 1;
        self.tables[place] = self.tables[self.len];
        Ok(())
    }
}

impl<M: Machine + Copy> LiveTables<M> {
    /// Gives the first-level table at `root` the kernel's entries, now and with every change to come. No CPU
    /// uses it yet, and its words from the first shared address on are anything. Any context.
    ///
    /// # Errors
    ///
    /// [`RootError::Full`], [`RootError::Known`]; then nothing was written.
    pub fn add_root(&self, root: RootBase) -> Result<(), RootError> {
        let machine = self.machine;
        let root = low(root.address());
        let mut shared = self.shared.lock();
        shared.roots.add(root)?;
        for index in self.kernel_start.as_u32() >> SECTION_SHIFT..L1_ENTRIES {
            machine.write(at(root + index * 4), machine.read(at(self.root + index * 4)));
        }
        machine.dsb_ishst();
        Ok(())
    }

    /// Lets the first-level table at `root` be: its words are not changed any more. No CPU uses it, or remembers
    /// anything of it. Any context.
    ///
    /// # Errors
    ///
    /// [`RootError::Unknown`], also for the kernel's own.
    pub fn remove_root(&self, root: RootBase) -> Result<(), RootError> {
        self.shared.lock().roots.remove(low(root.address()))
    }

    /// Writes the first-level words of `count` mebibytes from `virt` on in all roots: `word`, and each after it `step`
    /// more. The lock is held.
    #[inline(always)]
    pub(super) fn fill_first_level(
        &self,
        roots: &Roots,
        virt: VirtAddr,
        count: u32,
        word: u32,
        step: u32,
    ) {
        let machine = self.machine;
        let offset = (virt.as_u32() >> SECTION_SHIFT) * 4;
        for root in roots.iter() {
            let first = root + offset;
            let (mut word, mut entry) = (word, first);
            let end = first + count * 4;
            // Four words a turn.
            while end - entry >= 16 {
                for next in [0, 4, 8, 12] {
                    machine.write(at(entry + next), word);
                    word = word.wrapping_add(step);
                }
                entry += 16;
            }
            while entry < end {
                machine.write(at(entry), word);
                word = word.wrapping_add(step);
                entry += 4;
            }
        }
    }

    /// Writes the first-level word for `virt` in all roots. The lock is held.
    pub(super) fn set_first_level(&self, roots: &Roots, virt: VirtAddr, word: u32) {
        let machine = self.machine;
        let offset = (virt.as_u32() >> SECTION_SHIFT) * 4;
        for root in roots.iter() {
            machine.write(at(root + offset), word);
        }
    }

    /// Replaces the valid first-level word for `virt`, which may map what this code uses, in all roots: break before
    /// make. The lock is held.
    ///
    /// From the first break to the last make no other CPU runs (T8 of `docs/model.md`): in whatever address space it
    /// was, it could come by the fault. In all roots but this CPU's own the word is broken before, and made after. So
    /// when the TLBs are flushed in between, no root has the old word, and none has the new one yet.
    pub(super) fn replace_first_level(&self, roots: &Roots, virt: VirtAddr, new: u32) {
        let machine = self.machine;
        let offset = (virt.as_u32() >> SECTION_SHIFT) * 4;
        let current = low(machine.current_root());
        // A CPU whose root is not registered sees nothing of this.
        let current = roots.iter().find(|&root| root == current).unwrap_or(self.root);
        let others = || roots.iter().filter(|&root| root != current);
        machine.alone(|alone| {
            others().for_each(|root| machine.write(at(root + offset), 0));
            machine.dsb_ishst();
            machine.replace_live(alone, at(current + offset), virt, new);
            others().for_each(|root| machine.write(at(root + offset), new));
            machine.dsb_ishst();
            machine.isb();
        });
    }
}
