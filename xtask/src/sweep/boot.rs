//! One boot, and what the kernel said of its layout.
//!
//! Whatever stops a boot is a value, a QEMU that can not be started too. Invariant: what a boot says is taken only of one
//! that ended as it should.

use anyhow::Result;
use experiment::answer::Answer;
use serde::{Deserialize, Serialize};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::kernels::Kernel;
use super::plan::Combination;
use crate::asked;
use crate::drive::{Limit, Seen, unattended};

/// What a boot said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// The kernel's first line, without the split.
    pub kernel: Option<String>,
    /// Its layout and account, or why there is none.
    pub said: Result<Answer, Stop>,
}

/// Why a boot said nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The kernel stopped, by its own words.
    Halted(String),
    /// Anything else: a time-out, or QEMU. The next attempt may go better.
    Other(String),
}

impl Boot {
    /// The answer, or the reason.
    pub fn answer(&self) -> Result<&Answer, &str> {
        match &self.said {
            Ok(answer) => Ok(answer),
            Err(Stop::Halted(reason) | Stop::Other(reason)) => Err(reason),
        }
    }

    /// Was it the kernel that had the last word? Then it would say the same again.
    pub const fn is_final(&self) -> bool {
        !matches!(self.said, Err(Stop::Other(_)))
    }
}

/// A boot to do.
pub struct Booting<'a> {
    /// Of what.
    pub combination: &'a Combination,
    /// Which kernel.
    pub kernel: &'a Kernel,
    /// Where its image is.
    pub folder: &'a Path,
    /// How long it may take.
    pub timeout: Duration,
}

impl Booting<'_> {
    /// The machine that boots.
    pub fn qemu(&self) -> Result<Command> {
        let mut qemu = self.combination.qemu().command(&self.kernel.image)?;
        // A process group of its own: Ctrl-C is for us, and we end QEMU.
        qemu.current_dir(self.folder).process_group(0);
        Ok(qemu)
    }

    /// Boots; `None` when `stop` was set meanwhile.
    pub fn boot(&self, stop: &AtomicBool) -> Option<Boot> {
        let limit = Limit { deadline: Some(Instant::now() + self.timeout), stop: Some(stop) };
        let commands = asked::commands();
        match self.qemu().and_then(|mut qemu| unattended(&mut qemu, commands, limit)) {
            Ok(seen) if seen.is_interrupted() => None,
            Ok(seen) => Some(read(&seen)),
            Err(error) => Some(Boot { kernel: None, said: Err(Stop::Other(format!("{error:#}"))) }),
        }
    }
}

fn read(seen: &Seen) -> Boot {
    let said = match (seen.halted(), seen.faults()) {
        (Some(_), faults) => Err(Stop::Halted(faults.join("; "))),
        (None, faults) if !faults.is_empty() => Err(Stop::Other(faults.join("; "))),
        _ => asked::answer(&seen.text).map_err(Stop::Other),
    };
    Boot { kernel: kernel(&seen.text), said }
}

/// `vmsplit 0.1.0 (debug)` of `vmsplit 0.1.0 (debug, 3g split)`.
fn kernel(text: &str) -> Option<String> {
    let line =
        text.lines().find(|line| line.starts_with("vmsplit ") && line.ends_with(" split)"))?;
    let (name, _) = line.rsplit_once(", ")?;
    Some(format!("{name})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_name_is_its_first_line_without_the_split() {
        let text = "[log]\nvmsplit 0.1.0 (debug, 3g-opt split)\nvmsplit> x\n";
        assert_eq!(kernel(text).as_deref(), Some("vmsplit 0.1.0 (debug)"));
        assert_eq!(kernel("vmsplit: halted: x\n"), None);
    }
}
