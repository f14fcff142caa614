//! What the tests of this folder share: the recorded Linux layouts, the way to a prediction from
//! `mm::boot`, the way to `cargo xtask`, the comparison of two images' machine code, what of modules and
//! of their headers is looked at, and the explorer's module in an interpreter.

pub mod code;
pub mod explorer;
pub mod headers;
pub mod object;
pub mod oracle;
pub mod predict;
pub mod xtask;
