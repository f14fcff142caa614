//! QEMU's own console, as far as reading the machine's memory takes it.
//!
//! QEMU speaks JSON on a socket (QMP). Memory is asked for by the command `xp` and comes as text, so no file is left
//! anywhere; the socket's name is gone as soon as both ends are connected.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

/// QEMU makes the socket before it starts the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket that QEMU will make.
pub struct Socket {
    folder: TempDir,
}

impl Socket {
    /// A place for it.
    ///
    /// # Errors
    ///
    /// No folder for temporary files.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir().context("a folder for QEMU's socket")? })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("qmp")
    }

    /// QEMU's argument for `-qmp`.
    pub fn argument(&self) -> String {
        // A comma would end the value.
        format!("unix:{},server=on,wait=off", self.path().display().to_string().replace(',', ",,"))
    }

    /// Connects, and removes the socket's name.
    ///
    /// # Errors
    ///
    /// QEMU made none.
    pub fn connect(self) -> Result<Qmp> {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(self.path()) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context("QEMU's console");
                }
                Err(_) => sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Qmp { reader: BufReader::new(stream) };
        qmp.line()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }
}

/// The connection.
pub struct Qmp {
    reader: BufReader<UnixStream>,
}

impl Qmp {
    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        ensure!(self.reader.read_line(&mut line)? > 0, "QEMU closed its console");
        serde_json::from_str(&line).context("QEMU's console")
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        self.reader.get_mut().write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut answer = self.line()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU's console: {command}: {}", error["desc"]);
            }
            // Events come in between.
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    /// `count` words of the machine's memory from the physical address `at`.
    ///
    /// # Errors
    ///
    /// There are not so many.
    pub fn words(&mut self, at: u64, count: usize) -> Result<Vec<u32>> {
        let line = format!("xp /{count}xw {at:#x}");
        let answer = self.execute("human-monitor-command", &json!({ "command-line": line }))?;
        let words = dump(answer.as_str().unwrap_or_default());
        ensure!(words.len() == count, "QEMU's console: {line}: {} words came", words.len());
        Ok(words)
    }
}

/// The words of lines such as `0000000040204000: 0x00000000 0x00000000`.
fn dump(text: &str) -> Vec<u32> {
    let words = text.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, words)| {
        words
            .split_whitespace()
            .map_while(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok())
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read() {
        let text = "0000000040204000: 0x00000000 0x6fffb811\r\n0000000040204008: 0x4001141e\r\n";
        assert_eq!(dump(text), [0, 0x6fff_b811, 0x4001_141e]);
        assert_eq!(dump("Cannot access memory\r\n"), [0; 0]);
    }
}
