//! Objects that are refused, and what is said of each.

use mm::addr::VirtAddr;
use modules::{Area, Object, Plan, link};

use crate::builder::*;
use crate::machine::{CORE, Kernel, load};

const ABS32: u32 = 2;
const CALL: u32 = 28;
const MOVW: u32 = 43;

fn refused(object: &[u8]) -> String {
    load(object, &mut Kernel::default()).unwrap_err()
}

/// A sound object, with one change to its header.
fn with_header(at: usize, bytes: &[u8]) -> String {
    let mut object = Builder::new().bytes();
    assert!(load(&object, &mut Kernel::default()).is_ok());
    object[at..at + bytes.len()].copy_from_slice(bytes);
    refused(&object)
}

#[test]
fn files_that_are_no_object_of_this_machine() {
    let sound = Builder::new().bytes();
    for (len, wanted) in [
        (0, "0 bytes are fewer than an ELF header"),
        (15, "15 bytes are fewer than an ELF header"),
        (51, "51 bytes are fewer than an ELF header"),
        (52, "5 section headers at offset 0x94 are not in a file of 0x34 bytes"),
    ] {
        assert_eq!(refused(&sound[..len]), wanted);
    }
    for (at, bytes, wanted) in [
        (0, &b"\x7fELV"[..], "not an ELF file"),
        (4, &[2], "not ELF for a 32-bit machine"),
        (4, &[3], "not an ELF file"),
        (5, &[2], "not little-endian"),
        (6, &[2], "not an ELF file"),
        (16, &[2, 0], "ELF type 2 is no relocatable object (1)"),
        (18, &[62, 0], "machine 62 is not ARM (40)"),
        (39, &[4], "EABI version 4, not 5"),
        (37, &[4], "e_flags 0x5000400: built for a hard-float ABI"),
        (46, &[64, 0], "section headers of 64 bytes, not of 40"),
        (48, &[0, 0], "no section headers, or more than 65279"),
        (50, &[0xff, 0xff], "no section headers, or more than 65279"),
        (50, &[5, 0], "section 5 of section names does not exist"),
        (32, &[0xff; 4], "5 section headers at offset 0xffffffff are not in a file of 0x15c bytes"),
        (48, &[0, 2], "512 section headers at offset 0x94 are not in a file of 0x15c bytes"),
    ] {
        assert_eq!(with_header(at, bytes), wanted);
    }
}

#[test]
fn objects_of_another_kernel() {
    let mut object = Builder::empty();
    assert_eq!(refused(&object.bytes()), "no module of this kernel: .modinfo has no vermagic");
    object.section(".modinfo", PROGBITS, A, b"license=MIT\0vermagic\0\xff=1\0");
    assert_eq!(refused(&object.bytes()), "no module of this kernel: .modinfo has no vermagic");
    object.at(1).bytes = b"vermagic=6.1.0-13-armmp SMP mod_unload ARMv7 p2v8 \0".into();
    assert_eq!(
        refused(&object.bytes()),
        "built for another kernel: vermagic `6.1.0-13-armmp SMP mod_unload ARMv7 p2v8 `, not \
         `vmsplit 1 ARMv7`"
    );
    // Without a NUL at the end it is the same.
    object.at(1).bytes = b"vermagic=vmsplit 1 ARMv7".into();
    assert!(load(&object.bytes(), &mut Kernel::default()).is_ok());
}

/// An object with a section `.data`, which is changed.
fn with_data(change: impl FnOnce(&mut Section)) -> String {
    let mut object = Builder::new();
    let data = object.data(b"data");
    change(object.at(data));
    refused(&object.bytes())
}

#[test]
fn sections_that_can_not_be_loaded() {
    type Change = fn(&mut Section);
    let cases: [(Change, &str); 12] = [
        (
            |it| it.offset = Some(0x1000),
            "section .data: 0x4 bytes at offset 0x1000 are not in a file of 0x190",
        ),
        (
            |it| it.size = Some(u32::MAX),
            "section .data: 0xffffffff bytes at offset 0x5c are not in a file of 0x190",
        ),
        (
            |it| (it.offset, it.size) = (Some(0), Some(0x190)),
            "sections of 0x1f0 bytes in all share a file of 0x190 bytes",
        ),
        (|it| it.align = 3, "section .data: alignment 0x3 is no power of two"),
        (|it| it.align = 0x2000, "section .data: alignment 0x2000 is larger than a page"),
        (|it| it.align = 1 << 31, "section .data: alignment 0x80000000 is larger than a page"),
        (|it| it.flags |= COMPRESSED, "section .data: is to be loaded, and is compressed"),
        (|it| it.flags |= TLS, "section .data: thread-local data is not supported"),
        (|it| it.flags |= X, "section .data: is both writable and executable"),
        (|it| it.kind = INIT_ARRAY, "section .data: constructors are not supported"),
        (
            |it| it.name = "__ksymtab".into(),
            "section __ksymtab: 0x4 bytes are no whole number of entries of 8",
        ),
        (
            |it| it.name = "__param".into(),
            "section __param: 0x4 bytes are no whole number of entries of 20",
        ),
    ];
    for (change, wanted) in cases {
        assert_eq!(with_data(change), wanted);
    }
}

#[test]
fn sections_without_a_name() {
    let (mut file, headers) = Builder::new().bytes_and_headers();
    file[headers + 40..][..4].copy_from_slice(&0x999_u32.to_le_bytes());
    assert_eq!(refused(&file), "section 1: offset 0x999 of its name holds no name");
    let long = "x".repeat(1025);
    assert_eq!(
        with_data(|it| it.name.clone_from(&long)),
        "section 2: offset 0xa of its name holds no name"
    );
    // Control characters of a name do not reach a terminal.
    assert_eq!(
        with_data(|it| (it.name, it.align) = ("a\x1b[2J\n".into(), 3)),
        "section a?[2J?: alignment 0x3 is no power of two"
    );
}

#[test]
fn areas_and_parts_that_are_too_large() {
    let mut object = Builder::new();
    let bss = object.bss(0xffff_f000);
    object.bss(0x2000);
    assert_eq!(
        refused(&object.bytes()),
        "section .bss: 0x2000 bytes more are too many for one area"
    );
    object.sections.pop();
    // The table of functions takes one page more, and there are no more.
    assert_eq!(refused(&object.bytes()), "the core area: would be larger than the address space");
    object.at(bss).size = Some(u32::MAX);
    let common = object.symbol("common", Type::Object, COMMON, 4096);
    object.symbol_at(common).size = 1;
    assert_eq!(
        refused(&object.bytes()),
        "symbol `common`: 0x1 bytes more are too many for one area"
    );
    object.at(bss).name = ".init.bss".into();
    object.section(".init.text", PROGBITS, A | X, &RETURN);
    assert_eq!(refused(&object.bytes()), "the init area: would be larger than the address space");
}

#[test]
fn floating_point_is_refused_by_name() {
    let mut object = Builder::new();
    let attributes = |tag: u8| [&b"A\x11\0\0\0aeabi\0\x01\x07\0\0\0"[..], &[tag, 1]].concat();
    let section = object.section(".ARM.attributes", ATTRIBUTES, 0, &attributes(6));
    assert!(load(&object.bytes(), &mut Kernel::default()).is_ok());
    for (tag, name) in
        [(10, "Tag_FP_arch"), (12, "Tag_Advanced_SIMD_arch"), (28, "Tag_ABI_VFP_args")]
    {
        object.at(section).bytes = attributes(tag);
        assert_eq!(
            refused(&object.bytes()),
            format!(
                "section .ARM.attributes: the object uses floating-point registers ({name} is 1)"
            )
        );
    }
    object.at(section).bytes[0] = b'B';
    assert_eq!(
        refused(&object.bytes()),
        "section .ARM.attributes: malformed build attributes at offset 0x0"
    );
}

#[test]
fn symbol_tables_that_are_wrong() {
    let object = Builder::new();
    let (file, headers) = object.bytes_and_headers();
    let table = headers + 40 * object.symbol_table() as usize;
    for (at, value, wanted) in [
        (4, 1, "no symbol table"),
        (24, 1, "section .symtab: sh_link 1 is not the section it should be"),
        (24, 99, "section .symtab: sh_link 99 is not the section it should be"),
        (36, 8, "section .symtab: entries of 8 bytes, not of 16"),
        (20, 15, "section .symtab: 0xf bytes are no whole number of entries of 16"),
    ] {
        let mut file = file.clone();
        file[table + at..][..4].copy_from_slice(&u32::to_le_bytes(value));
        assert_eq!(refused(&file), wanted);
    }
    let mut two = Builder::new();
    two.section(".symtab", 2, 0, &[]);
    assert_eq!(refused(&two.bytes()), "more than one symbol table");
}

#[test]
fn symbols_that_are_wrong() {
    let with = |section, value| {
        let mut object = Builder::new();
        object.data(b"data");
        object.symbol("one", Type::Object, 2, 4);
        object.symbol("it", Type::Object, section, value);
        refused(&object.bytes())
    };
    assert_eq!(with(2, 5), "symbol `it`: offset 0x5 is outside a section of 0x4 bytes");
    assert_eq!(with(6, 0), "symbol `it`: is in section 0x6, which does not exist");
    assert_eq!(with(0xffff, 0), "symbol `it`: is in section 0xffff, which does not exist");
    assert_eq!(with(COMMON, 3), "symbol `it`: alignment 0x3 is no power of two up to a page");
    assert_eq!(with(COMMON, 0), "symbol `it`: alignment 0x0 is no power of two up to a page");
    assert_eq!(with(COMMON, 8192), "symbol `it`: alignment 0x2000 is no power of two up to a page");
    let mut object = Builder::new();
    object.symbol(&"x".repeat(1025), Type::Object, ABSOLUTE, 0);
    assert_eq!(refused(&object.bytes()), "symbol 1: offset 0x1 of its name holds no name");
}

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
