//! A host made of small shell scripts: a folder that is the whole `PATH`, so that xtask finds the
//! compiler, package manager and emulator that a test wants it to find, and no other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The pretended host. Its scripts know its folder as `$HOST`.
pub struct Host {
    folder: TempDir,
}

impl Host {
    /// A host with Rust and nothing else.
    pub fn new() -> Self {
        let host = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(host.path("bin")).unwrap();
        fs::create_dir_all(host.path("workspace/kernel")).unwrap();
        fs::write(host.path("workspace/kernel/Cargo.toml"), "").unwrap();
        host.tool("rustc", "echo $HOST/sysroot; echo x86_64-unknown-linux-gnu");
        host.tool("cargo", CARGO);
        host
    }

    /// A host on which every need is met.
    pub fn complete() -> Self {
        let host = Self::new();
        host.library("armv7a-none-eabi", "core");
        host.library("i686-unknown-linux-gnu", "std");
        host.library("wasm32-unknown-unknown", "std");
        for tool in [
            "qemu-system-arm",
            "gdb-multiarch",
            "dtc",
            "chromium",
            "chromedriver",
            "rust-lld",
            "arm-none-eabi-gcc",
        ] {
            host.tool(tool, "");
        }
        host.tool("cc", "echo /usr/lib32/crt1.o");
        host
    }

    /// A file of the host.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a file holds; empty when there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Puts a program on `PATH`.
    pub fn tool(&self, name: &str, script: &str) {
        // `install` opens the program for writing, not this process: a process that another test
        // forks at this moment would inherit the open file, and Linux executes none such.
        let script = format!("#!/bin/sh\nHOST={}\n{script}\n", self.folder.path().display());
        fs::write(self.path("script"), script).unwrap();
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(self.path("script")).arg(self.path("bin").join(name));
        assert!(install.status().unwrap().success());
    }

    /// Takes a program away.
    pub fn without(&self, name: &str) {
        fs::remove_file(self.path("bin").join(name)).unwrap();
    }

    /// Gives the active compiler the library for a target.
    pub fn library(&self, target: &str, name: &str) {
        let folder = self.path("sysroot/lib/rustlib").join(target).join("lib");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("lib{name}-0123456789abcdef.rlib")), "").unwrap();
    }

    /// xtask on this host, nothing of the real one in its environment.
    pub fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("bin"))
            .current_dir(self.path("workspace"))
            .stdin(Stdio::null());
        command
    }

    /// Runs xtask to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&mut self.xtask(arguments))
    }
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Waits until `condition` holds, for ten seconds at most.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Whether the process whose id a script left in a file is running (a zombie is not).
pub fn is_running(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap();
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

/// Answers `cargo metadata`, and `cargo build` with the file `kernel.elf` (`kernel-2g.elf` for
/// that split). Cargo leaves it lying for a moment, in which another build could replace it.
const CARGO: &str = r#"
echo "$@" >> $HOST/cargo.log
case $1 in
metadata)
    printf '{"workspace_root":"%s","target_directory":"%s"}\n' $HOST/workspace $HOST/target ;;
build)
    elf=kernel.elf
    profile=debug
    while [ $# -gt 0 ]; do
        case $1 in
        --target-dir) folder=$2/armv7a-none-eabi ;;
        --release) profile=release ;;
        *vmsplit-2g*) elf=kernel-2g.elf ;;
        esac
        shift
    done
    folder=$folder/$profile
    /bin/mkdir -p $folder
    /bin/cp $HOST/$elf $folder/vmsplit
    /bin/sleep 0.2 ;;
fmt | clippy) echo "$1 1.95" ;;
esac
"#;
