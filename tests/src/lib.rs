//! What the tests of this folder share: the recorded Linux layouts, the way to a prediction from
//! `mm::boot`, and the way to `cargo xtask`.

pub mod oracle;
pub mod predict;
pub mod xtask;
