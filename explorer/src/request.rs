//! The questions that a page can ask.
//!
//! An object with one key, the question's name. A key that nobody knows is an error and not ignored: a page that
//! misspells a setting must not get an answer to another question.

use experiment::answer::Answer;
use experiment::configuration::Configuration;
use experiment::machine::Machine;
use mm::boot::split::Split;
use serde::Deserialize;

/// A question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What would a kernel decide?
    Predict(Experiment),
    /// And how does that look?
    Draw(Experiment),
    /// In what do two answers differ?
    Compare(Box<Sides>),
    /// Which command line do these settings make?
    Configure(Settings),
}

/// A machine and a kernel's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The machine.
    pub machine: Machine,
    /// The settings.
    pub configuration: Configuration,
}

/// Settings that have a field of their own on the page, and all others in one text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The split.
    #[serde(deserialize_with = "experiment::configuration::read_split")]
    pub split: Split,
    /// The others.
    pub append: String,
    /// The value of `vmalloc=`.
    pub vmalloc: Option<String>,
    /// The value of `dma_zone=`.
    pub dma_zone: Option<String>,
    /// `nohighmem`.
    pub no_highmem: bool,
}

/// Two answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sides {
    /// The one.
    pub left: Answer,
    /// The other.
    pub right: Answer,
}
