//! `cargo xtask sweep` as a user runs it, on real boots: what kernels read back of their tables and zones is what the
//! rules predict, in several hundred combinations, and a kernel with a fault does not get by.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use experiment::results::{Results, Row, Verdict};
use libtest_mimic::{Arguments, Trial};
use tests::xtask::xtask;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each sweep keeps two cores busy.
    arguments.test_threads = Some(1);
    let tests: [(&str, fn()); 6] = [
        ("256 combinations agree", many_combinations),
        ("36 combinations of odd sizes and limits agree", sizes_and_limits),
        ("mem= in all rows agrees", with_mem),
        ("a kernel with a shifted mapping differs, by path", shifted_mapping),
        ("a row that can not boot is a row", no_boot),
        ("a killed sweep goes on, and ends as one that was not", resumed),
    ];
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

struct Sweep {
    status: Option<i32>,
    /// What was printed.
    text: String,
    results: Results,
}

fn sweep(options: &str, out: &Path) -> Sweep {
    let output = xtask(&arguments(options, out));
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = format!("{stdout}\n{stderr}");
    let results = fs::read_to_string(out.join("results.json")).unwrap_or_else(|_| panic!("{text}"));
    let results: Results = serde_json::from_str(&results).unwrap();
    let csv = fs::read_to_string(out.join("results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + results.rows.len(), "a line for each row: {csv}");
    Sweep { status: output.status.code(), text, results }
}

fn arguments(options: &str, out: &Path) -> Vec<String> {
    let mut words = vec!["sweep".to_string()];
    words.extend(options.split_whitespace().map(String::from));
    words.extend(["--out".to_string(), out.display().to_string()]);
    words
}

/// All of `count` rows agree, and each has what a boot read back.
#[track_caller]
fn agrees(options: &str, count: usize) -> Results {
    let folder = tempfile::tempdir().unwrap();
    let Sweep { status, text, results } = sweep(options, folder.path());
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(results.rows.len(), count);
    for row in &results.rows {
        assert_eq!(row.verdict, Verdict::Agrees, "{}", row.given);
        let booted = row.booted.as_ref().unwrap();
        assert!(booted.layout.zones.values().all(|zone| zone.managed.is_some()), "{}", row.given);
    }
    results
}

fn many_combinations() {
    agrees(
        "--mem 65537K,1025M --cpu cortex-a15,cortex-a7 --vmsplit 3g,3g-opt,2g,1g \
         --vmalloc none,17M,0x10001000,abc --dma-zone none,33M --highmem on,off --jobs 2",
        256,
    );
}

fn sizes_and_limits() {
    let results = agrees(
        "--mem 48M,511M,1000M,2G,3G,4G --vmsplit 3g,2g --vmalloc none,960M,268435457 --jobs 2",
        36,
    );
    // Rows that are all alike would agree, too.
    let of_boot = |row: &Row| row.booted.clone().unwrap();
    let mut layouts: Vec<_> =
        results.rows.iter().map(|row| format!("{:?}", of_boot(row).layout)).collect();
    layouts.sort();
    layouts.dedup();
    assert!(layouts.len() > 24, "there are only {} different layouts", layouts.len());
    assert!(results.rows.iter().any(|row| of_boot(row).account.tree.lost["above_4g"] > 0));
}

fn with_mem() {
    let folder = tempfile::tempdir().unwrap();
    let mut words =
        arguments("--mem 1G --vmsplit 3g --vmalloc none,256M --highmem on,off", folder.path());
    let given = "mem=300M@0x40100000 mem=256M@0x70000000";
    words.extend(["--append", given].map(String::from));
    let output = xtask(&words);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("\n4 rows: 4 agree, 0 differ, 0 failed\n"), "{text}");
}

fn shifted_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let options = "--mem 1G,256M --vmsplit 3g --vmalloc none --features test-shifted-mapping";
    let Sweep { status, text, results } = sweep(options, folder.path());
    assert_eq!(status, Some(1), "{text}");
    let told = "  layout.modules_start: expected 0xbf000000, booted 0xbef00000\n";
    assert_eq!(text.matches(told).count(), 2, "{text}");
    for row in &results.rows {
        let Verdict::Differs { differences } = &row.verdict else { panic!("{:?}", row.verdict) };
        let paths: Vec<_> = differences.iter().map(|one| one.path.as_str()).collect();
        let expected =
            ["layout.modules_start", "layout.regions.modules.start", "layout.regions.user.end"];
        assert_eq!(paths, expected, "the pages that moved, and nothing else");
    }
}

fn no_boot() {
    let folder = tempfile::tempdir().unwrap();
    let options = "--mem 2M,64M --vmsplit 3g --vmalloc none";
    let Sweep { status, text, results } = sweep(options, folder.path());
    assert_eq!(status, Some(1), "{text}");
    let [too_small, well] = &results.rows[..] else { panic!("{text}") };
    let Verdict::Failed { reason } = &too_small.verdict else { panic!("{text}") };
    assert!(reason.contains("kernel 'images/3g.elf' is too large to fit in RAM"), "{reason}");
    assert!(text.contains(reason), "{text}");
    assert_eq!((&too_small.booted, &well.verdict), (&None, &Verdict::Agrees));
}

fn resumed() {
    let options =
        "--mem 64M,96M,128M,192M,256M,384M,512M,768M --vmsplit 3g --vmalloc none,16M --jobs 1";
    let (killed, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rows = || fs::read_to_string(killed.path().join("rows.jsonl")).unwrap_or_default();
    let deadline = Instant::now() + Duration::from_secs(600);
    let mut child = started(&arguments(options, killed.path()));
    while rows().lines().count() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(Instant::now() < deadline, "no rows in ten minutes");
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = rows();
    let whole_lines = kept.matches('\n').count();
    assert!((3..16).contains(&whole_lines), "{whole_lines} rows were finished");

    let second = sweep(options, killed.path());
    assert_eq!(second.status, Some(0), "{}", second.text);
    let said = format!("16 rows, {whole_lines} finished before, {} to boot", 16 - whole_lines);
    assert!(second.text.contains(&said), "{}", second.text);
    let first = sweep(options, whole.path());
    assert_eq!(first.status, Some(0), "{}", first.text);
    for file in ["results.json", "results.csv", "report.html"] {
        let read = |folder: &Path| fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(read(killed.path()), read(whole.path()), "{file}");
    }
}

/// A started xtask itself, with no cargo between: a signal is for it.
fn started(arguments: &[String]) -> std::process::Child {
    let binary = std::env::var_os("VMSPLIT_XTASK").map_or_else(built, Into::into);
    let mut command = Command::new(binary);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The binary that `cargo xtask` runs, which other tests of this file have built.
fn built() -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    assert!(xtask(&["--help".to_string()]).status.success());
    folder.join("xtask")
}
