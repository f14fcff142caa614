//! Serial lines.

pub mod pl011;
pub mod primecell;
