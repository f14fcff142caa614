//! A kernel under QEMU with somebody at its serial line: bytes sent as keys would send them, and
//! what comes back waited for.
//!
//! Unlike `xtask run` this sends control characters, and sends while the kernel is busy. QEMU ends
//! with the test, whatever ends the test.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::images::images;

pub const PROMPT: &str = "vmsplit> ";

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running machine.
pub struct Serial {
    qemu: Child,
    keyboard: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    /// What was received and not yet waited for.
    pending: Vec<u8>,
    /// Everything received.
    all: Vec<u8>,
}

impl Serial {
    /// Boots a plain build on a machine with `options` besides the usual ones, up to the prompt.
    pub fn boot(options: &[&str]) -> Self {
        let (elf, _) = images("3g");
        let usual = ["-m", "1G", "-serial", "stdio", "-kernel", elf.to_str().unwrap()];
        let mut serial = Self::start(&[&usual[..], options].concat());
        serial.wait_for(PROMPT);
        serial
    }

    /// Starts a machine with `options` besides the board and its processor. QEMU's own monitor is
    /// where the options put it; what is typed all goes to the kernel (no multiplexer, for Ctrl-A).
    pub fn start(options: &[&str]) -> Self {
        let has_monitor = options.contains(&"-monitor");
        let mut qemu = Command::new("qemu-system-arm")
            .args(["-M", "virt", "-cpu", "cortex-a15", "-nic", "none", "-display", "none"])
            .args(if has_monitor { &[][..] } else { &["-monitor", "none"][..] })
            .args(["-no-reboot"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-arm can be started");
        let keyboard = qemu.stdin.take();
        let mut from_qemu = qemu.stdout.take().unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = from_qemu.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { qemu, keyboard, output, pending: Vec::new(), all: Vec::new() }
    }

    /// Types `bytes`.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let keyboard = self.keyboard.as_mut().unwrap();
        keyboard.write_all(bytes.as_ref()).unwrap();
        keyboard.flush().unwrap();
    }

    /// Waits until `text` has been printed, carriage returns left out, and returns what was printed
    /// before it since the last call.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.pending.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = found {
                let before = String::from_utf8_lossy(&self.pending[..at]).into_owned();
                self.pending.drain(..at + text.len());
                return before;
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("no {text:?} in:\n{}", self.transcript()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("QEMU ended without {text:?}:\n{}", self.transcript())
                }
            }
        }
    }

    /// Types `keys`, waits for the next prompt, and returns what was printed in between.
    #[track_caller]
    pub fn exchange(&mut self, keys: impl AsRef<[u8]>) -> String {
        self.send(keys);
        self.wait_for(PROMPT)
    }

    /// Waits for QEMU to end by itself. Returns its status and what was printed since the last
    /// wait.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still there:\n{}", self.transcript()),
            }
        }
        let status = self.qemu.wait().unwrap().code();
        (status, String::from_utf8_lossy(&self.pending).into_owned())
    }

    /// Everything that was printed.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.all).into_owned()
    }

    fn take(&mut self, bytes: &[u8]) {
        let bytes = bytes.iter().copied().filter(|byte| *byte != b'\r');
        self.all.extend(bytes.clone());
        self.pending.extend(bytes);
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
