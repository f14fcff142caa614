//! Carrying out unwind instructions: from a function's registers to its caller's.
//!
//! *IHI 0038B, 9.3, Table 4*. The instructions work on a virtual stack pointer, which starts as sp.
//! Those that pop VFP registers only move it: code for this target has none, and a back-trace needs
//! none. Those that pop iWMMXt registers are refused, as is what the table calls spare or reserved.

use mm::addr::VirtAddr;

use super::{End, LR, PC, Place, ReadMemory, Registers, SP};

/// `vsp = r4`.
const CALL_ON: u8 = 0x94;

/// Why a frame could not be unwound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// An instruction is refused, spare, or cut off.
    Instruction,
    /// A saved register can not be read here.
    Unreadable(VirtAddr),
}

/// The registers of a caller, and where its frame may be.
pub(super) struct Caller {
    pub(super) registers: Registers,
    /// A return address, unless pc itself was popped, which is how the stubs' frames are described.
    pub(super) place: Place,
    /// May its frame lie anywhere? So it may where sp comes from a register that is no frame pointer, which is how
    /// the frame of a call on another stack is described.
    pub(super) stack: Stack,
}

/// Where the frame of a caller lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stack {
    /// Above the one that it called.
    Same,
    /// On another stack.
    Other,
}

/// Carries out `instructions`.
pub(super) fn unwind(
    memory: &impl ReadMemory,
    registers: &Registers,
    mut instructions: impl Iterator<Item = u8>,
) -> Result<Caller, Fault> {
    let mut machine = Machine { memory, registers: *registers, has_pc: false };
    let mut stack = Stack::Same;
    while let Some(instruction) = instructions.next() {
        let mut operand = || instructions.next().ok_or(Fault::Instruction);
        match instruction {
            0x00..=0x3f => machine.move_sp(4 * i64::from(instruction & 0x3f) + 4),
            0x40..=0x7f => machine.move_sp(-(4 * i64::from(instruction & 0x3f) + 4)),
            0x80..=0x8f => {
                let mask = u32::from(instruction & 0xf) << 8 | u32::from(operand()?);
                // An empty mask says: do not unwind.
                if mask == 0 {
                    return Err(Fault::Instruction);
                }
                machine.pop(mask << 4)?;
            }
            0x9d | 0x9f => return Err(Fault::Instruction),
            0x90..=0x9f => {
                if instruction == CALL_ON {
                    stack = Stack::Other;
                }
                machine.registers.0[SP] = machine.registers.0[usize::from(instruction & 0xf)];
            }
            0xa0..=0xaf => {
                let up_to = 0xff >> (7 - (instruction & 7));
                let lr = u32::from(instruction & 8 != 0) << LR;
                machine.pop(up_to << 4 | lr)?;
            }
            0xb0 => break,
            0xb1 => match operand()? {
                mask @ 0x01..=0x0f => machine.pop(mask.into())?,
                _ => return Err(Fault::Instruction),
            },
            0xb2 => {
                let mut offset = 0_u32;
                for shift in (0..28).step_by(7) {
                    let byte = operand()?;
                    offset |= u32::from(byte & 0x7f) << shift;
                    if byte & 0x80 == 0 {
                        break;
                    }
                    if shift == 21 {
                        return Err(Fault::Instruction);
                    }
                }
                machine.move_sp(0x204 + 4 * i64::from(offset));
            }
            // With FSTMX there is a word more than there are registers.
            0xb3 => machine.move_sp(vfp_bytes(operand()? & 0xf) + 4),
            0xb8..=0xbf => machine.move_sp(vfp_bytes(instruction & 7) + 4),
            0xc8 | 0xc9 => machine.move_sp(vfp_bytes(operand()? & 0xf)),
            0xd0..=0xd7 => machine.move_sp(vfp_bytes(instruction & 7)),
            _ => return Err(Fault::Instruction),
        }
    }
    let Machine { mut registers, has_pc, .. } = machine;
    if has_pc {
        // Across an exception the stack may be another one.
        return Ok(Caller { registers, place: Place::Exact, stack: Stack::Other });
    }
    registers.0[PC] = registers.0[LR];
    Ok(Caller { registers, place: Place::Return, stack })
}

/// The caller's registers, where the function has only just pushed those in `mask`, lr among them.
pub(super) fn pop(
    memory: &impl ReadMemory,
    registers: &Registers,
    mask: u32,
) -> Result<Registers, End> {
    let mut machine = Machine { memory, registers: *registers, has_pc: false };
    match machine.pop(mask) {
        Ok(()) => {}
        Err(Fault::Unreadable(at)) => return Err(End::Unreadable(at)),
        Err(Fault::Instruction) => return Err(End::BadTable(VirtAddr::new(registers.0[PC]))),
    }
    machine.registers.0[PC] = machine.registers.0[LR];
    Ok(machine.registers)
}

/// Bytes of the double-precision registers in a field that says one less.
fn vfp_bytes(count_less_one: u8) -> i64 {
    8 * (i64::from(count_less_one) + 1)
}

struct Machine<'m, M> {
    memory: &'m M,
    /// sp is the virtual stack pointer.
    registers: Registers,
    has_pc: bool,
}

impl<M: ReadMemory> Machine<'_, M> {
    /// Wraps like the hardware's; a pointer to nowhere is found when it is used.
    fn move_sp(&mut self, bytes: i64) {
        let sp = &mut self.registers.0[SP];
        *sp = (i64::from(*sp) + bytes) as u32;
    }

    /// Pops the registers whose bits are set, the lowest number first.
    fn pop(&mut self, mask: u32) -> Result<(), Fault> {
        let mut at = VirtAddr::new(self.registers.0[SP]);
        let mut new_sp = None;
        for number in (0..16).filter(|number| mask & 1 << number != 0) {
            let value = self.memory.word(at).ok_or(Fault::Unreadable(at))?;
            match number {
                SP => new_sp = Some(value),
                _ => self.registers.0[number] = value,
            }
            self.has_pc |= number == PC;
            at = at.checked_add(4).ok_or(Fault::Unreadable(at))?;
        }
        self.registers.0[SP] = new_sp.unwrap_or(at.as_u32());
        Ok(())
    }
}
