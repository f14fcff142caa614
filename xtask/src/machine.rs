//! What this host has, asked of its own tools and of nothing else.
//!
//! Everything is found through `PATH` (`rustc`, `rustup`, `apt-get`, `dpkg-query`, `id`), so a test
//! can pose as any machine with a folder of small scripts. Nothing here decides or changes
//! anything: [`crate::toolchain`] decides, [`crate::setup`] installs.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::toolchain::{Facts, MIN_RUST, Target};

/// The Debian packages a command may ask about.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];

/// Debian's compiler, its cargo, and the library source that `-Z build-std` compiles.
pub const DEBIAN_TOOLCHAIN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// What was found.
pub struct Machine {
    /// The active `rustc`'s sysroot and host triple.
    rustc: Option<(PathBuf, String)>,
    /// `rustup` is on `PATH`.
    pub rustup: bool,
    /// `RUSTUP_AUTO_INSTALL=0`: the user wants rustup to fetch nothing by itself.
    pub auto_install_off: bool,
    /// `apt-get` is on `PATH`.
    pub apt: bool,
    /// This process may install packages.
    pub root: bool,
    /// Installed ones of [`PACKAGES`], with the `(major, minor)` of their version.
    packages: BTreeMap<String, (u32, u32)>,
}

impl Machine {
    /// Looks around. Quick: at most three short programs are run.
    pub fn probe() -> Self {
        let apt = find_in_path("apt-get").is_some();
        Self {
            rustc: rustc_paths(),
            rustup: find_in_path("rustup").is_some(),
            auto_install_off: env::var_os("RUSTUP_AUTO_INSTALL").is_some_and(|value| value == "0"),
            apt,
            root: apt && output_of(Command::new("id").arg("-u")).is_some_and(|uid| uid == "0"),
            packages: installed_packages(),
        }
    }

    /// What the choice of a toolchain for `target` rests on.
    pub fn facts(&self, target: Target) -> Facts {
        Facts {
            library_installed: self.has_library(target),
            rustup: self.rustup,
            auto_install_off: self.auto_install_off,
            apt_can_install: self.apt && self.root,
            debian_installed: DEBIAN_TOOLCHAIN.iter().all(|package| self.has_package(package)),
        }
    }

    /// Whether Debian's `package` is installed, no older than [`MIN_RUST`].
    pub fn has_package(&self, package: &str) -> bool {
        self.packages.get(package).is_some_and(|version| *version >= MIN_RUST)
    }

    /// Whether the active compiler has the library for `target` (`core` or `std`) ready-made.
    pub fn has_library(&self, target: Target) -> bool {
        let Some((sysroot, _)) = &self.rustc else {
            return false;
        };
        let folder = sysroot.join("lib/rustlib").join(target.triple()).join("lib");
        let Ok(entries) = folder.read_dir() else {
            return false;
        };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(target.library_file_prefix()) && name.ends_with(".rlib")
        })
    }

    /// The active compiler's sysroot.
    pub fn sysroot(&self) -> Option<&Path> {
        self.rustc.as_ref().map(|(sysroot, _)| sysroot.as_path())
    }

    /// The host's triple, if the active compiler brings the runtime of AddressSanitizer for it.
    /// rustup's do for Linux on x86-64 and AArch64, Debian's do not.
    pub fn address_sanitizer(&self) -> Option<&str> {
        let (sysroot, host) = self.rustc.as_ref()?;
        let folder = sysroot.join("lib/rustlib").join(host).join("lib").read_dir().ok()?;
        let runtime = |entry: std::fs::DirEntry| {
            // In between is the compiler's channel.
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("librustc-") && name.ends_with("_rt.asan.a")
        };
        folder.flatten().any(runtime).then_some(host)
    }

    /// The linker for `target`, unless the host's own serves: the `rust-lld` that rustup's
    /// toolchains bring, else LLVM's own by the name under which it links such files.
    ///
    /// Debian's `rust-lld` (package `rust-web-llvm`) is a link to a file of another package,
    /// which may be missing: only a link that leads somewhere counts.
    pub fn linker(&self, target: Target) -> Option<PathBuf> {
        let names = target.linkers();
        if names.is_empty() {
            return None;
        }
        let own = self
            .rustc
            .as_ref()
            .map(|(sysroot, host)| sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"));
        own.filter(|path| path.is_file())
            .or_else(|| find_in_path("rust-lld"))
            .or_else(|| names.iter().find_map(|name| find_in_path(name)))
    }
}

/// The first executable file called `name` on `PATH`.
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// What `command` prints, without the last line end, if it succeeds.
pub fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

fn rustc_paths() -> Option<(PathBuf, String)> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = output_of(Command::new(rustc).args(["--print=sysroot", "--print=host-tuple"]))?;
    let (sysroot, host) = text.split_once('\n')?;
    Some((PathBuf::from(sysroot), host.to_owned()))
}

fn installed_packages() -> BTreeMap<String, (u32, u32)> {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f=${Package} ${db:Status-Abbrev} ${Version}\\n"]).args(PACKAGES);
    // It fails when one package is unknown, and still prints the others.
    let Ok(output) = query.stdin(Stdio::null()).stderr(Stdio::null()).output() else {
        return BTreeMap::new();
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(parse_package).collect()
}

/// Reads a line of `dpkg-query`: `rustc-web ii  1.96.0+dfsg1-1~deb12u2`.
fn parse_package(line: &str) -> Option<(String, (u32, u32))> {
    let mut words = line.split_whitespace();
    let (name, state, version) = (words.next()?, words.next()?, words.next()?);
    // Second letter: the package is installed, not just known or half unpacked.
    (state.chars().nth(1) == Some('i')).then_some(())?;
    let version = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((name.to_owned(), (numbers.next()?.ok()?, numbers.next()?.ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dpkg_lines() {
        let read = |line| parse_package(line).map(|(_, version)| version);
        assert_eq!(read("rustc-web ii  1.96.0+dfsg1-1~deb12u2"), Some((1, 96)));
        assert_eq!(read("rustc-web ii  2:1.100.0-1"), Some((1, 100)));
        assert_eq!(read("rustc-web rc  1.96.0-1"), None, "removed, configuration left");
        assert_eq!(read("rustc-web iU  1.96.0-1"), None, "unpacked only");
        assert_eq!(read("rustc-web un "), None);
        assert_eq!(read("rustc-web ii  next"), None);
        assert_eq!(read(""), None);
    }
}
