//! The kuser helpers: a few lines of kernel code that user mode calls at fixed addresses, because
//! how they are done depends on the processor. The addresses and contracts are part of the Linux
//! ABI (*Documentation/arch/arm/kernel_user_helpers.rst*); old C libraries and run-times rely on them.
//!
//! | address | helper | takes | gives | may change |
//! |---|---|---|---|---|
//! | [`CMPXCHG64`] | if `*r2 == *r0` then `*r2 = *r1`, 64 bits | r0, r1, r2: pointers, 8-aligned | as below | r3, ip, flags |
//! | [`MEMORY_BARRIER`] | a full barrier among CPUs | | | nothing |
//! | [`CMPXCHG`] | if `*r2 == r0` then `*r2 = r1` | r0, r1: values; r2: pointer, 4-aligned | r0 = 0 and C set if it stored; r0 ≠ 0 and C clear if not | r3, ip, flags |
//! | [`GET_TLS`] | the thread's TLS value | | r0, from TPIDRURO | nothing |
//! | [`VERSION`] | a word: how many 32-byte slots hold helpers | | [`SLOTS`] | |
//!
//! Each returns to lr, in the caller's instruction set. Both exchanges are exclusive-access loops
//! between two barriers, so they are atomic on any number of CPUs and need nobody to restart them:
//! whatever interrupts one clears the exclusive monitor, and the store fails and is tried again. If
//! the memory may not be written, the caller gets the fault.
//!
//! Invariant: every helper lies at its address and fits its slots; whatever is left of a slot is an
//! undefined instruction. The linker script asserts where they are; the `kuser` self-test calls them
//! from user mode.

use mm::addr::VirtAddr;
use mm::boot::layout::VECTORS;

/// `cmpxchg64`, two slots; `0xffff0f80` is inside it and no entry point.
pub const CMPXCHG64: VirtAddr = at(0xf60);
/// `memory_barrier`.
pub const MEMORY_BARRIER: VirtAddr = at(0xfa0);
/// `cmpxchg`.
pub const CMPXCHG: VirtAddr = at(0xfc0);
/// `get_tls`. Its third word is the instruction that reads the hardware's TLS register, where Linux
/// keeps a copy of it, and the last quarter of its slot are words.
pub const GET_TLS: VirtAddr = at(0xfe0);
/// Three words for a TLS value kept in memory: 0, since the processor has a register for it.
pub const SOFTWARE_TLS: VirtAddr = at(0xff0);
/// The version word.
pub const VERSION: VirtAddr = at(0xffc);

/// Slots of 32 bytes, the last of which ends the page; also the version.
pub const SLOTS: u32 = 5;

/// Words of all the slots.
pub const WORDS: usize = SLOTS as usize * SLOT_BYTES as usize / 4;

const SLOT_BYTES: u32 = 32;

const fn at(offset: u32) -> VirtAddr {
    VirtAddr::new(VECTORS.start().as_u32() + offset)
}

const _: () = {
    assert!(CMPXCHG64.as_u32() == 0xffff_0f60);
    assert!(MEMORY_BARRIER.as_u32() == 0xffff_0fa0);
    assert!(CMPXCHG.as_u32() == 0xffff_0fc0);
    assert!(GET_TLS.as_u32() == 0xffff_0fe0);
    assert!(SOFTWARE_TLS.as_u32() == 0xffff_0ff0);
    assert!(VERSION.as_u32() == 0xffff_0ffc);
    assert!(CMPXCHG64.as_u32() + SLOTS * SLOT_BYTES == VECTORS.end().as_u32());
};

/// The words of all slots, to copy to [`CMPXCHG64`] and on.
#[cfg(target_arch = "arm")]
#[must_use]
pub fn words() -> &'static [u32; WORDS] {
    unsafe extern "C" {
        static vmsplit_kuser_cmpxchg64: [u32; WORDS];
    }
    // SAFETY: the symbol is followed by so many constant words, as the linker script asserts.
    unsafe { &vmsplit_kuser_cmpxchg64 }
}

#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".section .rodata.kuser, \"a\", %progbits",
    ".balign 32",

    ".global vmsplit_kuser_cmpxchg64",
    "vmsplit_kuser_cmpxchg64:",
    // The doubleword accesses want pairs of registers, so four are kept on the stack, and r1 and lr
    // with them: an even number, and the return is the load.
    "stmdb  sp!, {{r1, r4-r7, lr}}",
    "ldrd   r4, r5, [r0]",              // r5:r4 the old value
    "ldrd   r6, r7, [r1]",              // r7:r6 the new one
    "dmb    ish",
    "1:",
    "ldrexd r0, r1, [r2]",
    "cmp    r0, r4",
    "cmpeq  r1, r5",
    "bne    2f",
    "strexd r3, r6, r7, [r2]",
    "cmp    r3, #0",
    "bne    1b",
    "2:",
    "dmb    ish",
    "movne  r3, #1",
    "rsbs   r0, r3, #0",                // no borrow, so C, from 0 only
    "ldmia  sp!, {{r1, r4-r7, pc}}",
    ".word  {PADDING}",

    ".global vmsplit_kuser_barrier",
    "vmsplit_kuser_barrier:",
    "dmb    ish",
    "bx     lr",
    ".rept 6",
    ".word  {PADDING}",
    ".endr",

    ".global vmsplit_kuser_cmpxchg",
    "vmsplit_kuser_cmpxchg:",
    "dmb    ish",
    "1:",
    "ldrex  ip, [r2]",
    "subs   r3, ip, r0",
    "strexeq r3, r1, [r2]",
    "cmpeq  r3, #1",                    // looked at only if there was a store to fail
    "beq    1b",
    "rsbs   r0, r3, #0",
    "b      vmsplit_kuser_barrier",

    ".global vmsplit_kuser_get_tls",
    "vmsplit_kuser_get_tls:",
    "mrc    p15, 0, r0, c13, c0, 3",    // TPIDRURO
    "bx     lr",
    "mrc    p15, 0, r0, c13, c0, 3",
    ".word  {PADDING}",
    ".word  0, 0, 0",
    ".word  {SLOTS}",
    ".global vmsplit_kuser_end",
    "vmsplit_kuser_end:",

    PADDING = const super::pages::UNDEFINED_INSTRUCTION,
    SLOTS = const SLOTS,
);
