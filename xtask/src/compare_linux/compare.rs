//! Fact by fact: equal, different, or not told; and for a difference that is meant, why.

use serde::Serialize;

use super::facts::{Fact, Facts, Value};

const PAGE: u64 = 4096;
const FOUR_GIB: u64 = 1 << 32;

/// What comes of a fact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The same on both sides.
    Equal,
    /// Not the same.
    Differs,
    /// One side does not tell.
    Unknown,
}

impl Mark {
    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Differs => "≠",
            Self::Unknown => "?",
        }
    }
}

/// One line of the table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    /// What.
    pub fact: Fact,
    /// Linux's value.
    pub linux: Option<Value>,
    /// Ours.
    pub ours: Option<Value>,
    /// What comes of it.
    pub mark: Mark,
    /// Of a difference: why, if it is known to be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
}

/// Compares what both sides tell. `command_line` is what the user gave both.
pub fn rows(linux: &Facts, ours: &Facts, command_line: &str) -> Vec<Row> {
    let mut facts: Vec<Fact> = linux.keys().chain(ours.keys()).copied().collect();
    facts.sort_unstable();
    facts.dedup();
    let row = |fact: Fact| {
        let (left, right) = (linux.get(&fact), ours.get(&fact));
        let mark = match (left, right) {
            (Some(left), Some(right)) if is_equal(fact, left, right) => Mark::Equal,
            (Some(_), Some(_)) => Mark::Differs,
            (None, Some(_)) if is_of_zones(fact) && tells_zones(linux) => Mark::Differs,
            (Some(_), None) if is_of_zones(fact) && tells_zones(ours) => Mark::Differs,
            _ => Mark::Unknown,
        };
        let why = || why(fact, linux, ours, command_line);
        let why = if mark == Mark::Differs { why() } else { None };
        Row { fact, linux: left.cloned(), ours: right.cloned(), mark, why }
    };
    facts.into_iter().map(row).collect()
}

/// A zone that one side does not have is a difference, not something untold.
fn is_of_zones(fact: Fact) -> bool {
    (Fact::LowZones..=Fact::HighFree).contains(&fact) || matches!(fact, Fact::HighTotal)
}

/// Does that side tell of all its zones? Of a kernel that died there may be their ends alone.
fn tells_zones(side: &Facts) -> bool {
    side.contains_key(&Fact::LowManaged) || side.contains_key(&Fact::HighManaged)
}

/// Is it the same, as exactly as Linux can tell? Its tables and zones are of whole pages.
fn is_equal(fact: Fact, linux: &Value, ours: &Value) -> bool {
    match (fact, linux, ours) {
        (Fact::LowmemEnd, Value::Address(linux), Value::Address(ours)) => {
            *linux == ours / PAGE * PAGE
        }
        (Fact::HighMemory, Value::Address(linux), Value::Address(ours)) => {
            *linux == ours.next_multiple_of(PAGE)
        }
        _ => linux == ours,
    }
}

/// Is `name` a word of the command line, with a value that `wanted` says yes to?
fn has_word(command_line: &str, name: &str, wanted: impl Fn(&str) -> bool) -> bool {
    command_line.split_whitespace().any(|word| {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        key == name && wanted(value)
    })
}

/// Why a fact differs, where that is meant (docs/layout.md).
fn why(fact: Fact, linux: &Facts, ours: &Facts, command_line: &str) -> Option<&'static str> {
    let address = |side: &Facts, fact: Fact| match side.get(&fact) {
        Some(Value::Address(address)) => Some(*address),
        _ => None,
    };
    let any = |_: &str| true;
    let is_high = (Fact::HighZones..=Fact::HighFree).contains(&fact) || fact == Fact::HighTotal;
    if is_high && has_word(command_line, "nohighmem", any) {
        return Some("`nohighmem` is a parameter of ours: Linux for ARM has no such");
    }
    if has_word(command_line, "vmalloc", |value| mm::param::read_size(value).bytes >= FOUR_GIB)
        && fact >= Fact::LowmemEnd
    {
        return Some(
            "Linux cuts a `vmalloc=` of 4 GiB or more to 32 bits; here it is too big, and clamped",
        );
    }
    let ends_at_4g = address(ours, Fact::HighEnd).or(address(ours, Fact::LowEnd)) == Some(FOUR_GIB);
    match fact {
        Fact::Fixmap => Some(
            "Linux moved its fixmap to 0xffc80000 with 5.11, and what is shown is its first page in use; \
             ours is at the classic place, since uncached mappings of DMA memory lie below it",
        ),
        Fact::LowZones if has_word(command_line, "dma_zone", any) => {
            Some("`dma_zone=` is a parameter of ours: a Linux board has its limit in its sources")
        }
        Fact::LowZones => {
            Some("without a limit for DMA all low memory is in one zone: DMA if the kernel has it")
        }
        Fact::HighZones
            if has_word(command_line, "movablecore", any)
                || has_word(command_line, "kernelcore", any) =>
        {
            Some("`movablecore=` and `kernelcore=` are parameters of Linux's")
        }
        Fact::LowEnd
        | Fact::HighEnd
        | Fact::LowSpanned
        | Fact::HighSpanned
        | Fact::LowPresent
        | Fact::HighPresent
            if ends_at_4g =>
        {
            Some("Linux's 32-bit end of RAM loses the last page below 4 GiB; here it is kept")
        }
        Fact::LowEnd | Fact::LowSpanned | Fact::LowPresent
            if address(ours, Fact::LowmemEnd).is_some_and(|end| !end.is_multiple_of(PAGE)) =>
        {
            Some(
                "the page in which low memory ends belongs to neither zone here, and to HighMem in Linux",
            )
        }
        Fact::LowManaged
        | Fact::LowTotal
        | Fact::MemTotal
        | Fact::HighManaged
        | Fact::HighTotal => Some(
            "what a kernel takes for itself at boot is not managed: its image, page array, and tables \
             are larger in Linux",
        ),
        Fact::LowFree | Fact::HighFree | Fact::MemFree => {
            Some("Linux has started its drivers, caches and a process by then")
        }
        Fact::Image => Some("two kernels: one has drivers, file systems and a network"),
        Fact::LowmemEnd | Fact::HighMemory | Fact::VmallocStart | Fact::VmallocTotal
            if has_word(command_line, "mem", any) && linux.get(&fact).is_some() =>
        {
            Some("banks of `mem=` that Linux leaves out or cuts are kept here (docs/layout.md)")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(list: &[(Fact, Value)]) -> Facts {
        list.iter().cloned().collect()
    }

    #[test]
    fn each_fact_gets_its_mark() {
        let linux = facts(&[
            (Fact::PageOffset, Value::Address(0xc000_0000)),
            (Fact::LowManaged, Value::Pages(1)),
            (Fact::UserEnd, Value::Address(0xbf00_0000)),
        ]);
        let ours = facts(&[
            (Fact::PageOffset, Value::Address(0xc000_0000)),
            (Fact::LowManaged, Value::Pages(2)),
            (Fact::PageArray, Value::KiB(3)),
        ]);
        let rows = rows(&linux, &ours, "");
        let marks: Vec<_> =
            rows.iter().map(|row| (row.fact, row.mark, row.why.is_some())).collect();
        assert_eq!(
            marks,
            [
                (Fact::PageOffset, Mark::Equal, false),
                (Fact::UserEnd, Mark::Unknown, false),
                (Fact::LowManaged, Mark::Differs, true),
                (Fact::PageArray, Mark::Unknown, false),
            ]
        );
    }

    #[test]
    fn an_end_within_a_page_is_compared_by_the_page() {
        let end = |value| facts(&[(Fact::HighMemory, Value::Address(value))]);
        let mark = |linux, ours| rows(&end(linux), &end(ours), "")[0].mark;
        assert_eq!(mark(0xef00_0000, 0xeeff_ffff), Mark::Equal);
        assert_eq!(mark(0xef00_0000, 0xeeff_f000), Mark::Differs);
        assert_eq!(mark(0xeeff_ffff, 0xef00_0000), Mark::Differs);
    }

    #[test]
    fn a_zone_of_one_side_is_a_difference() {
        let linux =
            facts(&[(Fact::HighPresent, Value::Pages(9)), (Fact::LowPresent, Value::Pages(1))]);
        let ours =
            facts(&[(Fact::LowPresent, Value::Pages(1)), (Fact::LowManaged, Value::Pages(1))]);
        let rows = rows(&linux, &ours, "x nohighmem");
        let row = |fact| rows.iter().find(|row| row.fact == fact).unwrap();
        assert_eq!(row(Fact::HighPresent).mark, Mark::Differs);
        assert!(row(Fact::HighPresent).why.unwrap().contains("nohighmem"));
        assert_eq!(row(Fact::LowManaged).mark, Mark::Unknown);
    }

    #[test]
    fn reasons_are_given_for_what_is_meant_only() {
        let side = |end, start| {
            facts(&[
                (Fact::HighEnd, Value::Address(end)),
                (Fact::VmallocStart, Value::Address(start)),
            ])
        };
        let reasons = |line: &str| -> Vec<_> {
            let rows = rows(&side(0xffff_f000, 0), &side(FOUR_GIB, 1), line);
            rows.iter().map(|row| row.why.unwrap_or("").contains("4 GiB")).collect()
        };
        assert_eq!(reasons(""), [false, true]);
        assert_eq!(reasons("vmalloc=5G"), [true, true]);
        assert_eq!(reasons("vmalloc=1G"), [false, true]);
    }
}
