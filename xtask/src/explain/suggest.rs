//! The smallest change that makes all RAM lowmem, and what it takes.
//!
//! Nothing is suggested that was not tried: each candidate is rehearsed like the settings themselves, and is suggested if
//! no RAM is left above lowmem then. The order is that of their cost: what takes addresses from vmalloc alone, then the
//! splits, by what they take from programs.

use experiment::answer::{Answer, Outcome};
use experiment::configuration::Configuration;
use experiment::machine::Machine;
use experiment::predict::predict;
use mm::boot::split::Split;
use mm::param::{halves, params, words};
use serde::Serialize;

/// A change of settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Suggestion {
    /// What it is for.
    pub goal: Goal,
    /// What to change, in words.
    pub change: String,
    /// The settings with the change.
    pub configuration: Configuration,
    /// Bytes that programs have less.
    pub user_less: u64,
    /// Bytes that the vmalloc region has less; negative if it has more.
    pub vmalloc_less: i64,
    /// What it gives, by a prediction of its own.
    pub result: Outcome,
}

/// What a change is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// All RAM that can be mapped is lowmem.
    AllLowmem,
    /// All RAM that can be mapped is used, as HighMem where it is not lowmem.
    AllUsed,
}

/// What to change, the smallest change first; nothing where all RAM is lowmem, or nothing helps.
pub fn suggest(
    machine: &Machine,
    configuration: &Configuration,
    answer: &Answer,
) -> Vec<Suggestion> {
    let Some(what_if) = &answer.account.what_if else { return Vec::new() };
    let now = &what_if.now;
    if is_all_lowmem(now) {
        return Vec::new();
    }
    let search = Search { machine, configuration, now };
    let mut found = Vec::new();
    // Less vmalloc costs no program anything.
    found.extend(search.with_vmalloc(configuration.split, what_if.vmalloc_all_lowmem));
    for split in Split::ALL.into_iter().filter(|split| user_of(*split) < now.user) {
        if let Some(enough) = search.with_split(split) {
            found.push(enough);
            break;
        }
        // One of this kind is enough: a lower split takes more from programs.
        if found.is_empty() {
            found.extend(search.with_split_and_vmalloc(split));
        }
    }
    if now.lost > 0 {
        found.extend(search.with_highmem());
    }
    found
}

fn is_all_lowmem(outcome: &Outcome) -> bool {
    outcome.highmem + outcome.lost + outcome.limit_page == 0
}

fn user_of(split: Split) -> u64 {
    u64::from(split.task_size().as_u32())
}

struct Search<'a> {
    machine: &'a Machine,
    configuration: &'a Configuration,
    now: &'a Outcome,
}

impl Search<'_> {
    fn predict(&self, configuration: &Configuration) -> Option<Answer> {
        predict(self.machine, configuration).ok()
    }

    /// The settings under `split`, with a `vmalloc=` behind the others: the last one counts.
    fn changed(&self, split: Split, vmalloc_mib: Option<u64>) -> Configuration {
        let mut changed = Configuration { split, ..self.configuration.clone() };
        if let Some(mib) = vmalloc_mib {
            changed.push(&format!("vmalloc={mib}M"));
        }
        changed
    }

    /// With as much for vmalloc as leaves all RAM in lowmem.
    fn with_vmalloc(&self, split: Split, most: Option<u64>) -> Option<Suggestion> {
        let mib = most? >> 20;
        let change = if split == self.configuration.split {
            format!("vmalloc={mib}M")
        } else {
            format!("the {} split and vmalloc={mib}M", split.name())
        };
        self.check(Goal::AllLowmem, change, self.changed(split, Some(mib)))
    }

    fn with_split(&self, split: Split) -> Option<Suggestion> {
        let change = format!("the {} split", split.name());
        self.check(Goal::AllLowmem, change, self.changed(split, None))
    }

    fn with_split_and_vmalloc(&self, split: Split) -> Option<Suggestion> {
        let other = self.predict(&self.changed(split, None))?;
        self.with_vmalloc(split, other.account.what_if?.vmalloc_all_lowmem)
    }

    fn with_highmem(&self) -> Option<Suggestion> {
        let (ours, rest) = halves(&self.configuration.command_line);
        let is_it = |word: &str| params(word).any(|param| param.is("nohighmem"));
        let kept = words(ours).filter(|word| !is_it(word));
        let rest = Some(rest).filter(|rest| !rest.is_empty());
        let kept: Vec<_> = kept.chain(rest).collect();
        let configuration =
            Configuration { command_line: kept.join(" "), ..self.configuration.clone() };
        self.check(Goal::AllUsed, "no nohighmem".to_owned(), configuration)
    }

    /// The change, if it does what it is for.
    fn check(
        &self,
        goal: Goal,
        change: String,
        configuration: Configuration,
    ) -> Option<Suggestion> {
        let result = self.predict(&configuration)?.account.what_if?.now;
        let holds = match goal {
            Goal::AllLowmem => is_all_lowmem(&result),
            Goal::AllUsed => result.lost == 0,
        };
        let user_less = self.now.user.saturating_sub(result.user);
        let vmalloc_less = self.now.vmalloc.cast_signed() - result.vmalloc.cast_signed();
        holds.then_some(Suggestion { goal, change, configuration, user_less, vmalloc_less, result })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiment::configuration::Shorthands;

    fn suggested(mib: u64, append: &str) -> Vec<(String, u64, i64)> {
        let machine = Machine::virt(mib << 20);
        let configuration = Configuration::new(Split::ThreeG, append, Shorthands::default());
        let answer = predict(&machine, &configuration).unwrap();
        let found = suggest(&machine, &configuration, &answer);
        let ram = mib << 20;
        for one in &found {
            let result = &one.result;
            let used = match one.goal {
                Goal::AllLowmem => result.lowmem,
                Goal::AllUsed => result.lowmem + result.highmem,
            };
            assert_eq!(used, ram, "{one:?}");
        }
        let show = |one: Suggestion| (one.change, one.user_less >> 20, one.vmalloc_less >> 20);
        found.into_iter().map(show).collect()
    }

    #[test]
    fn the_smallest_change_comes_first() {
        let change = |what: &str, user, vmalloc| (what.to_owned(), user, vmalloc);
        assert_eq!(suggested(512, ""), []);
        assert_eq!(suggested(768, ""), []);
        // 900 MiB fit beside some vmalloc; 1024 fit beside none.
        assert_eq!(
            suggested(900, ""),
            [change("vmalloc=108M", 0, 128), change("the 3g-opt split", 256, -128)]
        );
        assert_eq!(suggested(1024, ""), [change("the 3g-opt split", 256, 0)]);
        assert_eq!(
            suggested(1024, "nohighmem"),
            [change("the 3g-opt split", 256, 0), change("no nohighmem", 0, 0)]
        );
        assert_eq!(suggested(2048, ""), [change("the 1g split", 2048, -768)]);
        assert_eq!(suggested(1792, "")[0], change("the 2g split", 1024, 0));
        assert_eq!(
            suggested(1024, "vmalloc=1000M"),
            [
                change("the 3g-opt split and vmalloc=240M", 256, 736),
                change("the 2g split", 1024, -32)
            ]
        );
        // Less vmalloc under the 2g split takes less from programs than the 1g split does.
        assert_eq!(
            suggested(2000, ""),
            [change("the 2g split and vmalloc=32M", 1024, 208), change("the 1g split", 2048, -816)]
        );
        // More than any split has.
        assert_eq!(suggested(3072, "vmalloc=16M"), []);
    }

    #[test]
    fn a_change_is_made_where_the_kernel_reads_it() {
        let line = "a=\"x nohighmem\" nohighmem -- nohighmem";
        let changes = |mib: u64, line: &str| -> Vec<_> {
            let machine = Machine::virt(mib << 20);
            let configuration = Configuration::new(Split::ThreeG, line, Shorthands::default());
            let answer = predict(&machine, &configuration).unwrap();
            let found = suggest(&machine, &configuration, &answer).into_iter();
            found.map(|one| (one.change, one.configuration.command_line)).collect()
        };
        let found = changes(900, line);
        assert_eq!(found[0].0, "vmalloc=108M");
        assert_eq!(found[0].1, "a=\"x nohighmem\" nohighmem vmalloc=108M -- nohighmem");
        assert_eq!(found[2].0, "no nohighmem");
        assert_eq!(found[2].1, "a=\"x nohighmem\" -- nohighmem");
        assert_eq!(changes(1024, "a=b no-highmem").len(), 1, "another word");
        assert_eq!(changes(900, "a=\"b")[0].1, "a=\"b\" vmalloc=108M");
    }
}
