//! A command line used in full: its parameters, its sizes, and what they make of machines.

use mm::{
    addr::{GIB, KIB, MIB, PhysAddr, PhysRange},
    boot::{
        initrd,
        memblock::{Memblock, Region},
        predict::{IMAGE_BYTES, PredictError, Question, predict},
        split::Split,
        vmalloc_size,
    },
    param::{Size, params, read_size},
    report::layout::{Observed, write_json},
};

use super::check::check_layout;

/// Banks and no-map reservations, each as start and length.
type Machine = (&'static [(u64, u64)], &'static [(u64, u64)]);

/// A few machines that are unlike each other.
const MACHINES: [Machine; 5] = [
    // QEMU's, small and large.
    (&[(0x4000_0000, GIB)], &[]),
    (&[(0x4000_0000, 4 * GIB)], &[(0x5000_0000, MIB)]),
    // Banks with holes, off every boundary, the last up to the end of 32 bits.
    (
        &[(0x8010_0100, 96 * MIB), (0x9000_0000, 8 * KIB), (0xffe0_0000, 2 * MIB)],
        &[(0x8100_0001, 5), (0x8010_0000, MIB)],
    ),
    // Nothing that 32 bits reach.
    (&[(8 * GIB, GIB)], &[]),
    // From the first byte to the last.
    (&[(0, u64::MAX)], &[]),
];

/// The bank of the first, whose layouts are written as JSON too: warnings hold what was typed.
const QEMU: PhysRange =
    PhysRange::new(PhysAddr::new(0x4000_0000), PhysAddr::new(0x4000_0000 + GIB));

/// Regions that a line may type beside those of the machine; more are refused, which is no fault.
const TYPED: usize = 32;

/// Reads `line` in every way that boot reads one. Gives how many of the machines have a layout
/// under it, summed over the splits.
///
/// # Panics
///
/// When a promise is broken. A fuzz target wants just that.
pub fn exercise(line: &str) -> usize {
    for param in params(line) {
        let inside = |text: &str| line.as_bytes().as_ptr_range().contains(&text.as_ptr());
        assert!(param.name.is_empty() || inside(param.name));
        assert!(param.is(param.name) && param.is(&param.name.replace('-', "_")));
        assert!(param.value.is_none_or(|value| value.is_empty() || inside(value)));
        for text in [Some(param.name), param.value].into_iter().flatten() {
            check_size(text);
            text.split(['@', ',']).for_each(check_size);
        }
    }
    check_size(line);
    check_initrd(line);
    Split::ALL.into_iter().map(|split| check_split(line, split)).sum()
}

/// The initrd that `line` names, or the tree's: never an empty one, and never none while nothing on the line can be
/// read.
fn check_initrd(line: &str) {
    let mut faults = 0;
    let named = initrd::named(Some(QEMU), line, &mut |_| faults += 1);
    assert!(named.is_none_or(|range| !range.is_empty()));
    let typed = params(line).filter(|param| param.is("initrd") || param.is("initrdmem")).count();
    assert!(faults < typed || (faults == typed && named == Some(QEMU)), "{faults} of {typed}");
}

/// How many machines have a layout under `line` and `split`.
fn check_split(line: &str, split: Split) -> usize {
    let vmalloc = vmalloc_size::from_command_line(line, split, &mut |_| ());
    assert!((vmalloc_size::MIN_BYTES..=vmalloc_size::max_bytes(split)).contains(&vmalloc));
    let range = |&(start, len): &(u64, u64)| PhysRange::from_len(PhysAddr::new(start), len);
    let ranges = |list: &[(u64, u64)]| list.iter().filter_map(range).collect::<Vec<_>>();
    let layouts = MACHINES.iter().filter(|(banks, no_map)| {
        let (banks, no_map) = (ranges(banks), ranges(no_map));
        let question = Question {
            banks: &banks,
            no_map: &no_map,
            split,
            phys_offset: None,
            command_line: line,
            image_bytes: IMAGE_BYTES,
        };
        has_layout(&question)
    });
    layouts.count()
}

fn has_layout(question: &Question<'_, '_>) -> bool {
    let slots = question.banks.len() + 2 * question.no_map.len() + TYPED;
    let (mut memory, mut reserved) = (vec![Region::EMPTY; slots], vec![Region::EMPTY; slots]);
    let mut memblock = Memblock::new(&mut memory, &mut reserved);
    let mut warnings = Vec::new();
    let outcome = predict(&mut memblock, question, &mut |warning| warnings.push(warning));
    assert_eq!(memblock.validate(), Ok(()));
    for warning in &warnings {
        assert!(!warning.to_string().is_empty());
    }
    match outcome {
        Ok(layout) => {
            check_layout(&layout, &memblock);
            if question.banks == [QEMU] {
                let mut json = String::new();
                write_json(&mut json, &Observed::predicted(&layout), warnings.iter()).unwrap();
                let json: serde_json::Value = serde_json::from_str(&json).unwrap();
                assert_eq!(json["warnings"].as_array().map(Vec::len), Some(warnings.len()));
            }
            true
        }
        Err(PredictError::Memblock(_) | PredictError::NoLowmem) => false,
        Err(error) => panic!("{error}: of the machine, which is sound"),
    }
}

/// Holds `read_size` against the same grammar, written another way and in wider numbers.
fn check_size(text: &str) {
    let Size { bytes, is_number, rest } = read_size(text);
    assert!(text.ends_with(rest));
    let (radix, digits) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, digits),
        _ => (if text.starts_with('0') { 8 } else { 10 }, text),
    };
    let mut value = None;
    let mut left = digits.chars();
    while let Some(digit) = left.clone().next().and_then(|c| c.to_digit(radix)) {
        left.next();
        let sum = value.unwrap_or(0_u128) * u128::from(radix) + u128::from(digit);
        value = Some(sum.min(u64::MAX.into()));
    }
    assert_eq!(is_number, value.is_some(), "{text:?}");
    let Some(value) = value else {
        assert_eq!((bytes, rest), (0, text));
        return;
    };
    let suffix = left.clone().next().and_then(|c| "KMGTPE".find(c.to_ascii_uppercase()));
    let scale = suffix.map_or(0, |index| 10 * (index + 1));
    if suffix.is_some() {
        left.next();
    }
    let want = u64::try_from(value << scale).unwrap_or(u64::MAX);
    assert_eq!((bytes, rest), (want, left.as_str()), "{text:?}");
}
