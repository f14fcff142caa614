//! `run`: boots the kernel under QEMU, at the keyboard or by a list of monitor commands.
//!
//! QEMU's serial output goes to standard output as it comes, and through a [`Session`] that knows
//! what the kernel's lines mean. At a terminal QEMU reads the keyboard itself; otherwise the
//! session says what to send.

use anyhow::{Context as _, Result};
use std::fs;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

use crate::build::{self, ImageArgs};
use crate::console::{self, Action, Session};
use crate::module::{self, InstructionSet, Source};
use crate::note;
use crate::qemu::{Guard, MachineArgs};
use crate::setup;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;

/// As `timeout` of coreutils has it.
pub const EXIT_TIME_OUT: u8 = 124;

const DEFAULT_COMMANDS: &str = "layout; zoneinfo; poweroff";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// Arguments of `run`.
#[derive(clap::Args)]
#[command(after_help = "Exit status: 0 powered off cleanly and every command succeeded; 1 a \
                        module was not inserted, a \
                        command failed, the kernel halted, or QEMU ended otherwise; 2 wrong \
                        usage; 124 time-out.")]
pub struct Args {
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    image: ImageArgs,
    /// End QEMU after so long [default: 120, none at a terminal]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
    /// Run these monitor commands, power off and exit [default without a terminal: layout;
    /// zoneinfo; poweroff]
    #[arg(long, value_name = "COMMANDS", value_parser = parse_script)]
    exec: Option<Script>,
    /// Make a module of this (see `module --help`), and have the kernel insert it before the prompt;
    /// may be given more than once, in the order of insertion. `--append NAME.PARAMETER=VALUE` gives
    /// it parameters
    #[arg(long, value_name = "FILE", conflicts_with = "dtb_raw")]
    module: Vec<PathBuf>,
    /// More options for QEMU, as they are
    #[arg(last = true, value_name = "QEMU OPTION")]
    qemu: Vec<String>,
}

/// Monitor commands.
#[derive(Clone, Debug)]
struct Script(Vec<String>);

fn parse_script(text: &str) -> Result<Script, String> {
    console::script(text).map(Script)
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let script = match &args.exec {
        Some(script) => Some(script.clone()),
        None if at_terminal => None,
        None => Some(parse_script(DEFAULT_COMMANDS).map_err(anyhow::Error::msg)?),
    };
    let interactive = script.is_none();
    args.machine.check()?;
    let modules = Source::find_all(&args.module)?;
    let workspace = Workspace::find()?;
    let needs = [&setup::FOR_RUN[..], &module::needs(&modules)].concat();
    let host = setup::ensure(&needs)?;
    let mut machine = args.machine.clone();
    // Removed when QEMU has ended.
    let _archive =
        if modules.is_empty() { None } else { Some(insert(&workspace, &mut machine, &modules)?) };
    let toolchain = Toolchain::new(&host, Target::Kernel)?;
    let image = build::build(&workspace, &toolchain, &args.image)?;

    let mut command = machine.command(&image)?;
    command.args(&args.qemu).stdout(Stdio::piped());
    let given = args.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let (mut session, timeout) = match script {
        Some(Script(commands)) => {
            command.args(["-serial", "stdio", "-monitor", "none"]).stdin(Stdio::piped());
            (Session::scripted(commands), Some(given.unwrap_or(DEFAULT_TIMEOUT)))
        }
        None => {
            note("the kernel's monitor follows; Ctrl-A x leaves QEMU, `poweroff` the kernel");
            command.args(["-serial", "mon:stdio"]);
            (Session::watching(), given)
        }
    };
    let mut guard = Guard::start(&mut command, interactive)?;
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let finished = drive(&mut guard, &mut session, deadline, &mut io::stdout().lock())?;
    let status = match finished {
        Finished::TimeOut => {
            drop(guard);
            note(format_args!(
                "time-out after {} s, waiting for {}: QEMU ended",
                timeout.unwrap_or_default().as_secs(),
                session.waiting_for()
            ));
            return Ok(ExitCode::from(EXIT_TIME_OUT));
        }
        Finished::Stopped => None,
        Finished::Exited(status) => Some(status),
    };
    drop(guard);
    let faults = session.faults(status);
    for fault in &faults {
        note(fault);
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes `sources`, and adds them to the machine's initial RAM disk.
fn insert(
    workspace: &Workspace,
    machine: &mut MachineArgs,
    sources: &[Source],
) -> Result<NamedTempFile> {
    let mut modules = Vec::new();
    for source in sources {
        modules.push(module::make(workspace, source, InstructionSet::Arm, &[])?);
    }
    let mut bytes = Vec::new();
    if let Some(initrd) = machine.initrd() {
        bytes = fs::read(initrd).with_context(|| initrd.display().to_string())?;
        // Where another archive may begin behind one.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes.extend(module::pack(&modules)?);
    let folder = workspace.target_dir.join("modules");
    let mut archive = tempfile::Builder::new()
        .suffix(".cpio")
        .tempfile_in(&folder)
        .with_context(|| folder.display().to_string())?;
    archive.write_all(&bytes)?;
    let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
    machine.insert_modules(archive.path(), &names);
    Ok(archive)
}

/// How the wait for QEMU ended.
pub enum Finished {
    /// By itself.
    Exited(std::process::ExitStatus),
    /// The session has seen enough.
    Stopped,
    /// It did not.
    TimeOut,
}

/// Carries bytes between QEMU, the session and `screen` until one of them ends it.
pub fn drive(
    guard: &mut Guard,
    session: &mut Session,
    deadline: Option<Instant>,
    screen: &mut dyn io::Write,
) -> Result<Finished> {
    let mut keyboard = guard.child().stdin.take();
    let serial = read_in_background(guard.child().stdout.take().context("QEMU has no output")?);
    loop {
        let chunk = match receive(&serial, deadline) {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Timeout) => return Ok(Finished::TimeOut),
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
    Ok(guard.wait(deadline)?.map_or(Finished::TimeOut, Finished::Exited))
}

fn receive(
    serial: &Receiver<Vec<u8>>,
    deadline: Option<Instant>,
) -> Result<Vec<u8>, RecvTimeoutError> {
    match deadline {
        Some(deadline) => serial.recv_timeout(deadline.saturating_duration_since(Instant::now())),
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
