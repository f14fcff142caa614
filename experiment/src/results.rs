//! The file of a sweep: `results.json`.
//!
//! A row that did not boot is a row like any other, with its reason. The file is one object; rows are in the order of
//! the combinations, whatever the order in which they were finished.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

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

impl fmt::Display for Given {
    /// In one line, without what is as it comes: `1G cortex-a15 3g vmalloc=16M nohighmem`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.mem, self.cpu, self.vmsplit)?;
        for (name, value) in [("vmalloc", &self.vmalloc), ("dma_zone", &self.dma_zone)] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        f.write_str(if self.highmem { "" } else { " nohighmem" })
    }
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

impl Verdict {
    /// Its name in the file.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Predicted => "predicted",
            Self::Agrees => "agrees",
            Self::Differs { .. } => "differs",
            Self::Failed { .. } => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_name_of_a_verdict_is_the_one_in_the_file() {
        let reason = String::from("x");
        for verdict in [
            Verdict::Predicted,
            Verdict::Agrees,
            Verdict::Differs { differences: Vec::new() },
            Verdict::Failed { reason },
        ] {
            assert_eq!(serde_json::to_value(&verdict).unwrap()["verdict"], json!(verdict.name()));
        }
    }
}
