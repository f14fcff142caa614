//! The `memblock=debug` dump: both lists of memblock, region by region, as Linux prints them.
//!
//! Ends are inclusive, numbers are hexadecimal, and a tab stands after the index:
//!
//! ```text
//! MEMBLOCK configuration:
//!  memory size = 0x40000000 reserved size = 0x00001000
//!  memory.cnt  = 0x1
//!  memory[0x0]    [0x40000000-0x7fffffff], 0x40000000 bytes flags: 0x0
//! ```

use core::fmt;

use crate::addr::PhysAddr;
use crate::boot::memblock::{ListKind, Memblock, RegionList};

/// Displays a [`Memblock`] as `memblock=debug` does; every line ends with a newline.
pub struct MemblockDump<'a, 's>(pub &'a Memblock<'s>);

impl fmt::Display for MemblockDump<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(memblock) = self;
        // Linux prints sizes in the form of addresses: eight digits at least.
        let memory_size = PhysAddr::new(memblock.phys_mem_size());
        let reserved_size = PhysAddr::new(memblock.reserved_size());
        writeln!(f, "MEMBLOCK configuration:")?;
        writeln!(f, " memory size = {memory_size} reserved size = {reserved_size}")?;
        write_list(f, ListKind::Memory, memblock.memory())?;
        write_list(f, ListKind::Reserved, memblock.reserved())
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, kind: ListKind, list: &RegionList<'_>) -> fmt::Result {
    writeln!(f, " {kind}.cnt  = {:#x}", list.regions().len())?;
    for (index, region) in list.regions().iter().enumerate() {
        let (range, size) = (region.range, PhysAddr::new(region.range.len()));
        let flags = region.flags.bits();
        writeln!(f, " {kind}[{index:#x}]\t{range}, {size} bytes flags: {flags:#x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PhysRange;
    use crate::boot::memblock::{Flags, Region};

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
    }

    #[test]
    fn dump_has_the_form_of_linux() {
        let (mut memory, mut reserved) = ([Region::EMPTY; 4], [Region::EMPTY; 4]);
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        memblock.add(range(0x4000_0000, 0x8000_0000), Flags::empty()).unwrap();
        memblock.add(range(0x1_0000_0000, 0x1_1000_0000), Flags::empty()).unwrap();
        memblock.mark_nomap(range(0x7ff0_0000, 0x8000_0000)).unwrap();
        memblock.reserve(range(0x4020_0000, 0x4020_1000)).unwrap();
        assert_eq!(
            MemblockDump(&memblock).to_string(),
            "MEMBLOCK configuration:\n \
             memory size = 0x50000000 reserved size = 0x00001000\n \
             memory.cnt  = 0x3\n \
             memory[0x0]\t[0x40000000-0x7fefffff], 0x3ff00000 bytes flags: 0x0\n \
             memory[0x1]\t[0x7ff00000-0x7fffffff], 0x00100000 bytes flags: 0x4\n \
             memory[0x2]\t[0x100000000-0x10fffffff], 0x10000000 bytes flags: 0x0\n \
             reserved.cnt  = 0x1\n \
             reserved[0x0]\t[0x40200000-0x40200fff], 0x00001000 bytes flags: 0x0\n"
        );
    }

    #[test]
    fn dump_of_an_empty_machine() {
        assert_eq!(
            MemblockDump(&Memblock::new(&mut [], &mut [])).to_string(),
            "MEMBLOCK configuration:\n \
             memory size = 0x00000000 reserved size = 0x00000000\n \
             memory.cnt  = 0x0\n \
             reserved.cnt  = 0x0\n"
        );
    }
}
