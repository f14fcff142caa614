//! Lists of values, and the combinations that they make.
//!
//! Invariant: a value is judged when the command line is read, so that a sweep does not find out after an hour that its
//! last row can not be; and a value that is listed twice makes one row.

use std::str::FromStr;

use clap::ValueEnum;
use experiment::address::{Address, Range};
use experiment::answer::Answer;
use experiment::configuration::{Configuration, Shorthands};
use experiment::machine::{Machine, VIRT_RAM};
use experiment::predict::predict;
use experiment::results::{Given, Row, Verdict};
use mm::addr::MIB;
use mm::boot::relocate::IMAGE_OFFSET;

use crate::build::Split;
use crate::qemu::{Cpu, MachineArgs, MemorySize};

/// What is varied.
#[derive(Clone, Debug, clap::Args)]
pub struct Lists {
    /// Memory of QEMU's virt board: whole numbers with suffix K, M, G or T; M without one
    #[arg(
        long,
        short = 'm',
        value_name = "SIZES",
        value_delimiter = ',',
        default_value = "256M,1G,2G"
    )]
    mem: Vec<MemorySize>,
    /// Processors
    #[arg(
        long,
        value_enum,
        value_name = "CPUS",
        value_delimiter = ',',
        default_value = "cortex-a15"
    )]
    cpu: Vec<Cpu>,
    /// Where the kernel's half of the address space begins
    #[arg(long, value_enum, value_name = "SPLITS", value_delimiter = ',', default_value = "3g,2g")]
    vmsplit: Vec<Split>,
    /// Values of vmalloc=, whatever the kernel may make of them, or none
    #[arg(
        long,
        value_name = "VALUES",
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "none,16M,256M,960M"
    )]
    vmalloc: Vec<Setting>,
    /// Values of dma_zone=, or none
    #[arg(
        long,
        value_name = "VALUES",
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "none"
    )]
    dma_zone: Vec<Setting>,
    /// HighMem as it comes, or nohighmem
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',', default_value = "on")]
    highmem: Vec<Switch>,
    /// The rest of the kernel's command line, the same for all rows
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "")]
    append: String,
}

/// A value of a boot parameter, or none: then the parameter is not given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting(Option<String>);

impl FromStr for Setting {
    type Err = String;

    /// Anything that can stand on a command line as one value: what it means is the kernel's to say.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            "" => Err("an empty value; `none` leaves the parameter out".to_owned()),
            _ if text.contains('"') || text.contains(char::is_control) => {
                Err(format!("{text:?} has a quote or a control character in it"))
            }
            _ => Ok(Self(Some(text.to_owned()))),
        }
    }
}

/// On or off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Switch {
    /// As the kernel does it by itself
    On,
    /// With nohighmem
    Off,
}

/// A row of the sweep.
#[derive(Clone, Debug)]
pub struct Combination {
    /// RAM.
    pub memory: MemorySize,
    /// The processor.
    pub cpu: Cpu,
    /// The split.
    pub split: Split,
    vmalloc: Setting,
    dma_zone: Setting,
    highmem: Switch,
    append: String,
}

/// The values, each once.
fn once<T: PartialEq + Clone>(values: &[T]) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    for value in values {
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    found
}

impl Lists {
    /// The splits.
    pub fn splits(&self) -> Vec<Split> {
        once(&self.vmsplit)
    }

    /// Every combination; the last list changes fastest.
    pub fn combinations(&self) -> Vec<Combination> {
        let mut rows = Vec::new();
        for memory in once(&self.mem) {
            for cpu in once(&self.cpu) {
                for split in self.splits() {
                    rows.push(self.settings(memory, cpu, split));
                }
            }
        }
        rows.concat()
    }

    fn settings(&self, memory: MemorySize, cpu: Cpu, split: Split) -> Vec<Combination> {
        let mut rows = Vec::new();
        for vmalloc in once(&self.vmalloc) {
            for dma_zone in once(&self.dma_zone) {
                for highmem in once(&self.highmem) {
                    let (vmalloc, dma_zone) = (vmalloc.clone(), dma_zone.clone());
                    let append = self.append.clone();
                    rows.push(Combination {
                        memory,
                        cpu,
                        split,
                        vmalloc,
                        dma_zone,
                        highmem,
                        append,
                    });
                }
            }
        }
        rows
    }
}

impl Combination {
    /// So much memory, everything else as it is without an option.
    #[cfg(test)]
    pub fn of(memory: MemorySize) -> Self {
        Self {
            memory,
            cpu: Cpu::CortexA15,
            split: Split::ThreeG,
            vmalloc: Setting(None),
            dma_zone: Setting(None),
            highmem: Switch::On,
            append: String::new(),
        }
    }

    /// The row of so much memory that came to this, not booted.
    #[cfg(test)]
    pub fn row_of(memory: &str, verdict: Verdict) -> Row {
        let combination = Self::of(memory.parse().unwrap());
        combination.row(None, combination.predict(None), None, verdict)
    }

    /// The values, as the results have them.
    pub fn given(&self) -> Given {
        Given {
            mem: self.memory.to_string(),
            cpu: self.cpu.to_string(),
            vmsplit: self.split.to_string(),
            vmalloc: self.vmalloc.0.clone(),
            dma_zone: self.dma_zone.0.clone(),
            highmem: self.highmem == Switch::On,
        }
    }

    /// The machine, as it is predicted for, with an image of so many bytes if that is known.
    pub fn machine(&self, image_bytes: Option<u64>) -> Machine {
        // Where QEMU leaves it for an image that is no raw one.
        let tree = Range { start: VIRT_RAM, end: Address(VIRT_RAM.0 + MIB) };
        let start = Address(VIRT_RAM.0 + IMAGE_OFFSET);
        let image = |bytes| Range { start, end: Address(start.0 + bytes) };
        Machine {
            kernel: image_bytes.map(image),
            device_tree: Some(tree),
            ..Machine::virt(self.memory.bytes())
        }
    }

    /// The kernel's settings.
    pub fn configuration(&self) -> Configuration {
        let short = Shorthands {
            vmalloc: self.vmalloc.0.as_deref(),
            dma_zone: self.dma_zone.0.as_deref(),
            no_highmem: self.highmem == Switch::Off,
        };
        Configuration::new(self.split.into(), &self.append, short)
    }

    /// What the rules say, or why they say nothing.
    pub fn predict(&self, image_bytes: Option<u64>) -> Result<Answer, String> {
        predict(&self.machine(image_bytes), &self.configuration())
            .map_err(|error| error.to_string())
    }

    /// Its row in the results.
    pub fn row(
        &self,
        image_bytes: Option<u64>,
        predicted: Result<Answer, String>,
        booted: Option<Answer>,
        verdict: Verdict,
    ) -> Row {
        let (given, machine) = (self.given(), self.machine(image_bytes));
        let configuration = self.configuration();
        Row { given, machine, configuration, predicted, booted, verdict }
    }

    /// The machine, as it is booted.
    pub fn qemu(&self) -> MachineArgs {
        let line = self.configuration().command_line;
        MachineArgs::plain(self.memory, self.cpu, (!line.is_empty()).then_some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        lists: Lists,
    }

    fn lists(arguments: &str) -> Result<Lists, clap::Error> {
        let words = ["sweep"].into_iter().chain(arguments.split_whitespace());
        Command::try_parse_from(words).map(|command| command.lists)
    }

    fn names(arguments: &str) -> Vec<String> {
        let rows = lists(arguments).unwrap().combinations();
        rows.iter().map(|row| row.given().to_string()).collect()
    }

    #[test]
    fn every_combination_is_a_row_and_a_value_given_twice_is_one() {
        assert_eq!(
            names("--mem 1G,1024M --mem 64 --vmsplit 3g --vmalloc none,abc,none --highmem on,off"),
            [
                "1G cortex-a15 3g",
                "1G cortex-a15 3g nohighmem",
                "1G cortex-a15 3g vmalloc=abc",
                "1G cortex-a15 3g vmalloc=abc nohighmem",
                "64M cortex-a15 3g",
                "64M cortex-a15 3g nohighmem",
                "64M cortex-a15 3g vmalloc=abc",
                "64M cortex-a15 3g vmalloc=abc nohighmem",
            ]
        );
        assert_eq!(names("").len(), 24, "what is swept without an option");
    }

    #[test]
    fn a_value_that_can_not_be_is_named() {
        for (arguments, named) in [
            ("--mem 1G,0", "'0'"),
            ("--mem 1G,,2G", "''"),
            ("--cpu cortex-a15,cortex-a9", "'cortex-a9'"),
            ("--vmsplit 4g", "'4g'"),
            ("--vmalloc 16M,", "''"),
            ("--dma-zone 1\"M", "'1\"M'"),
            ("--highmem maybe", "'maybe'"),
        ] {
            let error = lists(arguments).err().unwrap();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(named), "{arguments}: {error}");
        }
    }

    #[test]
    fn a_row_is_predicted_and_booted_with_the_same_settings() {
        let arguments = "--mem 65537K --cpu cortex-a7 --vmsplit 2g --vmalloc -1 --dma-zone 32M";
        let row = lists(&format!("{arguments} --append quiet")).unwrap().combinations().remove(0);
        let settings = row.configuration();
        assert_eq!(settings.command_line, "quiet vmalloc=-1 dma_zone=32M");
        assert_eq!(row.predict(None).unwrap().account.ram, 65544 << 10, "as QEMU rounds it");
        let image = crate::image::Image { elf: "kernel.elf".into(), raw: "kernel.bin".into() };
        let qemu = row.qemu().command(&image).unwrap();
        let words: Vec<_> = qemu.get_args().map(|word| word.to_string_lossy()).collect();
        for pair in [
            ["-m", "65537K"],
            ["-cpu", "cortex-a7"],
            ["-kernel", "kernel.elf"],
            ["-append", &settings.command_line],
        ] {
            assert!(words.windows(2).any(|two| two == pair), "{pair:?} in {words:?}");
        }
    }
}
