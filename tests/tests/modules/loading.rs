//! The kernel's loader, run on the host, takes what the compilers make of the examples.
//!
//! There is memory at two pretended places: beside the kernel, where every branch reaches, and far
//! from it, where each goes through a veneer.

use super::examples::examples;
use super::{Folder, INSTRUCTION_SETS, include, root};
use mm::addr::VirtAddr;
use modules::exports::Exports;
use modules::{Area, Imports, LoadError, Object, Plan, link};
use std::collections::BTreeMap;
use tests::headers::declared;

/// The kernel's text, the modules region, the vmalloc region.
const KERNEL: u32 = 0xc000_8000;
const NEAR: u32 = 0xbf00_0000;
const FAR: u32 = 0xf100_0000;

/// A kernel that exports what the headers declare, and what other modules do.
struct Kernel(BTreeMap<String, VirtAddr>);

impl Kernel {
    fn new() -> Self {
        let names = declared(&include()).unwrap();
        let addresses = (KERNEL..).step_by(64).map(VirtAddr::new);
        Self(names.into_iter().zip(addresses).collect())
    }
}

impl Imports for Kernel {
    fn find(&mut self, name: &str) -> Option<VirtAddr> {
        self.0.get(name).copied()
    }
}

/// A module in memory.
struct Loaded {
    core: Vec<u8>,
    base: u32,
    linked: modules::Linked,
    functions: u32,
}

impl Loaded {
    /// Does the module's memory hold these bytes?
    fn holds(&self, bytes: &[u8]) -> bool {
        self.core.windows(bytes.len()).any(|window| window == bytes)
    }

    /// What it exports.
    fn exports(&self) -> BTreeMap<String, VirtAddr> {
        let exports = Exports::new(&self.core, VirtAddr::new(self.base), self.linked.exports);
        exports.iter().map(|(name, address)| (name.to_owned(), address)).collect()
    }
}

/// Loads an object at `base`, its init area 1 MiB further.
fn load<'f>(
    file: &'f [u8],
    arguments: &'f str,
    base: u32,
    kernel: &mut Kernel,
) -> Result<Loaded, LoadError<'f>> {
    let object = Object::parse(file)?;
    let plan = Plan::of(&object, arguments)?;
    let room = |bytes: u32| vec![0xee; bytes as usize];
    let (mut core, mut init) = (room(plan.core().bytes()), room(plan.init().bytes()));
    let linked = link(
        &object,
        &plan,
        Area { base: VirtAddr::new(base), bytes: &mut core },
        (!init.is_empty())
            .then_some(Area { base: VirtAddr::new(base + 0x10_0000), bytes: &mut init }),
        kernel,
    )?;
    let functions = linked.functions;
    let functions = functions.end().as_u32() - functions.start().as_u32();
    Ok(Loaded { core, base, linked, functions })
}

#[test]
fn every_example_is_loaded_near_the_kernel_and_far_from_it() {
    let folder = Folder::new();
    let counter = root().join("examples/modules/counter.c");
    for (path, sets) in examples() {
        for options in sets {
            let file = folder.file(&path, options);
            let other = folder.file(&counter, options);
            for base in [NEAR, FAR] {
                let name = format!("{} {options:?} at {base:#x}", path.display());
                let mut kernel = Kernel::new();
                if path.ends_with("counter_user.c") {
                    let alone = load(&file, "", base, &mut kernel);
                    let error = alone.err().unwrap().to_string();
                    assert!(error.contains("counter_"), "{error}");
                    let exports = load(&other, "", NEAR, &mut kernel).unwrap().exports();
                    assert_eq!(
                        exports.keys().collect::<Vec<_>>(),
                        ["counter_next", "counter_value"]
                    );
                    // Bit 0 says Thumb, of a function and of nothing else.
                    let odd = u32::from(!options.is_empty());
                    assert_eq!(exports["counter_next"].as_u32() & 1, odd, "{name}");
                    assert_eq!(exports["counter_value"].as_u32() & 1, 0, "{name}");
                    kernel.0.extend(exports);
                }
                let loaded = load(&file, "", base, &mut kernel);
                let loaded = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
                let linked = loaded.linked;
                assert!(linked.init.is_some() && linked.exit.is_some(), "{name}: {linked:?}");
                assert!(linked.core_index.is_some() && loaded.functions > 0, "{name}: {linked:?}");
                let expected = base == FAR || has_thumb_jumps(&file);
                assert_eq!(linked.veneers > 0, expected, "{name}: {linked:?}");
            }
        }
    }
}

/// `R_ARM_THM_JUMP24`. In Thumb code a jump to the kernel, which is ARM code, needs a veneer wherever it is.
const THUMB_JUMP: u32 = 30;

fn has_thumb_jumps(file: &[u8]) -> bool {
    let object = tests::object::Object::read(file).unwrap();
    let all = object.relocations.values().flatten();
    all.into_iter().any(|one| one.kind == THUMB_JUMP && object.undefined.contains(&one.symbol))
}

#[test]
fn parameters_reach_their_variables() {
    let folder = Folder::new();
    let hello = root().join("examples/modules/hello.c");
    let given = "whom=reader times=513 loud pauses=7,-8,9 place=\"over there\"";
    for options in INSTRUCTION_SETS {
        let file = folder.file(&hello, options);
        let loaded = load(&file, given, NEAR, &mut Kernel::new()).unwrap();
        for expected in [&b"reader\0"[..], b"over there\0", &513_u32.to_le_bytes()] {
            assert!(loaded.holds(expected), "{expected:?}");
        }
        let pauses: Vec<u8> = [7, -8, 9, 0_i32].into_iter().flat_map(i32::to_le_bytes).collect();
        assert!(loaded.holds(&pauses));
        for (wrong, named) in [
            ("times=-1", "times"),
            ("times=many", "times"),
            ("pauses=1,2,3,4,5", "pauses"),
            ("place=a-place-too-long-for-it", "place"),
            ("colour=red", "colour"),
        ] {
            let error = load(&file, wrong, NEAR, &mut Kernel::new()).err().unwrap().to_string();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
    let rust = folder.file(&root().join("examples/modules/hello_rust"), &[]);
    let loaded = load(&rust, "count=70007", NEAR, &mut Kernel::new()).unwrap();
    assert!(loaded.holds(&70007_u32.to_le_bytes()));
}

#[test]
fn objects_that_are_not_ours_are_refused_by_name() {
    let folder = Folder::new();
    let hello = root().join("examples/modules/hello.c");
    let refused = |file: &[u8]| {
        let error = load(file, "", NEAR, &mut Kernel::new()).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let output = folder.call(&hello, &[], &["-mfloat-abi=hard", "-mfpu=vfpv3-d16"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let error = refused(&std::fs::read(folder.path("object.ko")).unwrap());
    assert!(error.contains("Tag_FP_arch") || error.contains("hard-float"), "{error}");

    let mut file = folder.file(&hello, &[]);
    let (ours, theirs) = (b"vmsplit 1 ARMv7", b"6.1.0 SMP ARMv7");
    let at = file.windows(ours.len()).position(|window| window == ours).unwrap();
    file[at..at + ours.len()].copy_from_slice(theirs);
    let error = refused(&file);
    assert!(error.contains("6.1.0 SMP ARMv7"), "{error}");
}
