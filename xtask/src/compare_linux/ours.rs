//! Our side: a boot of vmsplit on the same board, and what it reads back of its tables and zones.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use experiment::answer::Answer;
use experiment::predict;

use crate::console::Session;
use crate::image::Image;
use crate::qemu::{Guard, MachineArgs};
use crate::run::{Finished, drive};

/// What is asked, in this order.
const COMMANDS: [&str; 3] = ["layout --json", "explain --json", "poweroff"];

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// It answered.
    Told(Box<Answer>),
    /// It did not; why.
    Failed(String),
    /// It was still running at the deadline; what it was doing.
    TimedOut(String),
}

/// A boot.
pub struct Boot {
    /// All that was printed.
    pub console: String,
    /// How it ended.
    pub end: End,
}

/// Boots `image` on `machine`.
///
/// # Errors
///
/// QEMU does not start.
pub fn boot(machine: &MachineArgs, image: &Image, timeout: Duration) -> Result<Boot> {
    let mut command = machine.command(image)?;
    command.args(["-serial", "stdio", "-monitor", "none"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut session = Session::scripted(COMMANDS.map(String::from).to_vec());
    let mut guard = Guard::start(&mut command, false)?;
    let mut bytes = Vec::new();
    let finished = drive(&mut guard, &mut session, Some(Instant::now() + timeout), &mut bytes)?;
    drop(guard);
    let console = String::from_utf8_lossy(&bytes).into_owned();
    let end = match finished {
        Finished::TimeOut => End::TimedOut(session.waiting_for()),
        Finished::Exited(status) => end(&session, Some(status), &console),
        Finished::Stopped => end(&session, None, &console),
    };
    Ok(Boot { console, end })
}

fn end(session: &Session, status: Option<ExitStatus>, console: &str) -> End {
    let faults = session.faults(status);
    if !faults.is_empty() {
        return End::Failed(faults.join("; "));
    }
    match answer(console) {
        Ok(answer) => End::Told(Box::new(answer)),
        Err(error) => End::Failed(format!("{error:#}")),
    }
}

/// The answer in what was printed: the two lines of JSON.
fn answer(console: &str) -> Result<Answer> {
    let mut objects = console.lines().map(str::trim_end).filter(|line| line.starts_with("{\""));
    let mut next = |what: &str| objects.next().with_context(|| format!("`{what}` printed nothing"));
    let (layout, account) = (next(COMMANDS[0])?, next(COMMANDS[1])?);
    predict::read(layout, account).context("an answer of an unknown form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_there_is_said() {
        assert_eq!(
            answer("vmsplit> \n").unwrap_err().to_string(),
            "`layout --json` printed nothing"
        );
        let error = answer("{\"a\":1}\r\n{\"b\":2}\r\n").unwrap_err();
        assert_eq!(error.to_string(), "an answer of an unknown form");
    }
}
