//! The explorer's module as a machine: what it needs, what it keeps, and what it says to nonsense.

use libtest_mimic::Failed;
use serde_json::{Value, json};
use tests::explorer::Explorer;
use tests::oracle::rows;

use crate::facts::described;
use crate::recorded::machine;

type Test = fn() -> Result<(), Failed>;

/// The tests of this file.
pub const TESTS: [(&str, Test); 3] = [
    ("wasm: one instance answers every row twice in the same memory", gives_back_what_it_takes),
    ("wasm: nonsense gets a message and the module goes on", nonsense),
    ("wasm: a large machine is answered", large),
];

fn questions() -> Vec<Value> {
    let rows = rows();
    let asked = rows.iter().map(|row| {
        let (machine, configuration) = described(&machine(row));
        json!({"draw": {"machine": machine, "configuration": configuration}})
    });
    asked.collect()
}

fn gives_back_what_it_takes() -> Result<(), Failed> {
    let mut explorer = Explorer::start();
    let questions = questions();
    let first: Vec<String> = questions.iter().map(|question| explorer.ask(question)).collect();
    let bytes = explorer.memory_bytes();
    let again: Vec<String> = questions.iter().map(|question| explorer.ask(question)).collect();
    assert_eq!(first, again);
    assert_eq!(explorer.memory_bytes(), bytes, "it grew");
    assert!(first.iter().all(|reply| reply.starts_with("{\"answer\":")));
    Ok(())
}

fn nonsense() -> Result<(), Failed> {
    let mut explorer = Explorer::start();
    let deep = "[".repeat(1 << 19);
    let long = " ".repeat(explorer::MAX_REQUEST_BYTES + 1);
    for request in
        [&b""[..], b"{", b"\xff\xfe\0", b"{\"predict\":{}}", deep.as_bytes(), long.as_bytes()]
    {
        let reply: Value = serde_json::from_str(&explorer.ask_bytes(request)).unwrap();
        assert!(reply["error"].is_string(), "{reply}");
        assert_eq!(explorer.ask_bytes(request), explorer::ask(&String::from_utf8_lossy(request)));
    }
    assert!(explorer.ask(&questions()[0]).starts_with("{\"answer\":"));
    Ok(())
}

/// Many banks, the first with room for a kernel, and a `mem=` in each word of the longest command line. More would take the
/// interpreter minutes: the work grows with the square.
fn large() -> Result<(), Failed> {
    const BANKS: u64 = 512;
    let bank = |index: u64| {
        let (start, len) = match index {
            0 => (0x4000_0000, 64 << 20),
            _ => (0x4800_0000 + (index << 18), 1 << 17),
        };
        json!({"start": format!("{start:#x}"), "end": format!("{:#x}", start + len)})
    };
    let line = "mem=64M ".repeat(experiment::predict::MAX_COMMAND_LINE / 8);
    let banks: Vec<Value> = (0..BANKS).map(bank).collect();
    let question = json!({"predict": {
        "machine": {"banks": banks},
        "configuration": {"split": "2g", "command_line": line},
    }});
    let reply = Explorer::start().ask(&question);
    assert_eq!(reply, explorer::ask(&question.to_string()), "wasm (left) and host (right)");
    assert!(reply.starts_with("{\"answer\":"), "{reply}");
    Ok(())
}
