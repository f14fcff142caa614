//! Failures on purpose: `fail_page_alloc=` for pages, `failslab=` for objects.
//!
//! | parameter | whose requests | `space` counts |
//! |---|---|---|
//! | [`FAIL_PAGE_ALLOC`] | the page allocator's: [`zone::debug`](crate::zone::debug) | pages |
//! | [`FAILSLAB`] | the slab allocator's: [`object::failing`](crate::object::failing) | bytes of objects |
//!
//! A parameter has Linux's form, `<interval>,<probability>,<space>,<times>`: of the requests that come
//! when `space` has been handed out, each `interval`-th fails, with a probability in percent, `times`
//! times at most (-1: always). A single number *n* is short for *the n-th request fails, once*. So a test
//! walks *n* upwards until nothing fails, and one in *n* is `n,100,0,-1`.
//!
//! Unlike Linux's, failures do not depend on the flags: a request that may reclaim fails like any other.
//! Only `__GFP_NOFAIL` does not, since that is its promise.

use core::fmt;

use crate::sync::{AtomicU32, Ordering::Relaxed};
use crate::zone::Gfp;

/// The parameter that makes requests for pages fail.
pub const FAIL_PAGE_ALLOC: &str = "fail_page_alloc";
/// The parameter that makes requests for objects fail.
pub const FAILSLAB: &str = "failslab";

/// Which requests fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailConfig {
    /// Every so many requests one fails; 0 for none at all.
    pub interval: u32,
    /// And then only with this probability, in percent.
    pub probability: u32,
    /// Pages, or bytes of objects, that are handed out before the first failure.
    pub space: u32,
    /// The most failures; `None` without a limit.
    pub times: Option<u32>,
}

/// Text that says no [`FailConfig`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadFailConfig<'a> {
    /// The parameter: [`FAIL_PAGE_ALLOC`] or [`FAILSLAB`].
    pub parameter: &'static str,
    /// The part that can not be read.
    pub part: &'a str,
}

impl fmt::Display for BadFailConfig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, part } = self;
        write!(
            f,
            "{part:?} in {parameter}=: N, or INTERVAL,PROBABILITY,SPACE,TIMES was expected \
             (PROBABILITY 0 to 100, TIMES -1 for always)"
        )
    }
}

impl core::error::Error for BadFailConfig<'_> {}

/// A parameter's value.
impl fmt::Display for FailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interval, probability, space, times } = self;
        write!(f, "{interval},{probability},{space},")?;
        match times {
            Some(times) => write!(f, "{times}"),
            None => f.write_str("-1"),
        }
    }
}

impl FailConfig {
    /// Nothing fails.
    pub const OFF: Self = Self { interval: 0, probability: 0, space: 0, times: Some(0) };

    /// The `n`-th request from now on fails, and no other.
    #[must_use]
    pub const fn nth(n: u32) -> Self {
        Self { interval: n, probability: 100, space: 0, times: Some(1) }
    }

    /// Each `n`-th request fails.
    #[must_use]
    pub const fn one_in(n: u32) -> Self {
        Self { interval: n, probability: 100, space: 0, times: None }
    }

    /// Reads the value of this parameter.
    ///
    /// # Errors
    ///
    /// [`BadFailConfig`] with the part that is no number, out of range, or one too many.
    pub fn parse<'a>(parameter: &'static str, text: &'a str) -> Result<Self, BadFailConfig<'a>> {
        let bad = |part| BadFailConfig { parameter, part };
        let number = |part: &str| part.trim().parse::<u32>().ok();
        let mut parts = text.split(',');
        let mut next = || parts.next();
        let Some(interval) = next() else { return Err(bad(text)) };
        let interval_read = number(interval).ok_or(bad(interval))?;
        let Some(probability) = next() else { return Ok(Self::nth(interval_read)) };
        let probability =
            number(probability).filter(|percent| *percent <= 100).ok_or(bad(probability))?;
        let space = next().ok_or(bad(text))?;
        let space = number(space).ok_or(bad(space))?;
        let times = next().ok_or(bad(text))?;
        let times = match times.trim() {
            "-1" => None,
            count => Some(number(count).ok_or(bad(times))?),
        };
        match next() {
            Some(part) => Err(bad(part)),
            None => Ok(Self { interval: interval_read, probability, space, times }),
        }
    }
}

/// The configuration at work. Words are independent of each other: while somebody changes them, a
/// request may see some of the old ones.
pub(crate) struct Fault {
    interval: AtomicU32,
    probability: AtomicU32,
    /// What is still to be handed out before the first failure.
    space: AtomicU32,
    /// Failures still to come; `u32::MAX` without a limit.
    times: AtomicU32,
    /// Requests that were counted.
    seen: AtomicU32,
    failed: AtomicU32,
    /// What probabilities are drawn from.
    random: AtomicU32,
}

impl Fault {
    pub(crate) fn off() -> Self {
        let zero = || AtomicU32::new(0);
        Self {
            interval: zero(),
            probability: zero(),
            space: zero(),
            times: zero(),
            seen: zero(),
            failed: zero(),
            random: AtomicU32::new(0x2545_f491),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.interval.load(Relaxed) != 0
    }

    pub(crate) fn set(&self, config: FailConfig) {
        self.interval.store(0, Relaxed);
        self.probability.store(config.probability, Relaxed);
        self.space.store(config.space, Relaxed);
        self.times.store(config.times.unwrap_or(u32::MAX), Relaxed);
        self.seen.store(0, Relaxed);
        self.failed.store(0, Relaxed);
        self.interval.store(config.interval, Relaxed);
    }

    /// What is still to come: `space` and `times` are what is left of them.
    pub(crate) fn config(&self) -> FailConfig {
        let times = self.times.load(Relaxed);
        FailConfig {
            interval: self.interval.load(Relaxed),
            probability: self.probability.load(Relaxed),
            space: self.space.load(Relaxed),
            times: (times != u32::MAX).then_some(times),
        }
    }

    pub(crate) fn failed(&self) -> u32 {
        self.failed.load(Relaxed)
    }

    /// Is a request with these flags to fail? If not, it takes `cost` of the space.
    pub(crate) fn fails(&self, gfp: Gfp, cost: u32) -> bool {
        if gfp.never_fails() {
            return false;
        }
        let less = |space: u32| space.checked_sub(cost).or((space > 0).then_some(0));
        if self.space.fetch_update(Relaxed, Relaxed, less).is_ok() {
            return false;
        }
        let interval = self.interval.load(Relaxed);
        if interval == 0 {
            // Somebody is changing the words just now.
            return false;
        }
        let number = self.seen.fetch_add(1, Relaxed).wrapping_add(1);
        if !number.is_multiple_of(interval) || self.percent() >= self.probability.load(Relaxed) {
            return false;
        }
        let one_less = |times: u32| match times {
            u32::MAX => Some(u32::MAX),
            times => times.checked_sub(1),
        };
        let fails = self.times.fetch_update(Relaxed, Relaxed, one_less).is_ok();
        if fails {
            self.failed.fetch_add(1, Relaxed);
        }
        fails
    }

    /// A number from 0 to 99: the same ones on every run.
    fn percent(&self) -> u32 {
        let step = |mut word: u32| {
            word ^= word << 13;
            word ^= word >> 17;
            word ^= word << 5;
            Some(word)
        };
        self.random.fetch_update(Relaxed, Relaxed, step).unwrap_or(0) % 100
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_linuxs_or_a_number() {
        assert_eq!(FailConfig::parse(FAILSLAB, "7"), Ok(FailConfig::nth(7)));
        assert_eq!(FailConfig::parse(FAILSLAB, "7,100,0,-1"), Ok(FailConfig::one_in(7)));
        let all = FailConfig { interval: 2, probability: 10, space: 4096, times: Some(3) };
        assert_eq!(FailConfig::parse(FAILSLAB, "2,10,4096,3"), Ok(all));
        let bad = |part| BadFailConfig { parameter: FAILSLAB, part };
        for (text, part) in [
            ("", ""),
            ("x", "x"),
            ("-1", "-1"),
            ("1,", ""),
            ("1,101,0,1", "101"),
            ("1,100", "1,100"),
            ("1,100,0", "1,100,0"),
            ("1,100,y,1", "y"),
            ("1,100,0,-2", "-2"),
            ("1,100,0,1,5", "5"),
        ] {
            assert_eq!(FailConfig::parse(FAILSLAB, text), Err(bad(part)), "{text}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_and_what_was_set_is_what_is_there() {
        for text in ["7,100,0,-1", "2,10,4096,3", "0,0,0,0"] {
            let config = FailConfig::parse(FAILSLAB, text).unwrap();
            assert_eq!(config.to_string(), text);
            let fault = Fault::off();
            fault.set(config);
            assert_eq!(fault.config(), config);
        }
        let fault = Fault::off();
        assert_eq!(fault.config(), FailConfig::OFF);
        fault.set(FailConfig { space: 5, times: Some(2), ..FailConfig::one_in(1) });
        for left in ["1,100,1,2", "1,100,0,2", "1,100,0,1", "1,100,0,0", "1,100,0,0"] {
            fault.fails(Gfp::GFP_KERNEL, 4);
            assert_eq!(fault.config().to_string(), left);
        }
    }

    fn failures(config: FailConfig, requests: u32) -> Vec<u32> {
        let fault = Fault::off();
        fault.set(config);
        let fails = |_: &u32| fault.fails(Gfp::GFP_KERNEL, 1);
        (1..=requests).filter(fails).collect()
    }

    #[test]
    fn the_nth_or_each_nth_request_fails() {
        assert_eq!(failures(FailConfig::nth(3), 10), [3]);
        assert_eq!(failures(FailConfig::one_in(3), 10), [3, 6, 9]);
        let limited = FailConfig { times: Some(2), ..FailConfig::one_in(3) };
        assert_eq!(failures(limited, 10), [3, 6]);
        let later = FailConfig { space: 4, ..FailConfig::one_in(3) };
        assert_eq!(failures(later, 10), [7, 10]);
    }

    #[test]
    fn probabilities_come_out_about_right() {
        let half = FailConfig { probability: 50, ..FailConfig::one_in(1) };
        let count = failures(half, 10_000).len();
        assert!((4_500..5_500).contains(&count), "{count}");
        assert!(failures(FailConfig { probability: 0, ..half }, 100).is_empty());
    }

    #[test]
    fn what_must_not_fail_does_not() {
        let fault = Fault::off();
        fault.set(FailConfig::one_in(1));
        assert!(!fault.fails(Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL, 1));
        assert!(fault.fails(Gfp::GFP_KERNEL, 1));
        assert_eq!(fault.failed(), 1);
    }
}
