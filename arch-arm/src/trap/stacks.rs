//! The memory that exception entry needs besides the stack that is interrupted: a save area for each
//! mode that an exception can come in, and the report stack.
//!
//! Save areas, one for each of UND, ABT, IRQ and FIQ mode:
//!
//! ```text
//! 0 r0    4 pc    8 cpsr    12 kind    16 r1    20 r2    24 top of the report stack    28 unused
//! ```
//!
//! An area is busy from the stub's first instruction until the frame is complete. Nothing in between
//! aborts, and everything that can be masked is. `svc` comes in SVC mode, which has no area, and
//! borrows that of UND mode: no instruction of a stub is undefined.
//!
//! Invariant: outside the stubs, sp of each of the four modes points to its area, and nothing else
//! uses those modes.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;

use mm::addr::{VirtAddr, VirtRange};

/// Bytes of the report stack. A report took 1928 of them when measured, of a stack overflow in a debug
/// build; that leaves room for one within an interrupt handler that was called here, and to spare.
const REPORT_STACK_BYTES: usize = 8192;

/// Where a stub leaves what it must not lose; see the module's table.
#[repr(C, align(8))]
struct SaveArea {
    saved: [u32; 6],
    report_stack_top: u32,
}

const _: () = assert!(offset_of!(SaveArea, report_stack_top) == 24);
const _: () = assert!(size_of::<SaveArea>() == 32);

/// The memory that exception entry needs on one CPU, besides the stacks that are interrupted.
///
/// The report stack comes first and grows down to the start of the value: a page below it that is not
/// mapped guards it.
#[repr(C, align(8))]
pub struct ExceptionStacks {
    report: UnsafeCell<[u64; REPORT_STACK_BYTES / 8]>,
    /// UND, ABT, IRQ, FIQ.
    save: [UnsafeCell<SaveArea>; 4],
}

// SAFETY: after `install` only the stubs of one CPU touch it, as its duty 1 demands; before, nobody.
unsafe impl Sync for ExceptionStacks {}

impl ExceptionStacks {
    /// Memory for one CPU, not yet in use. All zeroes, so it goes to `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        const EMPTY: SaveArea = SaveArea { saved: [0; 6], report_stack_top: 0 };
        Self {
            report: UnsafeCell::new([0; REPORT_STACK_BYTES / 8]),
            save: [const { UnsafeCell::new(EMPTY) }; 4],
        }
    }

    /// Points sp of UND, ABT, IRQ and FIQ mode of this CPU to its save area. An exception before
    /// that hangs.
    ///
    /// # Safety
    ///
    /// 1. `self` serves no other CPU, now or later, and stays mapped and writable where it is.
    /// 2. IRQ and FIQ are masked, or the vectors are not in use yet.
    /// 3. The CPU is in SVC mode.
    pub unsafe fn install(&'static self) {
        let top = self.report.get().wrapping_add(1) as u32;
        for area in &self.save {
            // SAFETY: nobody else touches `self` before the stubs do (1).
            unsafe { (*area.get()).report_stack_top = top };
        }
        let [und, abt, irq, fiq] = self.save.each_ref().map(|area| area.get());
        // SAFETY: sp of the four modes is used by the stubs only. r0 to r4 are the same register in
        // every mode, and the mode and masks of before are restored (3). No exception comes in
        // between (2).
        unsafe {
            asm!(
                "mrs    r4, cpsr",
                "cpsid  if, #{UND}",
                "mov    sp, r0",
                "cpsid  if, #{ABT}",
                "mov    sp, r1",
                "cpsid  if, #{IRQ}",
                "mov    sp, r2",
                "cpsid  if, #{FIQ}",
                "mov    sp, r3",
                "msr    cpsr_c, r4",
                UND = const 0x1b,
                ABT = const 0x17,
                IRQ = const 0x12,
                FIQ = const 0x11,
                in("r0") und,
                in("r1") abt,
                in("r2") irq,
                in("r3") fiq,
                out("r4") _,
                options(nostack),
            );
        }
    }
}

impl ExceptionStacks {
    /// The report stack.
    #[must_use]
    pub fn report_stack(&self) -> VirtRange {
        let start = self.report.get() as u32;
        VirtRange::new(VirtAddr::new(start), VirtAddr::new(start + REPORT_STACK_BYTES as u32))
    }
}

impl Default for ExceptionStacks {
    fn default() -> Self {
        Self::new()
    }
}
