//! The kuser helpers, called as user code calls them: from user mode, in ARM and in Thumb state,
//! each return being an `svc`.

use arch_arm::cp15::TPIDRURO;
use arch_arm::trap::kuser::{
    CMPXCHG, CMPXCHG64, GET_TLS, MEMORY_BARRIER, SLOTS, SOFTWARE_TLS, VERSION,
};
use arch_arm::trap::pages::UNDEFINED_INSTRUCTION;
use arch_arm::trap::{Cause, ExceptionKind, TrapFrame, stub_address};
use mm::addr::{PAGE_SIZE, VirtAddr};
use mm::boot::layout::{STUBS, VECTORS};
use tock_registers::interfaces::{Readable, Writeable};

use super::Checks;
use super::user_mode::{self, CARRY, FLAGS, SVC, THUMB, THUMB_SVC, registers};
use crate::boot::user_page::{self, CODE, DATA, UserPages};
use crate::image;
use crate::monitor::Kernel;

/// Where in the data page things lie.
const TARGET: u32 = 0x00;
const OLD: u32 = 0x10;
const NEW: u32 = 0x20;

/// r3 and ip: what an exchange may change, besides r0 and the flags.
const SCRATCH: [usize; 2] = [3, 12];

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    page(checks);
    let ran = user_page::with(kernel, |_, pages| {
        // An ARM and a Thumb place to return to.
        pages.load(&[SVC, THUMB_SVC]);
        for state in [0, THUMB] {
            for flags in [0, FLAGS, CARRY, FLAGS & !CARRY] {
                barrier(checks, flags | state);
                tls(checks, flags | state);
                exchange(pages, checks, flags | state);
                exchange64(pages, checks, flags | state);
            }
        }
        count(pages, checks);
    });
    if let Err(error) = ran {
        checks.that(false, format_args!("no user pages: {error}"));
    }
}

/// What stands in the page, by word.
fn page(checks: &mut Checks) {
    let words = |page: VirtAddr| {
        (page.as_u32()..).step_by(4).take(PAGE_SIZE as usize / 4).map(|at| {
            // SAFETY: an aligned word of one of the two pages, which are mapped for good and not
            // written to.
            (at, unsafe { core::ptr::read_volatile(at as *const u32) })
        })
    };
    for (at, word) in words(VECTORS.start()) {
        if at >= CMPXCHG64.as_u32() || (4..0x20).contains(&(at & 0xfff)) && at & 0xfff != 0x14 {
            let seen = VirtAddr::new(word);
            checks.that(
                !image::whole().contains(seen),
                format_args!("user mode reads the kernel's address {seen} at {at:#x}"),
            );
        } else {
            checks.equal(word, UNDEFINED_INSTRUCTION, format_args!("the word at {at:#x}"));
        }
    }
    let word = |at: VirtAddr| {
        words(VECTORS.start()).find(|(place, _)| *place == at.as_u32()).map(|(_, word)| word)
    };
    checks.equal(word(VERSION), Some(SLOTS), format_args!("the version"));
    for offset in [0, 4, 8] {
        let at = VirtAddr::new(SOFTWARE_TLS.as_u32() + offset);
        checks.equal(word(at), Some(0), format_args!("the TLS word at {at}"));
    }
    // mrc p15, 0, r0, c13, c0, 3
    let hardware_tls = word(VirtAddr::new(GET_TLS.as_u32() + 8));
    checks.equal(hardware_tls, Some(0xee1d_0f70), format_args!("the hardware's TLS instruction"));
    let first = words(STUBS.start()).next().map(|(_, word)| word);
    let svc = stub_address(ExceptionKind::SupervisorCall);
    checks.equal(first, Some(svc), format_args!("the stubs page's first word"));
}

/// Calls `helper` with `arguments` in r0 to r2, and checks that it comes back, that every register
/// but those in `changes` is as before, and so are the flags outside `flags_change`.
fn call(
    checks: &mut Checks,
    helper: VirtAddr,
    arguments: [u32; 3],
    psr: u32,
    changes: &[usize],
    flags_change: u32,
) -> TrapFrame {
    // A helper is ARM code, whatever its caller is.
    let mut before = registers(helper, psr & !THUMB);
    before.r[..3].copy_from_slice(&arguments);
    if psr & CARRY == 0 {
        // What may be changed may also hold what looks like success.
        SCRATCH.iter().for_each(|n| before.r[*n] = 0);
    }
    let (back, after_svc) = match psr & THUMB {
        0 => (CODE.as_u32(), 4),
        _ => (CODE.as_u32() + 4, 2),
    };
    before.lr = back | u32::from(psr & THUMB != 0);
    let (after, cause) = user_mode::run(&before);
    let name = format_args!("helper {helper} from psr {psr:#x}");
    checks.equal(cause, Cause::SupervisorCall, format_args!("{name}: how it ended"));
    checks.equal(after.pc, back + after_svc, format_args!("{name}: where it ended"));
    checks.equal(
        after.psr.as_u32() & (FLAGS & !flags_change | THUMB),
        psr & (FLAGS & !flags_change | THUMB),
        format_args!("{name}: psr"),
    );
    checks.equal((after.sp, after.lr), (before.sp, before.lr), format_args!("{name}: sp and lr"));
    for (n, (seen, expected)) in after.r.into_iter().zip(before.r).enumerate() {
        if !changes.contains(&n) {
            checks.equal(seen, expected, format_args!("{name}: r{n}"));
        }
    }
    after
}

fn barrier(checks: &mut Checks, psr: u32) {
    call(checks, MEMORY_BARRIER, [1, 2, 3], psr, &[], 0);
}

fn tls(checks: &mut Checks, psr: u32) {
    let before = TPIDRURO.get();
    for value in [0, 0x7654_3210, u32::MAX] {
        // SAFETY: no code of the kernel reads it, and it is put back below.
        unsafe { TPIDRURO.writer().set(value) };
        let after = call(checks, GET_TLS, [1, 2, 3], psr, &[0], 0);
        checks.equal(after.r[0], value, format_args!("get_tls"));
    }
    // SAFETY: the value that was there.
    unsafe { TPIDRURO.writer().set(before) };
}

/// Did an exchange say what it should? Zero and C, or neither.
fn says(checks: &mut Checks, after: &TrapFrame, stored: bool, what: core::fmt::Arguments<'_>) {
    checks.equal(after.r[0] == 0, stored, format_args!("{what}: r0 {:#x} as result", after.r[0]));
    let carry = after.psr.as_u32() & CARRY != 0;
    checks.equal(carry, stored, format_args!("{what}: C as result"));
}

fn exchange(pages: &UserPages, checks: &mut Checks, psr: u32) {
    // In memory, the old value, the new one. A difference of 1 looks like a store that has to be
    // tried again; one of 0x80000000 is its own negative.
    for (memory, old, new) in [
        (5, 5, 6),
        (5, 5, 5),
        (0, 0, u32::MAX),
        (u32::MAX, u32::MAX, 0),
        (6, 5, 7),
        (4, 5, 7),
        (0x8000_0005, 5, 7),
        (0, u32::MAX, 7),
        (1, 0, 1),
    ] {
        pages.set_word(TARGET, memory);
        let arguments = [old, new, DATA.as_u32() + TARGET];
        let changes = [0, SCRATCH[0], SCRATCH[1]];
        let after = call(checks, CMPXCHG, arguments, psr, &changes, FLAGS);
        let what = format_args!("cmpxchg({old:#x}, {new:#x}) on {memory:#x}");
        says(checks, &after, memory == old, what);
        let expected = if memory == old { new } else { memory };
        checks.equal(pages.word(TARGET), expected, format_args!("{what}: memory"));
    }
}

fn exchange64(pages: &UserPages, checks: &mut Checks, psr: u32) {
    let set = |at: u32, [low, high]: [u32; 2]| {
        pages.set_word(at, low);
        pages.set_word(at + 4, high);
    };
    let old = [0x1111_2222, 0x3333_4444];
    let new = [0x5555_6666, 0x7777_8888];
    let [low, high] = old;
    // Both halves equal; either one not; neither; then off by what a failed store would leave.
    for memory in [old, [low ^ 1, high], [low, high ^ 1], [!low, !high], [low + 1, high]] {
        set(TARGET, memory);
        set(OLD, old);
        set(NEW, new);
        let arguments = [OLD, NEW, TARGET].map(|offset| DATA.as_u32() + offset);
        let changes = [0, SCRATCH[0], SCRATCH[1]];
        let after = call(checks, CMPXCHG64, arguments, psr, &changes, FLAGS);
        let what = format_args!("cmpxchg64 on {memory:#x?}");
        says(checks, &after, memory == old, what);
        let get = |at: u32| [pages.word(at), pages.word(at + 4)];
        let expected = if memory == old { new } else { memory };
        checks.equal(get(TARGET), expected, format_args!("{what}: memory"));
        checks.equal((get(OLD), get(NEW)), (old, new), format_args!("{what}: its arguments"));
    }
}

/// Counts in memory by `cmpxchg`, for long enough that interrupts come in between: not one
/// increment is lost or made twice, and no register either.
fn count(pages: &UserPages, checks: &mut Checks) {
    const INCREMENTS: u32 = 2_000_000;
    pages.load(&[
        0xe592_0000, // loop: ldr r0, [r2]
        0xe280_1001, //       add r1, r0, #1
        0xe12f_ff36, //       blx r6
        0x3aff_fffb, //       bcc loop
        0xe254_4001, //       subs r4, r4, #1
        0x1aff_fff9, //       bne loop
        SVC,
    ]);
    pages.set_word(TARGET, 0);
    let mut before = registers(CODE, 0);
    [before.r[2], before.r[4], before.r[6]] =
        [DATA.as_u32() + TARGET, INCREMENTS, CMPXCHG.as_u32()];
    let (after, cause) = user_mode::run(&before);
    checks.equal(cause, Cause::SupervisorCall, format_args!("counting: how it ended"));
    checks.equal(pages.word(TARGET), INCREMENTS, format_args!("what was counted"));
    checks.equal((after.r[4], after.sp), (0, before.sp), format_args!("counting: r4 and sp"));
    for n in [2, 5, 6, 7, 8, 9, 10, 11] {
        checks.equal(after.r[n], before.r[n], format_args!("counting: r{n}"));
    }
}
