//! Flushes, as sequences of single operations.
//!
//! Invariant: each is complete in itself, from the barrier that makes the table stores before it visible to the
//! one after which no CPU uses what they took away.

use mm::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};

use super::Operations;
use crate::mva::blocks;

/// All CPUs forget `range`, named page by page, for all ASIDs.
#[inline(always)]
pub fn flush_kernel_range(on: &impl Operations, range: VirtRange) {
    flush_blocks(on, range, PAGE_SHIFT);
}

/// All CPUs forget `range`, which is mapped by blocks of at least `1 << shift` bytes: each is named once.
#[inline(always)]
pub fn flush_blocks(on: &impl Operations, range: VirtRange, shift: u32) {
    on.dsb_ishst();
    for block in blocks(range, shift) {
        on.tlbi_mva(block);
    }
    on.dsb_ish();
    on.isb();
}

/// All CPUs forget the page, or the larger block, around `virt`, for all ASIDs.
#[inline(always)]
pub fn flush_page(on: &impl Operations, virt: VirtAddr) {
    on.dsb_ishst();
    on.tlbi_mva(virt.align_down(PAGE_SIZE));
    on.dsb_ish();
    on.isb();
}

/// All CPUs forget everything, branch predictors included.
#[inline(always)]
pub fn flush_all(on: &impl Operations) {
    on.dsb_ishst();
    on.tlbi_all();
    on.dsb_ish();
    on.isb();
}
