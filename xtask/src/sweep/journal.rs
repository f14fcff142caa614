//! Boots that are finished, in a file that outlives this process however it ends.
//!
//! One line for each, an object with what decides the boot and what it said. A line is in the file, on the disk, before
//! the row counts as finished. A process that is killed within a line leaves it torn: it is the last, and cut off by
//! the next run. Lines that are of another form are somebody else's, and left alone.
//!
//! Kept is a boot in which the kernel had the last word. A time-out, or a QEMU that does not start, is of this host at
//! this moment: the next run tries again.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::boot::Boot;
use super::kernels::Kernel;

/// All that decides what a boot says.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// SHA-256 of the kernel's ELF file.
    kernel: String,
    /// QEMU's version.
    version: String,
    /// QEMU's arguments: the machine, and the command line.
    arguments: Vec<String>,
}

impl Key {
    /// That of a boot of `kernel` by `qemu`, which is of this version.
    pub fn new(qemu: &Command, kernel: &Kernel, version: &str) -> Self {
        let words = qemu.get_args().map(|word| word.to_string_lossy().into_owned());
        Self {
            kernel: kernel.digest.clone(),
            version: version.to_owned(),
            arguments: words.collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Key,
    boot: Boot,
}

/// The file.
pub struct Journal {
    path: PathBuf,
    file: File,
    finished: HashMap<Key, Boot>,
}

impl Journal {
    /// Opens the file at `path`, or makes it; with `fresh`, empty.
    ///
    /// # Errors
    ///
    /// What the host says of the file.
    pub fn open(path: &Path, fresh: bool) -> Result<Self> {
        let name = || path.display().to_string();
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = options.open(path).with_context(name)?;
        if fresh {
            file.set_len(0).with_context(name)?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(name)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < bytes.len() {
            file.set_len(whole.try_into()?).with_context(name)?;
        }
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| serde_json::from_slice(line).ok());
        let finished = lines.map(|Line { key, boot }| (key, boot)).collect();
        Ok(Self { path: path.to_owned(), file, finished })
    }

    /// What a boot said that is finished.
    pub fn find(&self, key: &Key) -> Option<&Boot> {
        self.finished.get(key)
    }

    /// Keeps `boot`, if it is final. It is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// What the host says of the file.
    pub fn keep(&mut self, key: &Key, boot: &Boot) -> Result<()> {
        if !boot.is_final() {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&Line { key: key.clone(), boot: boot.clone() })?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.with_context(|| self.path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::boot::Stop;
    use super::*;
    use std::fs;

    fn key(memory: u64) -> Key {
        let arguments = vec!["-m".to_owned(), memory.to_string()];
        Key { kernel: String::new(), version: String::new(), arguments }
    }

    fn halted() -> Boot {
        Boot { kernel: None, said: Err(Stop::Halted("no memory".into())) }
    }

    fn found(path: &Path, fresh: bool) -> Vec<u64> {
        let journal = Journal::open(path, fresh).unwrap();
        (0..5).filter(|memory| journal.find(&key(*memory)) == Some(&halted())).collect()
    }

    #[test]
    fn what_is_kept_is_found_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let mut journal = Journal::open(&path, false).unwrap();
        journal.keep(&key(1), &halted()).unwrap();
        let out_of_time = Boot { said: Err(Stop::Other("time-out".into())), ..halted() };
        journal.keep(&key(2), &out_of_time).unwrap();
        journal.keep(&key(3), &halted()).unwrap();
        assert_eq!(found(&path, false), [1, 3]);
        assert_eq!(found(&path, true), [0; 0]);
        assert_eq!(found(&path, false), [0; 0], "--fresh forgets");
    }

    #[test]
    fn a_torn_line_is_cut_off_wherever_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        Journal::open(&path, false).unwrap().keep(&key(1), &halted()).unwrap();
        let line = fs::read(&path).unwrap();
        for length in 0..line.len() {
            fs::write(&path, [&line[..], &line[..length]].concat()).unwrap();
            Journal::open(&path, false).unwrap().keep(&key(2), &halted()).unwrap();
            assert_eq!(found(&path, false), [1, 2], "torn after {length} bytes");
        }
    }

    #[test]
    fn lines_of_another_form_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let strange = b"{\"key\":1}\n\xff\n\n[]\n";
        fs::write(&path, strange).unwrap();
        Journal::open(&path, false).unwrap().keep(&key(4), &halted()).unwrap();
        assert_eq!(found(&path, false), [4]);
        assert!(fs::read(&path).unwrap().starts_with(strange));
    }
}
