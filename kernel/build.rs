//! Passes the linker script and the split's `PAGE_OFFSET` to the linker.
//!
//! Only the ARM target has either: on the host this crate is an empty program.

use std::env;

/// The splits by feature name, with the `PAGE_OFFSET` that the image is linked for. The kernel
/// asserts at compile time that `mm` agrees.
const SPLITS: [(&str, u32); 4] = [
    ("VMSPLIT_3G", 0xc000_0000),
    ("VMSPLIT_3G_OPT", 0xb000_0000),
    ("VMSPLIT_2G", 0x8000_0000),
    ("VMSPLIT_1G", 0x4000_0000),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker.ld");
    println!("cargo::rerun-if-changed={script}");
    println!("cargo::rustc-link-arg-bins=-T{script}");
    let enabled = |name: &str| env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
    for (_, page_offset) in SPLITS.into_iter().filter(|(name, _)| enabled(name)) {
        println!("cargo::rustc-link-arg-bins=--defsym=PAGE_OFFSET={page_offset:#x}");
    }
}
