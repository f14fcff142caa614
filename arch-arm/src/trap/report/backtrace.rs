//! A back-trace as text: who called whom.

use core::fmt::{Result, Write};

use mm::addr::{VirtAddr, VirtRange};

use super::dump::write_words;
use super::{Function, InModule, Location, Names};
use crate::trap::TrapFrame;
use crate::trap::unwind::{End, FindCode, Frame, Place, ReadMemory, Unwinder};

/// The most lines, not counting repeated ones.
const MAX_LINES: usize = 64;

/// Writes the back-trace that starts at `frame`, a line for each call: the function called, and the
/// place that it was called from. Where the trace crosses an exception, the registers saved there
/// follow. A call that repeats itself, as a recursion does, is written once and counted. A trace that
/// ends before the outermost function says why.
///
/// # Errors
///
/// When `out` does.
pub fn write<M: ReadMemory>(
    out: &mut dyn Write,
    memory: &M,
    names: &impl Names,
    code: impl FindCode,
    frame: &TrapFrame,
) -> Result {
    writeln!(out, "Backtrace:")?;
    let mut frames = Unwinder::new(memory, code, frame);
    let mut called = frames.next();
    let mut last = None;
    let (mut lines, mut repeated) = (0, 0_u32);
    while let (Some(here), Some(caller)) = (called, frames.next()) {
        called = Some(caller);
        if last == Some((here.pc, caller.pc)) {
            repeated += 1;
            continue;
        }
        last = Some((here.pc, caller.pc));
        write_repeated(out, &mut repeated)?;
        if lines == MAX_LINES {
            return writeln!(out, "... and more");
        }
        lines += 1;
        write_call(out, names, &here, &caller)?;
        if caller.place == Place::Exact {
            let saved = here.sp.as_u32();
            let end = saved.saturating_add(size_of::<TrapFrame>() as u32);
            let range = VirtRange::new(VirtAddr::new(saved), VirtAddr::new(end));
            write_words(out, memory, "Exception stack", range, 4)?;
        }
    }
    write_repeated(out, &mut repeated)?;
    match frames.end() {
        None | Some(End::Outermost) => Ok(()),
        Some(end) => writeln!(out, "Backtrace ends: {end}"),
    }
}

fn write_repeated(out: &mut dyn Write, repeated: &mut u32) -> Result {
    match core::mem::take(repeated) {
        0 => Ok(()),
        count => writeln!(out, "... the same {count} times more"),
    }
}

fn write_call(out: &mut dyn Write, names: &impl Names, here: &Frame, caller: &Frame) -> Result {
    let at = here.pc;
    match names.find(here.instruction()) {
        Some(Function { name, module, .. }) => {
            write!(out, "[<{at:08x}>] ({name}{})", InModule(module))?;
        }
        None => write!(out, "[<{at:08x}>] ({at:#x})")?,
    }
    let from = match caller.place {
        Place::Exact => Location::exact(names, caller.pc),
        Place::Return => Location::return_to(names, caller.pc),
    };
    writeln!(out, " from [<{:08x}>] ({from})", caller.pc)
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::Table;
    use super::*;
    use crate::trap::unwind::tests::{FUNCTION_BYTES, Program, TEXT, plain, run};

    const NAMES: Table = Table(&[
        ("outer", TEXT, FUNCTION_BYTES),
        ("middle", TEXT + FUNCTION_BYTES, FUNCTION_BYTES),
        ("inner", TEXT + 2 * FUNCTION_BYTES, FUNCTION_BYTES),
        ("stub", TEXT + 3 * FUNCTION_BYTES, FUNCTION_BYTES),
    ]);

    fn text(program: &Program, frame: &TrapFrame) -> String {
        let mut text = String::new();
        write(&mut text, &program.memory, &NAMES, program.code(), frame).unwrap();
        text
    }

    #[test]
    fn a_line_for_each_call() {
        let mut program = Program::new(vec![plain(), plain(), plain()]);
        let cpu = run(&mut program, None, 5);
        assert_eq!(
            text(&program, &cpu.frame()),
            "Backtrace:\n\
             [<c0200094>] (inner) from [<c020005c>] (middle+0x1c/0x40)\n\
             [<c020005c>] (middle) from [<c020001c>] (outer+0x1c/0x40)\n"
        );
    }

    #[test]
    fn an_exception_shows_the_registers_that_it_saved() {
        let mut program = Program::new(vec![plain(), plain(), plain()]);
        let cpu = run(&mut program, Some((1, 4)), 5);
        let text = text(&program, &cpu.frame());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "[<c0200094>] (inner) from [<c02000cc>] (stub+0xc/0x40)");
        assert_eq!(lines[2], "[<c02000cc>] (stub) from [<c0200050>] (middle+0x10/0x40)");
        assert!(lines[3].starts_with("Exception stack(0xc040ff"), "{text}");
        // 17 words, of which pc and psr are the last.
        assert!(text.contains(" c0200050\nffc0: 000001d3\n"), "{text}");
        assert!(text.ends_with("[<c0200050>] (middle) from [<c020001c>] (outer+0x1c/0x40)\n"));
    }

    #[test]
    fn recursion_is_counted() {
        let mut program = Program::new(vec![plain(), plain(), plain()]);
        let mut cpu = run(&mut program, None, 6);
        // inner calls itself five times, from the same place each time.
        for _ in 0..5 {
            let [r4, r5, fp] = [cpu.r[4], cpu.r[5], cpu.r[11]];
            cpu.r[13] -= 16;
            let lr = TEXT + 2 * FUNCTION_BYTES + 0x1c;
            for (at, value) in (cpu.r[13]..).step_by(4).zip([r4, r5, fp, lr]) {
                program.memory.0.insert(at, value);
            }
            cpu.r[11] = cpu.r[13] + 8;
            cpu.r[13] -= 8;
        }
        assert_eq!(
            text(&program, &cpu.frame()),
            "Backtrace:\n\
             [<c0200098>] (inner) from [<c020009c>] (inner+0x1c/0x40)\n\
             [<c020009c>] (inner) from [<c020009c>] (inner+0x1c/0x40)\n\
             ... the same 3 times more\n\
             [<c020009c>] (inner) from [<c020005c>] (middle+0x1c/0x40)\n\
             [<c020005c>] (middle) from [<c020001c>] (outer+0x1c/0x40)\n"
        );
    }

    #[test]
    fn an_early_end_says_why() {
        let mut program = Program::new(vec![plain(), plain()]);
        let cpu = run(&mut program, None, 6);
        program.memory.0.remove(&(cpu.r[11] + 4));
        let text = text(&program, &cpu.frame());
        assert!(text.starts_with("Backtrace:\nBacktrace ends: the stack can not be read at 0xc04"));
    }
}
