//! Linux's figures on the same board, recorded.
//!
//! They were measured by a module in Debian's Linux 6.1.176 under QEMU 7.2, with the same event, the
//! same bracket, and the same `-icount`; the file itself says so. Its variant is the fair one:
//! 2 GiB of RAM, so that there is HighMem, and pages not zeroed on allocation.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The recording.
const RECORDING: &str = include_str!("../../data/linux-6.1-perf.json");

/// The part of the recording that is looked at.
#[derive(Deserialize)]
pub struct Linux {
    /// Which kernel.
    pub kernel: String,
    kernel_ops: BTreeMap<String, Operation>,
}

#[derive(Deserialize)]
struct Operation {
    pair: f64,
}

impl Linux {
    /// Reads the recording.
    pub fn recorded() -> Result<Self> {
        serde_json::from_str(RECORDING).context("xtask/data/linux-6.1-perf.json")
    }

    /// Instructions of a pair, where Linux has this operation.
    pub fn pair(&self, name: &str) -> Option<f64> {
        // Each page of theirs was mapped anew: it takes what 1024 pages in turn take, and twice what a page takes
        // that is still mapped. So it stands beside our operation that maps each anew.
        let name = match name {
            "kmap_batch256" => return None,
            "kmap_batch256_of_1024" => "kmap_batch256",
            name => name,
        };
        self.kernel_ops.get(name).map(|operation| operation.pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recording_has_the_figures_that_the_budgets_came_from() {
        let linux = Linux::recorded().unwrap();
        for (name, pair) in [
            ("page_o0_KERNEL", 642.0),
            ("page_o10_KERNEL", 40972.0),
            ("page_o0_KERNEL_batch256", 1007.51),
            ("page_bulk32", 11379.0),
            ("kmap_batch256_of_1024", 658.03),
        ] {
            assert_eq!(linux.pair(name), Some(pair), "{name}");
        }
        assert_eq!(linux.pair("page_o9_KERNEL_random16"), None);
        assert_eq!(linux.pair("kmap_batch256"), None, "of another operation");
    }

    #[test]
    fn every_page_operation_of_linux_is_measured() {
        let linux = Linux::recorded().unwrap();
        let ours = workload::names();
        for name in linux.kernel_ops.keys().filter(|name| name.starts_with("page_")) {
            assert!(ours.contains(&name.as_str()), "{name} is not measured");
        }
    }
}
