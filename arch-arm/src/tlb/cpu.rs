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

/// Has the machine under some tables do its TLB maintenance on the CPU that runs, as [`Cpu`] does it.
///
/// A machine of its own adds how table words are reached.
#[macro_export]
macro_rules! operations_of_this_cpu {
    ($machine:ty) => {
        impl $crate::tlb::Operations for $machine {
            #[inline(always)]
            fn dsb_ishst(&self) {
                $crate::tlb::Cpu.dsb_ishst();
            }

            #[inline(always)]
            fn dsb_ish(&self) {
                $crate::tlb::Cpu.dsb_ish();
            }

            #[inline(always)]
            fn isb(&self) {
                $crate::tlb::Cpu.isb();
            }

            #[inline(always)]
            fn tlbi_mva(&self, virt: mm::addr::VirtAddr) {
                $crate::tlb::Cpu.tlbi_mva(virt);
            }

            #[inline(always)]
            fn tlbi_all(&self) {
                $crate::tlb::Cpu.tlbi_all();
            }
        }
    };
}

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

/// Forgets the translation of the page at `virt`, on all CPUs, for all ASIDs.
#[inline]
pub fn flush_kernel_page(virt: VirtAddr) {
    sequence::flush_page(&Cpu, virt);
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

/// Replaces a live table word, break before make, touching nothing else in between: a fault entry, a flush of
/// everything, the new word; complete when it returns.
///
/// What the word maps may be in use by this CPU, its stack included. From the break to the make this is one run of
/// instructions, with all that they need in registers.
///
/// # Safety
///
/// 1. The word at `at` is one of a live table, reached through a mapping that the word has no part in, nor in the
///    mapping of this code.
/// 2. `new` maps what the old word mapped, in leaves of another size.
/// 3. Interrupts are masked, and no other CPU uses what the word maps.
pub unsafe fn replace_word(at: *mut u32, new: u32) {
    // SAFETY: a store of a table word (1) that changes no translation (2); in between nothing is accessed but the
    // word itself, and nobody else comes (3).
    unsafe {
        asm!(
            "str    {zero}, [{at}]",
            "dsb    ishst",
            "mcr    p15, 0, {zero}, c8, c3, 0", // TLBIALLIS
            "mcr    p15, 0, {zero}, c7, c1, 6", // BPIALLIS
            "dsb    ish",
            "isb",
            "str    {new}, [{at}]",
            "dsb    ishst",
            "isb",
            at = in(reg) at,
            new = in(reg) new,
            zero = in(reg) 0_u32,
            options(nostack, preserves_flags),
        );
    }
}
