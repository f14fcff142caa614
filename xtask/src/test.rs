//! `test`: every check there is, in one list of steps, from the quickest to whole boots.
//!
//! The list is the gate: CI runs this command and nothing else. It stops at the first step that
//! fails and names it. The steps' own output stays visible, closing lines included.

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::build::{self, ImageArgs, Split};
use crate::machine::Machine;
use crate::setup::{self, Need};
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;

/// Tells the boot tests which program to run as `cargo xtask`.
const XTASK_VARIABLE: &str = "VMSPLIT_XTASK";

/// Arguments of `test`.
#[derive(clap::Args)]
pub struct Args {
    /// Only these steps, separated by commas
    #[arg(long, value_enum, value_name = "STEPS", value_delimiter = ',')]
    only: Vec<Step>,
}

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Every file is as rustfmt leaves it
    Format,
    /// Lints of the crates that compile on the host
    Clippy,
    /// Lints of the kernel, for its target
    ClippyKernel,
    /// Documentation builds, and its links lead somewhere
    Doc,
    /// Unit and property tests on the host
    Host,
    /// Those of the portable crates again, as 32-bit programs
    #[value(name = "host32")]
    Host32,
    /// The images of all four splits
    Images,
    /// Instruction counts of the memory operations are within their budgets
    Bench,
    /// Whole boots under QEMU, and the Linux oracle
    Boot,
}

impl Step {
    fn title(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Clippy => "clippy, host crates",
            Self::ClippyKernel => "clippy, kernel",
            Self::Doc => "documentation",
            Self::Host => "host tests",
            Self::Host32 => "host tests, 32-bit",
            Self::Images => "images of all splits",
            Self::Bench => "instruction budgets",
            Self::Boot => "whole boots and the Linux oracle",
        }
    }

    fn needs(self) -> Vec<Need> {
        match self {
            Self::Format | Self::Clippy => vec![Need::HostLints],
            Self::ClippyKernel => vec![Need::Compiler(Target::Kernel), Need::KernelClippy],
            Self::Doc | Self::Host => vec![],
            Self::Host32 => vec![Need::Compiler(Target::Host32), Need::Multilib],
            Self::Images => setup::FOR_BUILD.to_vec(),
            Self::Bench => setup::FOR_RUN.to_vec(),
            Self::Boot => [&setup::FOR_RUN[..], &[Need::Dtc]].concat(),
        }
    }
}

/// What the steps share.
struct Gate {
    workspace: Workspace,
    machine: Machine,
    /// This program. Asked for at the start: a step may build it anew.
    xtask: PathBuf,
}

impl Gate {
    fn perform(&self, step: Step) -> Result<()> {
        let host = |words: &str| {
            let mut cargo = self.workspace.cargo();
            cargo.args(words.split(' '));
            cargo
        };
        match step {
            Step::Format => succeed(&mut host("fmt --all --check")),
            Step::Clippy => succeed(&mut host(
                "clippy --workspace --exclude kernel --all-targets -- -D warnings",
            )),
            Step::ClippyKernel => {
                let toolchain = self.toolchain(Target::Kernel)?;
                // Without the benchmark too: it may be the only user of something.
                for features in ["", "bench"] {
                    let mut cargo = toolchain.cargo(&self.workspace, "clippy");
                    cargo.args(["--package", "kernel", "--features", features]);
                    succeed(cargo.args(["--", "-D", "warnings"]))?;
                }
                Ok(())
            }
            Step::Doc => {
                let mut cargo = host("doc --workspace --exclude kernel --no-deps");
                succeed(cargo.env("RUSTDOCFLAGS", "-D warnings"))
            }
            Step::Host => succeed(&mut host("test --workspace --exclude kernel --exclude tests")),
            Step::Host32 => {
                let mut cargo = self.toolchain(Target::Host32)?.cargo(&self.workspace, "test");
                for package in ["mm", "board", "arch-arm", "monitor", "symbols", "workload"] {
                    cargo.args(["--package", package]);
                }
                succeed(&mut cargo)
            }
            Step::Images => {
                let toolchain = self.toolchain(Target::Kernel)?;
                for &split in Split::value_variants() {
                    build::build(&self.workspace, &toolchain, &ImageArgs::plain(split))?;
                }
                Ok(())
            }
            Step::Bench => succeed(Command::new(&self.xtask).args(["bench", "--check"])),
            Step::Boot => succeed(host("test --package tests").env(XTASK_VARIABLE, &self.xtask)),
        }
    }

    fn toolchain(&self, target: Target) -> Result<Toolchain> {
        Toolchain::new(&self.machine, target)
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run {program}"))?;
    anyhow::ensure!(status.success(), "{program} failed ({status})");
    Ok(())
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let xtask = std::env::current_exe().context("cannot find this program's own file")?;
    let mut steps = Step::value_variants().to_vec();
    if !args.only.is_empty() {
        steps.retain(|step| args.only.contains(step));
    }
    let needs: Vec<Need> = steps.iter().flat_map(|step| step.needs()).collect();
    let machine = setup::ensure(&needs)?;
    let gate = Gate { workspace: Workspace::find()?, machine, xtask };

    let count = steps.len();
    let begin = Instant::now();
    for (index, step) in steps.into_iter().enumerate() {
        let title = format!("[{}/{count}] {}", index + 1, step.title());
        say(&format!("{title} …"))?;
        let step_begin = Instant::now();
        let outcome = gate.perform(step);
        let seconds = step_begin.elapsed().as_secs_f32();
        if let Err(error) = outcome {
            say(&format!("{title}: FAILED after {seconds:.1} s"))?;
            return Err(error.context(format!("step {} of {count}, {}", index + 1, step.title())));
        }
        say(&format!("{title}: ok, {seconds:.1} s"))?;
    }
    say(&format!(
        "test: {count} of {count} steps passed in {:.0} s",
        begin.elapsed().as_secs_f32()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
