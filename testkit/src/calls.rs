//! The maintenance calls of a scenario, counted, of which one can be left out.

use std::fmt;
use std::panic::Location;

use crate::cache::LineOp;
use crate::tlb::Entries;

/// A data synchronization barrier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dsb {
    /// `dsb ishst`: stores only.
    InnerStores,
    /// `dsb ish`: all CPUs.
    Inner,
    /// `dsb nsh`: this CPU.
    Local,
    /// `dsb sy`: all CPUs and devices.
    System,
}

/// Whose TLBs an operation is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// This CPU's.
    Local,
    /// All of them.
    InnerShareable,
}

/// A maintenance operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// A data synchronization barrier.
    Dsb(Dsb),
    /// An instruction synchronization barrier.
    Isb,
    /// A TLB operation.
    Tlbi(Scope, Entries),
    /// A cache operation.
    Line(LineOp),
}

/// A maintenance call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its number, from 0.
    pub number: usize,
    /// What it was.
    pub op: Op,
    /// The CPU.
    pub cpu: usize,
    /// Where it was called.
    pub at: &'static Location<'static>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, op, cpu, at } = self;
        write!(f, "call {number}, {op:?} on CPU {cpu} at {at}")
    }
}

/// All calls so far.
#[derive(Default, Debug)]
pub(crate) struct Calls {
    made: Vec<Call>,
    dropped: Option<usize>,
}

impl Calls {
    pub(crate) fn drop_call(&mut self, number: usize) {
        self.dropped = Some(number);
    }

    /// Counts a call. Is it to be done?
    pub(crate) fn count(&mut self, op: Op, cpu: usize, at: &'static Location<'static>) -> bool {
        let number = self.made.len();
        self.made.push(Call { number, op, cpu, at });
        self.dropped != Some(number)
    }

    pub(crate) fn made(&self) -> &[Call] {
        &self.made
    }
}
