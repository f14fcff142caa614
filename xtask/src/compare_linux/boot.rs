//! One boot of Linux, from power-on to what it says of itself, or to its death.
//!
//! Linux ends it in one of three ways: it reaches the script and says all there is to say; it says that it panics; or it
//! says nothing more. The last is a death too, and only a time-out can tell. QEMU is ended by the guard in all of them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::initramfs::{END, MARK};
use super::place::{Places, RAM};
use super::qmp::{Qmp, Socket};
use super::said::Said;
use super::tables::{self, Run, Tables};
use crate::drive::read_in_background;
use crate::loader;
use crate::qemu::{Cpu, Guard, MemorySize};

/// Words for Linux besides the user's: where its messages go, also the first; no self tests of cryptography, which take
/// a third of the boot; the stack of a process where user space ends.
const OWN_WORDS: &str =
    "console=ttyAMA0 earlycon=pl011,0x9000000 panic=0 norandmaps cryptomgr.notests";
/// Linux keeps so many bytes of its command line, with a zero.
const COMMAND_LINE_BYTES: usize = 1024;
/// How many of the last lines are kept of a kernel that died.
const LAST_LINES: usize = 12;
/// Linux may print this much and not more.
const MAX_OUTPUT: usize = 8 << 20;
/// A report of a crash is complete when nothing came for so long.
const CRASH_IS_OVER: Duration = Duration::from_secs(5);

/// Of a kernel that panics with these words, the layout is well; it did not find the script, or could not run it.
const NOT_REACHED: [&str; 2] = ["VFS: Unable to mount root", "No working init found"];
const WHY_NOT_REACHED: &str = "does it take an initramfs, CONFIG_BLK_DEV_INITRD, and scripts, \
                               CONFIG_BINFMT_SCRIPT, and does that busybox run?";

/// What to boot.
pub struct Question<'a> {
    /// The kernel.
    pub zimage: &'a Path,
    /// The archive with the script.
    pub archive: &'a Path,
    /// Bytes of the archive.
    pub archive_bytes: u64,
    /// Where they go.
    pub places: Places,
    /// The processor.
    pub cpu: Cpu,
    /// RAM.
    pub memory: MemorySize,
    /// What the user adds to the command line.
    pub append: &'a str,
    /// The device tree, unless QEMU's own.
    pub dtb: Option<&'a Path>,
    /// The file with the jump to the zImage.
    pub jump: &'a Path,
}

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// Linux said what there is to say.
    Told(Box<Told>),
    /// It died, and said why.
    Died(String),
    /// It was still running, or still silent, at the deadline.
    TimedOut,
    /// QEMU ended, and how.
    Gone(String),
}

/// What it said.
#[derive(Debug)]
pub struct Told {
    /// On the console.
    pub said: Said,
    /// The page tables, or why not.
    pub tables: Result<Tables, String>,
}

/// A boot.
pub struct Boot {
    /// All that was printed.
    pub console: String,
    /// How it ended.
    pub end: End,
    /// How long it took.
    pub took: Duration,
}

impl Question<'_> {
    /// The whole command line; `Err` with its length when Linux would cut it.
    pub fn command_line(&self) -> Result<String, usize> {
        let Places { archive, .. } = self.places;
        let initrd = format!("initrd={archive:#x},{}", self.archive_bytes);
        let line = format!("{OWN_WORDS} {initrd} {}", self.append);
        let line = line.trim_end().to_owned();
        if line.len() < COMMAND_LINE_BYTES { Ok(line) } else { Err(line.len()) }
    }

    fn command(&self, line: &str) -> Command {
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-M", "virt", "-cpu", &self.cpu.to_string(), "-m", &self.memory.to_string()]);
        qemu.args(["-display", "none", "-nic", "none", "-no-reboot"]);
        qemu.arg("-kernel").arg(self.jump);
        for (file, at) in [(self.zimage, self.places.zimage), (self.archive, self.places.archive)] {
            qemu.arg("-device").arg(loader::device(file, mm::addr::PhysAddr::new(at.into())));
        }
        if let Some(dtb) = self.dtb {
            qemu.arg("-dtb").arg(dtb);
        }
        qemu.args(["-append", line, "-serial", "stdio", "-monitor", "none"]);
        qemu.stdin(Stdio::null()).stdout(Stdio::piped());
        qemu
    }

    /// Boots with the command line `line`.
    ///
    /// # Errors
    ///
    /// QEMU does not start.
    pub fn boot(&self, line: &str, timeout: Duration) -> Result<Boot> {
        let begin = Instant::now();
        let socket = Socket::new()?;
        let mut command = self.command(line);
        command.args(["-qmp", &socket.argument()]);
        let mut guard = Guard::start(&mut command, false)?;
        let serial = guard.child().stdout.take().context("QEMU has no output")?;
        let serial = read_in_background(serial);
        let mut qmp = socket.connect();
        let mut bytes = Vec::new();
        let mut watch = Watch::default();
        let deadline = begin + timeout;
        let end = loop {
            let until =
                if watch.crashed { deadline.min(Instant::now() + CRASH_IS_OVER) } else { deadline };
            match serial.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(chunk) => {
                    bytes.extend_from_slice(&chunk);
                    if let Some(seen) = watch.feed(&chunk) {
                        break seen;
                    }
                    if bytes.len() > MAX_OUTPUT {
                        break Seen::Died(format!(
                            "it printed {} MiB without an end",
                            MAX_OUTPUT >> 20
                        ));
                    }
                }
                Err(RecvTimeoutError::Timeout) => match watch.reason.take() {
                    Some(reason) => break Seen::Died(reason),
                    None => break Seen::Nothing,
                },
                Err(RecvTimeoutError::Disconnected) => break Seen::Gone,
            }
        };
        let console = String::from_utf8_lossy(&bytes).into_owned();
        let end = match end {
            Seen::Told => {
                let said = Said::read(&console);
                let tables = read_tables(&said, &mut qmp).map_err(|error| format!("{error:#}"));
                if said.zones.is_empty() {
                    End::Gone("its script found no /proc/zoneinfo".to_owned())
                } else {
                    End::Told(Box::new(Told { said, tables }))
                }
            }
            Seen::Died(reason) if NOT_REACHED.iter().any(|words| reason.contains(words)) => {
                End::Gone(format!("{reason} ({WHY_NOT_REACHED})"))
            }
            Seen::Died(reason) => End::Died(reason),
            Seen::Nothing => End::TimedOut,
            Seen::Gone => match (watch.reason.take(), guard.wait(Some(deadline))?) {
                (Some(reason), _) => End::Died(reason),
                (None, Some(status)) => End::Gone(format!("QEMU ended ({status})")),
                (None, None) => End::TimedOut,
            },
        };
        Ok(Boot { console, end, took: begin.elapsed() })
    }
}

fn read_tables(said: &Said, qmp: &mut Result<Qmp>) -> Result<Tables> {
    let (code, _) = said.code.context("Linux does not say where its code is")?;
    let stext = said.stext.context("Linux does not say where its code is mapped")?;
    let (start, end) = said.vmalloc_region().context("Linux does not say where vmalloc is")?;
    let qmp = qmp.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    tables::read(code, stext, Run { start, end }, &mut |at, count| {
        anyhow::ensure!(at >= RAM, "a table at {at:#x} is outside RAM");
        qmp.words(at, count)
    })
}

/// What the last bytes mean.
enum Seen {
    Told,
    Died(String),
    Nothing,
    Gone,
}

/// Looks at the console line by line.
#[derive(Default)]
struct Watch {
    line: Vec<u8>,
    crashed: bool,
    /// Why it dies, once it has begun to.
    reason: Option<String>,
}

impl Watch {
    /// No line that matters is longer.
    const MAX_LINE: usize = 4096;

    fn feed(&mut self, bytes: &[u8]) -> Option<Seen> {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    if let Some(seen) = self.complete(&String::from_utf8_lossy(&line)) {
                        return Some(seen);
                    }
                }
                b'\r' => {}
                _ if self.line.len() < Self::MAX_LINE => self.line.push(byte),
                _ => {}
            }
        }
        None
    }

    fn complete(&mut self, line: &str) -> Option<Seen> {
        let message = without_time(line);
        if line.strip_prefix(MARK) == Some(END) {
            return Some(Seen::Told);
        }
        if message.starts_with("---[ end Kernel panic") {
            return Some(Seen::Died(self.reason.take().unwrap_or_else(|| message.to_owned())));
        }
        // A panic is the better reason of the two: it says why there is no way on.
        let is_panic = message.starts_with("Kernel panic - not syncing");
        if is_panic || (self.reason.is_none() && is_crash(message)) {
            self.crashed = true;
            self.reason = Some(message.to_owned());
        }
        None
    }
}

/// Does a report of a crash begin so? Linux may survive it, and then it goes on talking.
fn is_crash(message: &str) -> bool {
    message.starts_with("Internal error:")
        || message.starts_with("Unable to handle kernel")
        || message.starts_with("Unhandled fault:")
        || message.starts_with("Error: unrecognized/unsupported")
        || message == "-- System halted"
}

/// A line of the log without its time.
pub fn without_time(line: &str) -> &str {
    let Some(rest) = line.strip_prefix('[') else { return line };
    match rest.split_once("] ") {
        Some((time, message))
            if time.trim().chars().all(|c| c.is_ascii_digit() || c == '.' || c == ' ') =>
        {
            message
        }
        _ => line,
    }
}

/// The last lines of `console`; of a crash with this `reason` the first ones of its report, and what was before it.
pub fn last_words<'c>(console: &'c str, reason: Option<&str>) -> Vec<&'c str> {
    let lines: Vec<_> =
        console.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    // More may be added to it.
    let is_reason =
        |line: &&str| reason.is_some_and(|reason| reason.starts_with(without_time(line)));
    let start = match lines.iter().position(is_reason) {
        Some(crash) => crash.saturating_sub(LAST_LINES / 2),
        None => lines.len().saturating_sub(LAST_LINES),
    };
    lines.into_iter().skip(start).take(LAST_LINES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn died(text: &str) -> Option<String> {
        match Watch::default().feed(text.as_bytes()) {
            Some(Seen::Died(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Debian's 6.1, 1 GiB, `vmalloc=977M`.
    const PANIC: &str = "\
[    0.000000] Kernel panic - not syncing: Failed to allocate 9437184 bytes for node 0 memory map\r
[    0.000000] CPU: 0 PID: 0 Comm: swapper Not tainted 6.1.0-50-armmp #1  Debian 6.1.176-1\r
[    0.000000]  start_kernel from 0x0\r
[    0.000000] ---[ end Kernel panic - not syncing: Failed to allocate 9437184 bytes for node 0 memory map ]---\r
";

    #[test]
    fn a_panic_is_a_death_with_a_reason() {
        let reason =
            "Kernel panic - not syncing: Failed to allocate 9437184 bytes for node 0 memory map";
        assert_eq!(died(PANIC).as_deref(), Some(reason));
        assert_eq!(last_words(PANIC, Some(reason)).len(), 4);
        let long = "line\n".repeat(40) + PANIC;
        assert_eq!(last_words(&long, Some(reason)).len(), 10);
        assert!(last_words(&long, None)[11].contains("end Kernel panic"));
    }

    #[test]
    fn a_crash_alone_is_remembered() {
        let mut watch = Watch::default();
        let line =
            b"[    0.1] Unable to handle kernel paging request at virtual address c8000000\n";
        assert!(watch.feed(line).is_none());
        assert!(watch.crashed);
        assert!(watch.reason.unwrap().contains("paging request"));
    }

    #[test]
    fn only_a_whole_line_ends_it() {
        let mut watch = Watch::default();
        assert!(watch.feed(format!("x {MARK}{END}\n{MARK}{END}").as_bytes()).is_none());
        assert!(matches!(watch.feed(b"\r\n"), Some(Seen::Told)));
    }

    #[test]
    fn times_are_not_part_of_messages() {
        assert_eq!(without_time("[    0.000000] Zone ranges:"), "Zone ranges:");
        assert_eq!(without_time("[drm] x] y"), "[drm] x] y");
        assert_eq!(without_time("plain"), "plain");
    }
}
