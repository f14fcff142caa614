//! Objects that are made to take long: their time grows with their bytes, and not with the square.
//!
//! What grows with the square takes minutes here; the limits are for a slow machine that is busy.

use std::time::{Duration, Instant};

use modules::exports::Exports;

use crate::builder::*;
use crate::machine::{CORE, INIT, Kernel, Loaded, load_with};

const ABS32: u32 = 2;
const CALL: u32 = 28;
const LIMIT: Duration = Duration::from_secs(30);

fn timed(builder: &Builder, arguments: &str) -> Result<Loaded, String> {
    let object = builder.bytes();
    let start = Instant::now();
    let mut kernel = Kernel { symbols: Default::default(), asked: Vec::new() };
    kernel.symbols.insert("f".into(), 0xc000_8000);
    let result = load_with(&object, &mut kernel, arguments, CORE, INIT);
    let took = start.elapsed();
    println!("{} bytes: {took:?}", object.len());
    assert!(took < LIMIT, "{} bytes took {took:?}", object.len());
    result
}

#[test]
fn many_branches_to_many_places() {
    const COUNT: u32 = 60_000;
    let mut object = Builder::new();
    // A different addend each, so that none shares a veneer.
    let code: Vec<u8> = (0..COUNT).flat_map(|at| (0xeb00_0000 | at).to_le_bytes()).collect();
    let text = object.text(&code);
    let symbol = object.import("f");
    let all: Vec<_> = (0..COUNT).rev().map(|at| (4 * at, CALL, symbol)).collect();
    object.relocate(text, &all);
    let module = timed(&object, "").unwrap();
    assert_eq!(module.linked.veneers, 0);
    assert_eq!(module.core_sizes.text, (COUNT * 12).next_multiple_of(4096));
}

#[test]
fn many_symbols_of_long_names() {
    let mut object = Builder::new();
    let data = object.data(&[0; 4]);
    for index in 0..30_000 {
        object.symbol(&format!("{index:01000}"), Type::Untyped, UNDEFINED, 0);
    }
    let all: Vec<_> = (1..=30_000).map(|symbol| (0, ABS32, symbol)).collect();
    object.relocate(data, &all);
    let first = format!("{}...", "0".repeat(96));
    assert_eq!(
        timed(&object, "").unwrap_err(),
        format!("unknown symbol `{first}`, and 29999 more")
    );
}

#[test]
fn names_that_are_one_long_string() {
    // Each name is the rest of the string: no file of a mebibyte has names of a gibibyte.
    let mut object = Builder::new();
    object.symbol(&"x".repeat(500_000), Type::Untyped, ABSOLUTE, 0);
    for _ in 0..30_000 {
        object.symbol("", Type::Untyped, ABSOLUTE, 0);
    }
    let (mut file, headers) = object.bytes_and_headers();
    let table = headers + 40 * object.symbol_table() as usize;
    let start = u32::from_le_bytes(*file[table + 16..].first_chunk().unwrap()) as usize;
    for symbol in 1..30_001 {
        let name: u32 = 500_001 - 1024 + symbol % 1024;
        file[start + 16 * symbol as usize..][..4].copy_from_slice(&name.to_le_bytes());
    }
    let begin = Instant::now();
    load_with(&file, &mut Kernel::default(), "", CORE, INIT).unwrap();
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    // A name of more bytes is none.
    file[start + 16..][..4].copy_from_slice(&1_u32.to_le_bytes());
    let error = load_with(&file, &mut Kernel::default(), "", CORE, INIT).unwrap_err();
    assert_eq!(error, "symbol 1: offset 0x1 of its name holds no name");
}

#[test]
fn many_sections_of_the_same_bytes() {
    let mut object = Builder::new();
    let data = object.data(&[0; 4]);
    let all: Vec<_> = (0..10_000).map(|_| (0, ABS32, 0)).collect();
    let list = object.relocate(data, &all);
    let offset = 52;
    for _ in 0..1000 {
        let other = object.data(&[0; 4]);
        let other = object.relocate(other, &[]);
        object.at(other).offset = Some(offset);
        object.at(other).size = Some(80_000);
    }
    assert_ne!(list, 0);
    let error = timed(&object, "").unwrap_err();
    assert!(error.contains("share a file of"), "{error}");
}

#[test]
fn many_exports_and_parameters() {
    const COUNT: u32 = 20_000;
    let mut object = Builder::new();
    let names: Vec<u8> = (0..COUNT).flat_map(|it| format!("{it:07}\0").into_bytes()).collect();
    let rodata = object.rodata(&names);
    let data = object.data(&[0; 4]);
    let [names, data] = [rodata, data].map(|section| object.section_symbol(section));
    let exports: Vec<u8> =
        (0..COUNT).rev().flat_map(|it| [0, 8 * it]).flat_map(u32::to_le_bytes).collect();
    let table = object.section("__ksymtab", PROGBITS, A, &exports);
    let all: Vec<_> =
        (0..2 * COUNT).map(|it| (4 * it, ABS32, if it % 2 == 0 { data } else { names })).collect();
    object.relocate(table, &all);
    let records: Vec<u8> =
        (0..COUNT).flat_map(|it| [8 * it, 4, 0, 4, 0]).flat_map(u32::to_le_bytes).collect();
    let table = object.section("__param", PROGBITS, A, &records);
    let all: Vec<_> =
        (0..COUNT).flat_map(|it| [(20 * it, ABS32, names), (20 * it + 8, ABS32, data)]).collect();
    object.relocate(table, &all);

    let arguments: String = (0..1000).map(|it| format!("{:07}=7 ", 19 * it)).collect();
    let module = timed(&object, &arguments).unwrap();
    assert_eq!(module.word(module.data()), 7);
    let exports = Exports::new(&module.core, mm::addr::VirtAddr::new(CORE), module.linked.exports);
    assert_eq!(exports.len(), COUNT);
    assert!(exports.iter().is_sorted());
    assert!(exports.find("0019999").is_some() && exports.find("0020000").is_none());
}

#[test]
fn many_functions_and_unwind_entries() {
    const COUNT: u32 = 30_000;
    let mut object = Builder::new();
    let text = object.text(&vec![0; 4 * COUNT as usize]);
    let symbol = object.section_symbol(text);
    for at in 0..COUNT {
        object.symbol("f", Type::Function, text, 4 * (at * 7919 % COUNT));
    }
    let entries: Vec<u8> =
        (0..COUNT).flat_map(|at| [4 * (at * 7919 % COUNT), 1]).flat_map(u32::to_le_bytes).collect();
    let index = object.section(".ARM.exidx", EXIDX, A, &entries);
    object.at(index).link = text.into();
    let all: Vec<_> = (0..COUNT).map(|at| (8 * at, 42, symbol)).collect();
    object.relocate(index, &all);
    let module = timed(&object, "").unwrap();
    assert_eq!(module.linked.core_index.unwrap().len(), 8 * (COUNT + 1));
}
