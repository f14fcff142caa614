//! The whole way of a module, for arbitrary bytes: what a fuzzer calls.
