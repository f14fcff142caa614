//! The file of a sweep: `results.json`.
//!
//! A row that did not boot is a row like any other, with its reason. The file is one object; rows are in the order of
//! the combinations, whatever the order in which they were finished.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::compare::Difference;
use crate::configuration::Configuration;
use crate::machine::Machine;

/// The form of the file, which changes with it.
pub const VERSION: u32 = 1;

/// A sweep.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`VERSION`].
    pub version: u32,
    /// The kernel that was booted: its first line of output without the split, or how it is predicted.
    pub kernel: String,
    /// The combinations.
    pub rows: Vec<Row>,
}

/// One combination.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What was varied, as the user gave it.
    pub given: Given,
    /// The machine.
    pub machine: Machine,
    /// The kernel's settings.
    pub configuration: Configuration,
    /// What the rules say, or why they say nothing.
    pub predicted: Result<Answer, String>,
    /// What a booted kernel read back; `None` when it was not booted or did not get that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booted: Option<Answer>,
    /// What came of it.
    pub verdict: Verdict,
}

/// The values of the options that make a row; `None` for an option's `none`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// RAM: `1G`.
    pub mem: String,
    /// The processor.
    pub cpu: String,
    /// The split.
    pub vmsplit: String,
    /// `vmalloc=`.
    pub vmalloc: Option<String>,
    /// `dma_zone=`.
    pub dma_zone: Option<String>,
    /// HighMem is used if there is any; otherwise `nohighmem`.
    pub highmem: bool,
}

/// What came of a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// It was not booted.
    Predicted,
    /// The boot agrees with the prediction.
    Agrees,
    /// It does not; the prediction is on the left.
    Differs {
        /// In what.
        differences: Vec<Difference>,
    },
    /// There was no layout to compare.
    Failed {
        /// Why: the kernel's last words, or what QEMU said.
        reason: String,
    },
}
