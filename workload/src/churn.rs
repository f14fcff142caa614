//! A long life of random sizes, and what large blocks are left after it.
