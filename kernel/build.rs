//! Passes the linker script and the split's `PAGE_OFFSET` to the linker.
//!
//! Only the ARM target has either: on the host this crate is an empty program.

use std::env;

use mm::boot::split::Split;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker.ld");
    println!("cargo::rerun-if-changed={script}");
    println!("cargo::rustc-link-arg-bins=-T{script}");
    // `src/image.rs` sees to it that exactly one of these features is on.
    let is_chosen = |split: &Split| {
        let name = split.name().replace('-', "_").to_uppercase();
        env::var_os(format!("CARGO_FEATURE_VMSPLIT_{name}")).is_some()
    };
    for split in Split::ALL.iter().filter(|split| is_chosen(split)) {
        println!("cargo::rustc-link-arg-bins=--defsym=PAGE_OFFSET={}", split.page_offset());
    }
}
