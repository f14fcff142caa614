//! RAM as pieces of one class each, from the highest address down, with the holes between banks.
//!
//! There may be hundreds of pieces. While there are more than fit beside a column, those that are too small to see go
//! together with their neighbours: a piece then has several classes, and the bytes of each. Invariant: the pieces have
//! every byte of the account's ranges, each once, and no lost byte is without a name.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use mm::boot::explain::class::{Lost, Owner};

use crate::answer::{Account, Piece};

/// The most pieces and holes.
const MOST: usize = 22;

/// A class of RAM, as pictures tell them apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kind {
    /// The style class.
    pub class: &'static str,
    /// What it is called.
    pub name: String,
}

/// A piece of RAM, several small ones, or a hole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// How many pieces it stands for; 0 for a hole.
    pub pieces: usize,
    /// Bytes of RAM by kind, most bytes first; empty for a hole.
    pub kinds: Vec<(Kind, u64)>,
}

impl Part {
    /// Bytes of RAM.
    pub fn bytes(&self) -> u64 {
        self.kinds.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Is there no RAM?
    pub fn is_hole(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Bytes of RAM that is lost.
    pub fn lost(&self) -> u64 {
        let lost = self.kinds.iter().filter(|(kind, _)| kind.class == LOST);
        lost.fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// The style class.
    pub fn class(&self) -> &'static str {
        match self.kinds.as_slice() {
            [] => "hole",
            [first, rest @ ..] if rest.iter().all(|(kind, _)| kind.class == first.0.class) => {
                first.0.class
            }
            _ => "mixed",
        }
    }
}

const LOST: &str = "lost";

/// The style class of a zone.
pub fn zone_class(name: &str) -> &'static str {
    match name {
        "DMA" => "zone-dma",
        "Normal" => "normal",
        "HighMem" => "highmem",
        _ => "other",
    }
}

/// What the lost RAM of a reason is called, by its key in an account: `lost: no HighMem`.
#[must_use]
pub fn reason(key: &str) -> String {
    let known = Lost::ALL.into_iter().find(|lost| lost.key() == key);
    known.map_or_else(|| ["lost: ", key].concat(), |lost| lost.name().to_string())
}

fn kind(piece: &Piece) -> Kind {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    match piece.class.as_str() {
        "usable" => {
            let zone = text(&piece.zone);
            Kind { class: zone_class(&zone), name: zone }
        }
        "reserved" => {
            let key = text(&piece.owner);
            let name = match Owner::ALL.into_iter().find(|owner| owner.key() == key) {
                _ if piece.name.is_some() => text(&piece.name),
                // A picture has no room for the image's sections.
                Some(_) if key.starts_with("kernel_") => "kernel image".to_string(),
                Some(owner) => owner.name().to_string(),
                None => key,
            };
            Kind { class: "reserved", name }
        }
        "no_map" => Kind {
            class: "no-map",
            name: piece.name.clone().unwrap_or_else(|| "no-map".to_string()),
        },
        "lost" => Kind { class: LOST, name: reason(&text(&piece.reason)) },
        other => Kind { class: "other", name: other.to_string() },
    }
}

/// The parts of RAM, from the top.
pub fn parts(account: &Account) -> Vec<Part> {
    let parts = single(account);
    let all: u64 = parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes()));
    if parts.len() <= MOST {
        return parts;
    }
    // Begin with what is half a pixel, and with neighbours of one class.
    let mut limit = (all / 1024).max(1);
    loop {
        for across in [false, true] {
            let found = grouped(&parts, limit, across);
            // At last all is one part.
            if found.len() <= MOST || (across && limit >= all) {
                return found;
            }
        }
        limit = limit.saturating_mul(2);
    }
}

/// Each piece by itself, but neighbours of one kind together.
fn single(account: &Account) -> Vec<Part> {
    let mut pieces: Vec<&Piece> =
        account.ranges.iter().filter(|piece| piece.start < piece.end).collect();
    pieces.sort_by_key(|piece| piece.start);
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        let (kind, mut start, end) = (kind(piece), piece.start.0, piece.end.0);
        if let Some(last) = parts.last_mut() {
            start = start.max(last.end);
            if start >= end {
                continue;
            }
            match last.kinds.as_mut_slice() {
                [(same, bytes)] if *same == kind && last.end == start => {
                    *bytes += end - start;
                    last.end = end;
                    continue;
                }
                _ => {}
            }
            if last.end < start {
                let hole = Part { start: last.end, end: start, pieces: 0, kinds: vec![] };
                parts.push(hole);
            }
        }
        parts.push(Part { start, end, pieces: 1, kinds: vec![(kind, end - start)] });
    }
    parts.reverse();
    parts
}

/// `parts`, runs of those below `limit` bytes as one; of several classes only if they may go `across` them.
fn grouped(parts: &[Part], limit: u64, across: bool) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    // A hole belongs to a run only if the run goes on behind it.
    let mut hole = None;
    let mut in_run = false;
    for part in parts {
        if part.is_hole() {
            found.extend(hole.replace(part.clone()));
            continue;
        }
        let small = part.bytes() < limit;
        match found.last_mut() {
            Some(run) if small && in_run && (across || run.class() == part.class()) => {
                hole = None;
                run.start = part.start;
                run.pieces += part.pieces;
                for (kind, bytes) in &part.kinds {
                    match run.kinds.iter_mut().find(|(known, _)| known == kind) {
                        Some((_, sum)) => *sum = sum.saturating_add(*bytes),
                        None => run.kinds.push((kind.clone(), *bytes)),
                    }
                }
            }
            _ => {
                found.extend(hole.take());
                found.push(part.clone());
            }
        }
        in_run = small;
    }
    for part in &mut found {
        part.kinds.sort_by_key(|(_, bytes)| core::cmp::Reverse(*bytes));
    }
    found
}
