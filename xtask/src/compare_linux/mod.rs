//! `compare-linux`: a Linux kernel and ours on the same board, side by side.
//!
//! Both get the same memory, processor, device tree and words on the command line. Linux gets an initramfs besides, with
//! a script that prints what Linux says of itself; ours answers as it does in a sweep. Nothing is predicted here and
//! nothing is taken from a recording: the table shows two boots, and what a side does not tell stands there as unknown.
//!
//! | file | idea |
//! |---|---|
//! | `find` `fetch` `kind` | the kernel and the `busybox`: where they are, how to get them, whether they are any good |
//! | `initramfs` `place` | the script, and where everything goes in RAM |
//! | `boot` `qmp` `tables` `said` | Linux's boot; its page tables, read from outside; its words |
//! | `ours` | our boot |
//! | `facts` `compare` `why` `print` | what can be compared, what comes of it, and why; the table |

mod boot;
mod compare;
mod facts;
mod fetch;
mod find;
mod initramfs;
mod kind;
mod ours;
mod place;
mod print;
mod qmp;
mod said;
mod tables;
mod why;

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use mm::addr::PhysAddr;

use crate::build::{self, ImageArgs, Split};
use crate::qemu::{Cpu, MachineArgs, MemorySize, existing_file};
use crate::run::EXIT_TIME_OUT;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;
use crate::{image, loader, note, setup};

const DEFAULT_TIMEOUT: u32 = 120;

/// Arguments of `compare-linux`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 compared, or Linux died and said of what; 1 ours did not boot, or Linux gave \
                        nothing; 2 wrong usage; 124 a boot's time-out."
)]
pub struct Args {
    /// The Linux kernel, a zImage for 32-bit ARM [default: what --fetch has fetched]
    #[arg(value_name = "ZIMAGE")]
    zimage: Option<PathBuf>,
    /// A static busybox for 32-bit ARM [default: what --fetch has fetched]
    #[arg(long, value_name = "PATH")]
    busybox: Option<PathBuf>,
    /// A module of that kernel that needs no other: shows where modules go [default: what --fetch has fetched]
    #[arg(long, value_name = "FILE", value_parser = existing_file)]
    module: Option<PathBuf>,
    /// Fetch all of these from Debian, once, into target/linux
    #[arg(long)]
    fetch: bool,
    /// Memory, as for QEMU: a whole number with suffix K, M, G or T; M without one
    #[arg(short, value_name = "SIZE", default_value = "1G")]
    memory: MemorySize,
    /// The processor
    #[arg(long, value_enum, default_value_t = Cpu::CortexA15)]
    cpu: Cpu,
    /// Words for both command lines
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "")]
    append: String,
    /// Boot both with this device tree; QEMU sets its memory size and /chosen
    #[arg(long, value_name = "FILE", value_parser = existing_file)]
    dtb: Option<PathBuf>,
    /// Our split [default: the one that Linux turns out to have; 3g when it does not tell]
    #[arg(long, value_enum, value_name = "SPLIT")]
    vmsplit: Option<Split>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// End each boot after so long
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT,
          value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Write what both kernels printed to this file
    #[arg(long, value_name = "FILE")]
    keep_log: Option<PathBuf>,
}

/// Something that was given is not usable; what it is, and what is wanted.
#[derive(Debug)]
pub struct NotUsable(String);

impl fmt::Display for NotUsable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotUsable {}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let (zimage, busybox) = (args.zimage.as_deref(), args.busybox.as_deref());
    let found = find::find(&workspace, zimage, busybox, args.module.as_deref(), args.fetch)?;
    let host = setup::ensure(&setup::FOR_RUN)?;

    let (linux, command_line) = boot_linux(args, &workspace, &found)?;
    let split = args.vmsplit.unwrap_or_else(|| split_of(&linux.end));
    let toolchain = Toolchain::new(&host, Target::Kernel)?;
    let image = build::build(&workspace, &toolchain, &ImageArgs::plain(split))?;
    let append = (!args.append.is_empty()).then(|| args.append.clone());
    let machine = MachineArgs::plain(args.memory, args.cpu, append).with_dtb(args.dtb.clone());
    note(format_args!("booting vmsplit, split {split}"));
    let ours = ours::boot(&machine, &image, Duration::from_secs(args.timeout.into()))?;
    // Where the log can not be written, the table is shown all the same.
    let kept = args.keep_log.as_ref().map_or(Ok(()), |path| {
        let log = format!("{}\n---- vmsplit ----\n{}", linux.console, ours.console);
        fs::write(path, log).with_context(|| path.display().to_string())
    });

    let told = match &linux.end {
        boot::End::Told(told) => facts::of_linux(told),
        // What it printed before it died.
        _ => facts::of_zone_ranges(&said::zone_ranges(&linux.console)),
    };
    let answered = match &ours.end {
        ours::End::Told(answer) => facts::of_ours(answer),
        _ => facts::Facts::new(),
    };
    let rows = compare::rows(&told, &answered, &args.append);
    let comparison = print::Comparison {
        memory: &args.memory.to_string(),
        append: &args.append,
        command_line: &command_line,
        linux: &linux,
        split: &split.to_string(),
        ours: &ours,
        rows: &rows,
    };
    let text = if args.json { format!("{}\n", comparison.json()?) } else { comparison.text() };
    io::stdout().write_all(text.as_bytes())?;
    kept?;
    Ok(exit_code(&linux.end, &ours.end))
}

fn exit_code(linux: &boot::End, ours: &ours::End) -> ExitCode {
    match (linux, ours) {
        (_, ours::End::Failed(_)) | (boot::End::Gone(_), _) => ExitCode::FAILURE,
        (boot::End::TimedOut, _) | (_, ours::End::TimedOut(_)) => ExitCode::from(EXIT_TIME_OUT),
        (boot::End::Told(_) | boot::End::Died(_), ours::End::Told(_)) => ExitCode::SUCCESS,
    }
}

/// Boots Linux; the boot, and the command line it had.
fn boot_linux(
    args: &Args,
    workspace: &Workspace,
    found: &find::Found,
) -> Result<(boot::Boot, String)> {
    let folder = find::folder(workspace);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let archive = initramfs::pack(&found.busybox, found.module.as_deref())?;
    let archive_bytes = archive.len() as u64;
    let places = match place::place(&found.kernel, archive_bytes, args.memory.bytes(), &args.append)
    {
        Ok(places) => places,
        Err(too_little) => {
            let end = boot::End::Died(too_little.to_string());
            let boot = boot::Boot { console: String::new(), end, took: Duration::ZERO };
            return Ok((boot, String::new()));
        }
    };
    // Both files say in their names what is in them, and are left for the next time.
    let jump = folder.join(format!("jump-{:#x}.uimg", places.zimage));
    let entry = PhysAddr::new(places.zimage.into());
    image::publish(&jump, &loader::uimage(&loader::hop(entry, None)))?;
    let archive_file = folder.join(format!("initramfs-{archive_bytes}.cpio"));
    image::publish(&archive_file, &archive)?;
    let question = boot::Question {
        zimage: &found.files.zimage,
        archive: &archive_file,
        archive_bytes,
        places,
        cpu: args.cpu,
        memory: args.memory,
        append: &args.append,
        dtb: args.dtb.as_deref(),
        jump: &jump,
    };
    let line = question.command_line().map_err(|length| {
        NotUsable(format!("--append makes Linux's command line {length} bytes long; it keeps 1023"))
    })?;
    note(format_args!("booting Linux, {}", shown(&found.files.zimage, workspace)));
    let timeout = Duration::from_secs(args.timeout.into());
    let boot = question.boot(&line, timeout)?;
    note(format_args!("Linux's boot took {:.1} s", boot.took.as_secs_f32()));
    Ok((boot, line))
}

fn shown(path: &Path, workspace: &Workspace) -> String {
    workspace.shorten(path).display().to_string()
}

/// The split that a Linux has, as far as it is known and ours too.
fn split_of(linux: &boot::End) -> Split {
    let boot::End::Told(told) = linux else { return Split::ThreeG };
    let Some(offset) = facts::page_offset(told) else { return Split::ThreeG };
    let is_it = |split: &&Split| {
        let split = mm::boot::split::Split::from(**split);
        u64::from(split.page_offset().as_u32()) == offset
    };
    Split::value_variants().iter().find(is_it).copied().unwrap_or_else(|| {
        note(format_args!("no split of ours has Linux's PAGE_OFFSET of {offset:#x}: taking 3g"));
        Split::ThreeG
    })
}
