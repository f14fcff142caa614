//! `test`: every check there is, in one list of steps, from the quickest to whole boots.
//!
//! The list is the gate: CI runs this command and nothing else. It stops at the first step that
//! fails and names it. A step that the machine can not do is skipped, and the closing line counts it.
//! The steps' own output stays visible, closing lines included.

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::build::{self, ImageArgs, Split};
use crate::explore;
use crate::machine::Machine;
use crate::setup::{self, Need};
use crate::toolchain::{Target, Toolchain, with_flag};
use crate::workspace::Workspace;

/// Tells the boot tests which program to run as `cargo xtask`.
const XTASK_VARIABLE: &str = "VMSPLIT_XTASK";

/// How often `loom` lets another thread run where the one that runs could go on. Each more costs a
/// multiple; a variable of this name in the environment goes first.
const LOOM_BOUND: (&str, &str) = ("LOOM_MAX_PREEMPTIONS", "3");

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
    /// The guide is a book without warnings, and its links lead somewhere
    Guide,
    /// Unit and property tests on the host
    Host,
    /// Those of the portable crates again, as 32-bit programs
    #[value(name = "host32")]
    Host32,
    /// What CPUs do to each other in `mm`, in every order there is
    Loom,
    /// Threads on the values of `mm`, under AddressSanitizer
    Sanitize,
    /// The images of all four splits, and the explorer's module
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
            Self::Guide => "the guide as a book",
            Self::Host => "host tests",
            Self::Host32 => "host tests, 32-bit",
            Self::Loom => "per-CPU protocols under loom",
            Self::Sanitize => "threads under AddressSanitizer",
            Self::Images => "images of all splits, the explorer",
            Self::Bench => "instruction budgets",
            Self::Boot => "whole boots and the Linux oracle",
        }
    }

    fn needs(self) -> Vec<Need> {
        match self {
            Self::Format | Self::Clippy => vec![Need::HostLints],
            Self::ClippyKernel => vec![Need::Compiler(Target::Kernel), Need::KernelClippy],
            Self::Doc | Self::Guide | Self::Host | Self::Loom | Self::Sanitize => vec![],
            Self::Host32 => vec![Need::Compiler(Target::Host32), Need::Multilib],
            Self::Images => [setup::FOR_BUILD, setup::FOR_EXPLORER].concat(),
            Self::Bench => setup::FOR_RUN.to_vec(),
            Self::Boot => {
                let others = [Need::Dtc, Need::CCompiler, Need::Browser];
                [&setup::FOR_RUN[..], &setup::FOR_EXPLORER, &others].concat()
            }
        }
    }
}

/// How a step ended that did not fail.
enum Outcome {
    Passed,
    /// Not done, and why.
    Skipped(&'static str),
}

/// What the steps share.
struct Gate {
    workspace: Workspace,
    machine: Machine,
    /// This program. Asked for at the start: a step may build it anew.
    xtask: PathBuf,
}

impl Gate {
    fn perform(&self, step: Step) -> Result<Outcome> {
        let host = |words: &str| {
            let mut cargo = self.workspace.cargo();
            cargo.args(words.split(' '));
            cargo
        };
        match step {
            Step::Format => {
                succeed(&mut host("fmt --all --check"))?;
                // A workspace of its own.
                succeed(&mut host(
                    "fmt --manifest-path examples/modules/hello_rust/Cargo.toml --check",
                ))
            }
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
                Ok(Outcome::Passed)
            }
            Step::Doc => {
                let mut cargo = host("doc --workspace --exclude kernel --no-deps");
                succeed(cargo.env("RUSTDOCFLAGS", "-D warnings"))
            }
            Step::Guide => succeed(Command::new(&self.xtask).arg("guide")),
            Step::Host => succeed(&mut host("test --workspace --exclude kernel --exclude tests")),
            Step::Host32 => {
                let mut cargo = self.toolchain(Target::Host32)?.cargo(&self.workspace, "test");
                for package in [
                    "mm",
                    "board",
                    "arch-arm",
                    "modules",
                    "monitor",
                    "newc",
                    "printk",
                    "symbols",
                    "workload",
                    "testkit",
                    "experiment",
                ] {
                    cargo.args(["--package", package]);
                }
                succeed(&mut cargo)
            }
            Step::Loom => {
                let mut cargo = self.flagged("test --package mm --lib loom", "--cfg=loom", "loom");
                let (name, value) = LOOM_BOUND;
                succeed(cargo.env(name, env::var_os(name).unwrap_or_else(|| value.into())))
            }
            Step::Sanitize => {
                let Some(triple) = self.machine.address_sanitizer() else {
                    return Ok(Outcome::Skipped("this compiler brings no AddressSanitizer"));
                };
                // With a target named, flags do not reach build scripts and procedural macros.
                let words = format!("test --package mm --test stress --target {triple}");
                let mut cargo = self.flagged(&words, "-Zsanitizer=address", "asan");
                succeed(cargo.env("RUSTC_BOOTSTRAP", "1"))
            }
            Step::Images => {
                let toolchain = self.toolchain(Target::Kernel)?;
                for &split in Split::value_variants() {
                    build::build(&self.workspace, &toolchain, &ImageArgs::plain(split))?;
                }
                explore::build(&self.workspace, &self.toolchain(Target::Explorer)?)?;
                Ok(Outcome::Passed)
            }
            Step::Bench => succeed(Command::new(&self.xtask).args(["bench", "--check"])),
            Step::Boot => succeed(host("test --package tests").env(XTASK_VARIABLE, &self.xtask)),
        }
    }

    /// The host's cargo with one more flag for the compiler, in a target directory of its own: in
    /// the common one it would build everything anew, and so would the next command without it.
    fn flagged(&self, words: &str, flag: &str, target_dir: &str) -> Command {
        let mut cargo = self.workspace.cargo();
        cargo.args(words.split(' '));
        cargo.env("CARGO_TARGET_DIR", self.workspace.target_dir.join(target_dir));
        let (name, flags) =
            with_flag(flag, env::var_os).unwrap_or_else(|| ("RUSTFLAGS", OsString::from(flag)));
        cargo.env(name, flags);
        cargo
    }

    fn toolchain(&self, target: Target) -> Result<Toolchain> {
        Toolchain::new(&self.machine, target)
    }
}

fn succeed(command: &mut Command) -> Result<Outcome> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run {program}"))?;
    anyhow::ensure!(status.success(), "{program} failed ({status})");
    Ok(Outcome::Passed)
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
    let mut skipped = 0;
    let begin = Instant::now();
    for (index, step) in steps.into_iter().enumerate() {
        let title = format!("[{}/{count}] {}", index + 1, step.title());
        say(&format!("{title} …"))?;
        let step_begin = Instant::now();
        let outcome = gate.perform(step);
        let seconds = step_begin.elapsed().as_secs_f32();
        match outcome {
            Ok(Outcome::Passed) => say(&format!("{title}: ok, {seconds:.1} s"))?,
            Ok(Outcome::Skipped(reason)) => {
                skipped += 1;
                say(&format!("{title}: SKIPPED, {reason}"))?;
            }
            Err(error) => {
                say(&format!("{title}: FAILED after {seconds:.1} s"))?;
                let step = format!("step {} of {count}, {}", index + 1, step.title());
                return Err(error.context(step));
            }
        }
    }
    let passed = count - skipped;
    let skipped = if skipped > 0 { format!(", {skipped} skipped,") } else { String::new() };
    let seconds = begin.elapsed().as_secs_f32();
    say(&format!("test: {passed} of {count} steps passed{skipped} in {seconds:.0} s"))?;
    Ok(ExitCode::SUCCESS)
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
