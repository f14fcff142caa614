//! Where the parts of a flattened device tree are, as far as they can be made out, and the one way
//! to change its length so that the header follows.
//!
//! Takes any bytes: what is no tree gives an empty map.

use std::ops::Range;

/// A node: its tokens, and all between them.
#[derive(Clone)]
pub struct Node {
    /// From its begin token to behind its end token.
    pub bytes: Range<usize>,
    /// Behind its name, where properties may stand.
    pub inside: usize,
}

/// A property.
#[derive(Clone, Copy)]
pub struct Property {
    /// The first byte of its token.
    pub at: usize,
    /// Bytes of its value.
    pub len: usize,
}

impl Property {
    /// Bytes of the token, of what belongs to it and of the padding.
    pub fn bytes(self) -> Range<usize> {
        self.at..self.at + 12 + self.len.next_multiple_of(4)
    }

    /// Where its value is, without the padding.
    pub fn value(self) -> Range<usize> {
        self.at + 12..self.at + 12 + self.len
    }
}

/// The nodes and properties of a tree.
#[derive(Clone, Default)]
pub struct Map {
    /// In the order of their ends: the root last.
    pub nodes: Vec<Node>,
    /// In their order.
    pub properties: Vec<Property>,
    /// First bytes of the tokens that begin and end nodes.
    pub tokens: Vec<usize>,
}

const TOTAL_SIZE: usize = 4;
const OFF_STRUCTURE: usize = 8;
const OFF_STRINGS: usize = 12;
/// Where the header says where the memory reservation block is.
pub const OFF_RESERVE_MAP: usize = 16;
const SIZE_STRUCTURE: usize = 36;
const HEADER_LEN: usize = 40;

/// The token that does nothing.
pub const NOP: u32 = 4;

impl Map {
    /// Reads the tokens up to the first that is none.
    pub fn of(blob: &[u8]) -> Self {
        let mut map = Self::default();
        let mut open = Vec::new();
        let mut at = word(blob, OFF_STRUCTURE);
        while let Some(token) = get(blob, at) {
            let start = at;
            at += 4;
            match token {
                1 => {
                    map.tokens.push(start);
                    let name = blob[at..].iter().position(|byte| *byte == 0).unwrap_or_default();
                    at += (name + 1).next_multiple_of(4);
                    open.push((start, at));
                }
                2 => {
                    map.tokens.push(start);
                    let node = open.pop().map(|(begin, inside)| Node { bytes: begin..at, inside });
                    map.nodes.extend(node);
                }
                3 => {
                    let len = word(blob, at);
                    at = at.saturating_add(8).saturating_add(len);
                    if at > blob.len() {
                        break;
                    }
                    at = at.next_multiple_of(4);
                    map.properties.push(Property { at: start, len });
                }
                NOP => {}
                _ => break,
            }
        }
        map
    }
}

/// The big-endian word at byte `at`.
pub fn get(blob: &[u8], at: usize) -> Option<u32> {
    blob.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// [`get`] as an offset or a size; 0 where there is no word.
pub fn word(blob: &[u8], at: usize) -> usize {
    get(blob, at).unwrap_or_default() as usize
}

/// Writes the word at byte `at`, if there is one.
pub fn set(blob: &mut [u8], at: usize, value: u32) {
    if let Some(word) = blob.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *word = value.to_be_bytes();
    }
}

/// Replaces bytes behind the header, and moves what lies behind them in the header's eyes.
pub fn splice(blob: &mut Vec<u8>, bytes: Range<usize>, with: &[u8]) {
    let start = bytes.start;
    if start < HEADER_LEN || start > bytes.end || bytes.end > blob.len() {
        return;
    }
    let change = (with.len() as u32).wrapping_sub(bytes.len() as u32);
    let (structure, strings) = (word(blob, OFF_STRUCTURE), word(blob, OFF_STRINGS));
    blob.splice(bytes, with.iter().copied());
    for (at, follows) in [
        (TOTAL_SIZE, true),
        (OFF_STRUCTURE, start < structure),
        (SIZE_STRUCTURE, start >= structure),
        (OFF_STRINGS, start < strings),
    ] {
        if follows {
            let value = get(blob, at).unwrap_or_default();
            set(blob, at, value.wrapping_add(change));
        }
    }
}
