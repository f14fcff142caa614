//! TLB maintenance by the CPU that runs: its instructions, and the sequences made of them.

use super::{Operations, sequence};
use crate::barrier::{dsb_ish, dsb_ishst, dsb_nsh, isb};
use core::arch::asm;
use mm::addr::{VirtAddr, VirtRange};

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

/// The CPU that runs.
#[derive(Clone, Copy, Debug)]
pub struct Cpu;

impl Operations for Cpu {
    #[inline(always)]
    fn dsb_ishst(&self) {
        dsb_ishst();
    }

    #[inline(always)]
    fn dsb_ish(&self) {
        dsb_ish();
    }

    #[inline(always)]
    fn isb(&self) {
        isb();
    }

    #[inline(always)]
    fn tlbi_mva(&self, virt: VirtAddr) {
        tlbi!(c3, 3, virt.as_u32()); // TLBIMVAAIS
    }

    #[inline(always)]
    fn tlbi_all(&self) {
        tlbi!(c3, 0, 0_u32); // TLBIALLIS
        invalidate_branch_predictors!(c1); // BPIALLIS
    }
}

/// Forgets every translation of `range`, on all CPUs, for all ASIDs.
#[inline]
pub fn flush_kernel_range(range: VirtRange) {
    sequence::flush_kernel_range(&Cpu, range);
}

/// Forgets every translation of one address space, on all CPUs. Global entries stay.
pub fn flush_asid(asid: u8) {
    dsb_ishst();
    tlbi!(c3, 2, u32::from(asid)); // TLBIASIDIS
    dsb_ish();
    isb();
}

/// Forgets every translation, on all CPUs, and what their branch predictors have learnt.
#[inline]
pub fn flush_all() {
    sequence::flush_all(&Cpu);
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
