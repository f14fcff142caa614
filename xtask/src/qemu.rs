//! The emulated machine: its options as the user gives them, the QEMU command line made of them,
//! and the guard that ends QEMU.
//!
//! Invariant: no QEMU outlives the command that started it. The guard ends it on every way out of
//! a function, and the kernel of the host does so when this process is killed.

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::image::Image;
use crate::loader::{self, EntryArgs};

/// How often a child is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(10);

/// The machine to boot on.
#[derive(Clone, Debug, clap::Args)]
pub struct MachineArgs {
    /// Memory, as for QEMU: a whole number with suffix K, M, G or T; M without one
    #[arg(short, value_name = "SIZE", default_value = "1G")]
    memory: MemorySize,
    /// The processor
    #[arg(long, value_enum, default_value_t = Cpu::CortexA15)]
    cpu: Cpu,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    append: Option<String>,
    /// Boot with this device tree; QEMU sets its memory size and /chosen
    #[arg(long, value_name = "FILE", value_parser = existing_file)]
    dtb: Option<PathBuf>,
    /// Load this initial RAM disk, a cpio archive of the newc form; implies the raw image, since QEMU loads none for
    /// an ELF file
    #[arg(long, value_name = "FILE", value_parser = existing_file)]
    initrd: Option<PathBuf>,
    /// Plug in a disk with what this file holds, behind a virtio transport; may be given more than once, and the
    /// first is disk 0
    #[arg(long, value_name = "FILE", value_parser = existing_file)]
    disk: Vec<PathBuf>,
    /// More options of QEMU's -drive for each disk: readonly=on, or throttling.bps-total=16
    #[arg(long, value_name = "OPTIONS", requires = "disk")]
    disk_options: Option<String>,
    /// Requests of the disks that fail: a file of rules for QEMU's blkdebug
    #[arg(long, value_name = "FILE", value_parser = existing_file, requires = "disk")]
    disk_faults: Option<PathBuf>,
    /// Virtio transports of version 2, and not of the legacy one
    #[arg(long)]
    virtio_modern: bool,
    /// Which of the two image files to boot [default: elf, raw with an option that implies it]
    #[arg(long, value_enum)]
    image: Option<ImageKind>,
    #[command(flatten)]
    entry: EntryArgs,
    /// Enter in HYP mode, as under a hypervisor's firmware: virtualization=on, PSCI by smc
    #[arg(long)]
    hyp: bool,
    /// Let time follow the instructions executed: one each nanosecond, the same on every run
    #[arg(long)]
    icount: bool,
}

/// The processors that the kernel is tested on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Cpu {
    /// ARM Cortex-A15
    CortexA15,
    /// ARM Cortex-A7
    CortexA7,
}

impl fmt::Display for Cpu {
    /// QEMU's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CortexA15 => "cortex-a15",
            Self::CortexA7 => "cortex-a7",
        })
    }
}

/// A form of the image.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ImageKind {
    /// QEMU reads the ELF segments; the kernel finds the tree at the start of RAM
    Elf,
    /// As a boot loader does it: a zImage-like header, the tree's address in r2
    Raw,
}

/// An amount of memory in KiB, not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySize {
    kib: u64,
}

impl FromStr for MemorySize {
    type Err = String;

    /// QEMU's syntax, without the fractions. The upper bound is QEMU's to say.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("'{text}' is no memory size: expected such as 512M, 1G or 64 (MiB)");
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, suffix) = text.split_at(digits_end);
        let shift = match suffix {
            "k" | "K" => 0,
            "" | "m" | "M" => 10,
            "g" | "G" => 20,
            "t" | "T" => 30,
            _ => return Err(bad()),
        };
        if digits.is_empty() {
            return Err(bad());
        }
        // Half of u64's range in bytes, which QEMU counts in, is far beyond any machine.
        let kib = digits.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
        match kib {
            Some(0) => Err("a machine needs some memory".to_owned()),
            Some(kib) if kib < 1 << 53 => Ok(Self { kib }),
            _ => Err(format!("'{text}' is too much memory")),
        }
    }
}

impl MemorySize {
    /// So many GiB.
    pub const fn gibibytes(count: u32) -> Self {
        Self { kib: (count as u64) << 20 }
    }

    /// The RAM in bytes that QEMU makes of the amount: whole pieces of 8 KiB.
    pub const fn bytes(self) -> u64 {
        (self.kib << 10).next_multiple_of(8 << 10)
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kib {
            kib if kib % (1 << 20) == 0 => write!(f, "{}G", kib >> 20),
            kib if kib % (1 << 10) == 0 => write!(f, "{}M", kib >> 10),
            kib => write!(f, "{kib}K"),
        }
    }
}

/// Reads the name of a file that exists.
pub fn existing_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.metadata() {
        Ok(found) if !found.is_dir() => Ok(path),
        Ok(_) => Err("this is a folder, not a file".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl MachineArgs {
    /// QEMU's own way to boot with so much memory, and with executed instructions counted.
    pub fn counting(memory: MemorySize) -> Self {
        Self { icount: true, ..Self::plain(memory, Cpu::CortexA15, None) }
    }

    /// QEMU's own way to boot.
    pub fn plain(memory: MemorySize, cpu: Cpu, append: Option<String>) -> Self {
        Self {
            memory,
            cpu,
            append,
            dtb: None,
            initrd: None,
            disk: Vec::new(),
            disk_options: None,
            disk_faults: None,
            virtio_modern: false,
            image: None,
            entry: EntryArgs::default(),
            hyp: false,
            icount: false,
        }
    }

    /// The initial RAM disk that the user named.
    pub fn initrd(&self) -> Option<&Path> {
        self.initrd.as_deref()
    }

    /// Boots with this device tree, if there is one.
    pub fn with_dtb(self, dtb: Option<PathBuf>) -> Self {
        Self { dtb, ..self }
    }

    /// Boots with `archive` as the initial RAM disk, and has the kernel insert modules `names` of it.
    /// QEMU loads one for the raw image only.
    pub fn insert_modules(&mut self, archive: &Path, names: &[&str]) {
        self.initrd = Some(archive.to_owned());
        self.image = Some(ImageKind::Raw);
        let line = self.append.get_or_insert_default();
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str("modules-load=");
        line.push_str(&names.join(","));
    }

    /// Finds what is wrong with the addresses that were given, before anything is built.
    ///
    /// # Errors
    ///
    /// [`Misplaced`](crate::placement::Misplaced).
    pub fn check(&self) -> Result<()> {
        self.entry.check(self.around())
    }

    /// QEMU with this machine and `image` in it. Serial port, monitor and the rest are the
    /// caller's.
    ///
    /// # Errors
    ///
    /// [`Misplaced`](crate::placement::Misplaced), or a file that can not be read or written.
    pub fn command(&self, image: &Image) -> Result<Command> {
        let board = if self.hyp { "virt,virtualization=on" } else { "virt" };
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-M", board, "-cpu", &self.cpu.to_string(), "-m", &self.memory.to_string()]);
        qemu.args(["-nographic", "-nic", "none", "-no-reboot"]);
        let needs_raw = !self.entry.is_qemus_own() || self.initrd.is_some();
        if let (true, Some(ImageKind::Elf)) = (needs_raw, self.image) {
            crate::note("--load, --dtb-raw, --r2 and --initrd take the raw image: no --image elf");
        }
        if !self.entry.is_qemus_own() {
            qemu.args(self.entry.arguments(self.around(), image)?);
        } else if needs_raw || matches!(self.image, Some(ImageKind::Raw)) {
            qemu.arg("-kernel").arg(&image.raw);
        } else {
            qemu.arg("-kernel").arg(&image.elf);
        }
        if let Some(text) = &self.append {
            qemu.arg("-append").arg(text);
        }
        for (option, file) in [("-dtb", &self.dtb), ("-initrd", &self.initrd)] {
            if let Some(file) = file {
                qemu.arg(option).arg(file);
            }
        }
        if self.virtio_modern {
            qemu.args(["-global", "virtio-mmio.force-legacy=false"]);
        }
        // QEMU gives the highest transport away first, and the kernel counts upwards.
        for (number, file) in self.disk.iter().enumerate().rev() {
            let mut drive =
                format!("file={},if=none,format=raw,id=d{number}", self.disk_name(file));
            if let Some(options) = &self.disk_options {
                drive.push(',');
                drive.push_str(options);
            }
            let device = format!("virtio-blk-device,drive=d{number}");
            qemu.args(["-drive", &drive, "-device", &device]);
        }
        if self.icount {
            qemu.args(["-icount", "shift=0"]);
        }
        Ok(qemu)
    }

    /// What QEMU is to open for a disk, as a value of an option.
    fn disk_name(&self, file: &Path) -> String {
        let mut name = file.to_string_lossy().into_owned();
        if let Some(rules) = &self.disk_faults {
            name = format!("blkdebug:{}:{name}", rules.display());
        }
        // A comma would end the value.
        name.replace(',', ",,")
    }

    fn around(&self) -> loader::Machine<'_> {
        loader::Machine {
            ram_bytes: self.memory.bytes(),
            dtb: self.dtb.as_deref(),
            initrd: self.initrd.as_deref(),
        }
    }
}

/// A running QEMU.
pub struct Guard {
    child: Child,
    has_terminal: bool,
}

impl Guard {
    /// Starts QEMU. With `has_terminal` it reads the user's terminal itself and so must be given
    /// the chance to set the terminal right again.
    pub fn start(qemu: &mut Command, has_terminal: bool) -> Result<Self> {
        end_with_parent(qemu, has_terminal);
        let child = qemu.spawn().context("cannot start qemu-system-arm")?;
        Ok(Self { child, has_terminal })
    }

    /// The process: its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for QEMU to end by itself; `None` when it has not by `deadline`.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
            sleep(POLL);
        }
    }

    /// Asks QEMU to end, and gives it a moment to restore the terminal.
    fn ask_to_end(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.wait(Some(Instant::now() + Duration::from_secs(2)));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if self.has_terminal {
            self.ask_to_end();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the host's kernel end the child when this process ends in a way that runs no destructor:
/// by a signal, by an abort, or by becoming another program that ends (`gdb`).
#[cfg(target_os = "linux")]
fn end_with_parent(command: &mut Command, has_terminal: bool) {
    use rustix::process::{Signal, set_parent_process_death_signal};
    use std::os::unix::process::CommandExt as _;
    let signal = if has_terminal { Signal::TERM } else { Signal::KILL };
    let before_exec =
        move || set_parent_process_death_signal(Some(signal)).map_err(std::io::Error::from);
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe work is
    // allowed; it makes one system call (prctl) and allocates nothing.
    unsafe { command.pre_exec(before_exec) };
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent(_command: &mut Command, _has_terminal: bool) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_qemu_reads_them() {
        let size = |text: &str| text.parse::<MemorySize>().map(|size| size.to_string());
        for (text, same) in [
            ("1G", "1G"),
            ("64", "64M"),
            ("1024", "1G"),
            ("512m", "512M"),
            ("65537K", "65537K"),
            ("3g", "3G"),
            ("1T", "1024G"),
            ("007M", "7M"),
        ] {
            assert_eq!(size(text).as_deref(), Ok(same), "{text}");
        }
        let bytes = |text: &str| text.parse::<MemorySize>().map(MemorySize::bytes);
        assert_eq!(bytes("65537K"), Ok(0x400_2000), "QEMU rounds up");
        assert_eq!(bytes("65544K"), Ok(0x400_2000));
        for bad in ["", "G", "1GB", "1.5G", "-1", "+1", "0x10M", " 1G", "1 G", "1G,slots=2", "é"] {
            assert!(size(bad).unwrap_err().contains("no memory size"), "{bad:?}");
        }
        for none in ["0", "0G"] {
            assert!(size(none).unwrap_err().contains("some memory"), "{none}");
        }
        for much in ["18446744073709551615", "99999999999999999999T", "9007199254740992K"] {
            assert!(size(much).unwrap_err().contains("too much"), "{much}");
        }
    }
}
