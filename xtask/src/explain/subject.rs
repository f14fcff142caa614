//! What is to be explained: a machine and a kernel's settings, gathered from the options and a device tree.
//!
//! Invariant: nothing is made up in silence. Where a place or a size is not known, a note says what was taken instead.

use anyhow::{Context as _, Result, bail};
use experiment::address::Range;
use experiment::configuration::Configuration;
use experiment::machine::Machine;
use experiment::rehearse::IMAGE_BYTES;
use mm::addr::{PhysAddr, PhysRange};
use mm::boot::memory::phys_offset_of_bank;
use mm::boot::relocate::IMAGE_OFFSET;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::tree::{self, Described, Far};
use super::{Args, BadUse, blob};
use crate::image;
use crate::placement::{self, Sizes};
use crate::qemu::MemorySize;
use crate::setup::{self, Need};

/// A machine, its kernel's settings, and what only its tree says.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The machine.
    pub machine: Machine,
    /// The settings.
    pub configuration: Configuration,
    /// Where the values come from, line by line.
    pub notes: Vec<String>,
    /// Where the size of the image comes from.
    pub image_from: String,
    /// Bytes of the device tree, if there is one.
    pub tree_bytes: Option<u64>,
    /// What the first CPU is.
    pub cpu: Option<String>,
    /// Devices above 4 GiB.
    pub far: Vec<Far>,
}

/// The image's size, and whence.
struct ImageSize {
    bytes: Option<u64>,
    is_raw: bool,
    from: String,
}

impl Subject {
    /// What `args` describe; `dtb` is the file to read, if any.
    ///
    /// # Errors
    ///
    /// A file that can not be read or is something else, or a tree that the kernel would refuse.
    pub fn new(args: &Args, dtb: Option<&Path>) -> Result<Self> {
        let image = image_size(args.image.as_deref())?;
        let mut notes = Vec::new();
        let is_virt = dtb.is_none() && args.bank.is_empty();
        let described = match dtb {
            Some(path) => {
                notes.push(format!("machine: of {}", path.display()));
                Some(tree::read(blob::read(path)?).with_context(|| path.display().to_string())?)
            }
            None if is_virt => {
                notes.push(format!("machine: QEMU's virt board with {} of RAM", args.memory()));
                Some(tree::read(dump(args.memory())?).context("QEMU's own tree")?)
            }
            None => {
                notes.push("machine: the banks of --bank, with no device tree".to_owned());
                None
            }
        };
        let bootargs = described.as_ref().and_then(|tree| tree.bootargs.as_deref());
        let configuration = args.kernel.configuration(bootargs.unwrap_or(""));
        let from = match (&args.kernel.append, bootargs) {
            (Some(_), Some(of_tree)) => format!(" (--append; /chosen has \"{of_tree}\")"),
            (None, Some(_)) => " (of /chosen)".to_owned(),
            _ => String::new(),
        };
        let split = configuration.split.name();
        notes.push(format!("kernel: {split} split, {}", image.from));
        // On one line, whatever a tree has there.
        let line = configuration.command_line.replace('\n', "\\n");
        notes.push(format!("command line: \"{line}\"{from}"));
        let mut subject = Self {
            machine: Machine {
                banks: args.bank.iter().map(|bank| Range::from(*bank)).collect(),
                ..Machine::default()
            },
            configuration,
            notes,
            image_from: image.from.clone(),
            tree_bytes: None,
            cpu: None,
            far: Vec::new(),
        };
        if let Some(Described { machine, cpu, bytes, far, .. }) = described {
            let model = machine.model.clone();
            let model =
                model.map_or_else(String::new, |model| format!(", {}", model.escape_debug()));
            if let Some(first) = subject.notes.first_mut() {
                first.push_str(&model);
            }
            (subject.machine, subject.cpu, subject.far) = (machine, cpu, far);
            subject.tree_bytes = Some(bytes);
        }
        subject.place(args, &image, is_virt)?;
        Ok(subject)
    }

    /// Puts the image, the tree and the initrd where the options say, or where they usually are.
    fn place(&mut self, args: &Args, image: &ImageSize, is_virt: bool) -> Result<()> {
        if let Some(initrd) = args.initrd {
            self.machine.initrd = Some(initrd.into());
        }
        let bytes = image.bytes.unwrap_or(IMAGE_BYTES);
        let as_qemu_does = is_virt && (image.is_raw || args.initrd.is_some());
        let kernel = match (args.load, image.bytes) {
            (Some(at), _) => Some(sized(at, bytes)?),
            (None, _) if as_qemu_does => Some(placement::qemus_image(bytes)),
            (None, Some(_)) => {
                let start = self.machine.banks.first().map_or(0, |bank| bank.start.0);
                let place = phys_offset_of_bank(PhysAddr::new(start)).saturating_add(IMAGE_OFFSET);
                Some(sized(place, bytes)?)
            }
            (None, None) => None,
        };
        self.machine.kernel = kernel.map(Range::from);
        let Some(tree_bytes) = self.tree_bytes else {
            if args.dtb_at.is_some() {
                bail!(BadUse("--dtb-at needs a device tree: a file, or --board".to_owned()));
            }
            return Ok(());
        };
        let at = match args.dtb_at {
            Some(at) => Some(sized(at, tree_bytes)?),
            None if as_qemu_does => {
                let initrd = args.initrd.map(|initrd| initrd.len());
                let ram = args.memory().bytes();
                Some(placement::qemus_tree(Sizes { ram, initrd, ..Sizes::default() }))
            }
            None if is_virt => Some(sized(placement::RAM, tree_bytes)?),
            None => None,
        };
        self.machine.device_tree = at.map(Range::from);
        self.notes.push(match at {
            Some(range) => format!("device tree: {tree_bytes} bytes at {}", range.start()),
            None => format!(
                "device tree: {tree_bytes} bytes; where is not known (--dtb-at), so no RAM is counted for it"
            ),
        });
        Ok(())
    }
}

fn sized(start: PhysAddr, bytes: u64) -> Result<PhysRange> {
    PhysRange::from_len(start, bytes)
        .with_context(|| format!("{bytes} bytes at {start} end beyond 64 bits"))
}

/// No image is near this long, its symbols included.
const MOST_IMAGE: u64 = 256 << 20;

/// How much memory an image takes: that of its file, or of an image that is not optimised.
fn image_size(file: Option<&Path>) -> Result<ImageSize> {
    let Some(path) = file else {
        let kib = IMAGE_BYTES >> 10;
        let from = format!("an image of {kib} KiB is assumed (--image FILE says exactly)");
        return Ok(ImageSize { bytes: None, is_raw: false, from });
    };
    let of = || path.display().to_string();
    if path.is_dir() {
        bail!("{}: this is a folder, not an image", of());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .with_context(of)?
        .take(MOST_IMAGE + 1)
        .read_to_end(&mut bytes)
        .with_context(of)?;
    if bytes.len() as u64 > MOST_IMAGE {
        bail!("{}: more than {MOST_IMAGE} bytes are no image of this kernel", of());
    }
    let is_raw = !bytes.starts_with(b"\x7fELF");
    let len = if is_raw { bytes.len() } else { image::flatten(&bytes).with_context(of)?.len() };
    if len == 0 {
        bail!("{}: the image is empty", of());
    }
    let from = format!("an image of {len} bytes ({})", of());
    Ok(ImageSize { bytes: Some(len as u64), is_raw, from })
}

/// The tree that QEMU makes for its `virt` board.
fn dump(memory: MemorySize) -> Result<Vec<u8>> {
    setup::ensure(&[Need::Qemu])?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("virt.dtb");
    // A comma would end the value.
    let name = file.to_string_lossy().replace(',', ",,");
    let output = Command::new("qemu-system-arm")
        .args(["-M", &format!("virt,dumpdtb={name}"), "-cpu", "cortex-a15"])
        .args(["-m", &memory.to_string(), "-nographic", "-nic", "none"])
        .stdin(Stdio::null())
        .output()
        .context("cannot start qemu-system-arm")?;
    if !output.status.success() || !file.exists() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("QEMU makes no virt board with {memory}: {said}");
    }
    Ok(fs::read(&file)?)
}
