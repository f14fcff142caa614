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
//! page however long it is, as Linux does; whether `flush_all` is cheaper is for the caller to
//! judge. Sections and large pages go when any address in them is named.
//!
//! *ARM DDI 0406C, B3.10, TLB maintenance*; the operations are listed in *B4.2.2*. Branch predictors
//! are invalidated where mappings of code may have changed wholesale (*B2.2.9, Ordering of cache and
//! branch predictor maintenance operations*); `cache::sync_instructions` does it for single
//! pages of new code.
//!
//! The sequences ([`sequence`]) are written over the single [`Operations`], which an emulated machine has
//! too. So a test runs the sequences that the kernel runs, and sees what one of their steps was for.

#[cfg(target_arch = "arm")]
mod cpu;
pub mod sequence;

use mm::addr::VirtAddr;

#[cfg(target_arch = "arm")]
pub(crate) use cpu::invalidate_branch_predictors;
#[cfg(target_arch = "arm")]
pub use cpu::{
    Cpu, flush_all, flush_all_local, flush_asid, flush_kernel_page, flush_kernel_range,
    replace_word,
};

/// The instructions that TLB maintenance is made of. Each is one instruction, or two; any context.
pub trait Operations {
    /// `dsb ishst`: all CPUs and their table walkers see the stores so far.
    fn dsb_ishst(&self);

    /// `dsb ish`: the maintenance so far is done, on all CPUs.
    fn dsb_ish(&self);

    /// `isb`: what follows is fetched and translated anew.
    fn isb(&self);

    /// `TLBIMVAAIS`: all CPUs forget what they hold of the page, section or supersection around `virt`, for all
    /// ASIDs, and the first-level entry on the way there. Done at the next [`dsb_ish`](Self::dsb_ish).
    fn tlbi_mva(&self, virt: VirtAddr);

    /// `TLBIALLIS` and `BPIALLIS`: all CPUs forget all translations, and what their branch predictors have
    /// learnt. Done at the next [`dsb_ish`](Self::dsb_ish).
    fn tlbi_all(&self);
}
