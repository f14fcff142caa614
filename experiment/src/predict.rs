//! A prediction: what a rehearsed boot comes to, as an answer.
//!
//! What boot takes for itself by the page (tables, the page array) is counted as boot counts it; the image is one piece
//! here, whose sections only a kernel knows.

use alloc::string::String;

use mm::boot::memblock::Region;
use mm::report::explain::{self, Live};
use mm::report::layout::{self, Observed};

use crate::answer::Answer;
use crate::configuration::Configuration;
use crate::machine::Machine;
use crate::rehearse::{Rehearsal, rehearse};

pub use crate::rehearse::{Error, IMAGE_BYTES, MAX_COMMAND_LINE, MAX_RANGES};

/// What the kernel would decide on `machine` with the settings of `configuration`.
///
/// # Errors
///
/// See [`Error`].
pub fn predict(machine: &Machine, configuration: &Configuration) -> Result<Answer, Error> {
    rehearse(machine, configuration, answer)?.map_err(Error::Unread)
}

/// The answer that a rehearsal gives, by the functions with which a kernel writes it.
///
/// # Errors
///
/// Those of [`read`].
pub fn answer(
    boot: &Rehearsal<'_, '_>,
    scratch: &mut [Region],
) -> Result<Answer, serde_json::Error> {
    let (mut facts, mut account) = (String::new(), String::new());
    let seen = Observed::predicted(boot.situation.layout);
    // A `String` takes all that is written to it.
    let _ = layout::write_json(&mut facts, &seen, boot.warnings.iter());
    let _ = explain::write_json(&mut account, &boot.situation, Live::default(), scratch);
    read(&facts, &account)
}

/// An answer, of the lines of `layout --json` and `explain --json`.
///
/// # Errors
///
/// What is not of that form.
pub fn read(layout: &str, account: &str) -> Result<Answer, serde_json::Error> {
    Ok(Answer { layout: serde_json::from_str(layout)?, account: serde_json::from_str(account)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Range;
    use crate::configuration::Shorthands;
    use mm::addr::{PhysAddr, PhysRange};
    use mm::boot::split::Split;

    fn configuration(append: &str) -> Configuration {
        Configuration::new(Split::ThreeG, append, Shorthands::default())
    }

    #[test]
    fn a_gibibyte_of_ram() {
        let answer = predict(&Machine::virt(1 << 30), &configuration("vmalloc=1M")).unwrap();
        assert_eq!(answer.layout.high_memory.0, 0xfe00_0000);
        assert_eq!(answer.layout.warnings, ["vmalloc area is too small, limiting to 16MiB"]);
        assert_eq!(answer.layout.regions.len(), 10);
        let sums = &answer.account.tree;
        let all = sums.usable.values().chain(sums.reserved.values()).chain(sums.lost.values());
        assert_eq!(all.sum::<u64>() + sums.no_map, 1 << 30);
        assert!(answer.account.what_if.is_some());
    }

    #[test]
    fn what_can_not_be_is_named() {
        let error =
            |machine: &Machine| predict(machine, &configuration("")).unwrap_err().to_string();
        assert_eq!(error(&Machine::default()), "there is no memory bank");
        assert_eq!(error(&Machine::virt(0)), "the memory bank 0x40000000-0x40000000 is empty");
        let mut machine = Machine::virt(1 << 30);
        machine.kernel = Some(Range::from(PhysRange::new(PhysAddr::new(0), PhysAddr::new(0x1000))));
        assert!(error(&machine).contains("in no memory bank"));
    }
}
