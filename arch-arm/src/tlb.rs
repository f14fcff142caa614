//! TLB maintenance: forgetting translations that the tables no longer hold.
//!
//! Invariant: when a function here returns, no CPU it speaks for uses a translation that a table
//! store before the call took away. Each is complete in itself:
//!
//! ```text
//! dsb ishst     the table stores are done, and every walker sees them
//! tlbi …        the stale entries go
//! dsb           … on all CPUs (ish) or on this one (nsh)
//! isb           what follows is fetched and translated anew
//! ```
//!
//! So after the return the page may be reused, and after a break the new entry may be made. The
//! other direction, invalid to valid, needs no flush on ARMv7, which never holds a faulting entry:
//! the store and [`crate::barrier::dsb_ishst`] are enough.
//!
//! Kernel entries are global, so they are flushed for all ASIDs at once. A range is flushed page by
//! page however long it is, as Linux does; whether [`flush_all`] is cheaper is for the caller to
//! judge. Sections and large pages go when any address in them is named.
//!
//! *ARM DDI 0406C, B3.10, TLB maintenance*; the operations are listed in *B4.2.2*. Branch predictors
//! are invalidated where mappings of code may have changed wholesale (*B2.2.9, Ordering of cache and
//! branch predictor maintenance operations*); [`crate::cache::sync_instructions`] does it for single
//! pages of new code.

use crate::barrier::{dsb_ish, dsb_ishst, dsb_nsh, isb};
use crate::mva::blocks;
use core::arch::asm;
use mm::addr::{PAGE_SHIFT, VirtRange};

/// Issues `mcr p15, 0, value, c8, …`: one TLB operation, without barriers.
macro_rules! tlbi {
    ($crm:ident, $opc2:literal, $value:expr) => {
        // SAFETY: forgetting a translation is always allowed; the walker finds it again.
        unsafe {
            asm!(
                concat!("mcr p15, 0, {}, c8, ", stringify!($crm), ", ", $opc2),
                in(reg) $value,
                options(nostack, preserves_flags),
            )
        }
    };
}

/// Issues `mcr p15, 0, 0, c7, …, 6`: branch predictors forget everything, without barriers.
macro_rules! invalidate_branch_predictors {
    ($crm:ident) => {
        // SAFETY: predictors are hints; forgetting them is always allowed.
        unsafe {
            asm!(
                concat!("mcr p15, 0, {}, c7, ", stringify!($crm), ", 6"),
                in(reg) 0_u32,
                options(nostack, preserves_flags),
            )
        }
    };
}
pub(crate) use invalidate_branch_predictors;

/// Forgets every translation of `range`, on all CPUs, for all ASIDs.
pub fn flush_kernel_range(range: VirtRange) {
    dsb_ishst();
    for page in blocks(range, PAGE_SHIFT) {
        tlbi!(c3, 3, page.as_u32()); // TLBIMVAAIS
    }
    dsb_ish();
    isb();
}

/// Forgets every translation of one address space, on all CPUs. Global entries stay.
pub fn flush_asid(asid: u8) {
    dsb_ishst();
    tlbi!(c3, 2, u32::from(asid)); // TLBIASIDIS
    dsb_ish();
    isb();
}

/// Forgets every translation, on all CPUs, and what their branch predictors have learnt.
pub fn flush_all() {
    dsb_ishst();
    tlbi!(c3, 0, 0_u32); // TLBIALLIS
    invalidate_branch_predictors!(c1); // BPIALLIS
    dsb_ish();
    isb();
}

/// Forgets every translation, on this CPU only, and what its branch predictors have learnt: before
/// the MMU is turned on, when the other CPUs have nothing to do with it.
pub fn flush_all_local() {
    dsb_ishst();
    tlbi!(c7, 0, 0_u32); // TLBIALL
    invalidate_branch_predictors!(c5); // BPIALL
    dsb_nsh();
    isb();
}
