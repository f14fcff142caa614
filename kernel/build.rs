//! Passes to the linker the linker script, the split's `PAGE_OFFSET`, and how much room to leave for
//! the symbol table.
//!
//! Only the ARM target has either: on the host this crate is an empty program.

use std::env;

use mm::boot::split::Split;

/// Bytes of room for the symbol table in an optimised image, and in one that is not. `cargo xtask
/// build` refuses an image whose table does not fit, and names both sizes. Tables took 60 and 174 KiB
/// when this was written.
const SYMBOLS_BYTES: [u32; 2] = [72 << 10, 200 << 10];
/// And so many more with the benchmark, which is compiled for each peer.
const BENCH_BYTES: u32 = 24 << 10;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let Ok(package) = env::var("CARGO_MANIFEST_DIR") else { return };
    let script = format!("{package}/../linker.ld");
    println!("cargo::rerun-if-changed={script}");
    println!("cargo::rustc-link-arg-bins=-T{script}");
    // The unwinder reads prologues, so it must know where each function starts.
    println!("cargo::rustc-link-arg-bins=--no-merge-exidx-entries");
    let is_debug = env::var("PROFILE").as_deref() != Ok("release");
    let mut room = SYMBOLS_BYTES[usize::from(is_debug)];
    if env::var_os("CARGO_FEATURE_BENCH").is_some() {
        room += BENCH_BYTES;
    }
    println!("cargo::rustc-link-arg-bins=--defsym=SYMBOLS_BYTES={room}");
    // `src/image.rs` sees to it that exactly one of these features is on.
    let is_chosen = |split: &Split| {
        let name = split.name().replace('-', "_").to_uppercase();
        env::var_os(format!("CARGO_FEATURE_VMSPLIT_{name}")).is_some()
    };
    for split in Split::ALL.iter().filter(|split| is_chosen(split)) {
        println!("cargo::rustc-link-arg-bins=--defsym=PAGE_OFFSET={}", split.page_offset());
    }
}
