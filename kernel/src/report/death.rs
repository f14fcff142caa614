//! The record of death: what killed the kernel, in memory, at the symbol `vmsplit_death_record`.
//!
//! For a debugger on a machine without a console, and for who reads memory after a warm reset. It is
//! filled before anything is printed, and written out of the caches. `docs/exceptions.md` shows how to
//! read it.
//!
//! ```text
//!   0 magic "DIED", written last      40 SCTLR
//!   4 version                         44 TTBR0
//!   8 bytes of the record             48 DACR
//!  12 kind                            52 number of frames
//!  16 fault status register           56 ticks of the virtual counter, 64 bits
//!  20 fault address register          64 r0 … r12, sp, lr, pc, psr
//!  24 flags                          132 bytes of the reason
//!  28 fault status of a second fault 136 the reason, ASCII or UTF-8
//!  32 its address                    320 frames: pc, then return addresses outwards
//!  36 its pc
//! ```
//!
//! Every number is a little-endian word. Kinds: 1 a stop, 2 a panic, 16 + n an exception through vector
//! n. Flags: bit 0, the fault address is known; bit 1, the report itself faulted or panicked, and words
//! 28 to 36 say how and where (of a panic, only where).
//!
//! Invariant: the first death counts. What goes wrong after it only adds the second fault. A report
//! that recovers is no death; what goes wrong in it is the first death and the second fault at once.

use core::cell::UnsafeCell;
use core::fmt::{self, Write};
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

use arch_arm::cache;
use arch_arm::cp15::{CNTVCT, DACR, ID_PFR1, SCTLR, TTBR0, id_pfr1};
use arch_arm::trap::unwind::Unwinder;
use arch_arm::trap::{Cause, ExceptionKind, TrapFrame};
use mm::addr::{VirtAddr, VirtRange};
use tock_registers::interfaces::Readable;

use super::machine::{AllCode, Memory};

/// `DIED`.
const MAGIC: u32 = u32::from_le_bytes(*b"DIED");
const VERSION: u32 = 1;

const FLAG_ADDRESS_KNOWN: u32 = 1 << 0;
const FLAG_SECOND_FAULT: u32 = 1 << 1;

/// Bytes of the reason that are kept.
const REASON_BYTES: usize = 184;
/// Frames that are kept; of a recursion, the repeated ones count once.
const FRAMES: usize = 16;

/// The record; see the module's table.
#[repr(C, align(64))]
struct Record {
    magic: u32,
    version: u32,
    size: u32,
    kind: u32,
    fsr: u32,
    far: u32,
    flags: u32,
    second_fsr: u32,
    second_far: u32,
    second_pc: u32,
    sctlr: u32,
    ttbr0: u32,
    dacr: u32,
    frame_count: u32,
    ticks: u64,
    registers: TrapFrame,
    reason_len: u32,
    reason: [u8; REASON_BYTES],
    frames: [u32; FRAMES],
}

const _: () = {
    assert!(offset_of!(Record, flags) == 24);
    assert!(offset_of!(Record, second_fsr) == 28);
    assert!(offset_of!(Record, sctlr) == 40);
    assert!(offset_of!(Record, frame_count) == 52);
    assert!(offset_of!(Record, ticks) == 56);
    assert!(offset_of!(Record, registers) == 64);
    assert!(offset_of!(Record, reason_len) == 132);
    assert!(offset_of!(Record, reason) == 136);
    assert!(offset_of!(Record, frames) == 320);
    assert!(size_of::<Record>() == 384);
};

/// The record's place.
#[repr(transparent)]
struct Place(UnsafeCell<Record>);

// SAFETY: `BEGUN` lets one caller of `record` through, ever, and only it writes. `second_fault` reads
// and writes after it: what it interrupts is that caller or the caller's report, and does not go on.
// There is one CPU; debuggers and later kernels read memory, not this.
unsafe impl Sync for Place {}

#[unsafe(no_mangle)]
static vmsplit_death_record: Place = Place(UnsafeCell::new(Record {
    magic: 0,
    version: 0,
    size: 0,
    kind: 0,
    fsr: 0,
    far: 0,
    flags: 0,
    second_fsr: 0,
    second_far: 0,
    second_pc: 0,
    sctlr: 0,
    ttbr0: 0,
    dacr: 0,
    frame_count: 0,
    ticks: 0,
    registers: TrapFrame::ZERO,
    reason_len: 0,
    reason: [0; REASON_BYTES],
    frames: [0; FRAMES],
}));

static BEGUN: AtomicBool = AtomicBool::new(false);

/// Stores to the record's fields. Volatile: nobody reads them who the compiler could know of.
macro_rules! store {
    ($($field:ident = $value:expr;)*) => {{
        let record = vmsplit_death_record.0.get();
        // SAFETY: the caller is the record's only writer, as `Place` says.
        $(unsafe { (&raw mut (*record).$field).write_volatile($value) };)*
    }};
}

/// What died of what.
pub enum Kind<'a> {
    /// The kernel stopped of itself.
    Halt,
    /// A panic.
    Panic,
    /// An exception that nobody took.
    Exception(&'a Cause),
}

/// Fills the record, if this is the first death.
pub fn record(kind: &Kind<'_>, frame: &TrapFrame, reason: fmt::Arguments<'_>) {
    if BEGUN.swap(true, Ordering::Relaxed) {
        return;
    }
    let (kind, fault) = match *kind {
        Kind::Halt => (1, None),
        Kind::Panic => (2, None),
        Kind::Exception(cause) => (16 + cause.kind() as u32, fault(cause)),
    };
    let (fsr, far) = fault.unwrap_or_default();
    store! {
        version = VERSION;
        size = size_of::<Record>() as u32;
        kind = kind;
        fsr = fsr;
        far = far.map_or(0, VirtAddr::as_u32);
        flags = if far.is_some() { FLAG_ADDRESS_KNOWN } else { 0 };
        sctlr = SCTLR.get();
        ttbr0 = TTBR0.get();
        dacr = DACR.get();
        ticks = ticks();
        registers = *frame;
    }
    let mut text = Reason { len: 0 };
    // It keeps what fits.
    let _ = text.write_fmt(reason);
    store! { reason_len = text.len as u32; }
    record_frames(frame);
    finish();
}

/// Adds a fault that the report made itself, or a panic, which has no cause. A record has begun.
pub fn second_fault(cause: Option<&Cause>, frame: &TrapFrame) {
    let (fsr, far) = cause.and_then(fault).unwrap_or_default();
    let record = vmsplit_death_record.0.get();
    // SAFETY: whoever began the record is this caller, or was interrupted by it and does not go on.
    let flags = unsafe { (&raw const (*record).flags).read_volatile() };
    store! {
        second_fsr = fsr;
        second_far = far.map_or(0, VirtAddr::as_u32);
        second_pc = frame.pc;
        flags = flags | FLAG_SECOND_FAULT;
    }
    finish();
}

/// The virtual counter (CNTVCT); 0 on a processor without the Generic Timer.
fn ticks() -> u64 {
    if !ID_PFR1.matches_any(&[id_pfr1::ID_PFR1::GENTIMER.val(1)]) {
        return 0;
    }
    CNTVCT.get()
}

/// The fault status and address registers of an abort.
fn fault(cause: &Cause) -> Option<(u32, Option<VirtAddr>)> {
    match *cause {
        Cause::DataAbort { fault, address } => Some((fault.dfsr(), address)),
        Cause::PrefetchAbort { fault, address } => Some((fault.ifsr(), Some(address))),
        Cause::Undefined | Cause::SupervisorCall | Cause::Irq | Cause::Fiq => None,
    }
}

fn record_frames(frame: &TrapFrame) {
    let memory = Memory::now();
    let mut last = None;
    let mut count = 0;
    for frame in Unwinder::new(&memory, AllCode(&memory), frame) {
        if count == FRAMES {
            break;
        }
        if last.replace(frame.pc) != Some(frame.pc) {
            let record = vmsplit_death_record.0.get();
            // SAFETY: the caller is the record's only writer, and `count` is below the length.
            unsafe { (&raw mut (*record).frames[count]).write_volatile(frame.pc.as_u32()) };
            count += 1;
        }
    }
    store! { frame_count = count as u32; }
}

/// Puts the magic word, and sees to it that all of it is in memory.
fn finish() {
    clean();
    store! { magic = MAGIC; }
    clean();
}

fn clean() {
    let start = vmsplit_death_record.0.get() as u32;
    let end = start + size_of::<Record>() as u32;
    cache::clean_to_poc(VirtRange::new(VirtAddr::new(start), VirtAddr::new(end)));
}

/// Writes into the record's reason, as much as fits.
struct Reason {
    len: usize,
}

impl Write for Reason {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let record = vmsplit_death_record.0.get();
        for byte in text.bytes().take(REASON_BYTES - self.len) {
            // SAFETY: the caller is the record's only writer, and `len` is below the length.
            unsafe { (&raw mut (*record).reason[self.len]).write_volatile(byte) };
            self.len += 1;
        }
        Ok(())
    }
}

// The numbers of the vectors are part of the format.
const _: () = assert!(ExceptionKind::Undefined as u32 == 1 && ExceptionKind::Fiq as u32 == 7);
