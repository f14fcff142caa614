//! Memory that devices look at: what they can reach, and how CPUs and devices come to see the same bytes.

pub mod cache;

pub use cache::DataCache;
