//! The files of Linux's side: the kernel, a `busybox` and perhaps a module, as given, or as fetched before; else how to get them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::kind::{self, Wrong, ZImage};
use super::{NotUsable, fetch};
use crate::workspace::Workspace;

/// How to get both files by hand, on Debian.
pub const BY_HAND: &str = "\
`cargo xtask compare-linux --fetch` gets both from Debian, into target/linux, and changes nothing of this system.
By hand, in an empty folder on Debian (armhf is Debian's name for ARMv7; another architecture than this computer's):
  mkdir -p lists/partial
  apt=\"-o APT::Architectures::=armhf -o Dir::State::lists=$PWD/lists\"
  apt-get $apt update
  apt-get $apt download \"$(apt-cache $apt depends linux-image-armmp:armhf | sed -n 's/ *Depends: //p')\" busybox-static:armhf
  for package in *.deb; do dpkg -x \"$package\" .; done
  cargo xtask compare-linux \"$PWD\"/boot/vmlinuz-* --busybox \"$PWD\"/bin/busybox";

/// The files.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The kernel.
    pub zimage: PathBuf,
    /// The static `busybox`.
    pub busybox: PathBuf,
    /// A module for the kernel, which shows where modules go.
    pub module: Option<PathBuf>,
}

/// The files, read and found good.
pub struct Found {
    /// Where they are.
    pub files: Files,
    /// The kernel's header.
    pub kernel: ZImage,
    /// The `busybox`.
    pub busybox: Vec<u8>,
    /// The module.
    pub module: Option<Vec<u8>>,
}

/// The file that remembers what was fetched.
fn memory(folder: &Path) -> PathBuf {
    folder.join("fetched.json")
}

/// The folder for fetched files.
pub fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("linux")
}

/// What was fetched before, and is still there.
pub fn remembered(folder: &Path) -> Option<Files> {
    let files: Files = serde_json::from_slice(&fs::read(memory(folder)).ok()?).ok()?;
    (files.zimage.is_file() && files.busybox.is_file()).then_some(files)
}

/// Remembers `files`.
///
/// # Errors
///
/// The file can not be written.
pub fn remember(folder: &Path, files: &Files) -> Result<()> {
    crate::image::publish(&memory(folder), serde_json::to_string(files)?.as_bytes())
}

/// Finds both.
///
/// # Errors
///
/// [`NotUsable`] for a file that is missing, or is not what it should be.
pub fn find(
    workspace: &Workspace,
    zimage: Option<&Path>,
    busybox: Option<&Path>,
    module: Option<&Path>,
    may_fetch: bool,
) -> Result<Found> {
    let folder = folder(workspace);
    let fetched = match (zimage, busybox) {
        (Some(_), Some(_)) => None,
        _ if may_fetch => Some(fetch::fetch(&folder)?),
        _ => remembered(&folder),
    };
    let choose = |given: Option<&Path>, of: fn(Files) -> PathBuf, what: &str| {
        given.map(Path::to_owned).or_else(|| fetched.clone().map(of)).ok_or_else(|| {
            NotUsable(format!("no {what} was given, and none was fetched.\n{BY_HAND}"))
        })
    };
    // Another kernel's module would be refused.
    let of_the_kernel = if zimage.is_some() { None } else { fetched.as_ref() };
    let module = module.or(of_the_kernel.and_then(|files| files.module.as_deref()));
    let module = module.map(Path::to_owned);
    let not_usable = |path: &Path, wrong: Wrong| NotUsable(format!("{}: {wrong}", path.display()));
    // What is wrong with a kernel that was given is said before what else there must be.
    let zimage = choose(zimage, |files| files.zimage, "Linux kernel (zImage)")?;
    let kernel = ZImage::read(&read(&zimage)?).map_err(|wrong| not_usable(&zimage, wrong))?;
    let busybox = choose(busybox, |files| files.busybox, "busybox (--busybox PATH)")?;
    let bytes = read(&busybox)?;
    kind::check_busybox(&bytes).map_err(|wrong| not_usable(&busybox, wrong))?;
    let module_bytes = module.as_deref().map(read).transpose()?;
    Ok(Found {
        files: Files { zimage, busybox, module },
        kernel,
        busybox: bytes,
        module: module_bytes,
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    const MAX_BYTES: u64 = 512 << 20;
    let unreadable = |why: String| NotUsable(format!("{}: {why}", path.display()));
    let found = path.metadata().map_err(|error| unreadable(error.to_string()))?;
    if !found.is_file() {
        return Err(unreadable("this is no regular file".to_owned()).into());
    }
    if found.len() > MAX_BYTES {
        return Err(unreadable(format!("{} bytes are too many for this", found.len())).into());
    }
    fs::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_is_remembered_while_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(remembered(folder.path()), None);
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, name).unwrap();
            path
        };
        let files = Files { zimage: file("vmlinuz"), busybox: file("busybox"), module: None };
        remember(folder.path(), &files).unwrap();
        assert_eq!(remembered(folder.path()), Some(files.clone()));
        fs::remove_file(&files.busybox).unwrap();
        assert_eq!(remembered(folder.path()), None);
    }
}
