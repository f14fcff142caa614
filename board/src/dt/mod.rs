//! Reading a flattened device tree that nobody vouches for.
//!
//! [`Tree::parse`] holds the bytes against the format (`validate`), squeezes out `NOP` tokens and
//! opens the tree with the `fdt` crate, of which only the walk is used: the root by
//! `find_node("/")`, a node's `name`, `children` and `property`. The values of properties are decoded
//! here, in 64 bits (`cells`), because `fdt` cuts addresses to `usize`.
//!
//! The other modules each read one thing from the tree: memory banks and reservations, `/chosen`,
//! CPUs, the console UART, the interrupt controller, the timer, PSCI, and virtio transports with what their
//! devices see of memory.
//! [`Machine`](crate::Machine) gathers them.

mod cells;
mod chosen;
mod console;
mod cpus;
mod dma;
mod error;
mod gic;
mod memory;
mod node;
mod nop;
mod place;
mod psci;
mod reserved;
mod timer;
mod validate;
mod virtio;
mod windows;

#[cfg(test)]
pub(crate) mod blob;
#[cfg(test)]
mod work;

use fdt::Fdt;

pub use cells::RangeList;
pub use chosen::Chosen;
pub use console::{Console, ConsoleChoice, Uart};
pub use cpus::Cpu;
pub use dma::DmaView;
pub use error::{Block, Error, Malformed};
pub use gic::{Gic, Interrupt, InterruptKind, Trigger};
pub use node::Status;
pub use psci::{Conduit, Functions, Psci};
pub use reserved::{Placement, ReservedRegion};
pub use timer::Timer;
pub use validate::{MAGIC, MAX_DEPTH, MAX_PROPERTY_NAME, total_size};
pub use virtio::VirtioMmio;
pub use windows::Window;

pub(crate) use chosen::chosen;
pub(crate) use console::console;
pub(crate) use cpus::{check_cpus, cpu_compatible, cpus};
pub(crate) use gic::gic;
pub(crate) use memory::{banks, check_banks, check_memreserve, memreserve};
pub(crate) use psci::psci;
pub(crate) use reserved::{check_reserved_regions, reserved_regions};
pub(crate) use timer::timer;
pub(crate) use virtio::virtio;
pub(crate) use windows::windows;

use node::Node;
use place::Place;

/// A device tree whose format has been proved sound.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'t> {
    fdt: Fdt<'t>,
    reserve_map: &'t [u8],
    total_size: u32,
}

impl<'t> Tree<'t> {
    /// Opens the tree at the start of `blob`, which may be longer than the tree and need not be
    /// aligned.
    ///
    /// The bytes are written to only if the tree has `NOP` tokens, which are squeezed out in place,
    /// or is of version 16, whose header lacks a word that is then filled in. Any other tree may
    /// lie in memory that is mapped read-only.
    ///
    /// Time is linear in the size of the tree; no recursion. Parse with the caches on: byte by byte
    /// through uncached memory is slow, and real hardware faults on the compiler's unaligned loads
    /// while the MMU is off.
    ///
    /// # Errors
    ///
    /// What is wrong with the format, and where.
    pub fn parse(blob: &'t mut [u8]) -> Result<Self, Malformed> {
        let valid = validate::validate(blob)?;
        if valid.has_nops || valid.lacks_structure_size {
            let structure = blob.get_mut(valid.structure).unwrap_or_default();
            // No more than before, which came from 32 bits.
            let size = nop::squeeze(structure) as u32;
            let word = blob.get_mut(validate::SIZE_STRUCT_AT..).and_then(<[u8]>::first_chunk_mut);
            if let Some(word) = word {
                *word = size.to_be_bytes();
            }
        }
        let blob: &'t [u8] = blob;
        let whole = blob.get(..valid.total_size as usize).unwrap_or_default();
        // `fdt` can only repeat the two checks of length and magic that have been made.
        let fdt = Fdt::new(whole).map_err(|_| Malformed::NoHeader { len: whole.len() as u64 })?;
        let reserve_map = whole.get(valid.reserve_map).unwrap_or_default();
        Ok(Self { fdt, reserve_map, total_size: valid.total_size })
    }

    /// Bytes in the tree, from its first; what has to be kept from being given out.
    #[must_use]
    pub fn total_size(&self) -> u32 {
        self.total_size
    }

    /// The board's name: `model` of the root, or the first `compatible` where that is missing.
    pub(crate) fn model(&self) -> Result<Option<&'t str>, Error<'t>> {
        let Some(root) = self.root() else {
            return Ok(None);
        };
        Ok(root.string("model")?.or(root.string("compatible")?))
    }

    /// The root. A tree that was parsed has one; `Option` only because `fdt` says so.
    fn root(&self) -> Option<Node<'_, 't>> {
        self.fdt.find_node("/").map(Node::new)
    }

    /// The root's first child of this name, a unit address left aside.
    fn below_root(&self, name: &str) -> Option<Node<'_, 't>> {
        self.root()?.children().find(|node| node.base_name() == name)
    }

    /// Calls `visit` for every enabled node in depth-first order until it gives an answer. Does not
    /// enter nodes whose status says that they are not to be used.
    fn search<R>(&self, visit: &mut dyn FnMut(&Place<'_, 't>) -> Option<R>) -> Option<R> {
        Place::root(self.root()?).search(visit)
    }
}
