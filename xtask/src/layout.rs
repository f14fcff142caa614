//! `layout`: predicts what the kernel would decide, without booting it, from the kernel's own code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use mm::addr::{PhysAddr, PhysRange};
use mm::boot::memblock::{INIT_REGIONS, Memblock, Region};
use mm::boot::predict::{IMAGE_BYTES, Question, predict};
use mm::param::read_size;
use mm::report::layout::{Observed, write_json, write_table};
use mm::report::zone_ranges;

use crate::build::Split;
use crate::qemu::MemorySize;

/// Where RAM starts on QEMU's `virt` board.
const VIRT_RAM: PhysAddr = PhysAddr::new(0x4000_0000);

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
    /// The kernel's command line; every boot parameter in it counts
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "")]
    append: String,
    /// Short for --append vmalloc=ARG
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    vmalloc: Option<String>,
    /// Short for --append dma_zone=SIZE
    #[arg(long, value_name = "SIZE")]
    dma_zone: Option<String>,
    /// Short for --append nohighmem
    #[arg(long)]
    no_highmem: bool,
    /// Where the kernel's half of the address space begins
    #[arg(long, value_enum, default_value_t = Split::ThreeG, value_name = "SPLIT")]
    vmsplit: Split,
    /// Print one JSON object on one line, as the monitor's `layout --json` does
    #[arg(long)]
    json: bool,
}

/// A number with an optional size suffix, and nothing behind it.
fn number(text: &str) -> Result<u64, String> {
    let size = read_size(text);
    if size.is_number && size.rest.is_empty() && size.bytes != u64::MAX {
        Ok(size.bytes)
    } else {
        Err(format!("'{text}' is no number: expected such as 0x40000000, 512M or 1G"))
    }
}

fn address(text: &str) -> Result<PhysAddr, String> {
    number(text).map(PhysAddr::new)
}

fn bank(text: &str) -> Result<PhysRange, String> {
    let expected = || format!("'{text}' is no bank: expected START+SIZE, such as 0x40000000+512M");
    let (start, len) = text.split_once('+').ok_or_else(expected)?;
    let (start, len) = (address(start)?, number(len)?);
    if len == 0 {
        return Err(format!("bank {text} is empty"));
    }
    PhysRange::from_len(start, len).ok_or_else(|| format!("bank {text} ends beyond 64 bits"))
}

impl Args {
    /// The command line with the shorthands behind it.
    fn command_line(&self) -> String {
        let mut words = vec![self.append.clone()];
        // Quotes keep a value together that has blanks in it.
        words.extend(self.vmalloc.as_ref().map(|size| format!("vmalloc=\"{size}\"")));
        words.extend(self.dma_zone.as_ref().map(|size| format!("dma_zone=\"{size}\"")));
        words.extend(self.no_highmem.then(|| "nohighmem".to_owned()));
        words.join(" ")
    }

    fn banks(&self) -> Vec<PhysRange> {
        if self.bank.is_empty() {
            let bytes = self.memory.bytes();
            vec![PhysRange::new(VIRT_RAM, VIRT_RAM.saturating_add(bytes))]
        } else {
            self.bank.clone()
        }
    }
}

/// Predicts and prints.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (command_line, banks) = (args.command_line(), args.banks());
    let regions = || vec![Region::EMPTY; INIT_REGIONS.max(banks.len() + 8)];
    let (mut memory, mut reserved) = (regions(), regions());
    let mut memblock = Memblock::new(&mut memory, &mut reserved);
    let question = Question {
        banks: &banks,
        no_map: &[],
        split: args.vmsplit.into(),
        phys_offset: args.phys_offset,
        command_line: &command_line,
        image_bytes: 2 * IMAGE_BYTES,
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
