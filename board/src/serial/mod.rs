//! Serial lines.

pub mod pl011;
