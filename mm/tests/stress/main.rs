//! Threads on `mm`'s shared values, as fast as the host can run them.
//!
//! `loom` tries all orders, with few threads, few steps and a lock of its own; here are real threads
//! with the real ticket lock. The gate runs this program as an ordinary test and once more under
//! AddressSanitizer (`cargo xtask test --only sanitize`).
//!
//! | file | what |
//! |---|---|
//! | `lock` | the lock by itself |
//! | `machine` | threads for CPUs, and memory that knows whose each page is |
//! | `pages` | everything that can be asked of the page allocator, at random |
//! | `pools` | elements of pools, which no two have at once |
//! | `arena` | threads for CPUs, and memory in which something lies |
//! | `objects` | objects that pass from hand to hand |
//! | `destroy` | caches that end while other CPUs look at them |
//! | `waits` | requests that wait for what other threads have |

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a thread that failed fails the test")]

mod arena;
mod destroy;
mod lock;
mod machine;
mod objects;
mod pages;
mod pools;
mod waits;
