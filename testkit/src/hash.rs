//! Maps with numbers for keys: quick, and in the same order in every run.
//!
//! The standard hasher is seeded from the system. A failure that depends on the order of a map could not be
//! repeated then.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map with a number, or a few, for a key.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Numbers>>;
/// A set of numbers.
pub(crate) type Set<K> = HashSet<K, BuildHasherDefault<Numbers>>;

/// Fibonacci hashing.
#[derive(Default, Clone)]
pub(crate) struct Numbers(u64);

impl Hasher for Numbers {
    fn finish(&self) -> u64 {
        // Tables take the low bits and the seven highest.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
