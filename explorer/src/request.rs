//! The questions that a page can ask.
//!
//! An object with one key, the question's name. A key that nobody knows is an error and not ignored: a page that
//! misspells a setting must not get an answer to another question.

use experiment::answer::Answer;
use experiment::configuration::Configuration;
use experiment::machine::Machine;
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

/// Two answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sides {
    /// The one.
    pub left: Answer,
    /// The other.
    pub right: Answer,
}
