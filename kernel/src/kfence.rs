//! The pool of guarded pages on this machine: pages that fault, and the aborts that come of them.
//!
//! The pool is a row of pages of the page allocator, whose sections were split; who has them fault is the one writer of
//! the live tables ([`LiveTables::protect`](arch_arm::mmu::live::LiveTables::protect)).

use core::num::NonZeroU32;

use arch_arm::trap::{Cause, FaultStatus, Level, TrapFrame};
use mm::addr::{VirtAddr, VirtRange};
use mm::kfence::{Access, AccessKind, KfenceReport, PageGuard};
use spin::Once;

use crate::interrupts::tick;
use crate::maps::Maps;
use crate::slabs;

static GUARD: Once<Guard> = Once::new();

/// Has the pool's pages fault.
struct Guard {
    maps: &'static Maps,
    pool: VirtRange,
}

/// From now on pages of `pool` can be guarded. Called once, at boot, when each has an entry of its own.
pub fn publish(maps: &'static Maps, pool: VirtRange) {
    GUARD.call_once(|| Guard { maps, pool });
}

/// Who has pages fault; `None` before there is a pool.
pub fn guard() -> Option<&'static dyn PageGuard> {
    GUARD.get().map(|guard| guard as &dyn PageGuard)
}

/// So many milliseconds in ticks, rounded up.
pub fn ticks(milliseconds: u32) -> u32 {
    let hz = u64::from(NonZeroU32::get(tick::HZ));
    u32::try_from((u64::from(milliseconds) * hz).div_ceil(1000)).unwrap_or(u32::MAX)
}

/// So many ticks in milliseconds.
pub fn milliseconds(ticks: u32) -> u32 {
    let hz = u64::from(NonZeroU32::get(tick::HZ));
    u32::try_from(u64::from(ticks) * 1000 / hz).unwrap_or(u32::MAX)
}

/// An abort that nobody was prepared for. If it is one of the pool, says what it was; its page is open then, and
/// the access can be made again. Nothing has been printed.
pub fn on_abort(cause: &Cause, frame: &TrapFrame) -> Option<KfenceReport> {
    // Any other fault there is no guard's doing, and would only come back.
    let Cause::DataAbort { fault, address: Some(at) } = *cause else { return None };
    if fault.status() != FaultStatus::Translation(Level::Page) {
        return None;
    }
    let kind = if fault.is_write() { AccessKind::Write } else { AccessKind::Read };
    slabs::get()?.on_fault(Access { at, kind, site: frame.pc })
}

impl PageGuard for Guard {
    fn protect(&self, page: VirtAddr) {
        if self.pool.contains(page) {
            let faults = self.maps.protect(page);
            debug_assert!(faults, "{page} is no page of its own");
        }
    }

    fn unprotect(&self, page: VirtAddr) {
        if self.pool.contains(page) {
            self.maps.unprotect(page);
        }
    }
}
