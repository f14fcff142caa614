//! Fact by fact: equal, different, or not told.

use serde::Serialize;

use super::facts::{Fact, Facts, Value};
use super::why::why;

const PAGE: u64 = 4096;

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
}
