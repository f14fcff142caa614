//! Device trees for boots: QEMU's own as source text, changed and compiled by `dtc`.
//!
//! What `dtc` would refuse it is made to take (`-f`), and what it can not express is done to the
//! bytes of the result: [`word`] and [`set`] are for the header and the tokens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of the header: where each word of it stands.
pub mod header {
    pub const TOTAL_SIZE: usize = 4;
    pub const OFF_STRUCTURE: usize = 8;
    pub const OFF_STRINGS: usize = 12;
    pub const OFF_RESERVE_MAP: usize = 16;
    pub const VERSION: usize = 20;
    pub const LAST_COMPATIBLE: usize = 24;
    pub const SIZE_STRINGS: usize = 32;
    pub const SIZE_STRUCTURE: usize = 36;
}

/// A tree in source form.
#[derive(Clone)]
pub struct Source {
    text: String,
}

const MEMORY: &str = "\
\tmemory@40000000 {
\t\treg = <0x00 0x40000000 0x00 0x40000000>;
\t\tdevice_type = \"memory\";
\t};
";

impl Source {
    /// QEMU's own tree of the `virt` board with 1 GiB.
    pub fn virt() -> Self {
        let base = Self { text: include_str!("../../oracle/dts/memrsv.dts").to_string() };
        base.replace("/memreserve/ 0x50000000 0x1000000;", "")
    }

    /// The tree in a file.
    pub fn file(path: &str) -> Self {
        Self { text: fs::read_to_string(path).unwrap() }
    }

    /// With `to` in place of the first `from`, which must be there.
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "the tree has no {from:?}");
        self.text = self.text.replacen(from, to, 1);
        self
    }

    /// With these banks of memory, `(start, bytes)`, each in a node of its own.
    pub fn banks(self, banks: &[(u64, u64)]) -> Self {
        let cells = |value: u64| format!("{:#x} {:#x}", value >> 32, value as u32);
        let nodes: String = banks
            .iter()
            .map(|&(start, len)| {
                let reg = format!("{} {}", cells(start), cells(len));
                format!("memory@{start:x} {{ device_type = \"memory\"; reg = <{reg}>; }};\n")
            })
            .collect();
        self.memory(&nodes)
    }

    /// With `nodes` in place of the memory node.
    pub fn memory(self, nodes: &str) -> Self {
        self.replace(MEMORY, nodes)
    }

    /// With `nodes` as the last below the root. Of a tree for QEMU's `-dtb`, QEMU replaces those
    /// called `memory`, and no others.
    pub fn below_root(mut self, nodes: &str) -> Self {
        let end = self.text.trim_end().rfind("};").expect("the root ends");
        self.text.insert_str(end, &format!("{nodes}\n"));
        self
    }

    /// With `properties` in `/chosen`.
    pub fn chosen(self, properties: &str) -> Self {
        self.replace("chosen {", &format!("chosen {{\n{properties}"))
    }

    /// With an entry of the memory reservation block.
    pub fn reserve(self, start: u64, len: u64) -> Self {
        self.replace("/dts-v1/;", &format!("/dts-v1/;\n/memreserve/ {start:#x} {len:#x};"))
    }

    /// The file of the compiled tree.
    pub fn compile(&self, name: &str) -> PathBuf {
        let dtb = scratch(&format!("{name}.dtb"));
        let dts = dtb.with_extension("dts");
        fs::write(&dts, &self.text).unwrap();
        let output = Command::new("dtc")
            .args(["-q", "-f", "-I", "dts", "-O", "dtb", "-o"])
            .args([&dtb, &dts])
            .output()
            .expect("dtc, of the package device-tree-compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        dtb
    }

    /// The compiled tree.
    pub fn bytes(&self) -> Vec<u8> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tree-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        fs::read(self.compile(&name)).unwrap()
    }
}

/// A file for this test run.
pub fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The big-endian word at byte `at`.
pub fn word(blob: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*blob[at..].first_chunk().unwrap())
}

/// Writes the big-endian word at byte `at`.
pub fn set(blob: &mut [u8], at: usize, value: u32) {
    blob[at..at + 4].copy_from_slice(&value.to_be_bytes());
}
