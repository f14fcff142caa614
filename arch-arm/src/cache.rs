//! Cache maintenance: making memory, the data caches and the instruction caches agree.
//!
//! The processors this kernel knows keep their data caches coherent among themselves and with the
//! table walker. Maintenance is left for those who do not look into them: devices (the *point of
//! coherency*), instruction fetch (the *point of unification*), and anybody once caches are off.
//!
//! | function | for whom |
//! |---|---|
//! | [`clean_to_poc`] | a device, or a CPU with its cache off, will read |
//! | [`invalidate_to_poc`] | a device has written |
//! | [`clean_invalidate_to_poc`] | the range changes its memory type |
//! | [`sync_instructions`] | the range holds new code |
//! | [`clean_invalidate_all`] | this CPU's caches go off |
//!
//! [`DataCaches`] has the first three as DMA memory asks for them.
//!
//! Invariants: a range is maintained to the last line that holds a byte of it; an invalidation
//! loses no byte outside its range; each function ends with the barrier that completes it.
//!
//! Operations by address go through the MMU: a range must be mapped readable, or the access aborts.
//! *ARM DDI 0406C, B2.2, Caches and memory hierarchy*; the operations are listed in *B4.2.1*.

use crate::barrier::{dsb_ish, dsb_sy, isb};
use crate::cp15::CTR;
use crate::cp15::ctr::{data_line_shift, instruction_line_shift};
use crate::mva::{Blocks, blocks};
use crate::tlb::invalidate_branch_predictors;
use core::arch::{asm, naked_asm};
use mm::addr::VirtRange;
use mm::dma::DataCache;
use tock_registers::interfaces::Readable;

/// Issues `mcr p15, 0, value, c7, …`: one cache operation, without barriers.
macro_rules! cache_op {
    ($crm:ident, $opc2:literal, $value:expr) => {
        asm!(
            concat!("mcr p15, 0, {}, c7, ", stringify!($crm), ", ", $opc2),
            in(reg) $value,
            options(nostack, preserves_flags),
        )
    };
}

/// Issues a cache operation for each of `$count` lines of `$line` bytes from `$first` on, without barriers.
///
/// Four lines in a turn: two instructions for each, and two for the turn.
macro_rules! for_lines {
    ($crm:ident, $opc2:literal, $first:expr, $count:expr, $line:expr) => {{
        let (mut at, mut left, line): (u32, u32, u32) = ($first, $count, $line);
        while left >= 4 {
            cache_op!($crm, $opc2, at);
            at = at.wrapping_add(line);
            cache_op!($crm, $opc2, at);
            at = at.wrapping_add(line);
            cache_op!($crm, $opc2, at);
            at = at.wrapping_add(line);
            cache_op!($crm, $opc2, at);
            at = at.wrapping_add(line);
            left -= 4;
        }
        while left > 0 {
            cache_op!($crm, $opc2, at);
            at = at.wrapping_add(line);
            left -= 1;
        }
    }};
}

/// Writes what the data caches hold of `range` out to the point of coherency.
#[inline]
pub fn clean_to_poc(range: VirtRange) {
    let shift = data_line_shift(CTR.get());
    let (first, count) = Blocks::all_of(range, shift);
    // SAFETY: DCCMVAC. Cleaning changes no value that this CPU sees.
    unsafe { for_lines!(c10, 1, first, count, 1 << shift) };
    dsb_sy();
}

/// Writes `range` out to the point of coherency and drops it from the data caches.
#[inline]
pub fn clean_invalidate_to_poc(range: VirtRange) {
    let shift = data_line_shift(CTR.get());
    let (first, count) = Blocks::all_of(range, shift);
    // SAFETY: DCCIMVAC. Nothing is lost that was not written out before.
    unsafe { for_lines!(c14, 1, first, count, 1 << shift) };
    dsb_sy();
}

/// Drops `range` from the data caches, so that the next read comes from the point of coherency.
///
/// Lines that `range` holds only in part are written out first, for the sake of their other
/// bytes.
///
/// # Safety
///
/// What this CPU or another wrote to `range` may be lost, or not.
///
/// 1. Nobody relies on such a value: the range belongs to a device's transfer, no reference to
///    it is live, and all of it counts as written by the device.
#[inline]
pub unsafe fn invalidate_to_poc(range: VirtRange) {
    let shift = data_line_shift(CTR.get());
    let Blocks { parts, first, count } = Blocks::of(range, shift);
    for part in parts.into_iter().flatten() {
        // SAFETY: DCCIMVAC. Nothing is lost that was not written out before.
        unsafe { cache_op!(c14, 1, part) };
    }
    // SAFETY: DCIMVAC, within the range that the caller gives up (1).
    unsafe { for_lines!(c6, 1, first, count, 1 << shift) };
    dsb_sy();
}

/// The data caches of all CPUs, for DMA.
///
/// Operations by address reach the caches of all CPUs of the inner shareable domain, whatever the type of the mapping
/// (*ARM DDI 0406C, B2.2.5*).
#[derive(Clone, Copy, Default, Debug)]
pub struct DataCaches;

impl DataCache for DataCaches {
    #[inline(always)]
    fn clean(&self, range: VirtRange) {
        clean_to_poc(range);
    }

    #[inline(always)]
    fn invalidate(&self, range: VirtRange) {
        // SAFETY: 1. who asks for it says that the range counts as written by a device.
        unsafe { invalidate_to_poc(range) };
    }

    #[inline(always)]
    fn clean_invalidate(&self, range: VirtRange) {
        clean_invalidate_to_poc(range);
    }
}

/// Makes instructions that were stored to `range` the ones that all CPUs fetch from it.
///
/// Call it before the range becomes executable to anybody else, through a mapping that is
/// readable already. Another CPU that was about to run the old code needs an `isb` of its own.
pub fn sync_instructions(range: VirtRange) {
    let ctr = CTR.get();
    for line in blocks(range, data_line_shift(ctr)) {
        // SAFETY: DCCMVAU. Cleaning changes no value that this CPU sees.
        unsafe { cache_op!(c11, 1, line.as_u32()) };
    }
    dsb_ish();
    for line in blocks(range, instruction_line_shift(ctr)) {
        // SAFETY: ICIMVAU. Instruction caches hold copies only.
        unsafe { cache_op!(c5, 1, line.as_u32()) };
    }
    invalidate_branch_predictors!(c1); // BPIALLIS
    dsb_ish();
    isb();
}

/// Drops all instruction caches and branch predictors of all CPUs: when code was moved or mapped
/// anew as a whole.
pub fn invalidate_instructions() {
    dsb_ish();
    // SAFETY: ICIALLUIS. Instruction caches hold copies only.
    unsafe { cache_op!(c1, 0, 0_u32) };
    invalidate_branch_predictors!(c1); // BPIALLIS
    dsb_ish();
    isb();
}

/// Cleans and invalidates every data and unified cache of this CPU, up to the level of
/// coherency, by set and way: before its caches or its MMU are turned off, or before it leaves.
///
/// It uses registers only (r0 to r3, r12 and the flags), so entry code without a stack may call
/// it, with the MMU on or off, and the loop itself makes no line dirty.
///
/// # Safety
///
/// 1. Interrupts are masked: between CSSELR and CCSIDR nobody else may select a cache.
/// 2. If the point is that memory holds everything, nothing is stored between the call and the
///    write of SCTLR: code from a compiler does not promise that, assembly does.
/// 3. No other CPU of the coherency domain is writing: operations by set and way are not
///    broadcast, and lines wander between caches (*ARM DDI 0406C, B2.2.7*).
#[unsafe(naked)]
pub unsafe extern "C" fn clean_invalidate_all() {
    naked_asm!(
        "dsb    sy",
        "mov    r0, #0", // CSSELR: (level - 1) << 1, data or unified
        "1:",
        "mrc    p15, 1, r1, c0, c0, 1", // CLIDR
        "ubfx   r2, r1, #24, #3",       // level of coherency
        "cmp    r0, r2, lsl #1",
        "bhs    5f",
        "add    r3, r0, r0, lsr #1", // 3 * (level - 1)
        "lsr    r1, r1, r3",
        "and    r1, r1, #7",
        "cmp    r1, #2", // data, both or unified?
        "blo    4f",
        "mcr    p15, 2, r0, c0, c0, 0", // CSSELR
        "isb",
        "mrc    p15, 1, r1, c0, c0, 0", // CCSIDR
        "ubfx   r3, r1, #13, #15",      // r3: sets - 1, downwards
        "2:",
        "ubfx   r2, r1, #3, #10", // r2: ways - 1, downwards
        "3:",
        "and    r12, r1, #7",
        "add    r12, r12, #4", // log2 of the line's bytes
        "lsl    r12, r3, r12", // the set
        "orr    r12, r12, r0", // the level
        "ubfx   r1, r1, #3, #10",
        "clz    r1, r1",
        "lsl    r1, r2, r1", // the way, at the top of the word
        "orr    r12, r12, r1",
        "mcr    p15, 0, r12, c7, c14, 2", // DCCISW
        "mrc    p15, 1, r1, c0, c0, 0",   // CCSIDR again: there is no register to keep it in
        "subs   r2, r2, #1",
        "bhs    3b",
        "subs   r3, r3, #1",
        "bhs    2b",
        "4:",
        "add    r0, r0, #2",
        "b      1b",
        "5:",
        "mov    r0, #0",
        "mcr    p15, 2, r0, c0, c0, 0", // CSSELR
        "dsb    sy",
        "isb",
        "bx     lr",
    )
}
