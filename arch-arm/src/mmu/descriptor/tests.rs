//! Descriptors against a decoder that shares nothing with the one under test, exhaustively, and
//! against words that Linux uses.

use super::super::attributes::Attributes;
use super::*;

/// The manual's figures as text, bit 31 first. A letter names a field, whose value is its bits
/// read from the left; `0` and `1` must be so; `.` is ignored or should be zero.
///
/// P address, Q PA\[35:32\], R PA\[39:36\], D domain, T TEX, A AP\[2\] then AP\[1:0\], X XN, V PXN,
/// N NS, G nG, S, C, B, I implementation defined.
const L1_FIGURES: [(&str, &str); 4] = [
    ("fault", "..............................00"),
    ("table", "PPPPPPPPPPPPPPPPPPPPPPIDDDD.NV01"),
    ("section", "PPPPPPPPPPPPN0GSATTTAAIDDDDXCB1V"),
    ("supersection", "PPPPPPPPQQQQN1GSATTTAAIRRRRXCB1V"),
];
const L2_FIGURES: [(&str, &str); 3] = [
    ("fault", "..............................00"),
    ("large page", "PPPPPPPPPPPPPPPPXTTTGSA...AACB01"),
    ("small page", "PPPPPPPPPPPPPPPPPPPPGSATTTAACB1X"),
];

/// A figure prepared for speed: the literal bits, and for each letter the bit numbers it covers.
struct Figure {
    name: &'static str,
    literal_mask: u32,
    literal: u32,
    dropped: u32,
    fields: Vec<(char, Vec<u32>)>,
}

impl Figure {
    fn new((name, picture): (&'static str, &str)) -> Self {
        assert_eq!(picture.len(), 32);
        let mut figure = Self { name, literal_mask: 0, literal: 0, dropped: 0, fields: Vec::new() };
        for (letter, number) in picture.chars().zip((0..32).rev()) {
            match letter {
                '0' | '1' => {
                    figure.literal_mask |= 1 << number;
                    figure.literal |= u32::from(letter == '1') << number;
                }
                '.' => figure.dropped |= 1 << number,
                _ => match figure.fields.iter_mut().find(|(name, _)| *name == letter) {
                    Some((_, numbers)) => numbers.push(number),
                    None => figure.fields.push((letter, vec![number])),
                },
            }
        }
        figure
    }

    fn matches(&self, word: u32) -> bool {
        word & self.literal_mask == self.literal
    }

    fn field(&self, word: u32, letter: char) -> u32 {
        let (_, numbers) = self.fields.iter().find(|(name, _)| *name == letter).unwrap();
        numbers.iter().fold(0, |value, number| value * 2 + (word >> number) % 2)
    }

    /// The only figure of `figures` that `word` matches.
    fn of(figures: &[Self], word: u32) -> &Self {
        let mut found = figures.iter().filter(|figure| figure.matches(word));
        let figure = found.next().unwrap();
        assert!(found.next().is_none(), "{word:#010x} matches two figures");
        figure
    }

    fn assert_leaf(&self, word: u32, leaf: LeafAttributes, software: SoftwareBits) {
        let tex = self.field(word, 'T');
        let index = tex % 2 * 4 + self.field(word, 'C') * 2 + self.field(word, 'B');
        assert_eq!(leaf.memory_type as u32, index, "{word:#010x}");
        assert_eq!(u32::from(software.as_u8()), tex / 2, "{word:#010x}");
        assert_eq!(leaf.access as u32, self.field(word, 'A'), "{word:#010x}");
        assert_eq!(leaf.execute == Execute::Never, self.field(word, 'X') == 1, "{word:#010x}");
        assert_eq!(leaf.shareable, self.field(word, 'S') == 1, "{word:#010x}");
        assert_eq!(leaf.global, self.field(word, 'G') == 0, "{word:#010x}");
    }

    fn assert_first_level(&self, word: u32, bits: FirstLevelBits) {
        assert_eq!(bits.pxn, self.field(word, 'V') == 1, "{word:#010x}");
        assert_eq!(bits.non_secure, self.field(word, 'N') == 1, "{word:#010x}");
        assert_eq!(bits.implementation_defined, self.field(word, 'I') == 1, "{word:#010x}");
    }
}

fn assert_address(word: u32, address: PhysAddr, expected: u64) {
    assert_eq!(address.as_u64(), expected, "{word:#010x}");
}

/// The upper bits under test; for each, every pattern of the lower ones.
const L1_BASES: [u32; 4] = [0x0000_0000, 0x4000_0000, 0xa5a0_0000, 0xfff0_0000];
const L2_BASES: [u32; 5] = [0x0000_0000, 0x4000_0000, 0x8001_0000, 0xa5a5_0000, 0xffff_0000];

fn every_l1_word() -> impl Iterator<Item = u32> {
    L1_BASES.into_iter().flat_map(|base| (0..1 << 20).map(move |low| base | low))
}

/// 2¹⁶ patterns each: the XN and TEX bits of a large page lie above bit 11.
fn every_l2_word() -> impl Iterator<Item = u32> {
    L2_BASES.into_iter().flat_map(|base| (0..1 << 16).map(move |low| base | low))
}

#[test]
fn every_first_level_word_decodes_as_the_figures_say_and_encodes_back() {
    let figures = L1_FIGURES.map(Figure::new);
    for word in every_l1_word() {
        let figure = Figure::of(&figures, word);
        let entry = L1Entry::decode(word);
        let name = match entry {
            L1Entry::Fault => "fault",
            L1Entry::Table { base, domain, bits } => {
                assert_address(word, base.address(), u64::from(figure.field(word, 'P')) << 10);
                assert_eq!(u32::from(domain.as_u8()), figure.field(word, 'D'), "{word:#010x}");
                figure.assert_first_level(word, bits);
                "table"
            }
            L1Entry::Section { base, leaf, domain, bits, software } => {
                assert_address(word, base.address(), u64::from(figure.field(word, 'P')) << 20);
                assert_eq!(u32::from(domain.as_u8()), figure.field(word, 'D'), "{word:#010x}");
                figure.assert_first_level(word, bits);
                figure.assert_leaf(word, leaf, software);
                "section"
            }
            L1Entry::Supersection { base, leaf, bits, software } => {
                let [p, q, r] = ['P', 'Q', 'R'].map(|field| u64::from(figure.field(word, field)));
                assert_address(word, base.address(), p << 24 | q << 32 | r << 36);
                figure.assert_first_level(word, bits);
                figure.assert_leaf(word, leaf, software);
                "supersection"
            }
        };
        assert_eq!(name, figure.name, "{word:#010x}");
        assert_eq!(entry.encode(), word & !figure.dropped, "{word:#010x}");
        assert_eq!(L1Entry::decode(entry.encode()), entry, "{word:#010x}");
    }
}

#[test]
fn every_second_level_word_decodes_as_the_figures_say_and_encodes_back() {
    let figures = L2_FIGURES.map(Figure::new);
    for word in every_l2_word() {
        let figure = Figure::of(&figures, word);
        let entry = L2Entry::decode(word);
        let name = match entry {
            L2Entry::Fault => "fault",
            L2Entry::LargePage { base, leaf, software } => {
                assert_address(word, base.address(), u64::from(figure.field(word, 'P')) << 16);
                figure.assert_leaf(word, leaf, software);
                "large page"
            }
            L2Entry::SmallPage { base, leaf, software } => {
                assert_address(word, base.address(), u64::from(figure.field(word, 'P')) << 12);
                figure.assert_leaf(word, leaf, software);
                "small page"
            }
        };
        assert_eq!(name, figure.name, "{word:#010x}");
        assert_eq!(entry.encode(), word & !figure.dropped, "{word:#010x}");
        assert_eq!(L2Entry::decode(entry.encode()), entry, "{word:#010x}");
    }
}

/// Every leaf that can be written down, built from values rather than from words.
fn every_leaf() -> impl Iterator<Item = (LeafAttributes, SoftwareBits)> {
    (0..1 << 11).map(|n: u32| {
        let leaf = LeafAttributes {
            memory_type: MemoryType::from_index(n),
            access: Access::from_bits(n >> 3),
            execute: if n >> 6 & 1 == 1 { Execute::Never } else { Execute::Allowed },
            shareable: n >> 7 & 1 == 1,
            global: n >> 8 & 1 == 1,
        };
        (leaf, SoftwareBits::new((n >> 9) as u8).unwrap())
    })
}

fn every_first_level_bits() -> impl Iterator<Item = FirstLevelBits> {
    (0..8).map(|n| FirstLevelBits {
        pxn: n & 1 == 1,
        non_secure: n & 2 == 2,
        implementation_defined: n & 4 == 4,
    })
}

fn every_domain() -> impl Iterator<Item = Domain> {
    (0..16).map(|number| Domain::new(number).unwrap())
}

/// `Base::new` refuses what does not fit, so no entry can be built that encodes to something else.
fn base<const SHIFT: u32, const WIDTH: u32>(address: u64) -> Base<SHIFT, WIDTH> {
    Base::new(PhysAddr::new(address)).unwrap()
}

#[test]
fn every_first_level_entry_survives_encoding() {
    let check = |entry: L1Entry| assert_eq!(L1Entry::decode(entry.encode()), entry);
    check(L1Entry::Fault);
    for bits in every_first_level_bits() {
        for domain in every_domain() {
            for address in [0, 0x400, 0x4000_7c00, 0xffff_fc00] {
                check(L1Entry::Table { base: base(address), domain, bits });
            }
        }
        for (leaf, software) in every_leaf() {
            for domain in every_domain() {
                for address in [0, 0x4010_0000, 0xfff0_0000] {
                    let base = base(address);
                    check(L1Entry::Section { base, leaf, domain, bits, software });
                }
            }
            for address in [0, 0x4100_0000, 0xab_1200_0000, 0xff_ff00_0000] {
                check(L1Entry::Supersection { base: base(address), leaf, bits, software });
            }
        }
    }
}

#[test]
fn every_second_level_entry_survives_encoding() {
    let check = |entry: L2Entry| assert_eq!(L2Entry::decode(entry.encode()), entry);
    check(L2Entry::Fault);
    for (leaf, software) in every_leaf() {
        for address in [0, 0x4001_0000, 0xffff_0000] {
            check(L2Entry::LargePage { base: base(address), leaf, software });
        }
        for address in [0, 0x4000_1000, 0xffff_f000] {
            check(L2Entry::SmallPage { base: base(address), leaf, software });
        }
    }
}

#[test]
fn a_base_takes_only_what_its_field_can_hold() {
    assert!(SectionBase::new(PhysAddr::new(0x4018_0000)).is_none());
    assert!(SectionBase::new(PhysAddr::new(0x1_0000_0000)).is_none());
    assert!(SectionBase::new(PhysAddr::new(0xfff0_0000)).is_some());
    assert!(SupersectionBase::new(PhysAddr::new(0xff_ff00_0000)).is_some());
    assert!(SupersectionBase::new(PhysAddr::new(0x100_0000_0000)).is_none());
    assert!(RootBase::new(PhysAddr::new(0x4000_4000)).is_some());
    assert!(RootBase::new(PhysAddr::new(0x4000_2000)).is_none());
    assert!(TableBase::new(PhysAddr::new(0x4000_0200)).is_none());
}

fn section(attributes: Attributes) -> u32 {
    let Attributes { leaf, domain } = attributes;
    L1Entry::Section {
        base: base(0x4030_0000),
        leaf,
        domain,
        bits: FirstLevelBits::default(),
        software: SoftwareBits::NONE,
    }
    .encode()
        - 0x4030_0000
}

fn page(attributes: Attributes) -> u32 {
    let entry = L2Entry::SmallPage {
        base: base(0x4030_1000),
        leaf: attributes.leaf,
        software: SoftwareBits::NONE,
    };
    assert_eq!(entry.encode(), 0x4030_1000 | attributes.small_page_bits());
    attributes.small_page_bits()
}

/// Words that Linux 6.1 uses for the same purpose; those of text, rodata and data were read out of
/// a running kernel. Devices differ in the domain alone: 2 there (`0x40`), 0 here.
#[test]
fn sections_are_the_words_linux_uses() {
    const LINUX_IO_DOMAIN: u32 = 2 << 5;
    assert_eq!(section(Attributes::KERNEL_RWX), 0x1140e);
    assert_eq!(section(Attributes::KERNEL_DATA), 0x1141e);
    assert_eq!(section(Attributes::KERNEL_TEXT), 0x1940e);
    assert_eq!(section(Attributes::KERNEL_RODATA), 0x1941e);
    assert_eq!(section(Attributes::DTB), 0x1941e);
    assert_eq!(section(Attributes::DEVICE), 0x11452 & !LINUX_IO_DOMAIN);
    assert_eq!(section(Attributes::NORMAL_NC), 0x10456 & !LINUX_IO_DOMAIN);

    let mut executable = Attributes::NORMAL_NC;
    executable.leaf.execute = Execute::Allowed;
    assert_eq!(section(executable), 0x10406);

    let table = L1Entry::Table {
        base: base(0x4f00_0400),
        domain: Domain::KERNEL,
        bits: FirstLevelBits::default(),
    };
    assert_eq!(table.encode(), 0x4f00_0401);
    // Linux sets bit 4 as well, which ARMv7 ignores, and domain 1 and PXN on user tables.
    assert_eq!(L1Entry::decode(0x4f00_0411), table);
    assert_eq!(
        L1Entry::decode(0x4f00_0435),
        L1Entry::Table {
            base: base(0x4f00_0400),
            domain: Domain::new(1).unwrap(),
            bits: FirstLevelBits { pxn: true, ..FirstLevelBits::default() },
        }
    );
}

#[test]
fn pages_are_the_words_linux_uses() {
    assert_eq!(page(Attributes::KERNEL_DATA), 0x45f);
    assert_eq!(page(Attributes::KERNEL_RWX), 0x45e);
    assert_eq!(page(Attributes::DEVICE), 0x453);
    assert_eq!(page(Attributes::NORMAL_NC), 0x417);
    assert_eq!(page(Attributes::DMA_COHERENT), 0x417);
    assert_eq!(page(Attributes::VECTORS), 0x67e);

    let user = |access, execute| {
        let mut attributes = Attributes::KERNEL_DATA;
        attributes.leaf = LeafAttributes { access, execute, global: false, ..attributes.leaf };
        page(attributes)
    };
    assert_eq!(user(Access::ReadWrite, Execute::Allowed), 0xc7e);
    assert_eq!(user(Access::Read, Execute::Allowed), 0xe7e);
    assert_eq!(user(Access::Read, Execute::Never), 0xe7f);
}

/// Second-level tables have 256 entries, not 4096, and the index wraps with them.
#[test]
fn entries_lie_where_the_walker_of_the_cpu_looks() {
    let root: RootBase = base(0x4000_4000);
    assert_eq!(root.entry(VirtAddr::new(0)), PhysAddr::new(0x4000_4000));
    assert_eq!(root.entry(VirtAddr::new(0xc012_3456)), PhysAddr::new(0x4000_7004));
    assert_eq!(root.entry(VirtAddr::new(u32::MAX)), PhysAddr::new(0x4000_7ffc));
    let table: TableBase = base(0x4000_8400);
    assert_eq!(table.entry(VirtAddr::new(0xc012_3456)), PhysAddr::new(0x4000_848c));
    assert_eq!(table.entry(VirtAddr::new(0xbfff_ffff)), PhysAddr::new(0x4000_87fc));
    assert_eq!((RootBase::TABLE_BYTES, TableBase::TABLE_BYTES), (16 << 10, 1 << 10));
}
