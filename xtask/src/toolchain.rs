//! Which Rust builds for a target whose library may not be installed, and how cargo is called
//! for it.
//!
//! The choice is a pure function ([`choose`]) of an override and five facts about the machine.
//! `docs/decisions/0002-toolchain.md` says why there is a choice at all. Invariant: on the Debian
//! route no rustup proxy runs, whatever `PATH` and the environment say.

use anyhow::{Context as _, Result};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::Machine;
use crate::workspace::{Workspace, clear_package_variables};

/// The oldest Rust that compiles the workspace, `(major, minor)`: `rust-version` in `Cargo.toml`.
pub const MIN_RUST: (u32, u32) = (1, 95);

/// The environment variable that overrides the choice.
pub const OVERRIDE: &str = "VMSPLIT_TOOLCHAIN";

/// What the kernel's back-traces need of the compiler. `.cargo/config.toml` says it too, for whoever
/// calls cargo without us; but flags in the environment take the place of those.
const UNWIND_TABLES: &str = "-Cforce-unwind-tables=yes";

/// Debian's own tools lie here; a rustup proxy of the same name may stand before them in `PATH`.
const DEBIAN_BIN: &str = "/usr/bin";

/// What is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The kernel: `core` and `alloc`, no operating system.
    Kernel,
    /// Host tests as 32-bit programs: a 64-bit `usize` hides overflow.
    Host32,
    /// The page's explorer: WebAssembly, with the `std` that has no system below it.
    Explorer,
}

impl Target {
    /// The target triple.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::Kernel => "armv7a-none-eabi",
            Self::Host32 => "i686-unknown-linux-gnu",
            Self::Explorer => "wasm32-unknown-unknown",
        }
    }

    /// How the file of the installed library begins.
    pub const fn library_file_prefix(self) -> &'static str {
        match self {
            Self::Kernel => "libcore-",
            Self::Host32 | Self::Explorer => "libstd-",
        }
    }

    /// LLVM's linker by the names that Debian gives it, where the compiler's own driver does not
    /// find one. A name with a version is of the package for the compiler's LLVM: the WebAssembly of
    /// an old linker lacks what a new compiler writes.
    pub const fn linkers(self) -> &'static [&'static str] {
        match self {
            Self::Kernel => &["ld.lld"],
            Self::Host32 => &[],
            Self::Explorer => &["wasm-ld-22", "wasm-ld"],
        }
    }

    /// The options that make cargo compile the library from source.
    const fn build_std(self) -> &'static [&'static str] {
        match self {
            Self::Kernel => &[
                "-Zbuild-std=core,alloc,compiler_builtins",
                "-Zbuild-std-features=compiler-builtins-mem",
            ],
            Self::Host32 => &["-Zbuild-std=std,panic_unwind"],
            Self::Explorer => &["-Zbuild-std=std,panic_abort"],
        }
    }
}

/// Where the target's library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The active compiler has it.
    Installed,
    /// Debian's compiler builds it from Debian's library source.
    Debian,
    /// `rustup target add` fetches it.
    Rustup,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installed => "installed",
            Self::Debian => "debian",
            Self::Rustup => "rustup",
        })
    }
}

/// What the choice rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The active compiler has the target's library.
    pub library_installed: bool,
    /// There is a rustup.
    pub rustup: bool,
    /// `RUSTUP_AUTO_INSTALL=0` is set.
    pub auto_install_off: bool,
    /// `apt-get` is there, and we are root.
    pub apt_can_install: bool,
    /// Debian's compiler, cargo and library source are there already.
    pub debian_installed: bool,
}

/// Chooses a route, or none where neither apt nor rustup can help.
pub fn choose(forced: Option<Route>, facts: Facts) -> Option<Route> {
    let debian = facts.apt_can_install || facts.debian_installed;
    if forced.is_some() {
        forced
    } else if facts.library_installed {
        Some(Route::Installed)
    } else if debian && (facts.auto_install_off || !facts.rustup) {
        Some(Route::Debian)
    } else if facts.rustup {
        Some(Route::Rustup)
    } else {
        None
    }
}

/// [`OVERRIDE`] holds something else than a route: wrong usage.
#[derive(Debug)]
pub struct BadOverride(OsString);

impl fmt::Display for BadOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OVERRIDE}={}: expected installed, debian or rustup", self.0.display())
    }
}

impl std::error::Error for BadOverride {}

/// The route that the user asks for, if any. An empty value counts as none.
pub fn forced_route() -> Result<Option<Route>, BadOverride> {
    let Some(value) = env::var_os(OVERRIDE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    [Route::Installed, Route::Debian, Route::Rustup]
        .into_iter()
        .find(|route| value == *route.to_string())
        .map(Some)
        .ok_or(BadOverride(value))
}

/// A chosen way to compile for a target.
pub struct Toolchain {
    route: Route,
    target: Target,
    sysroot: Option<PathBuf>,
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// The toolchain for `target` on `machine`, which must have been set up for it.
    pub fn new(machine: &Machine, target: Target) -> Result<Self> {
        let route = choose(forced_route()?, machine.facts(target))
            .with_context(|| format!("there is no Rust for {}", target.triple()))?;
        Ok(Self {
            route,
            target,
            sysroot: machine.sysroot().map(Path::to_owned),
            linker: machine.linker(target),
        })
    }

    /// The target directory. Debian's compiler has one of its own: two compilers in one
    /// directory would each throw away what the other has built.
    fn target_dir(&self, workspace: &Workspace) -> PathBuf {
        match self.route {
            Route::Debian => workspace.target_dir.join("debian"),
            Route::Installed | Route::Rustup => workspace.target_dir.clone(),
        }
    }

    /// The folder in which cargo leaves what it built in `profile_dir` (`debug`, `release`).
    pub fn output_dir(&self, workspace: &Workspace, profile_dir: &str) -> PathBuf {
        self.target_dir(workspace).join(self.target.triple()).join(profile_dir)
    }

    /// `cargo SUBCOMMAND` for the target.
    pub fn cargo(&self, workspace: &Workspace, subcommand: &str) -> Command {
        let mut cargo = match self.route {
            Route::Debian => self.debian_cargo(),
            Route::Installed | Route::Rustup => workspace.cargo(),
        };
        cargo.current_dir(&workspace.root).arg(subcommand);
        if self.route == Route::Debian {
            cargo.args(self.target.build_std());
        }
        cargo
            .args(["--target", self.target.triple(), "--target-dir"])
            .arg(self.target_dir(workspace));
        if let Some(linker) = &self.linker {
            let triple = self.target.triple().to_uppercase().replace('-', "_");
            cargo.env(format!("CARGO_TARGET_{triple}_LINKER"), linker);
        }
        if self.target == Target::Kernel
            && let Some((name, flags)) = with_flag(UNWIND_TABLES, env::var_os)
        {
            cargo.env(name, flags);
        }
        cargo
    }

    /// Debian's cargo with Debian's compiler, whatever rustup has put in the environment.
    fn debian_cargo(&self) -> Command {
        let tool = |name| Path::new(DEBIAN_BIN).join(name);
        let mut cargo = Command::new(tool("cargo"));
        clear_package_variables(&mut cargo);
        for name in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTUP_TOOLCHAIN_SOURCE"] {
            cargo.env_remove(name);
        }
        // `-Z` on a compiler that calls itself stable.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("RUSTC", tool("rustc")).env("RUSTDOC", tool("rustdoc"));
        for (name, first) in [("PATH", Some(DEBIAN_BIN)), ("LD_LIBRARY_PATH", None)] {
            if let Some(list) = env::var_os(name) {
                cargo.env(name, self.without_sysroot(&list, first));
            }
        }
        cargo
    }

    /// The list of folders with `first` in front and without those of rustup's toolchain.
    ///
    /// rustup's proxies (`~/.cargo/bin`) stay, behind: cargo would look there *first* for
    /// `cargo-clippy` if the list did not name them.
    fn without_sysroot(&self, list: &OsStr, first: Option<&str>) -> OsString {
        let foreign = |folder: &PathBuf| {
            self.sysroot
                .as_ref()
                .is_some_and(|root| root != Path::new("/usr") && folder.starts_with(root))
        };
        let rest = env::split_paths(list).filter(|folder| !foreign(folder));
        let folders = first.map(PathBuf::from).into_iter().chain(rest);
        // Joining fails only on a folder with the separator in its name, and these were split.
        env::join_paths(folders).unwrap_or_else(|_| list.to_owned())
    }
}

/// The variable of the environment by which cargo takes compiler flags, if one is set, and its value
/// with `flag`, a single word, behind. The encoded one goes first, and an empty one is set as well.
pub fn with_flag(
    flag: &str,
    get: impl Fn(&'static str) -> Option<OsString>,
) -> Option<(&'static str, OsString)> {
    let (name, separator, mut flags) = [("CARGO_ENCODED_RUSTFLAGS", "\x1f"), ("RUSTFLAGS", " ")]
        .into_iter()
        .find_map(|(name, separator)| Some((name, separator, get(name)?)))?;
    if !flags.is_empty() {
        flags.push(separator);
    }
    flags.push(flag);
    Some((name, flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Every machine there can be, against the rule written as a sentence for each route.
    #[test]
    fn choice_follows_the_rule_on_every_machine() {
        for bits in 0..32_u32 {
            let bit = |n: u32| bits & (1 << n) != 0;
            let facts = Facts {
                library_installed: bit(0),
                rustup: bit(1),
                auto_install_off: bit(2),
                apt_can_install: bit(3),
                debian_installed: bit(4),
            };
            let expected = match (bit(0), bit(1), bit(2), bit(3) || bit(4)) {
                (true, ..) => Some(Route::Installed),
                (false, false, _, true) | (false, true, true, true) => Some(Route::Debian),
                (false, true, false, _) | (false, true, true, false) => Some(Route::Rustup),
                (false, false, _, false) => None,
            };
            assert_eq!(choose(None, facts), expected, "{facts:?}");
            for forced in [Route::Installed, Route::Debian, Route::Rustup] {
                assert_eq!(choose(Some(forced), facts), Some(forced), "{facts:?}");
            }
        }
    }

    fn workspace() -> Workspace {
        Workspace { root: "/src".into(), target_dir: "/src/target".into() }
    }

    fn toolchain(route: Route, target: Target) -> Toolchain {
        Toolchain {
            route,
            target,
            sysroot: Some("/home/u/.rustup/toolchains/stable".into()),
            linker: Some("/lld".into()),
        }
    }

    fn arguments(command: &Command) -> Vec<String> {
        command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn debian_route_escapes_from_rustup() {
        let cargo = toolchain(Route::Debian, Target::Kernel).cargo(&workspace(), "build");
        let envs: BTreeMap<_, _> = cargo.get_envs().collect();
        let get = |name: &str| envs[OsStr::new(name)].and_then(OsStr::to_str);

        assert_eq!(cargo.get_program(), "/usr/bin/cargo");
        assert_eq!(get("RUSTC"), Some("/usr/bin/rustc"));
        assert_eq!(get("RUSTDOC"), Some("/usr/bin/rustdoc"));
        assert_eq!(get("RUSTC_BOOTSTRAP"), Some("1"));
        assert_eq!(get("CARGO_TARGET_ARMV7A_NONE_EABI_LINKER"), Some("/lld"));
        for cleared in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTUP_TOOLCHAIN_SOURCE"] {
            assert_eq!(get(cleared), None, "{cleared} is removed");
        }
        let arguments = arguments(&cargo);
        assert!(arguments.contains(&"-Zbuild-std=core,alloc,compiler_builtins".to_owned()));
        assert!(arguments.ends_with(&["--target-dir".into(), "/src/target/debian".into()]));
    }

    #[test]
    fn the_explorer_takes_the_routes_of_the_kernel() {
        let cargo = |route| toolchain(route, Target::Explorer).cargo(&workspace(), "build");
        let debian = cargo(Route::Debian);
        assert_eq!(debian.get_program(), "/usr/bin/cargo");
        assert!(arguments(&debian).contains(&"-Zbuild-std=std,panic_abort".to_owned()));
        let rest = ["--target", "wasm32-unknown-unknown", "--target-dir"];
        for route in [Route::Installed, Route::Rustup] {
            assert_eq!(arguments(&cargo(route))[1..4], rest);
        }
        let linker = OsStr::new("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER");
        assert!(
            debian
                .get_envs()
                .any(|(name, value)| { name == linker && value == Some(OsStr::new("/lld")) })
        );
        let folder = toolchain(Route::Debian, Target::Explorer).output_dir(&workspace(), "wasm");
        assert_eq!(folder, Path::new("/src/target/debian/wasm32-unknown-unknown/wasm"));
    }

    #[test]
    fn other_routes_use_the_active_cargo_as_it_is() {
        for route in [Route::Installed, Route::Rustup] {
            let cargo = toolchain(route, Target::Kernel).cargo(&workspace(), "build");
            assert_eq!(
                arguments(&cargo),
                ["build", "--target", "armv7a-none-eabi", "--target-dir", "/src/target"]
            );
            assert!(cargo.get_envs().all(|(name, _)| name != "RUSTC_BOOTSTRAP"));
        }
    }

    #[test]
    fn flags_of_the_environment_do_not_cost_the_unwind_tables() {
        let with = |encoded: Option<&str>, plain: Option<&str>| {
            let get = |name| match name {
                "CARGO_ENCODED_RUSTFLAGS" => encoded.map(OsString::from),
                "RUSTFLAGS" => plain.map(OsString::from),
                _ => None,
            };
            with_flag(UNWIND_TABLES, get).map(|(name, value)| (name, value.into_string().unwrap()))
        };
        let (encoded, plain) = ("CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS");
        let flag = "-Cforce-unwind-tables=yes";
        for (given, expected) in [
            ((None, None), None),
            ((None, Some("")), Some((plain, flag.to_owned()))),
            ((None, Some("-Dwarnings -g")), Some((plain, format!("-Dwarnings -g {flag}")))),
            ((Some(""), Some("-g")), Some((encoded, flag.to_owned()))),
            (
                (Some("--cfg\x1fa b"), Some("-g")),
                Some((encoded, format!("--cfg\x1fa b\x1f{flag}"))),
            ),
        ] {
            assert_eq!(with(given.0, given.1), expected, "{given:?}");
        }
        let config = include_str!("../../.cargo/config.toml");
        assert!(config.contains(&format!("rustflags = [\"{flag}\"]")), "the same without us");
    }

    #[test]
    fn folders_of_the_rustup_toolchain_go_and_proxies_stay_behind() {
        let toolchain = toolchain(Route::Debian, Target::Host32);
        let list = OsStr::new("/home/u/.rustup/toolchains/stable/bin:/home/u/.cargo/bin:/bin");
        assert_eq!(
            toolchain.without_sysroot(list, Some(DEBIAN_BIN)),
            "/usr/bin:/home/u/.cargo/bin:/bin"
        );
    }
}
