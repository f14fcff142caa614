//! How cargo makes a module of a crate: one object that has everything the crate uses of `core` and
//! `alloc`.
//!
//! The crate is a static library, linked by the compiler itself (fat LTO in one unit), so nothing
//! is left for a linker: the compiler writes the object that would go into the archive. What the
//! object still asks for is the kernel's: the functions of `include/`.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io;
use std::path::Path;

use super::attributes;
use crate::machine::Machine;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;

/// The profile, whatever the crate's own says.
const PROFILE: [&str; 5] = [
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.debug=false",
    "profile.release.overflow-checks=false",
];

/// Compiles the crate in `folder` to an object.
pub fn compile(workspace: &Workspace, folder: &Path, name: &str) -> Result<Vec<u8>> {
    let toolchain = Toolchain::new(&Machine::probe(), Target::Kernel)?;
    let objects = toolchain.output_dir(workspace, "release").join("modules");
    fs::create_dir_all(&objects).with_context(|| objects.display().to_string())?;
    // Its name stays, or cargo would see that nothing has changed and write none.
    let object = objects.join(format!("{name}.o"));

    let mut cargo = toolchain.cargo(workspace, "rustc");
    cargo.arg("--manifest-path").arg(folder.canonicalize()?.join("Cargo.toml"));
    cargo.args(["--release", "--lib", "--crate-type", "staticlib"]);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    cargo.args(["--", "-Crelocation-model=static"]);
    let mut emit = std::ffi::OsString::from("--emit=obj=");
    emit.push(&object);
    let status = cargo
        .arg(emit)
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot run {}", cargo.get_program().to_string_lossy()))?;
    ensure!(status.success(), "the crate did not build ({status})");
    let mut bytes =
        fs::read(&object).with_context(|| format!("cargo left no {}", object.display()))?;
    attributes::without_fpu(&mut bytes)?;
    Ok(bytes)
}
