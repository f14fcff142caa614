//! The kernel: the boot sequence, readable as a list, and then the monitor.
//!
//! It ties the three libraries together and holds what they do not: the few statics, the order of
//! things, and the decision to stop. On the host this crate is an empty program; `cargo xtask build`
//! builds it for the ARM target.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(all(target_os = "none", feature = "bench"))]
mod bench;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod dma;
#[cfg(target_os = "none")]
mod edges;
#[cfg(target_os = "none")]
mod exception;
#[cfg(target_os = "none")]
mod explain;
#[cfg(target_os = "none")]
mod exports;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
mod interrupts;
#[cfg(target_os = "none")]
mod kfence;
#[cfg(target_os = "none")]
mod kmap;
#[cfg(target_os = "none")]
mod maps;
#[cfg(target_os = "none")]
mod monitor;
#[cfg(target_os = "none")]
mod pages;
#[cfg(target_os = "none")]
mod platform;
#[cfg(target_os = "none")]
mod readback;
#[cfg(target_os = "none")]
mod report;
#[cfg(target_os = "none")]
mod selftest;
#[cfg(target_os = "none")]
mod slabs;
#[cfg(target_os = "none")]
mod stacks;
#[cfg(target_os = "none")]
mod stop;
#[cfg(target_os = "none")]
mod take_cell;
#[cfg(target_os = "none")]
mod virtio;
#[cfg(target_os = "none")]
mod vmalloc;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("the kernel runs on ARM: try `cargo xtask run`");
    std::process::ExitCode::from(2)
}
