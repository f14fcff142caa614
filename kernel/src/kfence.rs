//! The pool of guarded pages on this machine: pages that fault, and the aborts that come of them.
//!
//! A page's word in the linear map's second-level table is a fault entry while it is guarded. It is written over
//! the page, and then all TLBs forget it; written over a fault, it needs no flush (*ARM DDI 0406C, B3.10.1*: an
//! entry that faults is not cached). So break comes before make. The page's frame and its type stay the same, so
//! no cache is touched.
#![expect(unsafe_code, reason = "words of live page tables")]

use core::num::NonZeroU32;
use core::ptr;

use arch_arm::barrier;
use arch_arm::mmu::attributes::Attributes;
use arch_arm::tlb;
use arch_arm::trap::{Cause, FaultStatus, Level, TrapFrame};
use mm::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use mm::kfence::{Access, AccessKind, KfenceReport, PageGuard};
use spin::Once;

use crate::boot::KernelTables;
use crate::interrupts::tick;
use crate::slabs;

/// What the second-level word of a page holds beside its address: as in the rest of the linear map.
const FRAME_BITS: u32 = Attributes::KERNEL_DATA.small_page_bits();
const FAULT: u32 = 0;

static GUARD: Once<Guard> = Once::new();

/// Writes the words of the pool's pages.
struct Guard {
    tables: KernelTables,
}

/// From now on pages of the pool can be guarded. Called once, at boot, when `tables` are the live ones, and their
/// pool is mapped by pages.
pub fn publish(tables: &KernelTables) {
    GUARD.call_once(|| Guard { tables: *tables });
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

impl Guard {
    /// The second-level word of a page of the pool, and the frame that it maps or is to map.
    fn word(&self, page: VirtAddr) -> Option<(*mut u32, u32)> {
        let linear = self.tables.linear();
        if !self.tables.kfence()?.range.contains(linear.virt_to_phys(page)?) {
            return None;
        }
        let entry = self.tables.walker().translate(page).second?.entry;
        let word = linear.phys_to_virt(entry)?.as_u32() as *mut u32;
        Some((word, linear.virt_to_phys(page)?.as_u32()?))
    }
}

impl PageGuard for Guard {
    fn protect(&self, page: VirtAddr) {
        let Some((word, _)) = self.word(page) else { return };
        // SAFETY: a word of a live table, which lies in the linear map and stays where it is; it maps a page of the
        // pool, and whoever asks has the page.
        unsafe { ptr::write_volatile(word, FAULT) };
        tlb::flush_kernel_range(VirtRange::new(page, VirtAddr::new(page.as_u32() + PAGE_SIZE)));
    }

    fn unprotect(&self, page: VirtAddr) {
        let Some((word, frame)) = self.word(page) else { return };
        // SAFETY: as in `protect`.
        unsafe { ptr::write_volatile(word, frame | FRAME_BITS) };
        // The walker sees the word before the next access is translated.
        barrier::dsb_ishst();
        barrier::isb();
    }
}
