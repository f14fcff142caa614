//! The choice of toolchain and the set-up, on hosts made of scripts: each branch of the choice,
//! what `setup --check` says, and what an installation runs.

use crate::host::{Host, Outcome};

const APT: &str = "apt-get install -y --no-install-recommends --no-remove";
const DEBIAN: &str = "rustc-web cargo-web rust-web-src";

/// Logs its arguments, and brings QEMU.
const APT_GET: &str = "echo $DEBIAN_FRONTEND $@ >> $HOST/apt.log\n\
                       /bin/cp $HOST/bin/rustc $HOST/bin/qemu-system-arm";

impl Host {
    fn with_rustup(self) -> Self {
        // Adds the library that it is asked for.
        self.tool(
            "rustup",
            "echo $@ >> $HOST/rustup.log\n\
             lib=$HOST/sysroot/lib/rustlib/$3/lib\n\
             /bin/mkdir -p $lib; echo > $lib/libcore-1.rlib",
        );
        self
    }

    fn with_apt(self, uid: u32) -> Self {
        self.tool("apt-get", APT_GET);
        self.tool("id", &format!("[ \"$*\" = -u ] && echo {uid}"));
        self
    }

    fn with_debian(self, version: &str) -> Self {
        let lines: String = format!("{DEBIAN} rust-web-clippy")
            .split(' ')
            .map(|package| format!("echo '{package} ii  {version}'\n"))
            .collect();
        self.tool("dpkg-query", &format!("{lines}exit 1"));
        self
    }

    /// `setup --check` with these variables.
    fn check(&self, variables: &[(&str, &str)]) -> Outcome {
        Outcome::of(self.xtask(&["setup", "--check"]).envs(variables.iter().copied()))
    }
}

const AUTO_INSTALL_OFF: [(&str, &str); 1] = [("RUSTUP_AUTO_INSTALL", "0")];

/// The toolchain that was chosen, and what `setup --check` says about the kernel's compiler.
fn chosen(outcome: &Outcome) -> (&str, &str) {
    let after = |start: &str| {
        let line = outcome.stdout.lines().find(|line| line.contains(start));
        line.unwrap_or_else(|| panic!("no {start} in {outcome:?}"))
    };
    let compiler = after("Rust for armv7a-none-eabi");
    (
        after("toolchain: ").trim_start_matches("toolchain: "),
        compiler.split_once("none-eabi").unwrap().1.trim(),
    )
}

#[test]
fn installed_core_comes_first() {
    let host = Host::new().with_rustup().with_apt(0).with_debian("1.96.0-1");
    host.library("armv7a-none-eabi", "core");
    assert_eq!(chosen(&host.check(&AUTO_INSTALL_OFF)), ("installed", "installed"));
    assert_eq!(chosen(&host.check(&[])), ("installed", "installed"));
}

#[test]
fn rustup_where_it_may_fetch() {
    let host = Host::new().with_rustup().with_apt(0);
    let add = ("rustup", "rustup target add armv7a-none-eabi");
    assert_eq!(chosen(&host.check(&[])), add);
    assert_eq!(chosen(&host.check(&[("RUSTUP_AUTO_INSTALL", "1")])), add);
}

#[test]
fn debian_where_rustup_may_not_fetch_and_apt_can_install() {
    let host = Host::new().with_rustup().with_apt(0);
    let install = format!("{APT} {DEBIAN}");
    assert_eq!(chosen(&host.check(&AUTO_INSTALL_OFF)), ("debian", install.as_str()));
}

#[test]
fn debian_where_there_is_no_rustup_and_apt_can_install() {
    let host = Host::new().with_apt(0);
    assert_eq!(chosen(&host.check(&[])).0, "debian");
}

#[test]
fn debian_for_anybody_where_it_is_installed_and_new_enough() {
    let host = Host::new().with_rustup().with_apt(1000).with_debian("1.96.0+dfsg1-1~deb12u2");
    let found = ("debian", "debian: built from rust-web-src");
    assert_eq!(chosen(&host.check(&AUTO_INSTALL_OFF)), found);
    assert_eq!(chosen(&host.check(&[])).0, "rustup", "rustup may fetch");
    host.without("rustup");
    assert_eq!(chosen(&host.check(&[])), found);
    let old = Host::new().with_rustup().with_apt(1000).with_debian("1.85.0+dfsg3-1~deb12u3");
    assert_eq!(chosen(&old.check(&AUTO_INSTALL_OFF)).0, "rustup");
}

#[test]
fn rustup_where_apt_cannot_install() {
    let host = Host::new().with_rustup().with_apt(1000);
    assert_eq!(chosen(&host.check(&AUTO_INSTALL_OFF)).0, "rustup");
    let host = Host::new().with_rustup();
    assert_eq!(chosen(&host.check(&AUTO_INSTALL_OFF)).0, "rustup");
}

#[test]
fn without_any_way_the_command_to_type_is_named() {
    let host = Host::new().with_apt(1000);
    let outcome = host.check(&[]);
    assert_eq!(chosen(&outcome), ("none", format!("{APT} {DEBIAN}").as_str()));
    assert_eq!(outcome.code, Some(1));
    let (route, advice) = (Host::new().check(&[]), "rustup target add armv7a-none-eabi");
    assert_eq!(chosen(&route).0, "none");
    assert!(chosen(&route).1.starts_with(advice), "{route:?}");
}

#[test]
fn the_variable_overrides() {
    let host = Host::new().with_rustup().with_apt(0).with_debian("1.96.0-1");
    host.library("armv7a-none-eabi", "core");
    for route in ["installed", "debian", "rustup"] {
        assert_eq!(chosen(&host.check(&[("VMSPLIT_TOOLCHAIN", route)])).0, route);
    }
    assert_eq!(chosen(&host.check(&[("VMSPLIT_TOOLCHAIN", "")])).0, "installed");
    let bad = host.check(&[("VMSPLIT_TOOLCHAIN", "nightly")]);
    assert_eq!(bad.code, Some(2));
    assert!(bad.stderr.contains("VMSPLIT_TOOLCHAIN=nightly"), "{bad:?}");
}

#[test]
fn check_reports_and_changes_nothing() {
    let host = Host::complete().with_rustup().with_apt(0);
    let complete = host.check(&[]);
    assert_eq!(complete.code, Some(0), "{complete:?}");
    assert!(!complete.stdout.contains("missing"));
    for (tool, package) in [
        ("qemu-system-arm", "qemu-system-arm"),
        ("gdb-multiarch", "gdb-multiarch"),
        ("dtc", "device-tree-compiler"),
        ("chromium", "chromium chromium-driver"),
        ("chromedriver", "chromium chromium-driver"),
        ("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("rust-lld", "lld"),
        ("cc", "gcc-multilib"),
    ] {
        let host = Host::complete().with_rustup().with_apt(0);
        host.without(tool);
        let outcome = host.check(&[]);
        assert_eq!(outcome.code, Some(1), "{tool}");
        assert!(outcome.stdout.contains(&format!("{APT} {package}\n")), "{outcome:?}");
        assert_eq!(host.read("apt.log"), "");
    }
}

#[test]
fn the_explorer_has_a_compiler_and_a_linker_of_its_own() {
    let host = Host::complete().with_rustup().with_apt(0);
    std::fs::remove_dir_all(host.path("sysroot/lib/rustlib/wasm32-unknown-unknown")).unwrap();
    host.without("rust-lld");
    host.tool("ld.lld", "");
    let missing = |variables: &[(&str, &str)]| {
        let outcome = host.check(variables);
        let lines = outcome.stdout.lines().filter(|line| line.starts_with("missing"));
        lines.map(|line| line["missing ".len()..].to_owned()).collect::<Vec<_>>()
    };
    let column = |what: &str, remedy: &str| format!("{what:<34}{remedy}");
    let rust = |remedy: &str| column("Rust for wasm32-unknown-unknown", remedy);
    let linker = column("linker (lld) for WebAssembly", &format!("{APT} lld"));
    let add = rust("rustup target add wasm32-unknown-unknown");
    assert_eq!(missing(&[]), [add, linker.clone()], "ld.lld links no WebAssembly");
    let debian = rust(&format!("{APT} {DEBIAN}"));
    assert_eq!(missing(&AUTO_INSTALL_OFF), [debian, linker]);
    host.tool("wasm-ld", "");
    assert_eq!(missing(&[]).len(), 1);
}

#[test]
fn a_linker_link_that_leads_nowhere_is_no_linker() {
    let host = Host::complete();
    host.without("rust-lld");
    std::os::unix::fs::symlink("lld-22", host.path("bin/rust-lld")).unwrap();
    assert_eq!(host.check(&[]).code, Some(1));
    host.tool("lld-22", "");
    assert_eq!(host.check(&[]).code, Some(0));
}

#[test]
fn installs_by_apt_when_root_and_once() {
    let host = Host::complete().with_apt(0);
    host.without("qemu-system-arm");
    let outcome = host.run(&["setup"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let log = "noninteractive install -y --no-install-recommends --no-remove qemu-system-arm\n";
    assert_eq!(host.read("apt.log"), format!("update\n{log}"));
    let again = host.run(&["setup"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    assert_eq!(host.read("apt.log"), format!("update\n{log}"), "nothing more");
}

/// An apt-get that installs QEMU only when it may remove `conflict`.
fn apt_with_conflict(conflict: &str) -> Host {
    let host = Host::complete().with_apt(0);
    host.without("qemu-system-arm");
    host.tool(
        "apt-get",
        &format!(
            "echo $@ >> $HOST/apt.log\n\
             case \"$*\" in\n\
             *--simulate*) echo 'Remv {conflict} [1:10.0]'; echo 'Inst qemu-system-arm (1:7.2)';;\n\
             *--no-remove*) exit 100;;\n\
             install*) /bin/cp $HOST/bin/rustc $HOST/bin/qemu-system-arm;;\n\
             esac"
        ),
    );
    host
}

#[test]
fn parts_of_another_qemu_make_way_and_nothing_else_does() {
    let host = apt_with_conflict("qemu-utils");
    let outcome = host.run(&["setup"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("qemu-utils: of another version of QEMU"), "{outcome:?}");
    let log = host.read("apt.log");
    assert!(log.ends_with("\ninstall -y --no-install-recommends qemu-system-arm\n"), "{log}");

    let host = apt_with_conflict("libvirt-daemon");
    let outcome = host.run(&["setup"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("beside libvirt-daemon"), "{outcome:?}");
    let log = host.read("apt.log");
    let is_removal = |line: &str| line.starts_with("install") && !line.contains("--no-remove");
    assert!(!log.lines().any(is_removal), "{log}");
}

#[test]
fn tells_anybody_else_what_to_type() {
    let host = Host::complete().with_apt(1000);
    host.without("qemu-system-arm");
    host.without("dtc");
    let outcome = host.run(&["setup"]);
    assert_eq!(outcome.code, Some(1));
    let line = format!("\n  sudo {APT} qemu-system-arm device-tree-compiler\n");
    assert!(outcome.stderr.contains(&line), "{outcome:?}");
    assert_eq!(host.read("apt.log"), "");
}

#[test]
fn an_installation_that_brings_nothing_is_an_error() {
    let host = Host::complete().with_apt(0);
    host.without("dtc");
    let outcome = host.run(&["setup"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("still missing"), "{outcome:?}");
    assert!(outcome.stderr.contains("device-tree compiler"), "{outcome:?}");
}

#[test]
fn rustup_adds_the_target_it_manages() {
    let host = Host::complete().with_rustup();
    std::fs::remove_dir_all(host.path("sysroot/lib/rustlib/armv7a-none-eabi")).unwrap();
    let outcome = host.run(&["setup"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(host.read("rustup.log"), "target add armv7a-none-eabi\n");
}

#[test]
fn rustup_adds_lints_unless_told_to_fetch_nothing() {
    let host = Host::complete().with_rustup();
    host.tool("cargo", "exit 1");
    let line = |outcome: &Outcome| {
        let line = outcome.stdout.lines().find(|line| line.contains("cargo fmt"));
        line.unwrap().to_owned()
    };
    assert!(line(&host.check(&[])).ends_with("rustup component add rustfmt clippy"));
    let outcome = Outcome::of(host.xtask(&["setup"]).envs(AUTO_INSTALL_OFF));
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.ends_with("type:\n  rustup component add rustfmt clippy\n"),
        "{outcome:?}"
    );
    assert_eq!(host.read("rustup.log"), "");
}
