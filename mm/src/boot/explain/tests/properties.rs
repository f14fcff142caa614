//! Random machines: the sums are the RAM, every byte is in the model's class, and every suggestion
//! has the effect that it promises.

use proptest::prelude::*;

use super::model::Model;
use super::{Known, Machine, range, try_all};
use crate::addr::{MIB, PAGE_SIZE, PhysAddr, PhysRange};
use crate::boot::explain::Situation;
use crate::boot::explain::account::Totals;
use crate::boot::explain::class::{Class, Lost, Owner};
use crate::boot::explain::what_if::{LargestVmalloc, Outcome};
use crate::boot::layout::Layout;
use crate::boot::memblock::{Memblock, Region};
use crate::boot::memory::phys_offset_of_bank;
use crate::boot::predict::{self, Question, predict};
use crate::boot::split::Split;
use crate::boot::vmalloc_size::max_bytes;
use crate::param::params;
use crate::zone::ZoneKind;

/// A length: MiB for the most part, or pages, with a few odd bytes at times.
fn length(mib: u64) -> impl Strategy<Value = u64> {
    let large = (1..mib).prop_map(|mib| mib * MIB);
    let pages = (0_u64..600).prop_map(|pages| pages * u64::from(PAGE_SIZE));
    let odd = prop_oneof![3 => Just(0_u64), 1 => 1_u64..6000];
    (prop_oneof![3 => large, 2 => pages], odd).prop_map(|(len, odd)| len + odd)
}

/// Banks that do not overlap, upwards or downwards, from anywhere in the first 5 GiB.
fn banks() -> impl Strategy<Value = Vec<PhysRange>> {
    let few = prop::collection::vec((length(300), length(1500)), 1..6);
    let many = prop::collection::vec((length(20), length(60)), 6..40);
    let first = prop_oneof![Just(0), Just(0x4000_0000), length(4500)];
    (first, prop_oneof![few, many], any::<bool>()).prop_map(|(first, gaps, down)| {
        let mut at = first;
        let mut banks = Vec::new();
        for (gap, len) in gaps {
            // Every third gap or so is none: banks that touch.
            let start = if gap % 3 == 0 { at } else { at + gap };
            at = start + len.max(1);
            banks.push(range(start, at));
        }
        if down {
            banks.reverse();
        }
        banks
    })
}

fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (0_u64..4000).prop_map(|mib| format!("{mib}M")),
        2 => (0_u64..300).prop_map(|mib| format!("{mib}M")),
        1 => (16 << 20..2000_u32 << 20).prop_map(|bytes: u32| bytes.to_string()),
        1 => any::<u32>().prop_map(|bytes| bytes.to_string()),
        1 => Just("junk".to_string()),
    ]
}

/// Parameters, each with its chance of not being there.
fn command_line() -> impl Strategy<Value = String> {
    let address = (0_u64..0x1_4000).prop_map(|unit| unit << 16);
    let mem = (size(), prop::option::of(address)).prop_map(|(size, start)| match start {
        Some(start) => format!("mem={size}@{start:#x}"),
        None => format!("mem={size}"),
    });
    let mem = prop_oneof![3 => Just(vec![]), 2 => prop::collection::vec(mem, 1..4)];
    let optional = |name: &'static str| {
        prop::option::of(size()).prop_map(move |size| size.map(|size| format!("{name}={size}")))
    };
    let nohighmem = any::<bool>().prop_map(|no| no.then(|| "nohighmem".to_string()));
    (mem, optional("vmalloc"), optional("dma_zone"), nohighmem).prop_map(
        |(mem, vmalloc, dma, nohighmem)| {
            let words = mem.into_iter().chain(vmalloc).chain(dma).chain(nohighmem);
            words.collect::<Vec<_>>().join(" ")
        },
    )
}

prop_compose! {
    /// Any machine, any command line, any reservations.
    pub(crate) fn machine()(
        banks in banks(),
        kernel in prop_oneof![Just(None), any::<prop::sample::Index>().prop_map(Some)],
        split in 0..Split::ALL.len(),
        command_line in command_line(),
        board_dma_zone in prop::option::weighted(0.2, 0_u64..(4 << 30)),
        // Where, as a bank and a 2^16th of it; how long; what.
        wanted in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_u64..0x1_1000, length(40), 0..5),
            0..12,
        ),
        allocated in prop::collection::vec((1_u64..0x4_0000, 0_usize..4), 0..6),
        drops: bool,
    ) -> Machine {
        let below: Vec<_> = banks.iter().filter(|bank| bank.start().as_u64() < 1 << 32).collect();
        let lowest = below.iter().min_by_key(|bank| bank.start()).copied();
        let chosen = kernel.and_then(|index| below.get(index.index(below.len().max(1))));
        let home = chosen.copied().or(lowest).unwrap_or(&banks[0]);
        let phys_offset = phys_offset_of_bank(home.start()).as_u64();
        let mut machine = Machine {
            banks: banks.clone(),
            split: Split::ALL[split],
            phys_offset,
            command_line,
            board_dma_zone,
            held: Vec::new(),
            initrd: None,
            allocated: Vec::new(),
            drops,
        };
        machine.hold_image();
        for (bank, part, len, what) in wanted {
            let bank = bank.get(&banks);
            let start = bank.start().as_u64() + ((bank.len() * part) >> 16);
            let range = range(start, start + len.max(1));
            match what {
                0 => machine.hold(range, Owner::DeviceTree),
                1 => machine.hold(range, Owner::MemReserve),
                2 => machine.hold_for(range, "child", false),
                3 => machine.hold_for(range, "hidden", true),
                _ => {
                    machine.hold(range, Owner::Initrd);
                    machine.initrd = Some(range);
                }
            }
        }
        let owners = [Some(Owner::PageTables), Some(Owner::PageArray), Some(Owner::Vectors), None];
        machine.allocated = allocated.into_iter().map(|(len, who)| (len, owners[who])).collect();
        machine
    }
}

/// The ranges of the account: in the banks, in order, apart, each of one class all along.
fn check_ranges(machine: &Machine, booted: &Situation<'_, '_, Known>) {
    let model = Model::new(machine, booted);
    let borders = model.borders();
    let mut bytes = 0;
    let mut seen: Vec<(PhysRange, Class<'_>)> = Vec::new();
    booted.for_each(|range, class| {
        assert!(!range.is_empty());
        let (start, end) = (range.start().as_u64(), range.end().as_u64());
        let first = borders.partition_point(|border| *border <= start);
        let inner = borders[first..].iter().copied().take_while(|border| *border < end);
        for at in [start].into_iter().chain(inner) {
            assert_eq!(class, model.class(at), "at {at:#x} in {range}");
        }
        bytes += range.len();
        seen.push((range, class));
    });
    assert_eq!(bytes, booted.ram_bytes());
    for pair in seen.windows(2) {
        let [(a, class_a), (b, class_b)] = pair else { continue };
        assert!(a.end() != b.start() || class_a != class_b, "{a} and {b} are one");
    }
    let mut sorted: Vec<_> = seen.iter().map(|(range, _)| *range).collect();
    sorted.sort_by_key(|range| range.start());
    assert!(sorted.windows(2).all(|pair| pair[0].end() <= pair[1].start()), "ranges overlap");
    for (range, class) in seen {
        let found = booted.find(range.start()).unwrap();
        assert!(range.contains_range(&found.range) && found.class == class);
    }
}

/// The sums: of the tree the RAM, and of the zones what memblock hands over.
fn check_sums(booted: &Situation<'_, '_, Known>) {
    let (tree, beyond) = (booted.account(), booted.account_beyond_tree());
    let ram: u64 = booted.inventory.banks.iter().map(|bank| bank.len()).sum();
    assert_eq!((tree.bytes(), booted.ram_bytes()), (ram, ram));
    assert_eq!(beyond.lost_bytes(), beyond.lost(Lost::LimitPage).bytes);
    for zone in &booted.layout.zones {
        let free = booted.memblock.free_ranges().map(|free| free.whole_frames());
        let frames: u64 = free.map(|free| u64::from(free.intersection(&zone.range).len())).sum();
        let index = zone.kind.index();
        let usable = tree.usable[index].bytes + beyond.usable[index].bytes;
        assert_eq!(usable, frames * u64::from(PAGE_SIZE), "{}", zone.kind);
    }
    let used =
        |totals: &Totals| totals.usable_bytes() + totals.reserved_bytes() + totals.no_map.bytes;
    let limit_page = tree.lost(Lost::LimitPage).bytes + beyond.lost_bytes();
    let known: u64 = booted.memblock.memory().regions().iter().map(|r| r.range.len()).sum();
    let listed_yet = booted.dropped.map_or(0, |dropped| {
        let regions = booted.memblock.memory().regions().iter();
        regions.filter_map(|r| r.range.intersection(&dropped)).map(|part| part.len()).sum()
    });
    assert_eq!(used(&tree) + used(&beyond) + limit_page, known - listed_yet);
}

/// What `predict` says of the machine with other settings: the layout, bytes of mapped RAM below
/// and above the end of lowmem, and bytes of it in the pages of a zone.
struct Prediction {
    layout: Layout,
    lowmem: u64,
    above: u64,
    in_zones: u64,
}

struct Other<'c> {
    split: Split,
    phys_offset: u64,
    command_line: &'c str,
}

fn prediction(machine: &Machine, no_map: &[PhysRange], other: &Other<'_>) -> Option<Prediction> {
    let mut arrays = [vec![Region::EMPTY; 512], vec![Region::EMPTY; 512]];
    let [memory, reserved] = &mut arrays;
    let mut memblock = Memblock::new(memory, reserved);
    let question = Question {
        banks: &machine.banks,
        no_map,
        split: other.split,
        phys_offset: Some(PhysAddr::new(other.phys_offset)),
        command_line: other.command_line,
        image_bytes: predict::IMAGE_BYTES,
    };
    let layout = predict(&mut memblock, &question, &mut |_| ()).ok()?;
    let (mut lowmem, mut above, mut in_zones) = (0, 0, 0);
    for block in memblock.mapped_memory() {
        let below = block.intersection(&range(0, layout.lowmem_end.as_u64()));
        let below = below.map_or(0, |part| part.len());
        lowmem += below;
        above += block.len() - below;
        let zones = layout.zones.iter().map(|zone| zone.range.as_phys());
        let parts = zones.filter_map(|zone| block.intersection(&zone));
        in_zones += parts.map(|part| part.len()).sum::<u64>();
    }
    Some(Prediction { layout, lowmem, above, in_zones })
}

/// The command line without the parameters `names`, with `with` before the rest.
fn changed(command_line: &str, names: &[&str], with: &str) -> String {
    let kept = params(command_line).filter(|param| !names.iter().any(|name| param.is(name)));
    let words = kept.map(|param| match param.value {
        Some(value) => format!("{}={value}", param.name),
        None => param.name.to_string(),
    });
    [with.to_string()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn check_outcome(outcome: &Outcome, machine: &Machine, no_map: &[PhysRange], command_line: &str) {
    let other = Other {
        split: outcome.request.split,
        phys_offset: outcome.request.phys_offset.as_u64(),
        command_line,
    };
    let predicted = prediction(machine, no_map, &other).unwrap();
    let mut layout = outcome.layout.clone();
    if machine.board_dma_zone.is_some() {
        // A prediction knows no board.
        layout.zones = predicted.layout.zones;
    }
    assert_eq!(layout, predicted.layout, "{command_line}");
    assert_eq!(
        (outcome.lowmem, outcome.above_lowmem()),
        (predicted.lowmem, predicted.above),
        "{command_line}"
    );
}

/// Every suggestion, predicted from its text.
fn check_suggestions(machine: &Machine, booted: &Situation<'_, '_, Known>, scratch: &mut [Region]) {
    let tried = try_all(booted, scratch).unwrap();
    let line = &machine.command_line;
    let no_map = booted.inventory.honoured.clone();
    let with = |names: &[&str], with: &str| {
        let command_line = changed(line, names, with);
        let other = Other {
            split: machine.split,
            phys_offset: machine.phys_offset,
            command_line: &command_line,
        };
        prediction(machine, &no_map, &other)
    };
    let above = |vmalloc: &str| with(&["vmalloc"], &format!("vmalloc={vmalloc}")).map(|p| p.above);
    check_outcome(&tried.now, machine, &no_map, line);
    for (split, outcome) in Split::ALL.iter().zip(&tried.splits) {
        let other = Other { split: *split, phys_offset: machine.phys_offset, command_line: line };
        match outcome {
            Some(outcome) => {
                assert_eq!(outcome.request.split, *split);
                check_outcome(outcome, machine, &no_map, line);
            }
            None => assert!(prediction(machine, &no_map, &other).is_none()),
        }
    }

    match tried.all_lowmem {
        LargestVmalloc::Never => {
            assert_eq!(above("16M"), Some(tried.above_at_least));
            assert!(tried.above_at_least > 0);
        }
        LargestVmalloc::Bytes(bytes) => {
            let mib = tried.all_lowmem.mib().unwrap();
            assert_eq!(tried.above_at_least, 0);
            assert_eq!(above(&bytes.to_string()), Some(0));
            assert_eq!(above(&format!("{mib}M")), Some(0));
            if bytes < max_bytes(machine.split) {
                assert!(above(&(bytes + 1).to_string()) != Some(0));
                assert!(above(&format!("{}M", mib + 1)) != Some(0));
            }
        }
    }

    let other_highmem = tried.other_highmem.as_ref().unwrap();
    let word = if booted.layout.highmem { "nohighmem" } else { "" };
    check_outcome(other_highmem, machine, &no_map, &changed(line, &["nohighmem"], word));
    assert_eq!(other_highmem.lost, if booted.layout.highmem { tried.now.highmem } else { 0 });
    let pages = |word| with(&["nohighmem"], word).unwrap().in_zones;
    let (most, least) = (pages(""), pages("nohighmem"));
    assert_eq!(tried.now.highmem_pages(), most - least, "nohighmem loses");
    assert_eq!(tried.now.used(), if booted.layout.highmem { most } else { least });

    if let Some((bytes, outcome)) = &tried.all_dma {
        let text = format!("dma_zone={}M", bytes / MIB);
        assert_eq!(outcome.zone_bytes(ZoneKind::Normal), 0);
        let predicted = with(&["dma_zone"], &text).unwrap();
        assert_eq!(predicted.layout, outcome.layout);
        assert_eq!(predicted.layout.zones[ZoneKind::Normal.index()].present, 0);
    }
    assert_eq!(tried.all_dma.is_some(), tried.now.zone_bytes(ZoneKind::Normal) > 0);
    if let Some(outcome) = &tried.without_mem {
        check_outcome(outcome, machine, &no_map, &changed(line, &["mem"], ""));
    }
    if let Some(other) = &tried.lower_bank {
        check_outcome(&other.outcome, machine, &no_map, line);
        assert!(other.outcome.used() > tried.now.used());
        let lost = booted.account().lost(Lost::BelowPhysOffset).bytes;
        assert!(other.below < lost, "{} bytes still below, {lost} now", other.below);
    }
    if let Some((bytes, outcome)) = &tried.whole_page {
        let text = format!("vmalloc={bytes}");
        check_outcome(outcome, machine, &no_map, &changed(line, &["vmalloc"], &text));
        assert!(outcome.layout.lowmem_end.is_aligned(u64::from(PAGE_SIZE)));
    }
}

/// The safe range is lowmem that nothing of the tree's is in, and no page beside it is as safe.
fn check_safe_range(booted: &Situation<'_, '_, Known>) {
    let of_tree = booted.inventory.held.iter().filter(|one| one.owner.is_of_tree());
    let obstacles = || of_tree.clone().map(|one| one.range).chain([booted.image_place()]);
    let page = u64::from(PAGE_SIZE);
    let lowmem = booted.lowmem();
    let is_safe = |start: u64| {
        let page = range(start, start + page);
        lowmem.contains_range(&page)
            && booted.memblock.mapped_memory().any(|block| block.contains_range(&page))
            && !obstacles().any(|obstacle| obstacle.overlaps(&page))
    };
    let Some(safe) = booted.safe_range(lowmem) else {
        assert!(!booted.memblock.mapped_memory().any(|block| is_safe(block.start().as_u64())));
        return;
    };
    let (start, end) = (safe.start().as_u64(), safe.end().as_u64());
    assert!(is_safe(start) && is_safe(end - page));
    // Blocks may touch where one of them is not what it seems: then each is a range of its own.
    let touches = |at| booted.memblock.mapped_memory().any(|block| block.start().as_u64() == at);
    assert!(start < page || touches(start) || !is_safe(start - page));
    assert!(touches(end) || !is_safe(end));
    assert!(!obstacles().any(|obstacle| obstacle.overlaps(&safe)));
    assert!(booted.memblock.mapped_memory().any(|block| block.contains_range(&safe)));
    let always = booted.safe_range(booted.always_lowmem());
    assert!(always.is_none_or(|always| always.len() <= safe.len()));
}

/// At the first and the last start all of the image is in its bank, and at no page beside them.
fn check_image_starts(booted: &Situation<'_, '_, Known>) {
    let (bank, page) = (booted.kernel_bank(), u64::from(PAGE_SIZE));
    let fits = |start: u64| {
        let image = range(start, start + booted.loaded.image.len());
        image.end().as_u64() <= 1 << 32 && bank.is_some_and(|bank| bank.contains_range(&image))
    };
    let Some((first, last)) = booted.image_starts() else {
        // Where the image is now, a page's start below 4 GiB, would be one.
        assert!(!fits(booted.loaded.image.start().as_u64()));
        return;
    };
    let (first, last) = (first.as_u64(), last.as_u64());
    assert!(first % page == 0 && last % page == 0);
    assert!(fits(first) && fits(last) && !fits(last + page));
    assert!(first < page || !fits(first - page));
}

proptest! {
    // A machine takes less than a tenth of a millisecond, and corners are many.
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_byte_is_accounted_for(machine in machine()) {
        machine.boot(|booted, _| {
            check_ranges(&machine, booted);
            check_sums(booted);
            check_safe_range(booted);
            check_image_starts(booted);
        });
    }

    #[test]
    fn every_suggestion_does_what_it_says(machine in machine()) {
        machine.boot(|booted, scratch| check_suggestions(&machine, booted, scratch));
    }
}
