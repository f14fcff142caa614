//! The tick: an interrupt 250 times a second, and the time since boot that they count.
//!
//! Each deadline is an absolute count, so a late interrupt shortens the way to the next one and no
//! time is lost. An interrupt so late that the next period is over too stands for both; the merged
//! ones are counted. So at every moment `ticks` is the number of whole periods since the start, up
//! to the latency of the interrupt that will say so.
//!
//! The figures are 64 bits wide, which this CPU loads and stores in one piece as atomics. The handler
//! is the only writer; a reader masks it to see figures of one moment.

use core::fmt;
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU64, Ordering};

use arch_arm::interrupt;
use arch_arm::sync::IrqLock;
use arch_arm::timer::{Schedule, Timer, View};
use board::dt;
use board::irq::gic::{IntId, Priority};
use spin::Once;

use super::{Action, RequestError};
use crate::{pages, slabs};

/// Ticks in a second.
pub const HZ: NonZeroU32 = NonZeroU32::new(250).unwrap();

/// The clock that ticks.
#[derive(Clone, Copy)]
pub struct Clock {
    /// The counter.
    pub timer: Timer,
    /// Its counts per second.
    pub frequency: NonZeroU32,
    /// The interrupt that ticks.
    pub interrupt: IntId,
    view: View,
}

/// As Linux names it, with its interrupt rate.
impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = match self.view {
            View::Virtual => "virt",
            View::Physical => "phys",
        };
        let hundredths = self.frequency.get() / 10_000;
        let (mhz, rest) = (hundredths / 100, hundredths % 100);
        write!(f, "{HZ} Hz tick, {view} timer at {mhz}.{rest:02}MHz")
    }
}

static CLOCK: Once<Clock> = Once::new();
/// The handler's, and nobody else's once it has started.
static SCHEDULE: IrqLock<Option<Schedule>> = IrqLock::new(None);
static TICKS: AtomicU64 = AtomicU64::new(0);
static LATE: AtomicU64 = AtomicU64::new(0);
static MAX_LATENCY: AtomicU64 = AtomicU64::new(0);
static WATCHER: Once<fn()> = Once::new();

/// What the tick has counted.
#[derive(Clone, Copy)]
pub struct Figures {
    /// Whole periods since the start.
    pub ticks: u64,
    /// Those of them that had no interrupt of their own.
    pub late: u64,
    /// The longest that an interrupt came after its deadline, in counts of the timer.
    pub max_latency: u64,
}

/// Why there is no tick.
pub enum NoTick {
    /// The tree names no timer, or none that the processor has.
    NoTimer,
    /// Neither the virtual nor the physical timer has an interrupt.
    NoInterrupt,
    /// So many counts a second, which make no 250 periods.
    Frequency(u32),
    /// Nobody can handle it.
    Request(RequestError),
}

impl fmt::Display for NoTick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTimer => f.write_str("no generic timer"),
            Self::NoInterrupt => f.write_str("the timer has no interrupt"),
            Self::Frequency(hz) => write!(f, "the timer counts {hz} times a second"),
            Self::Request(error) => error.fmt(f),
        }
    }
}

/// Starts ticking, with the first of the timer's views whose interrupt can be had.
pub(super) fn start(timer: Option<&dt::Timer>) -> Result<Clock, NoTick> {
    let tree = timer.ok_or(NoTick::NoTimer)?;
    // `arch_arm::timer` says why in this order.
    let choices = [(View::Virtual, tree.virt), (View::Physical, tree.phys)];
    let mut why_not = None;
    for (view, source) in choices {
        let Some(source) = source else { continue };
        match start_view(tree, view, &source) {
            Ok(clock) => return Ok(clock),
            // What keeps the preferred one from ticking is what should be mended.
            Err(error) => why_not = why_not.or(Some(error)),
        }
    }
    Err(why_not.unwrap_or(NoTick::NoInterrupt))
}

/// Starts ticking with one view of the timer. On an error that view is stopped: a line that nobody
/// lowers would stay up.
fn start_view(tree: &dt::Timer, view: View, source: &dt::Interrupt) -> Result<Clock, NoTick> {
    let interrupt = IntId::of(source).ok_or(NoTick::NoInterrupt)?;
    let timer = Timer::find(view).ok_or(NoTick::NoTimer)?;
    let hz = tree.clock_frequency.unwrap_or_else(|| timer.frequency());
    let frequency = NonZeroU32::new(hz).ok_or(NoTick::Frequency(hz))?;
    let schedule = Schedule::new(timer.count(), frequency, HZ).ok_or(NoTick::Frequency(hz))?;
    let action = Action { name: "arch_timer", handler: on_interrupt };
    if let Err(error) = super::request(source, Priority::High, action) {
        timer.stop();
        return Err(NoTick::Request(error));
    }
    *SCHEDULE.lock() = Some(schedule);
    timer.set_deadline(schedule.deadline());
    timer.start();
    // Boot lets interrupts in later, so the handler finds it.
    Ok(*CLOCK.call_once(|| Clock { timer, frequency, interrupt, view }))
}

fn on_interrupt() {
    let (Some(clock), Some(schedule)) = (CLOCK.get(), &mut *SCHEDULE.lock()) else { return };
    let Some(passed) = schedule.pass(clock.timer.count()) else { return };
    clock.timer.set_deadline(schedule.deadline());
    TICKS.fetch_add(passed.periods, Ordering::Relaxed);
    LATE.fetch_add(passed.periods - 1, Ordering::Relaxed);
    MAX_LATENCY.fetch_max(passed.latency, Ordering::Relaxed);
    pages::on_tick();
    slabs::on_tick();
    if let Some(watcher) = WATCHER.get() {
        watcher();
    }
}

/// The clock that ticks, if one was started.
pub fn clock() -> Option<Clock> {
    CLOCK.get().copied()
}

/// Will a tick end a sleep? Only one that has come before is counted on: a tree may name an interrupt
/// that the timer does not have.
pub fn wakes() -> bool {
    let lets_in = |clock: &Clock| super::is_enabled(clock.interrupt);
    TICKS.load(Ordering::Relaxed) > 0 && CLOCK.get().is_some_and(lets_in)
}

/// What was counted up to one moment.
pub fn figures() -> Figures {
    let _one_moment = interrupt::mask();
    Figures {
        ticks: TICKS.load(Ordering::Relaxed),
        late: LATE.load(Ordering::Relaxed),
        max_latency: MAX_LATENCY.load(Ordering::Relaxed),
    }
}

/// Has `watcher` called at every tick, from the interrupt's handler. There is one watcher, the first.
pub fn watch(watcher: fn()) {
    WATCHER.call_once(|| watcher);
}
