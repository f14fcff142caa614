//! ARMv7-A.

#![cfg_attr(not(test), no_std)]

pub mod mmu;
