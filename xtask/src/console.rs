//! The protocol on the kernel's serial line, as a value: bytes in, what to do out.
//!
//! The kernel prints the prompt `vmsplit> ` without a line end, and echoes what it reads. A failed
//! command prints a line that begins with `error: `. The last line before a clean power-off is
//! `vmsplit: power off` (or `vmsplit: reboot`); every other stop ends with
//! `vmsplit: halted: REASON`.
//!
//! Invariant: at most one command is under way. A command is sent only at a prompt that begins a
//! line *after* the line in which the one before was echoed, so an echo that redraws the prompt is
//! not taken for a new one.

use std::collections::VecDeque;

const PROMPT: &[u8] = b"vmsplit> ";
const ERROR: &str = "error: ";
/// Before the first prompt: what `run --module` asked for.
const NOT_INSERTED: &str = "error: modules-load: ";
const POWER_OFF: [&str; 2] = ["vmsplit: power off", "vmsplit: reboot"];
const HALTED: &str = "vmsplit: halted: ";

/// Lines are looked at up to here; no line that matters is near it.
const MAX_LINE_BYTES: usize = 4096;

/// What the caller must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this text to the kernel.
    Send(String),
    /// End QEMU: nothing more will come.
    Stop,
}

/// How the kernel ended, by its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    PowerOff,
    Halted(String),
    /// It came back to its prompt after the command that should have ended it.
    Refused,
}

/// One boot as seen from the serial line.
#[derive(Debug)]
pub struct Session {
    line: Vec<u8>,
    /// Commands still to send; `None` when a user types them.
    script: Option<VecDeque<String>>,
    /// The command under way.
    running: Option<String>,
    failures: Vec<String>,
    end: Option<End>,
}

/// The commands of `text`, divided by `;`, with a power-off as the last.
pub fn script(text: &str) -> Result<Vec<String>, String> {
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(format!("a command may not hold the control character {control:?}"));
    }
    let mut commands: Vec<String> = text
        .split(';')
        .map(str::trim)
        .filter(|command| !command.is_empty())
        .map(String::from)
        .collect();
    if !commands.last().is_some_and(|command| ends_the_boot(command)) {
        commands.push("poweroff".to_owned());
    }
    Ok(commands)
}

fn ends_the_boot(command: &str) -> bool {
    matches!(command.split_whitespace().next(), Some("poweroff" | "reboot"))
}

impl Session {
    /// Runs `commands`, one at each prompt.
    pub fn scripted(commands: Vec<String>) -> Self {
        Self { script: Some(commands.into()), ..Self::watching() }
    }

    /// Sends nothing: somebody else types.
    pub fn watching() -> Self {
        Self { line: Vec::new(), script: None, running: None, failures: Vec::new(), end: None }
    }

    /// Takes what the kernel printed.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        for &byte in bytes {
            let action = match byte {
                b'\n' => self.line_complete(),
                b'\r' => None,
                _ if self.line.len() < MAX_LINE_BYTES => {
                    self.line.push(byte);
                    if self.line == PROMPT { self.at_prompt() } else { None }
                }
                _ => None,
            };
            actions.extend(action);
        }
        actions
    }

    fn line_complete(&mut self) -> Option<Action> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end();
        if let Some(reason) = line.strip_prefix(HALTED) {
            self.end = Some(End::Halted(reason.to_owned()));
            return Some(Action::Stop);
        }
        if POWER_OFF.contains(&line) {
            self.end = Some(End::PowerOff);
        } else if line.starts_with(ERROR)
            && let Some(command) = &self.running
        {
            self.failures.push(format!("command `{command}` failed: {line}"));
        } else if let Some(reason) = line.strip_prefix(NOT_INSERTED) {
            self.failures.push(format!("a module was not inserted: {reason}"));
        }
        None
    }

    fn at_prompt(&mut self) -> Option<Action> {
        let script = self.script.as_mut()?;
        self.running = script.pop_front();
        let Some(command) = &self.running else {
            self.end = Some(End::Refused);
            return Some(Action::Stop);
        };
        Some(Action::Send(format!("{command}\n")))
    }

    /// Where the boot is, for a time-out's message.
    pub fn waiting_for(&self) -> String {
        match (&self.end, &self.running, &self.script) {
            (Some(_), ..) => "QEMU to end after the kernel's power-off".into(),
            (None, Some(command), _) => format!("`{command}`"),
            (None, None, Some(_)) => "the first prompt".into(),
            (None, None, None) => "the user".into(),
        }
    }

    /// Why the kernel halted, if it did.
    pub fn halted(&self) -> Option<&str> {
        match &self.end {
            Some(End::Halted(reason)) => Some(reason),
            _ => None,
        }
    }

    /// What went wrong, once QEMU has ended or been ended; nothing when all is well.
    ///
    /// `qemu` says how QEMU ended, if by itself. A user at the keyboard may end QEMU as well.
    pub fn faults(&self, qemu: Option<std::process::ExitStatus>) -> Vec<String> {
        let mut faults = self.failures.clone();
        let well = qemu.is_some_and(|status| status.success());
        let ended = qemu.map_or_else(|| "was ended".into(), |status| format!("ended ({status})"));
        match &self.end {
            Some(End::Halted(reason)) => faults.push(format!("the kernel halted: {reason}")),
            Some(End::Refused) => {
                faults.push("the kernel did not power off when asked to".to_owned());
            }
            Some(End::PowerOff) if well => {}
            Some(End::PowerOff) => faults.push(format!("QEMU {ended} after the power-off")),
            None if well && self.script.is_none() => {}
            None => faults.push(format!("QEMU {ended} without a clean power-off")),
        }
        if self.end == Some(End::PowerOff) {
            let unsent = self.script.iter().flatten();
            faults.extend(unsent.map(|command| format!("command `{command}` was never reached")));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn send(text: &str) -> Vec<Action> {
        vec![Action::Send(format!("{text}\n"))]
    }

    fn session(text: &str) -> Session {
        Session::scripted(script(text).unwrap())
    }

    fn exit(code: i32) -> Option<ExitStatus> {
        Some(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn scripts_are_divided_and_end_with_a_power_off() {
        let of = |text| script(text).unwrap();
        assert_eq!(of("layout; zoneinfo"), ["layout", "zoneinfo", "poweroff"]);
        assert_eq!(of(" ; layout;;poweroff ; "), ["layout", "poweroff"]);
        assert_eq!(of("reboot"), ["reboot"]);
        assert_eq!(of("help poweroff"), ["help poweroff", "poweroff"]);
        assert_eq!(of(""), ["poweroff"]);
        assert!(script("layout\npoweroff").is_err());
    }

    #[test]
    fn sends_one_command_at_each_prompt_byte_by_byte_or_at_once() {
        let output = "[boot] error: not a command's\r\nvmsplit> layout\r\nok\r\nvmsplit> poweroff\
                      \r\nvmsplit: power off\r\n";
        let mut at_once = session("layout");
        let expected = [send("layout"), send("poweroff")].concat();
        assert_eq!(at_once.feed(output.as_bytes()), expected);
        let mut by_byte = session("layout");
        let actions: Vec<_> =
            output.as_bytes().iter().flat_map(|byte| by_byte.feed(&[*byte])).collect();
        assert_eq!(actions, expected);
        for session in [at_once, by_byte] {
            assert_eq!(session.faults(exit(0)), [""; 0]);
            assert_eq!(session.faults(exit(3)).len(), 1, "QEMU itself failed");
        }
    }

    #[test]
    fn a_redrawn_prompt_is_not_a_new_one() {
        let mut session = session("layout");
        assert_eq!(session.feed(b"vmsplit> "), send("layout"));
        assert_eq!(session.feed(b"\rvmsplit> l\rvmsplit> layout"), []);
        assert_eq!(session.feed(b"\nthe line vmsplit> is not at its start\n"), []);
        assert_eq!(session.feed(b"vmsplit> "), send("poweroff"));
    }

    #[test]
    fn counts_errors_of_commands_and_goes_on() {
        let mut session = session("foo; layout");
        session.feed(b"vmsplit> foo\r\nerror: unknown command 'foo'\r\n");
        assert_eq!(session.feed(b"vmsplit> "), send("layout"));
        session.feed(b"layout\r\nno error: here\r\nvmsplit> poweroff\r\nvmsplit: power off\r\n");
        assert_eq!(session.faults(exit(0)), ["command `foo` failed: error: unknown command 'foo'"]);
    }

    #[test]
    fn a_halt_stops_at_once_with_its_reason() {
        for mut session in [session("layout"), Session::watching()] {
            assert_eq!(session.feed(b"vmsplit: halted: no memory"), [], "the line must be whole");
            assert_eq!(session.feed(b" at all\r\n"), [Action::Stop]);
            assert_eq!(session.faults(None), ["the kernel halted: no memory at all"]);
            assert_eq!(session.halted(), Some("no memory at all"));
        }
    }

    #[test]
    fn other_ends_are_faults() {
        let mut early = session("poweroff; layout");
        early.feed(b"vmsplit> poweroff\nvmsplit: power off\n");
        assert_eq!(
            early.faults(exit(0)),
            ["command `layout` was never reached", "command `poweroff` was never reached"]
        );

        let mut refused = session("");
        refused.feed(b"vmsplit> poweroff\nerror: no PSCI\n");
        assert_eq!(refused.feed(b"vmsplit> "), [Action::Stop]);
        assert_eq!(
            refused.faults(None),
            [
                "command `poweroff` failed: error: no PSCI",
                "the kernel did not power off when asked to"
            ]
        );

        assert_eq!(
            session("").faults(exit(1)),
            ["QEMU ended (exit status: 1) without a clean power-off"]
        );
        assert_eq!(session("").faults(exit(0)).len(), 1);
        assert_eq!(Session::watching().faults(exit(0)), [""; 0], "Ctrl-A x");
        assert_eq!(Session::watching().faults(exit(1)).len(), 1);
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_lines_do_no_harm() {
        let mut session = session("layout");
        assert_eq!(session.feed(&[0xff, 0, b'\n']), []);
        assert_eq!(session.feed(&vec![b'x'; 10 * MAX_LINE_BYTES]), []);
        assert!(session.line.len() <= MAX_LINE_BYTES);
        assert_eq!(session.feed(b"\nvmsplit> "), send("layout"));
    }
}
