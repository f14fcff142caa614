//! The classes that a byte of RAM can be in: usable, reserved, not mapped, or lost.
//!
//! Names are for tables and, as keys, for programs; keys stay what they are.

use crate::zone::ZoneKind;

/// What became of a byte of RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class<'a> {
    /// Free when boot ended: the page allocator's, in this zone.
    Usable(ZoneKind),
    /// In use since boot.
    Reserved {
        /// By whom.
        owner: Owner,
        /// The owner's name in the device tree, where it has one.
        name: Option<&'a str>,
    },
    /// RAM that the kernel must not map, with the name of who wants it so, if it is known.
    NoMap(Option<&'a str>),
    /// RAM that the kernel does not use.
    Lost(Lost),
}

/// Why RAM of the device tree is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The linear map begins at `PHYS_OFFSET`, the start of the bank that the kernel is in.
    BelowPhysOffset,
    /// Short descriptors reach 4 GiB.
    Above4G,
    /// At the border of its bank, with no whole page around it.
    PartialPage,
    /// `mem=` does not name it.
    LeftOut,
    /// Above lowmem, in a kernel without HighMem.
    NoHighMem,
    /// Below an end of lowmem that lies inside a page, in a kernel without HighMem.
    LimitPage,
}

impl Lost {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All reasons, in the order of tables.
    pub const ALL: [Self; 6] = [
        Self::BelowPhysOffset,
        Self::Above4G,
        Self::PartialPage,
        Self::LeftOut,
        Self::NoHighMem,
        Self::LimitPage,
    ];

    /// A few words for a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Above4G => "lost: above 4 GiB",
            Self::BelowPhysOffset => "lost: below PHYS_OFFSET",
            Self::PartialPage => "lost: not a whole page",
            Self::LeftOut => "lost: left out by mem=",
            Self::NoHighMem => "lost: no HighMem",
            Self::LimitPage => "lost: page at the limit",
        }
    }

    /// The key in a JSON object.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Above4G => "above_4g",
            Self::BelowPhysOffset => "below_phys_offset",
            Self::PartialPage => "partial_page",
            Self::LeftOut => "left_out_by_mem",
            Self::NoHighMem => "no_highmem",
            Self::LimitPage => "limit_page",
        }
    }
}

/// Who holds reserved memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The kernel's code.
    KernelText,
    /// The kernel's constants.
    KernelRodata,
    /// Code that only boot needs.
    KernelInit,
    /// The kernel's variables.
    KernelData,
    /// The kernel's variables that start as zero.
    KernelBss,
    /// The rest of the image: between its sections.
    KernelPadding,
    /// The device tree.
    DeviceTree,
    /// The initial RAM disk.
    Initrd,
    /// An entry of the tree's memory reservation block, `/memreserve/`.
    MemReserve,
    /// A child of `/reserved-memory`.
    ReservedMemory,
    /// The kernel's page tables.
    PageTables,
    /// The pages of the exception vectors and their stubs.
    Vectors,
    /// The array of page descriptors, and those beside it: a byte for each page block, and with
    /// `page_owner=1` a word for each page.
    PageArray,
    /// Memblock's own lists.
    MemblockLists,
    /// Nobody that was named: allocated during boot.
    BootAllocation,
    /// Nobody; but somebody has a part of the same page.
    PageRest,
}

impl Owner {
    /// How many owners there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All owners, in the order of tables.
    pub const ALL: [Self; 16] = [
        Self::KernelText,
        Self::KernelRodata,
        Self::KernelInit,
        Self::KernelData,
        Self::KernelBss,
        Self::KernelPadding,
        Self::DeviceTree,
        Self::Initrd,
        Self::MemReserve,
        Self::ReservedMemory,
        Self::PageTables,
        Self::Vectors,
        Self::PageArray,
        Self::MemblockLists,
        Self::BootAllocation,
        Self::PageRest,
    ];

    /// A few words for a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KernelText => "kernel code",
            Self::KernelRodata => "kernel rodata",
            Self::KernelInit => "kernel init",
            Self::KernelData => "kernel data",
            Self::KernelBss => "kernel bss",
            Self::KernelPadding => "kernel padding",
            Self::DeviceTree => "device tree",
            Self::Initrd => "initrd",
            Self::MemReserve => "/memreserve/",
            Self::ReservedMemory => "/reserved-memory",
            Self::PageTables => "page tables",
            Self::Vectors => "vector pages",
            Self::PageArray => "page array",
            Self::MemblockLists => "memblock's lists",
            Self::BootAllocation => "boot allocations",
            Self::PageRest => "rest of their pages",
        }
    }

    /// The key in a JSON object.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::KernelText => "kernel_text",
            Self::KernelRodata => "kernel_rodata",
            Self::KernelInit => "kernel_init",
            Self::KernelData => "kernel_data",
            Self::KernelBss => "kernel_bss",
            Self::KernelPadding => "kernel_padding",
            Self::DeviceTree => "device_tree",
            Self::Initrd => "initrd",
            Self::MemReserve => "memreserve",
            Self::ReservedMemory => "reserved_memory",
            Self::PageTables => "page_tables",
            Self::Vectors => "vectors",
            Self::PageArray => "page_array",
            Self::MemblockLists => "memblock_lists",
            Self::BootAllocation => "boot_allocations",
            Self::PageRest => "page_rest",
        }
    }

    /// Is this one of two or more that the device tree names, and that are listed one by one?
    #[must_use]
    pub const fn is_of_tree(self) -> bool {
        matches!(self, Self::MemReserve | Self::ReservedMemory)
    }
}

// Tables of sums are indexed by the discriminant.
const _: () = {
    let mut index = 0;
    while index < Owner::COUNT {
        assert!(Owner::ALL[index] as usize == index);
        assert!(index >= Lost::COUNT || Lost::ALL[index] as usize == index);
        index += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_and_keys_are_distinct() {
        let names: HashSet<_> =
            Owner::ALL.iter().map(|o| o.name()).chain(Lost::ALL.iter().map(|l| l.name())).collect();
        let keys: HashSet<_> =
            Owner::ALL.iter().map(|o| o.key()).chain(Lost::ALL.iter().map(|l| l.key())).collect();
        assert_eq!((names.len(), keys.len()), (22, 22));
    }
}
