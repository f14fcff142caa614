//! Objects that are refused for what they are, and what is said of each: header, sections, symbols.

use crate::builder::*;
use crate::machine::{Kernel, load};

pub fn refused(object: &[u8]) -> String {
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
