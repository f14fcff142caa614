//! The whole way of a module, for arbitrary bytes: what a fuzzer calls.
//!
//! Beside not panicking, the run checks what must hold whatever the object says; a violation panics.
//! The kernel around it is made up: it has most symbols, some of them in Thumb state, and all memory.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::iter;

use mm::addr::{VirtAddr, VirtRange};

use crate::bytes::word;
use crate::exports::Exports;
use crate::{Area, Imports, Linked, LoadError, Object, Plan, Sizes, functions, link};

/// How far an object came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// It is no object of this kernel.
    Refused,
    /// It has no plan.
    NoPlan,
    /// It is larger than the exercise has memory for.
    Large,
    /// It could not be linked.
    NotLinked,
    /// It could be run.
    Linked,
}

/// Bytes of areas that are given.
const MAX_BYTES: u32 = 1 << 20;
/// Addresses of the two areas: near the kernel, and farther than branches reach.
const BASES: [(u32, u32); 2] = [(0xbf80_0000, 0xbf90_0000), (0xf080_0000, 0xd000_0000)];
/// What parameters are given, in turn.
const VALUES: [&str; 9] = ["1", "-3", "y", "0x10,2", "\"a b\"", "", "on,off", "65536", "text,,x"];

/// Loads the object in `bytes`, several times over, and tells how far the best time came.
///
/// # Panics
///
/// When something that must always hold does not.
pub fn exercise(bytes: &[u8]) -> Outcome {
    let object = match Object::parse(bytes) {
        Ok(object) => object,
        Err(error) => return refused(&error, Outcome::Refused),
    };
    let mut arguments = String::new();
    for (index, (name, _, _)) in object.info().parameters().enumerate() {
        let value = VALUES[(index + bytes.len()) % VALUES.len()];
        let _ = write!(arguments, "{name}={value} ");
    }
    assert!(object.imports().all(|name| name.len() <= bytes.len()));

    let mut best = Outcome::Refused;
    for (base, init_base) in BASES {
        let plain = attempt(&object, "", base, init_base, 0xaa);
        best = best.max(plain.0);
        let Some((core, init, linked, sizes)) = plain.1 else { continue };
        // Whatever was in the memory before, it is the same now.
        let again = attempt(&object, "", base, init_base, 0x55).1;
        assert!(
            again == Some((core.clone(), init.clone(), linked, sizes)),
            "bytes left as they were"
        );
        // Parameters change data only.
        let given = attempt(&object, &arguments, base, init_base, 0xaa).1;
        if let Some((with, _, _, sizes_with)) = given {
            let fixed = (sizes.text + sizes.rodata) as usize;
            assert_eq!((sizes.text, sizes.rodata), (sizes_with.text, sizes_with.rodata));
            assert!(core[..fixed] == with[..fixed], "a parameter is in read-only memory");
        }
    }
    best
}

type Loaded = (Vec<u8>, Vec<u8>, Linked, Sizes);

/// Loads an object into memory that is full of `fill`.
fn attempt<'f>(
    object: &Object<'f>,
    arguments: &'f str,
    base: u32,
    init_base: u32,
    fill: u8,
) -> (Outcome, Option<Loaded>) {
    let plan = match Plan::of(object, arguments) {
        Ok(plan) => plan,
        Err(error) => return (refused(&error, Outcome::NoPlan), None),
    };
    let (core_sizes, init_sizes) = (plan.core(), plan.init());
    for part in [core_sizes.text, core_sizes.rodata, core_sizes.data, init_sizes.bytes()] {
        assert!(part.is_multiple_of(4096));
    }
    if core_sizes.bytes().saturating_add(init_sizes.bytes()) > MAX_BYTES {
        return (Outcome::Large, None);
    }
    let mut core: Vec<u8> = iter::repeat_n(fill, core_sizes.bytes() as usize).collect();
    let mut init: Vec<u8> = iter::repeat_n(fill, init_sizes.bytes() as usize).collect();
    let areas = (
        Area { base: VirtAddr::new(base), bytes: &mut core },
        Area { base: VirtAddr::new(init_base), bytes: &mut init },
    );
    match link(object, &plan, areas.0, Some(areas.1), &mut Kernel) {
        Err(error) => (refused(&error, Outcome::NotLinked), None),
        Ok(linked) => {
            let core_range = range(base, core_sizes.bytes());
            let init_range = range(init_base, init_sizes.bytes());
            check(&linked, &core, core_range, &init, init_range);
            (Outcome::Linked, Some((core, init, linked, core_sizes)))
        }
    }
}

const fn range(start: u32, bytes: u32) -> VirtRange {
    VirtRange::new(VirtAddr::new(start), VirtAddr::new(start + bytes))
}

/// Whatever was linked keeps what `Linked` promises.
fn check(linked: &Linked, core: &[u8], core_range: VirtRange, init: &[u8], init_range: VirtRange) {
    let is_in = |inner: VirtRange, outer: VirtRange| {
        outer.start() <= inner.start() && inner.end() <= outer.end()
    };
    if let Some(at) = linked.init {
        assert!(core_range.contains(at) || init_range.contains(at), "init at {at}");
    }
    assert!(linked.exit.is_none_or(|at| core_range.contains(at)));
    assert!(is_in(linked.exports, core_range) && is_in(linked.functions, core_range));
    for (index, bytes, area) in
        [(linked.core_index, core, core_range), (linked.init_index, init, init_range)]
    {
        let Some(index) = index else { continue };
        assert!(is_in(index, area) && index.len() >= 16);
        let start = index.start().as_u32();
        let functions = (0..index.len()).step_by(8).map(|offset| {
            let word = word(bytes, (start - area.start().as_u32() + offset) as usize);
            (start + offset).wrapping_add_signed((word.unwrap_or(0) << 1).cast_signed() >> 1)
        });
        assert!(functions.is_sorted_by(|one, next| one < next), "the index is not sorted");
    }

    let exports = Exports::new(core, core_range.start(), linked.exports);
    assert_eq!(exports.iter().count() as u32, exports.len());
    assert!(exports.iter().is_sorted_by(|one, next| one.0 < next.0));
    for (name, at) in exports.iter() {
        assert_eq!(exports.find(name), Some(at));
    }

    let start = linked.functions.start().as_u32() - core_range.start().as_u32();
    let table = core.get(start as usize..).unwrap_or_default();
    let table = &table[..linked.functions.len() as usize];
    for at in (core_range.start().as_u32()..core_range.end().as_u32()).step_by(52) {
        if let Some(function) = functions::find(table, VirtAddr::new(at)) {
            assert!(
                core_range.contains(function.start) && at - function.start.as_u32() < function.size
            );
        }
    }
}

/// An error has a text, which is one line for a terminal.
fn refused(error: &LoadError<'_>, outcome: Outcome) -> Outcome {
    let _ = write!(Sink, "{error}");
    outcome
}

/// Takes anything, and checks that it is text for a terminal.
struct Sink;

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        Ok(())
    }
}

/// Has all symbols whose name says nothing else.
struct Kernel;

impl Imports for Kernel {
    fn find(&mut self, name: &str) -> Option<VirtAddr> {
        let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(byte));
        if sum.is_multiple_of(16) {
            return None;
        }
        // One in two is in Thumb state.
        let address = 0xc000_8000 + (sum & 0xf_fff0) + (sum >> 20 & 1);
        Some(VirtAddr::new(address))
    }
}

#[cfg(test)]
mod tests;
