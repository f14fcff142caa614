//! Disks that do not do what is asked of them: each request that fails is said, the next one works, and no DMA memory
//! and no mapping is left over.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::run::{Run, run};

const SECTOR: usize = 512;

/// A file on the host that is a disk.
struct Image {
    folder: TempDir,
    bytes: Vec<u8>,
}

impl Image {
    /// So many bytes, of which each word is the number of its sector.
    fn new(bytes: usize) -> Self {
        let words = (0..bytes.div_ceil(4)).map(|word| (word * 4 / SECTOR) as u32);
        let mut bytes_of: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        bytes_of.truncate(bytes);
        let image = Self { folder: tempfile::tempdir().unwrap(), bytes: bytes_of };
        fs::write(image.path(), &image.bytes).unwrap();
        image
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    /// A file beside it.
    fn beside(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn boot(&self, append: &str, option: (&str, &Path), commands: &str) -> Run {
        let (name, value) = option;
        let file = self.path();
        let options = ["-m", "256M", "--disk", file.to_str().unwrap(), "--append", append];
        run(&[&options[..], &[name, value.to_str().unwrap()]].concat(), commands)
    }

    /// The file holds just these bytes.
    fn is_as_written(&self) -> bool {
        fs::read(self.path()).unwrap() == self.bytes
    }

    fn sum(&self) -> String {
        format!("CRC-32 of {} bytes: {:08x}\n", self.bytes.len(), crc32fast::hash(&self.bytes))
    }
}

/// What each `dmainfo` of a run printed, but for what only grows.
fn dma_in_use(run: &Run) -> Vec<String> {
    let outputs = run.text.split("vmsplit> dmainfo\n").skip(1);
    outputs.map(|output| output.split("vmsplit> ").next().unwrap_or_default().to_owned()).collect()
}

/// Nothing is in use after the requests that was not before.
fn keeps_nothing(run: &Run) {
    let outputs = dma_in_use(run);
    assert!(outputs.len() > 1);
    assert!(outputs.iter().all(|output| *output == outputs[0]), "{}", run.text);
}

/// A device that answers with an error.
fn refusals() {
    let mut image = Image::new(700 * SECTOR);
    let rules = image.beside(
        "rules",
        "[inject-error]\nevent = \"read_aio\"\niotype = \"read\"\nerrno = \"5\"\nsector = \"8\"\nonce = \"on\"\n\n\
         [inject-error]\nevent = \"write_aio\"\niotype = \"write\"\nerrno = \"5\"\nsector = \"200\"\n",
    );
    for append in ["", "virtio.noncoherent=on dma_debug=on"] {
        let run = image.boot(
            append,
            ("--disk-faults", &rules),
            "blk-read 9; dmainfo; blk-read 8; blk-read 8; dmainfo; blk-write 200 1; blk-write 190 7 100; \
             blk-write 201 0xc9; blk-read 201; dmainfo; blk-sum",
        );
        run.expect_status(1);
        run.expect(&[
            "vmsplit> blk-read 9\n0x00000000: 00000009 ",
            "vmsplit> blk-read 8\nerror: the device: ",
            "vmsplit> blk-read 8\n0x00000000: 00000008 ",
            "vmsplit> blk-write 200 1\nerror: the device: ",
            "vmsplit> blk-write 190 7 100\nerror: the device: ",
            "vmsplit> blk-write 201 0xc9\n1 sectors from 201 on: 0x000000c9\n",
            "vmsplit> blk-read 201\n0x00000000: 000000c9 ",
            &image.sum(),
        ]);
        keeps_nothing(&run);
        assert!(!run.text.contains("BUG") && !run.text.contains("DMA-API"), "{}", run.text);
        image.bytes = fs::read(image.path()).unwrap();
    }
}

/// A disk that can only be read.
fn read_only() {
    let image = Image::new(300 * SECTOR);
    let run = image.boot(
        "virtio.noncoherent=on dma_debug=on",
        ("--disk-options", Path::new("readonly=on")),
        "blk; blk-read 299; dmainfo; blk-write 3 1; blk-write 250 1 50; blk-read 299; blk-sum; dmainfo",
    );
    run.expect_status(1);
    run.expect(&[
        ": 300 sectors, 150 KiB, read-only\n",
        "vmsplit> blk-read 299\n0x00000000: 0000012b ",
        "vmsplit> blk-write 3 1\nerror: the disk is read-only\n",
        "vmsplit> blk-write 250 1 50\nerror: the disk is read-only\n",
        "vmsplit> blk-read 299\n0x00000000: 0000012b ",
        &image.sum(),
    ]);
    keeps_nothing(&run);
    assert!(image.is_as_written());
}

/// A file that ends within a sector: the last sector is filled up with zeroes, and can be written.
fn odd_size() {
    let mut image = Image::new(300 * SECTOR + 100);
    let run = image.boot(
        "",
        ("--disk-options", Path::new("readonly=off")),
        "blk; blk-sum; blk-read 301; blk-read 300 2; dmainfo; blk-write 300 7; blk-read 300; blk-sum; dmainfo",
    );
    run.expect_status(1);
    image.bytes.resize(301 * SECTOR, 0);
    let before = image.sum();
    image.bytes[300 * SECTOR..].chunks_mut(4).for_each(|word| word.copy_from_slice(&[7, 0, 0, 0]));
    run.expect(&[
        ": 301 sectors, 150 KiB\n",
        &before,
        "error: 1 sectors from 301 on: the disk has 301\n",
        "error: 2 sectors from 300 on: the disk has 301\n",
        "vmsplit> blk-write 300 7\n1 sectors from 300 on: 0x00000007\n",
        "vmsplit> blk-read 300\n0x00000000: 00000007 ",
        &image.sum(),
    ]);
    keeps_nothing(&run);
    assert!(image.is_as_written());
}

/// A device that does not answer for longer than anybody waits: it keeps its buffers, which are said to be in use, and
/// gets no request more. The machine goes on.
fn time_out() {
    let image = Image::new(300 * SECTOR);
    let run = image.boot(
        "virtio.noncoherent=on dma_debug=on",
        // QEMU itself has had a sector before, and there is none more for half a minute.
        ("--disk-options", Path::new("throttling.bps-total=16")),
        "dmainfo; blk-read 2; dmainfo; blk; blk-read 3; blk-write 3 1; dmainfo",
    );
    run.expect_status(1);
    run.expect(&[
        "vmsplit> blk-read 2\nerror: no answer for 10 s: the disk is out of use\n",
        "150 KiB, out of use\n",
        "vmsplit> blk-read 3\nerror: the disk is out of use: it did not answer\n",
        "vmsplit> blk-write 3 1\nerror: the disk is out of use: it did not answer\n",
    ]);
    let outputs = dma_in_use(&run);
    assert_ne!(outputs[0], outputs[1], "{}", run.text);
    assert_eq!(outputs[1], outputs[2], "{}", run.text);
    assert!(image.is_as_written());
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 4] = [
    ("disk faults: a request that the device refuses", refusals),
    ("disk faults: a disk that can only be read", read_only),
    ("disk faults: a file that ends within a sector", odd_size),
    ("disk faults: a device that does not answer", time_out),
];
