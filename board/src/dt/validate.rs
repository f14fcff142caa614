//! The pass that every tree must survive before anything else looks at it.
//!
//! One loop over the tokens of the structure block, without recursion, in time linear in the size
//! of the tree. What it lets through keeps these promises, and the walk behind it (the `fdt` crate,
//! which panics on trees that break them) relies on each:
//!
//! 1. Header, memory reservation block, structure block and strings block lie inside the total
//!    size, are aligned, and share no byte.
//! 2. The memory reservation block ends with an entry of two zeros.
//! 3. Nodes are balanced, at most [`MAX_DEPTH`] deep; there is one root, and its name is empty.
//! 4. In each node the properties come before the child nodes.
//! 5. Every value, name and token lies inside the structure block; names of nodes and properties
//!    are NUL-terminated printable ASCII without `/`. (A `/` in a property name of `/aliases` would
//!    also let `fdt` follow an alias to itself for ever.)
//! 6. A property name is at most [`MAX_PROPERTY_NAME`] bytes long, so that comparing the names of
//!    all properties, many of which may share one long string, stays linear too.
//!
//! Offsets and sizes are 32 bits in the header; every sum of two of them is made in 64 bits, since
//! the kernel's `usize` has only 32.

use core::ops::Range;

use super::error::{Block, Malformed};

/// The first word of every flattened device tree.
pub const MAGIC: u32 = 0xd00d_feed;
/// Nodes inside nodes that a tree may have, the root included. Walks recurse once for each level,
/// so this bounds their stack; real trees have fewer than ten.
pub const MAX_DEPTH: u32 = 32;
/// Bytes that a property's name may have. The specification says 31, real bindings use up to 50.
pub const MAX_PROPERTY_NAME: usize = 255;

/// Bytes in the header of version 17. Version 16 has four less (no size of the structure block),
/// and leaves them unused, for its next block is aligned to 8.
const HEADER_LEN: u32 = 40;
/// Where the header keeps the size of the structure block.
pub(super) const SIZE_STRUCT_AT: usize = 36;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// The big-endian word at byte `at`.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// The total size in bytes that the header at the start of `head` states, from its first 8 bytes.
///
/// For a caller that must know how much to map before it can pass the whole to
/// [`Tree::parse`](super::Tree::parse). Checks nothing but the magic number.
///
/// # Errors
///
/// [`Malformed::NoHeader`] below 8 bytes, [`Malformed::Magic`].
pub fn total_size(head: &[u8]) -> Result<u32, Malformed> {
    let word = |at| be32(head, at).ok_or(Malformed::NoHeader { len: head.len() as u64 });
    match word(0)? {
        MAGIC => word(4),
        value => Err(Malformed::Magic { value }),
    }
}

/// One token of the structure block, with what belongs to it.
pub(super) enum Token<'b> {
    /// A node begins; its name.
    BeginNode(&'b [u8]),
    EndNode,
    /// A property; where its name lies in the strings block.
    Property {
        name_offset: u32,
    },
    Nop,
    End,
}

impl<'b> Token<'b> {
    /// The token at the start of `rest` and its length in bytes, padding included. `offset` is
    /// where `rest` starts, for errors.
    pub(super) fn read(rest: &'b [u8], offset: u64) -> Result<(Self, usize), Malformed> {
        let cut = Malformed::StructureCut { offset };
        let token = be32(rest, 0).ok_or(cut)?;
        let (token, len) = match token {
            BEGIN_NODE => {
                let name = rest.get(4..).unwrap_or_default();
                let len = name.iter().position(|byte| *byte == 0);
                let len = len.ok_or(Malformed::NodeNameOpen { offset })?;
                (Self::BeginNode(name.get(..len).unwrap_or_default()), 4 + len as u64 + 1)
            }
            END_NODE => (Self::EndNode, 4),
            PROPERTY => {
                let value_len = be32(rest, 4).ok_or(cut)?;
                let name_offset = be32(rest, 8).ok_or(cut)?;
                (Self::Property { name_offset }, 12 + u64::from(value_len))
            }
            NOP => (Self::Nop, 4),
            END => (Self::End, 4),
            value => return Err(Malformed::Token { offset, value }),
        };
        let padded = len.next_multiple_of(4);
        if padded > rest.len() as u64 {
            return Err(cut);
        }
        // Fits: it is no more than a slice's length.
        Ok((token, padded as usize))
    }
}

/// Where the blocks of a valid tree lie, in bytes from the start of its header.
pub(super) struct Valid {
    /// Bytes in the whole tree.
    pub total_size: u32,
    /// The reservations, without the entry of zeros that ends them.
    pub reserve_map: Range<usize>,
    /// From the first token to the end of the block; `END` comes somewhere inside.
    pub structure: Range<usize>,
    /// Does the structure block hold a `NOP` token?
    pub has_nops: bool,
    /// Is the size of the structure block missing from the header (version 16)?
    pub lacks_structure_size: bool,
}

struct Header {
    total_size: u32,
    off_structure: u32,
    off_strings: u32,
    off_reserve_map: u32,
    version: u32,
    size_strings: u32,
    size_structure: u32,
}

impl Header {
    fn read(blob: &[u8]) -> Result<Self, Malformed> {
        let len = blob.len() as u64;
        let word = |at| be32(blob, at).ok_or(Malformed::NoHeader { len });
        let header = Self {
            total_size: total_size(blob)?,
            off_structure: word(8)?,
            off_strings: word(12)?,
            off_reserve_map: word(16)?,
            version: word(20)?,
            size_strings: word(32)?,
            size_structure: word(SIZE_STRUCT_AT)?,
        };
        let last_compatible = word(24)?;
        if header.version < 16 || last_compatible > 17 {
            return Err(Malformed::Version { version: header.version, last_compatible });
        }
        if u64::from(header.total_size) > len {
            return Err(Malformed::Truncated { total_size: header.total_size, len });
        }
        Ok(header)
    }

    /// The bytes of a block, once they are known to be inside the tree and aligned.
    fn block(&self, block: Block, offset: u32, len: u64, align: u32) -> Result<Extent, Malformed> {
        let total_size = self.total_size;
        let end = u64::from(offset) + len;
        if end > u64::from(total_size) {
            return Err(Malformed::BlockOutside { block, offset, len, total_size });
        }
        if !offset.is_multiple_of(align) {
            return Err(Malformed::BlockMisaligned { block, offset, align });
        }
        Ok(Extent { block, start: offset.into(), end })
    }
}

struct Extent {
    block: Block,
    start: u64,
    end: u64,
}

impl Extent {
    /// As a slice's range: it lies inside a slice, so both ends fit.
    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Holds `blob` against the six promises of this module.
pub(super) fn validate(blob: &[u8]) -> Result<Valid, Malformed> {
    let header = Header::read(blob)?;
    let size_strings = header.size_strings.into();
    let strings = header.block(Block::Strings, header.off_strings, size_strings, 1)?;
    let reserve_map = reserve_map(&header, blob)?;

    let rest_of_tree = u64::from(header.total_size.saturating_sub(header.off_structure));
    let lacks_structure_size = header.version < 17;
    let size = if lacks_structure_size { rest_of_tree } else { header.size_structure.into() };
    let mut structure = header.block(Block::Structure, header.off_structure, size, 4)?;
    let tokens = blob.get(structure.range()).unwrap_or_default();
    let names = blob.get(strings.range()).unwrap_or_default();
    let (used, has_nops) = structure_block(tokens, structure.start, names)?;
    if lacks_structure_size {
        structure.end = structure.start + used;
    }

    let head = Extent { block: Block::Header, start: 0, end: HEADER_LEN.into() };
    let blocks = [head, reserve_map, structure, strings];
    for (i, first) in blocks.iter().enumerate() {
        for second in blocks.iter().skip(i + 1) {
            let offset = first.start.max(second.start);
            if offset < first.end.min(second.end) {
                let (first, second) = (first.block, second.block);
                return Err(Malformed::BlocksOverlap { first, second, offset });
            }
        }
    }
    let [_, reserve_map, structure, _] = blocks;
    Ok(Valid {
        total_size: header.total_size,
        reserve_map: reserve_map.range(),
        structure: structure.range(),
        has_nops,
        lacks_structure_size,
    })
}

/// Finds the end of the memory reservation block, which no length in the header tells.
fn reserve_map(header: &Header, blob: &[u8]) -> Result<Extent, Malformed> {
    let mut extent = header.block(Block::ReserveMap, header.off_reserve_map, 0, 8)?;
    let whole =
        Extent { block: Block::ReserveMap, start: extent.start, end: header.total_size.into() };
    let entries = blob.get(whole.range()).unwrap_or_default().chunks_exact(16);
    for entry in entries {
        extent.end += 16;
        if entry.iter().all(|byte| *byte == 0) {
            return Ok(extent);
        }
    }
    Err(Malformed::ReserveMapOpen { offset: whole.end })
}

/// Checks the tokens of the structure block, which starts at `base`. Gives the bytes up to and with
/// the end token, and whether there was a `NOP`.
fn structure_block(tokens: &[u8], base: u64, names: &[u8]) -> Result<(u64, bool), Malformed> {
    let mut rest = tokens;
    let mut depth = 0;
    let mut seen_root = false;
    let mut has_nops = false;
    // Properties may come from the begin of a node until its first child has begun.
    let mut properties_allowed = false;
    loop {
        let used = (tokens.len() - rest.len()) as u64;
        let offset = base + used;
        let (token, len) = Token::read(rest, offset)?;
        match token {
            Token::BeginNode(name) => {
                if depth == 0 {
                    if seen_root {
                        return Err(Malformed::SecondRoot { offset });
                    }
                    if !name.is_empty() {
                        return Err(Malformed::RootNamed { offset });
                    }
                    seen_root = true;
                } else if name.is_empty() {
                    return Err(Malformed::NodeNameEmpty { offset });
                }
                if let Some(byte) = name.iter().find(|byte| !is_name_byte(**byte)) {
                    return Err(Malformed::NodeName { offset, byte: *byte });
                }
                if depth == MAX_DEPTH {
                    return Err(Malformed::TooDeep { offset });
                }
                depth += 1;
                properties_allowed = true;
            }
            Token::EndNode => {
                if depth == 0 {
                    return Err(Malformed::NodeNotOpen { offset });
                }
                depth -= 1;
                properties_allowed = false;
            }
            Token::Property { name_offset } => {
                if !properties_allowed {
                    return Err(Malformed::PropertyPlace { offset });
                }
                property_name(names, offset, name_offset)?;
            }
            Token::Nop => has_nops = true,
            Token::End => {
                return match (depth, seen_root) {
                    (0, true) => Ok((used + len as u64, has_nops)),
                    (0, false) => Err(Malformed::NoRoot { offset }),
                    _ => Err(Malformed::NodeNotClosed { offset, depth }),
                };
            }
        }
        rest = rest.get(len..).unwrap_or_default();
    }
}

fn property_name(names: &[u8], offset: u64, name_offset: u32) -> Result<(), Malformed> {
    // An offset past `usize` is past the block as well.
    let tail = usize::try_from(name_offset).ok().and_then(|at| names.get(at..)).unwrap_or_default();
    let window = tail.get(..=MAX_PROPERTY_NAME).unwrap_or(tail);
    let len = window.iter().position(|byte| *byte == 0);
    let len = len.ok_or(Malformed::PropertyNameOpen { offset, name_offset })?;
    if len == 0 || !window.iter().take(len).all(|byte| is_name_byte(*byte)) {
        return Err(Malformed::PropertyName { offset, name_offset });
    }
    Ok(())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'/'
}

#[cfg(test)]
mod tests;
