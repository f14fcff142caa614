//! `explore`: builds the layout explorer, a page that needs no network, and the WebAssembly module inside it.
//!
//! The module is the crate `explorer`: the kernel's own rules. Invariant: what is published is whole, was built just
//! now, and names no folder of its builder: a page is passed on.

use anyhow::{Context as _, Result, ensure};
use experiment::results::{Results, VERSION};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::image::publish;
use crate::report;
use crate::setup;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;

/// The profile in the workspace's `Cargo.toml`, and the folder that cargo names after it.
const PROFILE: &str = "wasm";

/// Arguments of `explore`.
#[derive(clap::Args)]
pub struct Args {
    /// Where to write the page [default: target/explorer/explorer.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A module that was built.
pub struct Module {
    /// Where it is published.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("explorer")
}

/// Builds the module and publishes it.
pub fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<Module> {
    let mut cargo = toolchain.cargo(workspace, "build");
    cargo.args(["--package", "explorer", "--lib", "--profile", PROFILE]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rust_flags(env::var_os, &foreign_folders(workspace)));
    // Standard output belongs to the caller.
    let status = cargo
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot run {}", cargo.get_program().to_string_lossy()))?;
    ensure!(status.success(), "the explorer did not build ({status})");

    let built = toolchain.output_dir(workspace, PROFILE).join("explorer.wasm");
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let folder = folder(workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("explorer.wasm");
    publish(&path, &bytes)?;
    Ok(Module { path, bytes })
}

/// Folders of this machine that the messages of a panic would name, and by what they are named instead.
fn foreign_folders(workspace: &Workspace) -> Vec<(PathBuf, &'static str)> {
    let home = env::var_os("CARGO_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    // The last that fits counts, so what may lie inside the other goes behind it.
    [home.map(|home| (home, "cargo")), Some((workspace.root.clone(), "vmsplit"))]
        .into_iter()
        .flatten()
        .collect()
}

/// The compiler flags of the environment, with `folders` renamed, as cargo takes them in its encoded form, in which a
/// folder may have blanks.
fn rust_flags(
    get: impl Fn(&'static str) -> Option<OsString>,
    folders: &[(PathBuf, &str)],
) -> OsString {
    const SEPARATOR: &str = "\x1f";
    let plain = || {
        let flags = get("RUSTFLAGS").unwrap_or_default();
        let flags = flags.to_string_lossy();
        OsString::from(flags.split_whitespace().collect::<Vec<_>>().join(SEPARATOR))
    };
    let mut flags = get("CARGO_ENCODED_RUSTFLAGS").unwrap_or_else(plain);
    for (folder, name) in folders {
        if !flags.is_empty() {
            flags.push(SEPARATOR);
        }
        flags.push("--remap-path-prefix=");
        flags.push(folder);
        flags.push("=");
        flags.push(name);
    }
    flags
}

/// Sees to what it takes, then builds.
pub fn set_up_and_build(workspace: &Workspace) -> Result<Module> {
    let machine = setup::ensure(&setup::FOR_EXPLORER)?;
    build(workspace, &Toolchain::new(&machine, Target::Explorer)?)
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let module = set_up_and_build(&workspace)?;
    let path = args.out.clone().unwrap_or_else(|| folder(&workspace).join("explorer.html"));
    let path = std::path::absolute(&path).with_context(|| path.display().to_string())?;
    publish(&path, page(&module.bytes).as_bytes())?;
    let mut out = io::stdout().lock();
    for path in &[module.path, path] {
        let bytes = path.metadata().with_context(|| path.display().to_string())?.len();
        writeln!(out, "{}  {bytes} bytes", workspace.shorten(path).display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The page without rows.
fn page(module: &[u8]) -> String {
    let kernel = "What the kernel would decide, by its own rules; nothing is booted.".to_owned();
    report::page(&Results { version: VERSION, kernel, rows: Vec::new() }, module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_builder_are_renamed_behind_the_flags_of_the_environment() {
        let flags = |encoded: Option<&str>, plain: Option<&str>| {
            let get = |name| match name {
                "CARGO_ENCODED_RUSTFLAGS" => encoded.map(OsString::from),
                "RUSTFLAGS" => plain.map(OsString::from),
                _ => None,
            };
            rust_flags(get, &[("/home/a b".into(), "cargo"), ("/src".into(), "vmsplit")])
        };
        let own = "--remap-path-prefix=/home/a b=cargo\x1f--remap-path-prefix=/src=vmsplit";
        assert_eq!(flags(None, None), own);
        assert_eq!(flags(Some(""), Some("-g")), own);
        assert_eq!(flags(None, Some(" -C  a ")), *format!("-C\x1fa\x1f{own}"));
        assert_eq!(flags(Some("--cfg\x1fa b"), None), *format!("--cfg\x1fa b\x1f{own}"));
    }
}
