//! A disk behind a virtio transport: what the kernel reads and writes through DMA memory is what the host's file holds.
//!
//! QEMU's devices see what the emulated CPU wrote whether caches are maintained or not, so these boots show that bus
//! addresses, rings, bounces and unmapping are right; that maintenance is not missing is shown on the emulated machine
//! of `testkit`.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::run::{Run, run};
use crate::serial::Serial;

const SECTOR: usize = 512;
/// No multiple of what one request moves.
const SECTORS: usize = 1301;

/// Bytes without a pattern, the same each time.
fn content() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..SECTORS * SECTOR / 8).flat_map(|_| word().to_le_bytes()).collect()
}

/// Boots with a disk, has it summed, written and summed again, and compares with the file.
fn check(options: &[&str], append: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk.img");
    let mut bytes = content();
    fs::write(&file, &bytes).unwrap();
    let commands = "blk; blk-sum; blk-write 3 0xdeadbeef; blk-write 700 0x01234567 300; \
                    blk-write 1300 0xffffffff; blk-sum; blk-read 999; dmainfo";
    let run = boot(options, append, &file, commands);
    run.expect_status(0);
    let sum =
        |bytes: &[u8]| format!("CRC-32 of {} bytes: {:08x}\n", bytes.len(), crc32fast::hash(bytes));
    let before = sum(&bytes);
    for (sector, count, word) in
        [(3, 1, 0xdead_beef_u32), (700, 300, 0x0123_4567), (1300, 1, u32::MAX)]
    {
        for place in bytes[sector * SECTOR..(sector + count) * SECTOR].chunks_mut(4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    let after = sum(&bytes);
    let what = format!(": {SECTORS} sectors, {} KiB\n", SECTORS / 2);
    run.expect(&[&what, &before, &after, "0x00000000: 01234567 01234567"]);
    assert!(fs::read(&file).unwrap() == bytes, "the file is not what was written:\n{}", run.text);
    run
}

fn boot(options: &[&str], append: &str, file: &Path, commands: &str) -> Run {
    let file = file.to_str().unwrap();
    let options = [options, &["--disk", file, "--append", append]].concat();
    run(&options, commands)
}

/// The row of the one device in the last `dmainfo`: whether caches are maintained, and how often it bounced.
fn device(run: &Run) -> (bool, u32) {
    let row = run
        .text
        .lines()
        .rfind(|line| line.contains(".virtio_mmio") && line.contains(" 0x00000000 "));
    let row = row.unwrap_or_else(|| panic!("no device in:\n{}", run.text));
    let mut words = row.split_whitespace().rev().peekable();
    let is_coherent = words.next_if_eq(&"hardware-coherent").is_some();
    (is_coherent, words.nth(1).unwrap().parse().unwrap())
}

/// With HighMem and without, on both processors, legacy and modern transports, devices that look into the caches and
/// devices that do not.
fn transfers() {
    for (options, append, is_coherent) in [
        (&["-m", "256M"][..], "", true),
        (&["-m", "2G", "--cpu", "cortex-a7", "--virtio-modern"], "", true),
        (&["-m", "256M", "--cpu", "cortex-a7", "--virtio-modern"], "virtio.noncoherent=on", false),
        (&["-m", "2G", "--release"], "virtio.noncoherent=on", false),
    ] {
        let run = check(options, append);
        assert_eq!(device(&run), (is_coherent, 0), "{options:?} {append}:\n{}", run.text);
    }
}

/// HighMem begins above 2 GiB with this split, and a device with 31 bits of address does not reach it.
fn bounces() {
    for append in [
        "virtio.dma_mask=0x7fffffff",
        "virtio.dma_mask=0x7fffffff virtio.noncoherent=on dma_debug=on swiotlb=48",
    ] {
        let run = check(&["-m", "2G", "--vmsplit", "2g"], append);
        let (_, bounced) = device(&run);
        assert!(bounced > 20, "{bounced} mappings bounced:\n{}", run.text);
        assert!(!run.text.contains("BUG"), "{}", run.text);
    }
}

/// What does not work is said, and nothing else happens.
fn errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk.img");
    fs::write(&file, content()).unwrap();
    let commands = "blk-read 1301; blk-read 1300 2; blk-write 4294967295 1 4294967295; blk-read 1 1 1; \
                    blk-read 0";
    let run = boot(&["-m", "64M"], "virtio.noncoherent=on", &file, commands);
    run.expect_status(1);
    run.expect(&[
        "error: 1 sectors from 1301 on: the disk has 1301\n",
        "error: 2 sectors from 1300 on: the disk has 1301\n",
        "error: 4294967295 sectors from 4294967295 on: the disk has 1301\n",
        "error: there is no disk 1: the last is 0\n",
        "vmsplit> blk-read 0\n0x00000000: ",
    ]);
    assert!(fs::read(&file).unwrap() == content());

    let bad = "virtio.noncoherent=maybe virtio.dma_mask=0x7ffffffe";
    let run = boot(&["-m", "64M"], bad, &file, "blk-sum");
    run.expect_status(0);
    run.expect(&["\"maybe\" in virtio.noncoherent=: ", "\"0x7ffffffe\" in virtio.dma_mask=: "]);

    // No memory lies below 1 GiB.
    let run = boot(&["-m", "64M"], "virtio.dma_mask=0x3fffffff", &file, "blk");
    run.expect_status(0);
    run.expect(&["virtio: the transport at 0x", "vmsplit> blk\nno disks\n"]);

    // Too small a pool for a request: it is refused, and the next smaller one is not.
    let small = "virtio.dma_mask=0x7fffffff swiotlb=8";
    let run = boot(&["-m", "2G", "--vmsplit", "2g"], small, &file, "blk-sum; blk-read 0");
    run.expect_status(1);
    run.expect(&["vmsplit> blk-sum\nerror: ", "vmsplit> blk-read 0\n0x00000000: "]);
}

/// A disk of more sectors than a word counts, nearly all of it a hole in its file. What is written at the end of the
/// numbers does not go on at sector 0.
fn larger_than_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk.img");
    fs::write(&file, content()).unwrap();
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(3 << 40).unwrap();
    let commands = "blk; blk-write 4294967290 5 200; blk-write 4294967290 5 6; \
                    blk-read 4294967295; blk-read 4294967295 2; blk-read 0";
    let run = boot(&["-m", "64M"], "", &file, commands);
    run.expect_status(1);
    run.expect(&[
        "6442450944 sectors",
        "error: 200 sectors from 4294967290 on: those from 2^32 on are out of reach\n",
        "6 sectors from 4294967290 on: 0x00000005\n",
        "vmsplit> blk-read 4294967295\n0x00000000: 00000005 00000005",
        "error: 2 sectors from 4294967295 on: those from 2^32 on are out of reach\n",
        "vmsplit> blk-read 0\n0x00000000: ",
    ]);
    let mut start = vec![0; content().len()];
    fs::File::open(&file).unwrap().read_exact(&mut start).unwrap();
    assert!(start == content());
}

/// Disks are numbered as they were named; one without a sector, and a last sector that its file has only a part of.
fn numbers() {
    let folder = tempfile::tempdir().unwrap();
    let files = [(0, "first"), (7, "second"), (5 * SECTOR + 1, "third")].map(|(bytes, name)| {
        let file = folder.path().join(name);
        fs::write(&file, &content()[..bytes]).unwrap();
        file
    });
    let disks = files.iter().flat_map(|file| ["--disk", file.to_str().unwrap()]);
    let options: Vec<&str> = ["-m", "64M"].into_iter().chain(disks).collect();
    let run = run(&options, "blk; blk-read 0; blk-read 5 1 2; blk-write 5 7 1 2");
    run.expect_status(1);
    run.expect(&[
        "vmsplit> blk\n0: ",
        ": 0 sectors, ",
        "\n1: ",
        ": 1 sectors, ",
        "\n2: ",
        ": 6 sectors, 3 KiB\n",
        "vmsplit> blk-read 0\nerror: 1 sectors from 0 on: the disk has 0\n",
        "vmsplit> blk-read 5 1 2\n0x00000000: ",
        "1 sectors from 5 on: 0x00000007\n",
    ]);
}

/// Ctrl-C ends the sum of a disk that would take hours, and the disk works on.
pub fn stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    // As large as a disk can be of which all sectors have a number, and empty.
    fs::File::create(&path).unwrap().set_len(2 << 40).unwrap();
    let drive = format!("file={},if=none,format=raw,id=d0", path.display());
    let mut serial = Serial::boot(&["-drive", &drive, "-device", "virtio-blk-device,drive=d0"]);
    serial.send("blk-sum\r");
    serial.wait_for("blk-sum\n");
    thread::sleep(Duration::from_secs(1));
    let stopped = serial.exchange("\x03");
    assert!(stopped.contains("error: stopped by Ctrl-C after "), "{stopped}");
    assert!(serial.exchange("blk-read 4294967294\r").contains("\n0x00000000: 00000000 "));
    serial.send("poweroff\r");
    let (_, rest) = serial.end();
    assert!(rest.ends_with("vmsplit: power off\n"), "{rest}");
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 6] = [
    ("disk: Ctrl-C ends the sum of a large one", stopped),
    ("disk: disks have the numbers of their options", numbers),
    ("disk: sectors that have no number are refused", larger_than_numbers),
    ("disk: what is read and written is what the host has", transfers),
    ("disk: a buffer out of reach is bounced", bounces),
    ("disk: errors are said", errors),
];
