//! The lock that masks interrupts does: the tick's handler never finds it held by its own CPU.
//!
//! The test and the handler count in one pair of words, which are equal whenever the lock is free.
//! The test holds the lock, the pair unequal, over the end of a period. If interrupts are masked, the
//! tick waits for the release; if not, the handler comes in between, sees it (it only tries the lock,
//! or it would wait for ever) and says so. The build with the feature `test-unmasked-lock` shows that
//! this is noticed.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arch_arm::interrupt;
use arch_arm::sync::IrqLock;

use super::Checks;
use crate::interrupts::tick;
use crate::monitor::Kernel;

const ROUNDS: u32 = 10;

static PAIR: IrqLock<[u32; 2]> = IrqLock::new([0, 0]);
/// Does the handler take part?
static WATCHING: AtomicBool = AtomicBool::new(false);
/// How often the handler came, found the lock held, and found the pair unequal.
static CAME: AtomicU32 = AtomicU32::new(0);
static FOUND_HELD: AtomicU32 = AtomicU32::new(0);
static FOUND_UNEQUAL: AtomicU32 = AtomicU32::new(0);

/// At every tick.
pub fn on_tick() {
    if !WATCHING.load(Ordering::Relaxed) {
        return;
    }
    CAME.fetch_add(1, Ordering::Relaxed);
    let Some(mut pair) = PAIR.try_lock() else {
        FOUND_HELD.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if pair[0] != pair[1] {
        FOUND_UNEQUAL.fetch_add(1, Ordering::Relaxed);
    }
    pair[0] += 1;
    pair[1] += 1;
}

/// The suite.
pub fn run(_: &mut Kernel, checks: &mut Checks) {
    let Some(clock) = tick::clock() else {
        return checks.skip("no tick");
    };
    let period = u64::from(clock.frequency.get() / tick::HZ.get());
    let wait_for_tick = |since: u64| {
        let start = clock.timer.count();
        // As many periods as are plenty, in case the tick has stopped.
        while tick::figures().ticks == since && clock.timer.count() - start < 250 * period {
            core::hint::spin_loop();
        }
    };
    *PAIR.lock() = [0, 0];
    for counter in [&CAME, &FOUND_HELD, &FOUND_UNEQUAL] {
        counter.store(0, Ordering::Relaxed);
    }
    tick::watch(super::on_tick);
    WATCHING.store(true, Ordering::Relaxed);
    let (mut masks, mut restores) = (true, true);
    for round in 0..ROUNDS {
        // From one tick on over the next, and a quarter of a period more.
        wait_for_tick(tick::figures().ticks);
        let before = tick::figures().ticks;
        let start = clock.timer.count();
        let mut pair = PAIR.lock();
        masks &= interrupt::are_masked();
        pair[0] += 1;
        while clock.timer.count() - start < period + period / 4 {
            core::hint::spin_loop();
        }
        pair[1] += 1;
        drop(pair);
        restores &= !interrupt::are_masked();
        wait_for_tick(before);
        checks.that(tick::figures().ticks > before, format_args!("no tick in round {round}"));
    }
    WATCHING.store(false, Ordering::Relaxed);
    checks.that(masks, format_args!("the lock does not mask interrupts"));
    checks.that(restores, format_args!("the lock leaves interrupts masked"));
    let [came, held, unequal] =
        [&CAME, &FOUND_HELD, &FOUND_UNEQUAL].map(|counter| counter.load(Ordering::Relaxed));
    checks.that(came >= ROUNDS, format_args!("{came} ticks came in {ROUNDS} rounds"));
    checks.that(
        held == 0,
        format_args!("the tick found the lock held by its own CPU, {held} times in {came}"),
    );
    checks.equal(unequal, 0, format_args!("ticks that saw what the lock protects half done"));
    let counted = ROUNDS + came - held;
    checks.equal(*PAIR.lock(), [counted; 2], format_args!("what test and ticks counted"));
}
