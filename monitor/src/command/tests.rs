//! A table of every kind of argument: what its lines mean, what is said of those that mean nothing,
//! and what Tab offers.

use super::*;
use crate::argument::NotGiven;
use crate::completion::{Found, complete};
use crate::line::Text;

type Seen = Vec<String>;

const ZONES: [&str; 3] = ["DMA", "Normal", "HighMem"];
const UNITS: [&str; 3] = ["b", "h", "w"];

const fn command(
    name: &'static str,
    args: &'static [Arg],
    run: fn(&mut Seen, &Args<'_>) -> Result<(), NotGiven>,
) -> Command<Seen, NotGiven> {
    Command { name, args, help: "helps", details: "", run }
}

const ALLOC: [Arg; 2] = [Arg::number("ORDER", 0, 10), Arg::choice("ZONE", &ZONES).optional()];
const PEEK: [Arg; 3] = [
    Arg::address("ADDR"),
    Arg::size("COUNT", 1, 4096).optional(),
    Arg::choice("UNIT", &UNITS).optional(),
];
const SOAK: [Arg; 2] =
    [Arg::number("COUNT", 1, 1000).optional(), Arg::number("SEED", 0, u32::MAX).optional()];

const TABLE: Table<Seen, NotGiven> = Table::new(&[
    command("help", &[Arg::command("COMMAND").optional()], |seen, args| {
        seen.push(format!("help {:?}", args.command("COMMAND").ok()));
        Ok(())
    }),
    command("layout", &[Arg::flag("--json")], |seen, args| {
        seen.push(format!("layout {}", args.has("--json")));
        Ok(())
    }),
    command("alloc", &ALLOC, |seen, args| {
        seen.push(format!("alloc {} {:?}", args.number("ORDER")?, args.choice("ZONE").ok()));
        Ok(())
    }),
    command("peek", &PEEK, |seen, args| {
        let (address, count) = (args.number("ADDR")?, args.number("COUNT").ok());
        seen.push(format!("peek {address:#x} {count:?} {:?}", args.choice("UNIT").ok()));
        Ok(())
    }),
    command("panic", &[Arg::text("KIND"), Arg::text("WORD").repeated()], |seen, args| {
        let words: Vec<&str> = args.texts("WORD").collect();
        seen.push(format!("panic {} {words:?}", args.text("KIND")?));
        Ok(())
    }),
    command("test", &[Arg::one_of("SUITE", &["probe", "kuser"]).optional()], |seen, args| {
        seen.push(format!("test {:?}", args.choice("SUITE").ok()));
        Ok(())
    }),
    command(
        "take",
        &[Arg::joined("FLAGS", &["FOO", "FOO_BAR", "BAZ"]).optional()],
        |seen, args| {
            seen.push(format!("take {:?}", args.text("FLAGS").ok()));
            Ok(())
        },
    ),
    command("soak", &SOAK, |seen, args| {
        seen.push(format!("soak {:?} {:?}", args.number("COUNT").ok(), args.number("SEED").ok()));
        Ok(())
    }),
    command("show", &[Arg::file("NAME"), Arg::text("WORD").repeated()], |seen, args| {
        seen.push(format!("show {}", args.text("NAME")?));
        Ok(())
    }),
    command("bad", &[Arg::text("WORD").optional()], |_, args| args.number("WORD").map(drop)),
]);

struct Symbols;

impl Names for Symbols {
    fn each(&self, see: &mut dyn FnMut(&str)) {
        ["lowmem", "start", "stop", "x+y"].into_iter().for_each(see);
    }

    fn address(&self, name: &str) -> Option<u32> {
        match name {
            "lowmem" => Some(0xc000_0000),
            "x+y" => Some(7),
            "top" => Some(u32::MAX),
            _ => None,
        }
    }

    fn files(&self, see: &mut dyn FnMut(&str)) {
        ["notes", "modules/a.ko", "modules/b.ko"].into_iter().for_each(see);
    }
}

/// What the command on `line` saw, or the complaint.
fn run(line: &str) -> String {
    let mut seen = Seen::new();
    match TABLE.parse(line, &Symbols) {
        Err(error) => return error.to_string(),
        Ok(Some(invocation)) => invocation.run(&mut seen).unwrap(),
        Ok(None) => {}
    }
    seen.concat()
}

#[test]
fn lines_become_typed_arguments() {
    for (line, seen) in [
        ("", ""),
        ("  ", ""),
        ("help", "help None"),
        ("help peek", "help Some(3)"),
        (" layout  --json ", "layout true"),
        ("layout", "layout false"),
        ("alloc 0xa", "alloc 10 None"),
        ("alloc 0 highmem", "alloc 0 Some(2)"),
        ("'alloc' \"1\"", "alloc 1 None"),
        ("peek 0xc000_0000", "peek 0xc0000000 None None"),
        ("peek lowmem+0x10 4K", "peek 0xc0000010 Some(4096) None"),
        ("peek x+y b", "peek 0x7 None Some(0)"),
        ("peek x+y+1 2 W", "peek 0x8 Some(2) Some(2)"),
        ("test", "test None"),
        ("test kuser", "test Some(1)"),
        ("panic stack", "panic stack []"),
        ("panic stack 'a b' c", "panic stack [\"a b\", \"c\"]"),
    ] {
        assert_eq!(run(line), seen, "{line}");
    }
}

#[test]
fn complaints_name_the_word() {
    let address = "an address was expected, or a name, or NAME+OFFSET";
    let number = "a number was expected, decimal or 0x hexadecimal";
    for (line, complaint) in [
        ("bogus", "no command is called bogus; try help".to_string()),
        ("hlep", "no command is called hlep; did you mean help?".into()),
        ("help pek", "no command is called pek; did you mean peek?".into()),
        ("layout --xml", "nothing more was expected than stands before --xml".into()),
        ("layout --json --json", "nothing more was expected than stands before --json".into()),
        ("alloc", "ORDER is missing: alloc ORDER [DMA|Normal|HighMem]".into()),
        ("alloc x", format!("x is no ORDER: {number}")),
        ("alloc 11", "11 is no order: 0 to 10 were expected".into()),
        ("alloc 0x100000000", "0x100000000 is no order: 0 to 10 were expected".into()),
        ("alloc 0 Movable", "Movable is no zone: DMA, Normal or HighMem was expected".into()),
        ("alloc 0 DMA 1", "nothing more was expected than stands before 1".into()),
        ("peek", "ADDR is missing: peek ADDR [COUNT] [b|h|w]".into()),
        ("peek nowhere", format!("nowhere is no ADDR: {address}")),
        ("peek top+1", format!("top+1 is no ADDR: {address}")),
        ("peek 0x100000000", format!("0x100000000 is no ADDR: {address}")),
        ("peek 0 zz", format!("zz is no COUNT: {number}")),
        ("peek 0 0", "0 is no count: 1 to 4096 were expected".into()),
        ("peek 0 b 1", "nothing more was expected than stands before 1".into()),
        ("soak 0", "0 is no count: 1 to 1000 were expected".into()),
        ("soak 2000 7", "2000 is no count: 1 to 1000 were expected".into()),
        ("test x", "x is no suite: probe or kuser was expected".into()),
        ("panic 'a", "the quote before a is not closed".into()),
        ("panic", "KIND is missing: panic KIND [WORD ...]".into()),
        (&("panic k".to_string() + &" w".repeat(16)), {
            "nothing more was expected than stands before w".into()
        }),
    ] {
        assert_eq!(run(line), complaint, "{line}");
    }
}

#[test]
fn a_function_that_asks_for_what_its_row_does_not_declare_is_told() {
    let invocation = TABLE.parse("bad 1", &Symbols).unwrap().unwrap();
    assert_eq!(invocation.run(&mut Seen::new()), Err(NotGiven { what: "WORD" }));
}

fn offered(before: &str) -> Vec<String> {
    let mut all = Vec::new();
    TABLE.completer(&Symbols).candidates(before, "", &mut |name| all.push(name.to_string()));
    all
}

#[test]
fn tab_offers_what_may_come() {
    let commands =
        ["help", "layout", "alloc", "peek", "panic", "test", "take", "soak", "show", "bad"];
    assert_eq!(offered(""), commands);
    assert_eq!(offered("help "), commands);
    assert_eq!(offered("layout "), ["--json"]);
    assert_eq!(offered("alloc "), [""; 0], "numbers are not counted up");
    assert_eq!(offered("alloc 1 "), ZONES);
    assert_eq!(offered("test "), ["probe", "kuser"]);
    assert_eq!(offered("peek "), ["lowmem", "start", "stop", "x+y"]);
    assert_eq!(offered("peek lowmem "), UNITS);
    assert_eq!(offered("peek lowmem b "), [""; 0]);
    for wrong in ["bogus ", "alloc x ", "'alloc 1 "] {
        assert_eq!(offered(wrong), [""; 0], "{wrong}");
    }
    assert_eq!(offered("show "), ["notes", "modules/a.ko", "modules/b.ko"]);
    assert_eq!(offered("show notes "), [""; 0]);
    assert_eq!(run("show what.ever"), "show what.ever", "any word may be a file's name");
    let names = TABLE.completer(&Symbols);
    let Found::One(rest) = complete(&names, "alloc 1 H") else { panic!() };
    assert_eq!(rest.as_str(), "ighMem ");
}

#[test]
fn tab_completes_each_of_the_words_that_are_joined() {
    let names = TABLE.completer(&Symbols);
    let one = |rest: &str| Found::One(Text::from(rest).unwrap());
    let several = |rest: &str| Found::Several(Text::from(rest).unwrap());
    for (line, found) in [
        ("take B", one("AZ ")),
        ("take F", several("OO")),
        ("take FOO", several("")),
        ("take FOO_", one("BAR ")),
        ("take FOO|B", one("AZ ")),
        ("take BAZ|0x10|F", several("OO")),
        ("take 'BAZ|FOO_", one("BAR' ")),
        ("take FOO|x", Found::Nothing),
        ("take FOO B", Found::Nothing),
    ] {
        assert_eq!(complete(&names, line), found, "{line}");
    }
    let mut out = String::new();
    crate::completion::list(&names, "take BAZ|F", &mut out).unwrap();
    assert_eq!(out, "BAZ|FOO  BAZ|FOO_BAR\n");
    let long = format!("take {}|", "x".repeat(crate::line::MAX_BYTES));
    assert_eq!(complete(&names, &long), Found::Nothing);
}

#[test]
fn help_is_written_from_the_row() {
    let mut list = String::new();
    TABLE.write_list(&mut list).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), TABLE.commands().len());
    assert_eq!(lines[2], "alloc        ORDER [DMA|Normal|HighMem] helps");
    assert_eq!(lines[5], "test         [SUITE]                    helps");
    assert_eq!(lines[1], "layout       [--json]                   helps");

    let row = Command { details: "One.\nTwo.", ..command("peek", &PEEK, |_, _| Ok(())) };
    let mut help = String::new();
    row.write_help(&mut help).unwrap();
    assert_eq!(help, "peek ADDR [COUNT] [b|h|w]\n    helps\n    One.\n    Two.\n");
}

#[test]
fn a_broken_table_does_not_get_far() {
    const AFTER_REPEATED: [Arg; 2] = [Arg::text("X").repeated(), Arg::text("Y")];
    let broken: [&[Command<Seen, NotGiven>]; 2] = [
        const { &[command("a", &[], |_, _| Ok(())), command("a", &[], |_, _| Ok(()))] },
        const { &[command("a", &AFTER_REPEATED, |_, _| Ok(()))] },
    ];
    for commands in broken {
        assert!(std::panic::catch_unwind(|| Table::new(commands).commands().len()).is_err());
    }
}
