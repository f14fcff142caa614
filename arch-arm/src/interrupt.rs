//! Masking of interrupts on this CPU.
//!
//! [`mask`] sets CPSR.I and gives a guard; the guard's end puts back what was there before. Guards
//! nest, and end in the reverse order of their making: an outer guard that ends first would let
//! interrupts in while the inner one still counts on them being out.
//!
//! Only I is touched. F stays as entry left it, set: no FIQ is used. A stays as it is: an
//! asynchronous abort is an error that wants a report wherever it strikes, and it takes no lock.
//!
//! Neighbour: [`crate::sync::IrqLock`], for data that interrupt handlers share.
//!
//! On another architecture than ARM there are no interrupts to mask. In this crate's tests each
//! thread is a CPU with an interrupt line that a test can raise.

use core::marker::PhantomData;

/// Interrupts are masked on this CPU for as long as this lives.
///
/// It belongs to the CPU that made it, so it cannot be sent away.
#[must_use = "interrupts are let in again when the guard is dropped"]
#[derive(Debug)]
pub struct MaskGuard {
    /// As it was before, to be put back.
    before: cpu::State,
    _this_cpu: PhantomData<*const ()>,
}

/// Masks interrupts on this CPU, until the guard is dropped. Any context.
#[inline]
pub fn mask() -> MaskGuard {
    MaskGuard { before: cpu::mask(), _this_cpu: PhantomData }
}

/// Are interrupts masked on this CPU?
#[inline]
#[must_use]
pub fn are_masked() -> bool {
    cpu::are_masked()
}

impl Drop for MaskGuard {
    #[inline]
    fn drop(&mut self) {
        cpu::restore(self.before);
    }
}

/// Lets interrupts in on this CPU: the end of the masked stretch that entry began.
///
/// # Safety
///
/// 1. The vectors are in use, and what they lead to dismisses every interrupt that can come.
/// 2. No [`MaskGuard`] of this CPU is alive.
#[cfg(target_arch = "arm")]
pub unsafe fn allow() {
    cpu::unmask();
}

/// Sleeps until an interrupt is pending, and leaves it so: it is taken when the guard, the outermost
/// one, is dropped. It may also return for no reason.
///
/// What the caller waits for is looked at under the same guard. Then no interrupt fits between the
/// look and the sleep, and none is slept through.
#[cfg(target_arch = "arm")]
pub fn wait(_masked: &MaskGuard) {
    crate::barrier::dsb_sy();
    // SAFETY: waiting changes no state. CPSR.I does not keep a pending interrupt from ending it
    // (ARM DDI 0406C, B1.8.14).
    unsafe { core::arch::asm!("wfi", options(nostack, preserves_flags)) };
}

/// Masks interrupts on this CPU for ever: nothing that was interrupted goes on after this.
pub fn mask_for_good() {
    core::mem::forget(mask());
}

/// Stops this CPU for good, asleep and deaf to interrupts.
#[cfg(target_arch = "arm")]
pub fn halt() -> ! {
    mask_for_good();
    loop {
        // SAFETY: waiting changes no state. It may end early, hence the loop.
        unsafe { core::arch::asm!("wfi", options(nomem, nostack, preserves_flags)) };
    }
}

#[cfg(target_arch = "arm")]
mod cpu {
    use core::arch::asm;

    const CPSR_I: u32 = 1 << 7;

    #[inline(always)]
    fn cpsr() -> u32 {
        let value: u32;
        // SAFETY: reading CPSR has no side effect.
        unsafe { asm!("mrs {}, cpsr", out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    }

    #[inline(always)]
    pub(super) fn are_masked() -> bool {
        cpsr() & CPSR_I != 0
    }

    /// CPSR.
    pub(super) type State = u32;

    /// Masks, and says how it was before.
    #[inline(always)]
    pub(super) fn mask() -> State {
        let before = cpsr();
        if cfg!(feature = "test-unmasked-lock") {
            // A deliberate fault: interrupts come as they like.
            return before;
        }
        // SAFETY: being left alone harms nobody. Without `nomem` no access moves out of the masked
        // stretch.
        unsafe { asm!("cpsid i", options(nostack, preserves_flags)) };
        before
    }

    /// Puts the mask back. One instruction, which needs no look at what the mask was: the rest of what
    /// it writes, A, F and the mode, is what it was when [`mask`] read it, since a guard ends in the
    /// mode that it began in.
    #[inline(always)]
    pub(super) fn restore(before: State) {
        // SAFETY: called by a `MaskGuard`, so interrupts are let in only if they were before it.
        unsafe { asm!("msr cpsr_c, {}", in(reg) before, options(nostack, preserves_flags)) };
    }

    #[inline(always)]
    pub(super) fn unmask() {
        // SAFETY: called by `allow`, whose caller answers for it.
        unsafe { asm!("cpsie i", options(nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "arm", test)))]
mod cpu {
    pub(super) fn are_masked() -> bool {
        false
    }

    /// There is nothing to remember.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct State;

    pub(super) fn mask() -> State {
        State
    }

    pub(super) fn restore(_: State) {}
}

/// A thread as a CPU: a mask bit, and an interrupt that strikes at the two moments when masking too
/// late or unmasking too early would show, just before the mask is set and just after it is cleared.
#[cfg(all(test, not(target_arch = "arm")))]
pub(crate) mod cpu {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    type Handler = Rc<dyn Fn()>;

    thread_local! {
        static MASKED: Cell<bool> = const { Cell::new(false) };
        static HANDLER: RefCell<Option<Handler>> = const { RefCell::new(None) };
    }

    /// From now on `handler` is this thread's interrupt handler.
    pub(crate) fn on_interrupt(handler: impl Fn() + 'static) {
        HANDLER.set(Some(Rc::new(handler)));
    }

    /// Takes the interrupt, masked as the hardware does.
    fn interrupt() {
        if let Some(handler) = HANDLER.with_borrow(Option::clone) {
            MASKED.set(true);
            handler();
            MASKED.set(false);
        }
    }

    pub(super) fn are_masked() -> bool {
        MASKED.get()
    }

    /// Was it masked?
    pub(super) type State = bool;

    pub(super) fn mask() -> State {
        let were_masked = MASKED.get();
        if !were_masked {
            interrupt();
        }
        MASKED.set(true);
        were_masked
    }

    pub(super) fn restore(were_masked: State) {
        if !were_masked {
            MASKED.set(false);
            interrupt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_guard_lets_interrupts_in_again() {
        assert!(!are_masked());
        let outer = mask();
        {
            let _inner = mask();
            assert!(are_masked());
        }
        assert!(are_masked());
        drop(outer);
        assert!(!are_masked());
    }
}
