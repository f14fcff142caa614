//! Probes: accesses of every width that succeed, and that fault; fetches; and the MMU's own
//! translations, held against what the tables say.

use core::arch::global_asm;

use arch_arm::mmu::attributes::Rights;
use arch_arm::probe::{self, BX_LR, Fault, FetchError};
use arch_arm::sync::IrqLock;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use arch_arm::trap::{FaultStatus, Level};
use mm::addr::{PAGE_SIZE, VirtAddr};
use mm::boot::layout::{FDT, STUBS, VECTORS};

use super::Checks;
use crate::boot::user_page::{self, CODE, DATA, UserPages};
use crate::image;
use crate::monitor::Kernel;

/// Read-only words with every byte different.
static CONSTANT: [u32; 2] = [0x4433_2211, 0x8877_6655];

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    memory(checks);
    refused(checks);
    while_locked(checks);
    let ran = user_page::with(kernel, |kernel, pages| {
        fetches(pages, checks);
        translations(kernel, checks);
    });
    if let Err(error) = ran {
        checks.that(false, format_args!("no user pages: {error}"));
    }
}

fn address<T>(of: *const T) -> VirtAddr {
    VirtAddr::new(of as u32)
}

fn plus(address: VirtAddr, bytes: u32) -> VirtAddr {
    VirtAddr::new(address.as_u32() + bytes)
}

/// Reads and writes that succeed.
fn memory(checks: &mut Checks) {
    let at = address(&raw const CONSTANT);
    let mut place = [0_u32; 2];
    let to = address(&raw mut place);
    // SAFETY: reads of a constant and of a local variable; writes of the variable, which is not
    // looked at in between.
    unsafe {
        checks.equal(probe::read_u8(at), Ok(0x11), format_args!("read_u8"));
        checks.equal(probe::read_u8(plus(at, 3)), Ok(0x44), format_args!("read_u8 of byte 3"));
        checks.equal(probe::read_u16(at), Ok(0x2211), format_args!("read_u16"));
        checks.equal(probe::read_u16(plus(at, 1)), Ok(0x3322), format_args!("read_u16, unaligned"));
        checks.equal(probe::read_u32(at), Ok(0x4433_2211), format_args!("read_u32"));
        let unaligned = probe::read_u32(plus(at, 3));
        checks.equal(unaligned, Ok(0x7766_5544), format_args!("read_u32, unaligned"));
        checks.equal(probe::write_u32(to, 0xaabb_ccdd), Ok(()), format_args!("write_u32"));
        checks.equal(probe::write_u8(plus(to, 1), 0x11), Ok(()), format_args!("write_u8"));
        checks.equal(probe::write_u16(plus(to, 6), 0x2233), Ok(()), format_args!("write_u16"));
        let seen = [probe::read_u32(to), probe::read_u32(plus(to, 4))];
        let expected = [Ok(0xaabb_11dd), Ok(0x2233_0000)];
        checks.equal(seen, expected, format_args!("what was written"));
    }
}

/// What every width of read and of write says about `at`, where neither may change anything.
///
/// # Safety
///
/// 1. Nothing at `at` may be written, and a read there has no effect.
unsafe fn attempts(at: VirtAddr) -> ([Option<Fault>; 3], [Option<Fault>; 3]) {
    // SAFETY: the caller's word (1).
    unsafe {
        (
            [probe::read_u8(at).err(), probe::read_u16(at).err(), probe::read_u32(at).err()],
            [
                probe::write_u8(at, 0xee).err(),
                probe::write_u16(at, 0xeeee).err(),
                probe::write_u32(at, 0xeeee_eeee).err(),
            ],
        )
    }
}

fn refused(checks: &mut Checks) {
    let guard = image::stack_guard();
    let translation = FaultStatus::Translation;
    // Where nothing is mapped at all.
    for (at, status) in [
        (VirtAddr::new(0), translation(Level::Section)),
        (VirtAddr::new(0x1000_0004), translation(Level::Section)),
        (guard.start(), translation(Level::Page)),
        (VirtAddr::new(guard.end().as_u32() - 4), translation(Level::Page)),
        (STUBS.end(), translation(Level::Page)),
        (VirtAddr::new(0xffff_fffc), translation(Level::Page)),
    ] {
        // SAFETY: nothing is there.
        let (reads, writes) = unsafe { attempts(at) };
        for (faults, is_write) in [(reads, false), (writes, true)] {
            for fault in faults {
                let seen = fault.map(|f| (f.fault.status(), f.address, f.fault.is_write()));
                checks.equal(seen, Some((status, at, is_write)), format_args!("nothing at {at}"));
            }
        }
    }
    // What can be read and not written.
    for at in [image::text().start(), address(&raw const CONSTANT), FDT.start(), VECTORS.start()] {
        // SAFETY: memory without effects, which nobody may write.
        let ((reads, writes), [before, after]) = unsafe {
            let before = probe::read_u32(at);
            (attempts(at), [before, probe::read_u32(at)])
        };
        checks.equal(reads, [None; 3], format_args!("a read of {at}"));
        for fault in writes {
            let seen = fault.map(|f| (is_permission(f.fault.status()), f.address));
            checks.equal(seen, Some((true, at)), format_args!("a write to {at}"));
            checks.that(fault.is_some_and(|f| f.fault.is_write()), format_args!("WnR at {at}"));
        }
        checks.equal(after, before, format_args!("{at} afterwards"));
    }
    // Over the edge of what is mapped: neither half of the word is written.
    let edge = VirtAddr::new(guard.end().as_u32() - 2);
    // SAFETY: half of each access lies in the guard page, so none is done.
    let (reads, writes) = unsafe { (probe::read_u32(edge), probe::write_u32(edge, 0)) };
    checks.that(reads.is_err() && writes.is_err(), format_args!("a word over the guard's edge"));
}

fn is_permission(status: FaultStatus) -> bool {
    matches!(status, FaultStatus::Permission(_))
}

/// A probe may be made with a lock held and interrupts masked, and leaves both as they are.
fn while_locked(checks: &mut Checks) {
    let lock = IrqLock::new(1);
    let mut held = lock.lock();
    // SAFETY: nothing is there.
    *held += u32::from(unsafe { probe::read_u32(VirtAddr::new(0)) }.is_err());
    checks.that(arch_arm::interrupt::are_masked(), format_args!("interrupts after a probe"));
    drop(held);
    checks.equal(*lock.lock(), 2, format_args!("a value under a lock, after a probe"));
}

global_asm!(
    ".section .text.selftest_return, \"ax\", %progbits",
    ".balign 4",
    ".global vmsplit_selftest_return",
    "vmsplit_selftest_return:",
    "bx     lr",
);

fn fetches(pages: &UserPages, checks: &mut Checks) {
    unsafe extern "C" {
        static vmsplit_selftest_return: u32;
    }
    let text = address(&raw const vmsplit_selftest_return);
    pages.load(&[BX_LR, 0xe7fd_def1]);
    pages.set_word(0, BX_LR);
    let mut on_stack = [BX_LR];
    let stack = address(&raw mut on_stack);
    // SAFETY: 1. memory all of it, or nothing; 2. text was there from the start, the code page was
    // synchronised when it was loaded, and the rest is not executable.
    let fetch = |at| unsafe { probe::fetch(at) };
    checks.equal(fetch(text), Ok(()), format_args!("a fetch from text"));
    checks.equal(fetch(CODE), Ok(()), format_args!("a fetch from user code"));
    for at in [DATA, stack] {
        let refused = matches!(
            fetch(at),
            Err(FetchError::Refused { fault, address })
                if address == at && is_permission(fault.status())
        );
        checks.that(refused, format_args!("a fetch from data at {at}"));
    }
    let other = FetchError::NotAReturn { address: plus(CODE, 4), word: 0xe7fd_def1 };
    checks.equal(fetch(plus(CODE, 4)), Err(other), format_args!("a fetch of something else"));
    let nothing = matches!(fetch(VirtAddr::new(0)), Err(FetchError::Unreadable(_)));
    checks.that(nothing, format_args!("a fetch from nowhere"));
    let unaligned = Err(FetchError::Unaligned(plus(text, 2)));
    checks.equal(fetch(plus(text, 2)), unaligned, format_args!("a fetch between two words"));
}

/// The MMU and the walker agree, for both privileges and both directions.
fn translations(kernel: &Kernel, checks: &mut Checks) {
    let walker = kernel.tables.walker();
    let lowmem = kernel.tables.linear().lowmem();
    let places = [
        Some(CODE),
        Some(plus(DATA, 0x123)),
        Some(image::text().start()),
        Some(plus(image::rodata().start(), 1)),
        Some(image::data().start()),
        Some(image::stack_guard().start()),
        kernel.tables.linear().phys_to_virt(lowmem.start()),
        kernel.tables.linear().phys_to_virt(lowmem.end().align_down(u64::from(PAGE_SIZE))),
        Some(kernel.vmalloc.region().start()),
        Some(FDT.start()),
        Some(VECTORS.start()),
        Some(plus(STUBS.start(), 0xfff)),
        Some(STUBS.end()),
        Some(VirtAddr::new(0)),
        Some(VirtAddr::new(0x0020_0000)),
    ];
    for at in places.into_iter().flatten() {
        let translation = walker.translate(at);
        for privilege in [Privilege::Privileged, Privilege::User] {
            for purpose in [Purpose::Read, Purpose::Write] {
                let rights = translation.mapping.map(|mapping| match privilege {
                    Privilege::Privileged => mapping.attributes.leaf.access.privileged(),
                    Privilege::User => mapping.attributes.leaf.access.user(),
                });
                let enough = match purpose {
                    Purpose::Read => Rights::Read,
                    Purpose::Write => Rights::ReadWrite,
                };
                let allowed = rights.is_some_and(|rights| rights >= enough);
                let seen = translate_at(at, privilege, purpose);
                let what = format_args!("{at} for {privilege:?} {purpose:?}");
                match seen {
                    Ok(phys) if allowed => {
                        checks.equal(Some(phys), translation.phys(), format_args!("{what}"));
                    }
                    Ok(phys) => checks.that(false, format_args!("{what}: allowed, {phys}")),
                    Err(fault) => checks.that(
                        !allowed && is_permission(fault.status) == rights.is_some(),
                        format_args!("{what}: {fault}"),
                    ),
                }
            }
        }
    }
}
