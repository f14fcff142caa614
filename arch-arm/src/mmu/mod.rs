//! Page tables in the ARMv7 short-descriptor format: words, attributes, a mapper and a walker.
//!
//! Everything here is arithmetic on words that somebody else stores. Reading and writing memory
//! is behind three traits, [`walk::TableRead`], [`mapper::TableMemory`] and [`live::Machine`], so all of it runs and
//! is tested on the host; the instructions that load TTBR0 or flush a TLB live elsewhere.
//!
//! ```text
//!   virtual address   31        20 19    12 11         0
//!                    ┌────────────┬────────┬────────────┐
//!                    │  L1 index  │ L2 idx │   offset   │
//!                    └─────┬──────┴───┬────┴────────────┘
//!   first-level table      │          │    second-level table
//!   4096 words, 16 KiB     ▼          ▼    256 words, 1 KiB
//!                    ┌────────────┐  ┌────────────┐
//!                    │ table    ──┼─▶│ small page │ 4 KiB
//!                    │ section    │  │ large page │ 64 KiB, 16 equal words
//!                    │ supersect. │  │ fault      │
//!                    │ fault      │  └────────────┘
//!                    └────────────┘  1 MiB / 16 MiB, 16 equal words
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`attributes`] | what a mapping means: memory type, access, execution, domain |
//! | `memory_type` | the eight memory types, and the registers that hold their table |
//! | [`descriptor`] | the 32-bit words, decoded to enums and encoded back |
//! | [`mapper`] | writes mappings where there was none |
//! | [`live`] | the kernel's tables while it runs: everything that comes, changes and goes |
//! | [`walk`] | reads tables back: one address, or every mapping |
//! | [`explain`] | one translation in words |
//! | [`rows`] | joins neighbouring mappings that mean the same |
//! | [`wx`] | nothing may be writable and executable at once |
//! | [`ptdump`] | the listing of Linux's `kernel_page_tables` |
//!
//! Protocol: boot builds tables with a [`mapper::Mapper`], and hands them to [`live::LiveTables`], which changes them
//! from then on, break before make. A [`mapper::Mapper`] holds its memory exclusively, so whoever owns the tables also
//! serialises their writers. It turns fault entries into valid ones and does nothing else, which
//! needs no TLB maintenance, only a barrier before first use (ARM DDI 0406C, B3.10.1).
//!
//! The format is fixed by four settings, which the code that turns the MMU on must make:
//! `SCTLR.TRE = 1` with [`attributes::PRRR`] and [`attributes::NMRR`], `SCTLR.AFE = 0`,
//! `TTBCR = 0`, and every domain in use a client in `DACR`.

#![deny(unsafe_code)]

#[cfg(test)]
mod arena;
pub mod attributes;
pub mod descriptor;
pub mod explain;
pub mod live;
pub mod mapper;
mod memory_type;
pub mod ptdump;
pub mod rows;
pub mod walk;
pub mod wx;
