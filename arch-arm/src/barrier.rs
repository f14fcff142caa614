//! Barriers: the order in which the rest of the system sees what this CPU did.
//!
//! | function | waits for | until |
//! |---|---|---|
//! | [`dsb_sy`] | all accesses and maintenance | the whole system has seen them |
//! | [`dsb_ish`] | all accesses and maintenance | all CPUs have seen them |
//! | [`dsb_ishst`] | all stores | all CPUs and their table walkers have seen them |
//! | [`dsb_nsh`] | all accesses and maintenance | this CPU has seen them |
//! | [`dmb_ish`] | nothing: it only orders accesses before it against accesses after it | |
//! | [`isb`] | changes of context: system registers, TLB, instruction caches | later instructions are fetched anew |
//!
//! *ARM DDI 0406C, A3.8.3, Memory barriers*, and for page tables *B3.10.1, General TLB maintenance
//! requirements*.
//!
//! Invariant: each is a barrier for the compiler too. On another architecture than ARM that is all
//! that it is, so that portable code and its tests may call them.

macro_rules! barrier {
    ($($(#[$doc:meta])* $name:ident: $instruction:literal;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name() {
            #[cfg(target_arch = "arm")]
            // SAFETY: a barrier changes no state. Without `nomem` the compiler moves no memory
            // access over it.
            unsafe {
                core::arch::asm!($instruction, options(nostack, preserves_flags));
            }
            #[cfg(not(target_arch = "arm"))]
            core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
        }
    )*};
}

barrier! {
    /// Data synchronization barrier, full system: before a device is told of memory, and before the
    /// MMU or a cache is turned on or off.
    dsb_sy: "dsb sy";
    /// Data synchronization barrier, inner shareable: after broadcast TLB or cache maintenance.
    dsb_ish: "dsb ish";
    /// Data synchronization barrier for stores, inner shareable: between a page-table store and
    /// whatever relies on it, be it an access or TLB maintenance.
    dsb_ishst: "dsb ishst";
    /// Data synchronization barrier, this CPU only: after local TLB or cache maintenance.
    dsb_nsh: "dsb nsh";
    /// Data memory barrier, inner shareable: order among CPUs.
    dmb_ish: "dmb ish";
    /// Instruction synchronization barrier: after a change of a system register, of instructions, or
    /// of the mapping that they are fetched through.
    isb: "isb";
}
