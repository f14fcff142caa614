use proptest::prelude::*;

use super::*;

/// The modifiers, with their numbers in Linux 6.1 and what each prints as.
const MODIFIERS: [(Gfp, u32, &str); 28] = [
    (Gfp::__GFP_DMA, 0x1, "GFP_DMA"),
    (Gfp::__GFP_HIGHMEM, 0x2, "__GFP_HIGHMEM"),
    (Gfp::__GFP_DMA32, 0x4, "GFP_DMA32"),
    (Gfp::__GFP_MOVABLE, 0x8, "__GFP_MOVABLE"),
    (Gfp::__GFP_RECLAIMABLE, 0x10, "__GFP_RECLAIMABLE"),
    (Gfp::__GFP_HIGH, 0x20, "__GFP_HIGH"),
    (Gfp::__GFP_IO, 0x40, "__GFP_IO"),
    (Gfp::__GFP_FS, 0x80, "__GFP_FS"),
    (Gfp::__GFP_ZERO, 0x100, "__GFP_ZERO"),
    (Gfp::__GFP_ATOMIC, 0x200, "__GFP_ATOMIC"),
    (Gfp::__GFP_DIRECT_RECLAIM, 0x400, "__GFP_DIRECT_RECLAIM"),
    (Gfp::__GFP_KSWAPD_RECLAIM, 0x800, "GFP_NOWAIT"),
    (Gfp::__GFP_WRITE, 0x1000, "__GFP_WRITE"),
    (Gfp::__GFP_NOWARN, 0x2000, "__GFP_NOWARN"),
    (Gfp::__GFP_RETRY_MAYFAIL, 0x4000, "__GFP_RETRY_MAYFAIL"),
    (Gfp::__GFP_NOFAIL, 0x8000, "__GFP_NOFAIL"),
    (Gfp::__GFP_NORETRY, 0x10000, "__GFP_NORETRY"),
    (Gfp::__GFP_MEMALLOC, 0x20000, "__GFP_MEMALLOC"),
    (Gfp::__GFP_COMP, 0x40000, "__GFP_COMP"),
    (Gfp::__GFP_NOMEMALLOC, 0x80000, "__GFP_NOMEMALLOC"),
    (Gfp::__GFP_HARDWALL, 0x100000, "__GFP_HARDWALL"),
    (Gfp::__GFP_THISNODE, 0x200000, "__GFP_THISNODE"),
    (Gfp::__GFP_ACCOUNT, 0x400000, "__GFP_ACCOUNT"),
    (Gfp::__GFP_ZEROTAGS, 0x800000, "__GFP_ZEROTAGS"),
    (Gfp::__GFP_SKIP_ZERO, 0x1000000, "__GFP_SKIP_ZERO"),
    (Gfp::__GFP_SKIP_KASAN_UNPOISON, 0x2000000, "__GFP_SKIP_KASAN_UNPOISON"),
    (Gfp::__GFP_SKIP_KASAN_POISON, 0x4000000, "__GFP_SKIP_KASAN_POISON"),
    (Gfp::__GFP_NOLOCKDEP, 0x8000000, "__GFP_NOLOCKDEP"),
];

/// The combinations, with the numbers of Linux 6.1 on 32-bit ARM.
const COMBINATIONS: [(Gfp, u32, &str); 13] = [
    (Gfp::GFP_KERNEL, 0xcc0, "GFP_KERNEL"),
    (Gfp::GFP_KERNEL_ACCOUNT, 0x400cc0, "GFP_KERNEL_ACCOUNT"),
    (Gfp::GFP_ATOMIC, 0x820, "GFP_ATOMIC"),
    (Gfp::GFP_NOWAIT, 0x800, "GFP_NOWAIT"),
    (Gfp::GFP_NOIO, 0xc00, "GFP_NOIO"),
    (Gfp::GFP_NOFS, 0xc40, "GFP_NOFS"),
    (Gfp::GFP_USER, 0x100cc0, "GFP_USER"),
    (Gfp::GFP_HIGHUSER, 0x100cc2, "GFP_HIGHUSER"),
    (Gfp::GFP_HIGHUSER_MOVABLE, 0x100cca, "GFP_HIGHUSER_MOVABLE"),
    (Gfp::GFP_DMA, 0x1, "GFP_DMA"),
    (Gfp::GFP_DMA32, 0x4, "GFP_DMA32"),
    (Gfp::GFP_TRANSHUGE_LIGHT, 0x1c20ca, "GFP_TRANSHUGE_LIGHT"),
    (Gfp::GFP_TRANSHUGE, 0x1c24ca, "GFP_TRANSHUGE"),
];

fn bits(bits: u32) -> Gfp {
    Gfp::from_bits_retain(bits)
}

#[test]
fn numbers_and_names_are_those_of_linux_6_1() {
    for (flags, number, name) in MODIFIERS.into_iter().chain(COMBINATIONS) {
        assert_eq!(flags.bits(), number, "{name}");
        assert_eq!(flags.to_string(), name);
    }
    let sum = MODIFIERS.iter().fold(0, |sum, (_, number, _)| sum | number);
    assert_eq!((Gfp::all().bits(), sum), (0xfff_ffff, 0xfff_ffff));
    assert_eq!(Gfp::__GFP_RECLAIM.bits(), 0xc00);
}

#[test]
fn old_names_are_what_they_became() {
    assert_eq!(Gfp::__GFP_REPEAT, Gfp::__GFP_RETRY_MAYFAIL);
    assert_eq!(Gfp::__GFP_WAIT, Gfp::__GFP_RECLAIM);
    assert_eq!(Gfp::__GFP_COLD, Gfp::empty());
}

#[test]
fn flags_are_printed_longest_combination_first() {
    let text = |flags: Gfp| flags.to_string();
    assert_eq!(text(Gfp::empty()), "none");
    assert_eq!(text(Gfp::GFP_KERNEL | Gfp::__GFP_ZERO), "GFP_KERNEL|__GFP_ZERO");
    assert_eq!(text(bits(0x14_0cca)), "GFP_HIGHUSER_MOVABLE|__GFP_COMP");
    assert_eq!(text(bits(0x4_0cc0)), "GFP_KERNEL|__GFP_COMP");
    assert_eq!(text(bits(0x4_0d40)), "GFP_NOFS|__GFP_COMP|__GFP_ZERO");
    assert_eq!(text(bits(0xcc1)), "GFP_KERNEL|GFP_DMA");
    assert_eq!(text(bits(0xcc5)), "GFP_KERNEL|GFP_DMA|GFP_DMA32");
    assert_eq!(text(bits(0x820)), "GFP_ATOMIC");
    assert_eq!(text(bits(0x1000_0cc0)), "GFP_KERNEL|0x10000000");
    assert_eq!(text(bits(0xf000_0000)), "0xf0000000");
    assert_eq!(
        format!("mode:{:#x}({})", Gfp::GFP_KERNEL, Gfp::GFP_KERNEL),
        "mode:0xcc0(GFP_KERNEL)"
    );
}

#[test]
fn names_are_read_with_and_without_prefix_in_any_case() {
    let same = [
        "GFP_KERNEL|__GFP_ZERO",
        "gfp_kernel|__gfp_zero",
        "kernel|zero",
        " Kernel | ZERO ",
        "0xdc0",
        "0XDC0",
        "3520",
        "0xcc0|zero",
        "none|kernel|none|zero",
        "kernel|zero|zero|cold",
    ];
    for text in same {
        assert_eq!(Gfp::parse(text), Ok(bits(0xdc0)), "{text}");
    }
    assert_eq!(Gfp::parse("none"), Ok(Gfp::empty()));
    assert_eq!(Gfp::parse("0xffffffff"), Ok(bits(u32::MAX)));
    assert_eq!(Gfp::parse("repeat|__GFP_WAIT"), Ok(bits(0x4c00)));
    // Two names without their prefixes, but one value.
    assert_eq!(Gfp::parse("dma"), Ok(Gfp::GFP_DMA));
    assert_eq!(Gfp::parse("dma32"), Ok(Gfp::GFP_DMA32));
    // Not the start of another name.
    assert_eq!(Gfp::parse("high"), Ok(Gfp::__GFP_HIGH));
}

#[test]
fn what_cannot_be_read_is_named() {
    let error = |text: &'static str| match Gfp::parse(text) {
        Ok(flags) => panic!("{text} reads as {flags}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(error("kernel|wibble|0xz"), "no GFP flag is called wibble");
    assert_eq!(error("atomic"), "atomic is either GFP_ATOMIC or __GFP_ATOMIC");
    assert_eq!(error("GFP_ZERO"), "no GFP flag is called GFP_ZERO");
    assert_eq!(error("__GFP_"), "no GFP flag is called __GFP_");
    assert_eq!(error("-1"), "no GFP flag is called -1");
    for text in ["", " ", "|", "kernel|", "|kernel", "kernel||zero"] {
        assert_eq!(error(text), "a GFP flag is missing", "{text:?}");
    }
    for text in ["0x", "0x+5", "0xg", "12a", "0x100000000", "4294967296", "1 2"] {
        assert_eq!(error(text), format!("{text} is no number of 32 bits"));
    }
}

#[test]
fn each_name_is_listed_once_and_reads_as_its_constant() {
    let names = Gfp::NAMES;
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len());
    // The modifiers, the combinations, and `__GFP_RECLAIM`.
    assert_eq!(names.len(), MODIFIERS.len() + COMBINATIONS.len() + 1);
    for (flags, _, name) in MODIFIERS.into_iter().chain(COMBINATIONS) {
        assert!(names.contains(&name), "{name}");
        assert_eq!(Gfp::parse(name), Ok(flags));
    }
    for (name, flags) in Gfp::all().iter_names() {
        assert!(names.contains(&name), "{name}");
        assert_eq!(Gfp::parse(name), Ok(flags));
    }
}

/// Printed and read again, `flags` are the same.
fn round_trips(flags: Gfp) -> bool {
    Gfp::parse(&flags.to_string()) == Ok(flags)
}

#[test]
fn all_that_the_low_half_can_say_is_printed_and_read_back() {
    for low in 0..1 << 16 {
        assert!(round_trips(bits(low)), "{low:#x}");
    }
    // Every set of the modifiers that the combinations are made of.
    let parts = COMBINATIONS.iter().fold(Gfp::empty(), |sum, (flags, ..)| sum | *flags);
    let mut subset = parts;
    while !subset.is_empty() {
        assert!(round_trips(subset), "{subset}");
        subset = bits((subset.bits() - 1) & parts.bits());
    }
}

proptest! {
    #[test]
    fn flags_are_printed_and_read_back(any in any::<u32>(), defined in 0_u32..0x1000_0000) {
        prop_assert!(round_trips(bits(any)));
        prop_assert!(round_trips(bits(defined)));
    }

    #[test]
    fn no_text_is_too_odd(text in "[|a-zA-Z0-9_ ]{0,20}|\\PC{0,20}") {
        let _ = Gfp::parse(&text);
    }

    /// What is accepted has none of the contradictions, asked one by one; what is refused has the
    /// flags that the error names.
    #[test]
    fn check_finds_each_contradiction(raw in any::<u32>(), mask in any::<u32>()) {
        let flags = bits(raw & mask);
        let has = |flag| flags.contains(flag);
        let zones = [Gfp::__GFP_DMA, Gfp::__GFP_HIGHMEM, Gfp::__GFP_DMA32];
        let contradictory = raw & mask & 0xf000_0000 != 0
            || zones.into_iter().filter(|zone| has(*zone)).count() > 1
            || has(Gfp::__GFP_MOVABLE | Gfp::__GFP_RECLAIMABLE)
            || has(Gfp::__GFP_ATOMIC | Gfp::__GFP_DIRECT_RECLAIM)
            || has(Gfp::__GFP_NOFAIL | Gfp::__GFP_NORETRY)
            || has(Gfp::__GFP_NOFAIL | Gfp::__GFP_RETRY_MAYFAIL)
            || has(Gfp::__GFP_NOFAIL) && !has(Gfp::__GFP_DIRECT_RECLAIM);
        prop_assert_eq!(flags.check().is_err(), contradictory);
        for result in [flags.check(), flags.check_addressable(), flags.check_exact()] {
            if let Err(error) = result {
                prop_assert!(!error.flags().is_empty());
                prop_assert!(flags.contains(error.flags()));
                prop_assert_ne!(error.to_string(), "");
            }
        }
    }
}

#[test]
fn every_combination_is_in_order() {
    for (flags, _, name) in COMBINATIONS {
        assert_eq!(flags.check(), Ok(()), "{name}");
    }
    for (flags, _, name) in MODIFIERS {
        let alone = flags.check();
        if flags == Gfp::__GFP_NOFAIL {
            assert_eq!(alone, Err(GfpError::NofailCannotWait));
        } else {
            assert_eq!(alone, Ok(()), "{name}");
        }
    }
    // Odd, but they mean something.
    for text in
        ["memalloc|nomemalloc", "noretry|retry_mayfail", "kernel|dma|movable", "nofail|noio"]
    {
        assert_eq!(Gfp::parse(text).map(Gfp::check), Ok(Ok(())), "{text}");
    }
}

#[test]
fn every_pair_of_zone_modifiers_is_refused() {
    let zones = [Gfp::__GFP_DMA, Gfp::__GFP_HIGHMEM, Gfp::__GFP_DMA32];
    for one in zones {
        for other in zones {
            for beside in [Gfp::empty(), Gfp::GFP_KERNEL, Gfp::GFP_ATOMIC | Gfp::__GFP_MOVABLE] {
                let flags = one | other | beside;
                if one == other {
                    assert_eq!(flags.check(), Ok(()));
                } else {
                    let expected = Err(GfpError::Zones { flags: one | other });
                    assert_eq!(flags.check(), expected);
                    // As Linux, where nobody asks.
                    assert_eq!(flags.highest_zone(), ZoneKind::Dma);
                }
            }
        }
    }
    assert_eq!(bits(0xcc7).check(), Err(GfpError::Zones { flags: bits(7) }));
}

#[test]
fn errors_name_the_flags_in_linux_words() {
    let refused = |text: &'static str| match Gfp::parse(text).map(Gfp::check_exact) {
        Ok(Err(error)) => (error.flags().bits(), error.to_string()),
        other => panic!("{text}: {other:?}"),
    };
    let table = [
        ("0x30000cc0", 0x3000_0000, "0x30000000 is no GFP flag"),
        ("highuser|dma", 3, "GFP_DMA|__GFP_HIGHMEM: a request has one zone modifier at most"),
        (
            "kernel|movable|reclaimable",
            0x18,
            "__GFP_RECLAIMABLE|__GFP_MOVABLE: a request has one mobility modifier at most",
        ),
        (
            "kernel|__gfp_atomic",
            0x600,
            "__GFP_ATOMIC|__GFP_DIRECT_RECLAIM: who cannot sleep cannot reclaim",
        ),
        (
            "kernel|nofail|noretry",
            0x1_8000,
            "__GFP_NOFAIL|__GFP_NORETRY: what may fail is not NOFAIL",
        ),
        (
            "kernel|nofail|retry_mayfail",
            0xc000,
            "__GFP_RETRY_MAYFAIL|__GFP_NOFAIL: what may fail is not NOFAIL",
        ),
        ("nowait|nofail", 0x8000, "__GFP_NOFAIL without __GFP_DIRECT_RECLAIM: it cannot wait"),
        ("highuser", 2, "__GFP_HIGHMEM: a highmem page has no address to return"),
        ("kernel|comp", 0x4_0000, "__GFP_COMP: an exact number of pages is no compound page"),
        // Several faults: the first of them.
        (
            "highuser|comp|nofail|noretry",
            0x1_8000,
            "__GFP_NOFAIL|__GFP_NORETRY: what may fail is not NOFAIL",
        ),
    ];
    for (text, flags, message) in table {
        assert_eq!(refused(text), (flags, message.to_string()), "{text}");
    }
}

#[test]
fn only_those_who_return_addresses_refuse_highmem_and_compound() {
    let compound_high = Gfp::GFP_HIGHUSER | Gfp::__GFP_COMP;
    assert_eq!(compound_high.check(), Ok(()));
    assert_eq!(compound_high.check_addressable(), Err(GfpError::NoAddress));
    assert_eq!(compound_high.check_exact(), Err(GfpError::NoAddress));
    let compound = Gfp::GFP_KERNEL | Gfp::__GFP_COMP;
    assert_eq!(compound.check_addressable(), Ok(()));
    assert_eq!(compound.check_exact(), Err(GfpError::ExactCompound));
    assert_eq!(Gfp::GFP_KERNEL.check_exact(), Ok(()));
}

#[test]
fn low_five_bits_say_zone_and_mobility() {
    use Mobility::{Movable, Reclaimable, Unmovable};
    use ZoneKind::{Dma, HighMem, Normal};
    let zones = [(0, Normal), (1, Dma), (2, HighMem), (4, Normal)];
    let kinds = [(0, Unmovable), (8, Movable), (0x10, Reclaimable)];
    let mut accepted = Vec::new();
    for (zone_bits, zone) in zones {
        for (kind_bits, kind) in kinds {
            for beside in [Gfp::empty(), Gfp::GFP_KERNEL, Gfp::GFP_ATOMIC, bits(0xffe0)] {
                let flags = bits(zone_bits | kind_bits) | beside;
                assert_eq!((flags.highest_zone(), flags.mobility()), (zone, kind), "{flags}");
            }
            accepted.push(zone_bits | kind_bits);
        }
    }
    // Of the 32, these twelve and no others are accepted.
    for low in 0..32 {
        assert_eq!(bits(low).check().is_ok(), accepted.contains(&low), "{low:#x}");
    }
    assert_eq!(bits(0x18).mobility(), Unmovable);
}

#[test]
fn reserves_are_for_those_who_are_entitled() {
    // min_reserve, non_blocking_high, ignores_watermarks
    let entitled =
        |flags: Gfp| (flags.min_reserve(), flags.non_blocking_high(), flags.ignores_watermarks());
    assert_eq!(entitled(Gfp::GFP_KERNEL), (false, false, false));
    assert_eq!(entitled(Gfp::GFP_NOWAIT), (false, false, false));
    assert_eq!(entitled(Gfp::GFP_ATOMIC), (true, true, false));
    // Linux 6.3's GFP_ATOMIC means the same.
    assert_eq!(entitled(bits(0x820)), (true, true, false));
    // The marker alone entitles to nothing.
    assert_eq!(entitled(Gfp::__GFP_ATOMIC), (false, false, false));
    assert_eq!(entitled(Gfp::GFP_KERNEL | Gfp::__GFP_HIGH), (true, false, false));
    assert_eq!(entitled(Gfp::GFP_ATOMIC | Gfp::__GFP_NOMEMALLOC), (true, false, false));
    assert_eq!(entitled(Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC), (false, false, true));
    let both = Gfp::__GFP_MEMALLOC | Gfp::__GFP_NOMEMALLOC;
    assert_eq!(entitled(Gfp::GFP_KERNEL | both), (false, false, false));
}

#[test]
fn reclaim_and_retry_questions() {
    let reclaims = |flags: Gfp| (flags.may_reclaim(), flags.wakes_kswapd());
    assert_eq!(reclaims(Gfp::GFP_KERNEL), (true, true));
    assert_eq!(reclaims(Gfp::GFP_NOWAIT), (false, true));
    assert_eq!(reclaims(Gfp::GFP_TRANSHUGE), (true, false));
    assert_eq!(reclaims(Gfp::GFP_DMA), (false, false));

    let tries = |flags: Gfp| (flags.tries_once(), flags.tries_hard(), flags.never_fails());
    assert_eq!(tries(Gfp::GFP_KERNEL), (false, false, false));
    assert_eq!(tries(Gfp::__GFP_NORETRY), (true, false, false));
    assert_eq!(tries(Gfp::__GFP_RETRY_MAYFAIL), (false, true, false));
    assert_eq!(tries(Gfp::__GFP_NORETRY | Gfp::__GFP_RETRY_MAYFAIL), (true, false, false));
    assert_eq!(tries(Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL), (false, false, true));

    assert!(Gfp::__GFP_ZERO.wants_zero() && !Gfp::GFP_KERNEL.wants_zero());
    assert!(Gfp::GFP_KERNEL.warns() && !Gfp::GFP_TRANSHUGE.warns());
}

#[test]
fn plain_flags_pass_the_check() {
    // Every pair and triple of single bits, which is all that a rule is about.
    let all = || (0..32).map(|bit| 1_u32 << bit);
    for (one, two) in all().flat_map(|one| all().map(move |two| (one, two))) {
        for three in all() {
            let gfp = bits(one | two | three);
            let careful = gfp.intersects(Gfp::__GFP_NOFAIL | Gfp::__GFP_ZERO);
            let without_zones = gfp.difference(ZONES).check().is_ok();
            assert_eq!(gfp.is_plain(), without_zones && !careful, "{gfp}");
        }
    }
}
