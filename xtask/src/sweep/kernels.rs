//! The images of the splits, held still while they are booted.
//!
//! Another command may build the same split anew at any time. Invariant: the file that is booted is the one whose
//! digest the journal has. So the published image is linked into the sweep's folder; a build puts a new file in the
//! published one's place, and leaves this one alone.

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::build::{self, ImageArgs, Split};
use crate::image::Image;
use crate::setup;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;

/// Where images are, in the sweep's folder.
const FOLDER: &str = "images";

/// A kernel to boot.
pub struct Kernel {
    split: Split,
    /// Its files, relative to the sweep's folder: what QEMU says of them is the same wherever that is.
    pub image: Image,
    /// Which file it is.
    pub digest: String,
    /// Memory that the image takes, from its first byte to the end of `.bss`.
    pub bytes: u64,
}

/// Those of a sweep, and what boots them.
pub struct Kernels {
    kernels: Vec<Kernel>,
    /// QEMU's version.
    pub qemu: String,
}

impl Kernels {
    /// Builds the kernels of a sweep in `folder`.
    pub fn build(workspace: &Workspace, folder: &Path, args: &super::Args) -> Result<Self> {
        let host = setup::ensure(&setup::FOR_RUN)?;
        let toolchain = Toolchain::new(&host, Target::Kernel)?;
        let images = folder.join(FOLDER);
        fs::create_dir_all(&images).with_context(|| images.display().to_string())?;
        let mut kernels = Vec::new();
        for split in args.lists.splits() {
            let build = ImageArgs {
                vmsplit: split,
                release: args.release,
                features: args.features.clone(),
            };
            let published = build::build(workspace, &toolchain, &build)?;
            let name = Path::new(FOLDER).join(split.to_string());
            let (elf, raw) = (name.with_extension("elf"), name.with_extension("bin"));
            hold(&published.elf, &folder.join(&elf))?;
            hold(&published.raw, &folder.join(&raw))?;
            let digest = digest(&folder.join(&elf))?;
            // A raw image is as long as the memory that it takes.
            let held = folder.join(&raw);
            let bytes = held.metadata().with_context(|| held.display().to_string())?.len();
            kernels.push(Kernel { split, image: Image { elf, raw }, digest, bytes });
        }
        Ok(Self { kernels, qemu: version()? })
    }

    /// That of a split.
    pub fn of(&self, split: Split) -> Result<&Kernel> {
        let found = self.kernels.iter().find(|kernel| kernel.split == split);
        found.with_context(|| format!("no kernel of split {split} was built"))
    }
}

/// Makes `to` a name of the file that `from` names now, or a copy where there can be no second name.
fn hold(from: &Path, to: &Path) -> Result<()> {
    let made = || -> io::Result<()> {
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
    };
    made().with_context(|| to.display().to_string())
}

fn digest(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The first line of what QEMU says of itself.
fn version() -> Result<String> {
    let output = Command::new("qemu-system-arm").arg("--version").output();
    let output = output.context("cannot run qemu-system-arm")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_image_stays_when_another_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let (published, held) = (folder.path().join("published"), folder.path().join("held"));
        crate::image::publish(&published, b"abc").unwrap();
        hold(&published, &held).unwrap();
        crate::image::publish(&published, b"new").unwrap();
        assert_eq!(fs::read(&held).unwrap(), b"abc");
        assert_eq!(
            digest(&held).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        hold(&published, &held).unwrap();
        assert_eq!(fs::read(&held).unwrap(), b"new");
    }
}
