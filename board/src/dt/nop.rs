//! Squeezing `NOP` tokens out of a structure block.
//!
//! `NOP` is how a boot loader deletes a property or a node in place, so a tree may well have some.
//! The `fdt` crate loses the nodes and properties behind one. This pass moves the other tokens
//! together, in place and in linear time, so that the walk never meets any.
//!
//! Invariant: the order and the bytes of all other tokens stay as they were.

use super::validate::Token;

/// Removes every `NOP` up to the end token of a valid structure block. Gives the bytes that are
/// left, the end token included; what lies behind them is stale.
pub(super) fn squeeze(structure: &mut [u8]) -> usize {
    let (mut read, mut written) = (0, 0);
    // The block is valid, so the loop leaves through the end token.
    while let Ok((token, len)) = Token::read(structure.get(read..).unwrap_or_default(), 0) {
        let (is_nop, is_end) = (matches!(token, Token::Nop), matches!(token, Token::End));
        if !is_nop {
            structure.copy_within(read..read + len, written);
            written += len;
        }
        if is_end {
            break;
        }
        read += len;
    }
    written
}
