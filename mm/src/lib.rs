//! Memory management for a 32-bit kernel, as a library of values.
//!
//! Nothing here knows which CPU it runs on, which board, or how to print: a test on the host makes
//! a machine out of an arena and runs the very code that the kernel runs. There are no globals and
//! no assembly; whoever uses the crate holds the values.
//!
//! Data flows one way, from what the boot loader tells to what the kernel allocates:
//!
//! ```text
//! banks ─▶ boot::memblock ─▶ boot::layout ─▶ (page tables, in the arch crate)
//!                                 │
//!                                 ▼
//!                frame::page ─▶ zone ─▶ frame::buddy          pages
//!                                 │
//!               ┌─────────────────┼────────────────┐
//!               ▼                 ▼                ▼
//!            object ◀─ kfence    map              dma
//!            objects, some       vmalloc, kmap,   memory that
//!            under guard         ioremap          devices look at
//! ```
//!
//! [`report`] says of all of it what there is, in the forms of `/proc`; [`fault`] makes requests fail on purpose.
//! [`platform::Platform`] is what is asked of the machine, [`map::Mmu`] what is asked of page tables, and [`sync`] has
//! the atomics and the lock.

#![cfg_attr(not(any(test, loom)), no_std)]
#![deny(unsafe_code)]

pub mod addr;
pub mod boot;
pub mod dma;
pub mod fault;
pub mod frame;
pub mod kfence;
pub mod map;
pub mod object;
pub mod param;
pub mod platform;
pub mod report;
pub mod sync;
pub mod zone;
