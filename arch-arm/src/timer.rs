//! The generic timer: a counter that runs at one rate from power-on, and a compare value that raises
//! an interrupt (*ARM DDI 0406C, chapter B8*).
//!
//! A CPU in PL1 sees it twice. The *physical* timer compares the system counter itself; the *virtual*
//! one compares what is left of it after CNTVOFF, which a hypervisor sets. A kernel takes the virtual
//! one if it can choose:
//!
//! - it is never taken away: a hypervisor that keeps the physical timer for itself traps its
//!   registers (CNTHCTL), not these;
//! - it raises one interrupt whichever security state the kernel was started in. The physical timer
//!   of the Secure state is another one, with another interrupt, and the tree does not say which
//!   state that is.
//!
//! CNTVOFF is 0 where the entry code left HYP mode. Where firmware started the kernel in SVC mode and
//! did not set it, it is some constant, which does no harm on one CPU: only differences count.
//!
//! `Timer` is the registers, on ARM only. [`Schedule`] is arithmetic: which count ends which period,
//! without drift, and how many periods a late interrupt finds over. It is tested on the host.

use core::num::NonZeroU32;

/// Ends of periods on a counter.
///
/// Period `n` ends at `start + n × frequency / hz`, rounded down: each from the start, so that
/// neither the latency of an interrupt nor a fraction of a count adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    start: u64,
    frequency: NonZeroU32,
    hz: NonZeroU32,
    /// Periods that are over and were accounted for.
    passed: u64,
}

/// What an interrupt finds when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Periods that ended since the last time: 1, or more if some had no interrupt of their own.
    pub periods: u64,
    /// Counts since the first of them ended.
    pub latency: u64,
}

impl Schedule {
    /// `hz` periods in each second of a counter that counts `frequency` times a second, from the
    /// count `start` on. `None` if there are more periods than counts.
    #[must_use]
    pub fn new(start: u64, frequency: NonZeroU32, hz: NonZeroU32) -> Option<Self> {
        (hz <= frequency).then_some(Self { start, frequency, hz, passed: 0 })
    }

    /// The count at which the first period ends that was not accounted for yet.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        let (hz, frequency) = (u64::from(self.hz.get()), u64::from(self.frequency.get()));
        let next = self.passed + 1;
        let whole_seconds = (next / hz).wrapping_mul(frequency);
        let rest = next % hz * frequency / hz;
        self.start.wrapping_add(whole_seconds).wrapping_add(rest)
    }

    /// Accounts for the periods that are over at the count `now`; `None` if none is.
    pub fn pass(&mut self, now: u64) -> Option<Passed> {
        let latency = now.wrapping_sub(self.deadline());
        if latency > u64::MAX / 2 {
            return None;
        }
        let (hz, frequency) = (u64::from(self.hz.get()), u64::from(self.frequency.get()));
        let elapsed = now.wrapping_sub(self.start);
        // Period n is over if n × frequency / hz, rounded down, is at most `elapsed`.
        let in_last_second = ((elapsed % frequency + 1) * hz - 1) / frequency;
        let over = elapsed / frequency * hz + in_last_second;
        let periods = over - self.passed;
        self.passed = over;
        Some(Passed { periods, latency })
    }
}

/// Which of the two views of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// CNTVCT and CNTV.
    Virtual,
    /// CNTPCT and CNTP.
    Physical,
}

#[cfg(target_arch = "arm")]
pub use registers::Timer;

#[cfg(target_arch = "arm")]
mod registers {
    use tock_registers::interfaces::{Readable, Writeable};

    use super::View;
    use crate::barrier::isb;
    use crate::cp15::cntp_ctl::CNTP_CTL as Physical;
    use crate::cp15::cntv_ctl::CNTV_CTL as Virtual;
    use crate::cp15::{
        CNTFRQ, CNTP_CTL, CNTP_CVAL, CNTPCT, CNTV_CTL, CNTV_CVAL, CNTVCT, ID_PFR1, id_pfr1,
    };

    /// The timer of the CPU that runs this.
    #[derive(Clone, Copy, Debug)]
    pub struct Timer {
        view: View,
    }

    impl Timer {
        /// The timer, if the processor has one. For the physical one HYP mode must have let go of
        /// it, as the entry code does.
        #[must_use]
        pub fn find(view: View) -> Option<Self> {
            ID_PFR1.is_set(id_pfr1::ID_PFR1::GENTIMER).then_some(Self { view })
        }

        /// Counts per second; 0 where firmware did not set it.
        #[must_use]
        pub fn frequency(self) -> u32 {
            CNTFRQ.get()
        }

        /// The counter now, after all instructions before this call.
        #[inline]
        #[must_use]
        pub fn count(self) -> u64 {
            isb();
            match self.view {
                View::Virtual => CNTVCT.get(),
                View::Physical => CNTPCT.get(),
            }
        }

        /// Raises the interrupt from the count `deadline` on, and not before; at once if that is
        /// over. The line is down when this returns, if it is to be down.
        pub fn set_deadline(self, deadline: u64) {
            // SAFETY: 1. the register changes nothing but when an interrupt comes; 2. the `isb`
            // follows.
            unsafe {
                match self.view {
                    View::Virtual => CNTV_CVAL.writer().set(deadline),
                    View::Physical => CNTP_CVAL.writer().set(deadline),
                }
            }
            isb();
        }

        /// Compares from now on.
        pub fn start(self) {
            // SAFETY: as in `set_deadline`.
            unsafe {
                match self.view {
                    View::Virtual => CNTV_CTL.writer().write(Virtual::ENABLE::SET),
                    View::Physical => CNTP_CTL.writer().write(Physical::ENABLE::SET),
                }
            }
            isb();
        }

        /// Compares no more: the line is down when this returns.
        pub fn stop(self) {
            // SAFETY: as in `set_deadline`.
            unsafe {
                match self.view {
                    View::Virtual => CNTV_CTL.writer().write(Virtual::ENABLE::CLEAR),
                    View::Physical => CNTP_CTL.writer().write(Physical::ENABLE::CLEAR),
                }
            }
            isb();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(start: u64, frequency: u32, hz: u32) -> Schedule {
        let non_zero = |value| NonZeroU32::new(value).unwrap();
        Schedule::new(start, non_zero(frequency), non_zero(hz)).unwrap()
    }

    #[test]
    fn periods_of_whole_counts() {
        let mut ticks = schedule(1_000, 62_500_000, 250);
        for period in 1..=1_000 {
            let deadline = 1_000 + period * 250_000;
            assert_eq!(ticks.deadline(), deadline);
            assert_eq!(ticks.pass(deadline - 1), None);
            assert_eq!(ticks.pass(deadline + 7), Some(Passed { periods: 1, latency: 7 }));
            assert_eq!(ticks.pass(deadline + 7), None, "it was accounted for");
        }
    }

    #[test]
    fn fractions_of_a_count_do_not_add_up() {
        // 32768 / 250 is 131.072.
        let mut ticks = schedule(0, 32_768, 250);
        for period in 1..=2_500 {
            assert_eq!(ticks.deadline(), period * 32_768 / 250);
            assert_eq!(ticks.pass(ticks.deadline()).unwrap().periods, 1);
        }
        assert_eq!(ticks.passed, 2_500);
    }

    #[test]
    fn a_late_interrupt_finds_all_that_passed() {
        let mut ticks = schedule(0, 1_000, 10);
        assert_eq!(ticks.pass(100), Some(Passed { periods: 1, latency: 0 }));
        assert_eq!(ticks.pass(555), Some(Passed { periods: 4, latency: 355 }));
        assert_eq!(ticks.deadline(), 600, "back in step");
        // A machine that stood still for centuries is no reason to loop or to overflow.
        let centuries = 1 << 61;
        assert_eq!(ticks.pass(centuries).unwrap().periods, centuries / 100 - 5);
        assert!(ticks.deadline() > centuries);
    }

    #[test]
    fn more_periods_than_counts_are_refused() {
        let hz = NonZeroU32::new(250).unwrap();
        assert_eq!(Schedule::new(0, NonZeroU32::new(249).unwrap(), hz), None);
        let mut each = schedule(0, 250, 250);
        assert_eq!(each.pass(3), Some(Passed { periods: 3, latency: 2 }));
    }

    proptest! {
        /// Against the definition in 128 bits, from any start: a counter may wrap.
        #[test]
        fn period_n_ends_where_its_definition_says(
            start in prop_oneof![Just(0), any::<u64>()],
            frequency in 1..=u32::MAX,
            hz in 1..=1_000_u32,
            steps in prop::collection::vec(0..1_u64 << 40, 1..30),
        ) {
            prop_assume!(hz <= frequency);
            let end = |period: u64| {
                (u128::from(period) * u128::from(frequency) / u128::from(hz)) as u64
            };
            let mut ticks = schedule(start, frequency, hz);
            let (mut elapsed, mut accounted) = (0_u64, 0_u64);
            for step in steps {
                elapsed += step;
                let deadline = end(accounted + 1);
                prop_assert_eq!(ticks.deadline(), start.wrapping_add(deadline));
                match ticks.pass(start.wrapping_add(elapsed)) {
                    None => prop_assert!(elapsed < deadline),
                    Some(Passed { periods, latency }) => {
                        prop_assert_eq!(latency, elapsed - deadline);
                        accounted += periods;
                        prop_assert!(end(accounted) <= elapsed);
                    }
                }
                prop_assert!(end(accounted + 1) > elapsed, "one more was over");
            }
        }
    }
}
