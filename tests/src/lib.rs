//! What the tests of this folder share: the recorded Linux layouts, the way to a prediction from
//! `mm::boot`, the way to `cargo xtask`, the comparison of two images' machine code, and what of modules and
//! of their headers is looked at.

pub mod code;
pub mod headers;
pub mod object;
pub mod oracle;
pub mod predict;
pub mod xtask;
