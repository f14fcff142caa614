//! A kernel's settings: its split, and its command line.

use alloc::string::{String, ToString};

use mm::boot::split::Split;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a kernel is built for and booted with.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The user/kernel split: `3g`, `3g-opt`, `2g` or `1g`.
    #[serde(serialize_with = "write_split", deserialize_with = "read_split")]
    pub split: Split,
    /// The kernel's command line.
    pub command_line: String,
}

impl Configuration {
    /// The settings that the shorthands stand for: `append`, with `vmalloc=`, `dma_zone=` and `nohighmem` behind it.
    #[must_use]
    pub fn new(split: Split, append: &str, short: Shorthands<'_>) -> Self {
        let mut command_line = append.trim().to_string();
        let mut push = |word: &str| {
            if !command_line.is_empty() {
                command_line.push(' ');
            }
            command_line.push_str(word);
        };
        for (name, value) in [("vmalloc", short.vmalloc), ("dma_zone", short.dma_zone)] {
            let Some(value) = value else { continue };
            // Quotes keep a value together that has blanks in it.
            let quote = if value.contains(char::is_whitespace) { "\"" } else { "" };
            push(&[name, "=", quote, value, quote].concat());
        }
        if short.no_highmem {
            push("nohighmem");
        }
        Self { split, command_line }
    }
}

/// Settings that have an option of their own.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Shorthands<'a> {
    /// The value of `vmalloc=`.
    pub vmalloc: Option<&'a str>,
    /// The value of `dma_zone=`.
    pub dma_zone: Option<&'a str>,
    /// `nohighmem`.
    pub no_highmem: bool,
}

fn write_split<S: Serializer>(split: &Split, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(split.name())
}

fn read_split<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Split, D::Error> {
    let text = String::deserialize(deserializer)?;
    Split::from_name(&text)
        .ok_or_else(|| Error::custom(format_args!("'{text}' is no split: 3g, 3g-opt, 2g or 1g")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthands_are_words_behind_the_rest() {
        let line = |append, vmalloc, dma_zone, no_highmem| {
            let short = Shorthands { vmalloc, dma_zone, no_highmem };
            Configuration::new(Split::ThreeG, append, short).command_line
        };
        assert_eq!(line("", None, None, false), "");
        assert_eq!(
            line("quiet ", Some("16M"), Some("32M"), true),
            "quiet vmalloc=16M dma_zone=32M nohighmem"
        );
        assert_eq!(line("", Some("1 2"), None, false), "vmalloc=\"1 2\"");
    }
}
