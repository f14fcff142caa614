//! `explain`: where every byte of a board's RAM goes, why, what is to be warned of, and what would change it, for a device
//! tree and a command line, without booting.
//!
//! ```text
//! blob, tree   a file, by the kernel's reader ─┐
//! subject      options, QEMU's board ──────────┴─▶ Subject ─▶ experiment::rehearse ─┬─▶ report   the text
//!                                                                                   ├─▶ advice   warnings, remedies
//!                                                                                   ├─▶ suggest  the smallest change
//!                                                                                   ├─▶ load     U-Boot's addresses
//!                                                                                   └─▶ diff     of two
//! ```
//!
//! The account and what would change it are written by [`mm::report::explain`], as the monitor's `explain` writes them.

mod advice;
mod blob;
mod diff;
#[cfg(test)]
mod hostile;
mod load;
mod report;
mod subject;
mod suggest;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use experiment::answer::Answer;
use experiment::configuration::Configuration;
use experiment::machine::Machine;
use experiment::predict::answer;
use experiment::rehearse::{Error, rehearse};
use mm::addr::{PhysAddr, PhysRange};
use mm::boot::predict::PredictError;
use mm::report::explain::{ALIGN_SHIFTS, VmallocRoom};
use serde::Serialize;

use crate::build::Split;
use crate::described::{KernelArgs, address, bank, initrd};
use crate::qemu::MemorySize;
use advice::Advice;
use load::LoadAddresses;
use report::printable;
use subject::Subject;
use suggest::{Suggestion, suggest};

/// RAM of QEMU's board where nobody says.
const USUAL_MEMORY: MemorySize = MemorySize::gibibytes(1);

/// What to explain.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 explained; 1 the tree can not be read, or the kernel would stop; 2 wrong usage.\n\
                        vmalloc= and the splits are of 32-bit ARM: on PowerPC or MIPS they do nothing."
)]
pub struct Args {
    /// The board's device tree, compiled; without it, QEMU's virt board
    #[arg(value_name = "DTB", conflicts_with_all = ["board", "memory", "bank"])]
    dtb: Option<PathBuf>,
    /// A board of QEMU's, with the tree that QEMU makes for it
    #[arg(long, value_enum, value_name = "BOARD", conflicts_with = "bank")]
    board: Option<Board>,
    /// Memory of QEMU's board [default: 1G]
    #[arg(short, value_name = "SIZE", conflicts_with = "bank")]
    memory: Option<MemorySize>,
    /// A memory bank instead of a tree, such as 0x40000000+512M; may be given several times
    #[arg(long, value_name = "START+SIZE", value_parser = bank)]
    bank: Vec<PhysRange>,
    #[command(flatten)]
    kernel: KernelArgs,
    /// Where the image is loaded [default: its own place, 2 MiB above the start of the first bank]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    load: Option<PhysAddr>,
    /// Where the device tree is loaded [default: not known; on QEMU's board where QEMU puts it]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    dtb_at: Option<PhysAddr>,
    /// Where the initrd is loaded [default: what the tree's /chosen says]
    #[arg(long, value_name = "START+SIZE", value_parser = initrd)]
    initrd: Option<PhysRange>,
    /// The kernel's image, ELF or raw, for its size
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Print only what differs with this command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    diff: Option<String>,
    /// Print only what differs under this split
    #[arg(long, value_enum, value_name = "SPLIT")]
    diff_vmsplit: Option<Split>,
    /// Print only what differs with this device tree
    #[arg(long, value_name = "DTB")]
    diff_dtb: Option<PathBuf>,
    /// Print one JSON object on one line
    #[arg(long)]
    json: bool,
}

/// A board that is known by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Board {
    /// QEMU's virt
    Virt,
}

/// Options that do not go together, where clap can not tell.
#[derive(Clone, Debug)]
pub struct BadUse(pub String);

impl fmt::Display for BadUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadUse {}

impl Args {
    /// RAM of QEMU's board.
    fn memory(&self) -> MemorySize {
        self.memory.unwrap_or(USUAL_MEMORY)
    }

    /// What to compare with, if that is asked for.
    fn other(&self) -> Option<Self> {
        if self.diff.is_none() && self.diff_vmsplit.is_none() && self.diff_dtb.is_none() {
            return None;
        }
        let mut other = self.clone();
        let vmsplit = self.diff_vmsplit.unwrap_or(self.kernel.vmsplit);
        match &self.diff {
            Some(line) => other.kernel = KernelArgs::of_line(line, vmsplit),
            None => other.kernel.vmsplit = vmsplit,
        }
        Some(other)
    }
}

/// All that is explained, as the JSON object has it.
#[derive(Clone, Debug, Serialize)]
struct Explained {
    machine: Machine,
    configuration: Configuration,
    answer: Answer,
    warnings: Vec<Advice>,
    suggestions: Vec<Suggestion>,
    load_addresses: LoadAddresses,
    /// The largest ioremap in an empty vmalloc region, by alignment, in bytes.
    largest_ioremap: BTreeMap<u32, u32>,
    /// The text of it.
    #[serde(skip)]
    text: String,
}

/// Explains.
pub fn run(args: &Args) -> Result<ExitCode> {
    let left = explain(&Subject::new(args, args.dtb.as_deref())?)?;
    let text = match args.other() {
        None if args.json => serde_json::to_string(&left)? + "\n",
        None => printable(&left.text),
        Some(other) => {
            let dtb = args.diff_dtb.as_deref().or(args.dtb.as_deref());
            let right = explain(&Subject::new(&other, dtb)?)?;
            if args.json {
                diff::json(&left, &right)?
            } else {
                printable(&diff::text(&left, &right))
            }
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Rehearses a boot of `subject`, and says what came of it.
fn explain(subject: &Subject) -> Result<Explained> {
    let Subject { machine, configuration, .. } = subject;
    let explained = rehearse(machine, configuration, |boot, scratch| -> Result<Explained> {
        let answer = answer(boot, scratch)
            .map_err(|error| anyhow!("an answer of an unknown form: {error}"))?;
        let room = VmallocRoom::empty(boot.situation.layout.vmalloc());
        let mut explained = Explained {
            machine: machine.clone(),
            configuration: configuration.clone(),
            warnings: advice::all(subject, boot),
            suggestions: suggest(machine, configuration, &answer),
            load_addresses: LoadAddresses::of(
                &boot.situation,
                subject.tree_bytes,
                &subject.image_from,
            ),
            largest_ioremap: ALIGN_SHIFTS
                .iter()
                .map(|shift| 1 << shift)
                .zip(room.largest)
                .collect(),
            answer,
            text: String::new(),
        };
        let mut text = String::new();
        report::write(&mut text, subject, boot, &explained, room, scratch)?;
        explained.text = text;
        Ok(explained)
    });
    match explained {
        Ok(explained) => explained,
        // Which banks these are says more than that there is no memory.
        Err(Error::NoLayout(PredictError::NoLowmem)) => {
            let banks: Vec<_> =
                machine.banks.iter().map(|bank| PhysRange::from(*bank).to_string()).collect();
            Err(anyhow!("no usable memory lies below the lowmem limit, of {}", banks.join(", ")))
        }
        Err(error) => Err(error.into()),
    }
}
