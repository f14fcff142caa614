//! Debian's kernel and `busybox` for armhf, by Debian's own tools, without a change of this system.
//!
//! apt keeps its lists, its caches and what it downloads in our folder, and is told of one more architecture for the
//! time of the call. So neither root nor `dpkg --add-architecture` is needed, and apt checks the signatures as always.
//! Of the packages only three files are unpacked. Invariant: what is remembered is whole, since it is written last.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::find::{BY_HAND, Files, remember, remembered};
use super::kind::{self, ZImage};
use crate::machine::{find_in_path, output_of};
use crate::note;

/// The package whose dependency is the newest kernel.
const KERNEL: &str = "linux-image-armmp:armhf";
const BUSYBOX: &str = "busybox-static:armhf";

/// A module that needs no other, below the kernel's folder of modules.
const MODULE: &str = "kernel/lib/crc4.ko";

/// apt, with what it keeps in `folder`.
struct Apt<'a> {
    folder: &'a Path,
}

impl Apt<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let below = |name: &str| self.folder.join(name).display().to_string();
        for option in [
            "APT::Architectures::=armhf".to_owned(),
            // As root it would change to another user, who may have no access here.
            "APT::Sandbox::User=".to_owned(),
            format!("Dir::State::lists={}/", below("lists")),
            format!("Dir::Cache={}/", below("cache")),
        ] {
            command.arg("-o").arg(option);
        }
        command.env("LC_ALL", "C").current_dir(self.folder.join("packages"));
        command.stdin(Stdio::null()).stdout(io::stderr());
        command
    }

    /// Runs `apt-get`, its output on standard error.
    fn get(&self, words: &[&str]) -> Result<()> {
        let line = format!("apt-get {}", words.join(" "));
        note(format_args!("{line}    (in {})", self.folder.display()));
        let mut command = self.command("apt-get");
        command.arg("-q").args(words);
        let status = command.status().with_context(|| format!("cannot run {line}"))?;
        ensure!(status.success(), "{line}: {status}");
        Ok(())
    }

    /// What `package` depends on: of a package that only stands for another, that.
    fn real(&self, package: &str) -> Result<String> {
        let mut command = self.command("apt-cache");
        let text = output_of(command.args(["depends", package]).stdout(Stdio::piped()));
        text.as_deref()
            .and_then(dependency)
            .with_context(|| format!("apt knows no {package}; is this Debian, with a network?"))
    }
}

/// The first dependency in what `apt-cache depends` prints.
fn dependency(text: &str) -> Option<String> {
    let depends = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "))?;
    let name = depends.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+-.:".contains(c);
    (!name.starts_with('-') && name.chars().all(is_name)).then(|| name.to_owned())
}

/// Makes sure that both files are in `folder`.
///
/// # Errors
///
/// No apt, no network, or a package without what is sought.
pub fn fetch(folder: &Path) -> Result<Files> {
    for below in ["lists/partial", "cache/archives/partial", "packages"] {
        let path = folder.join(below);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
    }
    // Whoever comes second finds what the first has fetched; the system drops it if we die.
    let lock_path = folder.join(".lock");
    let lock = File::create(&lock_path).with_context(|| lock_path.display().to_string())?;
    lock.lock().with_context(|| lock_path.display().to_string())?;
    if let Some(files) = remembered(folder) {
        return Ok(files);
    }
    for program in ["apt-get", "apt-cache", "dpkg-deb", "tar"] {
        if find_in_path(program).is_none() {
            bail!(
                "--fetch takes {program}, which is not here. On a computer with Debian:\n{BY_HAND}"
            );
        }
    }
    let apt = Apt { folder };
    // One source that fails need not matter: what is missing then is said below.
    if let Err(error) = apt.get(&["update"]) {
        note(format_args!("{error:#}; going on"));
    }
    let kernel = apt.real(KERNEL)?;
    let packages = folder.join("packages");
    for old in files_of(&packages, ".deb")? {
        fs::remove_file(&old).with_context(|| old.display().to_string())?;
    }
    apt.get(&["download", &kernel, BUSYBOX])?;
    for package in files_of(&packages, ".deb")? {
        unpack(&package, folder)?;
        fs::remove_file(&package).with_context(|| package.display().to_string())?;
    }
    let version = kernel.trim_start_matches("linux-image-").trim_end_matches(":armhf");
    let zimage = folder.join("boot").join(format!("vmlinuz-{version}"));
    let module = folder.join("lib/modules").join(version).join(MODULE);
    let module = module.is_file().then_some(module);
    let files = Files { zimage, busybox: folder.join("bin/busybox"), module };
    check(&files).context("what was fetched")?;
    remember(folder, &files)?;
    Ok(files)
}

fn check(files: &Files) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    if let Err(wrong) = ZImage::read(&read(&files.zimage)?) {
        bail!("{}: {wrong}", files.zimage.display());
    }
    if let Err(wrong) = kind::check_busybox(&read(&files.busybox)?) {
        bail!("{}: {wrong}", files.busybox.display());
    }
    Ok(())
}

/// The files in `folder` whose names end so.
fn files_of(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.to_string_lossy().ends_with(end)).collect())
}

/// Unpacks the files, whichever of them are in `package`: all modules are fifty times as much.
fn unpack(package: &Path, folder: &Path) -> Result<()> {
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let archive = reader.stdout.take().context("dpkg-deb has no output")?;
    let unpacked = Command::new("tar")
        .args(["-x", "--no-same-owner", "--wildcards", "-C"])
        .arg(folder)
        .args(["./boot/vmlinuz-*", "./bin/busybox"])
        .arg(format!("./lib/modules/*/{MODULE}"))
        .stdin(archive)
        // It is an error for it that some are in the other package.
        .stderr(Stdio::null())
        .status()
        .context("cannot run tar")?;
    let read = reader.wait()?;
    ensure!(read.success(), "dpkg-deb --fsys-tarfile {}: {read}", package.display());
    // 2: what it did not find. What matters is looked at when both packages are unpacked.
    ensure!(matches!(unpacked.code(), Some(0 | 2)), "tar: {unpacked}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dependency_is_the_kernel_itself() {
        let text = "linux-image-armmp:armhf\n  Depends: linux-image-6.1.0-50-armmp:armhf\n";
        assert_eq!(dependency(text).as_deref(), Some("linux-image-6.1.0-50-armmp:armhf"));
        assert_eq!(dependency("linux-image-armmp\n"), None);
        assert_eq!(dependency("x\n  Depends: <virtual package>\n"), None);
        assert_eq!(dependency("x\n  Depends: --option\n"), None);
    }
}
