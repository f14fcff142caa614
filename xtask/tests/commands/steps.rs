//! The steps of `test` that give the compiler a flag, on hosts made of scripts: how they call cargo,
//! and what they say where the compiler can not do it.

use crate::host::{Host, Outcome};
use std::fs;

/// Logs its arguments with the variables that matter here, and knows the workspace.
const CARGO: &str = r#"
[ $1 = metadata ] &&
    printf '{"workspace_root":"%s","target_directory":"%s"}\n' $HOST/workspace /target && exit
echo "$RUSTFLAGS|$CARGO_TARGET_DIR|$RUSTC_BOOTSTRAP$LOOM_MAX_PREEMPTIONS|$@" >> $HOST/cargo.log
"#;

impl Host {
    fn that_logs_flags() -> Self {
        let host = Self::new();
        host.tool("cargo", CARGO);
        host
    }

    fn with_address_sanitizer(self) -> Self {
        let folder = self.path("sysroot/lib/rustlib/x86_64-unknown-linux-gnu/lib");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("librustc-stable_rt.asan.a"), "").unwrap();
        self
    }

    /// `test --only STEP` with these variables, and how it called cargo.
    fn step(&self, step: &str, variables: &[(&str, &str)]) -> (Outcome, String) {
        let mut xtask = self.xtask(&["test", "--only", step]);
        (Outcome::of(xtask.envs(variables.iter().copied())), self.read("cargo.log"))
    }
}

#[test]
fn loom_has_a_target_directory_of_its_own_and_a_bound() {
    let (outcome, log) = Host::that_logs_flags().step("loom", &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(log, "--cfg=loom|/target/loom|3|test --package mm --lib loom\n");

    let variables = [("LOOM_MAX_PREEMPTIONS", "5"), ("RUSTFLAGS", "-g")];
    let (_, log) = Host::that_logs_flags().step("loom", &variables);
    assert!(log.starts_with("-g --cfg=loom|/target/loom|5|"), "{log}");
}

#[test]
fn address_sanitizer_is_for_the_named_target_only() {
    let (outcome, log) = Host::that_logs_flags().with_address_sanitizer().step("sanitize", &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let words = "test --package mm --test stress --target x86_64-unknown-linux-gnu";
    assert_eq!(log, format!("-Zsanitizer=address|/target/asan|1|{words}\n"));
    assert!(outcome.stdout.contains("test: 1 of 1 steps passed in "), "{outcome:?}");
}

#[test]
fn a_compiler_without_address_sanitizer_skips_the_step_and_says_so() {
    let (outcome, log) = Host::that_logs_flags().step("sanitize", &[]);
    assert_eq!((outcome.code, log.as_str()), (Some(0), ""), "{outcome:?}");
    let reason = "AddressSanitizer: SKIPPED, this compiler brings no AddressSanitizer\n";
    assert!(outcome.stdout.contains(reason), "{outcome:?}");
    assert!(outcome.stdout.contains("test: 0 of 1 steps passed, 1 skipped, in "), "{outcome:?}");
}
