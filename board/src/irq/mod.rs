//! Interrupt controllers: the one there is, ARM's GIC of architecture version 1 or 2.
//!
//! A driver here numbers, switches and acknowledges interrupts. What is done about one, and in which
//! order, is the kernel's business.

pub mod gic;
