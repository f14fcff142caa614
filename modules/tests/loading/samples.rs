//! What gcc makes of `objects/sample.c`, in both states, held against GNU ld.
//!
//! `sample_*.o` are gcc's objects; `sample_*.core` and `sample_*.init` are what GNU ld makes of them
//! with `sample.ld`, which gives everything the place that the plan gives it. One test needs only these
//! files. Another makes them anew where GNU's tools are installed; with `VMSPLIT_BLESS=1` in the
//! environment it writes them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use mm::addr::{VirtAddr, VirtRange};
use modules::exports::Exports;
use modules::{Object, functions};

use crate::machine::{CORE, Kernel, Loaded, load};

pub const STATES: [&str; 2] = ["arm", "thumb"];

/// What `objects/kernel.s` defines, at the place that `sample.ld` gives it.
pub const KERNEL: [(&str, u32); 4] = [
    ("printk", 0xc000_8000),
    ("kmalloc", 0xc000_8005),
    ("kfree", 0xc000_8008),
    ("jiffies", 0xc000_800c),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects")
}

/// gcc's object for a state.
pub fn object(state: &str) -> Vec<u8> {
    file(state, "o")
}

fn file(state: &str, extension: &str) -> Vec<u8> {
    fs::read(folder().join(format!("sample_{state}.{extension}"))).unwrap()
}

pub fn loaded(state: &str) -> Loaded {
    load(&object(state), &mut Kernel::with(&KERNEL)).unwrap()
}

/// Ours is as GNU ld's, up to the tables that we add at the end.
fn assert_same(state: &str, theirs_core: &[u8], theirs_init: &[u8]) {
    let ours = loaded(state);
    let index = ours.linked.core_index.unwrap();
    // Text, read-only data and index; then data. Beside that only the table of functions is ours.
    let index_end = (index.end().as_u32() - CORE) as usize;
    let data = (ours.data() - CORE) as usize;
    assert_eq!(ours.linked.functions.start(), VirtAddr::new(index.end().as_u32() + 8 * 3));
    assert_bytes(&ours.core[..index_end], &theirs_core[..index_end], state);
    assert_bytes(&ours.core[data..][..theirs_core.len() - data], &theirs_core[data..], state);
    let init_text = ours.init_sizes.text as usize;
    let init_data = (ours.init_sizes.text + ours.init_sizes.rodata) as usize;
    assert_bytes(&ours.init[..init_text], &theirs_init[..init_text], state);
    assert_bytes(&ours.init[init_data..][..4], &theirs_init[init_data..], state);
    assert_eq!(ours.linked.veneers, 0);
}

fn assert_bytes(ours: &[u8], theirs: &[u8], state: &str) {
    assert_eq!(ours.len(), theirs.len());
    let differs = ours.iter().zip(theirs).position(|(one, other)| one != other);
    assert_eq!(differs, None, "{state}: offset of the first byte that differs");
}

#[test]
fn gnu_ld_makes_the_same_bytes() {
    for state in STATES {
        assert_same(state, &file(state, "core"), &file(state, "init"));
    }
}

#[test]
fn the_samples_are_what_gnu_tools_make() {
    let version = Command::new("arm-none-eabi-gcc").arg("-dumpfullversion").output();
    if version.is_err() {
        return eprintln!("skipped: there is no arm-none-eabi-gcc");
    }
    let made = tempfile::tempdir().unwrap();
    let path = |name: &str| made.path().join(name);
    let run = |command: &str, arguments: &[&str], output: &Path| {
        let mut command = Command::new(format!("arm-none-eabi-{command}"));
        // Relative names, so that no path of this machine is in the objects.
        command.current_dir(folder()).args(arguments).arg(output);
        assert!(command.status().unwrap().success(), "{command:?}");
    };
    let kernel = path("kernel.o");
    run("as", &["kernel.s", "-o"], &kernel);
    for state in STATES {
        let object = path("sample.o");
        let elf = path("sample.elf");
        let flags = "-mfloat-abi=soft -march=armv7-a -ffreestanding -fno-pic -O2 -fcommon \
                     -funwind-tables -fno-optimize-sibling-calls -c sample.c";
        let mut arguments: Vec<_> = flags.split_whitespace().collect();
        let state_flag = format!("-m{state}");
        arguments.extend([&*state_flag, "-o"]);
        run("gcc", &arguments, &object);
        let names = [&object, &kernel].map(|path| path.to_str().unwrap());
        let flags = ["--no-merge-exidx-entries", "-e", "0", "-T", "sample.ld"];
        run("ld", &[&flags[..], &names, &["-o"]].concat(), &elf);
        let copy = |sections: &[&str], extension: &str| {
            let mut arguments = vec!["-O", "binary"];
            arguments.extend(sections.iter().flat_map(|section| ["-j", *section]));
            arguments.push(elf.to_str().unwrap());
            run("objcopy", &arguments, &path(extension));
            fs::read(path(extension)).unwrap()
        };
        let core = copy(&[".core.text", ".core.rodata", ".core.index", ".core.data"], "core");
        let init = copy(&[".init.text", ".init.data"], "init");
        let object = fs::read(object).unwrap();
        if env::var_os("VMSPLIT_BLESS").is_some() {
            for (bytes, extension) in [(&object, "o"), (&core, "core"), (&init, "init")] {
                fs::write(folder().join(format!("sample_{state}.{extension}")), bytes).unwrap();
            }
        }
        if object == file(state, "o") {
            assert_same(state, &core, &init);
        } else {
            eprintln!("sample_{state}.o was made by another version of gcc");
        }
    }
}

#[test]
fn entries_are_found_in_their_areas_and_states() {
    for (state, bit) in [("arm", 0), ("thumb", 1)] {
        let module = loaded(state);
        let init = module.linked.init.unwrap().as_u32();
        let exit = module.linked.exit.unwrap().as_u32();
        assert_eq!(init, module.init_base + bit);
        assert!((CORE..CORE + 4096).contains(&exit) && exit & 1 == bit);
    }
}

#[test]
fn exports_are_read_from_the_core() {
    for (state, bit) in [("arm", 0), ("thumb", 1)] {
        let module = loaded(state);
        let exports = Exports::new(&module.core, VirtAddr::new(CORE), module.linked.exports);
        let names: Vec<_> = exports.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["sample_add", "sample_value"]);
        assert_eq!((exports.len(), exports.is_empty()), (2, false));
        let add = exports.find("sample_add").unwrap().as_u32();
        assert_eq!(add & 3, bit);
        let found = functions::find(module.functions(), VirtAddr::new(add)).unwrap();
        assert_eq!(found.name, "sample_add");
        assert_eq!(module.word(exports.find("sample_value").unwrap().as_u32()), 42);
        assert_eq!(exports.find("sample"), None);
        assert_eq!(exports.find("sample_value2"), None);
    }
}

#[test]
fn functions_have_names_and_ends() {
    for state in STATES {
        let module = loaded(state);
        let find = |at: u32| functions::find(module.functions(), VirtAddr::new(at));
        let exit = module.linked.exit.unwrap().as_u32() & !1;
        let found = find(exit).unwrap();
        // Rather than `cleanup_module`, the name that our headers gave it.
        assert_eq!((found.name, found.start.as_u32()), ("sample_exit", exit));
        assert_eq!(find(exit + found.size - 1), Some(found));
        assert_eq!(find(exit + found.size), None);
        assert_eq!(find(module.init_base).unwrap().name, "sample_init");
        assert_eq!(find(module.data()), None);
        let names: Vec<_> = (CORE..CORE + 0x200).step_by(4).filter_map(find).collect();
        for name in ["twice", "sample_add", "choose", "sample_exit"] {
            assert!(names.iter().any(|found| found.name == name), "{name}");
        }
    }
}

#[test]
fn the_unwind_index_is_sorted_and_ends_with_the_code() {
    for state in STATES {
        let module = loaded(state);
        let entries = |index: VirtRange| -> Vec<(u32, u32)> {
            let places = (index.start().as_u32()..index.end().as_u32()).step_by(8);
            let entry = |at| {
                let offset = (module.word(at) << 1).cast_signed() >> 1;
                (at.wrapping_add_signed(offset), module.word(at + 4))
            };
            places.map(entry).collect()
        };
        let core = entries(module.linked.core_index.unwrap());
        assert!(core.is_sorted_by_key(|entry| entry.0));
        assert_eq!(core.len(), 5);
        let exit = module.linked.exit.unwrap().as_u32() & !1;
        assert_eq!(core[3].0, exit);
        let found = functions::find(module.functions(), VirtAddr::new(exit)).unwrap();
        assert_eq!(core[4], ((exit + found.size).next_multiple_of(2), 1));
        let init = entries(module.linked.init_index.unwrap());
        assert_eq!(init.iter().map(|entry| entry.0).collect::<Vec<_>>()[0], module.init_base);
        assert_eq!(init.len(), 2);
    }
}

#[test]
fn what_the_object_says_of_itself_is_read() {
    for state in STATES {
        let object = object(state);
        let object = Object::parse(&object).unwrap();
        let info: Vec<_> = object.info().collect();
        assert!(info.contains(&("license", "MIT")) && info.contains(&("description", "a sample")));
        let mut parameters: Vec<_> = object.info().parameters().collect();
        parameters.sort_unstable();
        assert_eq!(parameters, [("list", "array of int", ""), ("number", "int", "how many")]);
        let mut imports: Vec<_> = object.imports().collect();
        imports.sort_unstable();
        assert_eq!(imports, ["jiffies", "kfree", "kmalloc", "optional", "printk"]);
    }
}

#[test]
fn each_symbol_of_others_is_asked_for_once() {
    for state in STATES {
        let mut kernel = Kernel::with(&KERNEL);
        load(&object(state), &mut kernel).unwrap();
        kernel.asked.sort_unstable();
        assert_eq!(kernel.asked, ["jiffies", "kfree", "kmalloc", "optional", "printk"]);
    }
}
