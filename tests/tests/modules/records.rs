//! What the macros of `<linux/module.h>` put into an object: the table of decision 15.

use super::{Folder, INSTRUCTION_SETS};
use tests::object::{Object, Relocation};

/// `R_ARM_ABS32`: the word is an address.
const ABS32: u32 = 2;

/// Bytes of a record of `__param`, of one of `__ksymtab`.
const PARAM: usize = 20;
const KSYMTAB: usize = 8;

/// A pointer in a record: the name of a symbol or section, and the offset from its section's beginning.
fn pointer(object: &Object, section: &str, offset: usize) -> Option<(String, u32)> {
    let relocations = object.relocations.get(section)?;
    let at = |relocation: &&Relocation| relocation.offset as usize == offset;
    let relocation = relocations.iter().find(at)?;
    assert_eq!(relocation.kind, ABS32, "{section}+{offset:#x}");
    let addend = object.word(section, offset).unwrap();
    Some((relocation.symbol.clone(), relocation.value + addend))
}

/// The string that a pointer in a record points to.
fn text(object: &Object, section: &str, offset: usize) -> String {
    let (target, value) = pointer(object, section, offset).unwrap();
    // Through a symbol or through the section itself.
    let bytes = object.section(if target.starts_with('.') { &target } else { ".rodata" });
    let rest = &bytes[value as usize..];
    let end = rest.iter().position(|&byte| byte == 0).unwrap();
    String::from_utf8(rest[..end].to_vec()).unwrap()
}

#[test]
fn each_kind_of_parameter_has_its_record() {
    let source = "#include <linux/module.h>\n\
                  static bool a; module_param(a, bool, 0);\n\
                  static unsigned char b; module_param(b, byte, 0);\n\
                  static short c; module_param(c, short, 0);\n\
                  static unsigned short d; module_param(d, ushort, 0);\n\
                  static int e; module_param(e, int, 0644);\n\
                  static unsigned int f; module_param(f, uint, S_IRUGO);\n\
                  static long g; module_param(g, long, 0);\n\
                  static unsigned long h; module_param(h, ulong, 0);\n\
                  static char *i = \"text\"; module_param(i, charp, 0);\n\
                  static char j[12]; module_param_string(j, j, sizeof(j), 0);\n\
                  static bool k; module_param(k, invbool, 0);\n\
                  static short l[5]; static unsigned int many; module_param_array(l, short, &many, 0);\n\
                  static char *m[3]; module_param_array(m, charp, NULL, 0);\n\
                  static int inner; module_param_named(outer, inner, int, 0);\n\
                  MODULE_PARM_DESC(outer, \"an inner one\");\n";
    let object = Folder::new().compiled(source);
    let expected = [
        ("a", 0, 1, false),
        ("b", 1, 1, false),
        ("c", 2, 2, false),
        ("d", 3, 2, false),
        ("e", 4, 4, false),
        ("f", 5, 4, false),
        ("g", 6, 4, false),
        ("h", 7, 4, false),
        ("i", 8, 4, false),
        ("j", 9, 12, false),
        ("k", 10, 1, false),
        ("l", 0x102, 10, true),
        ("m", 0x108, 12, false),
        ("outer", 4, 4, false),
    ];
    assert_eq!(object.section("__param").len(), expected.len() * PARAM);
    let mut found = Vec::new();
    for record in (0..expected.len()).map(|index| index * PARAM) {
        let word = |offset| object.word("__param", record + offset).unwrap();
        let (variable, _) = pointer(&object, "__param", record + 8).unwrap();
        assert!(variable.starts_with(".data") || variable.starts_with(".bss"), "{variable}");
        let count = pointer(&object, "__param", record + 16);
        if count.is_none() {
            assert_eq!(word(16), 0);
        }
        found.push((text(&object, "__param", record), word(4), word(12), count.is_some()));
    }
    found.sort();
    let mut expected =
        expected.map(|(name, kind, bytes, count)| (name.to_owned(), kind, bytes, count));
    expected.sort();
    assert_eq!(found, expected);

    let info = object.info();
    for line in [
        "parmtype=a:bool",
        "parmtype=j:string",
        "parmtype=l:array of short",
        "parm=outer:an inner one",
    ] {
        assert!(info.iter().any(|found| found == line), "{line} is not in {info:?}");
    }
}

#[test]
fn exports_are_an_address_and_a_name() {
    let source = "#include <linux/module.h>\n\
                  int number; EXPORT_SYMBOL(number);\n\
                  void work(void); void work(void) { number++; } EXPORT_SYMBOL_GPL(work);\n";
    let source = source.replace("int number;", "extern int number;\nint number = 1;");
    let object = Folder::new().compiled(&source);
    assert_eq!(object.section("__ksymtab").len(), 2 * KSYMTAB);
    let mut found: Vec<_> = [0, KSYMTAB]
        .into_iter()
        .map(|record| {
            let (target, _) = pointer(&object, "__ksymtab", record).unwrap();
            (text(&object, "__ksymtab", record + 4), target)
        })
        .collect();
    found.sort();
    assert_eq!(found, [("number", "number"), ("work", "work")].map(|(n, t)| (n.into(), t.into())));
}

#[test]
fn init_and_exit_have_the_names_that_the_loader_looks_for() {
    let source = "#include <linux/module.h>\n\
                  static int __initdata once = 1;\n\
                  static int __init begin(void) { return once; }\n\
                  static void __exit end(void) { }\n\
                  module_init(begin);\nmodule_exit(end);\n\
                  MODULE_LICENSE(\"GPL\");\nMODULE_AUTHOR(\"A\");\nMODULE_AUTHOR(\"B\");\n\
                  MODULE_DESCRIPTION(\"C\");\nMODULE_VERSION(\"1.0\");\nMODULE_ALIAS(\"D\");\n";
    let folder = Folder::new();
    let source = folder.source("begins-and-ends.c", source);
    for options in INSTRUCTION_SETS {
        let object = folder.object(&source, options);
        assert_eq!(object.defined["init_module"], ".init.text");
        assert_eq!(object.defined["cleanup_module"], ".exit.text");
        assert!(object.sections.contains_key(".init.data"));
        let mut info = object.info();
        info.sort();
        assert_eq!(
            info,
            [
                "alias=D",
                "author=A",
                "author=B",
                "description=C",
                "license=GPL",
                "vermagic=vmsplit 1 ARMv7",
                "version=1.0"
            ]
        );
    }
}

#[test]
fn a_module_knows_its_name() {
    let source = "#include <linux/module.h>\nstruct module *me(void);\n\
                  struct module *me(void) { return THIS_MODULE; }\n";
    let folder = Folder::new();
    let object = folder.object(&folder.source("my-own-name.c", source), &[]);
    let data = object.section(".data");
    assert_eq!(data.len(), 56);
    assert!(data.starts_with(b"my_own_name\0"));
}
