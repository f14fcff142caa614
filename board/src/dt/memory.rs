//! Memory banks and the memory reservation block.
//!
//! A memory node is a child of the root with `device_type = "memory"`, or one without a device type
//! that is called `memory` (Linux 6.1 asks for the device type; trees written by hand often leave
//! it out). `linux,usable-memory` replaces `reg`, as a crash kernel's loader wants it; a node whose
//! status is not `okay` is skipped, and so is an empty bank.
//!
//! Invariant: once [`check_banks`] has passed, [`banks`] gives at least one bank, no two of them
//! share a byte, and none wraps. There may be any number.

use mm::addr::{PhysAddr, PhysRange};

use super::{Error, RangeList, Tree, node::Node, validate::be32};

/// Entries out of ascending order that are compared with all others. The check is linear for the
/// rest.
const MAX_STRAYS: u32 = 256;
/// Strays that are compared with all others in one pass, so that a hostile tree of 4 MiB costs a few
/// passes over it, each of which takes the kernel a tenth of a second.
const BATCH: usize = 64;

/// The enabled memory nodes and their ranges.
fn memory_nodes<'n, 't>(
    tree: &'n Tree<'t>,
) -> impl Iterator<Item = Result<RangeList<'t>, Error<'t>>> + use<'n, 't> {
    tree.root().into_iter().flat_map(|root| {
        let nodes = root.children().filter(is_memory).filter(Node::is_okay);
        // Read once: the root may have as many properties as children.
        let cells = root.cells();
        nodes.map(move |node| {
            let cells = cells?;
            const USABLE: &str = "linux,usable-memory";
            match node.value(USABLE) {
                Some(value) => node.range_list(USABLE, value, cells),
                None => node.range_list("reg", node.required("reg")?, cells),
            }
        })
    })
}

fn is_memory(node: &Node<'_, '_>) -> bool {
    if node.has("device_type") {
        node.says("device_type", "memory")
    } else {
        node.base_name() == "memory"
    }
}

/// The banks of a tree that [`check_banks`] has passed, in the order of the tree.
pub(crate) fn banks<'n, 't>(tree: &'n Tree<'t>) -> impl Iterator<Item = PhysRange> + use<'n, 't> {
    let lists = memory_nodes(tree).filter_map(Result::ok);
    lists.flat_map(|list| list.iter()).filter(|bank| !bank.is_empty())
}

/// Holds every memory node against the rules.
pub(crate) fn check_banks<'t>(tree: &Tree<'t>) -> Result<(), Error<'t>> {
    memory_nodes(tree).try_for_each(|list| list.map(drop))?;
    if banks(tree).next().is_none() {
        return Err(Error::NoMemory);
    }
    check_disjoint(|| banks(tree)).map_err(|clash| match clash {
        Clash::Overlap(first, second) => Error::OverlappingBanks { first, second },
        Clash::Disorder(limit) => Error::Disorder { what: "memory banks", limit },
    })
}

/// The memory reservation block, in its order, without empty entries.
pub(crate) fn memreserve<'t>(
    tree: &Tree<'t>,
) -> impl Iterator<Item = Result<PhysRange, Error<'t>>> + use<'t> {
    let word = |entry: &[u8], at| u64::from(be32(entry, at).unwrap_or_default());
    let entries = tree.reserve_map.chunks_exact(16).map(move |entry| {
        let start = PhysAddr::new(word(entry, 0) << 32 | word(entry, 4));
        let len = word(entry, 8) << 32 | word(entry, 12);
        let wraps = Error::Wraps { node: "", property: "/memreserve/", start, len };
        PhysRange::from_len(start, len).ok_or(wraps)
    });
    entries.filter(|entry| !entry.is_ok_and(|range| range.is_empty()))
}

/// Holds the memory reservation block against the rules.
pub(crate) fn check_memreserve<'t>(tree: &Tree<'t>) -> Result<(), Error<'t>> {
    memreserve(tree).try_for_each(|entry| entry.map(drop))
}

/// Why ranges are not known to be disjoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// These two share bytes.
    Overlap(PhysRange, PhysRange),
    /// More than this many are out of order.
    Disorder(u32),
}

/// Do no two of the ranges share a byte?
///
/// Without memory to sort them in: a range that starts at or above the highest end so far cannot
/// touch any before it, which is true of all in a list in ascending order. Only the others, the
/// strays, are compared with all, some at a time.
pub(super) fn check_disjoint<I>(ranges: impl Fn() -> I) -> Result<(), Clash>
where
    I: Iterator<Item = PhysRange>,
{
    let mut compared = 0;
    loop {
        let mut batch = [(0, PhysRange::default()); BATCH];
        let count = next_strays(ranges(), compared, &mut batch)?;
        let batch = batch.get_mut(..count).unwrap_or_default();
        if batch.is_empty() {
            return Ok(());
        }
        compare(ranges(), batch)?;
        compared += count as u32;
    }
}

/// A range with its place in the list.
type Stray = (usize, PhysRange);

/// Fills `batch` with the strays after the first `skip`, and counts them.
fn next_strays(
    ranges: impl Iterator<Item = PhysRange>,
    skip: u32,
    batch: &mut [Stray],
) -> Result<usize, Clash> {
    let mut highest_end = PhysAddr::new(0);
    let (mut strays, mut filled) = (0, 0);
    for (place, range) in ranges.enumerate() {
        if range.start() < highest_end {
            strays += 1;
            if strays > MAX_STRAYS {
                return Err(Clash::Disorder(MAX_STRAYS));
            }
            if strays > skip
                && let Some(free) = batch.get_mut(filled)
            {
                *free = (place, range);
                filled += 1;
            }
        }
        highest_end = highest_end.max(range.end());
    }
    Ok(filled)
}

/// Compares each range of a batch with all `ranges`.
fn compare(ranges: impl Iterator<Item = PhysRange>, batch: &mut [Stray]) -> Result<(), Clash> {
    let clash = |a: Stray, b: Stray| {
        let (first, second) = if a.0 < b.0 { (a, b) } else { (b, a) };
        Err(Clash::Overlap(first.1, second.1))
    };
    batch.sort_unstable_by_key(|(_, range)| range.start());
    for pair in batch.windows(2) {
        if let [a, b] = pair
            && a.1.overlaps(&b.1)
        {
            return clash(*a, *b);
        }
    }
    for (place, range) in ranges.enumerate() {
        // Now that the batch is known to be disjoint, the last that starts below the range's end
        // is the one that reaches highest.
        let below = batch.partition_point(|(_, stray)| stray.start() < range.end());
        let Some(stray) = below.checked_sub(1).and_then(|last| batch.get(last)) else { continue };
        if stray.0 != place && stray.1.overlaps(&range) {
            return clash(*stray, (place, range));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    fn with_root(build: impl FnOnce(&mut Blob)) -> Vec<u8> {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        build(&mut blob);
        blob.end().finish()
    }

    fn memory(blob: &mut Blob, name: &str, reg: &[u32]) {
        blob.begin(name).text("device_type", "memory").cells("reg", reg).end();
    }

    fn read(build: impl FnOnce(&mut Blob)) -> Result<Vec<(u64, u64)>, String> {
        let mut bytes = with_root(build);
        let tree = Tree::parse(&mut bytes).unwrap();
        check_banks(&tree).map_err(|error| error.to_string())?;
        Ok(banks(&tree).map(|bank| (bank.start().as_u64(), bank.len())).collect())
    }

    #[test]
    fn banks_come_from_all_nodes_and_all_entries() {
        let got = read(|b| {
            memory(b, "memory@80000000", &[0x8000_0000, 0x100, 0x9000_0000, 0, 0xa000_0000, 0x200]);
            memory(b, "lowmem", &[0x4000_0000, 0x300]);
        });
        assert_eq!(
            got.unwrap(),
            [(0x8000_0000, 0x100), (0xa000_0000, 0x200), (0x4000_0000, 0x300)]
        );
    }

    #[test]
    fn a_name_will_do_where_there_is_no_device_type() {
        let got = read(|b| {
            b.begin("memory@0").cells("reg", &[0, 0x100]).end();
            b.begin("memory-controller@1").cells("reg", &[0x1000, 0x100]).end();
            b.begin("memory@2").text("device_type", "sram").cells("reg", &[0x2000, 1]).end();
            b.begin("soc").begin("memory@3").cells("reg", &[0x3000, 1]).end().end();
        });
        assert_eq!(got.unwrap(), [(0, 0x100)]);
    }

    #[test]
    fn usable_memory_replaces_reg() {
        let got = read(|b| {
            b.begin("memory@0").cells("reg", &[0, 0x100, 0x50, 0x100]);
            b.cells("linux,usable-memory", &[0x40, 0x10]).end();
        });
        assert_eq!(got.unwrap(), [(0x40, 0x10)]);
    }

    #[test]
    fn a_disabled_bank_is_no_bank() {
        let got = read(|b| {
            b.begin("memory@0").cells("reg", &[0, 0x100]).text("status", "disabled").end();
            b.begin("memory@1").cells("reg", &[0x1000, 0x100]).text("status", "okay").end();
        });
        assert_eq!(got.unwrap(), [(0x1000, 0x100)]);
    }

    #[test]
    fn no_memory_is_an_error() {
        let no_memory = Err("no memory: no enabled memory node holds a byte".into());
        assert_eq!(read(|_| ()), no_memory);
        assert_eq!(read(|b| memory(b, "memory@0", &[0x1000, 0])), no_memory);
        assert_eq!(read(|b| memory(b, "memory@0", &[])), no_memory);
        let got = read(|b| _ = b.begin("memory@0").text("device_type", "memory").end());
        assert_eq!(got.unwrap_err(), "memory@0: no reg");
    }

    #[test]
    fn overlapping_banks_are_both_named() {
        for order in [[0x1000, 0x100, 0x10ff, 0x100], [0x10ff, 0x100, 0x1000, 0x100]] {
            let error = read(|b| memory(b, "memory@0", &order)).unwrap_err();
            assert!(error.contains("[0x00001000-0x000010ff]"), "{error}");
            assert!(error.contains("[0x000010ff-0x000011fe]"), "{error}");
        }
        let inside = read(|b| {
            memory(b, "memory@0", &[0, 0x1000]);
            memory(b, "memory@800", &[0x800, 1]);
        });
        assert!(inside.unwrap_err().ends_with("overlap"));
        assert!(read(|b| memory(b, "memory@0", &[0x1000, 0x100, 0x1100, 0x100])).is_ok());
    }

    /// An overlap with any of the banks before is found, not only with the last or the highest.
    #[test]
    fn a_stray_is_compared_with_all_before_it() {
        let base = |clash: u32| [0x1000, 0x100, 0x9000, 0x100, 0x5000, 0x100, clash, 0x100];
        for clash in [0x1080, 0x5080, 0x9080, 0x0f80, 0x8f80] {
            assert!(read(|b| memory(b, "memory@0", &base(clash))).is_err(), "{clash:#x}");
        }
        for free in [0, 0x1100, 0x4f00, 0x5100, 0x9100] {
            assert!(read(|b| memory(b, "memory@0", &base(free))).is_ok(), "{free:#x}");
        }
    }

    #[test]
    fn any_number_of_banks_in_ascending_order() {
        let reg: Vec<u32> = (0..50_000).flat_map(|i| [i * 0x1000, 0x800]).collect();
        assert_eq!(read(|b| memory(b, "memory@0", &reg)).unwrap().len(), 50_000);
    }

    #[test]
    fn disorder_has_a_limit() {
        let descending =
            |n: u32| (0..n).rev().flat_map(|i| [i * 0x1000, 0x800]).collect::<Vec<_>>();
        let got = read(|b| memory(b, "memory@0", &descending(MAX_STRAYS + 1)));
        assert_eq!(got.unwrap().len(), MAX_STRAYS as usize + 1);
        let got = read(|b| memory(b, "memory@0", &descending(MAX_STRAYS + 2)));
        assert_eq!(got.unwrap_err(), "more than 256 memory banks are out of ascending order");
    }

    /// As many strays as may be, in several batches: the last of them clashes with the first range,
    /// with another of its batch, with one of the batch before, or with none.
    #[test]
    fn strays_of_all_batches_are_compared_with_all() {
        let list = |last: u32| {
            let strays = (0..MAX_STRAYS - 1).map(|i| 0x90_0000 - i * 0x1000);
            let starts = [0x100_0000].into_iter().chain(strays).chain([last]);
            starts.flat_map(|start| [start, 0x800]).collect::<Vec<_>>()
        };
        let check = |last| read(|b| memory(b, "memory@0", &list(last)));
        for clash in [0x100_07ff, 0x90_0000, 0x90_0000 - 200 * 0x1000 - 1, 0x90_0000 - 254 * 0x1000]
        {
            let error = check(clash).unwrap_err();
            assert!(error.ends_with("overlap"), "{clash:#x}: {error}");
        }
        assert_eq!(check(0x90_0800).unwrap().len(), MAX_STRAYS as usize + 1);
    }

    #[test]
    fn reservations_end_at_the_first_entry_of_zeros() {
        let mut blob = Blob::new();
        blob.begin("").end();
        blob.reserve(0x1_0000_0000, 0x10).reserve(0x5000, 0).reserve(0, 0x1000);
        blob.reserve(0, 0).reserve(0x7000, 0x1000);
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let got: Vec<_> = memreserve(&tree).map(|r| r.unwrap().to_string()).collect();
        assert_eq!(got, ["[0x100000000-0x10000000f]", "[0x00000000-0x00000fff]"]);
    }

    #[test]
    fn a_reservation_that_wraps_is_refused() {
        let mut blob = Blob::new();
        blob.begin("").end();
        let mut bytes = blob.reserve(u64::MAX, 2).finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let error = check_memreserve(&tree).unwrap_err().to_string();
        assert_eq!(
            error,
            "/: /memreserve/: 0x2 bytes at 0xffffffffffffffff wrap around the end of 64 bits"
        );
    }
}
