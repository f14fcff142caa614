//! What the whole-boot tests and the oracle tests share: the recorded Linux layouts, and the way
//! to a prediction from `mm::boot`.

pub mod oracle;
pub mod predict;
