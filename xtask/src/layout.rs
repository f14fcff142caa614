//! `layout`: predicts what the kernel would decide, without booting it, from the kernel's own code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use experiment::machine::Machine;
use experiment::predict::IMAGE_BYTES;
use mm::addr::{PhysAddr, PhysRange};
use mm::boot::memblock::{INIT_REGIONS, Memblock, Region};
use mm::boot::predict::{Question, predict};
use mm::report::layout::{Observed, write_json, write_table};
use mm::report::zone_ranges;

use crate::described::{KernelArgs, address, bank};
use crate::qemu::MemorySize;

/// What to predict for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Memory of QEMU's virt board, one bank at 0x40000000
    #[arg(short, value_name = "SIZE", default_value = "1G", conflicts_with = "bank")]
    memory: MemorySize,
    /// A memory bank instead, such as 0x40000000+512M; may be given several times
    #[arg(long, value_name = "START+SIZE", value_parser = bank)]
    bank: Vec<PhysRange>,
    /// Where the linear map begins [default: the first bank's start, rounded down to 2 MiB]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    phys_offset: Option<PhysAddr>,
    #[command(flatten)]
    kernel: KernelArgs,
    /// Print one JSON object on one line, as the monitor's `layout --json` does
    #[arg(long)]
    json: bool,
}

impl Args {
    fn banks(&self) -> Vec<PhysRange> {
        if self.bank.is_empty() {
            let virt = Machine::virt(self.memory.bytes());
            virt.banks.into_iter().map(PhysRange::from).collect()
        } else {
            self.bank.clone()
        }
    }
}

/// Predicts and prints.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (kernel, banks) = (args.kernel.configuration(""), args.banks());
    let regions = || vec![Region::EMPTY; INIT_REGIONS.max(banks.len() + 8)];
    let (mut memory, mut reserved) = (regions(), regions());
    let mut memblock = Memblock::new(&mut memory, &mut reserved);
    let question = Question {
        banks: &banks,
        no_map: &[],
        split: kernel.split,
        phys_offset: args.phys_offset,
        command_line: &kernel.command_line,
        image_bytes: IMAGE_BYTES,
    };
    let mut warnings = Vec::new();
    let layout = predict(&mut memblock, &question, &mut |warning| warnings.push(warning))
        .context("no layout for this machine")?;
    let seen = Observed::predicted(&layout);
    let mut text = String::new();
    if args.json {
        write_json(&mut text, &seen, warnings.iter())?;
    } else {
        for warning in &warnings {
            text += &format!("{warning}\n");
        }
        write_table(&mut text, &seen)?;
        zone_ranges::write(&mut text, &layout.zones, &memblock)?;
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
