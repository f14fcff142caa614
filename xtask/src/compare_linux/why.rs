//! Why the two differ, where that is meant.
//!
//! Each reason has the condition under which it is one: the words of the command line, the end of RAM, or which side has
//! more. So a difference of another kind is not explained away. The list of what is meant is in `docs/layout.md`.

use mm::param::params;

use super::facts::{Fact, Facts, Value};

const PAGE: u64 = 4096;
const FOUR_GIB: u64 = 1 << 32;

/// A word of the command line is not for both kernels.
const NO_HIGHMEM: &str = "`nohighmem` is a parameter of ours: Linux for ARM has no such";
const DMA_ZONE: &str =
    "`dma_zone=` is a parameter of ours: a Linux board has its limit in its sources";
const MOVABLE: &str = "`movablecore=` and `kernelcore=` are parameters of Linux's";
/// Boundaries.
const SPLITS: &str = "the two have different splits";
const CUT_TO_32_BITS: &str =
    "Linux cuts a `vmalloc=` of 4 GiB or more to 32 bits; here it is too big, and clamped";
const LAST_PAGE: &str =
    "Linux's 32-bit end of RAM loses the last page below 4 GiB; here it is kept";
const LPAE: &str = "this Linux is an LPAE kernel, which reaches RAM above 4 GiB";
const LIMIT_PAGE: &str = "Linux does not manage the page in which low memory ends";
const ONE_ZONE: &str =
    "without a limit for DMA all low memory is in one zone: DMA if the kernel has it";
const FIXMAP: &str = "Linux moved its fixmap to 0xffc80000 with 5.11; ours is at the classic place, since uncached \
     mappings of DMA memory lie below it";
/// Amounts.
const TAKEN_AT_BOOT: &str = "what a kernel takes for itself at boot is not managed: its image, page array, and tables are \
     larger in Linux";
const TAKEN_SINCE: &str = "Linux has started its drivers, caches and a process by then";
const IMAGE: &str = "two kernels: one has drivers, file systems and a network";

/// Is `name` a word of the command line, with a value that `wanted` says yes to?
fn has_word(command_line: &str, name: &str, wanted: impl Fn(&str) -> bool) -> bool {
    params(command_line).any(|param| param.is(name) && wanted(param.value.unwrap_or("")))
}

/// The number in a value.
const fn number(value: Option<&Value>) -> Option<u64> {
    match value {
        Some(Value::Address(number) | Value::Pages(number) | Value::KiB(number)) => Some(*number),
        Some(Value::Names(_)) | None => None,
    }
}

/// Why a fact differs, if that is meant.
pub fn why(fact: Fact, linux: &Facts, ours: &Facts, command_line: &str) -> Option<&'static str> {
    use Fact::{
        Fixmap, HighEnd, HighFree, HighManaged, HighMemory, HighPresent, HighSpanned, HighTotal,
        HighZones, Image, LowEnd, LowFree, LowManaged, LowPresent, LowSpanned, LowTotal, LowZones,
        LowmemEnd, MemFree, MemTotal, Modules, PageOffset, Pkmap, UserEnd, VmallocStart,
        VmallocTotal,
    };
    let has = |name: &str| has_word(command_line, name, |_| true);
    let is_high = (HighZones..=HighFree).contains(&fact) || fact == HighTotal;
    let is_boundary = (LowZones..=HighFree).contains(&fact)
        || matches!(fact, LowmemEnd | HighMemory | VmallocStart | VmallocTotal)
        || matches!(fact, LowTotal | HighTotal);
    let huge_vmalloc =
        has_word(command_line, "vmalloc", |size| mm::param::read_size(size).bytes >= FOUR_GIB);
    let end_of = |side: &Facts| number(side.get(&HighEnd)).or(number(side.get(&LowEnd)));
    let ends_at_4g = end_of(ours) == Some(FOUR_GIB) && end_of(linux) == Some(FOUR_GIB - PAGE);
    let reaches_beyond = end_of(linux).is_some_and(|end| end > FOUR_GIB);
    let (split_there, split_here) = (linux.get(&Fact::PageOffset), ours.get(&Fact::PageOffset));
    let is_other_split = split_there.is_some() && split_there != split_here;
    let of_the_split = is_boundary || matches!(fact, PageOffset | Pkmap | Modules | UserEnd);
    let within_page = number(ours.get(&LowmemEnd)).is_some_and(|end| !end.is_multiple_of(PAGE));
    let (in_linux, here) = (number(linux.get(&fact)), number(ours.get(&fact)));
    let more_here = matches!((in_linux, here), (Some(linux), Some(ours)) if ours > linux);
    let less_here = matches!((in_linux, here), (Some(linux), Some(ours)) if ours < linux);
    Some(match fact {
        _ if of_the_split && is_other_split => SPLITS,
        _ if is_high && has("nohighmem") => NO_HIGHMEM,
        _ if is_boundary && huge_vmalloc => CUT_TO_32_BITS,
        _ if is_high && reaches_beyond => LPAE,
        MemTotal | MemFree if reaches_beyond => LPAE,
        Fixmap => FIXMAP,
        LowZones if has("dma_zone") => DMA_ZONE,
        LowZones => ONE_ZONE,
        HighZones if has("movablecore") || has("kernelcore") => MOVABLE,
        LowEnd | LowSpanned | LowPresent | HighEnd | HighSpanned | HighPresent | HighManaged
        | HighTotal
            if ends_at_4g =>
        {
            LAST_PAGE
        }
        HighManaged | HighTotal if within_page && more_here => LIMIT_PAGE,
        LowManaged | LowTotal | MemTotal | HighManaged | HighTotal if more_here => TAKEN_AT_BOOT,
        LowFree | HighFree | MemFree if more_here => TAKEN_SINCE,
        Image if less_here => IMAGE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(list: &[(Fact, u64)]) -> Facts {
        list.iter().map(|(fact, number)| (*fact, Value::Address(*number))).collect()
    }

    #[test]
    fn reasons_have_their_conditions() {
        let linux = side(&[(Fact::HighEnd, FOUR_GIB - PAGE), (Fact::VmallocStart, 0)]);
        let ours = side(&[(Fact::HighEnd, FOUR_GIB), (Fact::VmallocStart, 1)]);
        let reason = |fact, line| why(fact, &linux, &ours, line);
        assert_eq!(reason(Fact::HighEnd, ""), Some(LAST_PAGE));
        assert_eq!(reason(Fact::HighEnd, "x nohighmem"), Some(NO_HIGHMEM));
        assert_eq!(
            reason(Fact::HighEnd, "x -- nohighmem"),
            Some(LAST_PAGE),
            "for the first program"
        );
        assert_eq!(reason(Fact::LowZones, "dma-zone=32M"), Some(DMA_ZONE));
        assert_eq!(reason(Fact::HighEnd, "vmalloc=5G"), Some(CUT_TO_32_BITS));
        assert_eq!(reason(Fact::VmallocStart, "vmalloc=5G"), Some(CUT_TO_32_BITS));
        assert_eq!(reason(Fact::VmallocStart, "vmalloc=1G nohighmem"), None);
        assert_eq!(reason(Fact::PageOffset, "vmalloc=5G"), None);
    }

    #[test]
    fn having_less_than_linux_is_not_explained_away() {
        let (less, more) = (side(&[(Fact::LowManaged, 1)]), side(&[(Fact::LowManaged, 2)]));
        assert_eq!(why(Fact::LowManaged, &less, &more, ""), Some(TAKEN_AT_BOOT));
        assert_eq!(why(Fact::LowManaged, &more, &less, ""), None);
    }

    #[test]
    fn other_splits_are_the_reason_for_other_boundaries() {
        let linux = side(&[(Fact::PageOffset, 3), (Fact::HighStart, 1), (Fact::VmallocEnd, 1)]);
        let ours = side(&[(Fact::PageOffset, 2), (Fact::VmallocEnd, 2)]);
        assert_eq!(why(Fact::HighStart, &linux, &ours, ""), Some(SPLITS));
        assert_eq!(why(Fact::PageOffset, &linux, &ours, ""), Some(SPLITS));
        assert_eq!(why(Fact::VmallocEnd, &linux, &ours, ""), None, "it is the same for all");
    }

    #[test]
    fn another_end_of_ram_is_not_the_last_page() {
        let (linux, ours) = (side(&[(Fact::HighEnd, 1 << 31)]), side(&[(Fact::HighEnd, FOUR_GIB)]));
        assert_eq!(why(Fact::HighEnd, &linux, &ours, ""), None);
        let beyond = side(&[(Fact::HighEnd, FOUR_GIB + PAGE)]);
        assert_eq!(why(Fact::HighEnd, &beyond, &ours, ""), Some(LPAE));
    }
}
