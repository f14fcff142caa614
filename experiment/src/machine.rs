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
    /// What the tree reserves, the entries of its memory reservation block first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<Held>,
    /// What the tree reserves without a place, which the kernel chooses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<Want>,
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

/// Memory that the device tree sets aside wherever there is room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// The node's name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What the start must be a multiple of, a power of two; `None`: a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<u64>,
    /// Where it may be.
    #[serde(default, skip_serializing_if = "Place::is_anywhere")]
    pub within: Place,
    /// The kernel must not map it.
    pub no_map: bool,
}

/// Where memory may be found.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In any lowmem.
    #[default]
    Anywhere,
    /// In the first of these that has room.
    Within(Vec<Range>),
}

impl Place {
    const fn is_anywhere(&self) -> bool {
        matches!(self, Self::Anywhere)
    }
}

impl Machine {
    /// QEMU's `virt` board with `bytes` of RAM.
    #[must_use]
    pub fn virt(bytes: u64) -> Self {
        let bank = Range { start: VIRT_RAM, end: Address(VIRT_RAM.0.saturating_add(bytes)) };
        Self { model: None, banks: Vec::from([bank]), ..Self::default() }
    }
}
