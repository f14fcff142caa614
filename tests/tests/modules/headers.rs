//! The headers: each compiles alone, and says what the Rust side says.

use super::{Folder, INSTRUCTION_SETS, include, root};
use mm::addr::{Order, PAGE_SIZE};
use mm::dma::Direction;
use mm::object::{SlabFlags, kmalloc};
use mm::zone::Gfp;
use std::collections::BTreeSet;
use std::fs;
use tests::headers::{declared, exported, headers};
use tests::xtask::xtask;

/// Twice, so that a header without a guard is caught.
#[test]
fn every_header_compiles_by_itself() {
    let folder = Folder::new();
    let names = headers(&include()).unwrap();
    assert!(names.len() > 40, "only these headers were found: {names:?}");
    for options in INSTRUCTION_SETS {
        let mut words = vec!["module".to_owned()];
        for name in &names {
            let text = format!("#include <{name}>\n#include <{name}>\nextern int a_declaration;\n");
            let stem = name.replace(['/', '.'], "_");
            words.push(folder.source(&format!("{stem}.c"), &text).to_str().unwrap().to_owned());
        }
        let archive = folder.path("all.cpio");
        words.extend(["--pack".to_owned(), archive.to_str().unwrap().to_owned()]);
        words.extend(options.iter().map(ToString::to_string));
        words.extend(["--", "-Wextra", "-Werror"].map(String::from));
        let output = xtask(&words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{options:?}: {said}");
    }
}

/// The values that the compiler has for these expressions.
fn values(include: &str, expressions: &[String]) -> Vec<u32> {
    let list: String =
        expressions.iter().map(|one| format!("\t(unsigned int)({one}),\n")).collect();
    let text = format!(
        "{include}\nextern const unsigned int values[];\nconst unsigned int values[] = {{\n{list}}};\n"
    );
    let object = Folder::new().compiled(&text);
    let (_, section) = object.defined.iter().find(|(name, _)| *name == "values").unwrap();
    (0..expressions.len()).map(|index| object.word(section, 4 * index).unwrap()).collect()
}

/// Holds pairs of a C expression and its value.
fn hold(include: &str, pairs: &[(String, u32)]) {
    let expressions: Vec<_> = pairs.iter().map(|(expression, _)| expression.clone()).collect();
    for ((expression, expected), found) in pairs.iter().zip(values(include, &expressions)) {
        assert_eq!(found, *expected, "{expression} is {found:#x} in C, {expected:#x} in Rust");
    }
}

/// The macros of a header that begin with one of `prefixes`.
fn macros(header: &str, prefixes: &[&str]) -> BTreeSet<String> {
    let text = fs::read_to_string(include().join(header)).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("#define "));
    let names = names.filter_map(|rest| rest.split([' ', '(', '\t']).next());
    names
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .map(String::from)
        .collect()
}

#[test]
fn gfp_flags_have_one_number_on_both_sides() {
    let mut pairs: Vec<_> =
        Gfp::all().iter_names().map(|(name, flag)| (name.to_owned(), flag.bits())).collect();
    let bits = pairs.len();
    for (name, flags) in [
        ("__GFP_RECLAIM", Gfp::__GFP_RECLAIM),
        ("GFP_KERNEL", Gfp::GFP_KERNEL),
        ("GFP_KERNEL_ACCOUNT", Gfp::GFP_KERNEL_ACCOUNT),
        ("GFP_ATOMIC", Gfp::GFP_ATOMIC),
        ("GFP_NOWAIT", Gfp::GFP_NOWAIT),
        ("GFP_NOIO", Gfp::GFP_NOIO),
        ("GFP_NOFS", Gfp::GFP_NOFS),
        ("GFP_USER", Gfp::GFP_USER),
        ("GFP_HIGHUSER", Gfp::GFP_HIGHUSER),
        ("GFP_HIGHUSER_MOVABLE", Gfp::GFP_HIGHUSER_MOVABLE),
        ("GFP_DMA", Gfp::GFP_DMA),
        ("GFP_DMA32", Gfp::GFP_DMA32),
        ("GFP_TRANSHUGE_LIGHT", Gfp::GFP_TRANSHUGE_LIGHT),
        ("GFP_TRANSHUGE", Gfp::GFP_TRANSHUGE),
    ] {
        pairs.push((name.to_owned(), flags.bits()));
    }
    assert_eq!(bits, 28);
    hold("#include <linux/gfp.h>", &pairs);
    let held: BTreeSet<_> = pairs.into_iter().map(|(name, _)| name).collect();
    assert_eq!(macros("linux/gfp.h", &["__GFP_", "GFP_"]), held, "and no others");
}

#[test]
fn slab_flags_have_one_number_on_both_sides() {
    let mut pairs: Vec<_> =
        SlabFlags::all().iter_names().map(|(name, flag)| (name.to_owned(), flag.bits())).collect();
    for nothing in ["SLAB_ACCOUNT", "SLAB_MEM_SPREAD"] {
        pairs.push((nothing.to_owned(), 0));
    }
    pairs.push(("SLAB_TEMPORARY".to_owned(), SlabFlags::SLAB_RECLAIM_ACCOUNT.bits()));
    hold("#include <linux/slab.h>", &pairs);
    let held: BTreeSet<_> = pairs.into_iter().map(|(name, _)| name).collect();
    assert_eq!(macros("linux/slab.h", &["SLAB_"]), held, "and no others");
}

#[test]
fn sizes_and_limits_have_one_number_on_both_sides() {
    let orders = u32::from(Order::MAX.as_u8()) + 1;
    let pairs = [
        ("PAGE_SIZE", PAGE_SIZE),
        ("1 << PAGE_SHIFT", PAGE_SIZE),
        ("PAGE_MASK", !(PAGE_SIZE - 1)),
        ("MAX_ORDER", orders),
        ("KMALLOC_MAX_SIZE", PAGE_SIZE << (orders - 1)),
        ("KMALLOC_MAX_CACHE_SIZE", kmalloc::MAX_CACHED),
        ("ZERO_SIZE_PTR", kmalloc::ZERO_SIZE.as_u32()),
        ("DMA_BIDIRECTIONAL", Direction::Bidirectional as u32),
        ("DMA_TO_DEVICE", Direction::ToDevice as u32),
        ("DMA_FROM_DEVICE", Direction::FromDevice as u32),
        ("DMA_MAPPING_ERROR", u32::MAX),
        ("DMA_BIT_MASK(24)", 0x00ff_ffff),
        ("DMA_BIT_MASK(64) >> 32", u32::MAX),
        ("sizeof(dma_addr_t)", 4),
        ("sizeof(phys_addr_t)", 4),
        ("sizeof(gfp_t)", 4),
        ("sizeof(size_t)", 4),
        ("sizeof(enum dma_data_direction)", 4),
        ("sizeof(bool)", 1),
        ("sizeof(u64)", 8),
        ("__alignof__(u64)", 8),
        ("ALIGN(5, 4)", 8),
        ("round_up(4097, PAGE_SIZE)", 8192),
        ("DIV_ROUND_UP(9, 4)", 3),
        ("GENMASK(7, 4)", 0xf0),
        ("KERNEL_VERSION(6, 1, 0)", 0x0006_0100),
    ];
    let include = "#include <linux/dma-mapping.h>\n#include <linux/kernel.h>\n\
                   #include <linux/mm.h>\n#include <linux/slab.h>\n#include <linux/version.h>";
    hold(include, &pairs.map(|(expression, value)| (expression.to_owned(), value)));
}

/// What the compiler must not let pass.
#[test]
fn mistakes_are_told_by_the_compiler() {
    let folder = Folder::new();
    let start = "#include <linux/module.h>\n#include <linux/slab.h>\n";
    for (mistake, said) in [
        ("static int n; module_param(n, bool, 0);", "incompatible"),
        ("static char *s[2]; module_param_array(s, int, NULL, 0);", "incompatible"),
        ("static int *p; module_param_array(p, int, NULL, 0);", "width"),
        ("static int n; module_param(n, int, 01000);", "permissions"),
        ("static int f(int n) { return n; } module_init(f);", "incompatible"),
        ("int f(int *p); int f(int *p) { return ARRAY_SIZE(p); }", "width"),
        ("int f(long n); int f(long n) { return min(n, 1); }", "distinct pointer types"),
        ("void f(void); void f(void) { krealloc(NULL, 1, GFP_KERNEL); }", "ignoring return"),
        ("void f(void); void f(void) { pr_info(\"%s\\n\", 1); }", "expects argument"),
        ("static_assert(sizeof(long) == 8);", "static assertion failed"),
    ] {
        let source = folder.source("mistake.c", &format!("{start}{mistake}\n"));
        let output = folder.call(&source, &[], &["-Werror"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{mistake}: {stderr}");
        assert!(stderr.contains(said), "{mistake}: {stderr}");
    }
}

/// Both sides of the contract have the same names.
#[test]
fn what_is_declared_is_exported() {
    let declared = declared(&include()).unwrap();
    let exported = exported(&root().join("kernel/src")).unwrap();
    assert!(exported.len() > 100, "only these were found: {exported:?}");
    let missing: Vec<_> = declared.difference(&exported).map(String::as_str).collect();
    assert!(missing.is_empty(), "declared, and the kernel does not export {missing:?}");
    let unknown: Vec<_> = exported.difference(&declared).collect();
    assert!(unknown.is_empty(), "exported, and no header declares {unknown:?}");
}

#[test]
fn the_headers_declare_a_whole_interface() {
    let declared = declared(&include()).unwrap();
    for name in [
        "kmalloc",
        "vmalloc",
        "alloc_pages",
        "kmem_cache_create",
        "mempool_create",
        "kmap",
        "ioremap",
        "dma_alloc_coherent",
        "virt_to_phys",
        "printk",
        "panic",
        "strscpy",
        "kstrtoint",
        "try_module_get",
        "virt_to_page",
        "__aeabi_uldivmod",
    ] {
        assert!(declared.contains(name), "{name} is not declared");
    }
}
