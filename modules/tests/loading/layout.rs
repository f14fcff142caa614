//! Where things lie, and what symbols of every kind are.

use mm::addr::VirtAddr;
use modules::{Sizes, functions};

use crate::builder::*;
use crate::machine::{CORE, INIT, Kernel, Loaded, load};

const ABS32: u32 = 2;
const REL32: u32 = 3;
const CALL: u32 = 28;
const JUMP24: u32 = 29;
const PREL31: u32 = 42;
const THM_CALL: u32 = 10;

fn loaded(builder: &Builder) -> Loaded {
    load(&builder.bytes(), &mut Kernel::default()).unwrap()
}

#[test]
fn an_object_with_nothing_is_a_module_of_one_page() {
    let module = loaded(&Builder::new());
    // The table of functions has a number at least.
    assert_eq!(module.core_sizes, Sizes { text: 0, rodata: 4096, data: 0 });
    assert!(module.init_sizes.is_empty());
    assert_eq!((module.linked.init, module.linked.exit), (None, None));
    assert_eq!((module.linked.core_index, module.linked.init_index), (None, None));
    assert!(module.linked.exports.is_empty());
    assert!(module.core.iter().all(|byte| *byte == 0));
}

#[test]
fn sections_go_to_the_part_that_their_rights_say() {
    let mut object = Builder::new();
    object.data(b"data");
    object.rodata(b"read");
    object.text(b"text");
    object.section(".init.data", PROGBITS, A | W, b"idat");
    object.section(".init.rodata", PROGBITS, A, b"irea");
    object.section(".init.text", PROGBITS, A | X, b"itex");
    object.section(".exit.text", PROGBITS, A | X, b"etex");
    object.section(".comment", PROGBITS, 0, b"none");
    let bss = object.bss(8200);
    object.at(bss).align = 64;
    let module = loaded(&object);
    assert_eq!(module.core_sizes, Sizes { text: 4096, rodata: 4096, data: 12288 });
    assert_eq!(module.init_sizes, Sizes { text: 4096, rodata: 4096, data: 4096 });
    assert_eq!(&module.from(CORE)[..12], b"textetex\0\0\0\0");
    assert_eq!(&module.from(module.rodata())[..4], b"read");
    assert_eq!(&module.from(module.data())[..4], b"data");
    assert!(module.from(module.data())[4..].iter().all(|byte| *byte == 0));
    for (offset, text) in [(0, b"itex"), (4096, b"irea"), (8192, b"idat")] {
        assert_eq!(&module.from(INIT + offset)[..4], text);
        assert!(module.from(INIT + offset)[4..4096].iter().all(|byte| *byte == 0));
    }
}

/// A name alone makes no table of what is no data.
#[test]
fn each_section_has_one_place() {
    let mut object = Builder::new();
    let bss = object.section("__ksymtab", NOBITS, A | W, &[]);
    object.at(bss).size = Some(8);
    let text = object.text(&RETURN);
    let symbol = object.section_symbol(text);
    let index = object.section("__param", EXIDX, A, &[0, 0, 0, 0, 1, 0, 0, 0]);
    object.at(index).link = text.into();
    object.relocate(index, &[(0, PREL31, symbol)]);
    let module = loaded(&object);
    assert!(module.linked.exports.is_empty());
    assert_eq!(module.core_sizes, Sizes { text: 4096, rodata: 4096, data: 4096 });
    assert_eq!(module.linked.core_index.unwrap().len(), 16);
}

#[test]
fn alignment_is_kept_up_to_a_page() {
    let mut object = Builder::new();
    for (align, at) in [(0, 0), (1, 4), (64, 64), (4096, 4096), (2, 4100)] {
        let data = object.data(b"x");
        object.at(data).align = align;
        let symbol = object.section_symbol(data);
        let pointer = object.rodata(&[0; 4]);
        object.relocate(pointer, &[(0, ABS32, symbol)]);
        let module = loaded(&object);
        let index = (object.sections.len() as u32 - 1) / 3 - 1;
        assert_eq!(module.word(module.rodata() + 4 * index), module.data() + at, "{align}");
    }
}

/// Each kind of symbol as a value in data.
#[test]
fn symbols_are_where_their_definition_says() {
    let mut object = Builder::new();
    let text = object.text(&[RETURN, RETURN].concat());
    let init = object.section(".init.data", PROGBITS, A | W, &[0; 8]);
    let data = object.data(&[0; 64]);
    let arm = object.symbol("arm", Type::Function, text, 4);
    let thumb = object.symbol("thumb", Type::Function, text, 1);
    let label = object.symbol("label", Type::Untyped, text, 8);
    let once = object.symbol("once", Type::Object, init, 4);
    let absolute = object.symbol("absolute", Type::Untyped, ABSOLUTE, 0x1234_5679);
    let own = object.section_symbol(data);
    let weak = object.import("weak");
    object.symbol_at(weak).binding = Binding::Weak;
    let variable = object.import("variable");
    let common = object.symbol("common", Type::Object, COMMON, 32);
    object.symbol_at(common).size = 100;
    let other_common = object.symbol("common2", Type::Object, COMMON, 1);
    object.symbol_at(other_common).size = 1;
    let symbols = [arm, thumb, label, once, absolute, own, weak, variable, common, other_common, 0];
    // Addends: the fourth byte of an odd variable is not the fifth.
    object.at(data).bytes[28] = 4;
    let relocations: Vec<_> =
        symbols.iter().enumerate().map(|(at, symbol)| (4 * at as u32, ABS32, *symbol)).collect();
    object.relocate(data, &relocations);
    let module = load(&object.bytes(), &mut Kernel::with(&[("variable", 0xc010_0001)])).unwrap();
    let value = |index: u32| module.word(module.data() + 4 * index);
    assert_eq!(value(0), CORE + 4);
    assert_eq!(value(1), CORE + 1);
    assert_eq!(value(2), CORE + 8);
    assert_eq!(value(3), INIT + 4);
    assert_eq!(value(4), 0x1234_5679);
    assert_eq!(value(5), module.data());
    assert_eq!(value(6), 0);
    assert_eq!(value(7), 0xc010_0005);
    assert_eq!(value(8), module.data() + 64);
    assert_eq!(value(9), module.data() + 164);
    assert_eq!(value(10), 0);
    assert_eq!(module.core_sizes.data, 4096);
}

#[test]
fn a_branch_to_a_weak_symbol_that_nobody_has_goes_on() {
    let mut object = Builder::new();
    let call = 0xebff_fffe_u32.to_le_bytes();
    let text = object.text(&[call, call, [0xff, 0xf7, 0xfe, 0xff]].concat());
    let weak = object.import("weak");
    object.symbol_at(weak).binding = Binding::Weak;
    object.relocate(text, &[(0, CALL, weak), (4, JUMP24, weak), (8, THM_CALL, weak)]);
    let module = loaded(&object);
    assert_eq!(module.word(CORE), 0xe320_f000);
    assert_eq!(module.word(CORE + 4), 0xe320_f000);
    assert_eq!((module.half(CORE + 8), module.half(CORE + 10)), (0xf3af, 0x8000));
    assert_eq!(module.linked.veneers, 0);
}

#[test]
fn the_two_areas_refer_to_each_other() {
    let mut object = Builder::new();
    let text = object.text(&0xebff_fffe_u32.to_le_bytes());
    let init = object.section(".init.text", PROGBITS, A | X, &0xebff_fffe_u32.to_le_bytes());
    let data = object.data(&[0; 4]);
    let [to_text, to_init] = [text, init].map(|section| object.section_symbol(section));
    object.relocate(text, &[(0, CALL, to_init)]);
    object.relocate(init, &[(0, CALL, to_text)]);
    object.relocate(data, &[(0, REL32, to_init)]);
    let module = loaded(&object);
    assert_eq!(crate::machine::arm_branch(module.word(CORE), CORE), INIT);
    assert_eq!(crate::machine::arm_branch(module.word(INIT), INIT), CORE);
    assert_eq!(module.word(module.data()), INIT.wrapping_sub(module.data()));
}

#[test]
fn what_is_not_loaded_is_not_relocated() {
    let mut object = Builder::new();
    let debug = object.section(".debug_info", PROGBITS, 0, &[0; 4]);
    let text = object.text(&RETURN);
    let symbol = object.import("nobody");
    // Unknown types, places outside, symbols that do not exist: all of no interest.
    object.relocate(debug, &[(0, 77, symbol), (100, ABS32, 0), (0, ABS32, 1000)]);
    // Nor does a symbol count that only a relocation of no effect names.
    let routine = object.import("__aeabi_unwind_cpp_pr0");
    object.relocate(text, &[(0, 0, routine)]);
    let mut kernel = Kernel::default();
    assert!(load(&object.bytes(), &mut kernel).is_ok());
    assert!(kernel.asked.is_empty());
}

#[test]
fn a_function_without_a_size_reaches_to_the_next_one() {
    let mut object = Builder::new();
    let text = object.text(&[RETURN; 8].concat());
    object.symbol("first", Type::Function, text, 0);
    let sized = object.symbol("sized", Type::Function, text, 8);
    object.symbol_at(sized).size = 4;
    object.symbol("last", Type::Function, text, 17);
    let long = object.symbol("too long", Type::Function, text, 28);
    object.symbol_at(long).size = u32::MAX;
    let module = loaded(&object);
    let find = |at| functions::find(module.functions(), VirtAddr::new(at)).map(|it| it.name);
    assert_eq!(find(CORE), Some("first"));
    assert_eq!(find(CORE + 7), Some("first"));
    assert_eq!(find(CORE + 8), Some("sized"));
    assert_eq!(find(CORE + 12), None);
    assert_eq!(find(CORE + 16), Some("last"));
    assert_eq!(find(CORE + 27), Some("last"));
    assert_eq!(find(CORE + 31), Some("too long"));
    assert_eq!(find(CORE + 32), None);
}

#[test]
fn code_without_unwind_entries_gets_one() {
    let mut object = Builder::new();
    let [first, second] = [".text", ".text.b"].map(|name| {
        let section = object.section(name, PROGBITS, A | X, &RETURN);
        (section, object.section_symbol(section))
    });
    let third = object.section(".text.c", PROGBITS, A | X, &RETURN);
    // Of the second section first, then of the first.
    for (section, symbol) in [second, first] {
        let entry = [[0; 4], 0x80b0_b0b0_u32.to_le_bytes()].concat();
        let index = object.section(".ARM.exidx", EXIDX, A, &entry);
        object.at(index).link = section.into();
        object.relocate(index, &[(0, PREL31, symbol)]);
    }
    assert_ne!(third, 0);
    let module = loaded(&object);
    let index = module.linked.core_index.unwrap();
    let entries: Vec<_> = (index.start().as_u32()..index.end().as_u32())
        .step_by(8)
        .map(|at| {
            let offset = (module.word(at) << 1).cast_signed() >> 1;
            (at.wrapping_add_signed(offset) - CORE, module.word(at + 4))
        })
        .collect();
    assert_eq!(entries, [(0, 0x80b0_b0b0), (4, 0x80b0_b0b0), (8, 1), (12, 1)]);
}
