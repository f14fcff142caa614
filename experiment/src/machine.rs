//! The machine of an experiment: what a device tree and a boot loader would tell a kernel.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Range};

/// Where RAM starts on QEMU's `virt` board.
pub const VIRT_RAM: Address = Address(0x4000_0000);

/// A machine.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The board's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The memory banks, in the order of the tree.
    pub banks: Vec<Range>,
    /// What the tree reserves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<Held>,
    /// Where the kernel is loaded, which decides `PHYS_OFFSET`: the start of its bank, rounded down to 2 MiB. `None`:
    /// 2 MiB above the start of the first bank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Range>,
    /// Where the device tree is loaded, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_tree: Option<Range>,
    /// Where the initrd is loaded, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initrd: Option<Range>,
}

/// Memory that the device tree sets aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The memory.
    pub range: Range,
    /// The node's name; `None` for an entry of the memory reservation block.
    pub name: Option<String>,
    /// The kernel must not map it.
    pub no_map: bool,
}

impl Machine {
    /// QEMU's `virt` board with `bytes` of RAM.
    #[must_use]
    pub fn virt(bytes: u64) -> Self {
        let bank = Range { start: VIRT_RAM, end: Address(VIRT_RAM.0.saturating_add(bytes)) };
        Self { model: None, banks: Vec::from([bank]), ..Self::default() }
    }
}
