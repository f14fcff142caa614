//! `run`: boots the kernel under QEMU, at the keyboard or by a list of monitor commands.
//!
//! QEMU's serial output goes to standard output as it comes, and through a [`Session`] that knows
//! what the kernel's lines mean. At a terminal QEMU reads the keyboard itself; otherwise the
//! session says what to send.

use anyhow::{Context as _, Result};
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

use crate::build::{self, ImageArgs};
use crate::console::{self, Session};
use crate::drive::{Finished, Limit, drive};
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
    let limit = Limit { deadline: timeout.map(|timeout| Instant::now() + timeout), stop: None };
    let finished = drive(&mut guard, &mut session, limit, &mut io::stdout().lock())?;
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
        Finished::Stopped | Finished::Interrupted => None,
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
