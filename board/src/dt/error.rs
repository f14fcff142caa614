//! What can be wrong with a device tree, in two layers.
//!
//! [`Malformed`] is a fault of the format: the bytes are no flattened device tree, and nothing can
//! be read from them. [`Error`] is a fault of the content: the tree is sound, but a node that this
//! kernel relies on says something it cannot mean. Each variant carries the place and the value, so
//! that its text is enough to find the fault with `fdtdump`.

use core::fmt;

use mm::addr::{PhysAddr, PhysRange};

use super::validate::{MAGIC, MAX_DEPTH, MAX_PROPERTY_NAME};

/// A part of the flattened device tree that the header locates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// The header itself.
    Header,
    /// The memory reservation block.
    ReserveMap,
    /// The structure block: the nodes and their properties.
    Structure,
    /// The strings block: the names of the properties.
    Strings,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::ReserveMap => "memory reservation block",
            Self::Structure => "structure block",
            Self::Strings => "strings block",
        })
    }
}

/// Why bytes are not a flattened device tree (Devicetree Specification v0.4, chapter 5).
///
/// Every `offset` counts bytes from the start of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named for what the variant's text says of them")]
pub enum Malformed {
    /// Fewer bytes than a header has.
    NoHeader { len: u64 },
    /// The first word is not the magic number.
    Magic { value: u32 },
    /// Written for a version that this reader does not know.
    Version { version: u32, last_compatible: u32 },
    /// The header's total size is more than there are bytes.
    Truncated { total_size: u32, len: u64 },
    /// A block does not end before the tree does.
    BlockOutside { block: Block, offset: u32, len: u64, total_size: u32 },
    /// A block starts at an offset that its words could not be read at.
    BlockMisaligned { block: Block, offset: u32, align: u32 },
    /// Two blocks share bytes.
    BlocksOverlap { first: Block, second: Block, offset: u64 },
    /// No entry of two zeros ends the memory reservation block.
    ReserveMapOpen { offset: u64 },
    /// The structure block ends inside a token or what belongs to it.
    StructureCut { offset: u64 },
    /// No such token.
    Token { offset: u64, value: u32 },
    /// A node's name is not closed by a NUL within the structure block.
    NodeNameOpen { offset: u64 },
    /// A node's name has a byte that no name may have.
    NodeName { offset: u64, byte: u8 },
    /// A node other than the root has no name.
    NodeNameEmpty { offset: u64 },
    /// The root node has a name.
    RootNamed { offset: u64 },
    /// A second node beside the root.
    SecondRoot { offset: u64 },
    /// Nodes inside nodes beyond [`MAX_DEPTH`].
    TooDeep { offset: u64 },
    /// The end of a node where none is open.
    NodeNotOpen { offset: u64 },
    /// The end of the structure where a node is still open.
    NodeNotClosed { offset: u64, depth: u32 },
    /// No node at all.
    NoRoot { offset: u64 },
    /// A property that stands outside all nodes or after a node's children.
    PropertyPlace { offset: u64 },
    /// A property whose name lies outside the strings block, is not closed there by a NUL, or is
    /// longer than [`MAX_PROPERTY_NAME`].
    PropertyNameOpen { offset: u64, name_offset: u32 },
    /// A property whose name is empty or has a byte that no name may have.
    PropertyName { offset: u64, name_offset: u32 },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoHeader { len } => write!(f, "{len} bytes are too few for a header"),
            Self::Magic { value } => write!(f, "bad magic {value:#010x}, expected {MAGIC:#010x}"),
            Self::Version { version, last_compatible } => write!(
                f,
                "version {version} (compatible down to {last_compatible}) cannot be read, \
                 only 16 and 17 can"
            ),
            Self::Truncated { total_size, len } => {
                write!(f, "truncated: the header says {total_size} bytes, there are {len}")
            }
            Self::BlockOutside { block, offset, len, total_size } => write!(
                f,
                "{block} at offset {offset:#x} with {len:#x} bytes runs past the end at \
                 {total_size:#x}"
            ),
            Self::BlockMisaligned { block, offset, align } => {
                write!(f, "{block} at offset {offset:#x} is not aligned to {align} bytes")
            }
            Self::BlocksOverlap { first, second, offset } => {
                write!(f, "{first} and {second} overlap at offset {offset:#x}")
            }
            Self::ReserveMapOpen { offset } => {
                write!(f, "memory reservation block is not terminated before offset {offset:#x}")
            }
            Self::StructureCut { offset } => {
                write!(f, "structure block ends inside the token at offset {offset:#x}")
            }
            Self::Token { offset, value } => {
                write!(f, "unknown token {value:#x} at offset {offset:#x}")
            }
            Self::NodeNameOpen { offset } => {
                write!(f, "node name of the token at offset {offset:#x} has no end")
            }
            Self::NodeName { offset, byte } => {
                write!(f, "node name of the token at offset {offset:#x} holds byte {byte:#04x}")
            }
            Self::NodeNameEmpty { offset } => {
                write!(f, "node at offset {offset:#x} has an empty name")
            }
            Self::RootNamed { offset } => {
                write!(f, "root node at offset {offset:#x} has a name")
            }
            Self::SecondRoot { offset } => write!(f, "second root node at offset {offset:#x}"),
            Self::TooDeep { offset } => {
                write!(f, "node at offset {offset:#x} is nested deeper than {MAX_DEPTH} levels")
            }
            Self::NodeNotOpen { offset } => {
                write!(f, "end of a node at offset {offset:#x}, where none is open")
            }
            Self::NodeNotClosed { offset, depth } => {
                write!(
                    f,
                    "end of the structure at offset {offset:#x}, where {depth} nodes are open"
                )
            }
            Self::NoRoot { offset } => {
                write!(f, "end of the structure at offset {offset:#x} before any node")
            }
            Self::PropertyPlace { offset } => write!(
                f,
                "property at offset {offset:#x} stands outside a node or after its children"
            ),
            Self::PropertyNameOpen { offset, name_offset } => write!(
                f,
                "property at offset {offset:#x}: no name of at most {MAX_PROPERTY_NAME} bytes at \
                 {name_offset:#x} in the strings block"
            ),
            Self::PropertyName { offset, name_offset } => write!(
                f,
                "property at offset {offset:#x}: bad name at {name_offset:#x} in the strings block"
            ),
        }
    }
}

impl core::error::Error for Malformed {}

/// Why a sound tree does not describe a machine.
///
/// `node` and `property` are the names in the tree; the root's name prints as `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named for what the variant's text says of them")]
pub enum Error<'t> {
    /// No enabled memory node holds a byte.
    NoMemory,
    /// `#address-cells` or `#size-cells` is not a number that a range can be read with.
    Cells { node: &'t str, property: &'static str, value: u32 },
    /// A property that the node must have is not there.
    Missing { node: &'t str, property: &'static str },
    /// A property's length is not what its type needs.
    Length { node: &'t str, property: &'static str, len: u64, expected: &'static str },
    /// A property is a list of entries, and the last one is cut.
    Entries { node: &'t str, property: &'static str, len: u64, entry: u32 },
    /// A property is a list of entries, and has too few of them.
    TooShort { node: &'t str, property: &'static str, len: u64 },
    /// A range runs past the end of 64 bits.
    Wraps { node: &'t str, property: &'static str, start: PhysAddr, len: u64 },
    /// A string is not UTF-8.
    NotUtf8 { node: &'t str, property: &'static str, offset: u64 },
    /// A number that its property cannot mean.
    Value { node: &'t str, property: &'static str, value: u64 },
    /// A word that its property cannot mean.
    Word { node: &'t str, property: &'static str, value: &'t str },
    /// Two memory banks share bytes.
    OverlappingBanks { first: PhysRange, second: PhysRange },
    /// Two CPUs have the same number.
    SameCpu { mpidr: u64 },
    /// More entries out of ascending order than are worth comparing with all others.
    Disorder { what: &'static str, limit: u32 },
    /// The initial RAM disk ends before it starts.
    InitrdReversed { start: PhysAddr, end: PhysAddr },
    /// A reserved region is to be kept out of every mapping and lent out as well.
    NoMapReusable { node: &'t str },
    /// The bus above a device does not pass its addresses on.
    Untranslated { node: &'t str, bus: &'t str, range: PhysRange },
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoMemory => f.write_str("no memory: no enabled memory node holds a byte"),
            Self::Cells { node, property, value } => {
                write!(f, "{}: {property} is {value}, which no range can have", name(node))
            }
            Self::Missing { node, property } => write!(f, "{}: no {property}", name(node)),
            Self::Length { node, property, len, expected } => {
                write!(f, "{}: {property} has {len} bytes, expected {expected}", name(node))
            }
            Self::Entries { node, property, len, entry } => write!(
                f,
                "{}: {property} has {len} bytes, which are no whole entries of {entry}",
                name(node)
            ),
            Self::TooShort { node, property, len } => {
                write!(f, "{}: {property} has too few entries in {len} bytes", name(node))
            }
            Self::Wraps { node, property, start, len } => write!(
                f,
                "{}: {property}: {len:#x} bytes at {start} wrap around the end of 64 bits",
                name(node)
            ),
            Self::NotUtf8 { node, property, offset } => {
                write!(f, "{}: {property} is not UTF-8 at byte {offset}", name(node))
            }
            Self::Value { node, property, value } => {
                write!(f, "{}: {property} cannot be {value:#x}", name(node))
            }
            Self::Word { node, property, value } => {
                write!(f, "{}: {property} cannot be \"{}\"", name(node), value.escape_debug())
            }
            Self::OverlappingBanks { first, second } => {
                write!(f, "memory banks {first} and {second} overlap")
            }
            Self::SameCpu { mpidr } => write!(f, "two CPUs have the number {mpidr:#x}"),
            Self::Disorder { what, limit } => {
                write!(f, "more than {limit} {what} are out of ascending order")
            }
            Self::InitrdReversed { start, end } => {
                write!(f, "chosen: the initrd ends at {end}, before its start at {start}")
            }
            Self::NoMapReusable { node } => {
                write!(f, "{}: both no-map and reusable", name(node))
            }
            Self::Untranslated { node, bus, range } => {
                write!(
                    f,
                    "{}: {range} does not pass through the ranges of {}",
                    name(node),
                    name(bus)
                )
            }
        }
    }
}

impl core::error::Error for Error<'_> {}

fn name(node: &str) -> &str {
    if node.is_empty() { "/" } else { node }
}
