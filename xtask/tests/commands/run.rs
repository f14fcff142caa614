//! `build`, `run` and `gdb` with a pretended cargo, QEMU and debugger: the protocol on the serial
//! line, the exit statuses, and that no QEMU is left behind.

use crate::host::{Host, Outcome, eventually, is_running};
use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A kernel behind a serial line: what xtask may rely on.
const KERNEL: &str = r#"
echo "$@" > $HOST/qemu.log
echo $$ > $HOST/qemu.pid
printf 'booting\r\n'
while :; do
    printf 'vmsplit> '
    read -r line || exit 3
    printf '%s\r\n' "$line"
    case $line in
    poweroff) printf 'vmsplit: power off\r\n'; exit 0 ;;
    reboot) printf 'vmsplit: reboot\r\n'; exit 0 ;;
    panic) printf 'vmsplit: halted: asked to\r\n'; exec /bin/sleep 60 ;;
    hang) exec /bin/sleep 60 ;;
    die) exit 0 ;;
    chatter) while :; do printf 'and on\r\n'; /bin/sleep 0.05; done ;;
    half) printf 'half a line'; exec /bin/sleep 60 ;;
    layout | zoneinfo | meminfo) printf '%s of it\r\n' "$line" ;;
    *) printf "error: unknown command '%s'\r\n" "$line" ;;
    esac
done
"#;

/// The least that `flatten` takes for a kernel: one segment of these four bytes.
pub fn elf(segment: [u8; 4]) -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0".to_vec();
    for word in [1, 0x4020_0000, 52, 0, 0, 0x0020_0034, 0x0028_0001, 0_u32] {
        file.extend(word.to_le_bytes());
    }
    for word in [1, 84, 0xc020_0000, 0x4020_0000, 4, 8, 5, 4_u32] {
        file.extend(word.to_le_bytes());
    }
    file.extend(segment);
    file
}

fn host() -> Host {
    let host = Host::complete();
    host.tool("qemu-system-arm", KERNEL);
    fs::write(host.path("kernel.elf"), elf(*b"3gig")).unwrap();
    fs::write(host.path("kernel-2g.elf"), elf(*b"2gig")).unwrap();
    host
}

/// A started xtask, and the QEMU that it has started.
fn started(host: &Host, command: &mut Command) -> std::process::Child {
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    eventually("QEMU runs", || !host.read("qemu.pid").is_empty());
    child
}

fn qemu_ends(host: &Host) {
    eventually("QEMU has ended", || !is_running(&host.path("qemu.pid")));
}

#[test]
fn without_a_terminal_shows_the_layout_and_powers_off() {
    let outcome = host().run(&["run"]);
    assert_eq!(
        outcome.stdout,
        "booting\r\nvmsplit> layout\r\nlayout of it\r\nvmsplit> zoneinfo\r\nzoneinfo of it\r\n\
         vmsplit> poweroff\r\nvmsplit: power off\r\n"
    );
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}

#[test]
fn options_reach_qemu() {
    let host = host();
    fs::write(host.path("workspace/board.dtb"), "").unwrap();
    let line = "run -m 512 --cpu cortex-a7 --append -x --dtb board.dtb --initrd board.dtb \
                --icount --vmsplit 2g --exec reboot -- -smp 2";
    let outcome = host.run(&line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let image = host.path("target/images/vmsplit-2g-debug.bin");
    assert_eq!(
        host.read("qemu.log").trim_end(),
        format!(
            "-M virt -cpu cortex-a7 -m 512M -nographic -nic none -no-reboot -kernel {} -append -x \
             -dtb board.dtb -initrd board.dtb -icount shift=0 -smp 2 -serial stdio -monitor none",
            image.display()
        )
    );
}

/// QEMU's command line from after the machine up to the serial port.
fn kernel_options(host: &Host, line: &str) -> String {
    let outcome = host.run(&line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
    let log = host.read("qemu.log");
    let (_, rest) = log.split_once("-no-reboot ").unwrap();
    let images = format!("{}/", host.path("target/images").display());
    rest.split_once(" -serial").unwrap().0.replace(&images, "")
}

#[test]
fn other_ways_in_are_loader_devices_and_a_hop() {
    let host = host();
    fs::write(host.path("workspace/odd,name.dtb"), "tree?").unwrap();
    fs::write(host.path("workspace/empty.dtb"), "").unwrap();
    let image = "-device loader,file=vmsplit-3g-debug.bin";
    // Twice, for the file of instructions is there the second time.
    for _ in 0..2 {
        assert_eq!(
            kernel_options(&host, "run --load 0x47003000 --append x --exec poweroff"),
            format!("-kernel enter/0x47003000.uimg {image},addr=0x47003000,force-raw=on -append x")
        );
    }
    assert_eq!(
        kernel_options(&host, "run -m 64M --dtb-raw odd,name.dtb --exec poweroff"),
        format!(
            "-kernel enter/0x40010000-0x42100000.uimg {image},addr=0x40010000,force-raw=on \
             -device loader,file=odd,,name.dtb,addr=0x42100000,force-raw=on"
        )
    );
    assert_eq!(
        kernel_options(&host, "run --dtb-raw empty.dtb --dtb-at 0x50000001 --exec poweroff"),
        format!("-kernel enter/0x40010000-0x50000001.uimg {image},addr=0x40010000,force-raw=on")
    );
    assert_eq!(
        kernel_options(&host, "run --r2 0 --exec poweroff"),
        format!("-kernel enter/0x40010000-0x00000000.uimg {image},addr=0x40010000,force-raw=on")
    );
    let hop = fs::read(host.path("target/images/enter/0x40010000-0x50000001.uimg")).unwrap();
    assert_eq!(hop[64..], *b"\x00\x20\x9f\xe5\x00\xf0\x9f\xe5\x01\0\0\x50\0\0\x01\x40");
}

#[test]
fn hyp_is_a_machine_option_and_an_elf_is_not_loaded_raw() {
    let host = host();
    let outcome = host.run(&["run", "--hyp", "--load", "1088M", "--image", "elf"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let note = "xtask: --load, --dtb-raw, --r2 and --initrd take the raw image: no --image elf\n";
    assert_eq!(outcome.stderr, note);
    let log = host.read("qemu.log");
    assert!(log.starts_with("-M virt,virtualization=on -cpu cortex-a15 -m 1G "), "{log}");
    assert!(log.contains("vmsplit-3g-debug.bin,addr=0x44000000,"), "{log}");
}

#[test]
fn an_initrd_implies_the_raw_image() {
    let host = host();
    fs::write(host.path("workspace/some.cpio"), "archive?").unwrap();
    let raw = "-kernel vmsplit-3g-debug.bin -initrd some.cpio";
    for line in [
        "run --initrd some.cpio --exec poweroff",
        "run --initrd some.cpio --image elf --exec poweroff",
    ] {
        assert_eq!(kernel_options(&host, line), raw, "{line}");
    }
    let outcome = host.run(&["run", "--initrd", "other.cpio"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("other.cpio"), "{outcome:?}");
}

#[test]
fn an_image_that_ends_beyond_ram_is_wrong_usage() {
    let outcome = host().run(&["run", "-m", "64M", "--load", "0x43fffffc"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let message = "xtask: the image at [0x43fffffc-0x44000003] would not lie in RAM, \
                   [0x40000000-0x43ffffff]\n";
    assert_eq!(outcome.stderr, message);
}

#[test]
fn a_failed_command_is_reported_after_the_others_have_run() {
    let outcome = host().run(&["run", "--exec", "foo; ;meminfo"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stdout.ends_with("meminfo of it\r\nvmsplit> poweroff\r\nvmsplit: power off\r\n")
    );
    assert_eq!(outcome.stderr, "xtask: command `foo` failed: error: unknown command 'foo'\n");
}

#[test]
fn a_halt_ends_qemu_at_once() {
    let (host, begin) = (host(), Instant::now());
    let outcome = host.run(&["run", "--exec", "panic; meminfo"]);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(1), "xtask: the kernel halted: asked to\n")
    );
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!(!is_running(&host.path("qemu.pid")));
}

#[test]
fn a_qemu_that_ends_otherwise_is_a_failure() {
    let outcome = host().run(&["run", "--exec", "die"]);
    assert_eq!(outcome.code, Some(1));
    let message = "xtask: QEMU ended (exit status: 0) without a clean power-off\n";
    assert_eq!(outcome.stderr, message);
    let outcome = host().run(&["run", "--exec", "poweroff; meminfo"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("command `meminfo` was never reached"), "{outcome:?}");
}

#[test]
fn a_hang_is_a_time_out() {
    let host = host();
    let outcome = host.run(&["run", "--timeout", "1", "--exec", "hang"]);
    assert_eq!(outcome.code, Some(124));
    assert_eq!(outcome.stderr, "xtask: time-out after 1 s, waiting for `hang`: QEMU ended\n");
    assert!(!is_running(&host.path("qemu.pid")));
}

#[test]
fn output_comes_as_it_is_printed_and_its_reader_may_leave() {
    let host = host();
    let mut child = started(&host, host.xtask(&["run", "--exec", "half"]).stdout(Stdio::piped()));
    let mut seen = Vec::new();
    let mut output = child.stdout.take().unwrap();
    while !seen.ends_with(b"half a line") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    qemu_ends(&host);

    let mut command = host.xtask(&["run", "--exec", "chatter"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""), "quiet, and no panic");
    assert!(!is_running(&host.path("qemu.pid")));
}

#[test]
fn qemu_ends_with_an_xtask_that_is_killed() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let host = host();
        let mut child =
            started(&host, host.xtask(&["run", "--exec", "hang"]).stdout(Stdio::null()));
        kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap();
        qemu_ends(&host);
    }
}

#[test]
fn wrong_usage_is_status_2_and_says_what_was_wrong() {
    let host = host();
    fs::write(host.path("workspace/t.dtb"), [0; 64]).unwrap();
    for (line, complaint) in [
        ("", "Usage"),
        ("launch", "launch"),
        ("run -m 1.5G", "'1.5G' is no memory size"),
        ("run -m 0", "needs some memory"),
        ("run -m 99999999999999999999", "too much memory"),
        ("run --cpu cortex-a9", "cortex-a7"),
        ("run --vmsplit 4g", "3g-opt"),
        ("run --timeout 0", "--timeout"),
        ("run --timeout soon", "--timeout"),
        ("run --dtb no-such-file", "No such file"),
        ("run --dtb .", "folder"),
        ("run --features a/b", "letters, digits"),
        ("run --load here", "'here' is no address"),
        ("run --load 0x40201002", "multiple of 4"),
        ("run --load 4G", "beyond 4 GiB"),
        ("run --load 0x3ffff000", "the image at"),
        ("run -m 64M --load 0x44000000", "would not lie in RAM, [0x40000000-0x43ffffff]"),
        ("run --load 0x40000000", "would lie on QEMU's boot code"),
        ("run --load 0x48000000", "would lie on QEMU's device tree"),
        ("run --dtb-raw no-such-file", "No such file"),
        ("run --dtb-raw .", "folder"),
        ("run --dtb-raw /dev/zero", "no regular file"),
        ("run --dtb-raw t.dtb --append x", "cannot be used with '--append"),
        ("run --dtb-raw t.dtb --dtb t.dtb", "cannot be used with '--dtb"),
        ("run --dtb-raw t.dtb --initrd t.dtb", "cannot be used with '--initrd"),
        ("run --dtb-raw t.dtb -m 2M", "no room for a device tree of 64 bytes"),
        ("run --dtb-raw t.dtb --dtb-at 0x3ffffff0", "the device tree at"),
        ("run --dtb-raw t.dtb --load 0x41000000 --dtb-at 0x41000000", "would lie on the image"),
        ("run --dtb-at 0x50000000", "--dtb-raw <FILE>"),
        ("run --r2 -1", "-1"),
        ("gdb --load 0x40000000", "would lie on QEMU's boot code"),
        ("build --image raw", "--image"),
        ("test --only boots", "boot"),
    ] {
        let outcome = host.run(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        assert!(outcome.stderr.contains(complaint), "{line}: {outcome:?}");
    }
    let outcome = host.run(&["run", "--exec", "layout\npoweroff"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert_eq!(host.read("cargo.log"), "", "found before anything is built");
}

#[test]
fn build_makes_both_files_and_says_how_long_they_are() {
    let host = host();
    let outcome = host.run(&["build", "--features", "test-b,test-a"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let stem = host.path("target/images/vmsplit-3g-debug+test-a+test-b");
    let stem = stem.display();
    assert_eq!(outcome.stdout, format!("{stem}.elf  88 bytes\n{stem}.bin  8 bytes\n"));
    assert_eq!(fs::read(format!("{stem}.bin")).unwrap(), b"3gig\0\0\0\0");
    assert!(host.read("cargo.log").contains("build --target armv7a-none-eabi --target-dir"));
    assert!(
        host.read("cargo.log")
            .contains("--no-default-features --features vmsplit-3g,fallback-console,test-a,test-b")
    );
}

#[test]
fn a_file_that_is_no_kernel_is_refused() {
    let host = host();
    fs::write(host.path("kernel.elf"), "text").unwrap();
    let outcome = host.run(&["build"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("not a readable ELF file"), "{outcome:?}");
}

/// Without the lock, each would publish what the other has put in its place.
#[test]
fn builds_at_the_same_time_do_not_swap_their_kernels() {
    let host = host();
    let spawn = |split| host.xtask(&["build", "--vmsplit", split]).stdout(Stdio::null()).spawn();
    let builds = ["3g", "2g", "3g", "2g"].map(|split| spawn(split).unwrap());
    for mut build in builds {
        assert!(build.wait().unwrap().success());
    }
    for split in ["3g", "2g"] {
        let raw = fs::read(host.path(&format!("target/images/vmsplit-{split}-debug.bin"))).unwrap();
        assert_eq!(raw, format!("{split}ig\0\0\0\0").as_bytes());
    }
}

#[test]
fn gdb_gets_the_symbols_and_the_address_and_takes_qemu_with_it() {
    let host = host();
    host.tool(
        "qemu-system-arm",
        "echo $@ > $HOST/qemu.log; echo $$ > $HOST/qemu.pid\nexec /bin/sleep 60",
    );
    host.tool(
        "gdb-multiarch",
        "while ! [ -s $HOST/qemu.pid ]; do /bin/sleep 0.01; done; printf '%s|' \"$@\"; exit 7",
    );
    let line = ["gdb", "-m", "64M", "--load", "0x41000000", "--", "-batch", "-ex", "bt"];
    let outcome = host.run(&line);
    assert_eq!(outcome.code, Some(7), "the debugger's own: {outcome:?}");
    let elf = host.path("target/images/vmsplit-3g-debug.elf");
    let (before, rest) = outcome.stdout.split_once("127.0.0.1:").unwrap();
    assert_eq!(before, format!("-q|{}|-ex|target remote ", elf.display()));
    let (port, rest) = rest.split_once('|').unwrap();
    assert_eq!(rest, "-batch|-ex|bt|");
    let log = host.read("qemu.log");
    assert!(log.contains("-m 64M"), "{log}");
    assert!(log.contains("vmsplit-3g-debug.bin,addr=0x41000000,"), "{log}");
    assert!(log.contains(&format!("-S -gdb tcp:127.0.0.1:{port} ")), "{log}");
    qemu_ends(&host);
}
