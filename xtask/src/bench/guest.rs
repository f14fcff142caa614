//! A boot, and the figures that it printed.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::time::{Duration, Instant};

use crate::drive::{Limit, unattended};
use crate::image::Image;
use crate::note;
use crate::qemu::{MachineArgs, MemorySize};

/// How lines with figures begin.
pub const PREFIX: &str = "bench: ";

/// A boot that takes longer has hung: the slowest takes seconds.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The figures of one operation, in guest instructions.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The operation.
    pub name: String,
    /// To take a block.
    pub get: f64,
    /// To give it back.
    pub put: f64,
    /// Both.
    pub pair: f64,
    /// What other crates take for both.
    pub peers: Vec<(String, f64)>,
}

/// A line with figures, as the kernel prints it.
#[derive(Deserialize)]
struct Line {
    name: String,
    peer: Option<String>,
    get: f64,
    put: f64,
    pair: f64,
}

/// Boots `image` with so much memory and measures these operations there, or all.
pub fn measure(image: &Image, memory: MemorySize, names: Option<&[&str]>) -> Result<Vec<Measured>> {
    let commands = match names {
        Some(names) => names.iter().map(|name| format!("bench {name}")).collect(),
        None => vec!["bench".to_owned()],
    };
    let count = names.map_or(workload::OPERATIONS.len(), <[_]>::len);
    let all = workload::OPERATIONS.len();
    note(format_args!("bench: -m {memory}, {count} of {all} operations"));
    let text = boot(image, memory, commands)?;
    let (measured, complaints) = read(&text)?;
    for complaint in complaints {
        note(format_args!("bench: -m {memory}: {complaint}"));
    }
    ensure!(!measured.is_empty(), "the kernel printed no figures:\n{text}");
    Ok(measured)
}

/// Runs `commands` and then powers off; what was printed.
pub fn boot(image: &Image, memory: MemorySize, mut commands: Vec<String>) -> Result<String> {
    commands.push("poweroff".to_owned());
    let mut qemu = MachineArgs::counting(memory).command(image)?;
    let limit = Limit { deadline: Some(Instant::now() + TIMEOUT), stop: None };
    let seen = unattended(&mut qemu, commands, limit)?;
    let faults = seen.faults();
    ensure!(faults.is_empty(), "{}\n{}", faults.join("\n"), seen.text);
    Ok(seen.text)
}

/// The figures in what a boot printed, and what it said of operations that it could not measure.
fn read(text: &str) -> Result<(Vec<Measured>, Vec<&str>)> {
    let mut measured: Vec<Measured> = Vec::new();
    let mut complaints = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(PREFIX)) {
        if !line.starts_with('{') {
            complaints.push(line);
            continue;
        }
        let Line { name, peer, get, put, pair } =
            serde_json::from_str(line).with_context(|| format!("the kernel printed {line}"))?;
        let Some(peer) = peer else {
            measured.push(Measured { name, get, put, pair, peers: Vec::new() });
            continue;
        };
        match measured.last_mut() {
            Some(ours) if ours.name == name => ours.peers.push((peer, pair)),
            // Ours ran out of memory: a peer alone says nothing.
            _ => {}
        }
    }
    Ok((measured, complaints))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_figures_with_their_peers() {
        let text = "Boot: {}\nvmsplit> bench\n\
            bench: {\"name\":\"a\",\"get\":28.00,\"put\":29.07,\"pair\":57.07,\"batch\":1,\"n\":5}\n\
            bench: {\"name\":\"a\",\"peer\":\"x\",\"get\":1.00,\"put\":2,\"pair\":3,\"batch\":1,\"n\":5}\n\
            bench: b: ours ran out of memory\n\
            bench: {\"name\":\"b\",\"peer\":\"x\",\"get\":1.00,\"put\":2,\"pair\":3,\"batch\":1,\"n\":5}\n";
        let (measured, complaints) = read(text).unwrap();
        let a = Measured {
            name: "a".into(),
            get: 28.0,
            put: 29.07,
            pair: 57.07,
            peers: vec![("x".into(), 3.0)],
        };
        assert_eq!(measured, [a]);
        assert_eq!(complaints, ["b: ours ran out of memory"]);
    }

    #[test]
    fn a_torn_line_is_an_error() {
        assert!(read("bench: {\"name\":\"a\",\"get\":28").is_err());
    }
}
