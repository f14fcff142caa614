//! `sweep` with a pretended QEMU: what is kept when it is stopped, and that nothing is left running.

use crate::host::{Host, Outcome, eventually, is_running};
use crate::run::elf;
use experiment::address::{Address, Range};
use experiment::answer::{Answer, ZonePages};
use experiment::configuration::{Configuration, Shorthands};
use experiment::machine::{Machine, VIRT_RAM};
use experiment::predict::predict;
use experiment::results::{Results, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::{Child, Stdio};

/// A kernel that says what the test has put down for its size of memory. A file `hang-SIZE` lets it hang.
const KERNEL: &str = r#"
case $1 in --version) echo 'QEMU emulator version 7.2'; exit ;; esac
size=$6
echo $size >> $HOST/boots.log
if [ -e $HOST/hang-$size ]; then
    echo $$ > $HOST/qemu.pid
    exec /bin/sleep 60
fi
printf 'vmsplit 0.1.0 (debug, 3g split)\r\n'
if [ ! -e $HOST/layout-$size ]; then
    printf 'vmsplit: halted: no memory\r\n'
    exec /bin/sleep 60
fi
while printf 'vmsplit> '; do
    read -r line || exit 3
    printf '%s\r\n' "$line"
    case $line in
    'layout --json') /bin/cat $HOST/layout-$size ;;
    'explain --json') /bin/cat $HOST/account-$size ;;
    poweroff) printf 'vmsplit: power off\r\n'; exit 0 ;;
    esac
done
"#;

const MIB: u64 = 1 << 20;

fn host(sizes: &[u64]) -> Host {
    let host = Host::complete();
    host.tool("qemu-system-arm", KERNEL);
    fs::write(host.path("kernel.elf"), elf(*b"3gig")).unwrap();
    for mib in sizes {
        say(&host, *mib, &booted(*mib));
    }
    host
}

fn say(host: &Host, mib: u64, answer: &Answer) {
    let line = |json: Result<String, _>| json.unwrap() + "\r\n";
    fs::write(host.path(&format!("layout-{mib}M")), line(serde_json::to_string(&answer.layout)))
        .unwrap();
    fs::write(host.path(&format!("account-{mib}M")), line(serde_json::to_string(&answer.account)))
        .unwrap();
}

/// What a kernel says that takes just what it should.
fn booted(mib: u64) -> Answer {
    let settings = Configuration::new(Default::default(), "", Shorthands::default());
    let tree = Range { start: VIRT_RAM, end: Address(VIRT_RAM.0 + MIB) };
    // The image that `elf` makes.
    let kernel = Range { start: Address(0x4020_0000), end: Address(0x4020_0008) };
    let virt = Machine::virt(mib * MIB);
    let machine = Machine { device_tree: Some(tree), kernel: Some(kernel), ..virt };
    let mut answer = predict(&machine, &settings).unwrap();
    let pages = |bytes: &u64| u32::try_from(bytes / 4096).unwrap();
    let usable = &answer.account.tree.usable;
    for (name, zone) in &mut answer.layout.zones {
        zone.managed = Some(pages(&usable[name]));
    }
    let zones = usable
        .iter()
        .map(|(name, bytes)| (name.clone(), ZonePages { managed: pages(bytes), free: 0 }));
    answer.account.zones = Some(zones.collect());
    answer
}

const SWEEP: [&str; 8] =
    ["sweep", "--no-report", "--vmsplit", "3g", "--vmalloc", "none", "--jobs", "1"];

fn sweep(host: &Host, options: &[&str]) -> Outcome {
    host.run(&[&SWEEP[..], options].concat())
}

/// A started sweep that hangs in a boot.
fn hanging(host: &Host, options: &[&str]) -> Child {
    let mut command = host.xtask(&[&SWEEP[..], options].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("a boot hangs", || !host.read("qemu.pid").is_empty());
    child
}

fn results(host: &Host, folder: &str) -> Results {
    serde_json::from_str(&host.read(&format!("{folder}/results.json"))).unwrap()
}

fn verdicts(host: &Host, folder: &str) -> Vec<&'static str> {
    results(host, folder).rows.iter().map(|row| row.verdict.name()).collect()
}

#[test]
fn every_row_has_a_verdict_and_one_that_does_not_agree_is_told() {
    let host = host(&[64, 128]);
    let mut other = booted(128);
    other.layout.modules_start = other.layout.modules_end;
    say(&host, 128, &other);
    let outcome = sweep(&host, &["--mem", "64M,128M,256M"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(verdicts(&host, "target/sweep"), ["agrees", "differs", "failed"]);
    let told = "128M cortex-a15 3g: differs\n  layout.modules_start: expected 0xbf000000, booted 0xbfe00000\n\
                256M cortex-a15 3g: failed\n  the kernel halted: no memory\n\
                3 rows: 1 agree, 1 differ, 1 failed\n";
    assert!(outcome.stdout.contains(told), "{outcome:?}");
    assert!(outcome.stdout.ends_with("target/sweep/results.csv\n"), "{outcome:?}");
    let results = results(&host, "target/sweep");
    assert_eq!(results.kernel, "vmsplit 0.1.0 (debug)");
    assert_eq!(results.rows[0].booted, Some(booted(64)));
    let csv = host.read("target/sweep/results.csv");
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[3].starts_with("256M,cortex-a15,3g,,,on,,failed,the kernel halted: no memory,"));

    let outcome = sweep(&host, &["--mem", "64M"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn what_is_finished_is_not_booted_again() {
    let host = host(&[64, 128]);
    let booted = |options: &[&str]| {
        let _ = fs::remove_file(host.path("boots.log"));
        sweep(&host, options);
        host.read("boots.log")
    };
    assert_eq!(booted(&["--mem", "64M,256M"]), "64M\n256M\n");
    assert_eq!(booted(&["--mem", "256M,128M,64M"]), "128M\n", "a halt is the kernel's word");
    assert_eq!(booted(&["--mem", "64M", "--cpu", "cortex-a7"]), "64M\n");
    assert_eq!(booted(&["--mem", "64M", "--append", "quiet"]), "64M\n");
    assert_eq!(booted(&["--mem", "64M", "--fresh"]), "64M\n");
    fs::write(host.path("kernel.elf"), elf(*b"next")).unwrap();
    assert_eq!(booted(&["--mem", "64M"]), "64M\n", "another kernel");
    assert_eq!(booted(&["--mem", "64M"]), "");
}

#[test]
fn a_boot_out_of_time_is_a_row_and_tried_again() {
    let host = host(&[64, 128]);
    fs::write(host.path("hang-64M"), "").unwrap();
    let outcome = sweep(&host, &["--mem", "64M,128M", "--timeout", "1"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("  time-out, waiting for the first prompt\n"), "{outcome:?}");
    assert!(!is_running(&host.path("qemu.pid")));
    fs::remove_file(host.path("hang-64M")).unwrap();
    let outcome = sweep(&host, &["--mem", "64M,128M"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(host.read("boots.log"), "64M\n128M\n64M\n");
}

#[test]
fn an_interrupted_sweep_says_what_it_has_and_goes_on_from_there() {
    for signal in [Signal::INT, Signal::TERM] {
        let host = host(&[64, 128, 256]);
        fs::write(host.path("hang-128M"), "").unwrap();
        let child = hanging(&host, &["--mem", "64M,128M,256M"]);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(outcome.code, Some(130), "{outcome:?}");
        assert!(!is_running(&host.path("qemu.pid")));
        assert!(
            outcome.stderr.contains("interrupted: 1 of 3 rows are finished and kept"),
            "{outcome:?}"
        );
        assert_eq!(verdicts(&host, "target/sweep"), ["agrees", "predicted", "predicted"]);

        fs::remove_file(host.path("hang-128M")).unwrap();
        let outcome = sweep(&host, &["--mem", "64M,128M,256M"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!(host.read("boots.log"), "64M\n128M\n128M\n256M\n");
    }
}

#[test]
fn a_killed_sweep_leaves_no_qemu_and_loses_nothing() {
    let host = host(&[64, 128, 256]);
    fs::write(host.path("hang-256M"), "").unwrap();
    let mut child = hanging(&host, &["--mem", "64M,128M,256M"]);
    // Another one must wait.
    let outcome = sweep(&host, &["--mem", "64M"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("xtask: another sweep is at work in "), "{outcome:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("QEMU has ended", || !is_running(&host.path("qemu.pid")));

    fs::remove_file(host.path("hang-256M")).unwrap();
    sweep(&host, &["--mem", "64M,128M,256M"]);
    assert_eq!(host.read("boots.log"), "64M\n128M\n256M\n256M\n");
    sweep(&host, &["--mem", "64M,128M,256M", "--out", "whole"]);
    for file in ["results.json", "results.csv"] {
        let resumed = host.read(&format!("target/sweep/{file}"));
        assert_eq!(resumed, host.read(&format!("workspace/whole/{file}")));
        assert!(!resumed.is_empty());
    }
}

#[test]
fn a_prediction_without_a_page_needs_neither_compiler_nor_qemu() {
    let host = Host::new();
    host.without("rustc");
    let outcome = host.run(&["sweep", "--predict-only", "--no-report"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    let results = results(&host, "target/sweep");
    assert_eq!(results.rows.len(), 24);
    assert!(results.rows.iter().all(|row| row.verdict == Verdict::Predicted));
    assert!(outcome.stdout.contains("\n24 rows: 0 failed, 24 predicted alone\n"));
}

#[test]
fn a_folder_that_can_not_be_is_named() {
    let host = host(&[]);
    let outcome = sweep(&host, &["--out", "kernel/Cargo.toml"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.starts_with("xtask: cannot make kernel/Cargo.toml: "), "{outcome:?}");
}

#[test]
fn a_value_that_can_not_be_is_wrong_usage_before_anything_is_done() {
    let host = host(&[]);
    for options in [["--mem", "64M,12Q"], ["--vmsplit", "5g"], ["--jobs", "0"], ["--timeout", "0"]]
    {
        let outcome = host.run(&[&["sweep"], &options[..]].concat());
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        let value = options[1].rsplit(',').next().unwrap();
        assert!(outcome.stderr.contains(&format!("'{value}'")), "{outcome:?}");
    }
    assert_eq!(host.read("cargo.log") + &host.read("boots.log"), "");
}
