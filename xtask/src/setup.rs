//! `setup`: finds what the other commands need, and installs what is missing.
//!
//! A need is looked at ([`inspect`]), and when it is not met it names its remedy: rustup where
//! rustup manages the thing, Debian packages otherwise. Packages are installed only by root;
//! anybody else is told what to type. Nothing is removed for it but parts of another version of
//! QEMU. Every command calls [`ensure()`] for just what it uses, which
//! is quick and silent when nothing is missing. Invariant: after [`ensure()`] returns, the needs
//! are met; what an installation has not brought is an error.

use anyhow::{Context as _, Result, bail, ensure};
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};

use crate::machine::{DEBIAN_TOOLCHAIN, Machine, find_in_path, output_of};
use crate::module::c;
use crate::note;
use crate::toolchain::{MIN_RUST, Route, Target, choose, forced_route};
use crate::workspace::host_cargo;

/// Arguments of `setup`.
#[derive(clap::Args)]
pub struct Args {
    /// Only report; exit status 1 when something is missing
    #[arg(long)]
    check: bool,
}

/// Something that a command uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A compiler with the library for a target.
    Compiler(Target),
    /// The linker for a target.
    Linker(Target),
    /// `qemu-system-arm`.
    Qemu,
    /// `gdb-multiarch`.
    Gdb,
    /// The host's `cargo fmt` and `cargo clippy`.
    HostLints,
    /// Clippy for the kernel's target.
    KernelClippy,
    /// A C library and linker for 32-bit programs.
    Multilib,
    /// A C compiler for ARM, which makes modules.
    CCompiler,
    /// `dtc`, which makes the device trees of the boot tests.
    Dtc,
    /// Chromium and its WebDriver, which show the report in its test.
    Browser,
}

/// What it takes to build the kernel.
pub const FOR_BUILD: [Need; 2] = [Need::Compiler(Target::Kernel), Need::Linker(Target::Kernel)];
/// What it takes to boot it.
pub const FOR_RUN: [Need; 3] =
    [Need::Compiler(Target::Kernel), Need::Linker(Target::Kernel), Need::Qemu];
/// What it takes to build the explorer.
pub const FOR_EXPLORER: [Need; 2] =
    [Need::Compiler(Target::Explorer), Need::Linker(Target::Explorer)];

const EVERYTHING: [Need; 13] = [
    Need::Compiler(Target::Kernel),
    Need::Linker(Target::Kernel),
    Need::Qemu,
    Need::HostLints,
    Need::KernelClippy,
    Need::Compiler(Target::Host32),
    Need::Multilib,
    Need::Compiler(Target::Explorer),
    Need::Linker(Target::Explorer),
    Need::CCompiler,
    Need::Dtc,
    Need::Browser,
    Need::Gdb,
];

const APT_INSTALL: &str = "apt-get install -y --no-install-recommends --no-remove";
const NO_REMOVE: &str = "--no-remove";

const ADD_LINTS: &str = "component add rustfmt clippy";

/// What brings a missing thing.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// Arguments for rustup.
    Rustup(String),
    /// Debian packages.
    Packages(Vec<&'static str>),
    /// Only the user can do this: what to do.
    Manual(String),
}

/// The state of one need.
enum State {
    /// Met; where or how.
    Found(String),
    Missing(Remedy),
}

impl Need {
    fn name(self) -> String {
        match self {
            Self::Compiler(target) => format!("Rust for {}", target.triple()),
            Self::Linker(Target::Explorer) => "linker (lld) for WebAssembly".into(),
            Self::Linker(_) => "linker (lld)".into(),
            Self::Qemu => "qemu-system-arm".into(),
            Self::Gdb => "gdb-multiarch".into(),
            Self::HostLints => "cargo fmt, cargo clippy".into(),
            Self::KernelClippy => "clippy for the kernel".into(),
            Self::Multilib => "32-bit C library".into(),
            Self::CCompiler => "C compiler for ARM".into(),
            Self::Dtc => "device-tree compiler".into(),
            Self::Browser => "chromium, chromedriver".into(),
        }
    }
}

/// Looks at one need.
fn inspect(machine: &Machine, need: Need) -> Result<State> {
    let program = |name: &str, package| match find_in_path(name) {
        Some(path) => State::Found(path.display().to_string()),
        None => State::Missing(Remedy::Packages(vec![package])),
    };
    Ok(match need {
        Need::Compiler(target) => compiler(machine, target)?,
        Need::Linker(target) => match machine.linker(target) {
            Some(path) => State::Found(path.display().to_string()),
            None => State::Missing(Remedy::Packages(vec!["lld"])),
        },
        Need::Qemu => program("qemu-system-arm", "qemu-system-arm"),
        Need::Gdb => program("gdb-multiarch", "gdb-multiarch"),
        Need::CCompiler => match c::find()? {
            Some(path) => State::Found(path.display().to_string()),
            None => State::Missing(Remedy::Packages(vec![c::PACKAGE])),
        },
        Need::Dtc => program("dtc", "device-tree-compiler"),
        Need::Browser => match (find_in_path("chromium"), find_in_path("chromedriver")) {
            (Some(_), Some(driver)) => State::Found(driver.display().to_string()),
            _ => State::Missing(Remedy::Packages(vec!["chromium", "chromium-driver"])),
        },
        Need::HostLints => host_lints(machine),
        Need::KernelClippy => match route(machine, Target::Kernel)? {
            Some(Route::Debian) if machine.has_package("rust-web-clippy") => {
                State::Found("rust-web-clippy".into())
            }
            Some(Route::Debian) => State::Missing(Remedy::Packages(vec!["rust-web-clippy"])),
            _ => host_lints(machine),
        },
        Need::Multilib => {
            let start_file =
                output_of(Command::new("cc").args(["-m32", "-print-file-name=crt1.o"]));
            // The compiler answers with the bare name when it knows of no such file.
            match start_file.filter(|path| path.contains('/')) {
                Some(path) => State::Found(path),
                None => State::Missing(Remedy::Packages(vec!["gcc-multilib"])),
            }
        }
    })
}

fn route(machine: &Machine, target: Target) -> Result<Option<Route>> {
    Ok(choose(forced_route()?, machine.facts(target)))
}

fn compiler(machine: &Machine, target: Target) -> Result<State> {
    let add_target = format!("target add {}", target.triple());
    let installed = machine.has_library(target);
    Ok(match route(machine, target)? {
        Some(Route::Installed | Route::Rustup) if installed => State::Found("installed".into()),
        Some(Route::Rustup) => State::Missing(Remedy::Rustup(add_target)),
        Some(Route::Debian) if machine.facts(target).debian_installed => {
            State::Found("debian: built from rust-web-src".into())
        }
        Some(Route::Debian) => State::Missing(Remedy::Packages(DEBIAN_TOOLCHAIN.to_vec())),
        // Without rustup, and without apt or the right to use it; or asked for as installed.
        None if machine.apt => State::Missing(Remedy::Packages(DEBIAN_TOOLCHAIN.to_vec())),
        Some(Route::Installed) | None => State::Missing(Remedy::Manual(format!(
            "rustup {add_target}    (rustup comes from https://rustup.rs)"
        ))),
    })
}

fn host_lints(machine: &Machine) -> State {
    let works = |tool| output_of(host_cargo().args([tool, "--version"]));
    match (works("fmt"), works("clippy")) {
        (Some(fmt), Some(clippy)) => State::Found(format!("{fmt}, {clippy}")),
        _ if machine.rustup && machine.auto_install_off => {
            State::Missing(Remedy::Manual(format!("rustup {ADD_LINTS}")))
        }
        _ if machine.rustup => State::Missing(Remedy::Rustup(ADD_LINTS.into())),
        _ => State::Missing(Remedy::Packages(vec!["rustfmt-web", "rust-web-clippy"])),
    }
}

/// The unmet ones of `needs`.
fn missing(machine: &Machine, needs: &[Need]) -> Result<Vec<(Need, Remedy)>> {
    let mut missing = Vec::new();
    for &need in needs {
        if let State::Missing(remedy) = inspect(machine, need)? {
            missing.push((need, remedy));
        }
    }
    Ok(missing)
}

/// Sees to `needs`, and answers with the machine as it is then.
pub fn ensure(needs: &[Need]) -> Result<Machine> {
    let machine = Machine::probe();
    let unmet = missing(&machine, needs)?;
    if unmet.is_empty() {
        return Ok(machine);
    }
    for (need, _) in &unmet {
        note(format_args!("missing: {}", need.name()));
    }
    // Two needs may have one remedy.
    let mut remedies: Vec<Remedy> = Vec::new();
    for (_, remedy) in unmet {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    install(&machine, remedies)?;
    let machine = Machine::probe();
    let unmet = missing(&machine, needs)?;
    let names: Vec<_> = unmet.iter().map(|(need, _)| need.name()).collect();
    ensure!(
        names.is_empty(),
        "still missing, though everything was installed: {} (Rust must be {}.{} or newer)",
        names.join(", "),
        MIN_RUST.0,
        MIN_RUST.1
    );
    Ok(machine)
}

fn install(machine: &Machine, remedies: Vec<Remedy>) -> Result<()> {
    let mut packages: Vec<&str> = Vec::new();
    let mut to_type: Vec<String> = Vec::new();
    for remedy in remedies {
        match remedy {
            Remedy::Rustup(arguments) => {
                let mut rustup = Command::new("rustup");
                execute(rustup.args(arguments.split(' ')))?;
            }
            Remedy::Packages(names) => {
                for name in names {
                    if !packages.contains(&name) {
                        packages.push(name);
                    }
                }
            }
            Remedy::Manual(text) => to_type.push(text),
        }
    }
    if !packages.is_empty() {
        if machine.apt && machine.root {
            apt_install(&packages)?;
        } else if machine.apt {
            to_type.push(format!("sudo {APT_INSTALL} {}", packages.join(" ")));
        } else {
            to_type.push(format!(
                "(no apt-get here) install what Debian calls {}",
                packages.join(" ")
            ));
        }
    }
    if !to_type.is_empty() {
        bail!("this is for you to type:\n  {}", to_type.join("\n  "));
    }
    Ok(())
}

fn apt_install(packages: &[&str]) -> Result<()> {
    // One unreachable source need not matter: the installation says what it cannot find.
    if let Err(error) = execute(Command::new("apt-get").arg("update")) {
        note(format_args!("{error:#}; going on"));
    }
    let install = |removing: &[String]| {
        let mut words = APT_INSTALL.split(' ');
        let mut apt = Command::new(words.next().unwrap_or_default());
        apt.args(words.filter(|word| removing.is_empty() || *word != NO_REMOVE)).args(packages);
        execute(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let Err(error) = install(&[]) else { return Ok(()) };
    let in_the_way = removals(packages);
    if in_the_way.is_empty() {
        return Err(error);
    }
    let names = in_the_way.join(", ");
    ensure!(
        in_the_way.iter().all(|name| name.starts_with("qemu-")),
        "{} can not be installed beside {names}; without {NO_REMOVE} apt-get would remove that",
        packages.join(" ")
    );
    note(format_args!(
        "{names}: of another version of QEMU, which Debian can not keep beside this"
    ));
    install(&in_the_way)
}

/// What apt-get would have to remove to install `packages`, by its own simulation.
fn removals(packages: &[&str]) -> Vec<String> {
    let words = APT_INSTALL.split(' ').skip(1).filter(|word| *word != NO_REMOVE);
    let mut simulation = Command::new("apt-get");
    simulation.arg("--simulate").args(words).args(packages).env("LC_ALL", "C");
    let lines = output_of(&mut simulation).unwrap_or_default();
    let name = |line: &str| line.strip_prefix("Remv ")?.split(' ').next().map(String::from);
    lines.lines().filter_map(name).collect()
}

/// Runs an installer, its output on standard error: standard output is the command's own.
fn execute(command: &mut Command) -> Result<()> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let line = words.join(" ");
    note(&line);
    let status =
        command.stdout(io::stderr()).status().with_context(|| format!("cannot run {line}"))?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if !args.check {
        ensure(&EVERYTHING)?;
    }
    let complete = report(&Machine::probe())?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints each need's state; true when all are met.
fn report(machine: &Machine) -> Result<bool> {
    let mut out = io::stdout().lock();
    let chosen = route(machine, Target::Kernel)?;
    let chosen = chosen.map_or("none".into(), |route| route.to_string());
    writeln!(out, "toolchain: {chosen}")?;
    let mut complete = true;
    for need in EVERYTHING {
        let (word, detail) = match inspect(machine, need)? {
            State::Found(what) => ("found", what),
            State::Missing(remedy) => {
                complete = false;
                ("missing", remedy.to_string())
            }
        };
        writeln!(out, "{word:<8}{:<34}{detail}", need.name())?;
    }
    Ok(complete)
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rustup(arguments) => write!(f, "rustup {arguments}"),
            Self::Packages(names) => write!(f, "{APT_INSTALL} {}", names.join(" ")),
            Self::Manual(text) => f.write_str(text),
        }
    }
}
