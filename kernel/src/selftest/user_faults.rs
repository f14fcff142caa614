//! What user mode may not do: each attempt ends in the exception that it should, with status,
//! address and direction decoded, and with user mode's registers as they were.

use arch_arm::mmu::walk::Level as Entry;
use arch_arm::probe;
use arch_arm::trap::{Cause, FaultStatus, Level, TrapFrame};
use mm::addr::VirtAddr;
use mm::boot::layout::{FDT, STUBS, VECTORS};
use mm::map::fixmap::Slot;

use super::Checks;
use super::user_mode::{self, SVC, THUMB, registers};
use crate::boot::user_page::{self, CODE, DATA, UserPages};
use crate::image;
use crate::monitor::Kernel;

// One instruction each. r0 is the address of the attempt.
const LDR: u32 = 0xe590_1000; // ldr    r1, [r0]
const LDRB: u32 = 0xe5d0_1000; // ldrb   r1, [r0]
const STR: u32 = 0xe580_1000; // str    r1, [r0]
const STRB: u32 = 0xe5c0_1000; // strb   r1, [r0]
const LDRD: u32 = 0xe1c0_20d0; // ldrd   r2, r3, [r0]
const STRD: u32 = 0xe1c0_20f0; // strd   r2, r3, [r0]
const LDM: u32 = 0xe890_0006; // ldm    r0, {r1, r2}
const STM: u32 = 0xe880_0006; // stm    r0, {r1, r2}
const LDREX: u32 = 0xe190_1f9f; // ldrex  r1, [r0]
const STREX: u32 = 0xe180_1f92; // strex  r1, r2, [r0]
const LDREXD: u32 = 0xe1b0_2f9f; // ldrexd r2, r3, [r0]
const UDF: u32 = 0xe7f0_00f0; // udf    #0
const THUMB_UDF: u32 = 0xde00_de00; // udf #0, in Thumb state
const READ_SCTLR: u32 = 0xee11_1f10; // mrc p15, 0, r1, c1, c0, 0
const CPS: u32 = 0xf102_0013; // cps    #0x13: ignored in user mode

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    kernel.pages.drain();
    let free = kernel.pages.figures().free();
    let ran = user_page::with(kernel, |kernel, pages| {
        calls(pages, checks);
        undefined(pages, checks);
        kernel_memory(kernel, pages, checks);
        own_pages(pages, checks);
        alignment(pages, checks);
        vector_page(pages, checks);
    });
    if let Err(error) = ran {
        checks.that(false, format_args!("no user pages: {error}"));
    }
    kernel.pages.drain();
    checks.equal(kernel.pages.figures().free(), free, format_args!("free pages afterwards"));
    for page in [CODE, DATA] {
        // SAFETY: where the test's pages were there is nothing, or memory.
        let read = unsafe { probe::read_u32(page) };
        checks.that(read.is_err(), format_args!("{page} is still mapped"));
    }
}

/// Runs `before`, checks that it ends with `expected` at `before`'s own pc with its own registers,
/// and returns what came back.
fn faults(
    checks: &mut Checks,
    before: &TrapFrame,
    expected: Fault,
    what: core::fmt::Arguments<'_>,
) {
    let (after, cause) = user_mode::run(before);
    checks.equal(Fault::of(&cause), expected, format_args!("{what}"));
    checks.equal(
        (after.pc, after.r, after.sp, after.lr),
        (before.pc, before.r, before.sp, before.lr),
        format_args!("{what}: registers"),
    );
    checks.equal(after.psr, before.psr.to_user(), format_args!("{what}: psr"));
}

/// What of a cause the suite looks at.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    Undefined,
    SupervisorCall,
    Fetch(FaultStatus, VirtAddr),
    Read(FaultStatus, VirtAddr),
    Write(FaultStatus, VirtAddr),
    Other,
}

impl Fault {
    fn of(cause: &Cause) -> Self {
        match *cause {
            Cause::Undefined => Self::Undefined,
            Cause::SupervisorCall => Self::SupervisorCall,
            Cause::PrefetchAbort { fault, address } => Self::Fetch(fault.status(), address),
            Cause::DataAbort { fault, address: Some(address) } if fault.is_write() => {
                Self::Write(fault.status(), address)
            }
            Cause::DataAbort { fault, address: Some(address) } => {
                Self::Read(fault.status(), address)
            }
            _ => Self::Other,
        }
    }
}

/// `svc`: its number can be read behind pc, and user mode goes on after it.
fn calls(pages: &UserPages, checks: &mut Checks) {
    let number = |at: u32, mask: u32| {
        // SAFETY: memory of the code page, or of nobody.
        let word = unsafe { probe::read_u32(VirtAddr::new(at)) };
        word.map(|word| word & mask)
    };
    // Two calls, and a move between them: mov r7, #9.
    pages.load(&[SVC | 0x12_3456, 0xe3a0_7009, SVC | 0xff_ffff]);
    let before = registers(CODE, 0);
    let (first, cause) = user_mode::run(&before);
    checks.equal(cause, Cause::SupervisorCall, format_args!("svc"));
    checks.equal(first.pc, CODE.as_u32() + 4, format_args!("svc: pc"));
    checks.equal(number(first.pc - 4, 0xff_ffff), Ok(0x12_3456), format_args!("svc: number"));
    let (second, cause) = user_mode::run(&first);
    checks.equal(cause, Cause::SupervisorCall, format_args!("second svc"));
    checks.equal(number(second.pc - 4, 0xff_ffff), Ok(0xff_ffff), format_args!("second number"));
    let mut expected = before;
    expected.r[7] = 9;
    expected.pc = CODE.as_u32() + 12;
    expected.psr = second.psr;
    checks.equal(second, expected, format_args!("second svc: registers"));

    // In Thumb state: svc #0x42, movs r7, #9, svc #0xff, and a no-op.
    pages.load(&[0x2709_df42, 0xbf00_dfff]);
    let before = registers(CODE, THUMB);
    let (first, cause) = user_mode::run(&before);
    checks.equal(cause, Cause::SupervisorCall, format_args!("Thumb svc"));
    checks.equal(first.pc, CODE.as_u32() + 2, format_args!("Thumb svc: pc"));
    checks.equal(number(first.pc - 2, 0xff), Ok(0x42), format_args!("Thumb svc: number"));
    let (second, _) = user_mode::run(&first);
    checks.equal(number(second.pc - 2, 0xff), Ok(0xff), format_args!("second Thumb svc: number"));
    checks.equal((second.r[7], second.pc), (9, CODE.as_u32() + 6), format_args!("Thumb goes on"));
}

fn undefined(pages: &UserPages, checks: &mut Checks) {
    for (word, state, what) in [
        (UDF, 0, "udf"),
        (THUMB_UDF, THUMB, "udf in Thumb state"),
        (READ_SCTLR, 0, "a read of SCTLR"),
        (0xe7fd_def1, 0, "the filling word"),
        (0xe7fd_def1, THUMB, "the filling word in Thumb state"),
    ] {
        pages.load(&[word, SVC]);
        faults(checks, &registers(CODE, state), Fault::Undefined, format_args!("{what}"));
    }
    // User mode can neither leave its mode nor mask interrupts by itself: msr cpsr_c, #0xd3.
    for word in [CPS, 0xe321_f0d3] {
        pages.load(&[word, SVC]);
        let before = registers(CODE, 0);
        let (after, cause) = user_mode::run(&before);
        checks.equal(Fault::of(&cause), Fault::SupervisorCall, format_args!("{word:#x}"));
        checks.equal(after.psr, before.psr.to_user(), format_args!("{word:#x}: psr"));
    }
}

/// The permission fault that an access to `address` must give, which is mapped for the kernel.
fn refused(kernel: &Kernel, address: VirtAddr) -> FaultStatus {
    match kernel.tables.walker().translate(address).mapping.map(|mapping| mapping.level) {
        Some(Entry::Section | Entry::Supersection) => FaultStatus::Permission(Level::Section),
        Some(_) => FaultStatus::Permission(Level::Page),
        // Told apart from the two by the check that uses it.
        None => FaultStatus::Reserved(0),
    }
}

fn kernel_memory(kernel: &Kernel, pages: &UserPages, checks: &mut Checks) {
    let lowmem_end = kernel.tables.linear().lowmem().end();
    let last_word = lowmem_end.as_u64().saturating_sub(4);
    let last = kernel.tables.linear().phys_to_virt(mm::addr::PhysAddr::new(last_word));
    let mapped = [
        Some(image::text().start()),
        Some(image::rodata().start()),
        Some(image::data().start()),
        Some(image::bss().start()),
        last.map(|at| at.align_down(4)),
        Some(FDT.start()),
        Some(STUBS.start()),
        // The console's registers: refused before they are reached.
        kernel.machine.console.map(|_| Slot::EARLY_CONSOLE.address()),
    ];
    for address in mapped.into_iter().flatten() {
        attempts(pages, checks, address, refused(kernel, address));
    }
    let task_size = image::SPLIT.task_size();
    let unmapped = [
        (VirtAddr::new(0), Level::Page),
        (VirtAddr::new(CODE.as_u32() - 4), Level::Page),
        (VirtAddr::new(DATA.as_u32() + 0x1000), Level::Page),
        (VirtAddr::new(0x0010_0000), Level::Section),
        (VirtAddr::new(task_size.as_u32() - 4), Level::Section),
        (image::stack_guard().start(), Level::Page),
        (VirtAddr::new(STUBS.end().as_u32()), Level::Page),
        (VirtAddr::new(0xffff_fffc), Level::Page),
    ];
    for (address, level) in unmapped {
        attempts(pages, checks, address, FaultStatus::Translation(level));
    }
}

/// Reads, writes and executes at `address`, each to no avail.
fn attempts(pages: &UserPages, checks: &mut Checks, address: VirtAddr, status: FaultStatus) {
    let mut before = registers(CODE, 0);
    before.r[0] = address.as_u32();
    for (word, fault) in [
        (LDR, Fault::Read(status, address)),
        (LDRB, Fault::Read(status, address)),
        (LDREX, Fault::Read(status, address)),
        (STR, Fault::Write(status, address)),
        (STRB, Fault::Write(status, address)),
        (STM, Fault::Write(status, address)),
    ] {
        pages.load(&[word, SVC]);
        faults(checks, &before, fault, format_args!("{word:#x} at {address}"));
    }
    let execute = registers(address, 0);
    let fault = Fault::Fetch(status, address);
    faults(checks, &execute, fault, format_args!("execution at {address}"));
}

/// The test's own pages: code is not writable, data is not executable.
fn own_pages(pages: &UserPages, checks: &mut Checks) {
    let refused = FaultStatus::Permission(Level::Page);
    pages.load(&[STR, SVC]);
    let mut before = registers(CODE, 0);
    before.r[0] = CODE.as_u32();
    faults(checks, &before, Fault::Write(refused, CODE), format_args!("a write to code"));
    // What would be harmless if it ran.
    pages.set_word(0, SVC);
    let execute = registers(DATA, 0);
    faults(checks, &execute, Fault::Fetch(refused, DATA), format_args!("execution of data"));
    before.r[0] = DATA.as_u32() + 8;
    let (after, cause) = user_mode::run(&before);
    checks.equal(Fault::of(&cause), Fault::SupervisorCall, format_args!("a write to data"));
    checks.equal(pages.word(8), after.r[1], format_args!("what was written"));
    // Over the end of the page: the fault names the first byte that has none.
    pages.load(&[LDR, SVC]);
    before.r[0] = DATA.as_u32() + 0xffe;
    let (_, cause) = user_mode::run(&before);
    let translation = FaultStatus::Translation(Level::Page);
    checks.that(
        matches!(Fault::of(&cause), Fault::Read(status, _) if status == translation),
        format_args!("a read over the end of a page: {cause}"),
    );
}

/// Words may lie anywhere; what is exclusive, or more than a word, may not.
fn alignment(pages: &UserPages, checks: &mut Checks) {
    pages.set_word(0, 0x4433_2211);
    pages.set_word(4, 0x8877_6655);
    let mut before = registers(CODE, 0);
    before.r[0] = DATA.as_u32() + 1;
    pages.load(&[LDR, SVC]);
    let (after, cause) = user_mode::run(&before);
    checks.equal(Fault::of(&cause), Fault::SupervisorCall, format_args!("an unaligned word"));
    checks.equal(after.r[1], 0x5544_3322, format_args!("the unaligned word"));
    let status = FaultStatus::Alignment;
    for (word, offset, is_write) in [
        (LDRD, 2, false),
        (STRD, 2, true),
        (LDM, 1, false),
        (STM, 1, true),
        (LDREX, 1, false),
        (LDREXD, 4, false),
    ] {
        pages.load(&[word, SVC]);
        let address = VirtAddr::new(DATA.as_u32() + offset);
        before.r[0] = address.as_u32();
        let fault = match is_write {
            true => Fault::Write(status, address),
            false => Fault::Read(status, address),
        };
        faults(checks, &before, fault, format_args!("{word:#x} at {address}"));
    }
    // A strex without its ldrex stores nothing, wherever the exception came between them.
    pages.load(&[LDREX, SVC, STREX, SVC]);
    before.r[0] = DATA.as_u32();
    let (between, _) = user_mode::run(&before);
    let (after, cause) = user_mode::run(&between);
    checks.equal(Fault::of(&cause), Fault::SupervisorCall, format_args!("strex"));
    checks.equal(after.r[1], 1, format_args!("strex after an exception: its status"));
    checks.equal(pages.word(0), 0x4433_2211, format_args!("strex after an exception: memory"));
}

/// The vector page can be read and called, not written, and its vectors lead nowhere.
fn vector_page(pages: &UserPages, checks: &mut Checks) {
    let refused = FaultStatus::Permission(Level::Page);
    for offset in [0, 8, 0x100, 0xfe0, 0xffc] {
        let address = VirtAddr::new(VECTORS.start().as_u32() + offset);
        let mut before = registers(CODE, 0);
        before.r[0] = address.as_u32();
        pages.load(&[STR, SVC]);
        let fault = Fault::Write(refused, address);
        faults(checks, &before, fault, format_args!("a write to {address}"));
        pages.load(&[LDR, SVC]);
        let (_, cause) = user_mode::run(&before);
        checks.equal(Fault::of(&cause), Fault::SupervisorCall, format_args!("a read of {address}"));
    }
    for offset in [0, 0x14, 0x20, 0x100, 0xf5c, 0xf9c, 0xfa8, 0xfbc, 0xfec] {
        let address = VirtAddr::new(VECTORS.start().as_u32() + offset);
        for state in [0, THUMB] {
            let what = format_args!("execution of padding at {address}, state {state:#x}");
            faults(checks, &registers(address, state), Fault::Undefined, what);
        }
    }
    for (vector, word) in [(4, 4), (8, 0), (0xc, 0xc), (0x10, 0x10), (0x18, 0x18), (0x1c, 0x1c)] {
        let address = VirtAddr::new(VECTORS.start().as_u32() + vector);
        let target = VirtAddr::new(STUBS.start().as_u32() + word);
        let fault = Fault::Read(refused, target);
        faults(checks, &registers(address, 0), fault, format_args!("a jump to vector {address}"));
    }
}
