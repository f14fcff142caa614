//! Two readings of the counter around one call, interrupts masked, the empty bracket subtracted.
//!
//! A reading is one piece of assembly ([`InstructionCounter::read`]), so a bracket around nothing
//! always counts the same. The brackets are functions of their own, small enough that all they need
//! stays in registers: what remains of one around a call is `bl` and all that runs until it has
//! returned, and now and then a move into the register of an argument. So a figure does not depend on
//! the shape.

use core::fmt;
use core::hint::black_box;

use arch_arm::interrupt;
use arch_arm::pmu::InstructionCounter;
use workload::{Meter, Subject};

/// Sums of instructions, and of how many calls.
pub struct Brackets {
    counter: InstructionCounter,
    empty: u32,
    get: Sum,
    put: Sum,
}

impl Brackets {
    /// No call yet.
    pub fn new(counter: InstructionCounter) -> Self {
        Self { counter, empty: nothing(counter), get: Sum::default(), put: Sum::default() }
    }

    /// The means.
    pub fn figures(&self) -> Figures {
        Figures { get: self.get.mean(), put: self.put.mean(), calls: self.get.calls }
    }
}

impl Meter for Brackets {
    fn get<S: Subject>(&mut self, subject: &mut S) -> Option<S::Block> {
        let (block, count) = get(self.counter, subject);
        self.get.add(count - self.empty);
        block
    }

    fn put<S: Subject>(&mut self, subject: &mut S, block: S::Block) {
        let count = put(self.counter, subject, block);
        self.put.add(count - self.empty);
    }
}

/// The instructions between two readings with nothing between them.
#[inline(never)]
fn nothing(counter: InstructionCounter) -> u32 {
    let _no_others = interrupt::mask();
    let before = counter.read();
    let after = counter.read();
    after.since(before)
}

#[inline(never)]
fn get<S: Subject>(counter: InstructionCounter, subject: &mut S) -> (Option<S::Block>, u32) {
    let _no_others = interrupt::mask();
    let given = subject.given();
    let before = counter.read();
    let got = S::get(given);
    let after = counter.read();
    // The compiler must not look at the answer any sooner.
    (S::block(black_box(got)), after.since(before))
}

#[inline(never)]
fn put<S: Subject>(counter: InstructionCounter, subject: &mut S, block: S::Block) -> u32 {
    let _no_others = interrupt::mask();
    let given = subject.given();
    let before = counter.read();
    S::put(given, block);
    let after = counter.read();
    after.since(before)
}

/// Instructions of so many calls.
#[derive(Clone, Copy, Default)]
struct Sum {
    instructions: u64,
    calls: u32,
}

impl Sum {
    fn add(&mut self, instructions: u32) {
        self.instructions += u64::from(instructions);
        self.calls += 1;
    }

    fn mean(self) -> Hundredths {
        let calls = u64::from(self.calls.max(1));
        Hundredths((self.instructions * 100 + calls / 2) / calls)
    }
}

/// Guest instructions for each call, and of how many that is the mean.
#[derive(Clone, Copy)]
pub struct Figures {
    /// To take a block.
    pub get: Hundredths,
    /// To give it back.
    pub put: Hundredths,
    /// How many takings; as many givings back, or nearly as many.
    pub calls: u32,
}

impl Figures {
    /// Both together.
    pub fn pair(&self) -> Hundredths {
        Hundredths(self.get.0 + self.put.0)
    }
}

/// A number with two decimals.
#[derive(Clone, Copy)]
pub struct Hundredths(u64);

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
