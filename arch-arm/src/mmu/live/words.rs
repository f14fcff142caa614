//! The words that the live tables are made of, by what they mean, as constants.
//!
//! The paths that are counted in instructions use these instead of encoding: the low bits of a leaf for each
//! [`Prot`], of which there are twelve. Everything else decodes and encodes with [`super::super::descriptor`], whose
//! words these are: a test holds them against each other.
//!
//! ```text
//! valid   frame 31:12 │ attributes 11:2 │ 1 XN      small page
//! dead    frame 31:12 │ attributes 11:2 │ 0 0       a fault that names its frame; never 0, since AP[0] is set
//! fault   0
//! ```

use mm::map::{MemoryType as Memory, Prot, Rights};

use super::super::attributes::{Access, Attributes, Domain, Execute, LeafAttributes, MemoryType};

/// Type bits of a first-level word that leads to a table, and of any word that maps nothing.
pub(super) const TYPE: u32 = 0b11;
pub(super) const TABLE: u32 = 0b01;
pub(super) const FAULT: u32 = 0;
/// Set in a small page, and in no other second-level word.
pub(super) const SMALL_PAGE: u32 = 0b10;

/// Set in a small page that may not be executed.
pub(super) const NEVER_EXECUTE: u32 = 0b01;

/// A mebibyte's first-level word when its table lies at `table`: in the kernel's domain.
#[inline(always)]
pub(super) const fn table_word(table: u32) -> u32 {
    table | TABLE
}

/// Where the table lies that a first-level word leads to.
#[inline(always)]
pub(super) const fn table_of(word: u32) -> u32 {
    word & !0x3ff
}

// The domain in a table's word is bits 8:5.
const _: () = assert!(Domain::KERNEL.as_u8() == 0);

/// What a valid entry becomes that is retired. A fault entry stays what it is.
#[inline(always)]
pub(super) const fn dead(word: u32) -> u32 {
    word & !TYPE
}

/// Is it an entry that was retired: a fault, and not 0?
#[inline(always)]
pub(super) const fn is_dead(word: u32) -> bool {
    // With the type bits on top, that is 1 to 2^30 - 1: one comparison.
    word.rotate_right(2).wrapping_sub(1) < 0x3fff_ffff
}

/// How an architecture-independent meaning is mapped.
pub(super) const fn attributes(prot: Prot) -> Attributes {
    let memory_type = match prot.memory {
        Memory::WriteBack => MemoryType::WriteAllocate,
        Memory::WriteCombine => MemoryType::NormalNonCacheable,
        Memory::Device => MemoryType::Device,
        Memory::StronglyOrdered => MemoryType::StronglyOrdered,
    };
    let access = match prot.rights {
        Rights::ReadWrite => Access::KernelReadWrite,
        Rights::Read | Rights::ReadExecute => Access::KernelRead,
    };
    // A speculative fetch would read a device, so there is no executing from one.
    let execute = match (prot.rights, prot.memory) {
        (Rights::ReadExecute, Memory::WriteBack | Memory::WriteCombine) => Execute::Allowed,
        _ => Execute::Never,
    };
    Attributes {
        leaf: LeafAttributes { memory_type, access, execute, shareable: true, global: true },
        domain: Domain::KERNEL,
    }
}

/// The reverse of [`attributes`]; `None` for what has no name there. What devices may not be is not asked for:
/// a device that is read reads back as [`Rights::Read`].
pub(super) fn prot_of(leaf: LeafAttributes) -> Option<Prot> {
    let memory = match leaf.memory_type {
        MemoryType::WriteAllocate => Memory::WriteBack,
        MemoryType::NormalNonCacheable => Memory::WriteCombine,
        MemoryType::Device => Memory::Device,
        MemoryType::StronglyOrdered => Memory::StronglyOrdered,
        _ => return None,
    };
    let rights = match (leaf.access, leaf.execute) {
        (Access::KernelReadWrite, Execute::Never) => Rights::ReadWrite,
        (Access::KernelRead, Execute::Never) => Rights::Read,
        (Access::KernelRead, Execute::Allowed) => Rights::ReadExecute,
        _ => return None,
    };
    let prot = Prot { memory, rights };
    (attributes(prot).leaf == leaf).then_some(prot)
}

/// Bits of a small page that differ from one [`Prot`] to another: TEX\[0\], C and B, AP\[2\], XN.
const VARYING: u32 = 1 << 6 | 1 << 3 | 1 << 2 | 1 << 9 | 1;

/// The five bits of [`VARYING`] as a number.
const fn variant(word: u32) -> usize {
    (word >> 2 & 0b11 | word >> 4 & 0b100 | word >> 6 & 0b1000 | (word & 1) << 4) as usize
}

/// What a small page with these low bits means; `None` for what has no name.
#[inline(always)]
pub(super) const fn prot_of_page(word: u32) -> Option<Prot> {
    const FIXED: u32 = 0xfff & !VARYING;
    const PROTS: [Option<Prot>; 32] = {
        let mut prots = [None; 32];
        let mut rights = RIGHTS.len();
        // Backwards: of two that are the same words, the first is the name.
        while rights > 0 {
            rights -= 1;
            let mut memory = 0;
            while memory < MEMORY.len() {
                let prot = Prot { memory: MEMORY[memory], rights: RIGHTS[rights] };
                let word = page_bits(prot);
                assert!(word & FIXED == page_bits(Prot::KERNEL) & FIXED);
                prots[variant(word)] = Some(prot);
                memory += 1;
            }
        }
        prots
    };
    if word & FIXED == page_bits(Prot::KERNEL) & FIXED { PROTS[variant(word)] } else { None }
}

const MEMORY: [Memory; 4] =
    [Memory::WriteBack, Memory::WriteCombine, Memory::Device, Memory::StronglyOrdered];
const RIGHTS: [Rights; 3] = [Rights::ReadWrite, Rights::Read, Rights::ReadExecute];

/// For each memory type and each right: the low bits of a small page, and of a section.
const BITS: [[(u32, u32); 3]; 4] = {
    let mut bits = [[(0, 0); 3]; 4];
    let mut memory = 0;
    while memory < 4 {
        let mut rights = 0;
        while rights < 3 {
            let prot = Prot { memory: MEMORY[memory], rights: RIGHTS[rights] };
            let row = &mut bits[MEMORY[memory] as usize][RIGHTS[rights] as usize];
            *row = (attributes(prot).small_page_bits(), attributes(prot).section_bits());
            // A dead entry of frame 0 must not look like none.
            assert!(dead(row.0) != 0);
            rights += 1;
        }
        memory += 1;
    }
    bits
};

/// Bits 11:0 of a small page.
#[inline(always)]
pub(super) const fn page_bits(prot: Prot) -> u32 {
    BITS[prot.memory as usize][prot.rights as usize].0
}

/// Bits 19:0 of a section in the kernel's domain.
#[inline(always)]
pub(super) const fn section_bits(prot: Prot) -> u32 {
    BITS[prot.memory as usize][prot.rights as usize].1
}

/// What makes a supersection of a section's word, whose domain is 0.
pub(super) const SUPERSECTION: u32 = 1 << 18;

#[cfg(test)]
mod tests {
    use super::super::super::descriptor::{L1Entry, L2Entry};
    use super::*;
    use mm::addr::PhysAddr;

    fn all() -> impl Iterator<Item = Prot> {
        MEMORY.into_iter().flat_map(|memory| RIGHTS.map(|rights| Prot { memory, rights }))
    }

    #[test]
    fn every_word_decodes_to_what_it_was_asked_for() {
        for prot in all() {
            let Attributes { leaf, domain } = attributes(prot);
            assert_eq!(attributes(prot).check(), Ok(()), "{prot}");
            let page = L2Entry::decode(0x4123_4000 | page_bits(prot));
            assert!(
                matches!(page, L2Entry::SmallPage { base, leaf: l, .. }
                    if l == leaf && base.address() == PhysAddr::new(0x4123_4000)),
                "{prot}: {page:?}"
            );
            let section = L1Entry::decode(0x4120_0000 | section_bits(prot));
            assert!(
                matches!(section, L1Entry::Section { base, leaf: l, domain: d, .. }
                    if l == leaf && d == domain && base.address() == PhysAddr::new(0x4120_0000)),
                "{prot}: {section:?}"
            );
            let large = L1Entry::decode(0x4100_0000 | section_bits(prot) | SUPERSECTION);
            assert!(
                matches!(large, L1Entry::Supersection { base, leaf: l, .. }
                    if l == leaf && base.address() == PhysAddr::new(0x4100_0000)),
                "{prot}: {large:?}"
            );
        }
    }

    #[test]
    fn what_was_asked_for_reads_back() {
        for prot in all() {
            let device = matches!(prot.memory, Memory::Device | Memory::StronglyOrdered);
            let expected = match prot.rights {
                Rights::ReadExecute if device => Rights::Read,
                rights => rights,
            };
            let expected = Prot { rights: expected, ..prot };
            assert_eq!(prot_of(attributes(prot).leaf), Some(expected));
        }
        for word in (0..0x1000).filter(|word| word & 2 != 0) {
            let L2Entry::SmallPage { leaf, software, .. } = L2Entry::decode(word) else { panic!() };
            let expected = prot_of(leaf).filter(|_| software.as_u8() == 0);
            assert_eq!(prot_of_page(word), expected, "{word:#x}");
        }
        assert_eq!(prot_of(Attributes::VECTORS.leaf), None);
        assert_eq!(prot_of(Attributes::KERNEL_RWX.leaf), None);
        let local = LeafAttributes { global: false, ..Attributes::KERNEL_DATA.leaf };
        assert_eq!(prot_of(local), None);
    }

    #[test]
    fn the_linear_map_is_what_prot_calls_it() {
        assert_eq!(attributes(Prot::KERNEL), Attributes::KERNEL_DATA);
        assert_eq!(attributes(Prot::KERNEL_RO), Attributes::KERNEL_RODATA);
        assert_eq!(attributes(Prot::KERNEL_ROX), Attributes::KERNEL_TEXT);
        assert_eq!(attributes(Prot::DEVICE), Attributes::DEVICE);
        assert_eq!(attributes(Prot::WRITE_COMBINE), Attributes::DMA_COHERENT);
        assert_eq!(section_bits(Prot::KERNEL), 0x1141e);
        assert_eq!(page_bits(Prot::KERNEL), 0x45f);
    }

    #[test]
    fn a_dead_entry_is_a_fault_that_names_its_frame() {
        for prot in all() {
            for frame in [0, 0xffff_f000] {
                let word = dead(frame | page_bits(prot));
                assert_eq!(L2Entry::decode(word), L2Entry::Fault);
                assert_ne!(word, FAULT);
                assert_eq!(word & 0xffff_f000, frame);
                assert_eq!(dead(word), word);
                assert!(is_dead(word) && !is_dead(frame | page_bits(prot)));
            }
        }
        assert!(is_dead(4) && is_dead(0xffff_fffc));
        assert!(!is_dead(FAULT) && !is_dead(5) && !is_dead(0xffff_ffff));
        assert_eq!(dead(FAULT), FAULT);
    }
}
