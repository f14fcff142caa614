//! Why a command failed, in the words that it prints behind `error: `.
//!
//! Invariant: a variant carries the value at fault, and its text names it.

use core::fmt;

use arch_arm::probe::Fault;
use arrayvec::ArrayString;
use mm::addr::VirtAddr;
use mm::boot::initrd::Refused;
use mm::fault::BadFailConfig;
use mm::frame::FreeError;
use mm::zone::{AllocError, Gfp};
use monitor::argument::NotGiven;
use monitor::dump::Unit;

use crate::initrd::InitrdError;
use crate::selftest;
use crate::virtio::block::DiskError;

/// Why a command failed.
pub enum Failure {
    /// The line was printed already, by who had the value at fault.
    Told,
    /// A row does not declare what its function asks for.
    Arguments(NotGiven),
    /// No pages.
    NoPages(AllocError),
    /// Not a block that can be freed.
    Free(FreeError),
    /// No cache remembers who took its objects.
    NoTracks,
    /// There is no pool of guarded pages.
    NoKfence,
    /// There is no DMA memory.
    NoDma,
    /// There is no such disk.
    NoDisk {
        /// The number.
        number: u32,
        /// How many there are.
        count: u32,
    },
    /// A disk's request.
    Disk(DiskError),
    /// Ctrl-C was typed while a disk was read or written.
    Stopped {
        /// Sectors that were done before.
        sectors: u32,
    },
    /// There is no initrd.
    NoInitrd {
        /// Why one is not kept, if there was one.
        refused: Option<Refused>,
    },
    /// The initrd can not be read.
    Initrd(InitrdError),
    /// The initrd has no such file.
    NoFile {
        /// What was typed, or the start of it.
        name: ArrayString<64>,
        /// What may have been meant, if that is no longer than this.
        nearest: Option<ArrayString<40>>,
    },
    /// Ctrl-C was typed while a file was read.
    StoppedReading {
        /// Bytes that were read before.
        bytes: u32,
    },
    /// Not an object that can be given back.
    NoObject(mm::object::NotGiven),
    /// Memory could not be read or written.
    Access(Fault),
    /// A range that runs past the end of the address space.
    PastTheEnd {
        /// Where it starts.
        start: VirtAddr,
        /// How long it is.
        bytes: u32,
    },
    /// A value with more bits than are written.
    TooWide {
        /// The value.
        value: u32,
        /// What is written.
        unit: Unit,
    },
    /// Self-tests failed.
    SelfTest(selftest::Failed),
    /// Nothing could be measured.
    #[cfg(feature = "bench")]
    Unmeasured(crate::bench::Unmeasured),
    /// The processor did not mind a crash.
    NotCrashed {
        /// Which.
        name: &'static str,
    },
    /// Pages at the edges of regions do not answer as the layout predicts.
    Edges {
        /// How many.
        wrong: u32,
    },
    /// Not an address.
    NotAnAddress {
        /// What was typed, or the start of it.
        word: ArrayString<64>,
        /// Was a virtual one expected?
        virt: bool,
    },
    /// Text that is no GFP flags.
    NoFlags {
        /// The word at fault, or the start of it.
        word: ArrayString<64>,
    },
    /// Text that does not say which requests are to fail.
    BadFailConfig {
        /// The boot parameter that has the same form.
        parameter: &'static str,
        /// The part at fault, or the start of it.
        part: ArrayString<64>,
    },
    /// Nobody wrote down who takes pages.
    NoOwners,
    /// A word that `--json` has no use for.
    TooMuch {
        /// The word, or the start of it.
        word: ArrayString<64>,
    },
    /// Page tables and MMU say different things of an address.
    Disagree {
        /// The address.
        address: VirtAddr,
    },
}

impl From<NotGiven> for Failure {
    fn from(error: NotGiven) -> Self {
        Self::Arguments(error)
    }
}

/// What was typed, or as much of it as it takes to know it by: an error is returned by value.
pub fn typed(word: &str) -> ArrayString<64> {
    let mut start = ArrayString::new();
    let _ = word.chars().try_for_each(|c| start.try_push(c));
    start
}

/// What an address that is typed must be below. A physical one that does not fit 64 bits is read as
/// the greatest number that does.
pub const fn address_limit(virt: bool) -> u64 {
    if virt { 1 << 32 } else { u64::MAX }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told => Ok(()),
            Self::Arguments(error) => error.fmt(f),
            Self::NoPages(error) => error.fmt(f),
            Self::Free(error) => error.fmt(f),
            Self::NoObject(error) => error.fmt(f),
            Self::NoDma => f.write_str("there is no DMA memory: boot says why"),
            Self::NoDisk { count: 0, .. } => f.write_str("there is no disk"),
            Self::NoDisk { number, count } => {
                write!(f, "there is no disk {number}: the last is {}", count - 1)
            }
            Self::Disk(error) => error.fmt(f),
            Self::NoInitrd { refused: None } => f.write_str(
                "there is no initrd: QEMU's -initrd brings one, or --initrd of cargo xtask run",
            ),
            Self::NoInitrd { refused: Some(refused) } => {
                let Refused { range, reason } = refused;
                write!(f, "there is no initrd: boot refused that at {range} ({reason})")
            }
            Self::Initrd(error) => write!(f, "the initrd can not be read: {error}"),
            Self::NoFile { name, nearest: None } => write!(f, "no file {name} in the initrd"),
            Self::NoFile { name, nearest: Some(nearest) } => {
                write!(f, "no file {name} in the initrd; did you mean {nearest}?")
            }
            Self::StoppedReading { bytes } => write!(f, "stopped by Ctrl-C after {bytes} bytes"),
            Self::Stopped { sectors } => write!(f, "stopped by Ctrl-C after {sectors} sectors"),
            Self::NoKfence => f.write_str("there is no pool: boot with kfence.sample_interval="),
            Self::NoTracks => {
                f.write_str("no cache remembers who took its objects: boot with slab_debug=U")
            }
            Self::Access(fault) => fault.fmt(f),
            Self::PastTheEnd { start, bytes } => {
                write!(f, "{bytes} bytes from {start} run past the end of the address space")
            }
            Self::SelfTest(failed) => failed.fmt(f),
            #[cfg(feature = "bench")]
            Self::Unmeasured(error) => error.fmt(f),
            Self::NotCrashed { name } => write!(f, "the processor has no objection to {name}"),
            Self::Edges { wrong } => {
                write!(f, "{wrong} pages do not answer as the layout predicts")
            }
            Self::NotAnAddress { word, .. } if word.is_empty() => f.write_str("ADDR is missing"),
            Self::NotAnAddress { word, virt } => {
                let limit = address_limit(*virt);
                write!(
                    f,
                    "{word} is no ADDR: a number below {limit:#x} was expected, decimal or 0x \
                     hexadecimal"
                )
            }
            Self::NoFlags { word } => match Gfp::parse(word) {
                Err(error) => error.fmt(f),
                // The part that was cut off is to blame.
                Ok(_) => write!(f, "{word}... is no GFP flag"),
            },
            Self::BadFailConfig { parameter, part } => BadFailConfig { parameter, part }.fmt(f),
            Self::NoOwners => f.write_str("who takes pages is only known with page_owner=1"),
            Self::TooMuch { word } => {
                write!(f, "{word} is too much: --json is about all of RAM")
            }
            Self::TooWide { value, unit } => {
                write!(f, "{value:#x} has more than {} bits", 8 * unit.bytes())
            }
            Self::Disagree { address } => {
                write!(f, "the MMU translates {address} in another way than the tables say")
            }
        }
    }
}
