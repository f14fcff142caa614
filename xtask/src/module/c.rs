//! Which C compiler makes modules, and how it is called.
//!
//! Any GCC for 32-bit ARM will do: the options say everything that two of them could see
//! differently, and the headers are our own. Invariant: the object follows the kernel's procedure
//! call standard (soft floats, enums of an int, aligned accesses), whatever the compiler was built
//! for.

use anyhow::{Context as _, Result, ensure};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::InstructionSet;
use crate::machine::find_in_path;
use crate::workspace::Workspace;

/// The environment variable that names the compiler.
pub const OVERRIDE: &str = "VMSPLIT_CC";

/// The Debian package that brings one. The compilers for ARM Linux do as well, but can not be
/// installed beside the 32-bit C library of the host tests.
pub const PACKAGE: &str = "gcc-arm-none-eabi";

/// Looked for in this order, then those for Linux with a version behind.
const NAMES: [&str; 3] = ["arm-none-eabi-gcc", "arm-linux-gnueabihf-gcc", "arm-linux-gnueabi-gcc"];

/// GCC's versions by which Debian calls programs; newer ones first.
const VERSIONS: std::ops::RangeInclusive<u32> = 10..=20;

/// Options that are the same for every module.
///
/// `-mabi=aapcs-linux` and `-fno-short-enums` make an enum an int, as for the other compilers'
/// objects. Accesses are aligned, as the kernel's own: an address may be a device's. The unwind
/// tables are for back-traces. What a distribution switches on by itself is switched off: position
/// independence, and the stack protector, whose canary nobody here would set.
const FLAGS: &str = "-c -std=gnu11 -march=armv7-a -mfloat-abi=soft -mabi=aapcs-linux \
                     -fno-short-enums -mno-unaligned-access -ffreestanding -nostdinc -fno-pic \
                     -fno-pie -fno-stack-protector -fno-common -fno-strict-aliasing \
                     -fno-delete-null-pointer-checks -funwind-tables -O2 -g0 -Wall \
                     -Wno-pointer-sign -Wframe-larger-than=2048 \
                     -Werror=implicit-function-declaration -Werror=implicit-int \
                     -Werror=return-type -D__KERNEL__ -DMODULE";

/// [`OVERRIDE`] names no program: wrong usage.
#[derive(Debug)]
pub struct NoSuchCompiler(OsString);

impl fmt::Display for NoSuchCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OVERRIDE}={}: there is no such program", self.0.display())
    }
}

impl std::error::Error for NoSuchCompiler {}

/// What differs from module to module.
pub struct Options<'a> {
    /// What to compile to.
    pub instructions: InstructionSet,
    /// The module's name.
    pub name: &'a str,
    /// The user's own options, behind all others.
    pub more: &'a [String],
}

/// The compiler, if there is one.
///
/// # Errors
///
/// [`NoSuchCompiler`].
pub fn find() -> Result<Option<PathBuf>, NoSuchCompiler> {
    if let Some(name) = env::var_os(OVERRIDE).filter(|name| !name.is_empty()) {
        return match program(&name) {
            Some(path) => Ok(Some(path)),
            None => Err(NoSuchCompiler(name)),
        };
    }
    let plain = NAMES.iter().map(ToString::to_string);
    let versions =
        VERSIONS.rev().flat_map(|version| NAMES[1..].iter().map(move |n| format!("{n}-{version}")));
    Ok(plain.chain(versions).find_map(|name| find_in_path(&name)))
}

/// A program by its path or, without a slash, on `PATH`.
fn program(name: &OsStr) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return path.is_file().then(|| path.to_owned());
    }
    find_in_path(name.to_str()?)
}

/// Compiles a source to an object.
pub fn compile(
    workspace: &Workspace,
    source: &Path,
    scratch: &Path,
    options: Options<'_>,
) -> Result<Vec<u8>> {
    let compiler = find()?.context("there is no C compiler for ARM")?;
    let folder = tempfile::tempdir_in(scratch).with_context(|| scratch.display().to_string())?;
    let object = folder.path().join("module.o");
    let mut gcc = Command::new(&compiler);
    gcc.args(arguments(&workspace.root.join("include"), &options)).arg("-o").arg(&object);
    // A name that begins with a dash would be an option.
    gcc.arg(std::path::absolute(source)?);
    let status = gcc.status().with_context(|| format!("cannot run {}", compiler.display()))?;
    ensure!(status.success(), "{} failed ({status})", compiler.display());
    fs::read(&object).with_context(|| format!("{} left no object", compiler.display()))
}

/// Everything but the source and the object.
fn arguments(include: &Path, options: &Options<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = FLAGS.split_whitespace().map(OsString::from).collect();
    arguments.push(match options.instructions {
        InstructionSet::Arm => "-marm".into(),
        InstructionSet::Thumb => "-mthumb".into(),
    });
    arguments.push("-I".into());
    arguments.push(include.into());
    arguments.push(format!("-DKBUILD_MODNAME=\"{}\"", options.name).into());
    arguments.extend(options.more.iter().map(OsString::from));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_options_come_last() {
        let more = ["-O0".to_owned(), "-DX=a b".to_owned()];
        for (instructions, flag) in
            [(InstructionSet::Arm, "-marm"), (InstructionSet::Thumb, "-mthumb")]
        {
            let options = Options { instructions, name: "two_words", more: &more };
            let arguments = arguments(Path::new("/src/include"), &options);
            let expected =
                [flag, "-I", "/src/include", "-DKBUILD_MODNAME=\"two_words\"", "-O0", "-DX=a b"];
            assert!(arguments.ends_with(&expected.map(OsString::from)), "{arguments:?}");
            assert_eq!(arguments[0], "-c");
            assert!(!arguments.iter().any(|argument| argument.is_empty()));
        }
    }
}
