//! Objects that are refused for what they want, and what is said of each: relocations, symbols of others,
//! entries, tables, memory.

use mm::addr::VirtAddr;
use modules::{Area, Object, Plan, link};

use crate::builder::*;
use crate::faults::refused;
use crate::machine::{CORE, Kernel, load};

const ABS32: u32 = 2;
const CALL: u32 = 28;
const MOVW: u32 = 43;

/// An object with text and data that is relocated so: offset, type, symbol 1 `foo`, which is of others, or
/// 2 `note`, which is not loaded.
fn relocated(relocation: (u32, u32, u32)) -> Builder {
    let mut object = Builder::new();
    let text = object.text(&[RETURN; 8].concat());
    let note = object.section(".note", PROGBITS, 0, b"note");
    object.import("foo");
    object.section_symbol(note);
    object.relocate(text, &[relocation]);
    object
}

#[test]
fn relocations_that_are_wrong() {
    let load = |object: &Builder| {
        load(&object.bytes(), &mut Kernel::with(&[("foo", 0xc000_8000)])).unwrap_err()
    };
    for (relocation, wanted) in [
        ((0, 77, 1), "relocation 0 (symbol `foo`): unknown type 77"),
        ((0, 255, 0), "relocation 0: unknown type 255"),
        (
            (0x40, CALL, 1),
            "relocation 0 (R_ARM_CALL, symbol `foo`): offset 0x40 is outside .text of 0x20 bytes",
        ),
        (
            (0x1d, ABS32, 1),
            "relocation 0 (R_ARM_ABS32, symbol `foo`): offset 0x1d is outside .text of 0x20 bytes",
        ),
        (
            (u32::MAX, ABS32, 1),
            "relocation 0 (R_ARM_ABS32, symbol `foo`): offset 0xffffffff is outside .text of 0x20 \
             bytes",
        ),
        (
            (0x1a, CALL, 1),
            "relocation 0 (R_ARM_CALL, symbol `foo`): offset 0x1a is no multiple of 4",
        ),
        ((0, ABS32, 3), "relocation 0 (R_ARM_ABS32): symbol 3 of 3 does not exist"),
        (
            (0, ABS32, 2),
            "relocation 0 (R_ARM_ABS32, symbol `.note`): its symbol is in .note, which is not loaded",
        ),
        (
            (0, MOVW, 1),
            "relocation 0 (R_ARM_MOVW_ABS_NC, symbol `foo`): 0xe1a0f00e is not the instruction that \
             the relocation is for",
        ),
    ] {
        assert_eq!(load(&relocated(relocation)), format!("section .rel.text, {wanted}"));
    }
}

#[test]
fn sections_of_relocations_that_are_wrong() {
    let with = |change: fn(&mut Builder, u16)| {
        let mut object = relocated((0, ABS32, 0));
        let list = object.sections.len() as u16;
        change(&mut object, list);
        refused(&object.bytes())
    };
    assert_eq!(
        with(|it, list| it.at(list).info = 99),
        "section .rel.text: sh_info 99 is not the section it should be"
    );
    assert_eq!(
        with(|it, list| it.at(list).link = 2),
        "section .rel.text: sh_link 2 is not the section it should be"
    );
    assert_eq!(
        with(|it, list| it.at(list).entry_bytes = 12),
        "section .rel.text: entries of 12 bytes, not of 8"
    );
    assert_eq!(
        with(|it, list| it.at(list).bytes.push(0)),
        "section .rel.text: 0x9 bytes are no whole number of entries of 8"
    );
    assert_eq!(
        with(|it, list| it.at(list).kind = RELA),
        "section .rel.text: relocations with addends (SHT_RELA) are not ARM's"
    );
    assert_eq!(
        with(|it, _| {
            it.relocate(2, &[]);
        }),
        "section .rel.text: section 2 has other relocations already"
    );
    assert_eq!(
        with(|it, list| {
            let bss = it.bss(100);
            it.at(list).info = bss.into();
        }),
        "section .bss: is relocated, and has no bytes in the file"
    );
}

#[test]
fn symbols_that_nobody_has_are_counted() {
    let mut object = Builder::new();
    let data = object.data(&[0; 16]);
    for name in ["one", "known", "two", "three"] {
        object.import(name);
    }
    object.relocate(data, &[(0, ABS32, 3), (4, ABS32, 2), (8, ABS32, 1), (12, ABS32, 4)]);
    let load = |symbols: &[(&str, u32)]| load(&object.bytes(), &mut Kernel::with(symbols));
    let known = ("known", 0xc000_0000);
    assert_eq!(load(&[known]).unwrap_err(), "unknown symbol `one`, and 2 more");
    assert_eq!(load(&[known, ("one", 4), ("three", 4)]).unwrap_err(), "unknown symbol `two`");
    assert!(load(&[known, ("one", 4), ("two", 4), ("three", 4)]).is_ok());
}

/// A link that failed leaves nothing behind: neither in the plan nor in the object.
#[test]
fn what_was_refused_can_be_linked_when_its_symbols_are_there() {
    let mut object = Builder::new();
    let text = object.text(&0xebff_fffe_u32.to_le_bytes());
    let far = object.import("far");
    object.relocate(text, &[(0, CALL, far)]);
    let file = object.bytes();
    let object = Object::parse(&file).unwrap();
    let plan = Plan::of(&object, "").unwrap();
    let mut bytes = vec![0xaa; plan.core().bytes() as usize];
    let mut attempt = |symbols: &[(&str, u32)]| {
        let area = Area { base: VirtAddr::new(CORE), bytes: &mut bytes };
        let linked = link(&object, &plan, area, None, &mut Kernel::with(symbols));
        linked.map(|linked| (linked.veneers, bytes.clone())).map_err(|error| error.to_string())
    };
    let first = attempt(&[("far", 0x8000_0000)]).unwrap();
    assert_eq!(first.0, 1);
    assert_eq!(attempt(&[]).unwrap_err(), "unknown symbol `far`");
    assert_eq!(attempt(&[("far", 0x8000_0000)]).unwrap(), first);
    assert_eq!(attempt(&[("far", CORE + 64)]).unwrap().0, 0);
}

#[test]
fn entries_that_can_not_be_called() {
    let with = |name: &str, section: u16, kind, value| {
        let mut object = Builder::new();
        let text = object.text(&[RETURN, RETURN].concat());
        let data = object.data(b"data");
        let init = object.section(".init.text", PROGBITS, A | X, &RETURN);
        assert_eq!((text, data, init), (2, 3, 4));
        object.symbol(name, kind, section, value);
        load(&object.bytes(), &mut Kernel::default())
    };
    let no_function = "is no function in the module's text";
    for (section, kind, value) in [
        (2, Type::Object, 0),
        (2, Type::Untyped, 0),
        (3, Type::Function, 0),
        (ABSOLUTE, Type::Function, 0xc000_8000),
        (COMMON, Type::Function, 4),
        (2, Type::Function, 8),
        (1, Type::Function, 0),
    ] {
        for name in ["init_module", "cleanup_module"] {
            let error = with(name, section, kind, value).unwrap_err();
            assert_eq!(error, format!("{name}: {no_function}"));
        }
    }
    assert_eq!(
        with("init_module", 2, Type::Function, 2).unwrap_err(),
        "init_module: 0xbf800002 is no place for an instruction"
    );
    let module = with("init_module", 2, Type::Function, 3).unwrap();
    assert_eq!(module.linked.init, Some(VirtAddr::new(CORE + 3)));
    assert_eq!(
        with("cleanup_module", 4, Type::Function, 0).unwrap_err(),
        "cleanup_module: 0xbf810000 is in memory that is gone after initialisation"
    );
    assert!(with("init_module", 4, Type::Function, 0).is_ok());
    // A symbol of others, and a local one, are no entries.
    assert_eq!(with("init_module", UNDEFINED, Type::Function, 0).unwrap().linked.init, None);
}

/// A symbol and an addend.
type Pointer = (u32, u32);

/// An object that exports: address and name.
fn exporting(records: &[(Pointer, Pointer)]) -> Builder {
    let mut object = Builder::new();
    let rodata = object.rodata(b"first\0second\0\0");
    let init = object.section(".init.rodata", PROGBITS, A, b"first\0");
    let table = object.section("__ksymtab", PROGBITS, A, &[]);
    let [names, init] = [rodata, init].map(|section| object.section_symbol(section));
    assert_eq!((names, init), (1, 2));
    let fields = records.iter().flat_map(|(address, name)| [*address, *name]);
    object.at(table).bytes = fields.clone().flat_map(|it| it.1.to_le_bytes()).collect();
    let relocations: Vec<_> = fields
        .enumerate()
        .filter(|(_, (symbol, _))| *symbol != 0)
        .map(|(index, (symbol, _))| (4 * index as u32, ABS32, symbol))
        .collect();
    object.relocate(table, &relocations);
    object
}

#[test]
fn exports_that_are_wrong() {
    let refused = |records: &[_]| refused(&exporting(records).bytes());
    let sound = ((1, 0), (1, 0));
    for (record, wanted) in [
        (((0, 0xc000_8000), (1, 6)), "1 bytes at 0xc0008000 are not in the module's own memory"),
        (((2, 0), (1, 6)), "1 bytes at 0xbf810000 are not in the module's own memory"),
        (((1, 0), (0, 0)), "there is no name at 0x00000000"),
        (((1, 0), (2, 0)), "there is no name at 0xbf810000"),
        (((1, 0), (1, 13)), "there is no name at 0xbf80000d"),
        (((1, 4), (1, 0)), "another one has the name at 0xbf800000, too"),
    ] {
        assert_eq!(refused(&[sound, record]), format!("section __ksymtab, record 1: {wanted}"));
    }
    assert!(load(&exporting(&[sound, ((1, 0), (1, 6))]).bytes(), &mut Kernel::default()).is_ok());
}

#[test]
fn unwind_entries_that_are_wrong() {
    let with = |function: u32, second: u32, link: u32| {
        let mut object = Builder::new();
        let text = object.text(&RETURN);
        let symbol = object.section_symbol(text);
        let entry = [function, second].map(u32::to_le_bytes).concat();
        let index = object.section(".ARM.exidx", EXIDX, A, &entry);
        object.at(index).link = link;
        object.relocate(index, &[(0, 42, symbol)]);
        refused(&object.bytes())
    };
    let outside = |at: &str| {
        format!("section .ARM.exidx, record 0: 1 bytes at {at} are not in the module's own memory")
    };
    assert_eq!(with(4, 1, 2), outside("0xbf800004"));
    assert_eq!(with(0, 0x1000, 2), outside("0xbf802004"));
    assert_eq!(with(0, 1, 1), "section .ARM.exidx: sh_link 1 is not the section it should be");
    assert_eq!(with(0, 1, 99), "section .ARM.exidx: sh_link 99 is not the section it should be");
}

#[test]
fn areas_that_are_not_as_planned() {
    let mut object = Builder::new();
    object.section(".init.text", PROGBITS, A | X, &RETURN);
    let file = object.bytes();
    let object = Object::parse(&file).unwrap();
    let plan = Plan::of(&object, "").unwrap();
    let (core_len, init_len) = (plan.core().bytes() as usize, plan.init().bytes() as usize);
    let attempt = |core: (u32, usize), init: Option<(u32, usize)>| {
        let mut core_bytes = vec![0; core.1];
        let mut init_bytes = vec![0; init.map_or(0, |init| init.1)];
        let core = Area { base: VirtAddr::new(core.0), bytes: &mut core_bytes };
        let init = init.map(|init| Area { base: VirtAddr::new(init.0), bytes: &mut init_bytes });
        let linked = link(&object, &plan, core, init, &mut Kernel::default());
        linked.map(|_| ()).map_err(|error| error.to_string())
    };
    let sound = Some((0xbf90_0000, init_len));
    assert_eq!(attempt((CORE, core_len), sound), Ok(()));
    let text = |text: &str| Err(text.to_string());
    assert_eq!(
        attempt((CORE + 4, core_len), sound),
        text("the core area: 0xbf800004 is no page's address")
    );
    assert_eq!(
        attempt((CORE, core_len - 1), sound),
        text("the core area: 0xfff bytes were given, and 0x1000 are needed")
    );
    assert_eq!(
        attempt((CORE, core_len), None),
        text("the init area: 0x0 bytes were given, and 0x1000 are needed")
    );
    assert_eq!(
        attempt((0xffff_f000, core_len), sound),
        text("the core area: 0x1000 bytes were given, and 0x1000 are needed")
    );
}
