//! Back-traces of call chains that are made up here, executed instruction by instruction by a model
//! that knows prologues and nothing of unwinding.

use std::collections::BTreeMap;

use mm::addr::{VirtAddr, VirtRange};
use proptest::prelude::*;

use super::*;
use crate::trap::Psr;

pub(in crate::trap) const TEXT: u32 = 0xc020_0000;
/// Bytes of each made-up function.
pub(in crate::trap) const FUNCTION_BYTES: u32 = 0x40;
const INDEX: u32 = 0xc030_0000;
const TABLE: u32 = 0xc031_0000;
const STACK_TOP: u32 = 0xc041_0000;
const OTHER_STACK_TOP: u32 = 0xc040_0000;
const CANNOT_UNWIND: u32 = 1;

/// Words of memory; what is not there can not be read.
#[derive(Clone, Debug, Default)]
pub(in crate::trap) struct Words(pub(in crate::trap) BTreeMap<u32, u32>);

impl ReadMemory for Words {
    fn word(&self, address: VirtAddr) -> Option<u32> {
        self.0.get(&address.as_u32()).copied()
    }
}

fn prel31(at: u32, target: u32) -> u32 {
    target.wrapping_sub(at) & 0x7fff_ffff
}

/// What a made-up function does before its body.
#[derive(Clone, Debug)]
pub(in crate::trap) struct Shape {
    /// Which of r4 to r10 it saves, as a mask; fp and lr always.
    saves: u32,
    /// Bytes of locals.
    locals: u32,
    /// Instructions before the prologue.
    before: u32,
    /// The entry is in `.ARM.extab`, whether or not it would fit the index.
    is_elsewhere: bool,
}

impl Shape {
    fn mask(&self) -> u32 {
        self.saves | 1 << FP | 1 << LR
    }

    /// The unwind instructions: sp = fp - what lies below it, then everything is popped.
    fn instructions(&self) -> Vec<u8> {
        let below = self.saves.count_ones();
        let mut bytes = vec![0x90 | FP as u8];
        if below > 0 {
            bytes.push(0x40 | (below - 1) as u8);
        }
        let mask = self.mask() >> 4;
        bytes.extend([0x80 | (mask >> 8) as u8, mask as u8]);
        bytes
    }

    fn code(&self) -> Vec<u32> {
        let mut code = vec![0xe1a0_0000; self.before as usize];
        code.push(0xe92d_0000 | self.mask());
        code.push(0xe28d_b000 | (4 * self.saves.count_ones()));
        code.push(0xe24d_d000 | self.locals);
        code.resize(FUNCTION_BYTES as usize / 4 - 3, 0xe1a0_0000);
        code.push(0xe24b_d000 | (4 * self.saves.count_ones()));
        code.push(0xe8bd_0000 | self.mask());
        code.push(0xea00_0000);
        code
    }
}

/// A program of such functions, one after the other, and its memory.
#[derive(Clone, Debug)]
pub(in crate::trap) struct Program {
    shapes: Vec<Shape>,
    pub(in crate::trap) memory: Words,
}

impl Program {
    /// The functions, then one that is described as the stubs are, then one of assembly.
    pub(in crate::trap) fn new(shapes: Vec<Shape>) -> Self {
        let mut memory = Words::default();
        let mut entries: Vec<u32> = Vec::new();
        let mut table = TABLE;
        for (number, shape) in shapes.iter().enumerate() {
            let start = TEXT + FUNCTION_BYTES * number as u32;
            for (at, word) in (start..).step_by(4).zip(shape.code()) {
                memory.0.insert(at, word);
            }
            let second = INDEX + 8 * number as u32 + 4;
            let instructions = shape.instructions();
            entries.push(if instructions.len() <= 3 && !shape.is_elsewhere {
                word_of(0x80, &instructions)
            } else {
                let here = table;
                for word in entry_elsewhere(&instructions) {
                    memory.0.insert(table, word);
                    table += 4;
                }
                prel31(second, here)
            });
        }
        memory.0.insert(table, word_of(0x81, &[1, 0xb1, 0x0f]));
        memory.0.insert(table + 4, 0x8fff_b0b0);
        entries.push(prel31(INDEX + 8 * shapes.len() as u32 + 4, table));
        entries.push(CANNOT_UNWIND);
        entries.push(CANNOT_UNWIND);
        for (number, word) in entries.into_iter().enumerate() {
            let (at, start) = (INDEX + 8 * number as u32, TEXT + FUNCTION_BYTES * number as u32);
            memory.0.insert(at, prel31(at, start));
            memory.0.insert(at + 4, word);
        }
        Self { shapes, memory }
    }

    fn stub(&self) -> u32 {
        TEXT + FUNCTION_BYTES * self.shapes.len() as u32
    }

    fn assembly(&self) -> u32 {
        self.stub() + FUNCTION_BYTES
    }

    pub(in crate::trap) fn code(&self) -> Code {
        let end = self.assembly() + FUNCTION_BYTES;
        let index_bytes = 8 * (self.shapes.len() as u32 + 3);
        Code {
            text: VirtRange::new(VirtAddr::new(TEXT), VirtAddr::new(end)),
            index: VirtRange::new(VirtAddr::new(INDEX), VirtAddr::new(INDEX + index_bytes)),
        }
    }

    /// The same code as two pieces, as if all functions from number `first` on were a module's.
    fn pieces(&self, first: usize) -> [Code; 2] {
        let Code { text, index } = self.code();
        let (text_cut, index_cut) = (FUNCTION_BYTES * first as u32, 8 * first as u32);
        let cut = |range: VirtRange, at: u32| {
            let at = range.start().checked_add(at).unwrap();
            (VirtRange::new(range.start(), at), VirtRange::new(at, range.end()))
        };
        let ((kernel, module), (kernels, modules)) = (cut(text, text_cut), cut(index, index_cut));
        [Code { text: module, index: modules }, Code { text: kernel, index: kernels }]
    }

    fn trace(&self, frame: &TrapFrame) -> (Vec<Frame>, Option<End>) {
        self.trace_in(self.code(), frame)
    }

    fn trace_in(&self, code: impl FindCode, frame: &TrapFrame) -> (Vec<Frame>, Option<End>) {
        let mut unwinder = Unwinder::new(&self.memory, code, frame);
        let frames = unwinder.by_ref().collect();
        (frames, unwinder.end())
    }
}

fn word_of(first: u8, rest: &[u8]) -> u32 {
    let mut bytes = [0xb0; 4];
    bytes[0] = first;
    bytes[1..=rest.len()].copy_from_slice(rest);
    u32::from_be_bytes(bytes)
}

/// The words of an entry in `.ARM.extab`: model 0 if it fits, model 1 otherwise.
fn entry_elsewhere(instructions: &[u8]) -> Vec<u32> {
    if let 0..=3 = instructions.len() {
        return vec![word_of(0x80, instructions)];
    }
    let (first, rest) = instructions.split_at(2);
    let more: Vec<u32> = rest.chunks(4).map(|bytes| word_of(bytes[0], &bytes[1..])).collect();
    let count = more.len() as u8;
    [vec![word_of(0x81, &[count, first[0], first[1]])], more].concat()
}

/// A processor that executes prologues and calls.
#[derive(Clone, Debug)]
pub(in crate::trap) struct Cpu {
    pub(in crate::trap) r: [u32; 16],
    /// What a back-trace should say, outermost first: `(pc, place, sp)`.
    expected: Vec<(u32, Place, u32)>,
    /// As in a return address: 1 for a program whose instructions are said to be Thumb's.
    thumb: u32,
}

impl Cpu {
    fn new() -> Self {
        let mut r: [u32; 16] = core::array::from_fn(|n| 0x1111_1111 * n as u32);
        (r[FP], r[SP], r[LR]) = (0, STACK_TOP, 0);
        Self { r, expected: Vec::new(), thumb: 0 }
    }

    pub(in crate::trap) fn frame(&self) -> TrapFrame {
        TrapFrame {
            r: *self.r.first_chunk().unwrap(),
            sp: self.r[SP],
            lr: self.r[LR],
            pc: self.r[PC],
            psr: Psr::new(0x1d3 | self.thumb << 5),
        }
    }

    /// Executes the next `count` instructions of the function of this shape, as far as they matter.
    fn run(&mut self, shape: &Shape, count: u32, memory: &mut Words) {
        const EPILOGUE: u32 = FUNCTION_BYTES / 4 - 3;
        for step in 0..count {
            match step.checked_sub(shape.before) {
                _ if step == EPILOGUE => self.r[SP] = self.r[FP] - 4 * shape.saves.count_ones(),
                _ if step == EPILOGUE + 1 => {
                    for number in (0..16).filter(|n| shape.mask() & 1 << n != 0) {
                        self.r[number] = memory.0[&self.r[SP]];
                        self.r[SP] += 4;
                    }
                }
                Some(0) => {
                    for number in (0..16).rev().filter(|n| shape.mask() & 1 << n != 0) {
                        self.r[SP] -= 4;
                        memory.0.insert(self.r[SP], self.r[number]);
                    }
                }
                Some(1) => self.r[FP] = self.r[SP] + 4 * shape.saves.count_ones(),
                Some(2) => self.r[SP] -= shape.locals,
                Some(3) => {
                    // The body uses what it has saved.
                    for number in (4..11).filter(|n| shape.saves & 1 << n != 0) {
                        self.r[number] = 0xdead_0000 + step;
                    }
                }
                _ => {}
            }
            self.r[PC] += 4;
        }
    }

    /// Calls the function at `target` with the instruction at pc.
    fn call(&mut self, target: u32) {
        self.r[LR] = (self.r[PC] + 4) | self.thumb;
        self.expected.push((self.r[PC] + 4, Place::Return, self.r[SP]));
        self.r[PC] = target;
    }
}

/// Runs through functions 0, 1, 2 …, each calling the next. An exception strikes in the function of
/// number `struck` before it calls; its handler goes on with the next on the stack given. The last
/// function executes `last` instructions.
pub(in crate::trap) fn run(program: &mut Program, struck: Option<(usize, u32)>, last: u32) -> Cpu {
    run_as(Cpu::new(), program, struck, last)
}

fn run_as(mut cpu: Cpu, program: &mut Program, struck: Option<(usize, u32)>, last: u32) -> Cpu {
    cpu.r[PC] = TEXT;
    let stub = program.stub();
    let shapes = program.shapes.clone();
    for (number, shape) in shapes.iter().enumerate() {
        let next = TEXT + FUNCTION_BYTES * (number as u32 + 1);
        if number + 1 == shapes.len() {
            cpu.run(shape, last, &mut program.memory);
            break;
        }
        match struck {
            Some((at, stack)) if at == number => {
                // Anywhere in the prologue.
                cpu.run(shape, stack % 5 + shape.before, &mut program.memory);
                cpu.expected.push((cpu.r[PC], Place::Exact, cpu.r[SP]));
                let frame = if stack % 2 == 0 { cpu.r[SP] } else { OTHER_STACK_TOP } - 80;
                for (number, value) in cpu.r.into_iter().enumerate() {
                    program.memory.0.insert(frame + 4 * number as u32, value);
                }
                program.memory.0.insert(frame + 64, 0x1d3 | cpu.thumb << 5);
                (cpu.r[SP], cpu.r[PC]) = (frame, stub + 8);
            }
            _ => cpu.run(shape, shape.before + 6, &mut program.memory),
        }
        cpu.call(next);
    }
    cpu.expected.push((cpu.r[PC], Place::Exact, cpu.r[SP]));
    cpu
}

fn shape() -> impl Strategy<Value = Shape> {
    (0_u32..0x80, 0_u32..8, 0_u32..3, any::<bool>()).prop_map(
        |(saves, locals, before, is_elsewhere)| Shape {
            saves: saves << 4,
            locals: locals * 8,
            before,
            is_elsewhere,
        },
    )
}

fn as_expected(frames: &[Frame]) -> Vec<(u32, Place, u32)> {
    let reversed = frames.iter().rev();
    reversed.map(|frame| (frame.pc.as_u32(), frame.place, frame.sp.as_u32())).collect()
}

proptest! {
    /// Whatever instruction the walk starts at, and across an exception at any instruction.
    #[test]
    fn every_caller_is_found(
        shapes in prop::collection::vec(shape(), 1..12),
        struck in prop::option::of((0_usize..10, 0_u32..1000)),
        last in 0..FUNCTION_BYTES / 4,
    ) {
        let mut program = Program::new(shapes);
        let cpu = run(&mut program, struck, last);
        let (frames, end) = program.trace(&cpu.frame());
        prop_assert_eq!(as_expected(&frames), cpu.expected);
        prop_assert_eq!(end, Some(End::Outermost));
    }

    /// And wherever the kernel ends and a module begins, calls and exceptions going either way.
    #[test]
    fn every_caller_is_found_in_several_pieces(
        shapes in prop::collection::vec(shape(), 2..12),
        struck in prop::option::of((0_usize..10, 0_u32..1000)),
        last in 0..FUNCTION_BYTES / 4,
        first in any::<prop::sample::Index>(),
    ) {
        let first = first.index(shapes.len() + 1);
        let mut program = Program::new(shapes);
        let cpu = run(&mut program, struck, last);
        let pieces = program.pieces(first);
        let (frames, end) = program.trace_in(&pieces[..], &cpu.frame());
        prop_assert_eq!(as_expected(&frames), cpu.expected);
        prop_assert_eq!(end, Some(End::Outermost));
    }

    #[test]
    fn a_damaged_machine_still_gives_an_end(
        shapes in prop::collection::vec(shape(), 1..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..30),
        registers in prop::collection::vec((0_usize..16, any::<u32>()), 0..3),
    ) {
        let mut program = Program::new(shapes);
        let mut cpu = run(&mut program, Some((2, 7)), 6);
        let places: Vec<u32> = program.memory.0.keys().copied().collect();
        for (place, value) in damage {
            // Half of the values are such that they lead on.
            let near = [TEXT, INDEX, TABLE, STACK_TOP][value as usize % 4] - 0x100 + (value >> 16 & 0x1fc);
            let value = if value & 0x100 == 0 { value } else { near };
            program.memory.0.insert(*place.get(&places), value);
        }
        for (number, value) in registers {
            cpu.r[number] = value;
        }
        let (frames, end) = program.trace(&cpu.frame());
        prop_assert!(frames.len() <= MAX_FRAMES && end.is_some());
        let pieces = program.pieces(1);
        let (frames, end) = program.trace_in(&pieces[..], &cpu.frame());
        prop_assert!(frames.len() <= MAX_FRAMES && end.is_some());
    }
}

pub(in crate::trap) fn plain() -> Shape {
    Shape { saves: 0x30, locals: 8, before: 0, is_elsewhere: false }
}

#[test]
fn a_jump_to_nowhere_and_assembly_lead_back_by_lr() {
    let mut program = Program::new(vec![plain(), plain(), plain()]);
    let cpu = run(&mut program, None, 6);
    for pc in [0, 0xdead_beec, program.assembly() + 4] {
        let mut cpu = cpu.clone();
        cpu.expected.pop();
        cpu.call(pc);
        cpu.expected.push((pc, Place::Exact, cpu.r[SP]));
        let (frames, end) = program.trace(&cpu.frame());
        assert_eq!(as_expected(&frames), cpu.expected, "{pc:#x}");
        assert_eq!(end, Some(End::Outermost));
        // When lr leads nowhere either, the walk ends there.
        cpu.r[LR] = 0x1234;
        let (frames, end) = program.trace(&cpu.frame());
        assert_eq!(frames.len(), 1);
        assert!(matches!(end, Some(End::NotCode(at) | End::CannotUnwind(at)) if at.as_u32() == pc));
    }
}

#[test]
fn assembly_that_calls_ends_the_walk() {
    let mut program = Program::new(vec![plain(), plain()]);
    let mut cpu = run(&mut program, None, 6);
    // The second function's return address is in assembly.
    let lr_at = cpu.r[FP] + 4;
    program.memory.0.insert(lr_at, program.assembly() + 8);
    let (frames, end) = program.trace(&cpu.frame());
    assert_eq!(frames.len(), 2);
    assert_eq!(end, Some(End::CannotUnwind(VirtAddr::new(program.assembly() + 8))));
    // A stack that leads back to itself.
    cpu.r[FP] -= 0x20;
    for number in 0..16 {
        program.memory.0.insert(cpu.r[FP] - 8 + 4 * number, cpu.r[FP]);
    }
    let (_, end) = program.trace(&cpu.frame());
    assert_eq!(end, Some(End::BadStack(VirtAddr::new(cpu.r[FP] + 8))));
}

/// The other stack lies above or below, and the walk is in what runs there, or in `call_on` itself.
#[test]
fn a_call_on_another_stack_leads_back_to_the_first() {
    for top in [OTHER_STACK_TOP, STACK_TOP + 0x1_0000] {
        for executed in 0..=5 {
            let mut program = Program::new(vec![plain(), plain(), plain()]);
            // As in `call_on`: push {r4, r5, r11, lr}; mov r4, sp; add r11, sp, #8; mov sp, r1.
            let start = TEXT + FUNCTION_BYTES;
            let code = [0xe92d_4830, 0xe1a0_400d, 0xe28d_b008, 0xe1a0_d001, 0xe12f_ff32];
            for (at, word) in (start..).step_by(4).zip(code) {
                program.memory.0.insert(at, word);
            }
            program.memory.0.insert(INDEX + 8 + 4, word_of(0x80, &[0x94, 0x84, 0x83]));
            let mut cpu = Cpu::new();
            cpu.r[PC] = TEXT;
            cpu.run(&plain(), 6, &mut program.memory);
            cpu.call(start);
            for step in 0..executed.min(4) {
                match step {
                    0 => {
                        for number in [LR, FP, 5, 4] {
                            cpu.r[SP] -= 4;
                            program.memory.0.insert(cpu.r[SP], cpu.r[number]);
                        }
                    }
                    1 => cpu.r[4] = cpu.r[SP],
                    2 => cpu.r[FP] = cpu.r[SP] + 8,
                    _ => cpu.r[SP] = top,
                }
                cpu.r[PC] += 4;
            }
            if executed == 5 {
                cpu.call(start + FUNCTION_BYTES);
                cpu.run(&plain(), 6, &mut program.memory);
            }
            cpu.expected.push((cpu.r[PC], Place::Exact, cpu.r[SP]));
            let (frames, end) = program.trace(&cpu.frame());
            assert_eq!(as_expected(&frames), cpu.expected, "{executed} executed");
            assert_eq!(end, Some(End::Outermost));
        }
    }
}

/// A function of a module that is gone, between two of the kernel's.
#[test]
fn what_is_no_code_any_more_ends_the_walk() {
    let mut program = Program::new(vec![plain(), plain(), plain()]);
    let cpu = run(&mut program, None, 6);
    let [module, _] = program.pieces(2);
    let [_, kernel] = program.pieces(1);
    let (frames, end) = program.trace_in(&[module, kernel][..], &cpu.frame());
    assert_eq!(frames.len(), 2);
    assert_eq!(end, Some(End::NotCode(frames[1].pc)));
    // Code without an index is as assembly is: lr leads on, as long as nothing was pushed.
    let mut program = Program::new(vec![plain(), plain(), plain()]);
    let cpu = run(&mut program, None, 0);
    let bare = Code { index: VirtRange::new(module.index.start(), module.index.start()), ..module };
    let (frames, end) = program.trace_in(&[bare, program.pieces(2)[1]][..], &cpu.frame());
    assert_eq!(as_expected(&frames), cpu.expected);
    assert_eq!(end, Some(End::Outermost));
}

/// Bit 0 of an address to return to is no part of it, and words of Thumb code are no prologues.
#[test]
fn thumb_code_is_walked_through() {
    for (struck, last) in [(None, 0), (None, 6), (None, 9), (Some((1, 4)), 6), (Some((1, 4)), 0)] {
        let mut program = Program::new(vec![plain(), plain(), plain()]);
        let cpu = run_as(Cpu { thumb: 1, ..Cpu::new() }, &mut program, struck, last);
        // What looks like the end of a function, to one who reads ARM instructions.
        for number in 0..4 {
            program.memory.0.insert(TEXT + FUNCTION_BYTES * number + 12, 0xe8bd_4800);
            program.memory.0.insert(TEXT + FUNCTION_BYTES * number + 20, 0xe8bd_4800);
        }
        let (frames, end) = program.trace(&cpu.frame());
        assert_eq!(as_expected(&frames), cpu.expected, "{struck:?}, {last}");
        assert_eq!(end, Some(End::Outermost));
    }
}

/// The walk is in what the stub of `variadic!` calls, or in any instruction of the stub itself. The function around it finds
/// its frame by sp, as C without frame pointers does, so sp must be right everywhere.
#[test]
fn a_variadic_stub_leads_back_to_its_caller() {
    // push {r0-r3}; push {r11, lr}; mov r11, sp; add r0, sp, #8; bl; pop {r11, lr}; add sp, sp, #16; bx lr.
    let code = [
        0xe92d_000f,
        0xe92d_4800,
        0xe1a0_b00d,
        0xe28d_0008,
        0xeb00_0000,
        0xe8bd_4800,
        0xe28d_d010,
        0xe12f_ff1e,
    ];
    for executed in 0..=8 {
        let mut program = Program::new(vec![plain(), plain(), plain()]);
        let start = TEXT + FUNCTION_BYTES;
        for (at, word) in (start..).step_by(4).zip(code) {
            program.memory.0.insert(at, word);
        }
        program.memory.0.insert(INDEX + 8 + 4, word_of(0x80, &[0x84, 0x80, 0x03]));
        // The caller's frame is fp and lr at sp, and four words above.
        program.memory.0.insert(INDEX + 4, word_of(0x80, &[0x84, 0x80, 0x03]));
        let mut cpu = Cpu::new();
        cpu.r[PC] = TEXT + 0x10;
        cpu.r[SP] -= 24;
        for (offset, value) in [(0, cpu.r[FP]), (4, cpu.r[LR])] {
            program.memory.0.insert(cpu.r[SP] + offset, value);
        }
        cpu.r[FP] = 0xdead_0000;
        cpu.call(start);
        for step in 0..executed {
            let push = |cpu: &mut Cpu, memory: &mut Words, number: usize| {
                cpu.r[SP] -= 4;
                memory.0.insert(cpu.r[SP], cpu.r[number]);
            };
            match step {
                0 => [3, 2, 1, 0].into_iter().for_each(|n| push(&mut cpu, &mut program.memory, n)),
                1 => [LR, FP].into_iter().for_each(|n| push(&mut cpu, &mut program.memory, n)),
                2 => cpu.r[FP] = cpu.r[SP],
                3 => cpu.r[0] = cpu.r[SP] + 8,
                // What is called gives back sp and fp, and not lr.
                4 => cpu.r[LR] = 0xdead_0000,
                5 => {
                    (cpu.r[FP], cpu.r[LR]) =
                        (program.memory.0[&cpu.r[SP]], program.memory.0[&(cpu.r[SP] + 4)]);
                    cpu.r[SP] += 8;
                }
                6 => cpu.r[SP] += 16,
                _ => {
                    // It is called now, in place of having returned.
                    cpu = Cpu { expected: cpu.expected, ..Cpu::new() };
                    cpu.r[SP] -= 48;
                    (cpu.r[FP], cpu.r[PC]) = (cpu.r[SP], start + 0x10);
                    cpu.call(start + FUNCTION_BYTES);
                    cpu.run(&plain(), 6, &mut program.memory);
                    cpu.r[PC] -= 4;
                }
            }
            cpu.r[PC] += 4;
        }
        cpu.expected.push((cpu.r[PC], Place::Exact, cpu.r[SP]));
        let (frames, end) = program.trace(&cpu.frame());
        assert_eq!(as_expected(&frames), cpu.expected, "{executed} executed");
        assert_eq!(end, Some(End::Outermost), "{executed} executed");
    }
}

#[test]
fn a_stack_that_can_not_be_read_is_named() {
    let mut program = Program::new(vec![plain(), plain()]);
    let cpu = run(&mut program, None, 6);
    program.memory.0.remove(&(cpu.r[FP] + 4));
    let (frames, end) = program.trace(&cpu.frame());
    assert_eq!(frames.len(), 1);
    assert_eq!(end, Some(End::Unreadable(VirtAddr::new(cpu.r[FP] + 4))));
}

#[test]
fn the_call_of_a_return_address_is_before_it() {
    let frame = |place| Frame { pc: VirtAddr::new(0x1000), place, sp: VirtAddr::new(0) };
    assert_eq!(frame(Place::Exact).instruction(), VirtAddr::new(0x1000));
    assert_eq!(frame(Place::Return).instruction(), VirtAddr::new(0xfff));
}

/// *IHI 0038B, Table 4*, by first byte: `Some((bytes of operand, change of sp))`, or refused. Registers
/// hold 0x1000 times their number, and so does the stack.
#[test]
fn every_instruction_of_table_4_moves_sp_or_is_refused() {
    let sp = 0x8000_0000_u32;
    let memory = Words((0..64).map(|n| (sp + 4 * n, 0x1000 * n)).collect());
    let mut registers = Registers(core::array::from_fn(|n| 0x1000 * n as u32));
    registers.0[SP] = sp;
    let unwind = |bytes: &[u8]| frame::unwind(&memory, &registers, bytes.iter().copied());
    let sp_after = |bytes: &[u8]| unwind(bytes).map(|caller| caller.registers.0[SP]);
    let refused = Err(frame::Fault::Instruction);
    for first in 0..=0xff_u8 {
        let after = sp_after(&[first, 0x01, 0x00]);
        let expected = match first {
            0x00..=0x3f => Ok(sp + (u32::from(first) << 2) + 4),
            0x40..=0x7f => Ok(sp - (u32::from(first & 0x3f) << 2) - 4),
            // With operand 0x01: r4 and, from the low nibble, r12 up to pc.
            0x80..=0x8f if first & 2 != 0 => Ok(0x1000 * (1 + u32::from(first & 1))),
            0x80..=0x8f => Ok(sp + 4 * (1 + (first & 0xf).count_ones())),
            0x9d | 0x9f => refused,
            0x90..=0x9f => Ok(0x1000 * u32::from(first & 0xf)),
            0xa0..=0xa7 => Ok(sp + 4 * (u32::from(first & 7) + 1)),
            0xa8..=0xaf => Ok(sp + 4 * (u32::from(first & 7) + 2)),
            0xb0 => Ok(sp),
            0xb1 => Ok(sp + 4),
            0xb2 => Ok(sp + 0x204 + 4),
            0xb3 => Ok(sp + 8 * 2 + 4),
            0xb8..=0xbf => Ok(sp + 8 * (u32::from(first & 7) + 1) + 4),
            0xc8 | 0xc9 => Ok(sp + 8 * 2),
            0xd0..=0xd7 => Ok(sp + 8 * (u32::from(first & 7) + 1)),
            _ => refused,
        };
        // What follows the operand, if there is none, are 0x01 and 0x00: sp + 8 and sp + 4.
        let more = match first {
            0x80..=0x8f | 0xb1 | 0xb2 | 0xb3 | 0xc8 | 0xc9 => 4,
            0xb0 => 0,
            _ => 12,
        };
        assert_eq!(after, expected.map(|sp| sp.wrapping_add(more)), "{first:#x}");
    }
    assert_eq!(sp_after(&[0x80, 0x00]), refused, "refuse to unwind");
    for spare in [0x00, 0x10, 0xff] {
        assert_eq!(sp_after(&[0xb1, spare]), refused, "{spare:#x}");
    }
    for cut in [0x80, 0xb1, 0xb2, 0xb3, 0xc8, 0xc9] {
        assert_eq!(sp_after(&[cut]), refused, "{cut:#x}");
    }
    assert_eq!(sp_after(&[0xb2, 0x81, 0x01]), Ok(sp + 0x204 + 4 * 0x81), "uleb128");
    assert_eq!(sp_after(&[0xb2, 0x80, 0x80, 0x80, 0x80, 0x01]), refused, "beyond any stack");
}

#[test]
fn registers_come_off_the_stack_lowest_first() {
    let sp = 0x8000_0000_u32;
    let memory = Words((0..17).map(|n| (sp + 4 * n, 0x100 + n)).collect());
    let mut registers = Registers([7; 16]);
    registers.0[SP] = sp;
    let unwind = |bytes: &[u8]| {
        let caller = frame::unwind(&memory, &registers, bytes.iter().copied()).unwrap();
        (caller.registers, caller.place)
    };
    let (caller, place) = unwind(&[0xb1, 0x0f, 0x8f, 0xff]);
    assert_eq!(
        (caller, place),
        (Registers(core::array::from_fn(|n| 0x100 + n as u32)), Place::Exact)
    );
    let (caller, place) = unwind(&[0xaa]);
    let mut expected = registers;
    expected.0[4..7].copy_from_slice(&[0x100, 0x101, 0x102]);
    (expected.0[LR], expected.0[PC], expected.0[SP]) = (0x103, 0x103, sp + 16);
    assert_eq!((caller, place), (expected, Place::Return));
}

#[test]
fn the_index_answers_for_its_functions_only() {
    let program = Program::new(vec![plain(), plain()]);
    let code = program.code();
    let find = |at: u32| table::find(&program.memory, &code, VirtAddr::new(at));
    assert_eq!(find(TEXT - 1), None);
    for number in 0..3 {
        let start = TEXT + FUNCTION_BYTES * number;
        for at in [start, start + FUNCTION_BYTES - 1] {
            assert_eq!(find(at).unwrap().function.start(), VirtAddr::new(start));
            assert_eq!(find(at).unwrap().function.len(), FUNCTION_BYTES);
        }
    }
    // Without an end mark the last function ends with the text.
    let without = VirtRange::new(code.index.start(), VirtAddr::new(INDEX + 8 * 3));
    let stub = program.stub();
    let last = Code { index: without, ..code };
    let last = table::find(&program.memory, &last, VirtAddr::new(stub + 4)).unwrap();
    assert_eq!(last.function, VirtRange::new(VirtAddr::new(stub), code.text.end()));
    let empty = VirtRange::new(VirtAddr::new(INDEX), VirtAddr::new(INDEX));
    let empty = Code { index: empty, ..code };
    assert_eq!(table::find(&program.memory, &empty, VirtAddr::new(TEXT)), None);
}
