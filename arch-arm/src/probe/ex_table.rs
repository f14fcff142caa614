//! The exception table: which instructions may fault, and where execution goes on when one did.
//!
//! An entry is written beside the instruction, by the assembly that contains it:
//!
//! ```text
//! 1:  ldr   r3, [r4]                         may fault
//! 2:  …                                      goes on here, either way
//!     .pushsection __ex_table, "a", %progbits
//!     .balign 4
//!     .long 1b, 2b
//!     .popsection
//! ```
//!
//! The linker script gathers the entries between `__ex_table_start` and `__ex_table_end`. When the
//! instruction at `1` faults, the handler sets r0 to 1, r1 to the fault status register, r2 to the
//! fault address, and pc to `2`. So the assembly clears r0 before, and gives up r0, r1 and r2.
//!
//! A `blx r3` may stand in the table too: it does not fault itself, but a prefetch abort is its own
//! when lr says that it was called from there, and r3 that this is the address it called. What
//! stands behind it clears lr: a later jump astray must not find the call's return address there.
//!
//! Invariant: only faults of the kernel's own instructions are taken, and never an asynchronous
//! abort, which may have come from anywhere.

use crate::trap::{Cause, Mode, TrapFrame};

/// An instruction that may fault, and where to go on. Virtual addresses.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    /// The one that may fault.
    pub instruction: u32,
    /// The one to go on with.
    pub fix_up: u32,
}

/// Sends `frame` on if `table` has an entry for it, and returns true; otherwise leaves it alone.
pub fn fix_up(table: &[Entry], frame: &mut TrapFrame, cause: &Cause) -> bool {
    if !matches!(frame.psr.mode(), Some(Mode::Svc | Mode::System)) {
        return false;
    }
    let (at, status, address) = match *cause {
        Cause::DataAbort { fault, address: Some(address) } => (frame.pc, fault.dfsr(), address),
        Cause::PrefetchAbort { fault, address } if frame.pc == frame.r[3] => {
            (frame.lr.wrapping_sub(4), fault.ifsr(), address)
        }
        _ => return false,
    };
    let Some(entry) = table.iter().find(|entry| entry.instruction == at) else { return false };
    [frame.r[0], frame.r[1], frame.r[2]] = [1, status, address.as_u32()];
    frame.pc = entry.fix_up;
    true
}

/// The table of this image.
#[cfg(target_arch = "arm")]
#[must_use]
pub fn entries() -> &'static [Entry] {
    unsafe extern "C" {
        static __ex_table_start: [Entry; 0];
        static __ex_table_end: [Entry; 0];
    }
    let start = (&raw const __ex_table_start).cast::<Entry>();
    let end = (&raw const __ex_table_end).cast::<Entry>();
    // SAFETY: the linker script sets the two symbols around the section, which holds such entries
    // and nothing else, aligned and constant.
    unsafe { core::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trap::{DataFault, InstructionFault, Psr};
    use mm::addr::VirtAddr;

    const TABLE: [Entry; 2] = [
        Entry { instruction: 0xc020_0100, fix_up: 0xc020_0104 },
        Entry { instruction: 0xc020_0200, fix_up: 0xc020_0300 },
    ];
    const ADDRESS: VirtAddr = VirtAddr::new(0xdead_beec);

    fn frame(pc: u32, psr: u32) -> TrapFrame {
        let r = core::array::from_fn(|n| 0x1000_0000 + n as u32);
        TrapFrame { r, sp: 0xc026_0000, lr: 0xc020_0204, pc, psr: Psr::new(psr) }
    }

    fn abort(address: Option<VirtAddr>) -> Cause {
        Cause::DataAbort { fault: DataFault::from_dfsr(0x805), address }
    }

    #[test]
    fn a_data_abort_of_a_listed_instruction_goes_on_at_its_fix_up() {
        for (pc, to) in [(0xc020_0100, 0xc020_0104), (0xc020_0200, 0xc020_0300)] {
            for psr in [0x6000_01d3, 0x9000_011f] {
                let mut after = frame(pc, psr);
                assert!(fix_up(&TABLE, &mut after, &abort(Some(ADDRESS))));
                let mut expected = frame(to, psr);
                expected.r[..3].copy_from_slice(&[1, 0x805, 0xdead_beec]);
                assert_eq!(after, expected);
            }
        }
    }

    #[test]
    fn a_prefetch_abort_belongs_to_the_listed_call() {
        let fault = InstructionFault::from_ifsr(0xf);
        let cause = Cause::PrefetchAbort { fault, address: ADDRESS };
        let calling = |pc, r3| {
            let mut frame = frame(pc, 0x1d3);
            frame.r[3] = r3;
            frame
        };
        let mut after = calling(0xdead_beec, 0xdead_beec);
        assert!(fix_up(&TABLE, &mut after, &cause));
        let mut expected = calling(0xc020_0300, 0xdead_beec);
        expected.r[..3].copy_from_slice(&[1, 0xf, 0xdead_beec]);
        assert_eq!(after, expected);
        // Called from elsewhere, though pc is in the table.
        let mut other = calling(0xc020_0100, 0xc020_0100);
        other.lr = 0xc020_0100;
        // The call came back and left its lr, and a jump went astray since.
        let astray = [calling(0xdead_beec, 0xc020_0400), frame(0xdead_beec, 0x1d3)];
        for before in [other].into_iter().chain(astray) {
            let mut after = before;
            assert!(!fix_up(&TABLE, &mut after, &cause), "{before}");
            assert_eq!(after, before);
        }
    }

    #[test]
    fn what_is_not_the_tables_is_left_alone() {
        let cases = [
            (frame(0xc020_0104, 0x1d3), abort(Some(ADDRESS))),
            (frame(0xc020_00fc, 0x1d3), abort(Some(ADDRESS))),
            (frame(0xc020_0100, 0x1d3), abort(None)),
            (frame(0xc020_0100, 0x1d3), Cause::Undefined),
            (frame(0xc020_0100, 0x1d3), Cause::SupervisorCall),
            (frame(0xc020_0100, 0x1d3), Cause::Irq),
            // User mode at the same address, and a stub's own mode.
            (frame(0xc020_0100, 0x1d0), abort(Some(ADDRESS))),
            (frame(0xc020_0100, 0x1d7), abort(Some(ADDRESS))),
        ];
        for (before, cause) in cases {
            let mut after = before;
            assert!(!fix_up(&TABLE, &mut after, &cause), "{cause}");
            assert_eq!(after, before);
        }
    }
}
