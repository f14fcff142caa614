//! The whole way from a keyboard to a command, for arbitrary bytes: what a fuzzer calls.
//!
//! The commands are made up, one for each kind of argument, and the machine is a tally. Beside not
//! panicking, the run checks what must hold whatever is typed; a violation panics.

use core::fmt;

use crate::argument::{Arg, Args, Names, NotGiven};
use crate::command::{Command, Table};
use crate::dump::{self, Unit};
use crate::editor::{Editor, Step};
use crate::line::MAX_BYTES;

/// What the commands act on.
#[derive(Default)]
struct Tally {
    runs: usize,
}

type Done = Result<(), NotGiven>;

const TABLE: Table<Tally, NotGiven> = Table::new(&[
    command("help", &[Arg::command("COMMAND").optional()], |tally, args| {
        tally.runs += 1;
        if let Ok(row) = args.command("COMMAND") {
            assert!(row < TABLE.commands().len());
        }
        Ok(())
    }),
    command("layout", &[Arg::flag("--json")], |tally, args| {
        tally.runs += 1 + usize::from(args.has("--json"));
        Ok(())
    }),
    command(
        "alloc",
        &[
            Arg::number("ORDER", 0, 10),
            Arg::choice("ZONE", &ZONES).optional(),
            Arg::joined("FLAGS", &FLAGS).optional(),
        ],
        |tally, args| {
            tally.runs += 1;
            assert!(args.number("ORDER")? <= 10);
            assert!(args.choice("ZONE").is_err() || args.choice("ZONE")? < ZONES.len());
            assert!(args.text("FLAGS").is_err() || args.text("FLAGS")?.len() <= MAX_BYTES);
            Ok(())
        },
    ),
    command(
        "peek",
        &[
            Arg::address("ADDR"),
            Arg::size("COUNT", 1, 4096).optional(),
            Arg::choice("UNIT", &Unit::LETTERS).optional(),
        ],
        |tally, args| {
            tally.runs += 1;
            let count = args.number("COUNT").unwrap_or(1);
            assert!((1..=4096).contains(&count));
            let unit = args.choice("UNIT").ok().and_then(|index| Unit::ALL.get(index).copied());
            let unit = unit.unwrap_or(Unit::Word);
            let read =
                |at: u32| if at.is_multiple_of(8191) { Err(at) } else { Ok(at & unit.max()) };
            let _ = dump::write(&mut Sink, args.number("ADDR")?, count, unit, read);
            Ok(())
        },
    ),
    command("cat", &[Arg::file("NAME")], |tally, args| {
        tally.runs += 1;
        assert!(args.text("NAME")?.len() <= MAX_BYTES);
        Ok(())
    }),
    command("panic", &[Arg::text("WORD").repeated()], |tally, args| {
        tally.runs += 1;
        assert!(args.texts("WORD").map(str::len).sum::<usize>() <= MAX_BYTES);
        Ok(())
    }),
]);

const ZONES: [&str; 3] = ["DMA", "Normal", "HighMem"];
const FLAGS: [&str; 4] = ["GFP_A", "GFP_ATOMIC", "HIGH", "é"];

const fn command(
    name: &'static str,
    args: &'static [Arg],
    run: fn(&mut Tally, &Args<'_>) -> Done,
) -> Command<Tally, NotGiven> {
    Command { name, args, help: "an exercise", details: "first line\nsecond line", run }
}

/// A name as long as a line.
const LONGEST_NAME: &str = match core::str::from_utf8(&[b'x'; MAX_BYTES]) {
    Ok(name) => name,
    Err(_) => "",
};

/// Names of every unhandy shape.
struct Symbols;

const SYMBOLS: [(&str, u32); 5] =
    [("", 0), ("start", 0xc020_0000), ("start+4", 4), ("end é", u32::MAX), ("a b", 1)];

impl Names for Symbols {
    fn each(&self, see: &mut dyn FnMut(&str)) {
        SYMBOLS.iter().for_each(|(name, _)| see(name));
    }

    fn address(&self, name: &str) -> Option<u32> {
        SYMBOLS.iter().find(|(known, _)| *known == name).map(|(_, address)| *address)
    }

    fn files(&self, see: &mut dyn FnMut(&str)) {
        ["", "a b", "e\u{301}é", "\u{301}", "modules/a.ko"].into_iter().for_each(&mut *see);
        see(LONGEST_NAME);
    }
}

/// Takes anything, and checks that it is text for a terminal.
struct Sink;

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let sound = |c: char| !c.is_control() || matches!(c, '\n' | '\x07' | '\x08' | '\x1b');
        assert!(text.chars().all(sound), "{text:?}");
        Ok(())
    }
}

/// Types `bytes` at a prompt and runs the lines that they make. Returns how many commands ran.
///
/// # Panics
///
/// When something that must always hold does not.
pub fn exercise(bytes: &[u8]) -> usize {
    let mut editor = Editor::<512>::new("> ");
    let mut tally = Tally::default();
    let names = TABLE.completer(&Symbols);
    // The sink never fails.
    let _ = editor.start(&mut Sink);
    for &byte in bytes {
        let step = editor.feed(byte, &names, &mut Sink).unwrap_or(Step::Typing);
        let line = editor.line();
        assert!(line.text().len() <= MAX_BYTES);
        assert!(line.text().is_char_boundary(line.cursor()));
        assert!(!line.text().chars().any(char::is_control));
        match step {
            Step::Typing => continue,
            Step::Entered => enter(editor.entered(), &mut tally),
            Step::Abandoned | Step::TooLong => {}
        }
        assert!(editor.line().text().is_empty());
        let _ = editor.start(&mut Sink);
    }
    tally.runs
}

fn enter(line: &str, tally: &mut Tally) {
    use fmt::Write as _;
    match TABLE.parse(line, &Symbols) {
        Ok(Some(invocation)) => {
            let done = invocation.run(tally);
            assert_eq!(done, Ok(()), "a row and its function disagree: {line}");
            let _ = invocation.command.write_help(&mut Sink);
        }
        Ok(None) => assert!(line.trim_ascii().is_empty()),
        Err(error) => {
            let _ = write!(Sink, "{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_gets_as_far_as_running_commands() {
        let script = "help\rlayout --json\nalloc 3 hi\tdma\r\nalloc 0 DMA G\t|HI\t\r\
                      peek start+8 2K b\rpanic 'a b' c\rhe\t\r\x1b[A\x1b[A\rbogus\r";
        assert!(exercise(script.as_bytes()) >= 7);
    }

    /// Whatever the fuzzer found worth keeping, once more.
    #[test]
    fn every_session_of_the_corpus_is_sound() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/monitor_line");
        let (mut sessions, mut runs) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Printed only if what follows fails.
            println!("{}", path.display());
            runs += exercise(&std::fs::read(path).unwrap());
            sessions += 1;
        }
        println!("{sessions} sessions, {runs} commands");
        assert!(sessions >= 20 && runs >= sessions / 2, "{runs} commands of {sessions} sessions");
    }

    /// Bytes that are often part of something meaningful.
    fn keyboards() -> impl Strategy<Value = Vec<u8>> {
        let snippets = prop::sample::select(vec![
            "help ", "layout ", "alloc ", "peek ", "panic ", "cat ", "--json", "0x10", "4K ",
            "start+", "DMA", "GFP_", "|", "\t", "\t\t", "\r", "\n", "\x1b[A", "\x1b[D", "\x1b",
            "\x12", "\x17", "\x7f", "\"", "'", " ", "e\u{301}", "漢",
        ]);
        let piece = prop_oneof![
            4 => snippets.prop_map(|text| text.as_bytes().to_vec()),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_typed_does_harm(bytes in keyboards()) {
            exercise(&bytes);
        }

        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            exercise(&bytes);
        }
    }
}
