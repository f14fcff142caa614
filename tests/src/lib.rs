//! What the tests of this folder share: the recorded Linux layouts, the way to a prediction from
//! `mm::boot`, the way to `cargo xtask`, and the comparison of two images' machine code.

pub mod code;
pub mod oracle;
pub mod predict;
pub mod xtask;
