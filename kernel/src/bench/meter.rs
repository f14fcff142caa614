//! Two readings of the counter around one call, interrupts masked, the empty bracket subtracted.
//!
//! A reading is one piece of assembly ([`InstructionCounter::read`]), so a bracket around nothing
//! always counts the same, and what remains of one around a call is the call: the instructions that
//! set up its arguments, `bl`, and all that runs until it has returned.

use core::fmt;

use arch_arm::interrupt;
use arch_arm::pmu::InstructionCounter;
use workload::Meter;

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
        let mut empty = 0;
        for _ in 0..4 {
            // The last one counts; they are all the same.
            empty = bracket(counter, || ()).1;
        }
        Self { counter, empty, get: Sum::default(), put: Sum::default() }
    }

    /// The means.
    pub fn figures(&self) -> Figures {
        Figures { get: self.get.mean(), put: self.put.mean(), calls: self.get.calls }
    }
}

impl Meter for Brackets {
    #[inline(always)]
    fn get<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let (result, count) = bracket(self.counter, call);
        self.get.add(count - self.empty);
        result
    }

    #[inline(always)]
    fn put<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let (result, count) = bracket(self.counter, call);
        self.put.add(count - self.empty);
        result
    }
}

/// The result of `call`, and the instructions from one reading to the other.
#[inline(always)]
fn bracket<R>(counter: InstructionCounter, call: impl FnOnce() -> R) -> (R, u32) {
    let _no_others = interrupt::mask();
    let before = counter.read();
    let result = call();
    let after = counter.read();
    (result, after.since(before))
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
