//! One boot from QEMU's start to its end: bytes go from QEMU to the session and to whoever looks on, and what the
//! session answers goes back.
//!
//! [`drive`] is that loop. [`unattended`] is a whole boot by a script, with nobody looking on: what the kernel printed
//! and how it ended, as a value.
//!
//! Invariant: QEMU has ended when [`unattended`] returns, whichever way.

use anyhow::{Context as _, Result};
use std::io::{self, Read, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::console::{Action, Session};
use crate::qemu::Guard;

/// How often it is looked whether somebody wants the boot to stop.
const LOOK: Duration = Duration::from_millis(50);

/// So much is kept of what QEMU says of itself.
const MAX_COMPLAINTS: u64 = 16 << 10;

/// What ends a boot that does not end by itself.
#[derive(Clone, Copy, Default)]
pub struct Limit<'a> {
    /// The time.
    pub deadline: Option<Instant>,
    /// Somebody who sets this.
    pub stop: Option<&'a AtomicBool>,
}

impl Limit<'_> {
    fn is_stopped(self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// How the wait for QEMU ended.
pub enum Finished {
    /// By itself.
    Exited(ExitStatus),
    /// The session has seen enough.
    Stopped,
    /// It did not.
    TimeOut,
    /// Somebody wanted it to.
    Interrupted,
}

/// Carries bytes between QEMU, the session and `screen` until one of them, or `limit`, ends it.
pub fn drive(
    guard: &mut Guard,
    session: &mut Session,
    limit: Limit<'_>,
    screen: &mut dyn io::Write,
) -> Result<Finished> {
    let mut keyboard = guard.child().stdin.take();
    let serial = read_in_background(guard.child().stdout.take().context("QEMU has no output")?);
    loop {
        if limit.is_stopped() {
            return Ok(Finished::Interrupted);
        }
        let chunk = match receive(&serial, limit) {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Timeout) if is_over(limit.deadline) => {
                return Ok(Finished::TimeOut);
            }
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        screen.write_all(&chunk)?;
        screen.flush()?;
        for action in session.feed(&chunk) {
            match action {
                Action::Stop => return Ok(Finished::Stopped),
                Action::Send(text) => {
                    // A QEMU that has gone is noticed by its exit status.
                    let _ =
                        keyboard.iter_mut().try_for_each(|pipe| pipe.write_all(text.as_bytes()));
                }
            }
        }
    }
    Ok(guard.wait(limit.deadline)?.map_or(Finished::TimeOut, Finished::Exited))
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// The next piece. A time-out is that of `limit`, or the time to look at it.
fn receive(serial: &Receiver<Vec<u8>>, limit: Limit<'_>) -> Result<Vec<u8>, RecvTimeoutError> {
    let left = limit.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let look = limit.stop.map(|_| LOOK);
    match left.into_iter().chain(look).min() {
        Some(wait) => serial.recv_timeout(wait),
        None => serial.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

/// Hands on each piece that `source` has, as soon as it has it.
pub fn read_in_background(mut source: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    // A full queue holds back QEMU, not memory.
    let (sender, receiver) = mpsc::sync_channel(16);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A boot that nobody looked on at.
pub struct Seen {
    /// What the kernel printed, lines without `\r`.
    pub text: String,
    /// What QEMU said of itself, on one line.
    complaints: String,
    session: Session,
    finished: Finished,
}

/// Boots `qemu`, a machine without a serial port yet, and runs `commands`, the last of which ends the boot.
pub fn unattended(qemu: &mut Command, commands: Vec<String>, limit: Limit<'_>) -> Result<Seen> {
    qemu.args(["-serial", "stdio", "-monitor", "none"]);
    qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut session = Session::scripted(commands);
    let mut text = Vec::new();
    let mut guard = Guard::start(qemu, false)?;
    let complaints = read_to_end(guard.child().stderr.take().context("QEMU has no errors")?);
    let finished = drive(&mut guard, &mut session, limit, &mut text)?;
    drop(guard);
    let complaints = complaints.join().unwrap_or_default();
    let complaints = String::from_utf8_lossy(&complaints);
    let complaints = complaints.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    Ok(Seen { text, complaints, session, finished })
}

/// The beginning of all that `source` has, once it has ended.
fn read_to_end(mut source: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What can not be read was not said.
        let _ = source.by_ref().take(MAX_COMPLAINTS).read_to_end(&mut bytes);
        // QEMU must not wait for a reader.
        let _ = io::copy(&mut source, &mut io::sink());
        bytes
    })
}

impl Seen {
    /// Did somebody want the boot to stop? Then it says nothing.
    pub const fn is_interrupted(&self) -> bool {
        matches!(self.finished, Finished::Interrupted)
    }

    /// What the boot was still busy with at its deadline, if it was.
    pub fn timed_out(&self) -> Option<String> {
        matches!(self.finished, Finished::TimeOut).then(|| self.session.waiting_for())
    }

    /// Why the kernel halted, if it did.
    pub fn halted(&self) -> Option<&str> {
        self.session.halted()
    }

    /// What went wrong; nothing when all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = match self.finished {
            Finished::Exited(status) => self.session.faults(Some(status)),
            Finished::Stopped => self.session.faults(None),
            Finished::TimeOut => {
                vec![format!("time-out, waiting for {}", self.session.waiting_for())]
            }
            Finished::Interrupted => vec!["interrupted".to_owned()],
        };
        if !faults.is_empty() && !self.complaints.is_empty() {
            faults.push(self.complaints.clone());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::script;

    /// A shell in the place of QEMU; the options that a boot adds are its own arguments.
    fn boot(program: &str, limit: Limit<'_>) -> Seen {
        let mut shell = Command::new("sh");
        shell.args(["-c", program, "sh"]);
        unattended(&mut shell, script("layout").unwrap(), limit).unwrap()
    }

    fn within(time: Duration) -> Limit<'static> {
        Limit { deadline: Some(Instant::now() + time), stop: None }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_boot_by_script_is_seen_whole() {
        let seen = boot(
            r"printf 'vmsplit> '; read a; printf '%s\r\nvmsplit> ' $a; read b; echo; echo 'vmsplit: power off'",
            within(LONG),
        );
        assert_eq!(seen.text, "vmsplit> layout\nvmsplit> \nvmsplit: power off\n");
        assert_eq!(seen.faults(), [""; 0]);
        assert!(!seen.is_interrupted());
    }

    #[test]
    fn what_qemu_says_stands_behind_what_went_wrong() {
        let seen = boot("echo 'no such\n machine' >&2; exit 3", within(LONG));
        assert_eq!(
            seen.faults(),
            ["QEMU ended (exit status: 3) without a clean power-off", "no such machine"]
        );
        let seen = boot("echo 'vmsplit: halted: no memory'; exec sleep 60", within(LONG));
        assert_eq!((seen.halted(), seen.faults().len()), (Some("no memory"), 1));
    }

    #[test]
    fn a_boot_ends_at_its_time_or_when_somebody_wants_it_to() {
        let begin = Instant::now();
        let seen = boot("exec sleep 60", within(Duration::from_millis(100)));
        assert_eq!(seen.faults(), ["time-out, waiting for the first prompt"]);
        let stop = AtomicBool::new(false);
        let seen = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                stop.store(true, Ordering::Relaxed);
            });
            boot("exec sleep 60", Limit { deadline: None, stop: Some(&stop) })
        });
        assert!(seen.is_interrupted());
        assert!(begin.elapsed() < LONG / 2);
    }
}
