//! `bench` with a pretended cargo and QEMU: what it boots, what it prints, and its exit statuses.

use crate::host::Host;
use crate::run::elf;
use std::fs;

/// A kernel with the benchmark. What `bench` prints is in the file `figures`.
const KERNEL: &str = r#"
echo "$@" >> $HOST/qemu.log
while :; do
    printf 'vmsplit> '
    read -r line || exit 3
    printf '%s\r\n' "$line"
    case $line in
    poweroff) printf 'vmsplit: power off\r\n'; exit 0 ;;
    bench*) /bin/cat $HOST/figures ;;
    esac
done
"#;

fn host(figures: &str) -> Host {
    let host = Host::complete();
    host.tool("qemu-system-arm", KERNEL);
    fs::write(host.path("kernel.elf"), elf(*b"3gig")).unwrap();
    fs::write(host.path("figures"), figures).unwrap();
    host
}

fn figure(name: &str, put: &str, pair: &str) -> String {
    let rest = format!("\"get\":30.00,\"put\":{put},\"pair\":{pair},\"batch\":1,\"n\":5000}}\r\n");
    format!("bench: {{\"name\":\"{name}\",{rest}bench: {{\"name\":\"{name}\",\"peer\":\"x\",{rest}")
}

#[test]
fn figures_are_printed_beside_linux_and_progress_elsewhere() {
    let host = host(&figure("page_o0_KERNEL", "30.00", "60.00"));
    let outcome = host.run(&["bench", "--only", "page_o0_KERNEL", "--check"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let row: Vec<_> = outcome.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["page_o0_KERNEL", "30.00", "30.00", "60.00", "642.00", "10.7", "60", "60.00"]);
    assert_eq!(
        outcome.stderr,
        format!("xtask: bench: -m 2G, 1 of {} operations\n", workload::OPERATIONS.len())
    );
    let qemu = host.read("qemu.log");
    assert!(qemu.contains("-m 2G") && qemu.contains("-icount shift=0"), "{qemu}");
    let cargo = host.read("cargo.log");
    assert!(cargo.contains("vmsplit-3g,fallback-console,bench --release"), "{cargo}");
}

#[test]
fn json_is_all_that_goes_to_standard_output() {
    let host = host(&figure("page_o4_KERNEL", "30.50", "60.50"));
    let outcome = host.run(&["bench", "--only", "page_o4_KERNEL", "--json"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let rows: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let expected = serde_json::json!([{
        "name": "page_o4_KERNEL", "get": 30.0, "put": 30.5, "pair": 60.5, "linux_pair": 1559.0,
        "budget": null, "peers": { "x": 60.5 },
    }]);
    assert_eq!(rows, expected);
}

#[test]
fn a_figure_above_its_budget_fails_the_check_and_is_named() {
    let host = host(&figure("page_o0_KERNEL", "30.01", "60.01"));
    let line = ["bench", "--only", "page_o0_KERNEL", "--check"];
    let outcome = host.run(&line);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let named = "xtask: page_o0_KERNEL takes 60.01 instructions; its budget is 60\n";
    assert!(outcome.stderr.ends_with(named), "{}", outcome.stderr);
    assert_eq!(host.run(&line[..3]).code, Some(0), "without the check it only measures");
    let all = host.run(&["bench", "--check"]);
    assert!(all.stderr.contains("page_bulk32 was not measured"), "{}", all.stderr);
}

#[test]
fn a_wrong_name_is_wrong_usage_and_starts_nothing() {
    let host = host("");
    let outcome = host.run(&["bench", "--only", "page_o77"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("no operation is called 'page_o77'"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("\n  page_o0_KERNEL\n"), "{}", outcome.stderr);
    assert_eq!((host.read("cargo.log"), host.read("qemu.log")), (String::new(), String::new()));
}

#[test]
fn a_kernel_that_measures_nothing_is_a_failure_with_its_words() {
    let host = host("error: nobody counts instructions here\r\n");
    let outcome = host.run(&["bench", "--only", "page_o0_KERNEL"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("error: nobody counts"), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn waste_is_a_boot_of_its_own() {
    let figures = "bench: {\"waste\":\"x\",\"when\":\"filled\",\"asked\":512,\"usable\":768,\"held\":1024}\r\n";
    let host = host(figures);
    let outcome = host.run(&["bench", "--waste"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let row: Vec<_> = outcome.stdout.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row, ["x", "1", "50.0", "25.0", "25.0", "-", "-", "-", "-"]);
    assert_eq!(outcome.stderr, "xtask: bench: -m 2G, waste\n");
    assert_eq!(host.run(&["bench", "--waste", "--check"]).code, Some(2), "nothing to check");
}
