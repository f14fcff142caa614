//! Random command lines: of any bytes, and of the words that boot knows.

use proptest::prelude::*;

use super::exercise::exercise;

/// A number as someone may type it, sound or not.
fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0_u64..4096, "[KMGkmg]?").prop_map(|(number, suffix)| format!("{number}{suffix}")),
        2 => (any::<u64>(), "[KMGTPEkmgtpe]?[@,+ -]?").prop_map(|(n, tail)| format!("{n:#x}{tail}")),
        1 => "[0-9a-fA-FxX]{0,30}[KMGTPEkmgtpe\"@ -]{0,3}",
        1 => "\\PC{0,8}",
    ]
}

fn word() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("mem"),
        Just("vmalloc"),
        Just("dma_zone"),
        Just("dma-zone"),
        Just("nohighmem"),
        Just("memblock"),
        Just("initrd"),
        Just("\"mem"),
        Just("--"),
        Just("")
    ];
    prop_oneof![
        6 => (name.clone(), size()).prop_map(|(name, size)| format!("{name}={size}")),
        3 => (size(), size()).prop_map(|(size, at)| format!("mem={size}@{at}")),
        1 => (size(), size()).prop_map(|(at, size)| format!("initrd={at},{size}")),
        1 => name.prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_command_line(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn words_that_mean_something_are_used(
        words in prop::collection::vec(word(), 0..12),
        blank in "[ \t\n\0]{1,2}",
    ) {
        exercise(&words.join(&blank));
    }
}
