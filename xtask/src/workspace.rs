//! Where the sources and the target directory are, and how cargo is called for the host.
//!
//! Both are asked of cargo at run time, so that they follow the checkout the user stands in,
//! `CARGO_TARGET_DIR` and cargo's configuration, not the place this program was compiled in.

use anyhow::{Context as _, Result, ensure};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout.
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target directory, absolute.
    pub target_dir: PathBuf,
}

impl Workspace {
    /// Asks cargo for the workspace of the package that runs (`CARGO_MANIFEST_DIR`, set by
    /// `cargo run`), or of the current directory.
    pub fn find() -> Result<Self> {
        let mut cargo = host_cargo();
        cargo.args(["metadata", "--no-deps", "--format-version=1"]);
        if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
            cargo.arg("--manifest-path").arg(Path::new(&package).join("Cargo.toml"));
        }
        let output = cargo.output().context("cannot run cargo metadata")?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let metadata: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let path = |key: &str| {
            metadata[key]
                .as_str()
                .map(PathBuf::from)
                .with_context(|| format!("cargo metadata does not say what its {key} is"))
        };
        let workspace =
            Self { root: path("workspace_root")?, target_dir: path("target_directory")? };
        ensure!(
            workspace.root.join("kernel/Cargo.toml").is_file(),
            "{} is not a vmsplit checkout",
            workspace.root.display()
        );
        Ok(workspace)
    }

    /// Where finished images are published.
    pub fn images_dir(&self) -> PathBuf {
        self.target_dir.join("images")
    }

    /// `path` as a user at the workspace's root would type it.
    pub fn shorten<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// The host's cargo, run at the workspace's root and in its target directory.
    pub fn cargo(&self) -> Command {
        let mut cargo = host_cargo();
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target_dir);
        cargo
    }
}

/// The cargo that runs this program, or the one on `PATH`.
pub fn host_cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    clear_package_variables(&mut cargo);
    cargo
}

/// Removes what `cargo run` and `cargo test` say about the package *they* run, which is not the
/// one that `command` is about.
pub fn clear_package_variables(command: &mut Command) {
    const ABOUT_THE_PACKAGE: [&str; 4] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_TARGET_TMPDIR"];
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if ABOUT_THE_PACKAGE.iter().any(|prefix| name_text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}
