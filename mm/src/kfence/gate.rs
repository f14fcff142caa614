//! When the next request is sampled.
//!
//! The gate opens once an interval, and the first request that finds it open closes it. It is looked at by requests
//! alone that the quick paths did not serve; whoever has it opened sees to it that there is one
//! (`mm::object::sampled`). A gate that nobody came by stays open: what is not used is not saved up.
//!
//! All words are relaxed: each is a fact by itself, and nothing is published by it.

use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

const CLOSED: u32 = 0;
const OPEN: u32 = 1;

/// The gate.
pub(super) struct Gate {
    state: AtomicU32,
    /// Ticks from one opening to the next; 0 for none.
    interval: AtomicU32,
    /// The tick from which on it may open.
    next: AtomicU32,
    /// How often it has opened: by this a CPU knows whether it has done its part.
    openings: AtomicU32,
}

/// What the gate is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GateState {
    /// It never opens.
    Off,
    /// The next request that comes by is sampled.
    Open,
    /// It opens when the interval is over.
    Closed,
}

impl Gate {
    pub(super) const fn off() -> Self {
        let zero = AtomicU32::new;
        Self { state: zero(CLOSED), interval: zero(0), next: zero(0), openings: zero(0) }
    }

    /// Has it open every so many ticks from now on, for the first time at the next one; 0 has it never open
    /// again.
    pub(super) fn set_interval(&self, ticks: u32, now: u32) {
        self.next.store(now, Relaxed);
        self.interval.store(ticks, Relaxed);
        if ticks == 0 {
            self.state.store(CLOSED, Relaxed);
        }
    }

    pub(super) fn interval(&self) -> u32 {
        self.interval.load(Relaxed)
    }

    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.state.load(Relaxed) != CLOSED
    }

    /// Opens it, whenever the last time was.
    pub(super) fn open(&self) {
        self.openings.fetch_add(1, Relaxed);
        self.state.store(OPEN, Relaxed);
    }

    /// Closes it. Of those who try at once, one is told that it was open.
    pub(super) fn close(&self) -> bool {
        self.state.swap(CLOSED, Relaxed) == OPEN
    }

    /// A tick has come: opens the gate if it is time. While it is open, says for which time it opened.
    pub(super) fn tick(&self, now: u32) -> Option<u32> {
        let interval = self.interval();
        if interval == 0 {
            return None;
        }
        let next = self.next.load(Relaxed);
        let is_due = (now.wrapping_sub(next) as i32) >= 0;
        // Of the CPUs whose ticks come at once, one opens it.
        if is_due
            && self
                .next
                .compare_exchange(next, now.wrapping_add(interval), Relaxed, Relaxed)
                .is_ok()
        {
            self.open();
        }
        self.is_open().then(|| self.openings.load(Relaxed))
    }

    pub(super) fn state(&self) -> GateState {
        match (self.is_open(), self.interval()) {
            (true, _) => GateState::Open,
            (false, 0) => GateState::Off,
            (false, _) => GateState::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_once_an_interval_also_where_ticks_wrap() {
        for start in [0, 7, u32::MAX - 40, i32::MAX as u32 - 3] {
            let gate = Gate::off();
            assert_eq!((gate.tick(start), gate.state()), (None, GateState::Off));
            gate.set_interval(25, start);
            let mut opened = Vec::new();
            for passed in 0..100 {
                if gate.tick(start.wrapping_add(passed)).is_some() {
                    opened.push(passed);
                    assert!(gate.close() && !gate.close());
                }
            }
            assert_eq!(opened, [0, 25, 50, 75]);
        }
    }

    #[test]
    fn a_gate_that_nobody_came_by_is_open_once() {
        let gate = Gate::off();
        gate.set_interval(10, 0);
        assert_eq!([0, 5, 10, 25].map(|now| gate.tick(now)), [Some(1), Some(1), Some(2), Some(3)]);
        assert!(gate.close());
        assert_eq!((gate.tick(26), gate.state()), (None, GateState::Closed));
        gate.set_interval(0, 26);
        gate.open();
        gate.set_interval(0, 27);
        assert_eq!((gate.state(), gate.tick(100)), (GateState::Off, None));
    }
}
