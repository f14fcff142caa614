//! Kernel stacks with a guard page at either end.
//!
//! ```text
//! │ guard │ page │ page │ guard │
//! ▲       ▲             ▲
//! │       │             top: sp begins here, and goes down
//! │       the lowest byte that can be used
//! the area begins: the first page of it is never mapped
//! ```
//!
//! A stack grows down, and the guard page of an area lies behind it. What lies before an area may be the begin of
//! the region, or an area that has been made longer: so the guard below is a page of the stack's own area. It has an
//! address and no frame.
//!
//! Invariant: a page of addresses below [`KernelStack::range`] faults for as long as the value lives.

use core::fmt;

use super::error::VmallocError;
use super::region::{AreaSpec, MappedRegion};
use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{AreaKind, AreaState, GUARD_BYTES};
use crate::map::mmu::Mmu;
use crate::map::prot::Prot;
use crate::platform::Lowmem;
use crate::zone::Gfp;

/// Pages of a usual stack: 8 KiB, Linux's `THREAD_SIZE` on ARM.
pub const STACK_PAGES: u32 = 2;

/// Pages of a stack's area that have no frame.
pub(super) const BELOW: u32 = 1;

const _: () = assert!(GUARD_BYTES == BELOW * PAGE_SIZE);

/// A stack of its own pages, for as long as it lives. Dropped, it waits for a flush like any other area.
///
/// Whoever runs on it borrows it, so that it can not go before.
#[must_use = "the stack is given back when it is dropped"]
pub struct KernelStack<'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> {
    home: &'r MappedRegion<'s, 'a, P, T, CPUS>,
    range: VirtRange,
    caller: u32,
}

impl<'s, 'a, P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'s, 'a, P, T, CPUS> {
    /// A stack of so many pages, usually [`STACK_PAGES`], all zero, from HighMem first. Context as `gfp` says. `caller`
    /// is named in reports, also in that of an overflow.
    ///
    /// # Errors
    ///
    /// [`VmallocError`], which is reported unless `gfp` says `__GFP_NOWARN`.
    pub fn kernel_stack(
        &self,
        pages: u32,
        gfp: Gfp,
        caller: u32,
    ) -> Result<KernelStack<'_, 's, 'a, P, T, CPUS>, VmallocError> {
        let spec = AreaSpec::new(AreaKind::Stack, Prot::KERNEL, caller);
        let made = self.try_stack(pages, gfp.union(Gfp::__GFP_ZERO), &spec);
        if let Err(error) = &made {
            self.tell(pages.saturating_mul(PAGE_SIZE), gfp, &spec, error);
        }
        made
    }

    fn try_stack(
        &self,
        pages: u32,
        gfp: Gfp,
        spec: &AreaSpec,
    ) -> Result<KernelStack<'_, 's, 'a, P, T, CPUS>, VmallocError> {
        if pages == 0 {
            return Err(VmallocError::Empty);
        }
        self.check_size(pages)?;
        // That there is so much memory says that the sum is no overflow.
        let area = self.take_area(pages + BELOW, gfp, spec)?;
        let all = area.range(&self.words());
        let range = VirtRange::new(lowest(all.start()), all.end());
        match self.fill(range.start(), pages, gfp, spec.prot) {
            Ok(()) => {
                area.set_state(&self.words(), AreaState::Live);
                Ok(KernelStack { home: self, range, caller: spec.caller })
            }
            Err(error) => {
                self.undo(area);
                Err(error)
            }
        }
    }
}

/// Where a stack ends downwards, whose area begins at `start`.
const fn lowest(start: VirtAddr) -> VirtAddr {
    VirtAddr::new(start.as_u32() + BELOW * PAGE_SIZE)
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> KernelStack<'_, '_, '_, P, T, CPUS> {
    /// Its bytes, whole pages.
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        self.range
    }

    /// Where sp begins: behind the last byte, at a multiple of a page.
    #[must_use]
    pub const fn top(&self) -> VirtAddr {
        self.range.end()
    }

    /// The page below it, which faults.
    #[must_use]
    pub const fn guard(&self) -> VirtRange {
        let start = self.range.start();
        VirtRange::new(VirtAddr::new(start.as_u32() - BELOW * PAGE_SIZE), start)
    }

    /// Who asked for it.
    #[must_use]
    pub const fn caller(&self) -> u32 {
        self.caller
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> fmt::Debug for KernelStack<'_, '_, '_, P, T, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stack {} of {:#010x}", self.range, self.caller)
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> Drop for KernelStack<'_, '_, '_, P, T, CPUS> {
    fn drop(&mut self) {
        // Nobody else can have given it back; if somebody did, that was reported.
        let Ok(reserved) = self.home.take_back(self.guard().start(), AreaKind::Stack) else {
            return;
        };
        reserved.wait_without(BELOW, self.home.mmu.retire(self.range));
    }
}
