//! The recorded Linux layouts: `oracle/linux-layout-sample.json`.
//!
//! Each row is one boot of Debian's Linux 6.1 on the same board: what it was given, and what it
//! said. Rows that Linux did not survive have no figures.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One recorded boot.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// Which kernel.
    pub kernel: String,
    /// RAM, as QEMU's `-m` was given it.
    pub mem: String,
    /// RAM in MiB.
    pub mem_mb: u64,
    /// The kernel command line.
    pub append: String,
    /// What else was special: `dtb-NAME` for a device tree of `oracle/dts`.
    pub note: String,
    /// Did Linux reach user space?
    pub boot_ok: bool,
    /// The lines of warning.
    pub warnings: Vec<String>,
    /// `PAGE_OFFSET`, in hexadecimal without a prefix, as are all addresses.
    pub page_offset: Option<String>,
    /// `PHYS_OFFSET`.
    pub phys_offset: Option<String>,
    /// `high_memory`.
    pub high_memory: Option<String>,
    /// The end of lowmem, physical.
    pub lowmem_end_phys: Option<String>,
    /// `VMALLOC_START`.
    pub vmalloc_start: Option<String>,
    /// `VMALLOC_END`.
    pub vmalloc_end: Option<String>,
    /// `MODULES_VADDR`.
    pub modules_start: Option<String>,
    /// `MODULES_END`.
    pub modules_end: Option<String>,
    /// `PKMAP_BASE`.
    pub pkmap_base: Option<String>,
    /// `TASK_SIZE`.
    pub task_size: Option<String>,
    /// `MemTotal`.
    pub mem_total_kb: Option<u64>,
    /// Zones that span anything, by name.
    pub zones: BTreeMap<String, Zone>,
}

/// One recorded zone, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Zone {
    /// First frame.
    pub start_pfn: u32,
    /// Frame after the last.
    pub end_pfn: u32,
    /// Frames from first to last.
    pub spanned: u32,
    /// Frames that are memory.
    pub present: u32,
}

impl Row {
    /// Was this an LPAE kernel?
    #[must_use]
    pub fn is_lpae(&self) -> bool {
        self.kernel.ends_with("-lpae")
    }

    /// A name for the test of this row.
    #[must_use]
    pub fn name(&self) -> String {
        let lpae = if self.is_lpae() { "lpae " } else { "" };
        let note = if self.append == self.note { "" } else { self.note.as_str() };
        format!("{lpae}{} {} {note}", self.mem, self.append).trim_end().to_string()
    }
}

/// All recorded rows.
///
/// # Panics
///
/// When the recording that is part of the sources does not parse.
#[must_use]
#[expect(clippy::expect_used, reason = "a test's own data")]
pub fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../oracle/linux-layout-sample.json"))
        .expect("the recording is JSON of this shape")
}
