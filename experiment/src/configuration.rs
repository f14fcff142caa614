//! A kernel's settings: its split, and its command line.

use alloc::string::{String, ToString};

use mm::boot::split::Split;
use mm::param::halves;
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
        let mut settings = Self { split, command_line: append.trim().to_string() };
        for (name, value) in [("vmalloc", short.vmalloc), ("dma_zone", short.dma_zone)] {
            let Some(value) = value else { continue };
            // Quotes keep a value together that has blanks in it.
            let quote = if value.contains(char::is_whitespace) { "\"" } else { "" };
            settings.push(&[name, "=", quote, value, quote].concat());
        }
        if short.no_highmem {
            settings.push("nohighmem");
        }
        settings
    }

    /// Puts one more parameter behind the others, where the kernel reads it: before a lone `--`, and not between quotes.
    pub fn push(&mut self, word: &str) {
        let (ours, rest) = halves(&self.command_line);
        let ours = ours.trim_end();
        // At the end of a line a quote that is left open means what a closed one does.
        let open = if ours.matches('"').count() % 2 == 1 { "\"" } else { "" };
        let blank = |after: &str| if after.is_empty() { "" } else { " " };
        self.command_line = [ours, open, blank(ours), word, blank(rest), rest].concat();
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

/// Reads a split's name.
///
/// # Errors
///
/// What is no name of one.
pub fn read_split<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Split, D::Error> {
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

    #[test]
    fn a_shorthand_is_a_word_that_the_kernel_reads() {
        for (line, with) in [
            ("-- x", "nohighmem -- x"),
            ("quiet -- x -- y", "quiet nohighmem -- x -- y"),
            ("a=\" -- \"", "a=\" -- \" nohighmem"),
            ("a=\"b c", "a=\"b c\" nohighmem"),
        ] {
            let mut settings = Configuration::new(Split::ThreeG, line, Shorthands::default());
            settings.push("nohighmem");
            assert_eq!(settings.command_line, with);
            assert!(mm::param::params(with).any(|param| param.is("nohighmem")), "{with}");
        }
    }
}
