//! What happened: the first lines of an oops, and the one line that a script reads.

use core::fmt::{self, Write};

use mm::addr::{PAGE_SIZE, VirtAddr};

use crate::mmu::walk::Translation;
use crate::trap::{Cause, FaultStatus, Mode, Psr, TrapFrame};

/// Writes the lines up to `Internal error`.
///
/// `frame` is the interrupted code's, `translation` what the page tables say of the cause's address,
/// and `count` the number of the report since boot.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    cause: &Cause,
    frame: &TrapFrame,
    translation: Option<&Translation>,
    count: u32,
) -> fmt::Result {
    let psr = frame.psr;
    writeln!(out, "8<--- cut here ---")?;
    if is_bad_mode(psr) {
        let mode = BadMode(psr);
        writeln!(out, "Bad mode in {} handler detected: {mode}", cause.kind())?;
    }
    match *cause {
        Cause::DataAbort { fault, address } => {
            let access = if fault.is_write() { "write" } else { "read" };
            write_abort(out, fault.status(), fault.dfsr(), address, access)?;
        }
        Cause::PrefetchAbort { fault, address } => {
            write_abort(out, fault.status(), fault.ifsr(), Some(address), "execute")?;
        }
        Cause::Undefined | Cause::SupervisorCall | Cause::Irq | Cause::Fiq => {}
    }
    if let Some(Translation { virt, first, second, .. }) = translation {
        write!(out, "[{virt:08x}] *pgd={:08x}", first.word)?;
        if let Some(second) = second {
            write!(out, ", *pte={:08x}", second.word)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", Reason { cause, frame })?;
    let (title, error) = title(cause, psr);
    writeln!(out, "Internal error: {title}: {error:x} [#{count}] ARM")
}

/// Linux's line for an abort. An access that no valid entry or no right allows is a pointer's fault;
/// the rest is the machine's.
fn write_abort(
    out: &mut dyn Write,
    status: FaultStatus,
    fsr: u32,
    address: Option<VirtAddr>,
    access: &str,
) -> fmt::Result {
    let is_pointers = matches!(status, FaultStatus::Translation(_) | FaultStatus::Permission(_));
    match address {
        Some(address) if is_pointers => {
            let what = if access == "execute" && matches!(status, FaultStatus::Permission(_)) {
                "execution of memory"
            } else if address.as_u32() < PAGE_SIZE {
                "NULL pointer dereference"
            } else {
                "paging request"
            };
            writeln!(
                out,
                "Unable to handle kernel {what} at virtual address {address:08x} when {access}"
            )
        }
        _ => {
            let abort = if access == "execute" { "prefetch abort" } else { "fault" };
            write!(out, "Unhandled {abort}: {status} ({fsr:#05x}) at ")?;
            match address {
                Some(address) => writeln!(out, "{address}"),
                None => writeln!(out, "an unknown address"),
            }
        }
    }
}

/// What Linux dies of, and its error number. A prefetch abort has bit 31 set in it.
fn title(cause: &Cause, psr: Psr) -> (&'static str, u32) {
    const PREFETCH: u32 = 1 << 31;
    if is_bad_mode(psr) {
        return ("Oops - bad mode", 0);
    }
    match *cause {
        Cause::Undefined => ("Oops - undefined instruction", 0),
        Cause::SupervisorCall => ("Oops - bad syscall", 0),
        Cause::PrefetchAbort { fault, .. } => ("Oops", fault.ifsr() | PREFETCH),
        Cause::DataAbort { fault, .. } => ("Oops", fault.dfsr()),
        Cause::Irq => ("Oops - unexpected IRQ", 0),
        Cause::Fiq => ("Oops - unexpected FIQ", 0),
    }
}

/// Code runs in SVC, SYS and USR mode; in any other one it is a stub that was interrupted.
fn is_bad_mode(psr: Psr) -> bool {
    !matches!(psr.mode(), Some(Mode::User | Mode::Svc | Mode::System))
}

struct BadMode(Psr);

impl fmt::Display for BadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.mode() {
            Some(mode) => mode.fmt(f),
            None => write!(f, "{:#x}", self.0.as_u32() & 0x1f),
        }
    }
}

/// The one line that says it all: kind, address, and the fault.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// What happened.
    pub cause: &'a Cause,
    /// To whom.
    pub frame: &'a TrapFrame,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::DataAbort { .. } | Cause::PrefetchAbort { .. } => self.cause.fmt(f),
            cause => write!(f, "{cause} at {:#010x}", self.frame.pc),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmu::walk::Step;
    use crate::trap::{DataFault, InstructionFault};
    use mm::addr::PhysAddr;

    fn text(cause: Cause, psr: u32, translation: Option<&Translation>) -> String {
        let mut text = String::new();
        let frame = TrapFrame { pc: 0xc020_1234, psr: Psr::new(psr), ..TrapFrame::ZERO };
        write(&mut text, &cause, &frame, translation, 1).unwrap();
        text
    }

    fn data(dfsr: u32, address: u32) -> Cause {
        let address = Some(VirtAddr::new(address));
        Cause::DataAbort { fault: DataFault::from_dfsr(dfsr), address }
    }

    fn fetch(ifsr: u32, address: u32) -> Cause {
        let address = VirtAddr::new(address);
        Cause::PrefetchAbort { fault: InstructionFault::from_ifsr(ifsr), address }
    }

    fn translation(virt: u32, first: u32, second: Option<u32>) -> Translation {
        let step = |word| Step { entry: PhysAddr::new(0x4000_4000), word };
        let virt = VirtAddr::new(virt);
        Translation { virt, first: step(first), second: second.map(step), mapping: None }
    }

    #[test]
    fn a_null_pointer() {
        assert_eq!(
            text(data(0x805, 4), 0x1d3, Some(&translation(4, 0, None))),
            "8<--- cut here ---\n\
             Unable to handle kernel NULL pointer dereference at virtual address 00000004 when write\n\
             [00000004] *pgd=00000000\n\
             data abort at 0x00000004: section translation fault on write (DFSR 0x805)\n\
             Internal error: Oops: 805 [#1] ARM\n"
        );
    }

    #[test]
    fn a_page_that_may_not_be_executed() {
        let found = translation(0xc026_0000, 0x4027_0001, Some(0x4026_045f));
        assert_eq!(
            text(fetch(0xf, 0xc026_0000), 0x1d3, Some(&found)),
            "8<--- cut here ---\n\
             Unable to handle kernel execution of memory at virtual address c0260000 when execute\n\
             [c0260000] *pgd=40270001, *pte=4026045f\n\
             prefetch abort at 0xc0260000: page permission fault (IFSR 0x00f)\n\
             Internal error: Oops: 8000000f [#1] ARM\n"
        );
    }

    #[test]
    fn each_kind_has_its_line() {
        let paging = "Unable to handle kernel paging request at virtual address ";
        for (cause, line) in [
            (data(0x007, 0x1000), format!("{paging}00001000 when read")),
            (data(0x80f, 0xc020_0000), format!("{paging}c0200000 when write")),
            (fetch(0x005, 0xbf00_0000), format!("{paging}bf000000 when execute")),
            (data(0x001, 3), "Unhandled fault: alignment exception (0x001) at 0x00000003".into()),
            (data(0x009, 3), "Unhandled fault: section domain fault (0x009) at 0x00000003".into()),
            (
                fetch(0x008, 0x1000),
                "Unhandled prefetch abort: external abort on non-linefetch (0x008) at 0x00001000"
                    .into(),
            ),
            (
                Cause::DataAbort { fault: DataFault::from_dfsr(0x1406), address: None },
                "Unhandled fault: imprecise external abort (0x1406) at an unknown address".into(),
            ),
            (Cause::Undefined, "Internal error: Oops - undefined instruction: 0 [#1] ARM".into()),
            (Cause::Undefined, "undefined instruction at 0xc0201234".into()),
            (Cause::SupervisorCall, "Internal error: Oops - bad syscall: 0 [#1] ARM".into()),
            (Cause::Fiq, "Internal error: Oops - unexpected FIQ: 0 [#1] ARM".into()),
        ] {
            let text = text(cause, 0x1d3, None);
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_mode_that_nothing_runs_in_is_named() {
        for (psr, name) in [(0x1d7, "ABT_32"), (0x1d1, "FIQ_32"), (0x1d4, "0x14")] {
            let text = text(data(0x805, 4), psr, None);
            assert!(text.contains(&format!("Bad mode in data abort handler detected: {name}\n")));
            assert!(text.ends_with("Internal error: Oops - bad mode: 0 [#1] ARM\n"), "{text}");
        }
        for psr in [0x10, 0x13, 0x1f] {
            assert!(!text(Cause::Undefined, psr, None).contains("bad mode"));
        }
    }

    #[test]
    fn every_reason_names_an_address() {
        let frame = TrapFrame { pc: 0xc020_1234, ..TrapFrame::default() };
        let reason = |cause| Reason { cause: &cause, frame: &frame }.to_string();
        assert_eq!(reason(Cause::Undefined), "undefined instruction at 0xc0201234");
        assert_eq!(
            reason(data(0x805, 4)),
            "data abort at 0x00000004: section translation fault on write (DFSR 0x805)"
        );
    }
}
