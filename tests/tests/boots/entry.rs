//! Ways in: HYP mode, and the raw image wherever a loader may put it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run::{finished, xtask};

pub fn hyp_entry() {
    let words = "run -m 512M --exec layout;version -- -M virt,virtualization=on";
    let arguments: Vec<String> = words.split(' ').map(str::to_string).collect();
    let run = finished(&xtask(&arguments));
    run.expect_status(0);
    // With virtualization=on the tree says smc, and hvc would end in the kernel's own HYP vectors.
    run.expect(&["vmsplit> version", "vmsplit> poweroff", "vmsplit: power off"]);
}

/// The images of `split`: ELF and raw.
fn images(split: &str) -> (PathBuf, PathBuf) {
    let built = xtask(&["build", "--vmsplit", split].map(str::to_string));
    finished(&built).expect_status(0);
    let text = String::from_utf8_lossy(&built.stdout).into_owned();
    let path = |end: &str| {
        let word = text.split_whitespace().find(|word| word.ends_with(end));
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(word.unwrap())
    };
    (path(".elf"), path(".bin"))
}

/// Boots without xtask, which puts images only where QEMU would. Ends QEMU at the prompt or at the
/// stop, and returns what was printed.
fn boot_directly(options: &[String]) -> String {
    let mut qemu = Command::new("qemu-system-arm")
        .args(["-M", "virt", "-cpu", "cortex-a15", "-nographic", "-nic", "none"])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu-system-arm can be started");
    let mut output = qemu.stdout.take().unwrap();
    let (ended, end) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut text, mut byte) = (Vec::new(), [0]);
        let is_end = |text: &[u8]| {
            let last = text.rsplit(|byte| *byte == b'\n').find(|line| !line.is_empty());
            text.ends_with(b"vmsplit> ")
                || text.ends_with(b"\n")
                    && last.is_some_and(|line| line.starts_with(b"vmsplit: halted: "))
        };
        while !is_end(&text) && output.read(&mut byte).unwrap() == 1 {
            text.push(byte[0]);
        }
        let _ = ended.send(());
        String::from_utf8_lossy(&text).replace('\r', "")
    });
    // A kernel that says nothing more ends the test, too.
    let in_time = end.recv_timeout(Duration::from_secs(60)).is_ok();
    let _ = qemu.kill();
    let _ = qemu.wait();
    let text = reader.join().unwrap();
    assert!(in_time, "neither a prompt nor a stop in:\n{text}");
    text
}

/// The raw image of `split` at `address`, entered there with r2 = 0; QEMU puts its tree at the
/// start of RAM.
fn boot_at(split: &str, address: u32) -> String {
    let (_, raw) = images(split);
    let load = format!("loader,file={},addr={address:#x},force-raw=on", raw.display());
    let enter = format!("loader,addr={address:#x},cpu-num=0");
    boot_directly(&["-m", "512M", "-device", &load, "-device", &enter].map(str::to_string))
}

pub fn odd_pages() {
    for (split, address) in [
        ("3g", 0x4020_1000),
        ("3g", 0x401f_f000),
        ("3g", 0x4700_3000),
        // Under this split the image runs where it is linked, or on its own linked addresses.
        ("1g", 0x4020_0000),
        ("1g", 0x4020_2000),
        ("1g", 0x401d_0000),
        ("1g", 0x401b_4000),
    ] {
        let text = boot_at(split, address);
        assert!(text.ends_with("vmsplit> "), "{split} at {address:#x}:\n{text}");
    }
}

pub fn unusable_places() {
    let text = boot_at("3g", 0x4020_1004);
    assert!(text.contains("at an address that is not a multiple of 4096"), "{text}");
    let text = boot_at("3g", 0x5000_0000);
    let line = "vmsplit: halted: no device tree: r2 is 0 and at the start of RAM, 0x50000000: ";
    assert!(text.contains(line), "{text}");
}
