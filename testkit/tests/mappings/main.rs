//! Every mapping operation of the kernel on the emulated machine, under every adversary, and without each of its
//! maintenance calls in turn.
#![deny(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod arena;
mod bridge;
mod checks;
mod dma;
mod dma_machine;
mod ioremap;
mod kit;
mod kmap;
mod live_tables;
mod modules;
mod place;
mod random;
mod rights;
mod vmalloc;
