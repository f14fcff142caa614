//! `build`: compiles the kernel for one split and publishes its ELF and raw image.
//!
//! Invariant: cargo's run and the copy of what it built happen under one lock. Cargo leaves every
//! split's kernel under the same name, so without the lock a concurrent build would swap the file
//! between the two.

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::image::{self, Image};
use crate::setup;
use crate::symbols;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;

/// Which image.
#[derive(Clone, Debug, clap::Args)]
pub struct ImageArgs {
    /// Where the kernel's half of the address space begins
    #[arg(long, value_enum, default_value_t = Split::ThreeG, value_name = "SPLIT")]
    pub vmsplit: Split,
    /// Optimise
    #[arg(long)]
    pub release: bool,
    /// More features of the kernel, separated by commas (test builds)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = feature)]
    pub features: Vec<String>,
}

/// The user/kernel split, by Linux's names (`CONFIG_VMSPLIT_…`).
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, ValueEnum)]
pub enum Split {
    /// 0xc0000000
    #[default]
    #[value(name = "3g")]
    ThreeG,
    /// 0xb0000000: one whole GiB of lowmem
    #[value(name = "3g-opt")]
    ThreeGOpt,
    /// 0x80000000
    #[value(name = "2g")]
    TwoG,
    /// 0x40000000
    #[value(name = "1g")]
    OneG,
}

impl From<Split> for mm::boot::split::Split {
    fn from(split: Split) -> Self {
        match split {
            Split::ThreeG => Self::ThreeG,
            Split::ThreeGOpt => Self::ThreeGOpt,
            Split::TwoG => Self::TwoG,
            Split::OneG => Self::OneG,
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(mm::boot::split::Split::from(*self).name())
    }
}

/// A feature's name. It becomes part of a file's name, so it is held to what cargo's names are
/// usually made of.
pub fn feature(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        Ok(text.to_owned())
    } else {
        Err("a feature's name has letters, digits, '-' and '_'".to_owned())
    }
}

impl ImageArgs {
    /// The image of `split` as a plain `build` makes it.
    pub fn plain(split: Split) -> Self {
        Self { vmsplit: split, release: false, features: Vec::new() }
    }

    /// Extra features, each once, in one order: the same set is the same image.
    fn extra_features(&self) -> Vec<&str> {
        let mut extra: Vec<_> = self.features.iter().map(String::as_str).collect();
        extra.sort_unstable();
        extra.dedup();
        extra
    }

    fn profile(&self) -> &'static str {
        if self.release { "release" } else { "debug" }
    }

    /// The kernel's features. The fallback console is part of every image.
    fn kernel_features(&self) -> String {
        let mut features = vec![format!("vmsplit-{}", self.vmsplit), "fallback-console".into()];
        features.extend(self.extra_features().iter().map(ToString::to_string));
        features.join(",")
    }

    fn file_stem(&self) -> String {
        let extra: String = self.extra_features().iter().map(|name| format!("+{name}")).collect();
        format!("vmsplit-{}-{}{extra}", self.vmsplit, self.profile())
    }
}

/// Builds and publishes.
pub fn build(workspace: &Workspace, toolchain: &Toolchain, args: &ImageArgs) -> Result<Image> {
    let folder = workspace.images_dir();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let lock_path = folder.join(".lock");
    // Held to the end of this function; the system drops it if we die.
    let lock =
        File::create(&lock_path).with_context(|| format!("cannot make {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;

    let mut cargo = toolchain.cargo(workspace, "build");
    cargo.args(["--package", "kernel", "--no-default-features", "--features"]);
    cargo.arg(args.kernel_features());
    if args.release {
        cargo.arg("--release");
    }
    // Standard output belongs to the caller: `run` shows the kernel's own there.
    let status = cargo
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot run {}", cargo.get_program().to_string_lossy()))?;
    ensure!(status.success(), "the kernel did not build ({status})");

    let built = toolchain.output_dir(workspace, args.profile()).join("vmsplit");
    let mut elf = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    symbols::embed(&mut elf).with_context(|| built.display().to_string())?;
    let raw = image::flatten(&elf).with_context(|| built.display().to_string())?;
    let stem = args.file_stem();
    let image =
        Image { elf: folder.join(format!("{stem}.elf")), raw: folder.join(format!("{stem}.bin")) };
    image::publish(&image.elf, &elf)?;
    image::publish(&image.raw, &raw)?;
    Ok(image)
}

/// Sees to `needs`, then builds.
pub fn set_up_and_build(
    workspace: &Workspace,
    needs: &[setup::Need],
    args: &ImageArgs,
) -> Result<Image> {
    let machine = setup::ensure(needs)?;
    build(workspace, &Toolchain::new(&machine, Target::Kernel)?, args)
}

/// The command.
pub fn run(args: &ImageArgs) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let image = set_up_and_build(&workspace, &setup::FOR_BUILD, args)?;
    let mut out = io::stdout().lock();
    for path in [&image.elf, &image.raw] {
        let bytes = path.metadata()?.len();
        writeln!(out, "{}  {bytes} bytes", workspace.shorten(path).display())?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_inside() {
        let mut args = ImageArgs::plain(Split::ThreeGOpt);
        assert_eq!(args.file_stem(), "vmsplit-3g-opt-debug");
        assert_eq!(args.kernel_features(), "vmsplit-3g-opt,fallback-console");
        args.release = true;
        args.features = ["b", "a", "b"].map(String::from).to_vec();
        assert_eq!(args.file_stem(), "vmsplit-3g-opt-release+a+b");
        assert_eq!(args.kernel_features(), "vmsplit-3g-opt,fallback-console,a,b");
    }

    #[test]
    fn feature_names_stay_inside_the_images_folder() {
        assert!(feature("test-planted-wx").is_ok());
        for bad in ["", "a/b", "../x", "a b", "mm?"] {
            assert!(feature(bad).is_err(), "{bad:?}");
        }
    }
}
