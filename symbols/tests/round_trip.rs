//! What is written is found again, and bytes that are no table harm nobody.

#![expect(clippy::unwrap_used, reason = "tests")]

use mm::addr::{VirtAddr, VirtRange};
use proptest::prelude::*;
use symbols::{Function, MAX_NAME_BYTES, Table, TableError, shorten, write};

fn function(start: u32, end: u32, name: &str) -> Function {
    let range = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
    Function { range, name: name.to_owned() }
}

/// `(name, offset, size)` of what holds `address`.
fn find(bytes: &[u8], address: u32) -> Option<(String, u32, u32)> {
    let symbol = Table::new(bytes).unwrap().lookup(VirtAddr::new(address))?;
    Some((symbol.name.to_string(), address - symbol.start.as_u32(), symbol.size))
}

#[test]
fn functions_labels_and_holes() {
    let bytes = write(&[
        function(0xc020_1000, 0xc020_1100, "second"),
        function(0xc020_0000, 0xc020_0040, "first"),
        function(0xc020_0000, 0xc020_0080, "an alias of the first"),
        function(0xc020_1080, 0xc020_1100, "label"),
        function(0xc020_0040, 0xc020_004c, "padded"),
        function(0xc020_0058, 0xc020_005c, "straße"),
    ])
    .unwrap();
    let found = |address: u32| find(&bytes, address);
    let some = |name: &str, offset, size| Some((name.to_owned(), offset, size));
    assert_eq!(found(0xc01f_ffff), None);
    assert_eq!(found(0xc020_0000), some("first", 0, 0x40));
    assert_eq!(found(0xc020_003f), some("first", 0x3f, 0x40));
    assert_eq!(found(0xc020_0040), some("padded", 0, 0x18));
    assert_eq!(found(0xc020_005b), some("stra\\u{df}e", 3, 4));
    assert_eq!(found(0xc020_005c), None, "a hole");
    assert_eq!(found(0xc020_0fff), None, "a hole");
    assert_eq!(found(0xc020_107f), some("second", 0x7f, 0x80), "a label ends it");
    assert_eq!(found(0xc020_1080), some("label", 0, 0x80));
    assert_eq!(found(0xc020_1100), None);
    assert_eq!(found(u32::MAX), None);
}

#[test]
fn a_function_belongs_to_a_crate_and_to_modules() {
    let names = [
        "mm::zone::alloc",
        "<mm::zone::Zone>::alloc",
        "<mm::zone::Zone as core::fmt::Debug>::fmt",
        "<&mut mm::zone::Zone as core::fmt::Debug>::fmt",
        "<[mm::zone::Zone]>::sort_by_key::<u32>",
        "<(&mm::zone::Zone, *const u8) as mm::Pair>::first",
        "<dyn mm::zone::Ask>::ask",
    ];
    let others = [
        "mm",
        "mmap::zone::alloc",
        "amm::zone::alloc",
        "core::iter::once::<mm::zone::Zone>",
        "<u32 as mm::zone::Ask>::ask",
        "memcpy",
        "<<<&",
        "",
    ];
    let all: Vec<Function> = names
        .iter()
        .chain(&others)
        .zip(0..)
        .map(|(name, n)| function(8 * n, 8 * n + 8, name))
        .collect();
    let bytes = write(&all).unwrap();
    let table = Table::new(&bytes).unwrap();
    for (n, is_in) in all.iter().map(|one| names.contains(&one.name.as_str())).enumerate() {
        let name = table.lookup(VirtAddr::new(8 * n as u32)).unwrap().name;
        assert_eq!(name.is_in("mm"), is_in, "{name}");
        assert_eq!(name.is_in("mm::zone"), is_in, "{name}");
        assert!(!name.is_in("mm::zon") && !name.is_in("zone"), "{name}");
    }
}

#[test]
fn no_functions_are_a_table_too() {
    let bytes = write(&[]).unwrap();
    assert!(Table::new(&bytes).unwrap().is_empty());
    assert_eq!(find(&bytes, 0), None);
}

#[test]
fn an_image_without_a_table_is_told_from_a_cut_one() {
    assert_eq!(Table::new(&[0; 4096]).unwrap_err(), TableError::NoMagic);
    let bytes = write(&[function(0, 4, "f")]).unwrap();
    for len in 0..bytes.len() {
        let error = Table::new(&bytes[..len]).unwrap_err();
        assert_eq!(matches!(error, TableError::NoMagic), len < 8, "{len}: {error}");
    }
}

#[test]
fn tokens_pay() {
    let names = ["<core::fmt::Formatter>::pad", "<core::fmt::Formatter>::pad_integral"];
    let many: Vec<Function> = (0..400)
        .map(|n| function(n * 8, n * 8 + 8, &format!("{}{n}", names[n as usize % 2])))
        .collect();
    let raw: usize = many.iter().map(|function| function.name.len()).sum();
    let bytes = write(&many).unwrap();
    assert!(bytes.len() - 8 * 401 < raw / 2, "{} of {raw}", bytes.len());
    for one in &many {
        assert_eq!(find(&bytes, one.range.start().as_u32()).unwrap().0, one.name);
    }
}

/// Functions in an order of their own, some of them labels, with gaps and overlaps.
fn functions() -> impl Strategy<Value = Vec<Function>> {
    let name = prop_oneof![
        "[a-z]{0,12}(::[a-z]{1,6}){0,3}",
        "<[a-z]{1,9}(<[a-z]{1,40}>)? as [a-z:]{1,60}>::[a-z]{1,5}",
        "\\PC{0,20}",
    ];
    let one = (0_u32..0x4000, 0_u32..0x300, name);
    prop::collection::vec(one, 0..60).prop_map(|list| {
        let base = 0xc020_0000;
        let make = |(start, size, name): (u32, u32, String)| {
            function(base + start, base + start + size, &name)
        };
        list.into_iter().map(make).collect()
    })
}

/// The function that a person would say holds `address`: of those that begin highest at or below it
/// the first, if it reaches that far.
fn holder(functions: &[Function], address: u32) -> Option<&Function> {
    let starts = functions.iter().map(|function| function.range.start());
    let start = starts.filter(|start| start.as_u32() <= address).max()?;
    functions.iter().find(|function| function.range.start() == start)
}

proptest! {
    // Most of the time goes into finding tokens.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_found(functions in functions()) {
        let bytes = write(&functions).unwrap();
        let table = Table::new(&bytes).unwrap();
        let edges = functions.iter().flat_map(|one| [one.range.start(), one.range.end()]);
        let near = edges.flat_map(|edge| edge.as_u32() - 1..=edge.as_u32() + 5);
        for address in near.chain((0xc020_0000..0xc020_4400).step_by(0x55)) {
            let found = table.lookup(VirtAddr::new(address));
            let holder = holder(&functions, address);
            match (found, holder) {
                (Some(found), Some(holder)) => {
                    prop_assert_eq!(found.start, holder.range.start());
                    prop_assert!(address < found.start.as_u32() + found.size);
                    if holder.name.is_ascii() && !holder.name.is_empty() {
                        prop_assert_eq!(found.name.to_string(), shorten(&holder.name));
                    }
                }
                (None, Some(holder)) => {
                    let end = holder.range.end().as_u32();
                    prop_assert!(end <= address, "{holder:?} holds {address:#x}");
                }
                (None, None) => {}
                (Some(found), None) => prop_assert!(false, "{found:?} at {address:#x}"),
            }
        }
    }

    #[test]
    fn shortened_names_are_short_and_short_ones_untouched(name in "\\PC{0,200}") {
        let short = shorten(&name);
        prop_assert!(short.len() <= MAX_NAME_BYTES);
        prop_assert!(name.len() > MAX_NAME_BYTES || short == name);
    }

    #[test]
    fn corrupt_tables_answer_something_and_end(
        functions in functions(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        addresses in prop::collection::vec(any::<u32>(), 20),
    ) {
        let mut bytes = write(&functions).unwrap();
        for (place, value) in damage {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(table) = Table::new(&bytes) {
            let near = (0..0x4400).step_by(0x101).map(|offset| 0xc020_0000 + offset);
            for address in addresses.into_iter().chain(near) {
                let found = table.lookup(VirtAddr::new(address));
                prop_assert!(found.is_none_or(|found| !found.name.is_in("no such crate")));
                let text = found.map(|found| format!("{}", found.name));
                prop_assert!(text.is_none_or(|text| text.chars().all(|c| !c.is_control())));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_table_or_not(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let with_magic = [&b"vsplsym\x01"[..], &bytes].concat();
        for bytes in [&bytes, &with_magic] {
            if let Ok(table) = Table::new(bytes) {
                for address in [0, 1, 0x1000, u32::MAX] {
                    let _ = table.lookup(VirtAddr::new(address)).map(|found| found.name.to_string());
                }
            }
        }
    }
}
