//! Back-traces: who called whom, from a set of registers and what the stack holds.
//!
//! The compiler describes each function's frame in the unwind tables of the ARM EHABI (*ARM IHI 0038B,
//! Exception Handling ABI for the ARM Architecture*), which the linker collects into an index sorted by
//! address. [`Unwinder`] walks up with them:
//!
//! ```text
//! pc ─▶ index ─▶ instructions ─▶ the caller's registers, pc among them ─▶ and again
//!        table      frame
//! ```
//!
//! - `table` finds a function's entry and the bytes of its unwind instructions;
//! - `frame` carries them out;
//! - `prologue` says what to do instead where an exception struck before the frame was complete.
//!
//! A back-trace crosses exceptions, and calls on other stacks ([`call_on`](super)). The stubs' own entry tells where the interrupted registers lie, pc
//! included, which no compiled function saves: that is how such a frame is known.
//!
//! Invariants: a walk ends, whatever stack and tables hold. It reads memory only through
//! [`ReadMemory`], pc stays in the code, and the stack pointer moves up with every call that is left, unless that was
//! one on another stack.

mod frame;
mod prologue;
mod table;
#[cfg(test)]
pub(super) mod tests;

use core::fmt;

use mm::addr::{VirtAddr, VirtRange};

use super::registers::TrapFrame;
use frame::{Caller, Stack};

/// The most frames that a back-trace goes up: more than fit the boot stack.
const MAX_FRAMES: usize = 4096;

/// Memory, for one who follows addresses that may be corrupt.
pub trait ReadMemory {
    /// The word at `address`; `None` unless it is a multiple of 4 and can be read.
    fn word(&self, address: VirtAddr) -> Option<u32>;
}

/// Where code and its unwind tables are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The instructions.
    pub text: VirtRange,
    /// The index, `.ARM.exidx`: two words for each function, sorted by address.
    pub index: VirtRange,
}

/// What a frame's pc is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The instruction at which an exception struck, or at which the walk began.
    Exact,
    /// The instruction to return to. The call is the one before it, and may be the last of its
    /// function.
    Return,
}

/// One step of a back-trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Where execution was.
    pub pc: VirtAddr,
    /// What `pc` is.
    pub place: Place,
    /// The stack pointer there.
    pub sp: VirtAddr,
}

impl Frame {
    /// An address in the instruction that is meant, to look up whose it is.
    #[must_use]
    pub const fn instruction(&self) -> VirtAddr {
        match self.place {
            Place::Exact => self.pc,
            // Any byte of the call.
            Place::Return => VirtAddr::new(self.pc.as_u32().wrapping_sub(1)),
        }
    }
}

/// Why a back-trace ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Nobody called this one: the entry code left 0 to return to.
    Outermost,
    /// There is no code at this address.
    NotCode(VirtAddr),
    /// The function around this address has no unwind instructions.
    CannotUnwind(VirtAddr),
    /// The tables for this address are of no use: damaged, or of a kind that no compiler of kernels
    /// makes.
    BadTable(VirtAddr),
    /// The stack can not be read here.
    Unreadable(VirtAddr),
    /// The caller's frame would not lie above the called one's.
    BadStack(VirtAddr),
    /// More frames than any stack has room for.
    TooDeep,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outermost => f.write_str("the outermost frame"),
            Self::NotCode(pc) => write!(f, "{pc} is not in the code"),
            Self::CannotUnwind(pc) => write!(f, "no unwind instructions for {pc}"),
            Self::BadTable(pc) => write!(f, "bad unwind instructions for {pc}"),
            Self::Unreadable(at) => write!(f, "the stack can not be read at {at}"),
            Self::BadStack(sp) => write!(f, "the stack does not go on at {sp}"),
            Self::TooDeep => f.write_str("too many frames"),
        }
    }
}

/// r0 to r15 as far as they are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registers([u32; 16]);

/// Numbers of registers.
pub(crate) const FP: usize = 11;
pub(crate) const SP: usize = 13;
pub(crate) const LR: usize = 14;
pub(crate) const PC: usize = 15;

impl From<&TrapFrame> for Registers {
    fn from(frame: &TrapFrame) -> Self {
        let mut r = [0; 16];
        r[..SP].copy_from_slice(&frame.r);
        (r[SP], r[LR], r[PC]) = (frame.sp, frame.lr, frame.pc);
        Self(r)
    }
}

/// A walk up the stack, one frame at a time, the one that it starts with included.
#[derive(Debug)]
pub struct Unwinder<'m, M> {
    memory: &'m M,
    code: Code,
    registers: Registers,
    place: Place,
    frames: usize,
    end: Option<End>,
}

impl<'m, M: ReadMemory> Unwinder<'m, M> {
    /// Starts at what `frame` holds.
    #[must_use]
    pub fn new(memory: &'m M, code: Code, frame: &TrapFrame) -> Self {
        let registers = Registers::from(frame);
        Self { memory, code, registers, place: Place::Exact, frames: 0, end: None }
    }

    /// Why there are no more frames; `None` while there may be.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    fn frame(&self) -> Frame {
        let Registers(r) = self.registers;
        Frame { pc: VirtAddr::new(r[PC]), place: self.place, sp: VirtAddr::new(r[SP]) }
    }

    /// Goes to the caller.
    fn step(&mut self) -> Result<(), End> {
        let here = self.frame();
        let instruction = here.instruction();
        if !self.code.text.contains(instruction) {
            // A jump to nowhere: lr says where it came from, if it was a call.
            return self.return_by_lr(0, End::NotCode(here.pc));
        }
        let entry = table::find(self.memory, self.code.index, instruction)
            .ok_or(End::CannotUnwind(here.pc))?;
        let instructions = match table::instructions(self.memory, &entry) {
            Ok(Some(instructions)) => instructions,
            // Assembly: as long as it calls nobody, lr is still its own.
            Ok(None) => return self.return_by_lr(0, End::CannotUnwind(here.pc)),
            Err(table::BadEntry) => return Err(End::BadTable(here.pc)),
        };
        if here.place == Place::Exact {
            match prologue::state(self.memory, entry.function, here.pc) {
                prologue::State::Complete => {}
                prologue::State::NotBegun { spilled } => {
                    return self.return_by_lr(spilled, End::BadTable(here.pc));
                }
                prologue::State::Pushed { mask, spilled } => {
                    let mut registers = frame::pop(self.memory, &self.registers, mask)?;
                    registers.0[SP] = registers.0[SP].wrapping_add(spilled);
                    let (place, stack) = (Place::Return, Stack::Same);
                    return self.go_to(&Caller { registers, place, stack });
                }
            }
        }
        let caller = frame::unwind(self.memory, &self.registers, instructions).map_err(
            |fault| match fault {
                frame::Fault::Instruction => End::BadTable(here.pc),
                frame::Fault::Unreadable(at) => End::Unreadable(at),
            },
        )?;
        self.go_to(&caller)
    }

    /// Takes lr for the return address: right for a function that has saved nothing yet, and only
    /// where an exception struck, since every call overwrites lr. The caller's sp is `spilled` bytes higher.
    fn return_by_lr(&mut self, spilled: u32, otherwise: End) -> Result<(), End> {
        let Registers(r) = self.registers;
        let leads_on = r[LR] == 0 || self.code.text.contains(VirtAddr::new(r[LR].wrapping_sub(1)));
        if self.place != Place::Exact || r[LR] == r[PC] || !leads_on {
            return Err(otherwise);
        }
        let mut caller = self.registers;
        caller.0[PC] = r[LR];
        caller.0[SP] = caller.0[SP].wrapping_add(spilled);
        // Nothing says that sp is any good, so it is not asked to have moved.
        self.registers = caller;
        self.place = Place::Return;
        self.check_outermost()
    }

    fn go_to(&mut self, caller: &Caller) -> Result<(), End> {
        let Caller { registers: caller, place, stack } = *caller;
        let (old, new) = (self.registers.0[SP], caller.0[SP]);
        let moves_up =
            new > old || stack == Stack::Other || self.place == Place::Exact && new == old;
        if !moves_up || !new.is_multiple_of(4) {
            return Err(End::BadStack(VirtAddr::new(new)));
        }
        self.registers = caller;
        self.place = place;
        self.check_outermost()
    }

    fn check_outermost(&self) -> Result<(), End> {
        if self.registers.0[PC] == 0 && self.place == Place::Return {
            return Err(End::Outermost);
        }
        Ok(())
    }
}

impl<M: ReadMemory> Iterator for Unwinder<'_, M> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        if self.end.is_some() {
            return None;
        }
        if self.frames == MAX_FRAMES {
            self.end = Some(End::TooDeep);
            return None;
        }
        if self.frames > 0
            && let Err(end) = self.step()
        {
            self.end = Some(end);
            return None;
        }
        self.frames += 1;
        Some(self.frame())
    }
}
